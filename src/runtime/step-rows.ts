/**
 * The rows of a step: made of what a plan lets sequences advance, computed on the executor, and for each the token that
 * comes next, or what of a draft is said. Who runs, who has ended and what is told of it is the loop's; what a sequence
 * fails at here, by its own fault, is handed to `refuse`.
 */
import { assert, present } from "../core/index.ts";
import type { Draft, SampledToken, ScoreForm, StepBatch, TokenScores } from "../llm/index.ts";
import type { Outlook, StepPlan } from "../sched/index.ts";
import type { RecordedDraft, RecordedStage } from "../workload/index.ts";
import type { LiveSequence } from "./sequence.ts";
import { verify, type Verified } from "./speculation/verify.ts";
import type { StepLoopOptions } from "./step-loop-options.ts";

/** A sequence's part of a step. */
export interface StepPart {
  readonly sequence: LiveSequence;
  readonly row: StepBatch[number];
  /** What the row's tokens behind the known ones are. */
  readonly draft: Draft | null;
}

/**
 * What a row has come to: the next token, what of a draft is said, the state of a whole prompt where a model embeds, or null
 * where nothing is due.
 */
export type RowOutcome = SampledToken | Verified | Float32Array | null;

/** What of a loop's options rows need. */
export type StepRowsOptions = Pick<
  StepLoopOptions,
  "executor" | "pages" | "prefixCache" | "recorder" | "routes" | "speculator"
>;

/** See the head of this file. */
export class StepRows {
  readonly #options: StepRowsOptions;
  readonly #outlook: Outlook;
  readonly #refuse: (sequence: LiveSequence, error: unknown, stage: RecordedStage) => void;
  #hasStates = false;

  /** @param refuse ends a sequence with what was thrown at it; what is no expected failure goes on */
  constructor(
    options: StepRowsOptions,
    outlook: Outlook,
    refuse: (sequence: LiveSequence, error: unknown, stage: RecordedStage) => void,
  ) {
    this.#options = options;
    this.#outlook = outlook;
    this.#refuse = refuse;
  }

  /** Whether the states behind the last step's scores were asked for. */
  get hasStates(): boolean {
    return this.#hasStates;
  }

  /** Rows with pages for all their tokens, in the order of the plan; sequences that have failed at their form of scores have none. */
  make(
    plan: StepPlan,
    running: ReadonlyMap<number, LiveSequence>,
    drafts: ReadonlyMap<number, Draft> | null,
  ): StepPart[] {
    return plan.advance.flatMap(({ id, tokens }) => {
      const sequence = running.get(id);
      assert(sequence !== undefined, "only a running sequence advances");
      const draft = drafts?.get(id) ?? null;
      const start = sequence.computed;
      const count = sequence.rowTokens(tokens);
      const known = sequence.known.subarray(start, start + count);
      const row = draft === null ? known : Int32Array.of(...known, ...draft.tokens);
      assert(row.length <= Math.max(tokens, count), "drafts stay within the plan");
      assert(sequence.pages.reserve(start + row.length), "a plan stays within the free pages");
      const complete = count === sequence.pending;
      const scores = complete ? this.#wants(sequence) : undefined;
      if (scores === null) return [];
      // Drawn drafts are held against whole distributions.
      const form = scores === undefined || !draft?.proposals ? scores : { ...scores, row: true };
      const part: StepBatch[number] = {
        tokens: row,
        startPosition: start,
        pages: sequence.pages.pages,
        wantLogits: complete ? (draft === null ? "last" : "all") : "none",
        ...(form === undefined ? {} : { scores: form }),
        ...sequence.rowKind(),
      };
      return [{ sequence, row: part, draft }];
    });
  }

  /** The form of scores for its next token; null when it failed at that. */
  #wants(sequence: LiveSequence): ScoreForm | null {
    try {
      return sequence.wants();
    } catch (error) {
      this.#refuse(sequence, error, "scores");
      return null;
    }
  }

  /** Computes them: keys and values are in place then, and nothing is said yet. One outcome per row. */
  async compute(parts: readonly StepPart[]): Promise<RowOutcome[]> {
    if (this.#options.executor.embedding === true) return this.#embed(parts);
    const { executor, speculator } = this.#options;
    this.#hasStates = speculator?.wantsStates === true;
    const { scores } = await executor.step(
      parts.map(({ row }) => row),
      { states: this.#hasStates },
    );
    const outcomes: RowOutcome[] = [];
    // At once, before anything is awaited: loops that share pages see a step computed whole or not at all.
    for (const { sequence, row, draft } of parts) if (draft === null) this.#computed(sequence, row.tokens.length);
    this.#options.recorder?.computed();
    for (const [index, { sequence, draft }] of parts.entries()) {
      if (draft !== null) {
        outcomes.push(await this.#verify(sequence, draft, scores[index]!, index));
        continue;
      }
      const [own] = scores[index]!;
      outcomes.push(own === undefined ? null : (sequence.forced() ?? (await this.#sample(sequence, own, index))));
    }
    return outcomes;
  }

  /** The same for a model that embeds: a sequence is over when its prompt is computed, and nothing is sampled. */
  async #embed(parts: readonly StepPart[]): Promise<RowOutcome[]> {
    const { executor } = this.#options;
    const states = await present(executor.hidden, "hidden states").call(
      executor,
      parts.map(({ row }) => row),
    );
    for (const { sequence, row } of parts) this.#computed(sequence, row.tokens.length);
    return parts.map((_, index) => states[index]![0] ?? null);
  }

  /** What of a draft is said, and what comes after; the pages of what is not said are given back. */
  async #verify(
    sequence: LiveSequence,
    draft: Draft,
    scores: readonly TokenScores[],
    index: number,
  ): Promise<Verified> {
    const { executor, speculator } = this.#options;
    const drafting = present(speculator, "a speculator");
    const row = (at: number): Promise<TokenScores> => executor.wholeRow(index, at);
    const verified = await verify(sequence, draft, scores, row);
    drafting.settle(sequence, draft, verified.accepted, verified.judged);
    this.#computed(sequence, Math.max(1, verified.taken.length), true);
    return verified;
  }

  /** Tokens have keys and values in place. @param drafted whether some behind them have too, which are given back */
  #computed(sequence: LiveSequence, tokens: number, drafted = false): void {
    const { prefixCache, recorder, routes } = this.#options;
    this.#outlook.computed(sequence.spec.seq, sequence.advance(tokens));
    if (drafted) sequence.pages.truncate(sequence.computed);
    if (prefixCache) sequence.pages.commit(sequence.shareable);
    const decided = sequence.settleRoute(routes);
    if (decided !== null) recorder?.routed(sequence.spec.seq, decided);
  }

  /** The next token; null when the sequence failed at it, which is its own fault and nobody else's. */
  async #sample(sequence: LiveSequence, scores: TokenScores, index: number): Promise<SampledToken | null> {
    try {
      const token = sequence.sample(scores);
      if (token !== null) return token;
      const second = sequence.sample(await this.#options.executor.wholeRow(index, 0));
      assert(second !== null, "a whole row always decides");
      return second;
    } catch (error) {
      this.#refuse(sequence, error, "sample");
      return null;
    }
  }
}

/** Whether a draft was checked there. */
export function isVerified(outcome: RowOutcome | undefined): outcome is Verified {
  return outcome !== null && outcome !== undefined && "taken" in outcome;
}

/** What a recording says of a step's drafts: every sequence that tokens were offered for. */
export function draftsOf(
  offered: ReadonlyMap<number, number>,
  parts: readonly StepPart[],
  outcomes: readonly RowOutcome[],
): RecordedDraft[] {
  if (offered.size === 0) return [];
  const drafted = new Map<number, readonly [drafted: number, taken: number]>();
  for (const [index, { sequence, draft }] of parts.entries()) {
    const outcome = outcomes[index];
    if (draft === null || !isVerified(outcome)) continue;
    drafted.set(sequence.spec.seq, [draft.tokens.length, outcome.taken.length]);
  }
  return Array.from(offered, ([id, most]): RecordedDraft => [id, most, ...(drafted.get(id) ?? ([0, 0] as const))]);
}
