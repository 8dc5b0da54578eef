/**
 * Chooses tokens. One Sampler belongs to one request: its options, its seed, the tokens it has seen. The draws of each token
 * come from a stream of its own, named by the token's number under the request's seed: so nothing here depends on the batch or
 * on how many draws the tokens before it took, and a sampler that is told those tokens (`replay`) goes on as the one that chose
 * them would have, in another process too.
 *
 * Order: tokens out that a grammar forbids; repetition, presence and frequency penalties and bias; end tokens out before
 * minTokens; temperature; topK and minP; topP over what they leave; one draw. Ties go to the lower id.
 *
 * Where nothing but a grammar and a temperature shapes the distribution, the grammar is asked about tokens that were drawn without it
 * (redraw.ts): the same distribution, and seldom a mask.
 *
 * Whole rows of logits are expensive to fetch (0.4 ms per MB), so a sampler works from the best tokens
 * and a log-sum-exp where that is exact, and says null where it is not (for example when the draw lands
 * outside them): give it the row then. Both ways choose the same token, because every decision is made on
 * an interval around the total mass and is taken only when the whole interval agrees.
 */
import { assert, createRandom, fail, type RandomStream } from "../core/index.ts";
import {
  bestOfRow,
  candidatesOfTop,
  HEAD_CANDIDATES,
  LARGEST_VOCABULARY,
  massOfRow,
  sortRow,
  type Candidates,
  type Exclusion,
} from "./candidates.ts";
import type { TokenFilter } from "./grammar/index.ts";
import { GUIDED_DRAWS, redraw, sumsOf, tailOf } from "./redraw.ts";
import type {
  RowScores,
  SampledToken,
  SamplingOptions,
  ScoreForm,
  TokenLogprobs,
  TokenScores,
  TopScores,
} from "./types.ts";

/** What a sampler needs to know of its request and model. */
export interface SamplerOptions {
  readonly sampling: SamplingOptions;
  /** The request's own stream, see `samplingStream`: forked for each token, never drawn from itself. */
  readonly random: RandomStream;
  readonly vocabSize: number;
  /** Tokens that end the output; suppressed until minTokens are there. */
  readonly endTokens?: readonly number[];
  readonly minTokens?: number;
  /** For the repetition penalty. */
  readonly promptTokens?: ArrayLike<number>;
  /** How many best tokens the executor returns (StepExecutor.topK); default 64. */
  readonly topScores?: number;
}

/** How often the best tokens were looked at, and did not decide: where many tokens are possible, and where a grammar leaves few. */
export interface SamplerLooks {
  readonly attempts: readonly [number, number];
  readonly misses: readonly [number, number];
}

/** The stream of a request with that seed. */
export function samplingStream(seed: number): RandomStream {
  return createRandom(seed, "sampling");
}

const RANGES: readonly [keyof SamplingOptions, number, number][] = [
  ["temperature", 0, 100],
  ["topP", 0, 1],
  ["minP", 0, 1],
  ["repetitionPenalty", 0.01, 100],
  ["presencePenalty", -100, 100],
  ["frequencyPenalty", -100, 100],
];

/** Fails with invalid_request, naming the field, when an option is out of range. */
export function checkSampling(options: SamplingOptions, vocabSize: number): void {
  for (const [field, low, high] of RANGES) {
    const value = options[field];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= low && value <= high)) {
      fail("invalid_request", `${field} must be between ${low} and ${high}, got ${JSON.stringify(value)}`, {
        param: field,
      });
    }
  }
  for (const field of ["topK", "logprobs"] as const) {
    const value = options[field];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0)) {
      fail("invalid_request", `${field} must be an integer of at least 0, got ${value}`, { param: field });
    }
  }
  for (const [id, bias] of Object.entries(options.logitBias ?? {})) {
    if (!(Number(id) >= 0 && Number(id) < vocabSize && Number.isInteger(Number(id))) || Number.isNaN(bias)) {
      fail("invalid_request", `logitBias: ${id} is not a token id below ${vocabSize}`, { param: "logitBias" });
    }
  }
}

const NOTHING: ReadonlySet<number> = new Set();
const NOTHING_EXCLUDED: Exclusion = { has: () => false, most: 0, leaves: Infinity };
/** A grammar that leaves no more than this is taken from a row by its list of tokens. */
const FEW_TOKENS = HEAD_CANDIDATES;
/** A greedy choice draws nothing. */
const NO_DRAWS = new Float64Array(0);
/** Where a sampler keeps count of how often the best tokens did not decide: without or with many tokens, and with few. */
const MANY = 0;
const FEW = 1;

/** Chooses the tokens of one request. See the head of this file. */
export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: RandomStream;
  readonly #temperature: number;
  /** 0: no cut. */
  readonly #topK: number;
  readonly #minP: number;
  readonly #topP: number;
  readonly #bias: readonly (readonly [number, number])[];
  /** Penalties or bias: they can lift any token, so only a whole row will do. */
  readonly #rewrites: boolean;
  readonly #endTokens: ReadonlySet<number>;
  readonly #minTokens: number;
  readonly #prompt: ReadonlySet<number>;
  readonly #topScores: number;
  readonly #counts = new Map<number, number>();
  #generated = 0;
  /** The draws of the token at hand, kept when the first attempt ended with null; the last one is for what a grammar leaves. */
  #draws: Float64Array | null = null;
  readonly #attempts: [number, number] = [0, 0];
  readonly #misses: [number, number] = [0, 0];

  constructor(options: SamplerOptions) {
    const { sampling, vocabSize } = options;
    checkSampling(sampling, vocabSize);
    if (vocabSize > LARGEST_VOCABULARY) fail("unsupported", `vocabularies above ${LARGEST_VOCABULARY} tokens`);
    this.#options = sampling;
    this.#random = options.random;
    this.#temperature = sampling.temperature ?? 1;
    this.#topK = (sampling.topK ?? 0) >= vocabSize ? 0 : (sampling.topK ?? 0);
    this.#minP = sampling.minP ?? 0;
    this.#topP = sampling.topP ?? 1;
    this.#bias = Object.entries(sampling.logitBias ?? {}).map(([id, bias]) => [Number(id), bias] as const);
    const repeats = (sampling.repetitionPenalty ?? 1) !== 1;
    const counted = (sampling.presencePenalty ?? 0) !== 0 || (sampling.frequencyPenalty ?? 0) !== 0;
    this.#rewrites = repeats || counted || this.#bias.length > 0;
    this.#endTokens = new Set(options.endTokens ?? []);
    this.#minTokens = options.minTokens ?? 0;
    this.#prompt = repeats ? new Set(Array.from(options.promptTokens ?? [])) : NOTHING;
    this.#topScores = options.topScores ?? HEAD_CANDIDATES;
  }

  /** Tokens sampled so far. */
  get generated(): number {
    return this.#generated;
  }

  /** How often looking at the best tokens was enough so far. */
  get looks(): SamplerLooks {
    return { attempts: [...this.#attempts], misses: [...this.#misses] };
  }

  /** Asks for scores as a sampler that has looked so often would; what is chosen does not depend on it. */
  learn({ attempts, misses }: SamplerLooks): void {
    for (const kind of [MANY, FEW] as const) {
      this.#attempts[kind] = attempts[kind];
      this.#misses[kind] = misses[kind];
    }
  }

  /** Books a token that was sampled elsewhere, by a sampler of the same options and seed. Between two tokens. */
  replay(id: number): void {
    assert(this.#draws === null, "tokens are replayed before the next one is drawn");
    this.#booked(id, null);
  }

  /**
   * The form of scores that the next token should come from. Any form is right; this one is cheapest.
   * @param filter what a grammar allows next; null: everything
   */
  wants(filter: TokenFilter | null = null): ScoreForm {
    const { logprobs } = this.#options;
    const usesTotal = this.#usesTotal();
    const left = filter?.count() ?? null;
    // One token is chosen without any score; its log-probability would need the row.
    if (left === 1 && logprobs === undefined) return { row: false, inverseTemperature: 1 };
    const kind = left !== null && left <= FEW_TOKENS ? FEW : MANY;
    // Log-probabilities of a row and of best tokens differ in their last bits: then the form hangs on this token alone.
    const missesOften = logprobs === undefined && this.#misses[kind]! * 2 > this.#attempts[kind]! + 3;
    const row =
      this.#rewrites ||
      this.#topK > this.#topScores ||
      (logprobs ?? 0) > this.#topScores ||
      // One log-sum-exp cannot serve two temperatures.
      (logprobs !== undefined && usesTotal && this.#temperature !== 1) ||
      missesOften;
    return { row, inverseTemperature: usesTotal ? 1 / this.#temperature : 1 };
  }

  /**
   * The next token, or null when these scores cannot decide it: call again with the whole row.
   * @param filter what a grammar allows next, at least one token; null: everything
   */
  sample(scores: TokenScores, filter: TokenFilter | null = null): SampledToken | null {
    this.#draws ??= this.#takeDraws(this.#redraws(filter) ? GUIDED_DRAWS : 1);
    const id =
      this.#onlyToken(filter) ??
      (scores.kind === "row" ? this.#fromRow(scores.logits, filter) : this.#fromTop(scores, filter));
    if (id === null) return null;
    const logprobs = this.#options.logprobs === undefined ? null : logprobsOf(scores, id, this.#options.logprobs);
    if (this.#options.logprobs !== undefined && logprobs === null) return null;
    this.#draws = null;
    return this.#booked(id, logprobs);
  }

  /**
   * The probability of every token, by id and together 1: what `sample` draws from. Temperatures above 0 only.
   * @param raw a whole row of logits
   */
  distribution(raw: Float32Array, filter: TokenFilter | null = null): Float64Array {
    assert(this.#temperature > 0, "a greedy choice has no distribution");
    const row = this.#rewritten(raw, filter);
    const result = new Float64Array(row.length);
    const [best] = bestOfRow(row, 1).logits;
    if (best === undefined) return this.#nothingLeft(filter);
    if (this.#usesTotal() && this.#topP >= 1) {
      const total = massOfRow(row, best, this.#temperature);
      for (let id = 0; id < row.length; id++) result[id] = Math.exp((row[id]! - best) / this.#temperature) / total;
      return result;
    }
    const { ids, logits } = sortRow(row);
    const all = { ids, logits, count: ids.length };
    const limit = this.#cut(all);
    const sums = sumsOf(all, this.#temperature);
    const mass = this.#topP * (this.#usesTotal() ? sums[ids.length - 1]! : sums[limit - 1]!);
    const kept = this.#topP < 1 ? Math.min(limit, sums.findIndex((sum) => sum >= mass) + 1) : limit;
    for (let i = 0; i < kept; i++) {
      result[ids[i]!] = Math.exp((logits[i]! - best) / this.#temperature) / sums[kept - 1]!;
    }
    return result;
  }

  /** Books a token that was chosen by its `distribution`. @param scores the whole row that this was made of */
  take(id: number, scores: RowScores): SampledToken {
    const { logprobs } = this.#options;
    return this.#booked(id, logprobs === undefined ? null : logprobsOf(scores, id, logprobs));
  }

  #booked(id: number, logprobs: TokenLogprobs | null): SampledToken {
    this.#generated += 1;
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    return { id, logprobs };
  }

  #nothingLeft(filter: TokenFilter | null): never {
    const param = filter === null ? "logitBias" : "grammar";
    return fail("invalid_request", "every token is suppressed", { param });
  }

  /** Whether tokens are drawn before a grammar is asked about them. */
  #redraws(filter: TokenFilter | null): boolean {
    return filter !== null && this.#usesTotal() && this.#topP >= 1 && !this.#rewrites;
  }

  #takeDraws(count: number): Float64Array {
    if (this.#temperature === 0) return NO_DRAWS;
    const random = this.#random.fork(String(this.#generated));
    const draws = new Float64Array(count);
    for (let i = 0; i < count; i++) draws[i] = random.uniform();
    return draws;
  }

  /** The draw that decides over what is left of the vocabulary. */
  get #draw(): number {
    return this.#draws![this.#draws!.length - 1]!;
  }

  /** The draws before that. */
  get #early(): Float64Array {
    return this.#draws!.subarray(0, -1);
  }

  #suppressed(): ReadonlySet<number> {
    return this.#generated < this.#minTokens ? this.#endTokens : NOTHING;
  }

  /** The token that is left when a grammar leaves one. */
  #onlyToken(filter: TokenFilter | null): number | null {
    if (filter === null || filter.count() !== 1) return null;
    const bits = filter.bits();
    const word = bits.findIndex((value) => value !== 0);
    return word * 32 + (31 - Math.clz32(bits[word]!));
  }

  #fromTop(scores: TokenScores & { readonly kind: "top" }, filter: TokenFilter | null): number | null {
    if (this.#rewrites) return null;
    const left = filter?.count() ?? null;
    const kind = left !== null && left <= FEW_TOKENS ? FEW : MANY;
    this.#attempts[kind]! += 1;
    const id = this.#decide(scores, this.#excluded(scores.vocabSize, filter, left), filter);
    if (id === null) this.#misses[kind]! += 1;
    return id;
  }

  #decide(scores: TopScores, excluded: Exclusion, filter: TokenFilter | null): number | null {
    const temperature = this.#temperature;
    if (temperature === 0) return scores.ids.find((id) => !excluded.has(id)) ?? null;
    if (this.#usesTotal() && !this.#totalFits(scores.inverseTemperature)) return null;
    if (this.#redraws(filter)) {
      const all = candidatesOfTop(scores, temperature, NOTHING_EXCLUDED)!;
      // A row has no more than so many in front of the others.
      const head = all.count > HEAD_CANDIDATES ? { ...all, count: HEAD_CANDIDATES, complete: false } : all;
      const drawn = redraw(head, temperature, this.#early, excluded, null);
      if (drawn.kind === "token") return drawn.id;
      if (drawn.kind === "row") return null;
    }
    const candidates = candidatesOfTop(scores, temperature, excluded);
    const index = candidates === null ? null : this.#choose(candidates);
    return index === null ? null : candidates!.ids[index]!;
  }

  /** What a grammar forbids and minTokens suppresses. */
  #excluded(vocabSize: number, filter: TokenFilter | null, left: number | null): Exclusion {
    const suppressed = this.#suppressed();
    if (filter === null) return { has: (id) => suppressed.has(id), most: suppressed.size, leaves: vocabSize };
    return {
      has: (id) => suppressed.has(id) || !filter.allows(id),
      most: left === null ? vocabSize : Math.min(vocabSize, vocabSize - left + suppressed.size),
      leaves: left ?? vocabSize,
    };
  }

  #usesTotal(): boolean {
    return this.#temperature > 0 && this.#topK === 0 && this.#minP === 0;
  }

  /** Whether a log-sum-exp at that inverse temperature is the one this request needs. */
  #totalFits(inverseTemperature: number): boolean {
    return Math.abs(inverseTemperature * this.#temperature - 1) < 1e-6;
  }

  #fromRow(raw: Float32Array, filter: TokenFilter | null): number {
    if (this.#redraws(filter)) {
      const best = bestOfRow(raw, Math.min(HEAD_CANDIDATES, raw.length));
      const complete = best.ids.length < HEAD_CANDIDATES || best.ids.length === raw.length;
      const head = { ...best, count: best.ids.length, complete, totalLow: 0, totalHigh: 0 };
      const tail = tailOf(raw, head, this.#temperature);
      const excluded = this.#excluded(raw.length, filter, filter!.count());
      const drawn = redraw(head, this.#temperature, this.#early, excluded, tail);
      if (drawn.kind === "token") return drawn.id;
    }
    const row = this.#rewritten(raw, filter);
    const head = bestOfRow(row, Math.min(HEAD_CANDIDATES, row.length));
    if (head.ids.length === 0) return this.#nothingLeft(filter);
    if (this.#temperature === 0) return head.ids[0]!;
    const total = massOfRow(row, head.logits[0]!, this.#temperature);
    const totals = { totalLow: total, totalHigh: total };
    const complete = head.ids.length < HEAD_CANDIDATES || head.ids.length === row.length;
    const index = this.#choose({ ...head, count: head.ids.length, complete, ...totals });
    if (index !== null) return head.ids[index]!;
    if (this.#usesTotal() && this.#topP >= 1) return this.#drawFromTail(row, head.ids, head.logits[0]!, total);
    const all = sortRow(row);
    const chosen = this.#choose({ ...all, count: all.ids.length, complete: true, ...totals });
    assert(chosen !== null, "a whole sorted row decides");
    return all.ids[chosen]!;
  }

  /** Without cuts the rest of the vocabulary follows the head by id: no sort needed. */
  #drawFromTail(row: Float32Array, head: Int32Array, best: number, total: number): number {
    const inHead = new Set(head);
    const target = this.#draw * total;
    let sum = 0;
    for (const id of head) sum += Math.exp((row[id]! - best) / this.#temperature);
    let last = head[0]!;
    for (let id = 0; id < row.length; id++) {
      if (row[id] === -Infinity || inHead.has(id)) continue;
      sum += Math.exp((row[id]! - best) / this.#temperature);
      last = id;
      if (sum > target) break;
    }
    return last;
  }

  /** Logits after the grammar, penalties, bias and suppression; the row itself when there is nothing to do. */
  #rewritten(raw: Float32Array, filter: TokenFilter | null): Float32Array {
    const suppressed = this.#suppressed();
    if (!this.#rewrites && suppressed.size === 0 && filter === null) return raw;
    const row = filter === null ? raw.slice() : masked(raw, filter.bits());
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = this.#options;
    if (repetitionPenalty !== 1) {
      const repeat = (id: number): void => {
        row[id] = row[id]! > 0 ? row[id]! / repetitionPenalty : row[id]! * repetitionPenalty;
      };
      for (const id of this.#prompt) repeat(id);
      for (const id of this.#counts.keys()) if (!this.#prompt.has(id)) repeat(id);
    }
    for (const [id, count] of this.#counts) row[id]! -= presencePenalty + frequencyPenalty * count;
    for (const [id, bias] of this.#bias) row[id]! += bias;
    for (const id of suppressed) row[id] = -Infinity;
    return row;
  }

  /** Index of the chosen candidate; null when more of the vocabulary or a sharper total is needed. */
  #choose(candidates: Candidates): number | null {
    const { logits, complete } = candidates;
    let limit = candidates.count;
    let low = Math.max(candidates.totalLow, 0);
    let high = candidates.totalHigh;
    if (!this.#usesTotal()) {
      limit = this.#cut(candidates);
      if (limit === candidates.count && limit !== this.#topK && !complete) return null;
    }
    const sums = sumsOf({ logits, count: limit }, this.#temperature);
    if (!this.#usesTotal()) low = high = sums[limit - 1]!;
    if (this.#topP < 1) {
      const kept = firstReaching(sums, this.#topP * low, this.#topP * high, false);
      if (kept === null && !(complete && low === high)) return null;
      limit = (kept ?? limit - 1) + 1;
      low = high = sums[limit - 1]!;
    }
    const chosen = firstReaching(sums.subarray(0, limit), this.#draw * low, this.#draw * high, true);
    // A draw next to 1 may pass the last sum by rounding only; with more tokens beyond it may be theirs.
    const closed = (complete && low === high) || low === sums[limit - 1];
    return chosen ?? (closed ? limit - 1 : null);
  }

  /** How many candidates topK and minP leave, at least one. */
  #cut({ logits, count }: Pick<Candidates, "logits" | "count">): number {
    let limit = this.#topK > 0 ? Math.min(this.#topK, count) : count;
    if (this.#minP > 0) {
      const floor = logits[0]! + Math.log(this.#minP) * this.#temperature;
      let kept = 1;
      while (kept < limit && logits[kept]! >= floor) kept += 1;
      limit = kept;
    }
    return limit;
  }
}

/** A row with -infinity where a bit is 0. */
function masked(raw: Float32Array, bits: Uint32Array): Float32Array {
  const row = new Float32Array(raw.length).fill(-Infinity);
  for (let at = 0; at < bits.length; at++) {
    for (let word = bits[at]!; word !== 0; word &= word - 1) {
      const id = at * 32 + (31 - Math.clz32(word & -word));
      row[id] = raw[id]!;
    }
  }
  return row;
}

/** First index whose sum reaches (or passes, when strict) the threshold, if all thresholds between low and high agree. */
function firstReaching(sums: Float64Array, low: number, high: number, strict: boolean): number | null {
  const index = sums.findIndex((sum) => (strict ? sum > high : sum >= high));
  if (index < 0) return null;
  const agrees = index === 0 || (strict ? sums[index - 1]! <= low : sums[index - 1]! < low);
  return agrees ? index : null;
}

/** Log-probabilities at temperature 1, or null when top scores do not carry them. */
function logprobsOf(scores: TokenScores, id: number, count: number): TokenLogprobs | null {
  if (scores.kind === "row") {
    const best = bestOfRow(scores.logits, Math.max(count, 1));
    const sum = best.logits[0]! + Math.log(massOfRow(scores.logits, best.logits[0]!, 1));
    return {
      logprob: scores.logits[id]! - sum,
      top: Array.from(best.ids.subarray(0, count), (other) => ({ id: other, logprob: scores.logits[other]! - sum })),
    };
  }
  const at = scores.ids.indexOf(id);
  if (at < 0 || scores.inverseTemperature !== 1 || count > scores.ids.length) return null;
  const logprob = (index: number): number => scores.logits[index]! - scores.logSumExp;
  return {
    logprob: logprob(at),
    top: Array.from({ length: count }, (_, i) => ({ id: scores.ids[i]!, logprob: logprob(i) })),
  };
}
