/**
 * What a request is promised: its body, else its headers, else its service tier; where none says anything, the caller's
 * key and then the model decide (scope.ts). Body and headers make up one objective field by field; a tier, a key's and a
 * model's default each are a whole one. Nothing here knows whether a promise can be kept.
 */
import { fail } from "../core/index.ts";
import { readSlo, type GenerationFields, type ServiceTier } from "../protocol/index.ts";
import type { RequestTask } from "../runtime/index.ts";
import { parseSlo, type Slo } from "../sched/index.ts";
import { inWordsOf } from "./renamed.ts";

/** The tiers that promise something of their own; "default" and "auto" leave it to the key and the model. */
export type PromisingTier = Exclude<ServiceTier, "default">;
/** What each tier promises. */
export type TierObjectives = Readonly<Record<PromisingTier, Slo>>;

/**
 * Priority is for somebody who waits and reads along, scale for the same at a calmer pace, flex for whatever has time.
 * A pace of 50 ms is four times as fast as most people read.
 */
export const DEFAULT_TIERS: TierObjectives = {
  priority: { class: "latency", ttftMs: 500, tpotMs: 50, onMiss: "finish" },
  scale: { class: "latency", ttftMs: 2000, tpotMs: 100, onMiss: "finish" },
  flex: { class: "best-effort", onMiss: "finish" },
};

/** What a request was promised and which tier that is; without `slo`, the default of its key or model. */
export interface RequestObjective {
  readonly slo?: Slo;
  readonly task?: RequestTask;
  /** As the answer tells it; null when the request asked for none. */
  readonly tier: ServiceTier | null;
}

type Asked = Partial<Pick<GenerationFields, "slo" | "service_tier">>;

/** Errors: `invalid_request` naming the header or the field that is wrong, missing or contradicts another. */
export function requestObjective(
  fields: Asked,
  header: (name: string) => string | undefined,
  tiers: TierObjectives,
): RequestObjective {
  const { objective, task, names } = readSlo(header, fields.slo);
  const asked = fields.service_tier ?? null;
  const ofTask = task === null ? {} : { task };
  if (objective !== null) {
    const slo = inWordsOf(names, () => parseSlo(objective));
    return { slo, ...ofTask, tier: asked === null ? null : "default" };
  }
  if (asked === null || asked === "auto" || asked === "default") {
    return { ...ofTask, tier: asked === null ? null : "default" };
  }
  return { slo: tiers[asked], ...ofTask, tier: asked };
}

/**
 * Tiers from text, each "name=targets", over the default ones: `priority=ttft=200ms,tpot=30ms`.
 * Errors: `invalid_request` for another name or an objective that does not parse.
 */
export function readTiers(texts: readonly string[]): TierObjectives {
  const tiers: Record<PromisingTier, Slo> = { ...DEFAULT_TIERS };
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = text.slice(0, Math.max(0, at));
    if (!isTier(name)) {
      const known = Object.keys(DEFAULT_TIERS).join(", ");
      fail("invalid_request", `--tier: expected TIER=TARGETS with a tier of ${known}, got "${text}"`, {
        param: "tier",
      });
    }
    tiers[name] = parseSlo(text.slice(at + 1), `--tier ${name}`);
  }
  return tiers;
}

function isTier(name: string): name is PromisingTier {
  return Object.hasOwn(DEFAULT_TIERS, name);
}
