/**
 * An engine whose phases were apart, once more: its lanes (a worker and a phase each), the queue that they share, one cache
 * or two with the way between them. Lanes' steps overlap, so nothing is timed here: each line of the recording is carried
 * out where it stands, which is the one order in which the engine's deciding thread did things.
 *
 *   begin      view, plan, leave, preempt, admit, reserve
 *   computed   keys and values are in place, full pages shareable
 *   step       tokens and ends; after its first token a prompt's sequence goes to the decodes, or between the caches
 *
 * Who moves sequences between lanes, and how many a lane may have, was decided by times that nobody can repeat: recorded.
 */
import { assert } from "../core/index.ts";
import {
  recordView,
  type BatchPolicy,
  type CostPoints,
  type DecisionLogEntry,
  type Outlook,
  type SchedulerView,
  type StepCost,
  type StepPlan,
} from "../sched/index.ts";
import type { RecordedBegin, RecordedHandover, RecordedMove, RecordedStep } from "../workload/index.ts";
import { blankPrompt } from "./blank-prompt.ts";
import type { LaneFacts } from "./engine-facts.ts";
import type { PagePool } from "./page-pool.ts";
import { insert, remove } from "./sequence-list.ts";
import { failsAt, setComputed, snapshot, SimSequence, type OutlookHost, type SimRequest } from "./sequence.ts";
import { StepBatch } from "./step-batch.ts";
import type { SimEnd } from "./types.ts";

/** What lanes are made of. */
export interface ReplayedLanesOptions {
  readonly lanes: readonly LaneFacts[];
  /** Caches; `decode` is null where there is one for both phases. */
  readonly pools: { readonly prefill: PagePool; readonly decode: PagePool | null };
  /** One for each lane. */
  readonly policy: () => BatchPolicy;
  readonly costOf: (points: CostPoints) => StepCost;
  readonly outlook: Outlook;
  /** Hears how a request ended. */
  readonly ended: (id: number, end: SimEnd) => void;
}

interface Lane {
  readonly facts: LaneFacts;
  readonly policy: BatchPolicy;
  readonly cost: StepCost;
  readonly pool: PagePool;
  readonly running: SimSequence[];
  readonly batch: StepBatch;
  /** Of the step under way. */
  pending: Omit<DecisionLogEntry, "stepMs"> | null;
  steps: number;
}

/** Where a sequence is. */
type Place =
  | { readonly kind: "waiting" | "paused" }
  | { readonly kind: "running"; readonly lane: Lane }
  /** Null: it waits for room at the decode side. */
  | { readonly kind: "between"; readonly twin: SimSequence | null };

interface Placed {
  readonly sequence: SimSequence;
  readonly place: Place;
}

const WAITING: Place = { kind: "waiting" };
const PAUSED: Place = { kind: "paused" };

/** See the head of this file. */
export class ReplayedLanes {
  readonly #options: ReplayedLanesOptions;
  readonly #lanes: readonly Lane[];
  readonly #host: OutlookHost & { nowMs: number; view: number };
  readonly #placed = new Map<number, Placed>();
  readonly #waiting: SimSequence[] = [];
  /** One per step that has ended, in the order of the ends. */
  readonly decisions: DecisionLogEntry[] = [];

  constructor(options: ReplayedLanesOptions) {
    this.#options = options;
    this.#host = { outlook: options.outlook, nowMs: 0, view: 0 };
    this.#lanes = options.lanes.map((facts) => ({
      facts,
      policy: options.policy(),
      cost: options.costOf(facts.cost),
      pool: facts.phase === "decode" ? this.#decodePool : options.pools.prefill,
      running: [],
      batch: new StepBatch(),
      pending: null,
      steps: 0,
    }));
  }

  get #decodePool(): PagePool {
    return this.#options.pools.decode ?? this.#options.pools.prefill;
  }

  submit(request: SimRequest, nowMs: number): void {
    const sequence = new SimSequence(request, this.#host);
    const { id, arrivalMs, maxTokens, slo, task, promptTokens } = request;
    const prompt = request.promptIds ?? blankPrompt(promptTokens);
    this.#enqueue(sequence);
    this.#host.outlook.arrived({ id, prompt, arrivalMs, maxTokens, slo, ...(task === undefined ? {} : { task }) });
    if (request.failure?.stage === "submit") this.#end(sequence, "failed", nowMs);
  }

  cancel(id: number, nowMs: number): void {
    const placed = this.#placed.get(id);
    if (placed !== undefined) this.#end(placed.sequence, "cancelled", nowMs);
  }

  pause(id: number): void {
    const placed = this.#placed.get(id);
    if (placed === undefined || placed.place.kind === "paused") return;
    this.#drop(placed);
    this.#placed.set(id, { sequence: placed.sequence, place: PAUSED });
  }

  resume(id: number): void {
    const placed = this.#placed.get(id);
    if (placed?.place.kind === "paused") this.#enqueue(placed.sequence);
  }

  /** It failed by its own fault between the computing of its step and the tokens. */
  fail(id: number, nowMs: number): void {
    const placed = this.#placed.get(id);
    if (placed !== undefined) this.#end(placed.sequence, "failed", nowMs);
  }

  /** Back to the queue, unplanned. */
  retract({ id }: { readonly id: number }): void {
    this.#requeue(this.#mustFind(id));
  }

  /** A running sequence goes on in another lane. */
  move({ id, lane: number }: RecordedMove): void {
    const placed = this.#mustFind(id);
    const lane = this.#lane(number);
    assert(placed.place.kind === "running" && placed.place.lane.pool === lane.pool, "it moves within its cache");
    remove(placed.place.lane.running, placed.sequence);
    this.#run(placed.sequence, lane);
  }

  /** A sequence takes its pages at the decode side, or goes on in them. */
  handover({ id, state }: RecordedHandover): void {
    const { sequence, place } = this.#mustFind(id);
    assert(place.kind === "between", "only what is between the caches is handed over");
    const pool = this.#decodePool;
    if (state === "begun") {
      assert(place.twin === null, "one copy of a sequence");
      const twin = sequence.twin();
      twin.computedTokens = pool.open(twin);
      assert(pool.reserve(twin, sequence.computedTokens + 1), "what was begun had room");
      this.#placed.set(id, { sequence, place: { kind: "between", twin } });
      return;
    }
    const { twin } = place;
    assert(twin !== null, "what is done was begun");
    this.#options.pools.prefill.release(sequence);
    setComputed(twin, sequence.computedTokens);
    if (pool.prefixCache) pool.commit(twin, twin.computedTokens);
    this.#run(
      twin,
      this.#lanes.find(({ facts }) => facts.phase === "decode" && facts.worker === "decode")!,
    );
  }

  begin({ lane: number, atMs, maxRunning, reservedPages }: RecordedBegin): void {
    const lane = this.#lane(number);
    assert(lane.pending === null, "one step at a time in a lane");
    this.#host.nowMs = atMs;
    this.#host.view += 1;
    const log = recordView(this.#view(lane, atMs, maxRunning, reservedPages), lane.cost.points());
    const plan = lane.policy.plan(log.view);
    lane.pending = { step: lane.steps, policy: lane.policy.name, view: log.record(), plan };
    for (const id of plan.expire) this.#end(this.#mustFind(id).sequence, "expired", atMs);
    for (const { id } of plan.reject) this.#end(this.#mustFind(id).sequence, "rejected", atMs);
    for (const id of plan.cut) this.#end(this.#mustFind(id).sequence, "cut", atMs);
    for (const id of plan.preempt) this.#preempt(id);
    for (const id of plan.admit) this.#admit(id, lane, atMs);
    this.#reserve(lane, plan, atMs);
  }

  computed({ lane: number }: { readonly lane: number }): void {
    const { batch, pool } = this.#lane(number);
    for (let i = 0; i < batch.rows; i++) {
      const sequence = batch.sequences[i]!;
      setComputed(sequence, sequence.computedTokens + batch.counts[i]!);
      const fresh = Math.max(0, sequence.computedTokens - sequence.reachedTokens);
      sequence.reachedTokens += fresh;
      this.#host.outlook.computed(sequence.id, fresh);
      if (pool.prefixCache) pool.commit(sequence, sequence.computedTokens);
    }
  }

  step({ lane: number = 0, atMs, stepMs, tokenMs = atMs + stepMs }: RecordedStep): void {
    const lane = this.#lane(number);
    const { batch, pending } = lane;
    assert(pending !== null, "a step was begun");
    for (let i = 0; i < batch.rows; i++) {
      const sequence = batch.sequences[i]!;
      const isHere = this.#placed.get(sequence.id)?.sequence === sequence;
      if (isHere && sequence.pendingTokens === 0) this.#accept(sequence, lane, tokenMs);
    }
    if (batch.tokens > 0) lane.cost.observe(batch.tokens, stepMs);
    this.decisions.push({ ...pending, stepMs });
    batch.clear();
    lane.pending = null;
    lane.steps += 1;
  }

  /** @throws AssertionError when sequences and pages disagree. */
  checkIntegrity(): void {
    const { prefill, decode } = this.#options.pools;
    prefill.checkIntegrity();
    decode?.checkIntegrity();
    let running = 0;
    for (const lane of this.#lanes) {
      running += lane.running.length;
      for (const sequence of lane.running) {
        const place = this.#placed.get(sequence.id)?.place;
        assert(place?.kind === "running" && place.lane === lane, "a sequence is in one place");
        assert(sequence.pages * lane.pool.pageTokens >= sequence.computedTokens, "computed tokens have pages");
      }
    }
    for (const { sequence, place } of this.#placed.values()) {
      if (place.kind === "running") running -= 1;
      else if (place.kind !== "between") assert(sequence.pages === 0, "who waits holds no pages");
    }
    assert(running === 0, "who runs is in a lane");
  }

  #view({ facts, running, pool, cost }: Lane, nowMs: number, maxRunning: number, reserved: number): SchedulerView {
    const { limits } = facts;
    const waiting = (id: number): SimSequence | null => {
      const placed = this.#placed.get(id);
      return placed?.place.kind === "waiting" ? placed.sequence : null;
    };
    return {
      nowMs,
      waiting: facts.phase === "decode" ? [] : this.#waiting.map(snapshot),
      running: running.map(snapshot),
      freePages: Math.max(0, pool.availablePages - reserved),
      pageTokens: pool.pageTokens,
      totalPages: pool.pages,
      limits: maxRunning === limits.maxRunning ? limits : { ...limits, maxRunning },
      cachedTokens: (id) => {
        const sequence = waiting(id);
        return sequence === null ? 0 : pool.cachedTokens(sequence.request, sequence.knownTokens);
      },
      cachedFreePages: (id) => {
        const sequence = waiting(id);
        return sequence === null ? 0 : pool.cachedFreePages(sequence.request, sequence.knownTokens);
      },
      cost,
    };
  }

  #preempt(id: number): void {
    const placed = this.#mustFind(id);
    placed.sequence.preemptions += 1;
    this.#requeue(placed);
  }

  #requeue(placed: Placed): void {
    assert(placed.place.kind === "running", "only a running sequence gives its pages up");
    this.#drop(placed);
    this.#enqueue(placed.sequence);
  }

  #enqueue(sequence: SimSequence): void {
    insert(this.#waiting, sequence);
    this.#placed.set(sequence.id, { sequence, place: WAITING });
  }

  #run(sequence: SimSequence, lane: Lane): void {
    insert(lane.running, sequence);
    this.#placed.set(sequence.id, { sequence, place: { kind: "running", lane } });
  }

  #admit(id: number, lane: Lane, nowMs: number): void {
    const { sequence } = this.#mustFind(id);
    assert(remove(this.#waiting, sequence), "only a waiting sequence is admitted");
    this.#run(sequence, lane);
    setComputed(sequence, lane.pool.open(sequence));
    sequence.reachedTokens = Math.max(sequence.reachedTokens, sequence.computedTokens);
    sequence.cachedTokens ??= sequence.computedTokens;
    if (sequence.firstTokenMs === null) sequence.scheduledMs = nowMs;
  }

  #reserve({ batch, pool }: Lane, plan: StepPlan, nowMs: number): void {
    for (const { id, tokens } of plan.advance) {
      const { sequence } = this.#mustFind(id);
      const count = Math.min(tokens, sequence.pendingTokens);
      assert(pool.reserve(sequence, sequence.computedTokens + count), "a plan stays within the free pages");
      const complete = count === sequence.pendingTokens;
      if (complete && failsAt(sequence, "scores")) this.#end(sequence, "failed", nowMs);
      else batch.add(sequence, count, complete);
    }
  }

  #accept(sequence: SimSequence, lane: Lane, nowMs: number): void {
    if (failsAt(sequence, "accept")) return this.#end(sequence, "failed", nowMs);
    sequence.generatedTokens += 1;
    sequence.pendingTokens += 1;
    sequence.firstTokenMs ??= nowMs;
    sequence.lastTokenMs = nowMs;
    if (sequence.generatedTokens >= sequence.request.outputTokens) return this.#end(sequence, "done", nowMs);
    if (lane.facts.phase === "prefill") this.#handOff(sequence, lane);
  }

  /** A prompt is computed and its first token is out. */
  #handOff(sequence: SimSequence, lane: Lane): void {
    remove(lane.running, sequence);
    if (this.#options.pools.decode !== null) {
      this.#placed.set(sequence.id, { sequence, place: { kind: "between", twin: null } });
      return;
    }
    this.#run(
      sequence,
      this.#lanes.find(({ facts }) => facts.phase === "decode" && facts.worker === "decode")!,
    );
  }

  #end(sequence: SimSequence, end: SimEnd, nowMs: number): void {
    this.#drop(this.#mustFind(sequence.id));
    this.#placed.delete(sequence.id);
    this.#host.outlook.ended(sequence.id, sequence.generatedTokens, end === "done", nowMs);
    this.#options.ended(sequence.id, end);
  }

  /** Out of wherever it is, pages given back; it has to compute everything again. */
  #drop({ sequence, place }: Placed): void {
    if (place.kind === "waiting") remove(this.#waiting, sequence);
    if (place.kind === "running") {
      remove(place.lane.running, sequence);
      place.lane.pool.release(sequence);
    }
    if (place.kind === "between") {
      if (place.twin !== null) this.#decodePool.release(place.twin);
      this.#options.pools.prefill.release(sequence);
    }
    setComputed(sequence, 0);
  }

  #lane(number: number): Lane {
    const lane = this.#lanes[number];
    assert(lane !== undefined, "a line names a lane of the head");
    return lane;
  }

  #mustFind(id: number): Placed {
    const placed = this.#placed.get(id);
    assert(placed !== undefined, "a plan names sequences of its view");
    return placed;
  }
}
