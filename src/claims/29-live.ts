/**
 * Claim `29-live`: live migration as it is, not simulated (claim 29 is): real engines, pages copied over TCP while the
 * sequence decodes, as in Llumnix (OSDI'24), against computing again and against a blocking copy; and routers side by side.
 */
import type { DecoderConfig } from "../llm/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import {
  addedLine,
  gapLines,
  largerModelLines,
  measureMoves,
  MODES,
  type GapSize,
  type Moved,
} from "./live-migration/gap.ts";
import { routerLines, type RoutersSize } from "./live-migration/routers.ts";

interface Size {
  readonly gap: GapSize;
  /** Models whose steps take some milliseconds, and as long as those of models that people serve. */
  readonly larger: readonly GapSize[];
  readonly routers: RoutersSize;
}

const decoder = (hidden: number, layers: number): DecoderConfig => ({
  vocabSize: 2048,
  hidden,
  layers,
  heads: hidden / 32,
  kvHeads: 2,
  headDim: 32,
  ffn: 3 * hidden,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 16_384,
});

const SMOKE = { model: decoder(64, 2), modelName: "64x2" };
const LARGER = { model: decoder(512, 8), modelName: "512x8", tokensAfter: 48, modes: ["live"] } as const;
const SERVED = {
  ...LARGER,
  model: decoder(1024, 16),
  modelName: "1024x16 int8",
  weights: "int8",
  budgetTokens: 256,
  tokensAfter: 24,
} as const;
const MODEL = { model: decoder(256, 4), modelName: "256x4" };

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: {
    gap: { ...SMOKE, lengths: [64, 128], rounds: 1, tokensAfter: 1500, modes: MODES },
    larger: [
      {
        ...SMOKE,
        modelName: "again, int8",
        weights: "int8",
        lengths: [64],
        rounds: 1,
        tokensAfter: 1500,
        modes: ["live"],
      },
    ],
    routers: { ...SMOKE, instances: 2, rounds: 1, requests: 4, ratePerSecond: 200 },
  },
  quick: {
    gap: { ...MODEL, lengths: [256, 1024, 3072], rounds: 3, tokensAfter: 160, modes: MODES },
    larger: [
      { ...LARGER, lengths: [256, 1024], rounds: 3 },
      { ...SERVED, lengths: [256], rounds: 3 },
    ],
    routers: { ...MODEL, instances: 3, rounds: 1, requests: 24, ratePerSecond: 16 },
  },
  full: {
    gap: { ...MODEL, lengths: [256, 1024, 4096, 8192], rounds: 15, tokensAfter: 160, modes: MODES },
    larger: [
      { ...LARGER, lengths: [256, 1024, 3072], rounds: 9 },
      { ...SERVED, lengths: [256, 1024, 3072], rounds: 5 },
    ],
    routers: { ...MODEL, instances: 3, rounds: 6, requests: 80, ratePerSecond: 16 },
  },
};

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const size = SIZES[context.mode];
  const models: { readonly size: GapSize; readonly moved: readonly Moved[] }[] = [];
  for (const one of [size.gap, ...size.larger]) models.push({ size: one, moved: await measureMoves(one, context) });
  const [small, ...larger] = models;
  return [
    ...gapLines(small!.size, small!.moved),
    ...larger.flatMap(({ size: one, moved }) => largerModelLines(one, moved)),
    addedLine(models),
    ...(await routerLines(size.routers, context)),
  ];
}

export const liveMigration: Claim = {
  id: "29-live",
  name: "live migration",
  headline:
    "A request that moves to another engine while it is answered stands still for two decode steps at most, however long it is.",
  baseline:
    "the same move by computing the sequence again at the target, and by a blocking copy; round-robin for the routers",
  source: "Llumnix, OSDI'24: staged copies of pages while the source decodes, a handshake before the last one",
  targets:
    "the longest time between two tokens at a move at most 2 decode steps, with models of short steps and of long ones, and at the longest sequence at most 1.5 times that at the shortest; no answer changed by a move; routers published without a target",
  measure,
};
