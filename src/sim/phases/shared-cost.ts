/**
 * How long a step takes on a part of a device (Semi-PD 2025, sections on the latency model and on the controller): its
 * arithmetic as many times longer as the share is smaller, its memory traffic less so, because a part of the compute
 * units draws most of the bandwidth, and everything a little longer while the other phase runs.
 *
 *   ms(share) = (compute / share + memory / min(1, share / bandwidthShare)) * (1 + interference while both run)
 *
 * Memory is what a lone decode over the same context costs: reading the weights once and the keys and values. The rest
 * is compute. A bandwidthShare of 0.8 is the paper's fit of TPOT over the decode share (0.6284 / y + 0.3818, in units of
 * TPOT at y = 1) to within an eighth for y from 0.25 to 1. Interference is ours; nobody has published one.
 */
import type { CostModel, StepShape } from "../types.ts";

/** What sharing a device does to a step. */
export interface SharingOptions {
  /** The share of the compute units that draws the whole bandwidth; 0.8 when absent. */
  readonly bandwidthShare?: number;
  /** By how much, as a share, steps of both phases are longer while both run; 0.05 when absent. */
  readonly interference?: number;
}

const BANDWIDTH_SHARE = 0.8;
const INTERFERENCE = 0.05;

/** Milliseconds of a step on `share` of its device, above 0 and at most 1, beside the other phase. */
export function sharedStepMs(cost: CostModel, shape: StepShape, share: number, options: SharingOptions = {}): number {
  const { bandwidthShare = BANDWIDTH_SHARE, interference = INTERFERENCE } = options;
  const aloneMs = cost.stepMs(shape);
  const memoryMs = Math.min(aloneMs, cost.stepMs(readOnce(shape.decodeContext)));
  const stretched = (aloneMs - memoryMs) / share + memoryMs / Math.min(1, share / bandwidthShare);
  return stretched * (1 + interference);
}

/** A decode that reads as much as the step does. */
function readOnce(context: number): StepShape {
  const none = { prefillTokens: 0, prefillSquares: 0, prefillContext: 0 };
  return { tokens: 1, rows: 1, ...none, decodes: 1, decodeContext: Math.max(1, context) };
}
