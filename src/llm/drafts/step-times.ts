/**
 * What steps of decodes cost by sequences and tokens, learnt from the steps themselves; or runs of a drafter, by
 * sequences and places. It is no clock: whoever measures tells it.
 *
 *   log ms = log(prior(row, column) + extra) + mood + rows[row] + columns[column]
 *
 * The prior is what a calibration found. `mood` is what all steps have in common now: another load on the machine, longer
 * texts. Rows and columns are what is peculiar to so many sequences and so many tokens: a kernel that computes tokens by
 * eights has steps in its columns. `extra` is what some steps have on top, whatever their size: behind a drafter's run
 * the model finds its weights gone from the caches, which no calibration of the model alone sees, and which would
 * look like a busy machine where every step drafts. Each of the four has a variance, which grows while it is not observed,
 * and takes its share of an observation's surprise by it (an extended Kalman filter with a diagonal covariance). So
 * one slow step leaves no mark for long, a busy machine does not make only those sizes look dear that happen to run on it, and
 * a size that was measured badly once is corrected by its neighbours before it runs again.
 */
import { assert } from "../../core/index.ts";

/** Variance of the logarithm of a single step's time. */
const NOISE = 0.01;
/** Variances to begin with, their growth a step, and where that ends. */
const MOOD = { first: 0.05, growth: 5e-4, most: 0.05 } as const;
const PART = { first: 0.09, growth: 2e-5, most: 0.03 } as const;
/** The same of what some steps have on top, in steps of one token, and what it is taken for beforehand. */
const EXTRA = { first: 0.04, growth: 2e-5, most: 0.04 } as const;
const FIRST_EXTRA = 0.15;
/** Variance of the difference between two neighbouring sizes. */
const NEIGHBOUR = 0.01;
/** Neighbours that are heard on either side. */
const REACH = 2;
/** Squared deviations of a surprise beyond which it is noise of that size: of slow steps, and of quick ones. */
const MOST_SLOW = 2;
const MOST_QUICK = 9;
/** Standard deviations by which hope is lower than expectation. */
const HOPE = 0.8;
/** Standard deviation, at most, that hope counts by. */
const MOST_HOPED = 0.17;
/** Sizes up to here are told apart; above, eight to an octave. */
const EXACT = 16;
const PER_OCTAVE = 8;
/** Larger sizes are one. */
const MOST_SIZE = 4096;

/** How a variance begins, grows by the observation, and ends. */
interface Growth {
  readonly growth: number;
  readonly most: number;
}

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
  readonly #hasExtra: (row: number, column: number) => boolean;
  readonly #rows: (Part | undefined)[] = [];
  readonly #columns: (Part | undefined)[] = [];
  readonly #mood: Part = { value: 0, variance: MOOD.first, at: 0 };
  readonly #extra: Part = { value: FIRST_EXTRA, variance: EXTRA.first, at: 0 };
  /** Milliseconds of a step that `extra` is in multiples of; 0 while unknown. */
  #unitMs = 0;
  #observations = 0;
  /** Whose estimate was asked for last, since the last observation: a step asks for every column of one row. */
  #row = { size: 0, value: 0 };

  /**
   * @param priorMs milliseconds before anything was observed; the same for the same sizes always; 0: unknown
   * @param hasExtra which steps have something on top; none when absent
   */
  constructor(
    priorMs: (row: number, column: number) => number,
    hasExtra: (row: number, column: number) => boolean = () => false,
  ) {
    this.#priorMs = priorMs;
    this.#hasExtra = hasExtra;
  }

  /** Milliseconds of a step of that many sequences and tokens; 0 while nothing is known. */
  ms(row: number, column: number): number {
    return this.#msAt(row, column, 0);
  }

  /** The same, lower by as much as that many tokens are unsure. */
  hopedMs(row: number, column: number): number {
    return this.#msAt(row, column, HOPE);
  }

  /** What some steps have on top, milliseconds, of whatever size they are; 0 while nothing is known. */
  get extraMs(): number {
    return this.#extra.value * this.#unit() * Math.exp(this.#mood.value);
  }

  /** A step of that many sequences and tokens took so long. */
  observe(row: number, column: number, ms: number): void {
    assert(row >= 1 && column >= 1, "a step has sequences and tokens");
    const expected = this.ms(row, column);
    if (!(expected > 0) || !(ms > 0)) return;
    this.#observations += 1;
    this.#row.size = 0;
    const parts = [this.#mood, this.#partOf(this.#rows, row), this.#partOf(this.#columns, column)];
    for (const part of parts) this.#grow(part, part === this.#mood ? MOOD : PART);
    // By how much a logarithm grows with `extra`.
    const slope = this.#hasExtra(row, column) ? this.#unit() / this.#baseMs(row, column) : 0;
    const extra = this.#extra;
    if (slope > 0) this.#grow(extra, EXTRA);
    const surprise = Math.log(ms / expected);
    const total = parts.reduce((sum, { variance }) => sum + variance, NOISE + slope ** 2 * extra.variance);
    const excess = surprise ** 2 - total * (surprise > 0 ? MOST_SLOW : MOST_QUICK);
    const all = total + Math.max(0, excess);
    for (const part of parts) {
      const share = part.variance / all;
      part.value += share * surprise;
      part.variance *= 1 - share;
    }
    const share = (slope * extra.variance) / all;
    extra.value = Math.max(0, extra.value + share * surprise);
    extra.variance *= 1 - slope * share;
  }

  #grow(part: Part, { growth, most }: Growth): void {
    if (part.variance < most) {
      part.variance = Math.min(most, part.variance + growth * (this.#observations - part.at));
    }
    part.at = this.#observations;
  }

  /** The prior, and what comes on top; 0: unknown. */
  #baseMs(row: number, column: number): number {
    const prior = this.#priorMs(row, column);
    return prior > 0 && this.#hasExtra(row, column) ? prior + this.#extra.value * this.#unit() : prior;
  }

  #unit(): number {
    if (this.#unitMs === 0) this.#unitMs = this.#priorMs(1, 1);
    return this.#unitMs;
  }

  #msAt(row: number, column: number, deviations: number): number {
    const base = this.#baseMs(row, column);
    if (!(base > 0)) return 0;
    if (this.#row.size !== row) this.#row = { size: row, value: this.#estimate(this.#rows, row, 0) };
    return base * Math.exp(this.#mood.value + this.#row.value + this.#estimate(this.#columns, column, deviations));
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
    return sum / weights - (deviations === 0 ? 0 : deviations * Math.min(MOST_HOPED, 1 / Math.sqrt(weights)));
  }
}

/** Sizes that are taken for one. */
function cellOf(size: number): number {
  if (size <= EXACT) return size;
  return EXACT + Math.floor(PER_OCTAVE * Math.log2(Math.min(size, MOST_SIZE) / EXACT));
}
