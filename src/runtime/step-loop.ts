/**
 * The engine's inner loop without its thread: asks the policy for a plan, carries it out on the
 * executor and the page manager, samples, and reports what happened. It owns every sequence and page.
 *
 * It is driven from outside (`step()`, once for every step) and reads time from the clock it is given,
 * so tests run it on the main thread under a fake clock; engine-worker.ts runs it for real.
 *
 * Where a sequence can be, and that it is in one place, says sequence-places.ts; the rows of a step and what comes of
 * them are step-rows.ts.
 */
import { assert, present, PunctualError, toErrorRecord, type ErrorCode } from "../core/index.ts";
import { GrammarCache, GrammarVocabulary, type Draft, type SampledToken } from "../llm/index.ts";
import {
  MeanOutlook,
  recordView,
  StepCost,
  type BatchPolicy,
  type CostEstimate,
  type CostPoints,
  type DecisionLogEntry,
  type LengthFeatures,
  type Outlook,
  type SchedulerView,
  type SequenceView,
  type StepPlan,
} from "../sched/index.ts";
import type { RecordedStage } from "../workload/index.ts";
import { KeptDecisions } from "./kept-decisions.ts";
import { schedulerView } from "./loop-view.ts";
import type { Gauges, SequenceEvent, SequenceSpec, StepReport } from "./messages.ts";
import { SequencePlaces } from "./sequence-places.ts";
import { LiveSequence, type Accepted } from "./sequence.ts";
import type { Verified } from "./speculation/verify.ts";
import type { RevivedSequence, StepLoopOptions } from "./step-loop-options.ts";
import { draftsOf, isVerified, StepRows, type RowOutcome, type StepPart } from "./step-rows.ts";
import { StepTracer } from "./step-trace.ts";
import type { Vocabulary } from "./text-assembler.ts";
import type { SequenceState } from "./transfer/protocol.ts";
import type { FinishCause, RequestEnd } from "./types.ts";

export class StepLoop {
  readonly #options: StepLoopOptions;
  #policy: BatchPolicy;
  /** Null: nobody watches. */
  #tracer: StepTracer | null = null;
  readonly #cost: StepCost;
  readonly #outlook: Outlook;
  readonly #places: SequencePlaces;
  readonly #rows: StepRows;
  readonly #decisions: KeptDecisions;
  #grammars: GrammarCache | null = null;
  #events: SequenceEvent[] = [];
  /** Somebody moved since the last report. */
  #changed = false;
  #steps = 0;
  #preemptions = 0;
  /** Of the step at hand. */
  #draftingMs = 0;

  constructor(options: StepLoopOptions) {
    this.#options = options;
    this.#decisions = new KeptDecisions(options.recordDecisions);
    this.#policy = options.policy;
    this.#cost = options.cost ?? new StepCost();
    this.#outlook = options.outlook ?? new MeanOutlook();
    this.#places = new SequencePlaces(options.phase?.queues ?? { waiting: new Map(), paused: new Map() });
    this.#rows = new StepRows(options, this.#outlook, (sequence, error, stage) => this.#refuse(sequence, error, stage));
  }

  /** True when a step may do something. Paused sequences wait for their reader, not for a step. */
  get hasWork(): boolean {
    const { phase } = this.#options;
    const admits = phase === undefined || (phase.admits && this.#places.running.size < phase.maxRunning());
    return this.#places.running.size > 0 || (admits && this.#places.waiting.size > 0);
  }

  /** Decides from the next step on. Between steps only; sequences and pages stay as they are. */
  setPolicy(policy: BatchPolicy): void {
    this.#policy = policy;
  }

  /** Whether reports carry a trace. Between steps only. */
  watch(on: boolean): void {
    this.#tracer = on ? (this.#tracer ?? new StepTracer()) : null;
  }

  /** Sequences that hold pages here, the oldest first. */
  get running(): readonly LiveSequence[] {
    return [...this.#places.running.values()].toSorted((a, b) => a.spec.seq - b.spec.seq);
  }

  /** How many those are. */
  get runningCount(): number {
    return this.#places.running.size;
  }

  /** What it has learnt of the cost of its steps. */
  get cost(): CostEstimate {
    return this.#cost;
  }

  /** The same as data. */
  get costPoints(): CostPoints {
    return this.#cost.points();
  }

  /** Carries on a sequence that another loop has computed so far. */
  adopt(sequence: LiveSequence): void {
    assert(sequence.holdsPages, "a sequence comes with its pages");
    this.#places.running.set(sequence.spec.seq, sequence);
    this.#changed = true;
  }

  /** Gives a running sequence, with its pages, to another loop. Between steps only. */
  surrender(seq: number): LiveSequence {
    const sequence = this.#places.running.get(seq);
    assert(sequence !== undefined, "only a running sequence is given away");
    this.#places.running.delete(seq);
    return sequence;
  }

  /** Sends a running sequence back to the queue, to be computed again when there is room. Between steps only. */
  retract(seq: number): void {
    this.#preempt(seq);
    this.#changed = true;
  }

  /** Where its sequences are, and who else holds pages: for transfers, between steps. */
  get places(): SequencePlaces {
    return this.#places;
  }

  /** Takes a sequence out of the schedule, with the pages that it has, until `thaw` or `depart`. Between steps only. */
  freeze(sequence: LiveSequence): void {
    this.#options.speculator?.release(sequence.spec.seq);
    sequence.draftTokens = 0;
    this.#places.freeze(sequence);
    this.#changed = true;
  }

  /** Puts a frozen one back. */
  thaw(sequence: LiveSequence): void {
    this.#places.thaw(sequence);
    this.#changed = true;
  }

  /** It goes on in another engine: its pages are given back. */
  depart(sequence: LiveSequence): void {
    const nowMs = this.#options.clock.nowMs();
    this.#forget(sequence, false, nowMs);
    this.#events.push({ kind: "moved", seq: sequence.spec.seq, end: sequence.end("abort", nowMs) });
  }

  /** A sequence that another engine has brought so far. It is nowhere yet. @throws PunctualError invalid_request as LiveSequence.restore. */
  revive(spec: SequenceSpec, state: SequenceState, atMs: number): RevivedSequence {
    const sequence = this.#create(spec);
    this.#guide(sequence);
    return { sequence, cause: sequence.restore(state, atMs) };
  }

  /** Carries a revived one on: as running when it has pages, else from the queue. What is complete ends at once. */
  enter({ sequence, cause }: RevivedSequence): void {
    const { spec } = sequence;
    this.#arrived(spec);
    // What its task has had elsewhere counts here too.
    this.#outlook.computed(spec.seq, sequence.servedTokens);
    if (sequence.holdsPages) this.#places.running.set(spec.seq, sequence);
    else this.#places.enqueue(sequence);
    this.#changed = true;
    if (cause !== null) this.#finish(sequence, cause, this.#options.clock.nowMs());
  }

  /** What a policy sees of a sequence. */
  viewOf(sequence: LiveSequence, nowMs: number): SequenceView {
    return sequence.view(this.#outlook.of(sequence.spec.seq, sequence.generated, nowMs));
  }

  /** True when there is something to report besides a step. */
  get hasNews(): boolean {
    return this.#changed || this.#events.length > 0;
  }

  get gauges(): Gauges {
    return {
      running: this.#places.running.size + this.#places.frozen.size,
      waiting: this.#places.waiting.size,
      paused: this.#places.paused.size,
      pagesUsed: this.#options.pages.usedPages,
    };
  }

  submit(spec: SequenceSpec): void {
    const sequence = this.#create(spec);
    this.#places.waiting.set(spec.seq, sequence);
    this.#arrived(spec, this.#options.recorder?.request(spec));
    try {
      this.#guide(sequence);
    } catch (error) {
      this.#refuse(sequence, error, "submit");
    }
  }

  #arrived(
    { seq: id, promptTokens: prompt, arrivalMs, maxTokens, slo, task }: SequenceSpec,
    features?: LengthFeatures,
  ): void {
    const known = { ...(task === undefined ? {} : { task }), ...(features === undefined ? {} : { features }) };
    this.#outlook.arrived({ id, prompt, arrivalMs, maxTokens, slo, ...known });
  }

  #create(spec: SequenceSpec): LiveSequence {
    return new LiveSequence(spec, this.#options.vocabulary, this.#options.executor.topK);
  }

  #guide(sequence: LiveSequence): void {
    const { grammar } = sequence.spec;
    if (grammar !== undefined) sequence.guide(this.#grammarsOf(this.#options.vocabulary).get(grammar).start());
  }

  /** Grammars are compiled once; the first makes the prefix tree of the vocabulary. */
  #grammarsOf({ tokenizer, vocabSize, endTokens }: Vocabulary): GrammarCache {
    this.#grammars ??= new GrammarCache(new GrammarVocabulary(tokenizer, { endTokens, vocabSize }));
    return this.#grammars;
  }

  /** Frees everything of a sequence at once; unknown numbers are of sequences that just ended. */
  cancel(seq: number): void {
    const sequence = this.#places.find(seq);
    if (sequence === null) return;
    const nowMs = this.#options.clock.nowMs();
    this.#options.recorder?.moved("cancel", seq, nowMs);
    this.#fail(sequence, "abort", "cancelled", "the request was cancelled", nowMs);
  }

  /** Sets a sequence aside: its pages go back (full ones stay cached) until `resume`. */
  pause(seq: number): void {
    if (this.#places.setAside(seq, true)) return;
    const sequence = this.#places.waiting.get(seq) ?? this.#places.running.get(seq);
    if (sequence === undefined) return;
    this.#options.recorder?.moved("pause", seq, this.#options.clock.nowMs());
    this.#setBack(sequence);
    this.#drop(sequence);
    this.#places.paused.set(seq, sequence);
    this.#changed = true;
  }

  resume(seq: number): void {
    if (this.#places.setAside(seq, false)) return;
    const sequence = this.#places.paused.get(seq);
    if (sequence === undefined) return;
    this.#options.recorder?.moved("resume", seq, this.#options.clock.nowMs());
    this.#places.paused.delete(seq);
    this.#places.enqueue(sequence);
    this.#changed = true;
  }

  /** The last decisions, oldest first. */
  decisions(): readonly DecisionLogEntry[] {
    return this.#decisions.last();
  }

  /** Plans and carries out one step. Answers what to report, also when nothing was computed. */
  async step(): Promise<StepReport> {
    const { clock, recorder, speculator } = this.#options;
    const policy = this.#policy;
    const startMs = clock.nowMs();
    recorder?.beginStep(startMs);
    const written = recorder?.wantsDecision ?? false;
    const watched = written || this.#options.recordDecisions > 0;
    speculator?.look(this.#places.running, this.#places.waiting, this.#options.limits, this.#cost);
    const offered = recorder === undefined ? null : this.#offered();
    const recorded = watched ? recordView(this.#view(startMs), this.#cost.points()) : null;
    const plan = policy.plan(recorded?.view ?? this.#view(startMs));
    const record = recorded?.record();
    this.#leave(plan, startMs);
    for (const id of plan.preempt) this.#preempt(id);
    for (const id of plan.admit) this.#admit(id, startMs);
    // Without drafts the executor is asked at once: who drives several loops sees that a step is under way.
    const drafts = speculator === undefined ? null : await this.#draft(plan);
    const batch = this.#rows.make(plan, this.#places.running, drafts);
    this.#tracer?.advanced(batch);
    const tokens = batch.reduce((sum, { row }) => sum + row.tokens.length, 0);
    const isOfDecodes = batch.length > 0 && batch.every(({ sequence }) => sequence.pending === 1);
    const outcomes = batch.length > 0 ? await this.#rows.compute(batch) : [];
    // Nothing is awaited from here on: what is said, and the record of the step, are one moment to other loops.
    const tokenMs = batch.length > 0 ? this.#say(batch, outcomes) : null;
    for (const { sequence } of batch) sequence.pack(this.#options.routes);
    const endMs = clock.nowMs();
    const stepMs = endMs - startMs;
    // Drafting has costs of its own: these are of the tokens.
    if (tokens > 0) this.#cost.observe(tokens, stepMs - this.#draftingMs);
    if (isOfDecodes) speculator?.stepped(batch.length, tokens, stepMs - this.#draftingMs);
    const entry: DecisionLogEntry | null =
      record === undefined ? null : { step: this.#steps, policy: policy.name, view: record, plan, stepMs };
    if (entry !== null) this.#decisions.push(entry);
    recorder?.step({
      entry: written ? entry : null,
      step: this.#steps,
      startMs,
      tokenMs: tokenMs ?? endMs,
      stepMs,
      drafts: offered === null ? null : draftsOf(offered, batch, outcomes),
      draftingMs: this.#draftingMs,
    });
    this.#steps += 1;
    if (this.#options.checkEachStep) this.checkIntegrity();
    return this.#report(endMs, tokens, endMs - startMs);
  }

  /** What happened outside steps, to be reported when no step follows. */
  flush(): StepReport {
    return this.#report(this.#options.clock.nowMs(), 0, 0);
  }

  /** @throws AssertionError when sequences and pages disagree. */
  checkIntegrity(): void {
    const { pages } = this.#options;
    pages.checkIntegrity();
    // Among loops that share pages only all together can say whose they are (phases/).
    const alone = this.#options.phase === undefined;
    this.#places.checkIntegrity(alone ? pages : undefined);
    if (alone) this.#options.speculator?.checkIntegrity(this.#places.running);
  }

  #report(atMs: number, tokens: number, stepMs: number): StepReport {
    const events = this.#events;
    const preemptions = this.#preemptions;
    this.#events = [];
    this.#preemptions = 0;
    this.#changed = false;
    const drafts = this.#options.speculator?.take() ?? null;
    const counts = drafts === null ? {} : { drafts };
    const report: StepReport = {
      kind: "step",
      atMs,
      tokens,
      stepMs,
      preemptions,
      gauges: this.gauges,
      events,
      ...counts,
    };
    return this.#tracer === null ? report : { ...report, trace: this.#tracer.take() };
  }

  #view(nowMs: number): SchedulerView {
    return schedulerView(this.#options, this.#places, (sequence) => this.viewOf(sequence, nowMs), this.#cost, nowMs);
  }

  #leave(plan: StepPlan, nowMs: number): void {
    for (const id of plan.expire) {
      const why = "the deadline passed while the request was queued";
      this.#fail(this.#mustFind(id), "expired", "deadline_expired", why, nowMs);
    }
    for (const { id, reason, retryAfterMs } of plan.reject) {
      this.#fail(this.#mustFind(id), "rejected", "deadline_unattainable", reason, nowMs, retryAfterMs);
    }
    for (const id of plan.cut) this.#finish(this.#mustFind(id), "deadline", nowMs);
  }

  #preempt(id: number): void {
    const sequence = this.#places.running.get(id);
    assert(sequence !== undefined, "only a running sequence is preempted");
    this.#setBack(sequence);
    this.#drop(sequence);
    this.#places.enqueue(sequence);
    this.#preemptions += 1;
    this.#tracer?.preempted(id);
  }

  #admit(id: number, nowMs: number): void {
    const { pages, prefixCache } = this.#options;
    const sequence = this.#places.waiting.get(id);
    assert(sequence !== undefined, "only a waiting sequence is admitted");
    this.#places.waiting.delete(id);
    this.#places.running.set(id, sequence);
    const first = sequence.admit(prefixCache ? pages.open(sequence.sought, sequence.salt) : pages.open(), nowMs);
    const isToLeave = sequence.generated === 0 && sequence.movable && sequence.spec.maxTokens > 1;
    if (isToLeave) this.#options.handOff?.begun(sequence);
    if (!first) {
      this.#tracer?.resumed(id);
      return;
    }
    const queries = prefixCache ? sequence.spec.promptTokens.length : 0;
    this.#events.push({ kind: "admit", seq: id, queries, hits: sequence.computed });
  }

  /** Guesses for the sequences that a plan lets advance beyond what they know, by number. */
  async #draft(plan: StepPlan): Promise<ReadonlyMap<number, Draft> | null> {
    const { speculator, clock } = this.#options;
    this.#draftingMs = 0;
    if (speculator === undefined) return null;
    const startMs = clock.nowMs();
    const drafts = await speculator.draft(plan.advance, this.#places.running);
    this.#draftingMs = clock.nowMs() - startMs;
    return drafts;
  }

  /** Draft tokens that the next plan is offered, by sequence. */
  #offered(): ReadonlyMap<number, number> {
    const offered = new Map<number, number>();
    for (const { spec, draftTokens } of this.#places.running.values()) {
      if (draftTokens > 0) offered.set(spec.seq, draftTokens);
    }
    return offered;
  }

  /** Says what rows have come to, all at once. Answers when that was. */
  #say(parts: readonly StepPart[], outcomes: readonly RowOutcome[]): number {
    const nowMs = this.#options.clock.nowMs();
    for (const [index, { sequence, draft }] of parts.entries()) {
      const outcome = outcomes[index] ?? null;
      if (outcome === null) this.#grew(sequence);
      else if (outcome instanceof Float32Array) this.#finish(sequence, "end", nowMs, outcome);
      else if (isVerified(outcome)) {
        const { accepted, taken } = outcome;
        this.#tracer?.drafted(sequence.spec.seq, present(draft, "a draft").tokens.length, accepted, taken.length);
        this.#acceptAll(sequence, outcome, nowMs);
        this.#see(sequence, index, taken.length - 1);
      } else {
        this.#accept(sequence, outcome, nowMs);
        this.#see(sequence, index, 0);
      }
    }
    return nowMs;
  }

  /** Tells drafters that read states the one that a sequence's last token came from. @param at which of its scores that was */
  #see(sequence: LiveSequence, index: number, at: number): void {
    const { executor, speculator } = this.#options;
    if (speculator === undefined || !this.#rows.hasStates || !this.#places.running.has(sequence.spec.seq)) return;
    speculator.see(sequence, present(executor.state, "states").call(executor, index, at));
  }

  #acceptAll(sequence: LiveSequence, { taken, failure }: Verified, nowMs: number): void {
    for (const token of taken) this.#tell(sequence, sequence.stamp(token, nowMs), nowMs);
    if (failure !== null) this.#refuse(sequence, failure.error, failure.stage);
  }

  #accept(sequence: LiveSequence, token: SampledToken, nowMs: number): void {
    let accepted: Accepted;
    try {
      accepted = sequence.accept(token, nowMs);
    } catch (error) {
      return this.#refuse(sequence, error, "accept");
    }
    this.#tell(sequence, accepted, nowMs);
  }

  /** A token is out. */
  #tell(sequence: LiveSequence, { event, gapMs, cause }: Accepted, nowMs: number): void {
    this.#events.push({ kind: "token", seq: sequence.spec.seq, token: event, gapMs });
    if (cause !== null) return this.#finish(sequence, cause, nowMs);
    const { phase, handOff } = this.#options;
    if (phase?.handOff !== undefined) return phase.handOff(this.surrender(sequence.spec.seq));
    if (handOff === undefined || event.index > 0 || !sequence.movable) return;
    this.freeze(sequence);
    this.#events.push({ kind: "ready", seq: sequence.spec.seq, leaving: handOff.ready(sequence) });
  }

  /** It is computed further and has said nothing. */
  #grew(sequence: LiveSequence): void {
    const grown = sequence.holdsPages ? (this.#options.handOff?.grown(sequence) ?? null) : null;
    if (grown !== null) this.#events.push({ kind: "grown", seq: sequence.spec.seq, grown });
  }

  /** It is about to lose its pages. */
  #setBack(sequence: LiveSequence): void {
    if (this.#options.handOff?.setBack(sequence) === true) {
      this.#events.push({ kind: "set_back", seq: sequence.spec.seq });
    }
  }

  #finish(sequence: LiveSequence, cause: FinishCause, nowMs: number, embedding?: Float32Array): void {
    const { event, end } = sequence.finish(cause, nowMs, embedding);
    this.#options.recorder?.end(sequence, end, cause === "deadline" ? "cut" : undefined);
    this.#forget(sequence, cause !== "deadline", nowMs);
    this.#events.push({ kind: "finish", seq: sequence.spec.seq, finish: event, end });
  }

  /** @param nowMs the moment at which it was decided: what an outlook is told must be what a replay can tell. */
  #fail(
    sequence: LiveSequence,
    end: RequestEnd,
    code: ErrorCode,
    message: string,
    nowMs: number,
    retryAfterMs?: number,
  ): void {
    const error = new PunctualError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
    this.#refuse(sequence, error, "submit", end, nowMs);
  }

  /** Ends a sequence with what was thrown at it; what is no expected failure is a bug and goes on. */
  #refuse(
    sequence: LiveSequence,
    error: unknown,
    stage: RecordedStage,
    reason: RequestEnd = "error",
    nowMs: number = this.#options.clock.nowMs(),
  ): void {
    if (!(error instanceof PunctualError)) throw error;
    this.#forget(sequence, false, nowMs);
    const end = sequence.end(reason, nowMs);
    this.#options.recorder?.end(sequence, end, reason === "error" ? stage : undefined);
    this.#events.push({ kind: "error", seq: sequence.spec.seq, error: toErrorRecord(error), end });
  }

  /** It is over. @param complete its answer is as long as it was to be. */
  #forget(sequence: LiveSequence, complete: boolean, nowMs: number): void {
    this.#drop(sequence);
    this.#outlook.ended(sequence.spec.seq, sequence.generated, complete, nowMs);
  }

  #drop(sequence: LiveSequence): void {
    const { seq } = sequence.spec;
    this.#options.speculator?.release(seq);
    sequence.release();
    this.#places.drop(seq);
  }

  #mustFind(seq: number): LiveSequence {
    const sequence = this.#places.find(seq);
    assert(sequence !== null, "a plan names sequences of its view");
    return sequence;
  }
}
