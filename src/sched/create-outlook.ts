/**
 * Outlooks by name, for options that cross a thread border and for the heads of recordings: the same name and seed give
 * the same outlook in the live engine and in a replay of it.
 */
import { createRandom } from "../core/index.ts";
import { PatternStore } from "./jitserve/pattern-store.ts";
import { TaskTracker } from "./jitserve/task-tracker.ts";
import { LearningOutlook } from "./learning-outlook.ts";
import type { LearntState } from "./learnt-state.ts";
import { MeanOutlook, type Outlook } from "./outlook.ts";
import { ForestLengthPredictor } from "./predict/length-predictor.ts";

/**
 * What a driver tells of requests beyond themselves.
 *   mean      every answer is expected to be as long as answers were lately
 *   learning  lengths by a forest over the requests that have finished, sub-deadlines of compound tasks
 */
export type OutlookKind = "mean" | "learning";

/** Both names. */
export const OUTLOOK_KINDS: readonly OutlookKind[] = ["mean", "learning"];

/**
 * An outlook of that kind, as it is before the first request.
 * @param seed of the predictor's own draws.
 * @param learnt by an earlier one; nothing when absent. A mean has nothing to learn that a few answers do not tell.
 */
export function createOutlook(kind: OutlookKind, seed: number, learnt?: LearntState): Outlook {
  switch (kind) {
    case "mean":
      return new MeanOutlook();
    case "learning":
      return createLearning(seed, learnt);
    default:
      return kind satisfies never;
  }
}

function createLearning(seed: number, learnt?: LearntState): LearningOutlook {
  const predictor = new ForestLengthPredictor({ random: createRandom(seed, "lengths") });
  if (learnt === undefined) return new LearningOutlook({ predictor });
  predictor.restore(learnt.lengths);
  return new LearningOutlook({
    predictor,
    tracker: new TaskTracker({ patterns: new PatternStore({ graphs: learnt.patterns }) }),
  });
}
