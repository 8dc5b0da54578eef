/**
 * The queue of an instance that only computes prompts, as DistServe batches it (OSDI'24, section 3.1): first come, first
 * served, whole prompts, together only until the device is saturated; a prompt that saturates it by itself runs alone.
 * More in one step would make all of them later and none earlier.
 *
 * No policy for decodes: its instance hands every sequence on after its first token, so none ever waits here.
 */
import { composeStep, type BatchPolicy } from "../../sched/index.ts";
import { chunkShape } from "../cost/calibrate.ts";
import type { CostModel } from "../types.ts";

/** Settings of `prefillBatches`. */
export interface PrefillBatchesOptions {
  /** Tokens that saturate the device. */
  readonly saturatingTokens: number;
  /**
   * Share of the pages that new prompts leave free, for decodes that grow into the same pool; 0 when absent. A pool that
   * is free as a whole may be taken as a whole.
   */
  readonly spareShare?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function prefillBatches({ saturatingTokens, spareShare = 0 }: PrefillBatchesOptions): BatchPolicy {
  return {
    name: "prefill-batches",
    chunked: false,
    plan: (view) => {
      const { waiting, running, freePages, totalPages } = view;
      const largest = Math.max(running[0]?.pendingTokens ?? 0, waiting[0]?.pendingTokens ?? 0);
      const budgetTokens = Math.max(saturatingTokens, largest);
      const spare = freePages === totalPages ? 0 : Math.ceil(totalPages * spareShare);
      return composeStep(spare === 0 ? view : { ...view, freePages: Math.max(0, freePages - spare) }, {
        budgetTokens,
        maxChunk: budgetTokens,
        mix: "prompts-alone",
        whole: true,
      });
    },
  };
}

const MOST_TOKENS = 8192;

/** The shortest lone prompt that is computed at `share` of the best tokens per millisecond up to 8,192. */
export function saturatingTokens(cost: CostModel, share = 0.9): number {
  const rate = (tokens: number): number => tokens / cost.stepMs(chunkShape(tokens));
  let best = 0;
  for (let tokens = 1; tokens <= MOST_TOKENS; tokens *= 2) best = Math.max(best, rate(tokens));
  let [low, high] = [1, MOST_TOKENS];
  // The rate rises up to its best; beyond that nobody asks.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rate(middle) >= share * best || rate(middle + 1) < rate(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
