/**
 * An engine whose prefix cache reaches beyond its memory: prompts that were computed are kept in a store when their
 * request ends, before the cache needs their pages for others; a prompt whose beginning the store has and the cache has
 * not is put back before it is submitted. Exact chunks only, so no answer changes. Requests under a salt pass it by.
 *
 * Coding happens on this thread, chunk by chunk. What cannot be kept or put back costs time, never an answer.
 */
import { BoundedQueue } from "../../core/index.ts";
import {
  liveClock,
  WaitingStream,
  type Engine,
  type GenerateRequest,
  type SubmitOptions,
} from "../../runtime/index.ts";
import { CHUNK_TOKENS, type PrefixStore } from "./prefix-store.ts";

/** How an engine spills. */
export interface SpillOptions {
  /** Shorter prompts are not worth it; 64 tokens, a chunk, when absent. */
  readonly minTokens?: number;
  /** Told what went wrong with the store; the requests themselves go on. */
  readonly log?: (message: string) => void;
}

/** Prompts that wait to be kept; what is beyond them is not kept. */
const QUEUE = 64;

/** The same engine to everybody, with a longer memory. `settled` resolves when nothing waits to be kept. */
export function withPrefixSpill(
  engine: Engine,
  prefixes: PrefixStore,
  options: SpillOptions = {},
): { readonly engine: Engine; readonly settled: () => Promise<void> } {
  const spill = new Spill(engine, prefixes, options);
  const submit = (request: GenerateRequest, how: SubmitOptions = {}) => spill.submit(request, how);
  // Engines keep their state in private fields: everything else is theirs, called on them.
  const spilling = new Proxy(engine, {
    get(target, key) {
      if (key === "submit") return submit;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { engine: spilling, settled: () => spill.settled };
}

class Spill {
  readonly #engine: Engine;
  readonly #prefixes: PrefixStore;
  readonly #minTokens: number;
  readonly #log: (message: string) => void;
  readonly #waiting = new BoundedQueue<readonly number[]>(QUEUE);
  /** Keeps what waits, one prompt after the other; null when nothing waits. */
  #keeping: Promise<void> | null = null;

  constructor(engine: Engine, prefixes: PrefixStore, { minTokens = CHUNK_TOKENS, log }: SpillOptions) {
    this.#engine = engine;
    this.#prefixes = prefixes;
    this.#minTokens = minTokens;
    this.#log = log ?? (() => undefined);
  }

  get settled(): Promise<void> {
    return this.#keeping ?? Promise.resolve();
  }

  submit(given: GenerateRequest, how: SubmitOptions) {
    const { promptTokens, cacheSalt = "" } = given;
    if (cacheSalt !== "" || promptTokens.length < this.#minTokens) return this.#engine.submit(given, how);
    const onEnd: SubmitOptions["onEnd"] = (summary) => {
      if (summary.firstTokenMs !== null) this.#keep(promptTokens);
      how.onEnd?.(summary);
    };
    const options = { ...how, onEnd };
    if (!this.#prefixes.has(promptTokens)) return this.#engine.submit(given, options);
    const request = { ...given, arrivalMs: given.arrivalMs ?? liveClock.nowMs() };
    return new WaitingStream(
      request,
      options,
      async (_signal, use) => {
        await this.#try("put back", () => this.#prefixes.restore(promptTokens));
        return use(this.#engine);
      },
      liveClock,
    );
  }

  #keep(tokens: readonly number[]): void {
    if (!this.#waiting.push(tokens)) return;
    this.#keeping ??= this.#keepAll().finally(() => (this.#keeping = null));
  }

  async #keepAll(): Promise<void> {
    for (let tokens = this.#waiting.shift(); tokens !== undefined; tokens = this.#waiting.shift()) {
      const prompt = tokens;
      await this.#try("keep", () => this.#prefixes.save(prompt));
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
