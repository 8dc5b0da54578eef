/**
 * Profiles the tables of the predicted variant (prediction.ts) from texts like those to come: means by channel and by
 * token, directions, spreads, distributions. Every figure of a token's residual is taken with that token left out of its
 * own prediction, so that what the tables expect is what unseen texts bring. Works on what a session computed; it runs no model.
 */
import { fail } from "../../core/index.ts";
import { eigenvectors } from "./eigen.ts";
import type { Planes } from "./planes.ts";
import {
  blocksOf,
  ID_MEANS_MAX,
  IDS_MAX,
  logOf,
  MATRIX_UNIT,
  meanSteps,
  quarterPower,
  writePrediction,
  type Block,
  type PredictionTables,
} from "./prediction.ts";
import { Turn } from "./turn.ts";
import { fitResiduals } from "./prediction-residuals.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";
import { PROFILE_TOKENS_MIN } from "./tables.ts";

/** Numbers that a profile holds at most: 512 MiB. */
const NUMBERS_MAX = 2 ** 27;
/** Tokens that a profile keeps at most. */
export const PREDICTION_TOKENS_MAX = 2 ** 15;
/** A step at log 0, in deviations of its channel. */
const STEP_DEVIATIONS = 0.5;
/** Weights of heads are within this factor of each other's middle. */
const WEIGHT_MAX = 3;
/** Of the total covariance: directions for tokens that no profile has seen. */
const TOTAL_SHARE = 0.05;
/** Covariances need no more tokens. */
const COVARIANCE_TOKENS = 2 ** 14;
/** Steps of means are not below 2^(this / 4): -8 is a quarter. */
const MEAN_LOG_MIN = -12;

/** What may be known beside the texts. */
export interface PredictionOptions {
  /** What an error of one deviation does to the model's answers, [planes x heads], above 0 (sensitivity.ts); equal when absent. */
  readonly sensitivities?: Float32Array;
}

/** Texts as they are profiled: one row of all components per token. */
export interface ProfileRows {
  readonly width: number;
  readonly tokens: number;
  /** Row of a token. */
  readonly row: (token: number) => Float32Array;
  /** Place of each token's id among `ids`; the number of ids where it has none. */
  readonly places: Uint32Array;
  readonly ids: Uint32Array;
  /** How often each id occurs. */
  readonly counts: Uint32Array;
}

/** Gathers texts' planes until it has enough, then makes tables of them, once. */
export class PredictionProfiler {
  readonly #shape: CacheShape;
  readonly #blocks: readonly Block[];
  readonly #order: Uint32Array;
  readonly #rows: Float32Array[] = [];
  readonly #ids: number[] = [];
  #isFinished = false;

  constructor(shape: CacheShape) {
    this.#shape = shape;
    this.#blocks = blocksOf(shape);
    this.#order = Uint32Array.from(this.#blocks.flatMap(({ rows }) => [...rows]));
  }

  /** Tokens so far. */
  get tokens(): number {
    return this.#ids.length;
  }

  /** True when more would not be kept. */
  get isFull(): boolean {
    return this.tokens >= Math.min(PREDICTION_TOKENS_MAX, Math.floor(NUMBERS_MAX / this.#order.length));
  }

  /** Adds one text's planes and the ids of its tokens. Ignored when it is full. */
  add(planes: Planes, tokenIds: readonly number[]): void {
    if (planes.tokens !== tokenIds.length) {
      fail("invalid_request", `expected an id for each of ${planes.tokens} tokens, got ${tokenIds.length}`);
    }
    const channels = channelCount(this.#shape);
    for (let t = 0; t < planes.tokens && !this.isFull; t++) {
      const row = Float32Array.from(
        this.#order,
        (at) => planes.data[Math.floor(at / channels)]![(at % channels) * planes.tokens + t]!,
      );
      if (!row.every(Number.isFinite)) fail("invalid_request", "expected finite keys and values to profile");
      this.#rows.push(row);
      this.#ids.push(tokenIds[t]!);
    }
  }

  /** Deviation of each row, plane x channels + channel, above 0. */
  deviations(): Float32Array {
    return this.#moments().deviations;
  }

  /** @throws PunctualError invalid_request for fewer than PROFILE_TOKENS_MIN tokens, or a second time. */
  finish({ sensitivities }: PredictionOptions = {}): PredictionTables {
    if (this.tokens < PROFILE_TOKENS_MIN || this.#isFinished) {
      fail("invalid_request", `expected a profile of at least ${PROFILE_TOKENS_MIN} tokens, got ${this.tokens}`);
    }
    const { means, deviations } = this.#moments();
    this.#isFinished = true;
    const weights = weightsOf(this.#shape, sensitivities);
    const perPlane = channelCount(this.#shape);
    const scales = deviations.map((deviation, row) => {
      const head =
        Math.floor(row / perPlane) * this.#shape.kvHeads + Math.floor((row % perPlane) / this.#shape.headDim);
      return deviation * STEP_DEVIATIONS * weights[head]!;
    });
    const profile = this.#profile();
    const matrices = this.#blocks.map((block) => this.#turn(block, means, scales, profile));
    const { meanLogs, idMeans, shrink, sums } = idMeansOf(profile);
    const residuals = fitResiduals(this.#shape, this.#blocks, profile, sums, shrink);
    const { ids } = profile;
    return writePrediction(this.#shape, { means, scales, ids, matrices, meanLogs, idMeans, ...residuals });
  }

  #moments(): { means: Float32Array; deviations: Float32Array } {
    const n = this.tokens;
    const width = this.#order.length;
    const [sums, squares] = [new Float64Array(width), new Float64Array(width)];
    for (const row of this.#rows) for (let i = 0; i < width; i++) sums[i]! += row[i]! / n;
    for (const row of this.#rows) for (let i = 0; i < width; i++) squares[i]! += (row[i]! - sums[i]!) ** 2 / n;
    const [means, deviations] = [new Float32Array(width), new Float32Array(width)];
    const perPlane = channelCount(this.#shape);
    const planes = new Float64Array(planeCount(this.#shape));
    this.#order.forEach((row, i) => (planes[Math.floor(row / perPlane)]! += squares[i]! / perPlane));
    this.#order.forEach((row, i) => {
      means[row] = sums[i]!;
      // A channel that never moved still has steps; were it to move after all, few escapes would say so.
      const least = Math.max(1e-3 * Math.sqrt(planes[Math.floor(row / perPlane)]!), 1e-12);
      deviations[row] = Math.max(least, Math.sqrt(squares[i]!));
    });
    return { means, deviations };
  }

  /** The most frequent ids, as many as tables may have. */
  #profile(): ProfileRows {
    const counts = new Map<number, number>();
    for (const id of this.#ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    const most = Math.min(IDS_MAX, Math.floor(ID_MEANS_MAX / this.#order.length));
    const kept = [...counts].toSorted((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, most);
    const ids = Uint32Array.from(kept, ([id]) => id).sort();
    const places = new Map(Array.from(ids, (id, place) => [id, place]));
    return {
      width: this.#order.length,
      tokens: this.tokens,
      row: (token) => this.#rows[token]!,
      places: Uint32Array.from(this.#ids, (id) => places.get(id) ?? ids.length),
      ids,
      counts: Uint32Array.from(ids, (id) => counts.get(id)!),
    };
  }

  /** Fits a block's matrix and turns its part of every row, in place. */
  #turn(block: Block, means: Float32Array, scales: Float32Array, profile: ProfileRows): Int16Array {
    const { rows, first } = block;
    const n = rows.length;
    for (const row of this.#rows) {
      for (let i = 0; i < n; i++) row[first + i] = (row[first + i]! - means[rows[i]!]!) / scales[rows[i]!]!;
    }
    const vectors = eigenvectors(covarianceOf(profile, first, n), n);
    const matrix = Int16Array.from(vectors, (entry) => Math.round(entry * MATRIX_UNIT));
    const numbers = Uint32Array.from({ length: n }, (_, i) => i);
    const flat = { means: new Float32Array(n), scales: new Float32Array(n).fill(1) };
    const turn = new Turn({ ...block, rows: numbers }, matrix, flat);
    const turned = new Float32Array(n);
    for (const row of this.#rows) {
      turn.components((i) => row[first + i]!, turned);
      row.set(turned.subarray(0, n), first);
    }
    return matrix;
  }
}

/** Per plane and head: wider steps where errors do less. Their geometric mean is 1. */
function weightsOf(shape: CacheShape, sensitivities: Float32Array | undefined): Float64Array {
  const groups = planeCount(shape) * shape.kvHeads;
  if (sensitivities === undefined) return new Float64Array(groups).fill(1);
  if (sensitivities.length !== groups || !sensitivities.every((value) => value > 0 && Number.isFinite(value))) {
    fail("invalid_request", `expected ${groups} sensitivities above 0`);
  }
  const logs = Float64Array.from(sensitivities, (value) => -Math.log(value) / 2);
  const middle = logs.reduce((sum, log) => sum + log / groups, 0);
  const limit = Math.log(WEIGHT_MAX);
  return logs.map((log) => Math.exp(Math.max(-limit, Math.min(limit, log - middle))));
}

/** How a block's channels vary together: of tokens about the mean of their id, and a little about the mean of all. */
function covarianceOf(profile: ProfileRows, first: number, n: number): Float64Array {
  const { tokens, places, ids, counts, row } = profile;
  const used = Math.min(tokens, COVARIANCE_TOKENS);
  const sums = new Float64Array(ids.length * n);
  for (let t = 0; t < tokens; t++) {
    const place = places[t]!;
    if (place === ids.length) continue;
    const values = row(t);
    for (let i = 0; i < n; i++) sums[place * n + i]! += values[first + i]! / counts[place]!;
  }
  const out = new Float64Array(n * n);
  const about = new Float64Array(n);
  const add = (weight: number): void => {
    for (let i = 0; i < n; i++) {
      const x = about[i]! * weight;
      for (let j = 0; j <= i; j++) out[i * n + j]! += x * about[j]!;
    }
  };
  for (let k = 0; k < used; k++) {
    const t = Math.floor((k * tokens) / used);
    const values = row(t);
    const place = places[t]!;
    const count = place === ids.length ? 0 : counts[place]!;
    if (count > 1) {
      for (let i = 0; i < n; i++) about[i] = values[first + i]! - sums[place * n + i]!;
      add(count / (count - 1) / used);
    }
    if (k % 8 !== 0) continue;
    for (let i = 0; i < n; i++) about[i] = values[first + i]!;
    add((8 * TOTAL_SHARE) / used);
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[j * n + i] = out[i * n + j]!;
  return out;
}

/**
 * Means by id, drawn towards 0 as variances within and between ids say (James and Stein; empirical Bayes of a one-way
 * layout): sum / (count + within / between).
 */
function idMeansOf({ width, tokens, row, places, ids, counts }: ProfileRows) {
  const sums = new Float64Array(ids.length * width);
  const squares = new Float64Array(width);
  for (let t = 0; t < tokens; t++) {
    const values = row(t);
    const at = places[t]! * width;
    for (let c = 0; c < width; c++) squares[c]! += values[c]! ** 2;
    if (places[t] !== ids.length) for (let c = 0; c < width; c++) sums[at + c]! += values[c]!;
  }
  const degrees = Math.max(
    1,
    counts.reduce((sum, count) => sum + count - 1, 0),
  );
  const meanLogs = new Int8Array(width);
  const shrink = new Float64Array(width);
  const idMeans = new Int16Array(width * ids.length);
  let known = 0;
  for (const count of counts) known += count;
  for (let c = 0; c < width; c++) {
    let between = 0;
    for (let place = 0; place < ids.length; place++) between += sums[place * width + c]! ** 2 / counts[place]!;
    const within = Math.max(1e-9, ((squares[c]! * known) / tokens - between) / degrees);
    const among = Math.max(1e-9, squares[c]! / tokens - within);
    shrink[c] = Math.min(1000, within / among);
    meanLogs[c] = Math.max(MEAN_LOG_MIN, logOf(Math.sqrt(within) / 2));
    const step = quarterPower(meanLogs[c]!);
    for (let place = 0; place < ids.length; place++) {
      const mean = sums[place * width + c]! / (counts[place]! + shrink[c]!);
      // Below two thirds of a step a mean saves less than it costs to keep.
      idMeans[c * ids.length + place] = Math.abs(mean) < 0.66 * step ? 0 : meanSteps(mean, meanLogs[c]!);
    }
  }
  return { meanLogs, idMeans, shrink, sums };
}
