/**
 * An engine whose prefix cache reaches beyond its memory: prompts that were computed are kept in a store when their
 * request ends, before the cache needs their pages for others; a prompt whose beginning the store, or another instance's,
 * has and the cache has not is put back before it is submitted; of one whose first token has a time, as much as is worth it
 * by then (loader.ts). Exact chunks only, so no answer changes, unless a request allows others. Requests under a
 * salt, with an adapter or with layers left out pass it by: their keys and values are their own.
 *
 * Coding happens on this thread, chunk by chunk. What cannot be kept or put back costs time, never an answer.
 */
import { BoundedQueue, replacing } from "../../core/index.ts";
import {
  laterResume,
  liveClock,
  sleep,
  WaitingStream,
  type Engine,
  type EngineWait,
  type GenerateRequest,
  type ResumeRequest,
  type SubmitOptions,
} from "../../runtime/index.ts";
import type { CodecLevel } from "../codec/codec.ts";
import type { FleetContexts } from "./fleet-contexts.ts";
import type { ContextLoader, LoadedRequest, LossyPrefix } from "./loader.ts";
import { CHUNK_TOKENS, type PrefixStore } from "./prefix-store.ts";

/** How an engine spills. */
export interface SpillOptions {
  /** Shorter prompts are not worth it; 64 tokens, a chunk, when absent. */
  readonly minTokens?: number;
  /** Where to ask for what is not here: other instances. */
  readonly others?: Pick<FleetContexts, "mayHave" | "fetcher">;
  /** Decides for requests whose first token has a time; when absent, they are as all others. Whoever made it ends it. */
  readonly loader?: ContextLoader;
  /** Levels at which prompts are kept beside the exact one; none when absent. */
  readonly levels?: readonly CodecLevel[];
  /** What `warm` may take at most, milliseconds; 300 when absent. */
  readonly warmMs?: number;
  /** Told what went wrong with the store; the requests themselves go on. */
  readonly log?: (message: string) => void;
}

/** An engine with a longer memory, and that memory for those who bring sequences to it by other ways than `submit`. */
export interface SpillingEngine {
  readonly engine: Engine;
  /** Resolves when nothing waits to be kept. */
  readonly settled: () => Promise<void>;
  /** What of that prompt is kept here is in the cache when it resolves, or a moment is over. Never rejects. */
  readonly warm: (tokens: readonly number[]) => Promise<void>;
  /** That prompt's keys and values are in the cache: they may be kept. */
  readonly keep: (tokens: readonly number[]) => void;
}

/** Prompts that wait to be kept; what is beyond them is not kept. */
const QUEUE = 64;
/** Who brings a sequence does not wait longer for what of it is here. */
const DEFAULT_WARM_MS = 300;

/** The same engine to everybody, with a longer memory. */
export function withPrefixSpill(engine: Engine, prefixes: PrefixStore, options: SpillOptions = {}): SpillingEngine {
  const spill = new Spill(engine, prefixes, options);
  const resume = (from: ResumeRequest, how: SubmitOptions = {}) => spill.resume(from, how);
  const transfers = replacing(engine.transfers, { resume });
  const submit = (request: GenerateRequest, how: SubmitOptions = {}) => spill.submit(request, how);
  const spilling = replacing(engine, { submit, transfers });
  return {
    engine: spilling,
    settled: () => spill.settled,
    warm: (tokens) => spill.warm(tokens),
    keep: (tokens) => spill.keep(tokens),
  };
}

/** From where a prompt may be put back; `others` undefined: from here. Null: from nowhere. */
type PutBack = { readonly others: SpillOptions["others"] } | null;

class Spill {
  readonly #engine: Engine;
  readonly #prefixes: PrefixStore;
  readonly #minTokens: number;
  readonly #others: SpillOptions["others"];
  readonly #loader: ContextLoader | undefined;
  readonly #levels: readonly CodecLevel[];
  readonly #warmMs: number;
  readonly #log: (message: string) => void;
  readonly #waiting = new BoundedQueue<readonly number[]>(QUEUE);
  /** Keeps what waits, one prompt after the other; null when nothing waits. */
  #keeping: Promise<void> | null = null;

  constructor(engine: Engine, prefixes: PrefixStore, options: SpillOptions) {
    const { minTokens = CHUNK_TOKENS, others, loader, levels = [], warmMs = DEFAULT_WARM_MS, log } = options;
    this.#engine = engine;
    this.#prefixes = prefixes;
    this.#minTokens = minTokens;
    this.#others = others;
    this.#loader = loader;
    this.#levels = [{ variant: "lossless" }, ...levels];
    this.#warmMs = warmMs;
    this.#log = log ?? (() => undefined);
  }

  get settled(): Promise<void> {
    return this.#keeping ?? Promise.resolve();
  }

  submit(given: GenerateRequest, how: SubmitOptions) {
    const { promptTokens } = given;
    if (!isEverybodys(given) || promptTokens.length < this.#minTokens) return this.#engine.submit(given, how);
    const onEnd: SubmitOptions["onEnd"] = (summary) => {
      if (summary.firstTokenMs !== null) this.keep(promptTokens);
      how.onEnd?.(summary);
    };
    const options = { ...how, onEnd };
    const loader = this.#loader?.decides(given) === true ? this.#loader : null;
    const from = this.#source(promptTokens, loader?.levelsFor(given));
    if (from === null) return this.#engine.submit(given, options);
    const request = { ...given, arrivalMs: given.arrivalMs ?? liveClock.nowMs() };
    if (loader !== null) return this.#load(loader, request, options, how);
    return new WaitingStream(request, options, this.#waitFor(promptTokens, from), liveClock);
  }

  /** @param lossy of an answer from keys and values that are not the model's own: nothing of it is kept */
  #load(loader: ContextLoader, request: LoadedRequest, exact: SubmitOptions, lossy: SubmitOptions) {
    let prefix: LossyPrefix | undefined;
    const wait: EngineWait = async (signal, use) => {
      prefix = await loader.load(request, signal);
      return use(this.#engine);
    };
    return new WaitingStream(request, exact, wait, liveClock, (engine) =>
      prefix === undefined ? engine.submit(request, exact) : engine.submit({ ...request, ...prefix }, lossy),
    );
  }

  /** A request whose instance died: its prompt need not be computed again where somebody has it. */
  resume(from: ResumeRequest, how: SubmitOptions) {
    const { request, requestId, ageMs } = from;
    const { promptTokens } = request;
    const isShort = promptTokens.length < this.#minTokens;
    const source = isShort || !isEverybodys(request) ? null : this.#source(promptTokens);
    if (source === null) return this.#engine.transfers.resume(from, how);
    const beganMs = liveClock.nowMs();
    return new WaitingStream(
      { ...request, id: requestId, arrivalMs: beganMs - ageMs },
      how,
      this.#waitFor(promptTokens, source),
      liveClock,
      (engine) => engine.transfers.resume(laterResume(from, liveClock.nowMs() - beganMs), how),
    );
  }

  /** An engine that is full, or stops, says so at once, so that whoever asks can go elsewhere. */
  #source(tokens: readonly number[], levels?: readonly string[]): PutBack {
    const { state } = this.#engine;
    const { waiting, limits } = this.#engine.stats();
    if (state !== "ready" || waiting >= limits.maxWaiting) return null;
    if (this.#others?.mayHave(this.#prefixes.places(tokens), levels) === true) return { others: this.#others };
    return this.#prefixes.has(tokens, levels) ? { others: undefined } : null;
  }

  #waitFor(tokens: readonly number[], { others }: NonNullable<PutBack>): EngineWait {
    return async (_signal, use) => {
      const fetch = others?.fetcher(this.#prefixes.places(tokens));
      const from = fetch === undefined ? {} : { fetch };
      await this.#try("put back", () => this.#prefixes.restore(tokens, from));
      return use(this.#engine);
    };
  }

  async warm(tokens: readonly number[]): Promise<void> {
    if (tokens.length < this.#minTokens || !this.#prefixes.has(tokens)) return;
    await Promise.race([this.#try("put back", () => this.#prefixes.restore(tokens)), sleep(this.#warmMs)]);
  }

  keep(tokens: readonly number[]): void {
    if (tokens.length < this.#minTokens || !this.#waiting.push(tokens)) return;
    this.#keeping ??= this.#keepAll().finally(() => (this.#keeping = null));
  }

  async #keepAll(): Promise<void> {
    for (let tokens = this.#waiting.shift(); tokens !== undefined; tokens = this.#waiting.shift()) {
      const prompt = tokens;
      await this.#try("keep", () => this.#prefixes.save(prompt, this.#levels));
    }
  }

  async #try(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#log(`contexts: could not ${what} a prefix: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Its keys and values are those that the model has of its tokens, for whoever asks. */
function isEverybodys({ cacheSalt = "", adapter, compute, keepLayers }: GenerateRequest): boolean {
  return cacheSalt === "" && adapter === undefined && compute === undefined && keepLayers === undefined;
}
