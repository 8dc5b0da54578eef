/**
 * Outlooks by name, for options that cross a thread border and for the heads of recordings: the same name and seed give
 * the same outlook in the live engine and in a replay of it.
 */
import { createRandom } from "../core/index.ts";
import { LearningOutlook } from "./learning-outlook.ts";
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

/** An outlook of that kind, as it is before the first request. @param seed of the predictor's own draws. */
export function createOutlook(kind: OutlookKind, seed: number): Outlook {
  switch (kind) {
    case "mean":
      return new MeanOutlook();
    case "learning":
      return new LearningOutlook({ predictor: new ForestLengthPredictor({ random: createRandom(seed, "lengths") }) });
    default:
      return kind satisfies never;
  }
}
