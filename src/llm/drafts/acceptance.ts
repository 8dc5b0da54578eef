/**
 * How often a drafted token is accepted, given that those before it were: running estimates from what verification says.
 *
 * Every sequence has its own and starts from that of all sequences before it; without evidence an estimate drifts back
 * there, and that of all to a neutral value, so that a drafter which was given up is tried again after a while.
 */
import type { DraftSource } from "./types.ts";

/** Observations that a sequence's prior counts for. */
const PRIOR_WEIGHT = 2;
/** What a new observation leaves of the older ones. */
const KEPT = 0.85;
/** What a step without an observation leaves of them. */
const KEPT_IDLE = 0.99;
/** Before anything is known. */
export const NEUTRAL_ACCEPTANCE = 0.6;

/** The same by who drafts: a request that predicts its answer has a reason to, repetitions are often chance. */
export const FIRST_ACCEPTANCE: Readonly<Record<DraftSource, number>> = {
  prediction: 0.9,
  ngram: 0.5,
  model: 0.7,
  heads: 0.6,
};

/** What an estimate starts from and drifts back to. */
export interface AcceptancePrior {
  readonly mean: number;
}

const NEUTRAL: AcceptancePrior = { mean: NEUTRAL_ACCEPTANCE };

/** The estimate at the head of this file: a decayed share with a prior. */
export class AcceptanceRate {
  readonly #prior: AcceptancePrior;
  #accepted = 0;
  #tried = 0;

  constructor(prior: AcceptancePrior = NEUTRAL) {
    this.#prior = prior;
  }

  /** Probability that the next drafted token is accepted, inside (0, 1). */
  get mean(): number {
    return (this.#accepted + PRIOR_WEIGHT * this.#prior.mean) / (this.#tried + PRIOR_WEIGHT);
  }

  /**
   * A draft was verified.
   * @param accepted its leading tokens that were accepted
   * @param drafted its tokens, at least 1; after the first that was not accepted nothing is known of the others
   */
  observe(accepted: number, drafted: number): void {
    this.#accepted = this.#accepted * KEPT + accepted;
    this.#tried = this.#tried * KEPT + Math.min(drafted, accepted + 1);
  }

  /** A step went by without a draft. */
  idle(): void {
    this.#accepted *= KEPT_IDLE;
    this.#tried *= KEPT_IDLE;
  }
}
