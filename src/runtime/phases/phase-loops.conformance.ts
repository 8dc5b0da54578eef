/**
 * What tests of phase loops share: both workers on one thread, over real executors and under a fake clock, so that a seed
 * decides who computes the next slot, when messages arrive and what clients do in between.
 */
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom, FakeClock, type RandomStream } from "../../core/index.ts";
import {
  KvPages,
  randomWeights,
  StepExecutor,
  type DecoderConfig,
  type StepBatch,
  type StepResult,
  type StepRun,
} from "../../llm/index.ts";
import { fifo, StepCost, type BatchPolicy, type Outlook, type Phase, type Slo } from "../../sched/index.ts";
import { yieldThread } from "../clock.ts";
import { loadFacts } from "../load-model.ts";
import type { SequenceEvent, SequenceSpec, StepReport } from "../messages.ts";
import type { LoopRecorder } from "../recorder.ts";
import { StepLoop } from "../step-loop.ts";
import { createVocabulary, type Vocabulary } from "../text-assembler.ts";
import { LinkShaper, PullingHandover } from "./handover.ts";
import { LaneRunner } from "./lane-runner.ts";
import { poolsOf, type DisaggregatedOptions, type SemiPdOptions } from "./options.ts";
import { PairedPrefill } from "./paired-prefill.ts";
import type { LaneExecutor } from "./peer.ts";
import { PhaseLoops } from "./phase-loops.ts";
import { StepProgress } from "./progress.ts";
import { ShareKeeper } from "./share-keeper.ts";

export const CONFIG: DecoderConfig = { ...TINY, maxPositions: 256 };
export const PAGE_TOKENS = 8;
const BEST: Slo = { class: "best-effort", onMiss: "finish" };

/** Executors that all worlds of a test file use one after the other; pages of the largest world. */
export interface Machines {
  /** Of a shared cache, [worker]. */
  readonly shared: Readonly<Record<Phase, StepExecutor>>;
  /** Of a cache of their own. */
  readonly apart: Readonly<Record<Phase, StepExecutor>>;
  readonly vocabulary: Vocabulary;
  dispose(): Promise<void>;
}

export async function createMachines(pages: number): Promise<Machines> {
  const common = {
    config: CONFIG,
    weights: randomWeights(CONFIG, 3),
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages, pageTokens: PAGE_TOKENS },
    attention: { ortRowThreshold: Infinity },
  } as const;
  const decode = await StepExecutor.create({ ...common, sharedViews: 2 });
  const attachTo = { memory: decode.kvMemory, views: 2, view: 1 };
  const prefill = await StepExecutor.create({ ...common, attachTo });
  const apart = { decode: await StepExecutor.create(common), prefill: await StepExecutor.create(common) };
  const facts = await loadFacts({ random: CONFIG, seed: 3 });
  return {
    shared: { decode, prefill },
    apart,
    vocabulary: createVocabulary(facts.tokenizer, facts.endTokens, CONFIG.vocabSize),
    dispose: async () => {
      for (const executor of [prefill, decode, apart.decode, apart.prefill]) await executor.dispose();
    },
  };
}

export interface WorldOptions {
  readonly pages: number;
  readonly semiPd?: SemiPdOptions;
  /** Two caches in place of a shared one. */
  readonly disaggregated?: DisaggregatedOptions;
  readonly maxRunning?: number;
  readonly budgetTokens?: number;
  readonly prefixCache?: boolean;
  readonly policy?: () => BatchPolicy;
  readonly outlook?: Outlook;
  readonly recorder?: LoopRecorder;
}

/** Milliseconds of a slot: a little, and more for each row. */
const slotMs = (rows: number): number => 0.05 + 0.01 * rows;

/** An executor whose slots take time on the fake clock. */
function timed(executor: StepExecutor, clock: FakeClock): Pick<StepExecutor, "open"> {
  const open = (maxRows?: number): StepRun => {
    const run = executor.open(maxRows);
    return new Proxy(run, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "advance") return value.bind(target) as unknown;
        return async (count: number): Promise<boolean> => {
          clock.advance(slotMs(target.rows));
          return target.advance(count);
        };
      },
    });
  };
  return { open };
}

/** An engine of two workers in which nothing happens by itself. */
export class World {
  readonly clock = new FakeClock(1000);
  readonly loops: PhaseLoops;
  readonly pages: Readonly<Record<Phase, KvPages>>;
  readonly reports: StepReport[] = [];
  readonly shares: ShareKeeper;
  /** Steps of prompts that both workers took part in. */
  pairedSteps = 0;
  readonly #progress = new StepProgress();
  readonly #runners: Readonly<Record<Phase, LaneRunner>>;
  readonly #handover: PullingHandover | null;
  /** Pages asked for, not sent yet. */
  readonly #asked: { transfer: number; pages: Int32Array }[] = [];
  readonly #sender: StepExecutor;

  constructor(machines: Machines, options: WorldOptions) {
    const apart = options.disaggregated !== undefined;
    const { maxRunning = 8, budgetTokens = 16, policy = fifo } = options;
    const executors = apart ? machines.apart : machines.shared;
    const { clock } = this;
    const pools = poolsOf(apart ? "disaggregated" : "semi-pd", options.pages);
    const decode = new KvPages({ pages: pools.decode, pageTokens: PAGE_TOKENS });
    const prefill = apart ? new KvPages({ pages: pools.prefill, pageTokens: PAGE_TOKENS }) : decode;
    this.pages = { decode, prefill };
    this.#sender = executors.prefill;
    this.#runners = {
      decode: new LaneRunner(timed(executors.decode, clock), clock, maxRunning),
      prefill: new LaneRunner(timed(executors.prefill, clock), clock, maxRunning),
    };
    this.#handover = apart
      ? new PullingHandover({
          clock,
          link: new LinkShaper(options.disaggregated),
          pageBytes: executors.decode.kvBytes / executors.decode.kv.pages,
          ask: (transfer, pages) => void this.#asked.push({ transfer, pages }),
          write: (page, bytes) => executors.decode.pageData(page).set(bytes),
        })
      : null;
    this.shares = new ShareKeeper({
      mode: apart ? "disaggregated" : "semi-pd",
      ...(options.semiPd === undefined ? {} : { semiPd: options.semiPd }),
      setTickets: (worker, tickets) => this.#runners[worker].setTickets(tickets),
      use: (worker) => this.#runners[worker].use,
    });
    const sharing = options.semiPd?.sharing ?? "controlled";
    const shared = !apart && (sharing === "controlled" || sharing === "fixed");
    const lane = (worker: Phase, phase: Phase): LaneExecutor => ({
      topK: executors.decode.topK,
      step: async (batch) => {
        if (worker === "prefill" && phase === "prefill") this.#progress.begin();
        const rows = batch.map((row) => ({ ...row, tokens: Int32Array.from(row.tokens), pages: row.pages.slice() }));
        return structuredClone((await this.#runners[worker].step(phase, rows)).result());
      },
      wholeRow: (sequence, index) =>
        executors.decode.wholeRowOf(this.#runners[worker].run(phase).keptRow(sequence, index)),
    });
    const paired = shared ? this.#pair(lane("prefill", "prefill"), lane("decode", "prefill")) : undefined;
    this.loops = new PhaseLoops({
      lanes: {
        decode: { decode: lane("decode", "decode"), ...(shared ? { prefill: lane("decode", "prefill") } : {}) },
        prefill: {
          prefill: paired ?? lane("prefill", "prefill"),
          ...(shared ? { decode: lane("prefill", "decode") } : {}),
        },
      },
      ...(paired === undefined ? {} : { paired }),
      pages: this.pages,
      ...(this.#handover === null ? {} : { handover: this.#handover }),
      shares: this.shares,
      vocabulary: machines.vocabulary,
      policy,
      maxRunning,
      limits: { maxRunning, budgetTokens, maxChunk: budgetTokens },
      helpTokens: Math.max(8, Math.floor(budgetTokens / 2)),
      leastSplitMs: 0,
      cost: new StepCost(),
      clock,
      prefixCache: options.prefixCache ?? true,
      recordDecisions: 0,
      checkEachStep: true,
      ...(options.outlook === undefined ? {} : { outlook: options.outlook }),
      ...(options.recorder === undefined ? {} : { recorder: options.recorder }),
      report: (report) => void this.reports.push(report),
    });
  }

  /** Steps of prompts that both workers compute, the decode side a layer behind. */
  #pair(own: LaneExecutor, other: LaneExecutor): PairedPrefill {
    let step = 0;
    const follow = async (batch: StepBatch): Promise<StepResult> => {
      const leading = step;
      this.pairedSteps += 1;
      const run = await this.#runners.decode.step("prefill", batch, (slots) => this.#progress.reached(leading, slots));
      return run.result();
    };
    const counted: LaneExecutor = { ...own, step: (batch) => (step++, own.step(batch)) };
    return new PairedPrefill({ own: counted, other: { ...other, follow }, leastRows: 4 });
  }

  get events(): readonly SequenceEvent[] {
    return this.reports.flatMap(({ events }) => events);
  }

  tokensOf(seq: number): number[] {
    return this.events.flatMap((event) => (event.kind === "token" && event.seq === seq ? [event.token.id] : []));
  }

  endOf(seq: number): SequenceEvent | undefined {
    return this.events.find((event) => event.seq === seq && (event.kind === "finish" || event.kind === "error"));
  }

  /** Starts what can start. */
  async pump(): Promise<void> {
    this.loops.pump();
    await yieldThread(); // tokens of steps without a single row are out in the same turn
    this.loops.checkIntegrity();
  }

  /** One slot of a worker; its tokens are out when it was the last of a step. */
  async slot(worker: Phase): Promise<boolean> {
    if (!this.#runners[worker].ready) return false;
    const ended = await this.#runners[worker].slot();
    if (worker === "prefill") this.#progress.publish(this.#runners.prefill.run("prefill").slot);
    if (ended !== null) await this.loops.turnOf(worker, ended);
    if (ended !== null) await yieldThread(); // a step of both workers ends with the later of them
    this.loops.checkIntegrity();
    return true;
  }

  /** The other side sends a message's worth of pages. */
  send(): boolean {
    const next = this.#asked.shift();
    if (next === undefined) return false;
    const parts = Array.from(next.pages, (page) => this.#sender.pageData(page).slice());
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
    parts.reduce((at, part) => (bytes.set(part, at), at + part.byteLength), 0);
    this.#handover?.received(next.transfer, bytes);
    return true;
  }

  async deliver(): Promise<boolean> {
    const delivered = this.#handover?.deliver() ?? false;
    if (delivered) await yieldThread();
    this.loops.checkIntegrity();
    return delivered;
  }

  /** Whatever a seed says, until nothing is left or `client` has something to do at a moment of its own. */
  async run(random: RandomStream, client: () => void = () => undefined, mostTurns = 20_000): Promise<void> {
    for (let turn = 0; this.loops.hasWork; turn++) {
      if (turn > mostTurns) throw new Error(`no end: ${JSON.stringify(this.loops.gauges)}`);
      client();
      const what = random.int(0, 9);
      if (what < 3) await this.slot("decode");
      else if (what < 6) await this.slot("prefill");
      else if (what < 7) this.send();
      else if (what < 8) await this.deliver();
      else await this.pump();
      if (what === 9) this.clock.advance(random.uniform() * 3);
    }
    this.loops.pump();
  }
}

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
    slo: BEST,
    thinkingBudget: null,
    ignoreEos: true,
    ...over,
  };
}

/** What a colocated loop says, each request alone. */
export async function colocated(machines: Machines, requests: readonly SequenceSpec[]): Promise<Map<number, number[]>> {
  const said = new Map<number, number[]>();
  const clock = new FakeClock(1000);
  const pages = new KvPages({ pages: machines.apart.decode.kv.pages, pageTokens: PAGE_TOKENS });
  for (const request of requests) {
    const loop = new StepLoop({
      executor: machines.apart.decode,
      pages,
      vocabulary: machines.vocabulary,
      policy: fifo(),
      limits: { maxRunning: 1, budgetTokens: 64, maxChunk: 64 },
      clock,
      prefixCache: false,
      recordDecisions: 0,
      checkEachStep: false,
    });
    loop.submit(request);
    const tokens: number[] = [];
    while (loop.hasWork) {
      for (const event of (await loop.step()).events) if (event.kind === "token") tokens.push(event.token.id);
    }
    said.set(request.seq, tokens);
  }
  return said;
}
