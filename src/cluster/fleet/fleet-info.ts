/**
 * What a router says of a model from what its instances say: facts of the model by the first of them, sizes of all together.
 * What came over the bus is read field by field: an instance of another version must not make a router fail.
 */
import { z } from "zod";
import type { InstanceCard } from "../../protocol/index.ts";
import type { EngineInfo } from "../../runtime/index.ts";
import { BEST_EFFORT, checkSlo, type Slo } from "../../sched/index.ts";

const sloSchema = z.object({
  class: z.enum(["latency", "deadline", "compound", "best-effort"]),
  ttftMs: z.number().optional(),
  tpotMs: z.number().optional(),
  deadlineMs: z.number().optional(),
  onMiss: z.enum(["finish", "cut", "reject"]),
});

const infoSchema = z.object({
  vocabSize: z.number().int().min(1),
  weights: z.enum(["f32", "int8", "int4"]).catch("f32"),
  threads: z.number().int().min(1).catch(1),
  policy: z.string().max(64).catch("fifo"),
  phases: z.enum(["colocated", "disaggregated", "semi-pd"]).catch("colocated"),
  fixedPolicy: z.string().max(1000).optional().catch(undefined),
  modelFingerprint: z.string().max(256).nullable().catch(null),
  pageBytes: z.number().int().min(0).catch(0),
  defaultSlo: z.unknown(),
  lora: z
    .object({ maxLoras: z.number().int().min(1), maxRank: z.number().int().min(1) })
    .optional()
    .catch(undefined),
  embedding: z
    .object({
      dimensions: z.union([z.enum(["full", "any"]), z.array(z.number().int().min(1)).max(64)]),
      before: z.array(z.number().int().min(0)).max(64),
      after: z.array(z.number().int().min(0)).max(64),
      width: z.number().int().min(1),
    })
    .optional()
    .catch(undefined),
});

/** @param cards at least one, all of one model. @throws PunctualError never; ZodError for a card without a vocabulary's size */
export function fleetInfo(cards: readonly InstanceCard[]): EngineInfo {
  const first = cards[0]!;
  const { defaultSlo, fixedPolicy, embedding, lora: _, ...info } = infoSchema.parse(first.info);
  const loras = cards.flatMap((card) => infoSchema.shape.lora.parse(card.info["lora"]) ?? []);
  return {
    ...info,
    name: first.model,
    dir: null,
    contextTokens: Math.min(...cards.map(({ contextTokens }) => contextTokens)),
    kvPages: cards.reduce((sum, { totalPages }) => sum + totalPages, 0),
    pageTokens: first.pageTokens,
    defaultSlo: sloOf(defaultSlo),
    ...(fixedPolicy === undefined ? {} : { fixedPolicy }),
    ...(embedding === undefined ? {} : { embedding }),
    ...(loras.length === 0
      ? {}
      : {
          lora: {
            maxLoras: Math.max(...loras.map(({ maxLoras }) => maxLoras)),
            maxRank: Math.max(...loras.map(({ maxRank }) => maxRank)),
          },
        }),
  };
}

function sloOf(value: unknown): Slo {
  const read = sloSchema.safeParse(value);
  if (!read.success) return BEST_EFFORT;
  const { class: kind, onMiss, ttftMs, tpotMs, deadlineMs } = read.data;
  const slo: Slo = {
    class: kind,
    onMiss,
    ...(ttftMs === undefined ? {} : { ttftMs }),
    ...(tpotMs === undefined ? {} : { tpotMs }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
  try {
    return checkSlo(slo);
  } catch {
    return BEST_EFFORT; // it promises what nobody understands
  }
}
