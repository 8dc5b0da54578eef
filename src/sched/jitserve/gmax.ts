/**
 * GMAX, the choice of a batch (JITServe, NSDI 2026): of those first in line, as many as there are slots, with similar lengths
 * where that costs little; and whole tasks where a sibling is in already.
 *
 *   in line     the B * groups best, by score
 *   by length   ··[■■■■■■■■]····   a window of B slides over them; the one with the largest worth
 *
 * Different from the paper: a window must be worth nearly as much as the B best, since what similar lengths gain depends
 * on the kernels (ours pad nothing); and a batch is chosen in every step, where running sequences stay by
 * hysteresis, not once in fifty steps.
 */
import { assert } from "../../core/index.ts";

/** Somebody who could be in the batch. */
export interface BatchCandidate {
  /** Above 0; worths of a batch add up. */
  readonly worth: number;
  /** Tokens of context. */
  readonly lengthTokens: number;
  /** Siblings have the same task. */
  readonly task: string | undefined;
}

export interface GmaxOptions {
  /** B, at least 1. */
  readonly slots: number;
  /** How many times B are looked at, at least 1. */
  readonly groups: number;
  /** Share of the worth of the B best that a window may fall short by, 0 to 1. */
  readonly lossAllowed: number;
}

/** Which candidates make the batch, as their indices, ascending. @param candidates best first. */
export function gmax(candidates: readonly BatchCandidate[], { slots, groups, lossAllowed }: GmaxOptions): number[] {
  assert(slots >= 1 && groups >= 1, "a batch has slots and candidates");
  if (candidates.length <= slots) return candidates.map((_, i) => i);
  const top = Math.min(candidates.length, Math.floor(slots * groups));
  let best = 0;
  for (let i = 0; i < slots; i++) best += candidates[i]!.worth;
  const byLength = Array.from({ length: top }, (_, i) => i).toSorted(
    (a, b) => candidates[a]!.lengthTokens - candidates[b]!.lengthTokens || a - b,
  );
  const start = bestWindow(candidates, byLength, slots, best * (1 - lossAllowed));
  const window = start === null ? Array.from({ length: slots }, (_, i) => i) : byLength.slice(start, start + slots);
  return pullSiblings(
    candidates,
    window.toSorted((a, b) => a - b),
    top,
  );
}

/** Where the window with the largest worth begins; null when none has `enough`. */
function bestWindow(
  candidates: readonly BatchCandidate[],
  byLength: readonly number[],
  slots: number,
  enough: number,
): number | null {
  let sum = 0;
  let best = -Infinity;
  let start = 0;
  for (let i = 0; i < byLength.length; i++) {
    sum += candidates[byLength[i]!]!.worth;
    if (i >= slots) sum -= candidates[byLength[i - slots]!]!.worth;
    if (i < slots - 1 || sum <= best) continue;
    best = sum;
    start = i - slots + 1;
  }
  return best >= enough ? start : null;
}

/** A level is complete with its last stage: siblings of who is in take the places of the last who have none. */
function pullSiblings(candidates: readonly BatchCandidate[], batch: readonly number[], top: number): number[] {
  const inside = new Set(batch);
  const tasks = new Set<string>();
  for (const i of batch) {
    const { task } = candidates[i]!;
    if (task !== undefined) tasks.add(task);
  }
  if (tasks.size === 0) return [...batch];
  const alone = batch.filter((i) => candidates[i]!.task === undefined);
  for (let i = 0; i < top && alone.length > 0; i++) {
    const { task } = candidates[i]!;
    if (inside.has(i) || task === undefined || !tasks.has(task)) continue;
    inside.delete(alone.pop()!);
    inside.add(i);
  }
  return [...inside].toSorted((a, b) => a - b);
}
