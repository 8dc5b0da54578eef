/**
 * One engine without its model: does with a `StepPlan` exactly what the live step loop does, on counted pages and in
 * virtual time. It owns no clock: whoever drives it begins a step at a moment, asks a cost model how long it takes, and
 * finishes it.
 *
 *   submit, cancel, pause, resume ─▶ inbox ─▶ begin(nowMs): view, plan, leave, preempt, admit, reserve
 *                                             finish(tokenMs, endMs): computed, committed, tokens, ends
 *
 * What comes in during a step waits for its end, as messages to an engine worker do. A sequence is in exactly one of
 * waiting (no pages), running (pages), paused (no pages) and held (pages, out of the schedule).
 */
import { assert } from "../core/index.ts";
import {
  MeanOutlook,
  recordView,
  StepCost,
  type BatchPolicy,
  type CostPoints,
  type DecisionLogEntry,
  type InstanceLoad,
  type InstanceRole,
  type InstanceState,
  type PromptBlocks,
  type SchedulerLimits,
  type SchedulerView,
  type StepPlan,
} from "../sched/index.ts";
import { blankPrompt } from "./blank-prompt.ts";
import type { VirtualDrafts } from "./drafts.ts";
import type { InstanceListener, InstanceOptions } from "./instance-options.ts";
import type { PagePool } from "./page-pool.ts";
import { QueueCounts } from "./queue-counts.ts";
import { insert, placeOf, remove } from "./sequence-list.ts";
import { failsAt, setComputed, snapshot, SimSequence, type OutlookHost, type SimRequest } from "./sequence.ts";
import { StepBatch } from "./step-batch.ts";
import type { SimEnd, StepShape } from "./types.ts";

type InboxItem =
  | { readonly kind: "submit"; readonly sequence: SimSequence }
  | { readonly kind: "adopt"; readonly sequence: SimSequence; readonly computedTokens: number }
  | { readonly kind: "cancel" | "pause" | "resume"; readonly id: number };

/** Share of a new answer in the mean of lengths. */
const ANSWER_WEIGHT = 0.02;

/** See the head of this file. */
export class VirtualInstance implements InstanceLoad {
  readonly index: number;
  readonly role: InstanceRole;
  readonly pages: PagePool;
  readonly cost: StepCost;
  readonly limits: SchedulerLimits;
  state: InstanceState = "serving";
  /** Migrations under way; whoever moves sequences counts. */
  outgoing = 0;
  incoming = 0;
  #policy: BatchPolicy;
  readonly #drafts: VirtualDrafts | null;
  readonly #counts: QueueCounts;
  readonly #listener: InstanceListener;
  readonly #recordDecisions: number;
  readonly #byId = new Map<number, SimSequence>();
  readonly #waiting: SimSequence[] = [];
  readonly #running: SimSequence[] = [];
  readonly #paused = new Map<number, SimSequence>();
  readonly #held = new Map<number, SimSequence>();
  readonly #inbox: InboxItem[] = [];
  readonly #batch = new StepBatch();
  readonly #host: OutlookHost & { nowMs: number; view: number };
  readonly #view: SchedulerView & { nowMs: number; freePages: number };
  readonly #decisions: DecisionLogEntry[] = [];
  #pending: { readonly step: Omit<DecisionLogEntry, "stepMs"> | null; readonly startMs: number } | null = null;
  #steps = 0;
  #preemptions = 0;
  #answerTokens: number | null = null;

  constructor(options: InstanceOptions) {
    this.index = options.index ?? 0;
    this.role = options.role ?? "both";
    this.pages = options.pages;
    this.cost = options.cost ?? new StepCost();
    this.limits = options.limits;
    this.#policy = options.policy;
    this.#drafts = options.drafts ?? null;
    this.#counts = new QueueCounts(options.pages.pageTokens);
    this.#listener = options.listener;
    this.#recordDecisions = options.recordDecisions ?? 0;
    this.#host = { outlook: options.outlook ?? new MeanOutlook(), nowMs: 0, view: 0 };
    const { pages } = this;
    const waiting = (id: number): SimSequence | null => {
      const sequence = this.#byId.get(id);
      return sequence !== undefined && sequence.pages === 0 ? sequence : null;
    };
    this.#view = {
      nowMs: 0,
      waiting: this.#waiting,
      running: this.#running,
      freePages: pages.availablePages,
      pageTokens: pages.pageTokens,
      totalPages: pages.pages,
      limits: options.limits,
      cachedTokens: (id) => {
        const sequence = waiting(id);
        return sequence === null ? 0 : pages.cachedTokens(sequence.request, sequence.soughtTokens);
      },
      cachedFreePages: (id) => {
        const sequence = waiting(id);
        return sequence === null ? 0 : pages.cachedFreePages(sequence.request, sequence.soughtTokens);
      },
      cost: this.cost,
    };
  }

  get accepting(): boolean {
    return this.state === "serving";
  }

  /** True between begin and finish. */
  get busy(): boolean {
    return this.#pending !== null;
  }

  /** True when a step may do something. */
  get hasWork(): boolean {
    return this.#waiting.length + this.#running.length + this.#inbox.length > 0;
  }

  /** True when no sequence is left in it, wherever. */
  get empty(): boolean {
    return this.#byId.size === 0 && this.#inbox.length === 0;
  }

  /** Sequences in it, wherever. */
  get sequences(): number {
    let count = this.#byId.size;
    for (const { kind } of this.#inbox) if (kind === "submit" || kind === "adopt") count += 1;
    return count;
  }

  get steps(): number {
    return this.#steps;
  }
  get preemptions(): number {
    return this.#preemptions;
  }
  get policy(): BatchPolicy {
    return this.#policy;
  }
  /** Decides from the next step on. */
  set policy(policy: BatchPolicy) {
    this.#policy = policy;
  }
  /** The shape of the step between begin and finish. */
  get shape(): StepShape {
    return this.#batch;
  }
  get waiting(): number {
    return this.#waiting.length + this.#inbox.length;
  }
  get running(): number {
    return this.#running.length + this.#held.size;
  }
  get waitingTokens(): number {
    return this.#counts.waitingTokens;
  }
  get waitingPages(): number {
    return this.#counts.waitingPages;
  }
  get headPages(): number {
    // Urgent ones go first wherever there is an order of urgency.
    const head = this.#waiting.find((one) => this.#counts.urgentWaiting === 0 || one.priority > 0) ?? this.#waiting[0];
    return head === undefined ? 0 : Math.ceil(head.pendingTokens / this.pages.pageTokens);
  }
  get answerTokens(): number | null {
    return this.#answerTokens;
  }
  get urgent(): number {
    return this.#counts.urgent;
  }
  get urgentWaiting(): number {
    return this.#counts.urgentWaiting;
  }
  get urgentWaitingPages(): number {
    return this.#counts.urgentWaitingPages;
  }
  get prefillTokens(): number {
    let tokens = 0;
    for (const { pendingTokens } of this.#running) if (pendingTokens > 1) tokens += pendingTokens;
    return tokens;
  }
  get usedPages(): number {
    return this.pages.pages - this.pages.availablePages;
  }
  get totalPages(): number {
    return this.pages.pages;
  }
  get pageTokens(): number {
    return this.pages.pageTokens;
  }

  cachedTokens(request: PromptBlocks): number {
    const asked = { ...request, id: -1, arrivalMs: 0, outputTokens: 1, maxTokens: 1, slo: NO_SLO };
    return this.pages.cachedTokens(asked, request.promptTokens);
  }

  /** Sequences with pages, in order of arrival. */
  get runningSequences(): readonly SimSequence[] {
    return this.#running;
  }
  /** Sequences in the queue, in order of arrival. */
  get waitingSequences(): readonly SimSequence[] {
    return this.#waiting;
  }

  find(id: number): SimSequence | null {
    return this.#byId.get(id) ?? null;
  }

  /** True when the sequence is in the schedule here, with pages. */
  runs(sequence: SimSequence): boolean {
    return this.#running[placeOf(this.#running, sequence.order)] === sequence;
  }

  /** True when it is in the queue here. */
  waits(sequence: SimSequence): boolean {
    return this.#waiting[placeOf(this.#waiting, sequence.order)] === sequence;
  }

  /** The last decisions, oldest first. */
  decisions(): readonly DecisionLogEntry[] {
    const limit = this.#recordDecisions;
    return limit === 0 ? [] : this.#decisions.slice(-limit);
  }

  /** Into the queue, or the inbox while a step runs. */
  submit(request: SimRequest, nowMs: number): SimSequence {
    const sequence = new SimSequence(request, this.#host);
    this.#counts.inside(sequence, 1);
    this.#counts.waiting(sequence, 1);
    this.#post({ kind: "submit", sequence }, nowMs);
    return sequence;
  }

  /** Frees everything of a sequence, once no step runs; unknown numbers are of sequences that just ended. */
  cancel(id: number, nowMs: number): void {
    const item: InboxItem = { kind: "cancel", id };
    if (this.#held.has(id)) this.#handle(item, nowMs);
    else this.#post(item, nowMs);
  }

  /** Sets a sequence aside without its pages, until `resume`. */
  pause(id: number, nowMs: number): void {
    this.#post({ kind: "pause", id }, nowMs);
  }

  resume(id: number, nowMs: number): void {
    this.#post({ kind: "resume", id }, nowMs);
  }

  /** Takes a running sequence out of the schedule; its pages stay. Not during a step. */
  hold(sequence: SimSequence): void {
    assert(!this.busy, "no step runs");
    sequence.draftTokens = 0;
    this.#removeRunning(sequence);
    this.#held.set(sequence.id, sequence);
  }

  /** Back into the schedule. */
  unhold(sequence: SimSequence): void {
    assert(this.#held.delete(sequence.id), "a held sequence comes back");
    insert(this.#running, sequence);
  }

  /**
   * Forgets a sequence that goes on elsewhere: a waiting or held one, or a running one while no step runs.
   * @param keepPages for another instance on the same pool.
   */
  forget(sequence: SimSequence, keepPages = false): void {
    assert(!this.busy || this.#held.has(sequence.id) || sequence.pages === 0, "no row of a step is taken out of it");
    this.#removeAnywhere(sequence);
    this.#byId.delete(sequence.id);
    this.#counts.inside(sequence, -1);
    this.#host.outlook.ended(sequence.id, sequence.generatedTokens, false, this.#host.nowMs);
    if (!keepPages) this.pages.release(sequence);
  }

  /** Takes the pages of a sequence that runs and puts it back in the queue, unplanned. Not during a step. */
  drop(sequence: SimSequence): void {
    assert(!this.busy && this.runs(sequence), "a running sequence is dropped between steps");
    this.#drop(sequence);
    this.#queue(sequence);
  }

  /** Takes over a sequence whose first `computedTokens` are in the pages that it holds in this instance's pool. */
  adopt(sequence: SimSequence, computedTokens: number, nowMs: number): void {
    assert(sequence.pages * this.pages.pageTokens >= computedTokens, "computed tokens have pages");
    this.#counts.inside(sequence, 1);
    this.#post({ kind: "adopt", sequence, computedTokens }, nowMs);
  }

  /** Takes over a sequence without pages, at its place by arrival. */
  enqueue(sequence: SimSequence, nowMs: number): void {
    assert(sequence.pages === 0, "a waiting sequence holds no pages");
    setComputed(sequence, 0);
    this.#counts.inside(sequence, 1);
    this.#counts.waiting(sequence, 1);
    this.#post({ kind: "submit", sequence }, nowMs);
  }

  /**
   * Plans a step and does what comes before computing. True when there is something to compute or something was done;
   * false when the policy chose to do nothing. Either way `finish` follows.
   */
  begin(nowMs: number): boolean {
    assert(!this.busy, "one step at a time");
    const view = this.#view;
    view.nowMs = nowMs;
    this.#host.nowMs = nowMs;
    this.#host.view += 1;
    this.#drafts?.offer(this.#running);
    view.freePages = this.pages.availablePages;
    const log = this.#recordDecisions > 0 ? this.#recordedView() : null;
    const plan = this.#policy.plan(log?.view ?? view);
    const { name } = this.#policy;
    const step = log === null ? null : { step: this.#steps, policy: name, view: log.record(), plan };
    this.#pending = { step, startMs: nowMs };
    this.#leave(plan, nowMs);
    for (const id of plan.preempt) this.#preempt(this.#mustFind(id), nowMs);
    for (const id of plan.admit) this.#admit(this.#mustFind(id), nowMs);
    this.#reserve(plan, nowMs);
    const { expire, reject, cut, preempt, admit } = plan;
    const moved = expire.length + reject.length + cut.length + preempt.length + admit.length;
    return this.#batch.rows > 0 || moved > 0;
  }

  /**
   * Ends the step that was begun, then takes in what came meanwhile.
   * @param tokenMs when the tokens were out, at most endMs.
   * @param stepMs how long it took, as measured: a replay has it to the last bit.
   */
  finish(tokenMs: number, endMs: number, stepMs = endMs - (this.#pending?.startMs ?? 0)): void {
    const pending = this.#pending;
    assert(pending !== null, "a step was begun");
    this.#advance(tokenMs);
    if (this.#batch.tokens > 0) this.cost.observe(this.#batch.tokens, stepMs - (this.#drafts?.draftingMs ?? 0));
    if (pending.step !== null) this.#log({ ...pending.step, stepMs });
    this.#steps += 1;
    this.#batch.clear();
    this.#pending = null;
    this.#drain(endMs);
  }

  /** @throws AssertionError when sequences and pages disagree. O(sequences + pages). */
  checkIntegrity(): void {
    this.pages.checkIntegrity();
    for (const sequence of this.#running) {
      assert(this.#byId.get(sequence.id) === sequence, "a running sequence is known");
      assert(sequence.pendingTokens > 0, "a running sequence has something to compute");
      assert(sequence.pages * this.pageTokens >= sequence.computedTokens, "computed tokens have pages");
      assert(
        sequence.knownTokens === sequence.computedTokens + sequence.pendingTokens,
        "known is computed and pending",
      );
    }
    for (const sequence of [...this.#waiting, ...this.#paused.values()]) {
      assert(this.#byId.get(sequence.id) === sequence, "a waiting sequence is known");
      assert(sequence.pages === 0, "only running sequences hold pages");
      assert(sequence.pendingTokens === sequence.knownTokens, "a waiting sequence has all to compute");
    }
    const placed = this.#running.length + this.#waiting.length + this.#paused.size + this.#held.size;
    assert(placed === this.#byId.size, "a sequence is in one place");
    let tokens = 0;
    let pages = 0;
    const count = ({ knownTokens }: SimSequence): void => {
      tokens += knownTokens;
      pages += Math.ceil(knownTokens / this.pageTokens);
    };
    for (const sequence of this.#waiting) count(sequence);
    for (const item of this.#inbox) if (item.kind === "submit") count(item.sequence);
    assert(tokens === this.#counts.waitingTokens, "waiting tokens are counted");
    assert(pages === this.#counts.waitingPages, "waiting pages are counted");
    let urgent = 0;
    for (const { priority } of this.#byId.values()) if (priority > 0) urgent += 1;
    for (const item of this.#inbox) if ("sequence" in item && item.sequence.priority > 0) urgent += 1;
    assert(urgent === this.#counts.urgent, "urgent requests are counted");
    for (const list of [this.#running, this.#waiting]) {
      for (let i = 1; i < list.length; i++) assert(list[i - 1]!.order < list[i]!.order, "lists are in order");
    }
  }

  #recordedView(): ReturnType<typeof recordView> {
    const points: CostPoints = this.cost.points();
    const view = { ...this.#view, waiting: this.#waiting.map(snapshot), running: this.#running.map(snapshot) };
    return recordView(view, points);
  }

  #post(item: InboxItem, nowMs: number): void {
    if (this.busy) this.#inbox.push(item);
    else this.#handle(item, nowMs);
  }

  #drain(nowMs: number): void {
    if (this.#inbox.length === 0) return;
    for (const item of this.#inbox.splice(0)) this.#handle(item, nowMs);
  }

  #handle(item: InboxItem, nowMs: number): void {
    if (item.kind === "submit") return this.#enter(item.sequence, nowMs);
    if (item.kind === "adopt") return this.#resettle(item.sequence, item.computedTokens);
    const sequence = this.#byId.get(item.id);
    if (sequence === undefined) return;
    if (item.kind === "cancel") return this.#end(sequence, "cancelled", nowMs);
    if (item.kind === "resume") {
      if (this.#paused.delete(item.id)) this.#queue(sequence);
      return;
    }
    if (this.#paused.has(item.id) || this.#held.has(item.id)) return;
    this.#drop(sequence);
    this.#paused.set(item.id, sequence);
  }

  /** Already counted as waiting. */
  #enter(sequence: SimSequence, nowMs: number): void {
    this.#introduce(sequence);
    this.#byId.set(sequence.id, sequence);
    insert(this.#waiting, sequence);
    if (sequence.request.failure?.stage === "submit") this.#end(sequence, "failed", nowMs);
  }

  /** Goes on with what came with its pages. */
  #resettle(sequence: SimSequence, computedTokens: number): void {
    this.#introduce(sequence);
    this.#byId.set(sequence.id, sequence);
    insert(this.#running, sequence);
    setComputed(sequence, computedTokens);
    if (this.pages.prefixCache) this.pages.commit(sequence, sequence.shareableTokens);
  }

  /** Tells the outlook of a sequence that is new here. */
  #introduce(sequence: SimSequence): void {
    sequence.moveTo(this.#host);
    const { id, arrivalMs, maxTokens, slo, task } = sequence.request;
    const prompt = sequence.request.promptIds ?? blankPrompt(sequence.promptTokens);
    this.#host.outlook.arrived({ id, prompt, arrivalMs, maxTokens, slo, ...(task === undefined ? {} : { task }) });
  }

  #queue(sequence: SimSequence): void {
    insert(this.#waiting, sequence);
    this.#counts.waiting(sequence, 1);
  }

  #leave(plan: StepPlan, nowMs: number): void {
    for (const id of plan.expire) this.#end(this.#mustFind(id), "expired", nowMs);
    for (const { id } of plan.reject) this.#end(this.#mustFind(id), "rejected", nowMs);
    for (const id of plan.cut) this.#end(this.#mustFind(id), "cut", nowMs);
  }

  #preempt(sequence: SimSequence, nowMs: number): void {
    this.#drop(sequence);
    this.#queue(sequence);
    sequence.preemptions += 1;
    this.#preemptions += 1;
    this.#listener.preempted?.(sequence, nowMs);
  }

  #admit(sequence: SimSequence, nowMs: number): void {
    assert(remove(this.#waiting, sequence), "only a waiting sequence is admitted");
    this.#counts.waiting(sequence, -1);
    insert(this.#running, sequence);
    setComputed(sequence, this.pages.open(sequence));
    sequence.reachedTokens = Math.max(sequence.reachedTokens, sequence.computedTokens);
    sequence.cachedTokens ??= sequence.computedTokens;
    if (sequence.firstTokenMs === null) sequence.scheduledMs = nowMs;
  }

  #reserve(plan: StepPlan, nowMs: number): void {
    const batch = this.#batch;
    for (const { id, tokens } of plan.advance) {
      const sequence = this.#mustFind(id);
      const count = sequence.rowTokens(tokens);
      const granted = tokens - sequence.pendingTokens;
      const drafted = granted > 0 && this.#drafts !== null ? this.#drafts.drafted(sequence, granted) : 0;
      const end = sequence.computedTokens + count + drafted;
      assert(this.pages.reserve(sequence, end), "a plan stays within the free pages");
      const complete = count === sequence.pendingTokens;
      if (complete && failsAt(sequence, "scores")) this.#end(sequence, "failed", nowMs);
      else batch.add(sequence, count + drafted, complete, drafted);
    }
  }

  /** In the order of the live loop: all that is computed, then what fails or is drafted, then the tokens. */
  #advance(nowMs: number): void {
    const { sequences, counts, drafted, rows } = this.#batch;
    for (let i = 0; i < rows; i++) {
      if (drafted[i] === 0) this.#computed(sequences[i]!, counts[i]!);
    }
    for (let i = 0; i < rows; i++) {
      const sequence = sequences[i]!;
      if (drafted[i]! > 0) this.#take(sequence, drafted[i]!, i);
      else if (sequence.pendingTokens === 0 && failsAt(sequence, "sample")) this.#end(sequence, "failed", nowMs);
    }
    for (let i = 0; i < rows; i++) {
      const sequence = sequences[i]!;
      if (sequence.pendingTokens > 0 || !this.#byId.has(sequence.id)) continue;
      if (sequence.request.outputTokens === 0) this.#end(sequence, "done", nowMs);
      else if (drafted[i]! > 0) this.#acceptAll(sequence, counts[i]!, nowMs);
      else this.#accept(sequence, nowMs);
    }
    for (let i = 0; i < rows; i++) if (sequences[i]!.packable) this.pages.pack(sequences[i]!);
  }

  #computed(sequence: SimSequence, tokens: number): void {
    setComputed(sequence, sequence.computedTokens + tokens);
    const fresh = Math.max(0, sequence.computedTokens - sequence.reachedTokens);
    sequence.reachedTokens += fresh;
    this.#host.outlook.computed(sequence.id, fresh);
    if (this.pages.prefixCache) this.pages.commit(sequence, sequence.shareableTokens);
  }

  /** Drafted tokens are checked: what is not said leaves nothing behind. Its row says from now on how many are taken. */
  #take(sequence: SimSequence, drafted: number, row: number): void {
    const taken = this.#drafts?.taken(sequence, drafted) ?? 0;
    this.#batch.counts[row] = taken;
    const computed = Math.max(1, taken);
    this.pages.truncate(sequence, sequence.computedTokens + computed);
    this.#computed(sequence, computed);
  }

  #acceptAll(sequence: SimSequence, taken: number, nowMs: number): void {
    for (let i = 0; i < taken && this.#byId.has(sequence.id); i++) this.#accept(sequence, nowMs);
    const fails = failsAt(sequence, "sample") || failsAt(sequence, "accept");
    if (fails && this.#byId.has(sequence.id)) this.#end(sequence, "failed", nowMs);
  }

  #accept(sequence: SimSequence, nowMs: number): void {
    const { request } = sequence;
    if (failsAt(sequence, "accept")) return this.#end(sequence, "failed", nowMs);
    const gapMs = sequence.lastTokenMs === null ? null : nowMs - sequence.lastTokenMs;
    sequence.generatedTokens += 1;
    sequence.pendingTokens += 1;
    sequence.firstTokenMs ??= nowMs;
    sequence.lastTokenMs = nowMs;
    this.#listener.token?.(sequence, gapMs, nowMs);
    if (sequence.generatedTokens >= request.outputTokens) this.#end(sequence, "done", nowMs);
  }

  #end(sequence: SimSequence, end: SimEnd, nowMs: number): void {
    this.#drop(sequence);
    this.#byId.delete(sequence.id);
    this.#counts.inside(sequence, -1);
    if (end === "done") {
      const mean = this.#answerTokens ?? sequence.generatedTokens;
      this.#answerTokens = mean + (sequence.generatedTokens - mean) * ANSWER_WEIGHT;
    }
    this.#host.outlook.ended(sequence.id, sequence.generatedTokens, end === "done", nowMs);
    this.#listener.ended(sequence, end, nowMs);
  }

  /** Out of wherever it is, pages given back; it has to compute everything again. */
  #drop(sequence: SimSequence): void {
    this.#removeAnywhere(sequence);
    this.pages.release(sequence);
    setComputed(sequence, 0);
    sequence.draftTokens = 0;
  }

  #removeAnywhere(sequence: SimSequence): void {
    if (this.#held.delete(sequence.id) || this.#paused.delete(sequence.id)) return;
    if (remove(this.#running, sequence)) return;
    if (remove(this.#waiting, sequence)) this.#counts.waiting(sequence, -1);
  }

  #removeRunning(sequence: SimSequence): void {
    assert(remove(this.#running, sequence), "the sequence runs here");
  }

  #mustFind(id: number): SimSequence {
    const sequence = this.#byId.get(id);
    assert(sequence !== undefined, "a plan names sequences of its view");
    return sequence;
  }

  #log(entry: DecisionLogEntry): void {
    this.#decisions.push(entry);
    // Trimmed in blocks: shifting one by one would be quadratic.
    const limit = this.#recordDecisions;
    if (this.#decisions.length >= limit * 2) this.#decisions.splice(0, this.#decisions.length - limit);
  }
}

const NO_SLO = { class: "best-effort", onMiss: "finish" } as const;
