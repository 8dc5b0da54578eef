/**
 * At which level the next chunk of a context is fetched, or whether as text that is computed again (CacheGen, section
 * 5.3): the finest level at which all that is left would be there in time at the goodput of late; as text, all or only
 * the next ones, when no level would and that would; when nothing would, what needs least of a link that grows better. Asked anew before every chunk, so what was fetched coarsely
 * does not bind the rest. Pure: it decides; what loads by it is contexts/loader.ts over real links, link.ts in virtual time.
 *
 * Chunks are fetched one after the other; the work of one (decoding, or computing its tokens over what is loaded
 * already) goes on while the next is fetched, and in order. A chunk as text is possible only for that reason.
 */
import { assert } from "../../core/index.ts";

/** A chunk that is yet to be fetched. */
export interface ChunkOffer {
  /** Bytes at each level, the finest first. */
  readonly levelBytes: readonly number[];
  /** Work behind each of them, milliseconds. */
  readonly decodeMs: readonly number[];
  readonly textBytes: number;
  /** Computing its tokens when those before it are loaded, milliseconds; Infinity where that cannot be done. */
  readonly recomputeMs: number;
}

/** What a chunk is fetched as. */
export type ChunkChoice = { readonly kind: "level"; readonly level: number } | { readonly kind: "text" };

/** Where a load stands. */
export interface LoadProgress {
  /** What is left, in order; not empty. All chunks have the same levels. */
  readonly chunks: readonly ChunkOffer[];
  /** Until the whole context is to be loaded, milliseconds; may be negative. */
  readonly leftMs: number;
  /** Work that is under way for chunks fetched before, milliseconds. */
  readonly backlogMs: number;
  /** Bytes per millisecond, above 0: as GoodputMeter says. */
  readonly goodput: number;
  /** Share of the goodput that a level must be in time with; 1 when absent. Less keeps time for links that grow worse. */
  readonly caution?: number;
}

/** The share of the goodput that loads count on where rates change. */
export const LINK_CAUTION = 0.4;

/** A choice and when all would be loaded if it stood for all chunks. */
export interface Decision {
  readonly choice: ChunkChoice;
  readonly expectedMs: number;
}

/** Milliseconds until all is loaded when every chunk is fetched as its entry of `choices` says, at a constant goodput. */
export function loadMs(progress: LoadProgress, choices: readonly ChunkChoice[]): number {
  let fetchedMs = 0;
  let workedMs = progress.backlogMs;
  progress.chunks.forEach((chunk, i) => {
    const { bytes, workMs } = costOf(chunk, choices[i]!);
    fetchedMs += bytes / progress.goodput;
    workedMs = Math.max(workedMs, fetchedMs) + workMs;
  });
  return workedMs;
}

/** What a chunk costs when it is fetched in this way. */
export function costOf(chunk: ChunkOffer, choice: ChunkChoice): { readonly bytes: number; readonly workMs: number } {
  if (choice.kind === "text") return { bytes: chunk.textBytes, workMs: chunk.recomputeMs };
  return { bytes: chunk.levelBytes[choice.level]!, workMs: chunk.decodeMs[choice.level]! };
}

/** Every way to fetch a chunk, from the best to the one of last resort. */
export function choicesOf(chunk: ChunkOffer): ChunkChoice[] {
  const levels = chunk.levelBytes.map((_, level): ChunkChoice => ({ kind: "level", level }));
  return Number.isFinite(chunk.recomputeMs) ? [...levels, { kind: "text" }] : levels;
}

/** Times the goodput of late, when it is not enough for anything: the plan that needs least of a link that grows better. */
const HOPES = [1, 2, 4, 8];

/** The rule at the head of this file. */
export function chooseChunk(progress: LoadProgress): Decision {
  const { chunks, leftMs, goodput, caution = 1 } = progress;
  assert(chunks.length > 0, "there is a chunk to choose for");
  assert(goodput > 0, "goodput is above 0");
  const plans = [...plansOf(chunks)];
  for (const share of [caution, ...HOPES]) {
    const plan = plans.find((each) => loadMs({ ...progress, goodput: goodput * share }, each) <= leftMs);
    if (plan !== undefined) return { choice: plan[0]!, expectedMs: loadMs(progress, plan) };
  }
  // Too late whatever happens: what is soonest, ties to the finer one.
  const decisions = plans.map((plan) => ({ choice: plan[0]!, expectedMs: loadMs(progress, plan) }));
  return decisions.reduce((best, each) => (each.expectedMs < best.expectedMs ? each : best));
}

/** All of the rest at a level, the finest first; then a beginning as text, so that computing overlaps fetching. */
function* plansOf(chunks: readonly ChunkOffer[]): Generator<ChunkChoice[]> {
  const levels = choicesOf(chunks[0]!).filter(({ kind }) => kind === "level");
  for (const level of levels) yield chunks.map(() => level);
  for (const level of levels) {
    for (let texts = 1; texts <= chunks.length; texts++) {
      if (!Number.isFinite(chunks[texts - 1]!.recomputeMs)) break;
      yield chunks.map((_, i) => (i < texts ? { kind: "text" } : level));
    }
  }
}

/** Chunks that the goodput of late is taken over. */
const RECENT = 3;

/**
 * What a link has delivered of late, in bytes per millisecond: bytes over time of the last three chunks, decoding's
 * back-pressure included because the time runs until a chunk was taken over. Until there is one, the prior.
 */
export class GoodputMeter {
  readonly #prior: number;
  readonly #recent: { readonly bytes: number; readonly ms: number }[] = [];

  /** @param prior bytes per millisecond, above 0 */
  constructor(prior: number) {
    assert(prior > 0, "a prior goodput is above 0");
    this.#prior = prior;
  }

  /** A chunk of so many bytes took so long. */
  record(bytes: number, ms: number): void {
    if (bytes <= 0) return;
    this.#recent.push({ bytes, ms: Math.max(ms, 1e-3) });
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  /** Bytes per millisecond to expect: of the last chunk, or of the last three where that is less. */
  get goodput(): number {
    const last = this.#recent.at(-1);
    if (last === undefined) return this.#prior;
    const sum = this.#recent.reduce((a, b) => ({ bytes: a.bytes + b.bytes, ms: a.ms + b.ms }));
    return Math.min(last.bytes / last.ms, sum.bytes / sum.ms);
  }
}
