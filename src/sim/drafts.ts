/**
 * Speculation on a virtual instance: how many guesses sequences are offered before a plan, how many of those that the plan
 * grants are drafted, and how many tokens come of it. In a replay all three are as they were; in a prediction they are drawn
 * from what a recording shows (drafts-fit.ts).
 */
import { assert } from "../core/index.ts";
import type { RecordedDraft } from "../workload/index.ts";
import type { SimSequence } from "./sequence.ts";

/** Who drafts for the sequences of an instance; see the head of this file. */
export interface VirtualDrafts {
  /** Says in each running sequence's `draftTokens` how many the next plan is offered. */
  offer(running: readonly SimSequence[]): void;
  /** How many are drafted of those that a plan grants: at most `granted`. */
  drafted(sequence: SimSequence, granted: number): number;
  /** Tokens that a sequence takes when that many drafted ones were checked: at most one more. */
  taken(sequence: SimSequence, drafted: number): number;
  /** Of the step under way, what drafting took, milliseconds. */
  readonly draftingMs: number;
}

/** Drafts of a recording, step by step. */
export class RecordedDrafts implements VirtualDrafts {
  readonly #step = new Map<number, RecordedDraft>();
  draftingMs = 0;

  /** The step that is begun next. */
  load(drafts: readonly RecordedDraft[], draftingMs: number): void {
    this.#step.clear();
    for (const draft of drafts) this.#step.set(draft[0], draft);
    this.draftingMs = draftingMs;
  }

  offer(running: readonly SimSequence[]): void {
    for (const sequence of running) sequence.draftTokens = this.#step.get(sequence.id)?.[1] ?? 0;
  }

  drafted({ id }: SimSequence, granted: number): number {
    return Math.min(granted, this.#step.get(id)?.[2] ?? 0);
  }

  taken({ id }: SimSequence, drafted: number): number {
    const draft = this.#step.get(id);
    assert(draft !== undefined && draft[2] === drafted, "what was drafted was recorded");
    return draft[3];
  }
}
