/**
 * SPEED-Bench's acceptance metrics (§ "Metrics"). The length L of a step is what it adds to the answer: accepted draft
 * tokens and the one that the target model adds itself, so 1 without drafting and γ + 1 at most.
 *
 *   acceptance length   AL   = E[L] = 1 + Σ_{i=1..γ} Π_{j≤i} AR_j
 *   conditional rate    AR_i = P(L ≥ i+1 | L ≥ i), over i = 1 … γ, also where a length never occurs
 *   joint rate          Π_{j≤i} AR_j
 *
 * AL is the mean over an answer's steps, then over answers (each turn is one), then over categories; never over all
 * steps at once, which would let long answers outvote short ones. The last step of an answer that was cut by its
 * token limit is shorter than what was accepted, so it is left out where steps are known one by one.
 */
import { assert } from "../../core/index.ts";
import { intervalOf, meanOf } from "./estimate.ts";
import type { AcceptanceSource, Interval } from "./types.ts";

/** What is known of the steps behind one answer. */
export interface AnswerSteps {
  readonly source: AcceptanceSource;
  /** Of the whole answer, at least 1. */
  readonly tokens: number;
  /** Draft tokens that became part of the answer. */
  readonly accepted: number;
  /** Draft tokens proposed; null where nobody says. */
  readonly drafted: number | null;
  /** Length of every step in order, the first one (which reads the prompt) included; null where only sums are known. */
  readonly lengths: readonly number[] | null;
  /** Entry j: verification steps that accepted j draft tokens; null where nobody says. */
  readonly histogram: readonly number[] | null;
  /** The answer ended at its token limit. */
  readonly isCut: boolean;
}

/** Acceptance over the answers of a category. */
export interface AcceptanceReport {
  readonly source: AcceptanceSource;
  readonly answers: number;
  /** AL: the mean over answers of each one's mean step length. */
  readonly length: Interval | null;
  /** All tokens by all steps: for comparison only, see the head of this file. */
  readonly lengthOverSteps: number;
  /** 1 + accepted / verification steps, as vLLM counts: without the step that reads the prompt; null if not known. */
  readonly verificationLength: number | null;
  /** Accepted by drafted tokens. */
  readonly rate: number | null;
  readonly accepted: number;
  readonly drafted: number | null;
  /** Entry i: steps of length i + 1, all of 1 … γ + 1. */
  readonly lengthHistogram: readonly number[] | null;
  /** AR_1 … AR_γ; null where no step came so far. */
  readonly conditional: readonly (number | null)[] | null;
  readonly joint: readonly number[] | null;
  /** Steps left out because the token limit had cut them. */
  readonly cutSteps: number;
}

/** The steps of an answer that are counted, and how many were left out. */
export function countedLengths({ lengths, isCut }: Pick<AnswerSteps, "lengths" | "isCut">): readonly number[] | null {
  if (lengths === null) return null;
  return isCut && lengths.length > 1 ? lengths.slice(0, -1) : lengths;
}

/** How many steps an answer took: what was not accepted from a draft, each step added itself. */
export function stepsOf(answer: AnswerSteps): number {
  return answer.lengths?.length ?? Math.max(1, answer.tokens - answer.accepted);
}

/** The mean step length of one answer, from 1 up. */
export function acceptanceLength(answer: AnswerSteps): number {
  const lengths = countedLengths(answer);
  return lengths === null ? answer.tokens / stepsOf(answer) : meanOf(lengths);
}

/**
 * Steps by length, entry i for length i + 1, over the whole support 1 … γ + 1; null when any answer has only sums.
 * @param draftLength γ, if it is known to be fixed; longer steps extend it.
 */
export function lengthHistogram(answers: readonly AnswerSteps[], draftLength: number | null): number[] | null {
  const counts: number[] = Array.from({ length: (draftLength ?? 0) + 1 }, () => 0);
  const add = (length: number, count: number): void => {
    while (counts.length < length) counts.push(0);
    counts[length - 1]! += count;
  };
  for (const answer of answers) {
    const lengths = countedLengths(answer);
    if (lengths !== null) for (const length of lengths) add(length, 1);
    else if (answer.histogram === null) return null;
    else {
      const verified = answer.histogram.reduce((sum, count) => sum + count, 0);
      for (const [accepted, count] of answer.histogram.entries()) if (count > 0) add(accepted + 1, count);
      add(1, Math.max(0, stepsOf(answer) - verified)); // the step that reads the prompt, and those without a draft
    }
  }
  return counts;
}

/** AR_i and their running product of a histogram over the whole support. */
export function acceptanceRates(histogram: readonly number[]): {
  readonly conditional: readonly (number | null)[];
  readonly joint: readonly number[];
} {
  const conditional: (number | null)[] = [];
  const joint: number[] = [];
  let reached = histogram.reduce((sum, count) => sum + count, 0); // steps with L ≥ i
  let product = 1;
  for (let i = 0; i + 1 < histogram.length; i++) {
    const further = reached - histogram[i]!;
    conditional.push(reached === 0 ? null : further / reached);
    product *= reached === 0 ? 0 : further / reached;
    joint.push(product);
    reached = further;
  }
  return { conditional, joint };
}

/** E[L] of conditional rates: 1 + Σ Π. */
export function lengthOfRates(conditional: readonly (number | null)[]): number {
  let [length, product] = [1, 1];
  for (const rate of conditional) {
    product *= rate ?? 0;
    length += product;
  }
  return length;
}

/** Sums up answers, all from the same source. */
export function acceptanceReport(
  answers: readonly AnswerSteps[],
  source: AcceptanceSource,
  draftLength: number | null,
): AcceptanceReport {
  for (const answer of answers) assert(answer.source === source, "answers of one report come from one source");
  const histogram = lengthHistogram(answers, draftLength);
  const rates = histogram === null ? null : acceptanceRates(histogram);
  const accepted = sum(answers, (answer) => answer.accepted);
  const drafted = answers.every((answer) => answer.drafted !== null)
    ? sum(answers, (answer) => answer.drafted ?? 0)
    : null;
  const steps = sum(answers, stepsOf);
  const verified = verificationSteps(answers);
  return {
    source,
    answers: answers.length,
    length: intervalOf(answers.map(acceptanceLength)),
    lengthOverSteps: steps === 0 ? 1 : sum(answers, (answer) => answer.tokens) / steps,
    verificationLength: verified === null || verified === 0 ? null : 1 + accepted / verified,
    rate: drafted === null || drafted === 0 ? null : accepted / drafted,
    accepted,
    drafted,
    lengthHistogram: histogram,
    conditional: rates?.conditional ?? null,
    joint: rates?.joint ?? null,
    cutSteps: sum(answers, ({ lengths, isCut }) => (isCut && (lengths?.length ?? 0) > 1 ? 1 : 0)),
  };
}

/** Steps that checked a draft, where each answer says so; elsewhere every step but the first of each answer. */
function verificationSteps(answers: readonly AnswerSteps[]): number | null {
  if (answers.length === 0) return null;
  return sum(answers, (answer) =>
    answer.histogram === null ? stepsOf(answer) - 1 : answer.histogram.reduce((total, count) => total + count, 0),
  );
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
