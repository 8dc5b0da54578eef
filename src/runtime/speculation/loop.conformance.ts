/** A step loop over a small model under a fake clock, with any drafters: for tests that compare it with one that never drafts. */
import { expect } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../../core/index.ts";
import {
  KvPages,
  randomWeights,
  StepExecutor,
  type DecoderConfig,
  type Drafter,
  type StepBatch,
  type StepWants,
} from "../../llm/index.ts";
import { BEST_EFFORT, createPolicy, StepCost, type BatchPolicy, type SchedulerLimits } from "../../sched/index.ts";
import { loadFacts } from "../load-model.ts";
import type { SequenceEvent, SequenceSpec, StepReport } from "../messages.ts";
import type { HandOffPort } from "../step-loop-options.ts";
import { StepLoop } from "../step-loop.ts";
import { createVocabulary, type Vocabulary } from "../text-assembler.ts";
import { Speculator, type SpeculatorOptions } from "./speculator.ts";

export const SPECULATED: DecoderConfig = { ...TINY, maxPositions: 256 };
const PAGES = 48;
const PAGE_TOKENS = 8;

/** The executor and vocabulary that all loops of a test file share. */
export interface Bench {
  readonly executor: StepExecutor;
  readonly vocabulary: Vocabulary;
}

/** @param states whether the executor keeps what drafters of states read */
export async function createBench(seed = 3, states = false): Promise<Bench> {
  const executor = await StepExecutor.create({
    config: SPECULATED,
    weights: randomWeights(SPECULATED, seed),
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS },
    attention: { ortRowThreshold: Infinity },
    states,
  });
  const facts = await loadFacts({ random: SPECULATED, seed });
  return { executor, vocabulary: createVocabulary(facts.tokenizer, facts.endTokens, SPECULATED.vocabSize) };
}

export interface LoopSetup {
  /** Absent: it never drafts. */
  readonly drafters?: (predictionOf: (id: number) => readonly number[] | null) => SpeculatorOptions["drafters"];
  readonly speculation?: Partial<Omit<SpeculatorOptions, "drafters">>;
  readonly policy?: BatchPolicy;
  readonly pages?: number;
  readonly limits?: Partial<SchedulerLimits>;
  readonly prefixCache?: boolean;
  /** Milliseconds of a step; 1 and a tenth per token when absent. */
  readonly stepMs?: (tokens: number) => number;
  readonly recordDecisions?: number;
  /** Absent: sequences go on after their first token. */
  readonly handOff?: HandOffPort;
}

export function createLoop({ executor, vocabulary }: Bench, setup: LoopSetup = {}) {
  const { pages = PAGES, stepMs = (tokens: number) => 1 + 0.1 * tokens } = setup;
  const clock = new FakeClock(1000);
  const kv = new KvPages({ pages, pageTokens: PAGE_TOKENS });
  const cost = new StepCost();
  for (let tokens = 1; tokens <= 64; tokens *= 2) cost.observe(tokens, stepMs(tokens));
  let speculator: Speculator | null = null;
  if (setup.drafters !== undefined) {
    const drafters = setup.drafters((id) => speculator?.predictionOf(id) ?? null);
    speculator = new Speculator({ drafters, tokens: 5, adaptive: false, drawn: false, ...setup.speculation });
  }
  const steps: number[] = [];
  let stateSteps = 0;
  const loop = new StepLoop({
    executor: {
      topK: executor.topK,
      wholeRow: (sequence, index) => executor.wholeRow(sequence, index),
      state: (sequence, index) => executor.state(sequence, index),
      step: async (batch: StepBatch, wants?: StepWants) => {
        const tokens = batch.reduce((sum, row) => sum + row.tokens.length, 0);
        steps.push(tokens);
        if (wants?.states === true) stateSteps += 1;
        clock.advance(stepMs(tokens));
        return executor.step(batch, wants);
      },
    },
    pages: kv,
    vocabulary,
    policy: setup.policy ?? createPolicy("fifo"),
    limits: { maxRunning: 8, budgetTokens: 48, maxChunk: 48, maxStepTokens: 128, ...setup.limits },
    clock,
    cost,
    prefixCache: setup.prefixCache ?? true,
    recordDecisions: setup.recordDecisions ?? 0,
    checkEachStep: true,
    ...(speculator === null ? {} : { speculator }),
    ...(setup.handOff === undefined ? {} : { handOff: setup.handOff }),
  });
  return { loop, kv, clock, steps, stateSteps: () => stateSteps };
}

/** A request of twelve made-up tokens that samples with its own seed. */
export function spec(seq: number, over: Partial<SequenceSpec> = {}): SequenceSpec {
  const random = createRandom(seq, "prompt");
  return {
    seq,
    arrivalMs: 1000,
    promptTokens: Array.from({ length: 12 }, () => random.int(30, 300)),
    maxTokens: 24,
    minTokens: 0,
    sampling: { seed: seq },
    stop: [],
    slo: BEST_EFFORT,
    thinkingBudget: null,
    ignoreEos: true,
    ...over,
  };
}

/** Steps until nothing is left. */
export async function drain(loop: StepLoop): Promise<{ events: SequenceEvent[]; reports: StepReport[] }> {
  const reports: StepReport[] = [];
  while (loop.hasWork) {
    reports.push(await loop.step());
    expect(reports.length).toBeLessThan(4000);
  }
  reports.push(loop.flush());
  return { events: reports.flatMap((report) => report.events), reports };
}

export const tokensOf = (events: readonly SequenceEvent[], seq: number): number[] =>
  events.flatMap((event) => (event.kind === "token" && event.seq === seq ? [event.token.id] : []));

/** Everything that a request said, but for times and what it cost. */
export function said(events: readonly SequenceEvent[], seq: number): unknown[] {
  return events.flatMap((event): unknown[] => {
    if (event.seq !== seq) return [];
    if (event.kind === "token") {
      const { atMs: _, ...token } = event.token;
      return [token];
    }
    if (event.kind === "error") return [event.error.code];
    if (event.kind !== "finish") return [];
    const { reason, cause, text, stop, usage } = event.finish;
    return [{ reason, cause, text, stop, completion: usage.completionTokens, reasoning: usage.reasoningTokens }];
  });
}

/** Guesses at random how often it has a guess, how long, and how much of it is right, by what the request will say. */
export class OracleDrafter implements Drafter {
  readonly source = "ngram";
  readonly #answers: ReadonlyMap<number, readonly number[]>;
  readonly #seed: number;

  /** @param answers what each request says in the end */
  constructor(answers: ReadonlyMap<number, readonly number[]>, seed: number) {
    this.#answers = answers;
    this.#seed = seed;
  }

  available(subject: Parameters<Drafter["available"]>[0], most: number): number {
    return createRandom(this.#seed + subject.tokens.length, `${subject.id}`).int(0, most);
  }

  async draft(requests: Parameters<Drafter["draft"]>[0]): ReturnType<Drafter["draft"]> {
    return requests.map(({ subject, most }) => {
      const random = createRandom(this.#seed + subject.tokens.length, `draft/${subject.id}`);
      const answer = this.#answers.get(subject.id) ?? [];
      const from = subject.tokens.length - subject.promptTokens;
      const right = random.int(0, most);
      const guess = (i: number): number =>
        i < right ? (answer[from + i] ?? 5) : random.int(0, SPECULATED.vocabSize - 1);
      const tokens = Array.from({ length: random.int(0, most) }, (_, i) => guess(i));
      return { source: this.source, tokens, proposals: null };
    });
  }

  release(): void {}
}
