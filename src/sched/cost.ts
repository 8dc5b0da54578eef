/**
 * What a step costs, learnt from the steps themselves: an exponential mean of measured milliseconds in
 * bins of token counts (powers of two and halfway between), joined by straight lines.
 *
 * It knows nothing of context length or hardware; a deadline-driven policy that needs more brings its
 * own CostEstimate.
 */
import { assert } from "../core/index.ts";
import type { CostEstimate } from "./types.ts";

/** Plain data, so that a decision log can carry the estimate a decision was based on. */
export type CostPoints = readonly (readonly [tokens: number, stepMs: number])[];

/** Straight lines through the points, flat before the first, proportional after the last; 0 without points. */
export function costFromPoints(points: CostPoints): CostEstimate {
  return { stepMs: (tokens) => interpolate(points, tokens) };
}

function interpolate(points: CostPoints, tokens: number): number {
  if (points.length === 0) return 0;
  let previous = points[0]!;
  if (tokens <= previous[0]) return previous[1];
  for (const point of points) {
    if (tokens <= point[0]) {
      const share = point[0] === previous[0] ? 1 : (tokens - previous[0]) / (point[0] - previous[0]);
      return previous[1] + (point[1] - previous[1]) * share;
    }
    previous = point;
  }
  return (previous[1] * tokens) / previous[0];
}

/**
 * The knee of a cost curve: the smallest step, in tokens, that computes at least `share` of the best tokens per
 * millisecond. Larger steps only take longer (2401.08671 section 3, on throughput over tokens).
 * @param mostTokens where the search ends, at least 1.
 * @returns null while nothing is known about costs.
 */
export function kneeTokens(cost: CostEstimate, mostTokens: number, share = 0.9): number | null {
  assert(mostTokens >= 1 && share > 0 && share <= 1, "a knee lies within 1 token and mostTokens, at a share in (0, 1]");
  const rate = (tokens: number): number => tokens / cost.stepMs(tokens);
  if (!(cost.stepMs(1) > 0)) return null;
  let best = 0;
  for (let tokens = 1; tokens <= mostTokens; tokens++) best = Math.max(best, rate(tokens));
  let knee = 1;
  while (knee < mostTokens && rate(knee) < share * best) knee += 1;
  return knee;
}

interface Bin {
  tokens: number;
  stepMs: number;
}

/** The live estimate. Deterministic: the same observations in the same order give the same points. */
export class StepCost implements CostEstimate {
  readonly #weight: number;
  readonly #bins = new Map<number, Bin>();
  /** The same in order of tokens: means stay within their bins, so the order stays too. */
  readonly #ascending: Bin[] = [];

  /** @param weight share of a new observation in the mean, above 0 and at most 1. */
  constructor(weight = 0.1) {
    assert(weight > 0 && weight <= 1, "the weight of an observation is in (0, 1]");
    this.#weight = weight;
  }

  /** Called once a step by engines and simulators: allocates nothing but a new bin. */
  observe(tokens: number, stepMs: number): void {
    if (tokens < 1 || !(stepMs >= 0)) return;
    const key = Math.round(Math.log2(tokens) * 2);
    const bin = this.#bins.get(key);
    if (bin === undefined) {
      const made = { tokens, stepMs };
      this.#bins.set(key, made);
      const place = this.#ascending.findIndex((other) => other.tokens > tokens);
      this.#ascending.splice(place < 0 ? this.#ascending.length : place, 0, made);
    } else {
      bin.tokens += (tokens - bin.tokens) * this.#weight;
      bin.stepMs += (stepMs - bin.stepMs) * this.#weight;
    }
  }

  /** As costFromPoints(points()) would, bit by bit. */
  stepMs(tokens: number): number {
    const bins = this.#ascending;
    let previous = bins[0];
    if (previous === undefined) return 0;
    if (tokens <= previous.tokens) return previous.stepMs;
    for (let i = 0; i < bins.length; i++) {
      const bin = bins[i]!;
      if (tokens <= bin.tokens) {
        const share = bin.tokens === previous.tokens ? 1 : (tokens - previous.tokens) / (bin.tokens - previous.tokens);
        return previous.stepMs + (bin.stepMs - previous.stepMs) * share;
      }
      previous = bin;
    }
    return (previous.stepMs * tokens) / previous.tokens;
  }

  /** The estimate as data, ascending by tokens. */
  points(): CostPoints {
    return this.#ascending.map(({ tokens, stepMs }) => [tokens, stepMs] as const);
  }
}
