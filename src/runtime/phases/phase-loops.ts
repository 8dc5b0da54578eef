/**
 * An engine whose phases are apart, without its threads: one step loop for each lane (a worker and a phase), and the way
 * of a sequence through them.
 *
 *   waiting -> a prefill loop -> first token -> [between the caches] -> a decode loop -> end
 *                  ^                                                        |
 *                  +------------------------- retracted --------------------+
 *
 * All loops share the queues, and everything here runs on the decode side's thread: whoever needs a page asks there, so
 * that taking one is atomic by having one owner, as in Semi-PD's released code. A sequence is in exactly one place. Only
 * that computes which holds a lane; a step under way keeps its sequences, so commands for those wait until it ends.
 *
 * Driven from outside: `pump` starts what can start, `turnOf` waits for a step's tokens to be out.
 */
import { assert, type Clock } from "../../core/index.ts";
import type { KvPages } from "../../llm/index.ts";
import {
  MeanOutlook,
  type BatchPolicy,
  type DecisionLogEntry,
  type Outlook,
  type Phase,
  type SchedulerLimits,
  type StepCost,
} from "../../sched/index.ts";
import { yieldThread } from "../clock.ts";
import type { Gauges, SequenceSpec, StepReport } from "../messages.ts";
import type { LaneRoom, LoopRecorder, RecordedLane } from "../recorder.ts";
import type { LiveSequence } from "../sequence.ts";
import { StepLoop } from "../step-loop.ts";
import type { LoopPhase, SequenceQueues } from "../step-loop-options.ts";
import type { Vocabulary } from "../text-assembler.ts";
import type { KvHandover } from "./handover.ts";
import { HandoverQueue, NO_TRANSFERS } from "./handover-queue.ts";
import type { PairedPrefill } from "./paired-prefill.ts";
import type { PhaseStats } from "./options.ts";
import type { LaneExecutor } from "./peer.ts";
import type { ShareKeeper } from "./share-keeper.ts";

export interface PhaseLoopsOptions {
  /** [worker][phase]: the lane of each worker's own phase, and those of the other phase where workers share. */
  readonly lanes: Readonly<Record<Phase, Readonly<Partial<Record<Phase, LaneExecutor>>>>>;
  /** The lane of prompts on the worker that is theirs, where the decode side may take part in its steps. */
  readonly paired?: PairedPrefill;
  /** Of each phase; one and the same where the cache is shared. */
  readonly pages: Readonly<Record<Phase, KvPages>>;
  /** Between two caches; absent: the cache is shared. */
  readonly handover?: KvHandover;
  readonly shares: ShareKeeper;
  readonly vocabulary: Vocabulary;
  readonly policy: () => BatchPolicy;
  readonly maxRunning: number;
  /** Of prompts on the worker that is theirs; `maxRunning` is this engine's. */
  readonly limits: SchedulerLimits;
  /** Most tokens of a step of prompts on the other worker, where decodes wait behind each of its layers. */
  readonly helpTokens: number;
  /** A decode step shorter than this is not split between the workers: a message would cost more than it saves. */
  readonly leastSplitMs: number;
  readonly cost: StepCost;
  readonly clock: Clock;
  readonly outlook?: Outlook;
  readonly prefixCache: boolean;
  readonly recordDecisions: number;
  readonly checkEachStep: boolean;
  /** Writes down all that a replay needs; each lane gets its own of it. */
  readonly recorder?: LoopRecorder;
  /** Takes what happened, in order. */
  readonly report: (report: StepReport) => void;
}

interface Lane {
  /** In a recording. */
  readonly number: number;
  readonly worker: Phase;
  readonly phase: Phase;
  readonly loop: StepLoop;
  readonly limits: SchedulerLimits;
  /** The step under way, until its tokens are out. */
  turn: Promise<void> | null;
  /** After a step that did nothing: not asked again before. */
  idleUntilMs: number;
}

interface Command {
  readonly kind: "cancel" | "pause";
  readonly seq: number;
}

/** After a step that did nothing the lane is asked again when something has happened, or after this long. */
const IDLE_MS = 2;

export class PhaseLoops {
  readonly #options: PhaseLoopsOptions;
  readonly #queues: SequenceQueues = { waiting: new Map(), paused: new Map() };
  /** Those of the workers' own phases first, decodes before prompts: they may take the last pages. */
  readonly #lanes: readonly Lane[];
  readonly #prefill: Lane;
  readonly #decode: Lane;
  readonly #handovers: HandoverQueue | null;
  readonly #help: Lane | null;
  readonly #split: Lane | null;
  #commands: Command[] = [];
  #error: unknown = null;
  /** Steps in a row, over all lanes, that did nothing. */
  #fruitless = 0;
  #wake: () => void = () => undefined;

  constructor(options: PhaseLoopsOptions) {
    this.#options = options;
    const outlook = options.outlook ?? new MeanOutlook();
    this.#decode = this.#lane(0, "decode", "decode", outlook);
    this.#prefill = this.#lane(1, "prefill", "prefill", outlook);
    const { lanes, paired, recorder } = options;
    this.#split = lanes.prefill.decode === undefined ? null : this.#lane(2, "prefill", "decode", outlook);
    const next = this.#split === null ? 2 : 3;
    this.#help = lanes.decode.prefill === undefined ? null : this.#lane(next, "decode", "prefill", outlook);
    const others = [this.#split, this.#help].filter((lane) => lane !== null);
    this.#lanes = [this.#decode, this.#prefill, ...others];
    if (paired !== undefined) paired.mayShare = () => this.#count("decode") === 0 && this.#helping() === 0;
    const { handover, pages, prefixCache, maxRunning, clock } = options;
    this.#handovers =
      handover === undefined
        ? null
        : new HandoverQueue({
            handover,
            pages: pages.decode,
            prefixCache,
            clock,
            room: () => maxRunning - this.#decode.loop.runningCount,
            begun: ({ spec }) => recorder?.handover(spec.seq, "begun"),
            arrived: (sequence) => {
              recorder?.handover(sequence.spec.seq, "done");
              this.#decode.loop.adopt(sequence);
              this.#decode.idleUntilMs = 0;
              this.#wake();
            },
          });
  }

  #lane(number: number, worker: Phase, phase: Phase, outlook: Outlook): Lane {
    const { lanes, pages, helpTokens, cost, recorder, ...options } = this.#options;
    const executor = lanes[worker][phase];
    assert(executor !== undefined, "a lane has an executor");
    const own = worker === phase;
    const budgetTokens = phase === "decode" ? Math.max(options.limits.budgetTokens, options.maxRunning) : helpTokens;
    const shorter = { ...options.limits, budgetTokens, maxChunk: budgetTokens };
    const limits = own && phase === "prefill" ? options.limits : shorter;
    const ports = this.#phaseOf(phase, own);
    const room = (): LaneRoom => ({ maxRunning: ports.maxRunning(), reservedPages: ports.reservedPages() });
    const loop = new StepLoop({
      executor,
      pages: pages[phase],
      vocabulary: options.vocabulary,
      policy: options.policy(),
      limits,
      clock: options.clock,
      outlook,
      prefixCache: options.prefixCache,
      ...(own && phase === "prefill" ? { cost } : {}),
      recordDecisions: options.recordDecisions,
      checkEachStep: options.checkEachStep,
      ...(recorder === undefined ? {} : { recorder: recorder.lane(number, room) }),
      phase: ports,
    });
    return { number, worker, phase, loop, limits, turn: null, idleUntilMs: 0 };
  }

  /** What a replay has to know of its lanes. Before the first step. */
  get recordedLanes(): readonly RecordedLane[] {
    return this.#lanes
      .toSorted((a, b) => a.number - b.number)
      .map(({ worker, phase, limits, loop }) => ({ worker, phase, limits, cost: loop.costPoints }));
  }

  #phaseOf(phase: Phase, own: boolean): LoopPhase {
    const queues = this.#queues;
    const none = (): number => 0;
    if (phase === "decode")
      return { queues, admits: false, maxRunning: () => this.#options.maxRunning, reservedPages: none };
    return {
      queues,
      admits: true,
      maxRunning: () => (own || this.#helps() ? this.#roomForPrompts(own) : 0),
      // A page for each decode to grow into, so that admission does not cause a retraction at once.
      reservedPages: this.#options.handover === undefined ? () => this.#count("decode") : none,
      handOff: (sequence) => this.#handOff(sequence),
    };
  }

  /** Most sequences that a prefill loop may have running, the others' counted. */
  #roomForPrompts(own: boolean): number {
    const { maxRunning, handover } = this.#options;
    const decoding = handover === undefined ? this.#count("decode") : (this.#handovers?.size ?? 0);
    const others = own ? this.#helping() : this.#prefill.loop.runningCount;
    return Math.max(0, maxRunning - decoding - others);
  }

  #helping(): number {
    return this.#help?.loop.runningCount ?? 0;
  }

  #count(phase: Phase): number {
    return this.#lanes.reduce((sum, lane) => sum + (lane.phase === phase ? lane.loop.runningCount : 0), 0);
  }

  /** Whether the decode side takes prompts from the queue: it gives a share, or has nothing of its own to do. */
  #helps(): boolean {
    const busy = this.#prefill.loop.runningCount > 0;
    return (
      busy &&
      this.#options.paired?.shared !== true &&
      (this.#options.shares.given("decode") > 0 || this.#count("decode") === 0)
    );
  }

  /** Called when something has come to be done without a message: a transfer has ended, a step has failed. */
  set onWake(wake: () => void) {
    this.#wake = wake;
  }

  submit(spec: SequenceSpec): void {
    this.#options.shares.arrived(spec);
    this.#prefill.loop.submit(spec);
    for (const lane of this.#lanes) lane.idleUntilMs = 0;
  }

  /** Frees everything of a sequence: now, or when the step that computes it has ended. */
  cancel(seq: number): void {
    this.#command({ kind: "cancel", seq });
  }

  /** Sets a sequence aside until `resume`: now, or when the step that computes it has ended. */
  pause(seq: number): void {
    this.#command({ kind: "pause", seq });
  }

  resume(seq: number): void {
    this.#commands = this.#commands.filter((command) => command.kind !== "pause" || command.seq !== seq);
    this.#prefill.loop.resume(seq);
  }

  #command(command: Command): void {
    if (!this.#carryOut(command)) this.#commands.push(command);
  }

  /** False when its sequence is being computed. */
  #carryOut({ kind, seq }: Command): boolean {
    const lane = this.#lanes.find(({ loop }) => loop.running.some((sequence) => sequence.spec.seq === seq));
    if (lane !== undefined && lane.turn !== null) return false;
    const moving = this.#handovers?.take(seq) ?? null;
    if (moving !== null) this.#prefill.loop.adopt(moving); // for a moment, to be let go in the way of all others
    (lane ?? this.#prefill).loop[kind](seq);
    return true;
  }

  /** True when a step is under way, or something may be done. */
  get hasWork(): boolean {
    return this.busy || (this.#handovers?.size ?? 0) > 0 || this.#lanes.some(({ loop }) => loop.hasWork);
  }

  /** True when a step is under way. */
  get busy(): boolean {
    return this.#lanes.some(({ turn }) => turn !== null);
  }

  /** When something that waits on purpose is to be asked again; null when nothing does. */
  get nextDueMs(): number | null {
    const due = this.#lanes.flatMap(({ loop, turn, idleUntilMs }) =>
      turn === null && loop.hasWork ? [idleUntilMs] : [],
    );
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Starts every step that can start. @throws what a step has failed with. */
  pump(): void {
    if (this.#error !== null) throw this.#error;
    const nowMs = this.#options.clock.nowMs();
    const prompts = this.#queues.waiting.size + this.#count("prefill");
    this.#options.shares.update(nowMs, { prompts, helped: this.#helping(), split: this.#splitCount() });
    this.#handovers?.pull();
    this.#spread(prompts);
    for (const lane of this.#lanes) {
      if (lane.turn === null && nowMs >= lane.idleUntilMs && lane.loop.hasWork) this.#start(lane);
    }
    this.#flush();
  }

  /** Resolves when a step whose slots a worker has completed has given its tokens, or waits for the other worker's. */
  async turnOf(worker: Phase, phase: Phase): Promise<void> {
    if (phase === "prefill" && this.#options.paired?.shared === true) return yieldThread();
    await this.#lanes.find((lane) => lane.worker === worker && lane.phase === phase)?.turn;
  }

  #start(lane: Lane): void {
    lane.turn = this.#turn(lane).catch((error: unknown) => {
      this.#error ??= error;
      this.#wake();
    });
  }

  /** Whether reports carry a trace. A step under way goes on as it began. */
  watch(on: boolean): void {
    for (const { loop } of this.#lanes) loop.watch(on);
  }

  async #turn(lane: Lane): Promise<void> {
    const report = inPhase(await lane.loop.step(), lane.phase);
    lane.turn = null;
    const { clock, shares, checkEachStep } = this.#options;
    shares.observe(report.events);
    const idle = report.tokens === 0 && report.events.length === 0 && report.preemptions === 0;
    if (idle) {
      lane.idleUntilMs = clock.nowMs() + IDLE_MS;
      this.#fruitless += 1;
      if (this.#fruitless > this.#lanes.length) this.#relieve();
    } else {
      this.#fruitless = 0;
      for (const other of this.#lanes) other.idleUntilMs = 0; // pages may have come free
      this.#send(report);
    }
    const commands = this.#commands;
    this.#commands = [];
    for (const command of commands) this.#command(command);
    this.#flush();
    if (checkEachStep) this.checkIntegrity();
    this.#wake();
  }

  /** A prompt is computed and its first token is out. */
  #handOff(sequence: LiveSequence): void {
    if (this.#handovers === null) this.#decode.loop.adopt(sequence);
    else this.#handovers.add(sequence);
  }

  /** How many of the decodes the prompts' worker should have. */
  #splitCount(): number {
    return this.#split?.loop.runningCount ?? 0;
  }

  /** Moves sequences to where there is time for them; only those that no step computes. */
  #spread(prompts: number): void {
    const [split, help] = [this.#split, this.#help];
    if (split !== null) this.#spreadDecodes(split, prompts);
    // Prompts that the decode side has begun go where prompts are computed as soon as that has none.
    const idle = this.#queues.waiting.size === 0 && this.#prefill.loop.runningCount === 0;
    if (help !== null && help.turn === null && idle) this.#move(help, this.#prefill, help.loop.runningCount);
  }

  #spreadDecodes(split: Lane, prompts: number): void {
    const own = this.#decode;
    const total = own.loop.runningCount + split.loop.runningCount;
    const wanted = this.#wantedThere(total, prompts);
    const there = split.loop.runningCount;
    if (there < wanted && own.turn === null) this.#move(own, split, wanted - there);
    // One too many is left where it is: moving it back and forth would gain nothing.
    else if (there > wanted + (wanted > 0 ? 1 : 0) && split.turn === null) this.#move(split, own, there - wanted);
  }

  #wantedThere(total: number, prompts: number): number {
    if (total < 2 || this.#decode.loop.cost.stepMs(total) < this.#options.leastSplitMs) return 0;
    const given = prompts > 0 ? this.#options.shares.given("prefill") : 1;
    return Math.floor((total * given) / (1 + given));
  }

  /** The youngest go: they have waited least for what they would have to wait for there. */
  #move(from: Lane, to: Lane, count: number): void {
    const { running } = from.loop;
    for (const { spec } of running.slice(Math.max(0, running.length - count))) {
      this.#options.recorder?.moveTo(spec.seq, to.number);
      to.loop.adopt(from.loop.surrender(spec.seq));
    }
  }

  /** Nobody can go on, so pages are short: the youngest that holds any gives its own up. */
  #relieve(): void {
    if (this.busy || (this.#handovers?.active ?? 0) > 0) return;
    const held = this.#lanes.flatMap((lane) => lane.loop.running.map(({ spec }) => ({ lane, seq: spec.seq })));
    if (held.length < 2) return;
    const { lane, seq } = held.reduce((youngest, one) => (one.seq > youngest.seq ? one : youngest));
    this.#options.recorder?.retracted(seq);
    lane.loop.retract(seq);
    this.#fruitless = 0;
  }

  /** What happened outside steps. */
  #flush(): void {
    for (const { loop, turn } of this.#lanes) if (turn === null && loop.hasNews) this.#send(loop.flush());
  }

  #send(report: StepReport): void {
    this.#options.shares.ended(report.events);
    this.#options.report({ ...report, gauges: this.gauges, phases: this.stats });
  }

  get gauges(): Gauges {
    const { pages, handover } = this.#options;
    const running = this.#count("prefill") + this.#count("decode") + (this.#handovers?.size ?? 0);
    const pagesUsed = pages.decode.usedPages + (handover === undefined ? 0 : pages.prefill.usedPages);
    return { running, waiting: this.#queues.waiting.size, paused: this.#queues.paused.size, pagesUsed };
  }

  get stats(): PhaseStats {
    return this.#options.shares.stats(
      { prefill: this.#count("prefill"), transfer: this.#handovers?.size ?? 0, decode: this.#count("decode") },
      this.#handovers?.totals ?? NO_TRANSFERS,
    );
  }

  /** The last decisions of all lanes, oldest first. */
  decisions(): readonly DecisionLogEntry[] {
    const { recordDecisions } = this.#options;
    if (recordDecisions === 0) return [];
    const entries = this.#lanes.flatMap(({ loop }) => loop.decisions());
    return entries.toSorted((a, b) => a.view.nowMs - b.view.nowMs).slice(-recordDecisions);
  }

  /** @throws AssertionError when sequences, lanes and pages disagree. */
  checkIntegrity(): void {
    const { pages, handover } = this.#options;
    const seen = new Set<number>();
    const held = { prefill: new Set<number>(), decode: new Set<number>() };
    for (const { loop, phase, turn } of this.#lanes) {
      if (turn === null) loop.checkIntegrity();
      for (const sequence of loop.running) {
        assert(!seen.has(sequence.spec.seq), "a sequence is in one place");
        seen.add(sequence.spec.seq);
        for (const page of sequence.pages.pages) held[phase].add(page);
      }
    }
    this.#handovers?.checkIntegrity(seen, held);
    const both = new Set([...held.prefill, ...held.decode]);
    if (handover === undefined) assert(both.size === pages.decode.usedPages, "every used page belongs to somebody");
    else {
      assert(held.prefill.size === pages.prefill.usedPages, "every used page of the prompts belongs to somebody");
      assert(held.decode.size === pages.decode.usedPages, "every used page of the decodes belongs to somebody");
    }
  }
}

function inPhase(report: StepReport, phase: Phase): StepReport {
  return report.trace === undefined ? report : { ...report, trace: { ...report.trace, phase } };
}
