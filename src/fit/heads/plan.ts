/** What decides the weights of fitted heads, as plain data: part of their identity, so that after any change old checkpoints are refused. */
import { fail } from "../../core/index.ts";
import type { WeightsFormat } from "../../llm/index.ts";
import type { AdamWOptions, Schedule } from "../../nn/index.ts";

/** How heads are fitted. */
export interface HeadsPlan {
  readonly seed: number;
  readonly steps: number;
  /** Drafts to learn from in a step. */
  readonly drafts: number;
  /** Places of a draft. */
  readonly places: number;
  /** Inner width of the cell. */
  readonly width: number;
  /** Most tokens that can be drafted: the most frequent of the texts where the model has more. */
  readonly vocabularyTokens: number;
  /** How the model is read: as it will be served. */
  readonly weights: WeightsFormat;
  readonly schedule: Schedule;
  readonly adamw: Partial<AdamWOptions>;
  /** A later place counts so much less than the one before it: it is come to less often. */
  readonly placeDecay: number;
}

/** What a user may change. */
export interface HeadsPlanOptions {
  readonly seed?: number;
  readonly steps?: number;
  readonly width?: number;
  readonly places?: number;
  readonly drafts?: number;
  readonly vocabularyTokens?: number;
  readonly weights?: WeightsFormat;
}

const PEAK = 3e-3;

/** The plan with what is not given. @throws PunctualError invalid_request naming what is out of range. */
export function headsPlan({
  seed = 1,
  steps = 1500,
  width = 512,
  places = 5,
  drafts = 512,
  vocabularyTokens = 16_384,
  weights = "int8",
}: HeadsPlanOptions = {}): HeadsPlan {
  for (const [name, value, most] of [
    ["steps", steps, 10_000_000],
    ["width", width, 65_536],
    ["places", places, 14],
    ["drafts", drafts, 65_536],
    ["vocabularyTokens", vocabularyTokens, 2 ** 24],
  ] as const) {
    if (Number.isInteger(value) && value >= 1 && value <= most) continue;
    fail("invalid_request", `${name}: expected an integer from 1 to ${most}, got ${value}`, { param: name });
  }
  const decaySteps = Math.ceil(steps / 2);
  return {
    seed,
    steps,
    drafts,
    places,
    width,
    vocabularyTokens,
    weights,
    schedule: {
      kind: "wsd",
      peak: PEAK,
      floor: 1e-5,
      warmupSteps: Math.min(50, steps - decaySteps),
      decaySteps,
      decay: "root",
    },
    adamw: { weightDecay: 0.05, beta2: 0.98, emaDecay: 0.99 },
    placeDecay: 0.9,
  };
}
