/**
 * What a model thinks and says along given texts, computed by the very executor that serves it, packed weights included: the
 * state behind the scores of each token that counts, and the token that the model itself would say there.
 */
import { assert } from "../core/index.ts";
import {
  KvPages,
  StepExecutor,
  type DecoderConfig,
  type StepRow,
  type WeightsFormat,
  type WeightSource,
} from "../llm/index.ts";
import type { Example } from "./examples.ts";

/** One text with what the model makes of it. */
export interface ReadText {
  readonly tokens: readonly number[];
  /** As of the example. */
  readonly lossMask: ArrayLike<number>;
  /** The place of the first state: it is behind tokens[first]. */
  readonly first: number;
  /** Behind tokens[first], tokens[first + 1], … but the last: [count, hidden]. */
  readonly states: Float32Array;
  /** The likeliest token after each of those. */
  readonly said: Int32Array;
}

/** What reads. */
export interface StateReaderOptions {
  readonly config: DecoderConfig;
  readonly weights: WeightSource;
  readonly format: WeightsFormat;
  readonly threads: number;
  readonly weightCacheDir?: string;
}

const PAGE_TOKENS = 16;
/** Tokens of a step. */
const STEP_TOKENS = 512;
/** Texts that are read at a time. */
const BATCH = 16;

interface Place {
  readonly example: Example;
  readonly first: number;
  readonly pages: ReturnType<KvPages["open"]>;
  readonly states: Float32Array;
  readonly said: Int32Array;
  computed: number;
}

/** See the head of this file. create() it, dispose of it. */
export class StateReader implements AsyncDisposable {
  readonly #executor: StepExecutor;
  readonly #pages: KvPages;

  private constructor(executor: StepExecutor, pages: KvPages) {
    this.#executor = executor;
    this.#pages = pages;
  }

  /** Loads the model; blocks the thread meanwhile. */
  static async create({ config, weights, format, threads, weightCacheDir }: StateReaderOptions): Promise<StateReader> {
    const pagesOfText = Math.ceil(Math.min(config.maxPositions, MOST_TOKENS) / PAGE_TOKENS);
    const kv = { pages: pagesOfText * BATCH, pageTokens: PAGE_TOKENS };
    const executor = await StepExecutor.create({
      config,
      weights,
      weightsFormat: format,
      threads,
      kv: { format: "f32", ...kv },
      maxRows: STEP_TOKENS,
      topK: 1,
      states: true,
      attention: { ortRowThreshold: Infinity },
      ...(weightCacheDir === undefined ? {} : { weightCacheDir }),
    });
    return new StateReader(executor, new KvPages(kv));
  }

  /** Reads texts of at most MOST_TOKENS tokens, each with something that counts. */
  async read(examples: readonly Example[]): Promise<ReadText[]> {
    const texts: ReadText[] = [];
    for (let at = 0; at < examples.length; at += BATCH) {
      texts.push(...(await this.#readBatch(examples.slice(at, at + BATCH))));
    }
    return texts;
  }

  async #readBatch(examples: readonly Example[]): Promise<ReadText[]> {
    const { hidden } = this.#executor.config;
    const places = examples.map((example): Place => {
      const { tokens } = example;
      const first = firstState(example);
      const pages = this.#pages.open();
      assert(pages.reserve(tokens.length), "pages are enough for the longest texts");
      const count = tokens.length - 1 - first;
      return {
        example,
        first,
        pages,
        states: new Float32Array(count * hidden),
        said: new Int32Array(count),
        computed: 0,
      };
    });
    for (;;) {
      const going = places.filter(({ example, computed }) => computed < example.tokens.length - 1);
      if (going.length === 0) break;
      await this.#step(going);
    }
    for (const { pages } of places) pages.release();
    return places.map(({ example, first, states, said }) => ({ ...example, first, states, said }));
  }

  /** The next chunks of as many texts as a step has room for. */
  async #step(going: readonly Place[]): Promise<void> {
    let room = STEP_TOKENS;
    const parts: { readonly place: Place; readonly row: StepRow }[] = [];
    for (const place of going) {
      const { example, first, pages, computed } = place;
      const end = computed < first ? first : example.tokens.length - 1;
      const count = Math.min(end - computed, room);
      if (count === 0) break;
      room -= count;
      const tokens = example.tokens.slice(computed, computed + count);
      const wantLogits = computed < first ? "none" : "all";
      parts.push({ place, row: { tokens, startPosition: computed, pages: pages.pages, wantLogits } });
    }
    const { scores } = await this.#executor.step(parts.map(({ row }) => row));
    const { hidden } = this.#executor.config;
    for (const [index, { place, row }] of parts.entries()) {
      for (const [i, own] of scores[index]!.entries()) {
        assert(own.kind === "top", "the best token was asked for");
        const at = place.computed + i - place.first;
        place.said[at] = own.ids[0]!;
        place.states.set(this.#executor.state(index, i), at * hidden);
      }
      place.computed += row.tokens.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executor.dispose();
  }
}

/** Longest texts that are read; sources cut theirs. */
export const MOST_TOKENS = 2048;

/** The place whose state says the first token that counts. */
function firstState({ tokens, lossMask }: Example): number {
  for (let i = 1; i < tokens.length; i++) if (lossMask[i] === 1) return i - 1;
  assert(false, "a text has something that counts");
}
