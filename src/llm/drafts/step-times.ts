/**
 * What steps of decodes cost by sequences and tokens, learnt from the steps themselves; or runs of a drafter, by
 * sequences and places. It is no clock: whoever measures tells it.
 *
 *   log ms = log prior(row, column) + mood + rows[row] + columns[column]
 *
 * The prior is what a calibration found. `mood` is what all steps have in common now: another load on the machine, longer
 * texts. Rows and columns are what is peculiar to so many sequences and so many tokens: a kernel that computes tokens by
 * eights has steps in its columns. Each of the three has a variance, which grows while it is not observed, and takes
 * its share of an observation's surprise by it (a Kalman filter with a diagonal covariance). So one slow
 * step leaves no mark for long, a busy machine does not make only those sizes look dear that happen to run on it, and a size
 * that was measured badly once is corrected by its neighbours before it runs again.
 */
import { assert } from "../../core/index.ts";

/** Variance of the logarithm of a single step's time. */
const NOISE = 0.01;
/** Variances to begin with, their growth a step, and where that ends. */
const MOOD = { first: 0.05, growth: 5e-4, most: 0.05 } as const;
const PART = { first: 0.03, growth: 2e-5, most: 0.03 } as const;
/** Variance of the difference between two neighbouring sizes. */
const NEIGHBOUR = 0.01;
/** Neighbours that are heard on either side. */
const REACH = 2;
/** Squared deviations of a surprise beyond which it is noise of that size: of slow steps, and of quick ones. */
const MOST_SLOW = 2;
const MOST_QUICK = 9;
/** Standard deviations by which hope is lower than expectation. */
const HOPE = 0.8;
/** Sizes up to here are told apart; above, eight to an octave. */
const EXACT = 16;
const PER_OCTAVE = 8;
/** Larger sizes are one. */
const MOST_SIZE = 4096;

/** A correction in logarithms, or none yet. */
interface Part {
  value: number;
  variance: number;
  /** The observation that it was last part of. */
  at: number;
}

/** The estimate at the head of this file. Deterministic: the same observations in the same order give the same times. */
export class StepTimes {
  readonly #priorMs: (row: number, column: number) => number;
  readonly #rows: (Part | undefined)[] = [];
  readonly #columns: (Part | undefined)[] = [];
  readonly #mood: Part = { value: 0, variance: MOOD.first, at: 0 };
  #observations = 0;

  /** @param priorMs milliseconds before anything was observed; the same for the same sizes always; 0: unknown */
  constructor(priorMs: (row: number, column: number) => number) {
    this.#priorMs = priorMs;
  }

  /** Milliseconds of a step of that many sequences and tokens; 0 while nothing is known. */
  ms(row: number, column: number): number {
    return this.#msAt(row, column, 0);
  }

  /** The same, lower by as much as that many tokens are unsure. */
  hopedMs(row: number, column: number): number {
    return this.#msAt(row, column, HOPE);
  }

  /** A step of that many sequences and tokens took so long. */
  observe(row: number, column: number, ms: number): void {
    assert(row >= 1 && column >= 1, "a step has sequences and tokens");
    const expected = this.ms(row, column);
    if (!(expected > 0) || !(ms > 0)) return;
    this.#observations += 1;
    const parts = [this.#mood, this.#partOf(this.#rows, row), this.#partOf(this.#columns, column)];
    for (const part of parts) {
      const { growth, most } = part === this.#mood ? MOOD : PART;
      if (part.variance < most) {
        part.variance = Math.min(most, part.variance + growth * (this.#observations - part.at));
      }
      part.at = this.#observations;
    }
    const surprise = Math.log(ms / expected);
    const total = parts.reduce((sum, { variance }) => sum + variance, NOISE);
    const excess = surprise ** 2 - total * (surprise > 0 ? MOST_SLOW : MOST_QUICK);
    const all = total + Math.max(0, excess);
    for (const part of parts) {
      const share = part.variance / all;
      part.value += share * surprise;
      part.variance *= 1 - share;
    }
  }

  #msAt(row: number, column: number, deviations: number): number {
    const prior = this.#priorMs(row, column);
    if (!(prior > 0)) return 0;
    const ofRow = this.#estimate(this.#rows, row, 0);
    return prior * Math.exp(this.#mood.value + ofRow + this.#estimate(this.#columns, column, deviations));
  }

  /** The part of a size, made of what its neighbours say. */
  #partOf(parts: (Part | undefined)[], size: number): Part {
    const cell = cellOf(size);
    return (parts[cell] ??= {
      value: this.#estimate(parts, size, 0),
      variance: PART.first,
      at: this.#observations,
    });
  }

  /** What a size and its neighbours say, each by how sure it is, less so many standard deviations. */
  #estimate(parts: readonly (Part | undefined)[], size: number, deviations: number): number {
    const cell = cellOf(size);
    // Nothing said is 0, as unsure as a part begins.
    let weights = parts[cell] === undefined ? 1 / PART.first : 0;
    let sum = 0;
    for (let at = Math.max(0, cell - REACH); at <= cell + REACH; at++) {
      const part = parts[at];
      if (part === undefined) continue;
      const variance = part.variance + PART.growth * (this.#observations - part.at);
      const weight = 1 / (Math.min(variance, Math.max(part.variance, PART.most)) + NEIGHBOUR * Math.abs(at - cell));
      weights += weight;
      sum += weight * part.value;
    }
    return sum / weights - (deviations === 0 ? 0 : deviations / Math.sqrt(weights));
  }
}

/** Sizes that are taken for one. */
function cellOf(size: number): number {
  if (size <= EXACT) return size;
  return EXACT + Math.floor(PER_OCTAVE * Math.log2(Math.min(size, MOST_SIZE) / EXACT));
}
