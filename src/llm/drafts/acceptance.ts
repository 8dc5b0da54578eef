/**
 * How likely drafted tokens are accepted: what is believed of each sequence, from what verification says of its own
 * drafts and of those of all sequences before it.
 *
 * A sequence is taken to be of a kind: of one of a few rates at which a drafted token is accepted when those before it
 * were. What is believed of it is a distribution over kinds, and Bayes' rule says what a checked draft makes of that. It
 * begins with the shares of kinds among all sequences (the population), which are learnt as the mean of what is
 * believed of each, half over long and half over short, so that what changes for all is noticed by all: where all are
 * alike, a few rejections in a row change nothing; where some are sure and some are not, the first draft or two tell
 * which. A text may change: with every draft a little of the belief goes back to the
 * population, so that another kind is found within a dozen drafts.
 *
 *   gains[k]   mean over kinds q of  h(q, 1) h(q, 2) … h(q, k + 1),   h(q, d) = 1 - (1 - q) f(d)
 *
 * f(d) is how much more often the d-th token of a draft is rejected than its kind says: drafters lose the thread. Tokens of
 * one draft fare alike, so those behind the first count half as evidence of a kind. The
 * mean of products is not the product of means: a token deep in a draft comes about only where all went well.
 */
import type { DraftSource } from "./types.ts";

/** What is expected of a drafter before it has drafted: a prediction has a reason to be right, repetitions are often chance. */
export const FIRST_ACCEPTANCE: Readonly<Record<DraftSource, number>> = {
  prediction: 0.9,
  ngram: 0.5,
  model: 0.7,
  heads: 0.6,
};

/** Rates at which kinds of sequences have drafted tokens accepted. */
const KINDS = Float64Array.of(0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98);
/** Standard deviation of the shares that a population begins with. */
const FIRST_SPREAD = 0.25;
/** Drafts that those count for, and how many shares are a mean of in the end: those of long, and those of late. */
const FIRST_DRAFTS = 20;
const MOST_DRAFTS = [300, 40] as const;
/** Of every population that share is spread over all kinds: nothing is ever ruled out. */
const UNKNOWN_SHARE = 0.04;
/** How likely a sequence is of a new kind after a draft, and after a step without one. */
const CHANGE = 0.01;
const CHANGE_IDLE = 0.015;
/** Rejections that are expected of a place before what is seen there counts as much as the place before it. */
const PLACE_WEIGHT = 4;
/** What a new observation of a place leaves of the older ones. */
const PLACE_KEPT = 0.995;
/** Places of a draft that are told apart. */
const PLACES = 16;
/** Most that is ever believed of a rejection: a rate is above 0. */
const MOST_REJECTION = 0.999;

/** All sequences of one drafter: shares of kinds, and how places differ. */
export class AcceptancePopulation {
  readonly shares = new Float64Array(KINDS.length);
  /** By place from 0: times the rejections that its kind says. */
  readonly placeFactors = new Float64Array(PLACES).fill(1);
  readonly #rejected = new Float64Array(PLACES);
  readonly #expected = new Float64Array(PLACES);
  readonly #means: readonly Float64Array[];
  #drafts = FIRST_DRAFTS;

  /** @param mean at which drafted tokens are expected to be accepted before anything is known, inside (0, 1) */
  constructor(mean: number) {
    this.shares.set(normalised(KINDS.map((kind) => Math.exp(-(((kind - mean) / FIRST_SPREAD) ** 2) / 2))));
    this.#means = MOST_DRAFTS.map(() => this.shares.slice());
  }

  /** A belief about one of its sequences after a draft. */
  absorb(belief: Float64Array): void {
    this.#drafts += 1;
    const { shares } = this;
    shares.fill(UNKNOWN_SHARE / shares.length);
    for (const [at, mean] of this.#means.entries()) {
      const weight = 1 / Math.min(MOST_DRAFTS[at]!, this.#drafts);
      for (let i = 0; i < shares.length; i++) {
        mean[i]! += (belief[i]! - mean[i]!) * weight;
        shares[i]! += (mean[i]! * (1 - UNKNOWN_SHARE)) / MOST_DRAFTS.length;
      }
    }
  }

  /** A drafted token at that place, from 0, was rejected or not; by its kind it was, as likely as that. */
  observePlace(place: number, rejected: boolean, expected: number): void {
    if (place === 0 || place >= PLACES) return; // a kind is what its first token is
    this.#rejected[place] = this.#rejected[place]! * PLACE_KEPT + (rejected ? 1 : 0);
    this.#expected[place] = this.#expected[place]! * PLACE_KEPT + expected;
    for (let at = place; at < PLACES; at++) {
      const before = this.placeFactors[at - 1]!;
      this.placeFactors[at] = (this.#rejected[at]! + PLACE_WEIGHT * before) / (this.#expected[at]! + PLACE_WEIGHT);
    }
  }

  /** How likely it is that a token at that place, from 0, is accepted in a sequence of that kind. */
  rate(kind: number, place: number): number {
    const rejection = (1 - KINDS[kind]!) * this.placeFactors[Math.min(place, PLACES - 1)]!;
    return 1 - Math.min(MOST_REJECTION, rejection);
  }
}

/** What is believed of one sequence and drafter. */
export class AcceptanceBelief {
  readonly #population: AcceptancePopulation;
  readonly #weights: Float64Array;
  readonly #gains: Float64Array;
  /** Of `gains`, what is worked out. */
  #known = 0;

  constructor(population: AcceptancePopulation) {
    this.#population = population;
    this.#weights = population.shares.slice();
    this.#gains = new Float64Array(PLACES);
  }

  /**
   * A draft was checked.
   * @param accepted its leading tokens that were accepted
   * @param judged of its tokens, those that the check came to: accepted ones, and the first that was not
   */
  observe(accepted: number, judged: number): void {
    const weights = this.#weights;
    const population = this.#population;
    const seen = Math.min(judged, accepted + 1);
    for (let place = 0; place < seen; place++) {
      const isAccepted = place < accepted;
      let expected = 0;
      let sum = 0;
      for (let kind = 0; kind < weights.length; kind++) {
        expected += weights[kind]! * (1 - KINDS[kind]!);
        const rate = population.rate(kind, place);
        const likelihood = isAccepted ? rate : 1 - rate;
        weights[kind]! *= place === 0 ? likelihood : Math.sqrt(likelihood);
        sum += weights[kind]!;
      }
      population.observePlace(place, !isAccepted, expected);
      for (let kind = 0; kind < weights.length; kind++) weights[kind]! /= sum;
    }
    population.absorb(weights);
    this.#drift(CHANGE);
  }

  /** So many steps went by without a draft of it. */
  idle(steps = 1): void {
    this.#drift(1 - (1 - CHANGE_IDLE) ** steps);
  }

  /** How likely the first token of a draft is accepted, the first two, … A view that is valid until the next observation. */
  gains(most: number): Float64Array {
    const count = Math.min(most, PLACES);
    if (this.#known < count) {
      this.#gains.fill(0);
      for (let kind = 0; kind < this.#weights.length; kind++) {
        let all = this.#weights[kind]!;
        for (let place = 0; place < count; place++) {
          all *= this.#population.rate(kind, place);
          this.#gains[place]! += all;
        }
      }
      this.#known = count;
    }
    return this.#gains.subarray(0, count);
  }

  #drift(share: number): void {
    const { shares } = this.#population;
    for (let kind = 0; kind < shares.length; kind++) {
      this.#weights[kind]! += share * (shares[kind]! - this.#weights[kind]!);
    }
    this.#known = 0;
  }
}

function normalised(weights: Float64Array): Float64Array {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}
