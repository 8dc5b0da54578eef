/**
 * Between the step loop and the drafters: which decode could be drafted for, by whom and how far, before a step is
 * planned; the drafts themselves, after; and what became of them, for estimates and the books.
 *
 *   look     drafters say what they have, a DraftController says what pays -> draftTokens of each sequence's view
 *   plan     a policy grants as many as there is room for
 *   draft    drafters draft that many
 *   (step)   the model checks them; see verify.ts
 *   settle   what was accepted
 *   stepped  what it took
 *
 * It decides no token and owns no page of the engine's. A drafter that fails by a bug fails the worker, as the model would.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import {
  DraftController,
  samplingStream,
  type Draft,
  type DraftDemand,
  type Drafter,
  type DraftRequest,
  type DraftSource,
  type DraftSubject,
} from "../../llm/index.ts";
import type { Advance, CostEstimate, SchedulerLimits } from "../../sched/index.ts";
import type { LiveSequence } from "../sequence.ts";
import type { DraftCount } from "./types.ts";

export interface SpeculatorOptions {
  /** Those asked first first; at most one of a source. */
  readonly drafters: readonly (Drafter & { checkIntegrity?(): void })[];
  /** Most drafted tokens of a sequence in a step. */
  readonly tokens: number;
  /** As many as pay; otherwise as many as there are. */
  readonly adaptive: boolean;
  /** A model's drafts are drawn where the request samples. */
  readonly drawn: boolean;
  /** Milliseconds that a drafting model or heads take for that place of a draft, from 1 on, for that many sequences. */
  readonly passMs?: (sequences: number, place: number) => number;
}

/** What is kept of a sequence while it runs. */
interface Subject {
  readonly sequence: LiveSequence;
  /** Of its drafts: apart from the draws of its tokens. */
  readonly random: RandomStream;
  /** Who would draft in the step to come. */
  chosen: Drafter | null;
}

export class Speculator {
  readonly #options: SpeculatorOptions;
  readonly #controller: DraftController;
  readonly #readsStates: boolean;
  readonly #subjects = new Map<number, Subject>();
  readonly #counts = new Map<
    DraftSource,
    { -readonly [K in keyof DraftCount]: DraftCount[K] } & { perPosition: number[] }
  >();

  constructor(options: SpeculatorOptions) {
    this.#options = options;
    const { drafters, adaptive, passMs } = options;
    const sources = drafters.map(({ source }) => source);
    this.#readsStates = drafters.some((drafter) => drafter.see !== undefined);
    this.#controller = new DraftController({ sources, adaptive, ...(passMs === undefined ? {} : { passMs }) });
  }

  /** The prediction of a running sequence, for the drafter that reads it. */
  predictionOf(id: number): readonly number[] | null {
    return this.#subjects.get(id)?.sequence.spec.prediction ?? null;
  }

  /** Says in each running sequence's `draftTokens` how many tokens would pay in the next step. */
  look(
    running: ReadonlyMap<number, LiveSequence>,
    waiting: ReadonlyMap<number, LiveSequence>,
    { budgetTokens, maxRunning }: SchedulerLimits,
    cost: CostEstimate,
  ): void {
    let decodes = 0;
    let promptTokens = 0;
    for (const sequence of running.values()) {
      sequence.draftTokens = 0;
      if (sequence.pending > 1) promptTokens += sequence.pending;
      else decodes += 1;
    }
    const admits = running.size < maxRunning && waiting.size > 0;
    if (decodes === 0 || this.#controller.rests(decodes)) return;
    const subjects: Subject[] = [];
    const demands: DraftDemand[] = [];
    for (const sequence of running.values()) {
      if (sequence.pending > 1) continue;
      const subject = this.#subjectOf(sequence);
      const demand = this.#demandOf(subject);
      if (demand === null) continue;
      subjects.push(subject);
      demands.push(demand);
    }
    if (demands.length === 0) return;
    if (admits) for (const { pending } of waiting.values()) promptTokens += pending;
    const prompts = Math.min(promptTokens, Math.max(0, budgetTokens - decodes));
    const choices = this.#controller.plan({
      demands,
      decodes,
      promptTokens: prompts,
      roomTokens: Math.max(0, budgetTokens - decodes - prompts),
      stepMs: (tokens) => cost.stepMs(tokens),
    });
    for (const [i, subject] of subjects.entries()) {
      const { source, tokens } = choices[i]!;
      subject.chosen = this.#options.drafters.find((drafter) => drafter.source === source) ?? null;
      subject.sequence.draftTokens = tokens;
    }
  }

  /**
   * Drafts for the sequences that a plan lets advance by more than they have pending, by number; those that nothing came to
   * mind for are left out. Null: nobody was granted any.
   */
  async draft(
    advances: readonly Advance[],
    running: ReadonlyMap<number, LiveSequence>,
  ): Promise<ReadonlyMap<number, Draft> | null> {
    const granted = new Map<LiveSequence, number>();
    for (const { id, tokens } of advances) {
      const sequence = running.get(id);
      if (sequence !== undefined && tokens > sequence.pending) granted.set(sequence, tokens - sequence.pending);
    }
    if (granted.size === 0) return null;
    const drafts = new Map<number, Draft>();
    for (const drafter of this.#options.drafters) {
      const requests: DraftRequest[] = [];
      for (const [sequence, most] of granted) {
        const subject = this.#subjects.get(sequence.spec.seq);
        if (subject?.chosen === drafter) requests.push(this.#requestOf(subject, most));
      }
      if (requests.length === 0) continue;
      for (const [i, draft] of (await drafter.draft(requests)).entries()) {
        const { id } = requests[i]!.subject;
        const allowed = this.#subjects.get(id)!.sequence.allowed(draft.tokens);
        // To leave out what was drawn because of what it is would change the distribution: it is held against the scores.
        const kept = Math.min(draft.tokens.length, draft.proposals === null ? allowed : allowed + 1);
        if (kept > 0)
          drafts.set(id, kept === draft.tokens.length ? draft : { ...draft, tokens: draft.tokens.slice(0, kept) });
      }
    }
    return drafts;
  }

  /**
   * A draft was checked.
   * @param accepted its leading tokens that were said
   * @param judged of its tokens, those that the check came to and the first beyond: the answer may have ended before
   */
  settle(sequence: LiveSequence, { source, tokens }: Draft, accepted: number, judged: number): void {
    this.#controller.settle(sequence.spec.seq, source, accepted, judged);
    sequence.countDraft(accepted, tokens.length - accepted);
    let count = this.#counts.get(source);
    if (count === undefined) {
      count = { source, drafts: 0, draftTokens: 0, acceptedTokens: 0, perPosition: [] };
      this.#counts.set(source, count);
    }
    count.drafts += 1;
    count.draftTokens += tokens.length;
    count.acceptedTokens += accepted;
    for (let i = 0; i < tokens.length; i++) count.perPosition[i] = (count.perPosition[i] ?? 0) + (i < accepted ? 1 : 0);
  }

  /**
   * A step was computed.
   * @param decodes its rows; each of one known token, and drafted ones
   * @param ms what it took, drafting not counted
   */
  stepped(decodes: number, tokens: number, ms: number): void {
    this.#controller.stepped(decodes, tokens, ms);
  }

  /** Whether somebody may draft from the model's states after the step to come: then the executor gives them, and `see` is told. */
  get wantsStates(): boolean {
    return this.#readsStates && !this.#controller.restsNext;
  }

  /** The state behind the scores that the last token of a running sequence was chosen from. */
  see(sequence: LiveSequence, state: Float32Array): void {
    const { sequence: own } = this.#subjectOf(sequence);
    for (const drafter of this.#options.drafters) drafter.see?.(own.spec.seq, own.known.length, state);
  }

  /** What was checked since the last time, by source; null when nothing was. */
  take(): readonly DraftCount[] | null {
    if (this.#counts.size === 0) return null;
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }

  /** The sequence is over, or has given its pages back. */
  release(id: number): void {
    if (!this.#subjects.delete(id)) return;
    this.#controller.release(id);
    for (const drafter of this.#options.drafters) drafter.release(id);
  }

  /** @throws AssertionError when a drafter's books are wrong, or it remembers who does not run. */
  checkIntegrity(running: ReadonlyMap<number, LiveSequence>): void {
    for (const id of this.#subjects.keys()) assert(running.has(id), "only running sequences are drafted for");
    for (const drafter of this.#options.drafters) drafter.checkIntegrity?.();
  }

  #subjectOf(sequence: LiveSequence): Subject {
    const id = sequence.spec.seq;
    let subject = this.#subjects.get(id);
    if (subject === undefined) {
      const random = samplingStream(sequence.spec.sampling.seed ?? id).fork("drafts");
      subject = { sequence, random, chosen: null };
      this.#subjects.set(id, subject);
    }
    return subject;
  }

  /** What drafters have for it; null when nobody has anything. */
  #demandOf(subject: Subject): DraftDemand | null {
    const { sequence } = subject;
    const { maxTokens, seq: id } = sequence.spec;
    const most = Math.min(this.#options.tokens, maxTokens - sequence.generated - 1);
    subject.chosen = null;
    if (most < 1 || !sequence.draftable) return null;
    const known = subjectFor(sequence);
    const options = this.#options.drafters.flatMap((drafter) => {
      const available = drafter.available(known, most);
      return available < 1 ? [] : [{ source: drafter.source, most: available }];
    });
    return options.length === 0 ? null : { id, options };
  }

  #requestOf({ sequence, random }: Subject, most: number): DraftRequest {
    const { temperature = 1 } = sequence.spec.sampling;
    if (!this.#options.drawn || temperature === 0) return { subject: subjectFor(sequence), most };
    // A place that is drafted again, because what came before it was not said, is drawn anew from the same stream: nobody
    // had looked at what it was.
    const first = sequence.generated;
    const draw = { temperature, random: (place: number) => random.fork(String(first + place)) };
    return { subject: subjectFor(sequence), most, draw };
  }
}

function subjectFor(sequence: LiveSequence): DraftSubject {
  return { id: sequence.spec.seq, tokens: sequence.known, promptTokens: sequence.spec.promptTokens.length };
}
