/**
 * Between the step loop and the drafters: which decode could be drafted for, by whom and how far, before a step is
 * planned; the drafts themselves, after; and what became of them, for estimates and the books.
 *
 *   look     drafters say what they have, draftLengths says what pays -> draftTokens of each sequence's view
 *   plan     a policy grants as many as there is room for
 *   draft    drafters draft that many
 *   (step)   the model checks them; see verify.ts
 *   settle   what was accepted
 *
 * It decides no token and owns no page of the engine's. A drafter that fails by a bug fails the worker, as the model would.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import {
  AcceptanceRate,
  FIRST_ACCEPTANCE,
  draftLengths,
  samplingStream,
  type Draft,
  type DraftCandidate,
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

/** What the step to come will hold besides drafts, and costs. */
interface StepOutlook {
  /** Decodes, and tokens of prompts as far as they are known to come. */
  readonly baseTokens: number;
  readonly budgetTokens: number;
  readonly cost: CostEstimate;
}

/** What is kept of a sequence while it runs. */
interface Subject {
  readonly sequence: LiveSequence;
  readonly rates: ReadonlyMap<DraftSource, AcceptanceRate>;
  /** Of its drafts: apart from the draws of its tokens. */
  readonly random: RandomStream;
  /** Who would draft in the step to come. */
  chosen: Drafter | null;
}

/** Who takes time to draft. */
const MODELLED: ReadonlySet<DraftSource> = new Set<DraftSource>(["model", "heads"]);
/** Noise must not make it draft: the least gain by which it does. */
const LEAST_GAIN = 0.03;
/** A model must promise that many times the tokens of a draft that costs nothing. */
const MODEL_ADVANTAGE = 1.5;
/** Steps without a draft, although somebody had one, after which one is tried: costs and acceptance may have changed. */
const PROBE_STEPS = 200;
const PROBE_TOKENS = 2;
/** While it drafts, one step of so many drafts as far as it may: what was never tried costs nobody knows what. */
const EXPLORE_STEPS = 64;

export class Speculator {
  readonly #options: SpeculatorOptions;
  readonly #priors = new Map<DraftSource, AcceptanceRate>();
  readonly #subjects = new Map<number, Subject>();
  readonly #counts = new Map<
    DraftSource,
    { -readonly [K in keyof DraftCount]: DraftCount[K] } & { perPosition: number[] }
  >();
  #quietSteps = 0;
  #draftingSteps = 0;

  constructor(options: SpeculatorOptions) {
    this.#options = options;
    for (const { source } of options.drafters) {
      this.#priors.set(source, new AcceptanceRate({ mean: FIRST_ACCEPTANCE[source] }));
    }
    assert(this.#priors.size === options.drafters.length, "one drafter of a source");
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
    const subjects: Subject[] = [];
    const candidates: DraftCandidate[] = [];
    let decodes = 0;
    let promptTokens = 0;
    for (const sequence of running.values()) {
      sequence.draftTokens = 0;
      if (sequence.pending > 1) {
        promptTokens += sequence.pending;
        continue;
      }
      decodes += 1;
      const subject = this.#subjectOf(sequence);
      const candidate = this.#candidateOf(subject);
      if (candidate === null) continue;
      subjects.push(subject);
      candidates.push(candidate);
    }
    if (candidates.length === 0) return;
    if (running.size < maxRunning) for (const { pending } of waiting.values()) promptTokens += pending;
    const prompts = Math.min(promptTokens, Math.max(0, budgetTokens - decodes));
    const lengths = this.#lengths(candidates, { baseTokens: decodes + prompts, budgetTokens, cost });
    for (const [i, { sequence }] of subjects.entries()) sequence.draftTokens = lengths[i]!;
    const used = new Set(subjects.map(({ chosen }) => chosen?.source));
    for (const [source, prior] of this.#priors) if (!used.has(source)) prior.idle();
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
    const rate = this.#subjects.get(sequence.spec.seq)?.rates.get(source);
    if (judged > 0) {
      rate?.observe(accepted, judged);
      this.#priors.get(source)?.observe(accepted, judged);
    }
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

  /** Whether somebody drafts from the model's states: then the executor keeps them, and `see` is told. */
  get readsStates(): boolean {
    return this.#options.drafters.some((drafter) => drafter.see !== undefined);
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
      const rates = new Map(Array.from(this.#priors, ([source, prior]) => [source, new AcceptanceRate(prior)]));
      const random = samplingStream(sequence.spec.sampling.seed ?? id).fork("drafts");
      subject = { sequence, rates, random, chosen: null };
      this.#subjects.set(id, subject);
    }
    return subject;
  }

  /** The drafter that promises most, and what it promises; null when nobody has anything. */
  #candidateOf(subject: Subject): DraftCandidate | null {
    const { sequence } = subject;
    const { maxTokens } = sequence.spec;
    const most = Math.min(this.#options.tokens, maxTokens - sequence.generated - 1);
    subject.chosen = null;
    if (most < 1 || !sequence.draftable) return null;
    let best: DraftCandidate | null = null;
    let promised = 0;
    for (const drafter of this.#options.drafters) {
      const available = drafter.available(subjectFor(sequence), most);
      if (available < 1) continue;
      const acceptance = subject.rates.get(drafter.source)!.mean;
      const modelled = MODELLED.has(drafter.source);
      const promise = (acceptance * (1 - acceptance ** available)) / (1 - acceptance);
      if (promise <= promised * (modelled && best?.modelled === false ? MODEL_ADVANTAGE : 1)) continue;
      promised = promise;
      best = { acceptance, most: available, modelled };
      subject.chosen = drafter;
    }
    // Who is passed over is heard again after a while.
    for (const [source, rate] of subject.rates) if (source !== subject.chosen?.source) rate.idle();
    return best;
  }

  #lengths(candidates: readonly DraftCandidate[], { baseTokens, budgetTokens, cost }: StepOutlook): number[] {
    const { adaptive, passMs } = this.#options;
    if (!adaptive) return candidates.map(({ most }) => most);
    const lengths = draftLengths(
      candidates,
      { baseTokens, roomTokens: Math.max(0, budgetTokens - baseTokens), leastGain: LEAST_GAIN },
      { stepMs: (tokens) => cost.stepMs(tokens), ...(passMs === undefined ? {} : { passMs }) },
    );
    const drafting = lengths.findIndex((length) => length > 0);
    if (drafting >= 0) {
      this.#quietSteps = 0;
      this.#draftingSteps += 1;
      if (this.#draftingSteps % EXPLORE_STEPS === 0) lengths[drafting] = candidates[drafting]!.most;
      return lengths;
    }
    for (const prior of this.#priors.values()) prior.idle();
    for (const { rates } of this.#subjects.values()) for (const rate of rates.values()) rate.idle();
    this.#quietSteps += 1;
    if (this.#quietSteps < PROBE_STEPS) return lengths;
    this.#quietSteps = 0;
    lengths[0] = Math.min(candidates[0]!.most, PROBE_TOKENS);
    return lengths;
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
