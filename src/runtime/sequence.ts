/**
 * One request inside the engine worker: its tokens, its place in the KV cache, its sampler, and the
 * text that comes out of it. It decides nothing about scheduling and runs no model.
 *
 *   known     prompt and generated tokens so far
 *   computed  how many of them have KV in place; the rest is pending
 */
import { assert, fail } from "../core/index.ts";
import {
  Sampler,
  samplingStream,
  type GrammarState,
  type RowScores,
  type SampledToken,
  type ScoreForm,
  type SequencePages,
  type StepRow,
  type TokenFilter,
  type TokenScores,
} from "../llm/index.ts";
import { goodTokens, sloOutcome, tokenInTime, type RequestOutlook, type SequenceView } from "../sched/index.ts";
import { AnswerGrammar } from "./answer-grammar.ts";
import type { SequenceEnd, SequenceSpec, Timing } from "./messages.ts";
import { cacheRoot } from "./cache-root.ts";
import { routeUse, type RouteUse } from "./routes/options.ts";
import { SequenceRoute, type LoopRoutes } from "./routes/sequence-route.ts";
import type { DraftUse } from "./speculation/types.ts";
import { TextAssembler, type Piece, type Vocabulary } from "./text-assembler.ts";
import type { SequenceState } from "./transfer/protocol.ts";
import type { FinishCause, FinishEvent, LossyUse, RequestEnd, TokenEvent, Usage } from "./types.ts";

/** A token that a sequence has taken, before it is known when. */
export interface TakenToken {
  readonly sampled: SampledToken;
  /** 0 for the first generated token. */
  readonly index: number;
  readonly piece: Piece;
  /** Why it was the last token, or null. */
  readonly cause: FinishCause | null;
}

export interface Accepted {
  readonly event: TokenEvent;
  /** Since the token before; null for the first. */
  readonly gapMs: number | null;
  /** Why it was the last token, or null. */
  readonly cause: FinishCause | null;
}

const NO_DRAFTS: DraftUse = { acceptedTokens: 0, rejectedTokens: 0, draftsByAccepted: [] };

export class LiveSequence {
  readonly spec: SequenceSpec;
  readonly #sampler: Sampler;
  /** Null: any text will do. */
  #grammar: AnswerGrammar | null = null;
  readonly #text: TextAssembler;
  readonly #vocabulary: Vocabulary;
  #tokens: Int32Array;
  #known: number;
  #pages: SequencePages | null = null;
  /** Taken from this engine's queue before, or come with pages. */
  #admitted = false;
  #cachedTokens: number | null = null;
  #scheduledMs: number | null = null;
  #firstTokenMs: number | null = null;
  #lastTokenMs: number | null = null;
  /** Generated tokens that came in time, where each has a time of its own. */
  #tokensInTime = 0;
  /** The most tokens that had KV in place so far, cached ones included: up to here nothing is new. */
  #reached = 0;
  /** Spent between caches; null when it never was. */
  #transferMs: number | null = null;
  /** KV in place for this many of the known tokens. */
  computed = 0;
  /** Pages nobody else holds, as counted for the last view. */
  ownPages = 0;
  /** Guesses at its next tokens that the next step may check. */
  draftTokens = 0;
  #drafts: DraftUse | null = null;
  /** Why the last token that was taken again was the last; null when it goes on. */
  #cause: FinishCause | null = null;
  /** Null: it goes through all layers. */
  readonly route: SequenceRoute | null;

  constructor(spec: SequenceSpec, vocabulary: Vocabulary, topScores: number) {
    this.spec = spec;
    this.#vocabulary = vocabulary;
    this.#text = new TextAssembler(spec, vocabulary);
    this.#known = spec.promptTokens.length;
    this.#tokens = new Int32Array(this.#known + Math.min(spec.maxTokens, 64));
    this.#tokens.set(spec.promptTokens);
    this.route = spec.route === undefined ? null : new SequenceRoute(spec.route, this.#known);
    this.#sampler = new Sampler({
      sampling: spec.sampling,
      random: samplingStream(spec.sampling.seed ?? spec.seq),
      vocabSize: vocabulary.vocabSize,
      endTokens: vocabulary.endTokens,
      minTokens: spec.minTokens,
      promptTokens: spec.promptTokens,
      topScores,
    });
  }

  /** Keys what of it may be shared: sequences with different adapters have different keys and values. */
  get salt(): string {
    return cacheRoot(this.spec.cacheSalt, this.spec.adapter);
  }

  /** Whether its pages mean the same in another engine: not with an adapter or with layers left out. */
  get movable(): boolean {
    return this.spec.adapter === undefined && this.spec.route === undefined;
  }

  get generated(): number {
    return this.#known - this.spec.promptTokens.length;
  }

  /** Its tokens so far. */
  get answer(): number[] {
    return Array.from(this.#tokens.subarray(this.spec.promptTokens.length, this.#known));
  }

  get pending(): number {
    return this.#known - this.computed;
  }

  get pages(): SequencePages {
    assert(this.#pages !== null, "a running sequence holds pages");
    return this.#pages;
  }

  get holdsPages(): boolean {
    return this.#pages !== null;
  }

  /** Every known token; a view until the next one is added. */
  get known(): Int32Array {
    return this.#tokens.subarray(0, this.#known);
  }

  /** What of the known tokens is looked for in the prefix cache. */
  get sought(): Int32Array {
    return this.known.subarray(0, this.route?.shareable(this.#known) ?? this.#known);
  }

  /** Of the computed tokens those whose keys and values others may use. */
  get shareable(): Int32Array {
    return this.known.subarray(0, this.route?.shareable(this.computed) ?? this.computed);
  }

  /** Of so many tokens that a plan allows, those that its next row computes. */
  rowTokens(planned: number): number {
    const most = Math.min(planned, this.pending);
    return this.route?.clip(this.computed, most) ?? most;
  }

  /** By which weights and layers its next row is computed. */
  rowKind(): Pick<StepRow, "adapter" | "route"> {
    const { adapter } = this.spec;
    const place = this.route?.placeAt(this.computed, this.pages);
    return { ...(adapter === undefined ? {} : { adapter }), ...(place === undefined ? {} : { route: place }) };
  }

  /** After a step: decides its layers when its whole prompt is computed. Answers them when it just has, else null. */
  settleRoute(routes: LoopRoutes | undefined): RouteUse | null {
    if (routes === undefined || this.route?.settle(this.computed, this.pages, routes) !== true) return null;
    return this.#routeUse().route ?? null;
  }

  /** Between steps: gives back what the layers that it leaves out hold. */
  pack(routes: LoopRoutes | undefined): void {
    if (routes !== undefined && this.#pages !== null) this.route?.pack(this.computed, this.#pages, routes);
  }

  /** Whether guesses at its next tokens may be checked: not before it is known by which layers. */
  get draftable(): boolean {
    return this.route === null || this.route.mask !== null;
  }

  /** Takes its place in the cache. True the first time: then prefix statistics count. */
  admit(pages: SequencePages, nowMs: number): boolean {
    assert(this.#pages === null, "a sequence is admitted once at a time");
    this.#pages = pages;
    this.computed = pages.cachedTokens;
    this.#reached = Math.max(this.#reached, this.computed);
    if (this.#firstTokenMs === null) this.#scheduledMs = nowMs;
    const first = !this.#admitted;
    this.#admitted = true;
    this.#cachedTokens ??= this.computed;
    return first;
  }

  /** Takes pages of this cache in which the keys and values of its first `computed` tokens are in place. */
  settle(pages: SequencePages, computed: number): void {
    assert(this.#pages === null, "a sequence has one set of pages");
    assert(
      computed < this.#known && pages.capacityTokens >= computed,
      "computed tokens have pages, and one is pending",
    );
    this.#pages = pages;
    this.#admitted = true;
    this.computed = computed;
    this.#reached = Math.max(this.#reached, computed);
  }

  /** Notes tokens that a step has computed; answers how many of them never were before. */
  advance(tokens: number): number {
    this.computed += tokens;
    const fresh = Math.max(0, this.computed - this.#reached);
    this.#reached += fresh;
    return fresh;
  }

  /** Gives its pages back; full ones stay in the prefix cache. It recomputes when admitted again. */
  release(): void {
    this.#pages?.release();
    this.#pages = null;
    this.computed = 0;
    this.ownPages = 0;
    this.draftTokens = 0;
  }

  /** Goes on in pages of another cache, to which its keys and values have been copied. @param transferMs how long that took */
  rehome(pages: SequencePages, transferMs: number): void {
    assert(pages.capacityTokens >= this.computed, "what was computed has pages there too");
    this.#pages?.release();
    this.#pages = pages;
    this.travelled(transferMs);
  }

  /** Keeps the answer within a grammar. Before its first token. */
  guide(state: GrammarState): void {
    assert(this.generated === 0, "a grammar governs an answer from its beginning");
    this.#grammar = new AnswerGrammar(state, this.#vocabulary, this.#text.section, this.spec.thinkingBudget);
  }

  /** Everything but pages and request: what `restore` goes on from. */
  state(nowMs: number): SequenceState {
    const age = (ms: number | null): number | null => (ms === null ? null : nowMs - ms);
    return {
      generated: this.answer,
      computed: this.computed,
      ageMs: nowMs - this.spec.arrivalMs,
      scheduledAgeMs: age(this.#scheduledMs),
      firstTokenAgeMs: age(this.#firstTokenMs),
      lastTokenAgeMs: age(this.#lastTokenMs),
      counts: {
        cachedTokens: this.#cachedTokens,
        tokensInTime: this.#tokensInTime,
        reachedTokens: this.#reached,
        transferMs: this.#transferMs,
        drafts: this.#drafts,
        looks: this.#sampler.looks,
      },
    };
  }

  /**
   * Takes the tokens of an answer that another engine has said, each as it was when it was said, so that sampler, grammar and
   * text are where they were. Those that it has taken already are not taken again. Before its first step.
   * @returns why the last one was the last; null when it goes on
   * @throws PunctualError invalid_request when the request could not have said them.
   */
  replay(generated: readonly number[]): FinishCause | null {
    const before = this.generated;
    for (let i = 0; i < Math.min(before, generated.length); i++) {
      if (generated[i] !== this.#tokens[this.spec.promptTokens.length + i]) return impossible(`another token ${i}`);
    }
    for (const id of generated.slice(before)) {
      if (this.#cause !== null) return impossible(`tokens after the end of the answer (${this.#cause})`);
      this.#cause = this.#retake(id);
    }
    return this.#cause;
  }

  /**
   * Goes on from a state of the same request, after a `replay` of its first tokens perhaps.
   * @param atMs the moment of the state
   * @returns why its last token was the last; null when it goes on
   * @throws PunctualError invalid_request when the request could not have come to that state.
   */
  restore(
    { generated, counts, scheduledAgeMs, firstTokenAgeMs, lastTokenAgeMs }: SequenceState,
    atMs: number,
  ): FinishCause | null {
    const cause = this.replay(generated);
    if (generated.length < this.generated) return impossible("it is shorter than what was said of it before");
    const moment = (ageMs: number | null): number | null => (ageMs === null ? null : atMs - ageMs);
    this.#scheduledMs = moment(scheduledAgeMs);
    this.#firstTokenMs = moment(firstTokenAgeMs);
    this.#lastTokenMs = moment(lastTokenAgeMs);
    this.#cachedTokens = counts.cachedTokens;
    this.#tokensInTime = counts.tokensInTime;
    this.#reached = counts.reachedTokens;
    this.#transferMs = counts.transferMs;
    this.#drafts = counts.drafts;
    if (counts.looks !== undefined) this.#sampler.learn(counts.looks);
    return cause;
  }

  /** Tokens that were computed for it so far, nothing cached, nothing twice. */
  get servedTokens(): number {
    return Math.max(0, this.#reached - (this.#cachedTokens ?? 0));
  }

  /** Counts time between engines. */
  travelled(ms: number): void {
    this.#transferMs = (this.#transferMs ?? 0) + ms;
  }

  /** Takes a token that was said before. */
  #retake(id: number): FinishCause | null {
    const forced = this.#text.forcedToken();
    if (forced === null) {
      const filter = this.#filter();
      if (filter !== null && !filter.allows(id)) return impossible(`token ${id} is none that the grammar allows`);
      this.#sampler.replay(id);
    } else if (id !== forced) return impossible(`token ${id} where thinking had to end`);
    return this.take({ id, logprobs: null }).cause;
  }

  /** The form of scores that its next token should come from. */
  wants(): ScoreForm {
    return this.#sampler.wants(this.#filter());
  }

  /** The next token, or null when these scores cannot decide it. */
  sample(scores: TokenScores): SampledToken | null {
    return this.#sampler.sample(scores, this.#filter());
  }

  /** The probability of every next token, by id. @param row of its scores */
  distribution(row: RowScores): Float64Array {
    return this.#sampler.distribution(row.logits, this.#filter());
  }

  /** The token that was chosen by its `distribution`. */
  choose(id: number, row: RowScores): SampledToken {
    return this.#sampler.take(id, row);
  }

  /** Of guesses at the next tokens, how many could come as they are. */
  allowed(tokens: readonly number[]): number {
    return this.#grammar === null ? tokens.length : this.#grammar.allowed(tokens, this.#text.section);
  }

  /** Notes what became of a draft. */
  countDraft(accepted: number, rejected: number): void {
    const { acceptedTokens, rejectedTokens, draftsByAccepted } = this.#drafts ?? NO_DRAFTS;
    const counts = Array.from({ length: Math.max(draftsByAccepted.length, accepted + 1) }, (_, i) => {
      return (draftsByAccepted[i] ?? 0) + (i === accepted ? 1 : 0);
    });
    this.#drafts = {
      acceptedTokens: acceptedTokens + accepted,
      rejectedTokens: rejectedTokens + rejected,
      draftsByAccepted: counts,
    };
  }

  #filter(): TokenFilter | null {
    return this.#grammar === null ? null : this.#grammar.filter(this.#text.section, this.generated);
  }

  /** The token that must come next instead of a sampled one: the end of a used-up thinking section. */
  forced(): SampledToken | null {
    const id = this.#text.forcedToken();
    return id === null ? null : { id, logprobs: null };
  }

  /** Takes the next token. `stamp` says when. */
  take(sampled: SampledToken): TakenToken {
    const index = this.generated;
    this.#append(sampled.id);
    const { section } = this.#text;
    const piece = this.#text.push(sampled.id);
    this.#grammar?.accept(sampled.id, section, piece.mark !== null);
    return { sampled, index, piece, cause: this.#causeAfter(sampled.id, piece.stop) };
  }

  /** Says when a token came: several of one step came together. In the order in which they were taken. */
  stamp({ sampled, index, piece, cause }: TakenToken, nowMs: number): Accepted {
    const gapMs = this.#lastTokenMs === null ? null : nowMs - this.#lastTokenMs;
    this.#firstTokenMs ??= nowMs;
    this.#lastTokenMs = nowMs;
    const { slo, arrivalMs } = this.spec;
    if (tokenInTime(slo, arrivalMs, this.#firstTokenMs, index, nowMs)) this.#tokensInTime += 1;
    const lossy = this.#lossyUse();
    const event: TokenEvent = {
      kind: "token",
      id: sampled.id,
      index,
      text: piece.text,
      section: piece.section,
      ...(piece.mark === null ? {} : { mark: piece.mark }),
      ...(sampled.logprobs === null ? {} : { logprobs: sampled.logprobs }),
      ...(index > 0 || lossy === null ? {} : { lossy }),
      atMs: nowMs,
    };
    return { event, gapMs, cause };
  }

  /** Takes the next token, at once. */
  accept(sampled: SampledToken, nowMs: number): Accepted {
    return this.stamp(this.take(sampled), nowMs);
  }

  /** The last event of a sequence that ended well, or at its deadline. @param embedding what it was computed for, if not text */
  finish(
    cause: FinishCause,
    nowMs: number,
    embedding?: Float32Array,
  ): { readonly event: FinishEvent; readonly end: SequenceEnd } {
    const reason = cause === "end" || cause === "stop" ? "stop" : "length";
    const rest = this.#text.end();
    // What was embedded is whole when it is there: its first result is its last.
    if (embedding !== undefined) this.#firstTokenMs = this.#lastTokenMs = nowMs;
    const end = this.end(reason, nowMs, cause !== "deadline");
    const usage: Usage = {
      promptTokens: this.spec.promptTokens.length,
      completionTokens: this.generated,
      cachedTokens: this.#cachedTokens ?? 0,
      ...this.#lossyUse(),
      reasoningTokens: this.#text.thinkingTokens,
      slo: end.outcome,
      ...(this.#transferMs === null ? {} : { transferMs: this.#transferMs }),
      ...(this.#drafts === null ? {} : { drafts: this.#drafts }),
      ...this.#routeUse(),
    };
    const stop = this.#text.stop;
    const event: FinishEvent = {
      kind: "finish",
      reason,
      cause,
      text: rest.text,
      section: rest.section,
      ...(stop === null ? {} : { stop }),
      usage,
      atMs: nowMs,
      ...(embedding === undefined ? {} : { embedding }),
    };
    return { event, end };
  }

  #lossyUse(): LossyUse | null {
    const cachedTokens = this.#cachedTokens ?? 0;
    const lossyTokens = cachedTokens - (this.spec.exactPrefixTokens ?? Infinity);
    return lossyTokens > 0 ? { cachedTokens, lossyTokens } : null;
  }

  /** For the books, however it ended. */
  end(end: RequestEnd, nowMs: number, complete = false): SequenceEnd {
    const { slo, arrivalMs, promptTokens } = this.spec;
    const lastMs = complete ? (this.#lastTokenMs ?? nowMs) : nowMs;
    const timing: Timing = {
      arrivalMs,
      scheduledMs: this.#scheduledMs,
      firstTokenMs: this.#firstTokenMs,
      lastTokenMs: this.#lastTokenMs,
      endMs: nowMs,
    };
    const outcome = sloOutcome(slo, arrivalMs, this.#firstTokenMs, lastMs, this.generated, complete);
    return {
      end,
      timing,
      promptTokens: promptTokens.length,
      completionTokens: this.generated,
      slo,
      outcome,
      goodTokens: goodTokens(slo, outcome.attained, this.generated, this.#tokensInTime),
      ...(this.#drafts === null ? {} : { drafts: this.#drafts }),
      ...this.#routeUse(),
    };
  }

  #routeUse(): { readonly route?: RouteUse } {
    const mask = this.route?.mask ?? null;
    return mask === null ? {} : { route: routeUse(mask) };
  }

  /** What a policy sees. @param outlook what is known beyond the sequence itself. */
  view(outlook: RequestOutlook): SequenceView {
    const { seq, arrivalMs, promptTokens, maxTokens, slo } = this.spec;
    return {
      id: seq,
      arrivalMs,
      promptTokens: promptTokens.length,
      computedTokens: this.computed,
      pendingTokens: this.pending,
      ...(this.draftTokens === 0 ? {} : { draftTokens: this.draftTokens }),
      generatedTokens: this.generated,
      maxTokens,
      ...outlook,
      firstTokenMs: this.#firstTokenMs,
      slo,
      pages: this.#pages?.blocks ?? 0,
      ownPages: this.ownPages,
      order: seq,
    };
  }

  #causeAfter(id: number, stop: string | null): FinishCause | null {
    if (stop !== null) return "stop";
    // A grammar allows an end token where the text may end only, so it is meant.
    const mayEnd = !this.spec.ignoreEos || this.#grammar !== null;
    if (mayEnd && this.#vocabulary.endTokens.includes(id)) return "end";
    if (this.#grammar?.complete === true) return "end";
    return this.generated >= this.spec.maxTokens ? "max_tokens" : null;
  }

  #append(id: number): void {
    if (this.#known === this.#tokens.length) {
      const grown = new Int32Array(Math.ceil(this.#known * 1.5) + 16);
      grown.set(this.#tokens);
      this.#tokens = grown;
    }
    this.#tokens[this.#known++] = id;
  }
}

function impossible(why: string): never {
  return fail("invalid_request", `no answer to this request: ${why}`, { param: "generated" });
}
