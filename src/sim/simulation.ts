/**
 * A fleet in virtual time: requests arrive from a lazy trace, a dispatcher sends each to an instance, instances step as
 * their policies plan and their cost models say, and clients cancel, think and send what depends on answers.
 *
 * One queue of events drives all of it. Of one moment, arrivals and ends come first and new steps last, so that a step
 * sees everything that has come. The same options and seed give the same events; nothing is kept of what is over.
 */
import { assert, createRandom, type RandomStream } from "../core/index.ts";
import {
  BEST_EFFORT,
  tokenInTime,
  type Dispatch,
  type InstanceLoad,
  type PromptBlocks,
  type Slo,
} from "../sched/index.ts";
import type { TraceRequest, TraceStream } from "../workload/index.ts";
import { EventQueue, type EventHandle } from "./event-queue.ts";
import { createInstance, maxWaitingOf, type InstanceSpec } from "./fleet.ts";
import { Handovers } from "./handover.ts";
import type { VirtualInstance } from "./instance.ts";
import { loadOf } from "./load.ts";
import { Migrations } from "./migration.ts";
import { Occupancy } from "./occupancy.ts";
import { ReportBuilder, type RequestRecord, type SimulationReport } from "./report.ts";
import type { SimRequest, SimSequence } from "./sequence.ts";
import { TaskBook, type TaskEnd } from "./tasks.ts";
import type { FleetController, MigrationModel, Phase, RowKind, SimEnd, StepShape } from "./types.ts";

/** Hears what happens, as it happens; everything here may be absent. */
export interface SimulationObserver {
  request?(record: RequestRecord): void;
  task?(task: TaskEnd): void;
  step?(instance: number, startMs: number, endMs: number, shape: StepShape): void;
}

/** How long a step takes on an instance; the deployment's cost model when there is no timing. */
export type StepTiming = (
  shape: StepShape,
  instance: VirtualInstance,
  instances: readonly VirtualInstance[],
  nowMs: number,
) => number;

/**
 * Asked after a step of that instance has begun or ended, where instances share a device: the step under way beside it,
 * if that ends at another time now.
 */
export type StepRetiming = (
  index: number,
  nowMs: number,
) => { readonly instance: number; readonly endMs: number } | null;

/** A fleet, its arrivals and how it is watched; times are virtual milliseconds. */
export interface SimulationOptions {
  readonly trace: TraceStream;
  /** At least one. */
  readonly instances: readonly InstanceSpec[];
  readonly dispatch: Dispatch;
  /** Colocated when absent. */
  readonly phase?: Phase;
  readonly controller?: FleetController;
  readonly timing?: StepTiming;
  readonly retiming?: StepRetiming;
  /** For dispatchers that draw; 0 when absent. */
  readonly seed?: number | string;
  /** Of requests that bring none; best effort when absent. */
  readonly defaultSlo?: Slo;
  /** What requests allow themselves to answer: policies see it, answers are as long as the trace says. 4096 when absent. */
  readonly maxAnswerTokens?: number;
  /** Dispatchers and controllers see loads as they were at the last multiple of this; as they are when absent. */
  readonly loadRefreshMs?: number;
  /** Stop there; what is under way is in no number. */
  readonly untilMs?: number;
  /** Check every invariant after each event: slow. */
  readonly check?: boolean;
  readonly observer?: SimulationObserver;
}

/** Events; `a` and `b` are what follows in brackets. */
const ARRIVAL = 0;
/** [request of a task, by its number in the table] */
const RELEASE = 1;
/** [instance] */
const START = 2;
/** [instance] */
const STEP_END = 3;
/** [request] */
const CANCEL = 4;
const TICK = 5;
const REFRESH = 6;
/** [instance] */
const READY = 7;
/** [hand-over] */
const HANDOVER = 8;
/** [migration] */
const MIGRATION = 9;

/** A policy that waits on purpose is asked again this much later, as in the live engine. */
const IDLE_MS = 1;
/** So long asked in vain, with nothing else happening: a policy that never acts, or phases that wait for each other. */
const MAX_IDLE = 100_000;
const DEFAULT_ANSWER_TOKENS = 4096;
/** Of controllers without one. */
const INSTANTLY: MigrationModel = { kind: "staged", stageMs: () => 0 };

/** A request between its release and its end. */
interface LiveRequest {
  readonly id: number;
  readonly trace: TraceRequest;
  readonly slo: Slo;
  readonly arrivalMs: number;
  instance: number;
  sequence: SimSequence | null;
  cancel: EventHandle | null;
}

/** See the head of this file. `step()` until it says false, or `run()`. */
export class Simulation {
  readonly #options: SimulationOptions;
  readonly #queue = new EventQueue();
  readonly #specs: InstanceSpec[] = [];
  readonly #instances: VirtualInstance[] = [];
  readonly #scheduled: boolean[] = [];
  readonly #startMs: number[] = [];
  /** Of steps under way. */
  readonly #stepEnds: { handle: EventHandle; endMs: number }[] = [];
  readonly #arrivals: Iterator<TraceRequest>;
  readonly #random: RandomStream;
  readonly #live = new Map<number, LiveRequest>();
  readonly #released = new Map<number, TraceRequest>();
  readonly #tasks: TaskBook;
  readonly #report = new ReportBuilder();
  readonly #occupancy = new Occupancy();
  readonly #handovers: Handovers;
  readonly #migrations: Migrations;
  /** Stale loads for the dispatcher, when they are not read as they are. */
  #snapshots: InstanceLoad[] | null = null;
  #candidates: InstanceLoad[] | null = null;
  #nextArrival: TraceRequest | null = null;
  #nowMs = 0;
  #requests = 0;
  readonly #kinds = new Set<RowKind>();
  #over = 0;
  #idle = 0;
  #finished = false;

  /** @throws PunctualError invalid_request naming the setting. */
  constructor(options: SimulationOptions) {
    assert(options.instances.length > 0, "a fleet has instances");
    this.#options = options;
    this.#random = createRandom(options.seed ?? 0, "dispatch");
    this.#arrivals = options.trace.requests[Symbol.iterator]();
    const host = {
      instances: this.#instances,
      moved: (sequence: SimSequence, to: number): void => this.#moved(sequence, to),
      wake: (index: number): void => this.#wakeOrStop(index),
    };
    this.#handovers = new Handovers({
      ...host,
      phase: options.phase ?? null,
      schedule: (atMs, id) => this.#queue.push(atMs, HANDOVER, id),
    });
    this.#migrations = new Migrations({
      ...host,
      model: options.controller?.migration ?? INSTANTLY,
      schedule: (atMs, id) => this.#queue.push(atMs, MIGRATION, id),
    });
    this.#tasks = new TaskBook({
      release: (request, atMs) => this.#scheduleRelease(request, atMs),
      abandon: (request) => this.#turnAway(request, "abandoned"),
      ended: (task) => {
        this.#report.task(task);
        options.observer?.task?.(task);
      },
    });
    for (const spec of options.instances) this.#addInstance(spec);
    this.#pull();
    if (options.controller !== undefined) this.#queue.push(options.controller.everyMs, TICK);
    if (options.loadRefreshMs !== undefined && options.loadRefreshMs > 0) this.#refresh(options.loadRefreshMs);
  }

  get nowMs(): number {
    return this.#nowMs;
  }
  /** Requests of the trace that are over. */
  get requestsOver(): number {
    return this.#over;
  }
  /** Requests that have arrived and are not over. */
  get requestsLive(): number {
    return this.#live.size;
  }
  get events(): number {
    return this.#queue.pushed;
  }
  get instances(): readonly VirtualInstance[] {
    return this.#instances;
  }

  /** What some requests so far were, and the costs of an instance know nothing of: there those count as ordinary ones. */
  get notKnown(): readonly RowKind[] {
    return [...this.#kinds].filter((kind) =>
      this.#specs.some(({ deployment: { cost } }) => cost.knows?.includes(kind) !== true),
    );
  }

  /** To the end. */
  run(): SimulationReport {
    while (this.step());
    return this.report();
  }

  /** One event. False when nothing is left to happen. */
  step(): boolean {
    if (this.#finished) return false;
    if (this.#nothingLeft() || this.#queue.nextMs > (this.#options.untilMs ?? Infinity) || !this.#queue.pop()) {
      this.#finish();
      return false;
    }
    const { timeMs, kind, a } = this.#queue;
    assert(timeMs >= this.#nowMs, "time goes on");
    this.#occupancy.advance(timeMs - this.#nowMs);
    this.#nowMs = timeMs;
    this.#handle(kind, a);
    if (this.#options.check === true) this.checkIntegrity();
    return true;
  }

  /** What came of it so far. */
  report(): SimulationReport {
    const endMs = this.#nowMs;
    const instances = this.#instances.map((instance, i) =>
      this.#occupancy.instance(instance, this.#startMs[i]!, endMs),
    );
    const { queue } = this.#occupancy;
    return this.#report.build({
      queue,
      steps: instances.reduce((sum, { steps }) => sum + steps, 0),
      preemptions: instances.reduce((sum, { preemptions }) => sum + preemptions, 0),
      migrations: { ...this.#migrations.report, handovers: this.#handovers.count },
      instances,
    });
  }

  /** @throws AssertionError when any part disagrees with itself or another. */
  checkIntegrity(): void {
    this.#queue.checkIntegrity();
    this.#tasks.checkIntegrity();
    let sequences = 0;
    for (const instance of this.#instances) {
      instance.checkIntegrity();
      sequences += instance.sequences;
    }
    assert(sequences === this.#live.size, "every live request is on one instance");
    this.#handovers.checkIntegrity();
    this.#migrations.checkIntegrity();
  }

  #handle(kind: number, a: number): void {
    if (kind !== START && kind !== TICK && kind !== REFRESH) this.#idle = 0;
    switch (kind) {
      case ARRIVAL:
        return this.#arrive();
      case RELEASE:
        return this.#release(a);
      case START:
        return this.#start(a);
      case STEP_END:
        return this.#endStep(a);
      case CANCEL:
        return this.#cancel(a);
      case TICK:
        return this.#tick();
      case REFRESH:
        return this.#refresh(this.#options.loadRefreshMs!);
      case READY:
        this.#instances[a]!.state = "serving";
        this.#candidates = null;
        return;
      case HANDOVER:
        return this.#handovers.arrived(a, this.#nowMs);
      default:
        assert(kind === MIGRATION, "every event has a handler");
        this.#migrations.arrived(a, this.#nowMs);
    }
  }

  /** Ticks and refreshes go on for ever: they alone are no reason to. */
  #nothingLeft(): boolean {
    return this.#nextArrival === null && this.#live.size === 0 && this.#released.size === 0;
  }

  #finish(): void {
    this.#finished = true;
    this.#tasks.movedOn(Infinity);
    this.#tasks.abandonBlocked();
  }

  #addInstance(spec: InstanceSpec): VirtualInstance {
    const index = this.#instances.length;
    const listener = {
      token: (sequence: SimSequence, gapMs: number | null, nowMs: number) => this.#token(sequence, gapMs, nowMs),
      ended: (sequence: SimSequence, end: SimEnd, nowMs: number) => this.#ended(sequence, end, nowMs),
      preempted: (sequence: SimSequence) => this.#handovers.preempted(sequence, index),
    };
    const pagesOf = (other: number) => this.#instances[other]?.pages ?? null;
    const instance = createInstance(spec, index, pagesOf, listener, this.#options.trace.blockTokens > 0);
    this.#specs.push(spec);
    this.#instances.push(instance);
    this.#scheduled.push(false);
    this.#startMs.push(this.#nowMs);
    this.#candidates = null;
    return instance;
  }

  /** The next request of the trace, if any; it arrives before steps of the same moment begin. */
  #pull(): void {
    const { done, value } = this.#arrivals.next();
    this.#nextArrival = done === true ? null : (value as TraceRequest);
    if (this.#nextArrival !== null) this.#queue.push(Math.max(this.#nowMs, this.#nextArrival.arrivalMs), ARRIVAL);
  }

  #arrive(): void {
    const request = this.#nextArrival;
    assert(request !== null, "an arrival is of a request");
    this.#pull();
    if (request.task === undefined) this.#submit(request, this.#nowMs);
    else this.#tasks.arrived(request, this.#nowMs);
    this.#tasks.movedOn(this.#nextArrival?.arrivalMs ?? Infinity);
  }

  #scheduleRelease(request: TraceRequest, atMs: number): void {
    if (atMs <= this.#nowMs) return this.#submit(request, this.#nowMs);
    this.#released.set(request.id, request);
    this.#queue.push(atMs, RELEASE, request.id);
  }

  #release(id: number): void {
    const request = this.#released.get(id);
    assert(request !== undefined, "a request is released once");
    this.#released.delete(id);
    this.#submit(request, this.#nowMs);
  }

  #submit(trace: TraceRequest, nowMs: number): void {
    this.#report.arrived(nowMs);
    const slo = this.#sloOf(trace, nowMs);
    const candidates = this.#entries();
    const { blockTokens } = this.#options.trace;
    const asked: TraceRequest & PromptBlocks = blockTokens > 0 ? { ...trace, slo, blockTokens } : { ...trace, slo };
    const { dispatch } = this.#options;
    if (dispatch.refusal?.(asked, candidates, nowMs)) return this.#turnAway(trace, "refused", slo);
    const chosen = dispatch.choose(asked, candidates, nowMs, this.#random);
    if (chosen === null) return this.#turnAway(trace, "too-long", slo);
    const instance = this.#instances[chosen.index]!;
    const room = instance.totalPages * instance.pageTokens - trace.promptTokens;
    if (room < 1) return this.#turnAway(trace, "too-long", slo);
    if (instance.waiting >= maxWaitingOf(this.#specs[instance.index]!)) return this.#turnAway(trace, "refused", slo);
    const request = this.#requestOf(trace, slo, nowMs, room);
    const live: LiveRequest = {
      id: request.id,
      trace,
      slo,
      arrivalMs: nowMs,
      instance: instance.index,
      sequence: null,
      cancel: null,
    };
    this.#live.set(request.id, live);
    const cancelMs = trace.cancelAfterMs;
    if (cancelMs !== undefined) live.cancel = this.#queue.push(nowMs + cancelMs, CANCEL, request.id);
    live.sequence = instance.submit(request, nowMs);
    this.#wake(instance.index);
  }

  #requestOf(trace: TraceRequest, slo: Slo, nowMs: number, room: number): SimRequest {
    const { promptTokens, hashIds, promptIds, task, priority, adapter, route } = trace;
    const outputTokens = Math.min(trace.outputTokens, room);
    const allowed = this.#options.maxAnswerTokens ?? DEFAULT_ANSWER_TOKENS;
    if (adapter !== undefined) this.#kinds.add("adapters");
    if (route !== undefined && route.kept < route.layers) this.#kinds.add("routes");
    return {
      id: this.#requests++,
      arrivalMs: nowMs,
      promptTokens,
      outputTokens,
      maxTokens: Math.max(outputTokens, Math.min(allowed, room)),
      slo,
      ...(hashIds === undefined ? {} : { hashIds, blockTokens: this.#options.trace.blockTokens }),
      ...(promptIds === undefined ? {} : { promptIds }),
      ...(priority === undefined ? {} : { priority }),
      ...(adapter === undefined ? {} : { adapted: true }),
      ...(route === undefined ? {} : { route }),
      ...(task === undefined ? {} : { task: { id: String(task.id), stage: task.stage } }),
    };
  }

  /** A compound task's deadline counts from its first request; each of its requests has what is left. */
  #sloOf(trace: TraceRequest, nowMs: number): Slo {
    const slo = trace.slo ?? this.#options.defaultSlo ?? BEST_EFFORT;
    if (slo.class !== "compound" || slo.deadlineMs === undefined) return slo;
    const left = slo.deadlineMs - (nowMs - this.#tasks.arrivalMs(trace));
    return { ...slo, deadlineMs: Math.max(SMALLEST_MS, left) };
  }

  /** Over before it came to an instance. */
  #turnAway(
    trace: TraceRequest,
    end: "refused" | "too-long" | "abandoned",
    slo = this.#sloOf(trace, this.#nowMs),
  ): void {
    const nowMs = this.#nowMs;
    const { id, promptTokens } = trace;
    const over = { id, instance: null, slo, end, arrivalMs: nowMs, endMs: nowMs, promptTokens, sequence: null };
    const record = this.#report.finished(over);
    this.#over += 1;
    this.#options.observer?.request?.(record);
    if (trace.task !== undefined && end !== "abandoned") this.#tasks.over(trace, false, 0, nowMs);
  }

  /** Instances that new requests may go to, as the dispatcher sees them. */
  #entries(): readonly InstanceLoad[] {
    if (this.#candidates === null) {
      const loads: readonly InstanceLoad[] = this.#snapshots ?? this.#instances;
      const open = loads.filter(({ index, role }) => role !== "decode" && this.#instances[index]!.accepting);
      // A fleet that is being emptied as a whole still has to serve what comes.
      this.#candidates = open.length > 0 ? open : loads.filter(({ role }) => role !== "decode");
      assert(this.#candidates.length > 0, "some instance computes prompts");
    }
    return this.#candidates;
  }

  /** A step soon, unless one runs or is due. */
  #wake(index: number): void {
    const instance = this.#instances[index]!;
    this.#occupancy.watch(instance);
    if (this.#scheduled[index] === true || instance.busy || !instance.hasWork) return;
    this.#scheduled[index] = true;
    this.#queue.push(this.#nowMs, START, index, 0, true);
  }

  #start(index: number): void {
    this.#scheduled[index] = false;
    const instance = this.#instances[index]!;
    if (instance.busy || !instance.hasWork) return;
    const nowMs = this.#nowMs;
    const acted = instance.begin(nowMs);
    const { shape } = instance;
    if (shape.rows > 0) {
      this.#idle = 0;
      const { timing } = this.#options;
      const cost = this.#specs[index]!.deployment.cost;
      const aloneMs = timing === undefined ? cost.stepMs(shape) : timing(shape, instance, this.#instances, nowMs);
      const copies = instance.outgoing + instance.incoming > 0;
      const stepMs = copies ? aloneMs * (1 + (this.#options.controller?.migration?.slowdown ?? 0)) : aloneMs;
      assert(stepMs > 0 && stepMs < Infinity, "a step takes time");
      this.#occupancy.busy(index, stepMs);
      this.#options.observer?.step?.(index, nowMs, nowMs + stepMs, shape);
      this.#stepEnds[index] = { handle: this.#queue.push(nowMs + stepMs, STEP_END, index), endMs: nowMs + stepMs };
      this.#retime(index);
      this.#occupancy.watch(instance);
      return;
    }
    instance.finish(nowMs, nowMs);
    this.#settle(instance, acted);
    if (acted) return;
    this.#idle += 1;
    assert(this.#idle <= MAX_IDLE, "somebody acts while there is work and nothing else will happen");
    if (instance.hasWork && !this.#scheduled[index]) {
      this.#scheduled[index] = true;
      this.#queue.push(nowMs + IDLE_MS, START, index, 0, true);
    }
  }

  /** What the step of one means for another on the same device. */
  #retime(index: number): void {
    const change = this.#options.retiming?.(index, this.#nowMs) ?? null;
    if (change === null) return;
    const step = this.#stepEnds[change.instance]!;
    assert(this.#queue.cancel(step.handle), "the step is under way");
    this.#occupancy.busy(change.instance, change.endMs - step.endMs);
    step.endMs = change.endMs;
    step.handle = this.#queue.push(Math.max(this.#nowMs, change.endMs), STEP_END, change.instance);
  }

  #endStep(index: number): void {
    const instance = this.#instances[index]!;
    instance.finish(this.#nowMs, this.#nowMs);
    this.#retime(index);
    this.#settle(instance);
    this.#wake(index);
  }

  /** After a step: who changes instances does so now. Who did nothing is not asked again at the same moment. */
  #settle(instance: VirtualInstance, acted = true): void {
    this.#migrations.afterStep(instance, this.#nowMs);
    this.#handovers.afterStep(instance, this.#nowMs);
    this.#occupancy.watch(instance);
    this.#stopIfDone(instance);
    if (acted && instance.hasWork && !instance.busy) this.#wake(instance.index);
  }

  /** A draining instance is over when nothing is left in it or on its way to it. */
  #stopIfDone(instance: VirtualInstance): void {
    if (instance.state !== "draining" || !instance.empty || instance.incoming > 0) return;
    instance.state = "stopped";
    this.#occupancy.stop(instance.index, this.#nowMs);
  }

  #wakeOrStop(index: number): void {
    this.#stopIfDone(this.#instances[index]!);
    this.#wake(index);
  }

  #cancel(id: number): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.cancel = null;
    this.#handovers.cancelled(id);
    this.#migrations.ended(id);
    this.#instances[live.instance]!.cancel(id, this.#nowMs);
    this.#wake(live.instance);
  }

  #token(sequence: SimSequence, gapMs: number | null, nowMs: number): void {
    const { slo, arrivalMs, firstTokenMs, generatedTokens } = sequence;
    if (gapMs !== null) this.#report.gap(gapMs);
    if (slo.class === "latency" && tokenInTime(slo, arrivalMs, firstTokenMs!, generatedTokens - 1, nowMs)) {
      sequence.tokensInTime += 1;
    }
    this.#handovers.token(sequence, this.#live.get(sequence.id)!.instance);
  }

  #ended(sequence: SimSequence, end: SimEnd, nowMs: number): void {
    const live = this.#live.get(sequence.id);
    assert(live !== undefined, "a request ends once");
    this.#live.delete(sequence.id);
    if (live.cancel !== null) this.#queue.cancel(live.cancel);
    this.#handovers.cancelled(sequence.id);
    this.#migrations.ended(sequence.id);
    const { trace, slo, arrivalMs, instance } = live;
    const { id, promptTokens } = trace;
    const record = this.#report.finished({ id, instance, slo, end, arrivalMs, endMs: nowMs, promptTokens, sequence });
    this.#over += 1;
    this.#options.observer?.request?.(record);
    if (trace.task !== undefined) this.#tasks.over(trace, end === "done", sequence.generatedTokens, nowMs);
  }

  /** A sequence goes on in another body or place. */
  #moved(sequence: SimSequence, to: number): void {
    const live = this.#live.get(sequence.id);
    assert(live !== undefined, "only live requests move");
    live.sequence = sequence;
    live.instance = to;
  }

  #tick(): void {
    const controller = this.#options.controller!;
    this.#queue.push(this.#nowMs + controller.everyMs, TICK);
    const actions = controller.tick({
      nowMs: this.#nowMs,
      instances: this.#snapshots ?? this.#instances,
      source: (index) => {
        const load = this.#instances[index]!;
        return { load, running: load.runningSequences, waiting: load.waitingSequences };
      },
    });
    for (const action of actions) {
      if (action.kind === "migrate") {
        this.#migrations.start(action.id, action.from, action.to, this.#nowMs);
      } else if (action.kind === "start") {
        const instance = this.#addInstance(this.#specs[action.like]!);
        instance.state = "starting";
        this.#queue.push(this.#nowMs + action.delayMs, READY, instance.index);
      } else {
        const instance = this.#instances[action.instance];
        if (instance === undefined || !instance.accepting) continue;
        instance.state = "draining";
        this.#candidates = null;
        this.#settle(instance);
      }
    }
  }

  #refresh(everyMs: number): void {
    this.#queue.push(this.#nowMs + everyMs, REFRESH);
    this.#snapshots = this.#instances.map((instance) => loadOf(instance, this.#nowMs));
    this.#candidates = null;
  }
}

const SMALLEST_MS = 1e-3;
