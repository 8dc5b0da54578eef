/**
 * Claim `structured-output`: what grammars cost a decoding step. Eight streams decode together on the executor (random weights);
 * after each step its scores are sampled from with and without grammars, one way after another on the same scores, and what
 * is timed of a grammar is all that it adds: `wants`, `sample` with a row where the best tokens do not decide, `accept`.
 *
 * Random weights know nothing of the schemas, so that the best 64 tokens of a step would mostly be forbidden. Therefore the tokens of
 * an answer are put first, with 90 % of the probability, 9.5 % over the step's own best tokens and 0.5 % beyond them, as
 * trained models have it; what `unknown` measures is the other end: the scores as they are.
 */
import { assert, type Clock } from "../../core/index.ts";
import {
  GrammarCache,
  GrammarVocabulary,
  Sampler,
  samplingStream,
  StepExecutor,
  type DecoderConfig,
  type GrammarState,
  type ScoreForm,
  type TokenScores,
} from "../../llm/index.ts";
import { noise } from "../geb/shapes.ts";
import type { MadeVocabulary } from "./vocabulary.ts";
import { SERVICES } from "./workload.ts";

const PAGE_TOKENS = 16;
const PROMPT_TOKENS = 64;
const WANTED_SHARE = 0.9;
const BEYOND_SHARE = 0.005;
const FALL = 0.9;

/** A way to choose the next token of a stream. */
interface Arm {
  readonly temperature: number;
  readonly guided: boolean;
}

const ARMS = {
  plainGreedy: { temperature: 0, guided: false },
  greedy: { temperature: 0, guided: true },
  plainSampled: { temperature: 1, guided: false },
  sampled: { temperature: 1, guided: true },
} as const satisfies Record<string, Arm>;

type ArmName = keyof typeof ARMS;

/** Milliseconds of one round over all its steps and streams. */
export interface RoundCost {
  readonly steps: number;
  readonly executorMs: number;
  readonly choosingMs: Readonly<Record<ArmName, number>>;
  /** Whole masks and moves of all streams, whatever a sampler asks for. */
  readonly masksMs: number;
  /** The same of single steps. */
  readonly maskStepMs: readonly number[];
  /** Choices that needed the whole row, as a share of all. */
  readonly rowShare: Readonly<Record<ArmName, number>>;
}

/** One stream: an answer in tokens, and where it stands in each way of choosing. */
interface Stream {
  readonly service: number;
  tokens: readonly number[];
  at: number;
  readonly states: Map<ArmName | "masks", GrammarState>;
  readonly samplers: ReadonlyMap<ArmName, Sampler>;
}

const GUIDED = ["greedy", "sampled", "masks"] as const;

/** The executor with eight streams, and grammars that it has or has not met before. */
export class StepShare {
  readonly #executor: StepExecutor;
  readonly #clock: Clock;
  readonly #vocabulary: MadeVocabulary;
  readonly #pagesEach: number;
  #grammars: ReadonlyMap<ArmName | "masks", GrammarCache>;

  private constructor(executor: StepExecutor, clock: Clock, vocabulary: MadeVocabulary, pagesEach: number) {
    this.#executor = executor;
    this.#clock = clock;
    this.#vocabulary = vocabulary;
    this.#pagesEach = pagesEach;
    this.#grammars = this.#fresh();
  }

  /** @param steps most steps of a round */
  static async start(
    config: DecoderConfig,
    vocabulary: MadeVocabulary,
    clock: Clock,
    steps: number,
  ): Promise<StepShare> {
    const pagesEach = Math.ceil((PROMPT_TOKENS + steps) / PAGE_TOKENS);
    const executor = await StepExecutor.create({
      config,
      weights: noise(config),
      weightsFormat: "int4",
      threads: 2,
      kv: { format: "f32", pages: pagesEach * SERVICES.length, pageTokens: PAGE_TOKENS },
      maxRows: PROMPT_TOKENS,
    });
    return new StepShare(executor, clock, vocabulary, pagesEach);
  }

  dispose(): Promise<void> {
    return this.#executor.dispose();
  }

  /** Grammars as an engine has them that was just started: nothing is known of any schema. */
  forget(): void {
    this.#grammars = this.#fresh();
  }

  #fresh(): Map<ArmName | "masks", GrammarCache> {
    const endTokens = [this.#vocabulary.endToken];
    // One for each way, so that none finds what another has found.
    return new Map(
      GUIDED.map((name) => [name, new GrammarCache(new GrammarVocabulary(this.#vocabulary, { endTokens }))]),
    );
  }

  /** `steps` steps; stream i follows answers[i], one after another. */
  async round(answers: readonly (readonly string[])[], steps: number): Promise<RoundCost> {
    const streams = answers.map((_, service) => this.#stream(service));
    const queues = answers.map((texts) => texts.map((text) => this.#vocabulary.encode(text)));
    for (const stream of streams) this.#next(stream, queues[stream.service]!);
    await this.#prompt(streams.length);
    const choosingMs: Record<ArmName, number> = { plainGreedy: 0, greedy: 0, plainSampled: 0, sampled: 0 };
    const rows: Record<ArmName, number> = { plainGreedy: 0, greedy: 0, plainSampled: 0, sampled: 0 };
    const maskStepMs: number[] = [];
    let executorMs = 0;
    for (let step = 0; step < steps; step++) {
      const startMs = this.#clock.nowMs();
      const scores = await this.#step(
        streams.map((stream) => stream.tokens[stream.at]!),
        PROMPT_TOKENS + step,
      );
      executorMs += this.#clock.nowMs() - startMs;
      const wanted = scores.map((own, i) => asTrained(own, streams[i]!.tokens[streams[i]!.at]!));
      const names = Object.keys(ARMS) as ArmName[];
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + step) % names.length]!; // none is always the first to touch the scores
        const [ms, needed] = await this.#choose(name, streams, wanted);
        choosingMs[name] += ms;
        rows[name] += needed / (steps * streams.length);
      }
      maskStepMs.push(this.#mask(streams));
      for (const stream of streams) {
        stream.at += 1;
        if (stream.at === stream.tokens.length) this.#next(stream, queues[stream.service]!);
      }
    }
    return {
      steps,
      executorMs,
      choosingMs,
      masksMs: maskStepMs.reduce((sum, ms) => sum + ms, 0),
      maskStepMs,
      rowShare: rows,
    };
  }

  /** Milliseconds of `steps` steps with the scores as they are: guided, samplers have to ask for rows. */
  async unknown(answers: readonly (readonly string[])[], steps: number, guided: boolean): Promise<number> {
    const streams = answers.map((_, service) => this.#stream(service));
    const queues = answers.map((texts) => texts.map((text) => this.#vocabulary.encode(text)));
    for (const stream of streams) this.#next(stream, queues[stream.service]!);
    await this.#prompt(streams.length);
    const name = guided ? "greedy" : "plainGreedy";
    const startMs = this.#clock.nowMs();
    for (let step = 0; step < steps; step++) {
      const forms = streams.map(({ samplers, states }) => samplers.get(name)!.wants(states.get(name) ?? null));
      const tokens = streams.map((stream) => stream.tokens[stream.at]!);
      const scores = await this.#step(tokens, PROMPT_TOKENS + step, forms);
      for (const [i, stream] of streams.entries()) {
        const state = stream.states.get(name) ?? null;
        const sampler = stream.samplers.get(name)!;
        const token = sampler.sample(scores[i]!, state) ?? sampler.sample(await this.#executor.wholeRow(i, 0), state);
        assert(token !== null, "a whole row decides");
        assert(state === null || state.accept(tokens[i]!), "an answer is valid");
        stream.at += 1;
        if (stream.at === stream.tokens.length) this.#next(stream, queues[stream.service]!);
      }
    }
    return this.#clock.nowMs() - startMs;
  }

  /** One way of choosing for all streams; milliseconds, and how many needed a row. */
  async #choose(
    name: ArmName,
    streams: readonly Stream[],
    scores: readonly TokenScores[],
  ): Promise<readonly [number, number]> {
    let rows = 0;
    const startMs = this.#clock.nowMs();
    for (const [i, { samplers, states, tokens, at }] of streams.entries()) {
      const sampler = samplers.get(name)!;
      const state = states.get(name) ?? null;
      const isRow = sampler.wants(state).row;
      if (isRow || sampler.sample(scores[i]!, state) === null) {
        rows += 1;
        assert(sampler.sample(await this.#executor.wholeRow(i, 0), state) !== null, "a whole row decides");
      }
      // What was drawn is not always the answer's token; the text goes on with the answer's, so that all ways see the same.
      assert(state === null || state.accept(tokens[at]!), "an answer is valid");
    }
    return [this.#clock.nowMs() - startMs, rows];
  }

  #mask(streams: readonly Stream[]): number {
    const startMs = this.#clock.nowMs();
    for (const { states, tokens, at } of streams) {
      const state = states.get("masks")!;
      state.bits();
      assert(state.accept(tokens[at]!), "an answer is valid");
    }
    return this.#clock.nowMs() - startMs;
  }

  async #step(tokens: readonly number[], position: number, forms?: readonly ScoreForm[]): Promise<TokenScores[]> {
    const { scores } = await this.#executor.step(
      tokens.map((token, i) => ({
        tokens: [token],
        startPosition: position,
        pages: this.#pages(i),
        wantLogits: "last",
        ...(forms === undefined ? {} : { scores: forms[i]! }),
      })),
    );
    return scores.map(([own]) => own!);
  }

  async #prompt(streams: number): Promise<void> {
    const { vocabSize } = this.#vocabulary;
    for (let i = 0; i < streams; i++) {
      const tokens = Array.from({ length: PROMPT_TOKENS }, (_, at) => (at * 7919 + i * 104_729) % vocabSize);
      await this.#executor.step([{ tokens, startPosition: 0, pages: this.#pages(i), wantLogits: "none" }]);
    }
  }

  #pages(stream: number): Int32Array {
    return Int32Array.from({ length: this.#pagesEach }, (_, page) => stream * this.#pagesEach + page);
  }

  #stream(service: number): Stream {
    const { vocabSize } = this.#vocabulary;
    const samplers = Object.entries(ARMS).map(([name, { temperature }]) => {
      const sampler = new Sampler({ sampling: { temperature }, random: samplingStream(service), vocabSize });
      return [name as ArmName, sampler] as const;
    });
    return { service, tokens: [], at: 0, states: new Map(), samplers: new Map(samplers) };
  }

  /** The next answer, from the beginning of the grammar; compiling it, if it is new, is outside what is timed. */
  #next(stream: Stream, queue: (readonly number[])[]): void {
    const { schema, strict } = SERVICES[stream.service]!;
    stream.tokens = queue[0]!;
    queue.push(queue.shift()!);
    stream.at = 0;
    for (const [name, cache] of this.#grammars) {
      stream.states.set(name, cache.get({ kind: "json_schema", schema, strict }).start());
    }
  }
}

/** Scores with the wanted token in front, peaked as the head of the file says. */
function asTrained(scores: TokenScores, wanted: number): TokenScores {
  assert(scores.kind === "top", "scores without grammar are the best tokens");
  const others = scores.ids.filter((id) => id !== wanted).slice(0, scores.ids.length - 1);
  const shares = Array.from(others, (_, i) => FALL ** i);
  const scale = (1 - WANTED_SHARE - BEYOND_SHARE) / shares.reduce((sum, share) => sum + share, 0);
  const logits = Float32Array.of(Math.log(WANTED_SHARE), ...shares.map((share) => Math.log(share * scale)));
  return { ...scores, ids: Int32Array.of(wanted, ...others), logits, logSumExp: 0 };
}
