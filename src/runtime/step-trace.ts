/**
 * What a step did beyond the events of its sequences: which prompts advanced by how much, who gave pages back, who came
 * back. It travels with the report of the step, only while somebody watches, and is bounded by the sequences of the step.
 *
 * It measures nothing and keeps nothing: moments are those of the report.
 */
import type { Phase } from "../sched/index.ts";
import type { LiveSequence } from "./sequence.ts";

/** See the head of this file. Sequences are named by number. */
export interface StepTrace {
  /** Of the step's tokens, those of prompts and of what is computed again. */
  readonly prefillTokens: number;
  /** Sequences that advanced. */
  readonly sequences: number;
  /** Pieces of prompts: number and tokens, one pair after the other. */
  readonly chunks: readonly number[];
  /** Drafts that were checked: number, tokens, and how many of them were said, three by three; absent when there were none. */
  readonly drafts?: readonly number[];
  /** Of the step's tokens, those of drafts that were not said; absent when there were none. */
  readonly rejectedTokens?: number;
  /** Gave their pages back before the step. */
  readonly preempted: readonly number[];
  /** Taken from the queue, not for the first time. */
  readonly resumed: readonly number[];
  /** Of engines whose phases are apart. */
  readonly phase?: Phase;
}

/** Shared by all steps in which nothing of the kind happened: a step of decodes allocates one object. */
const NONE: readonly number[] = [];

/** Collects the trace of one step after the other. */
export class StepTracer {
  #prefillTokens = 0;
  #sequences = 0;
  #chunks: number[] | null = null;
  #drafts: number[] | null = null;
  #rejectedTokens = 0;
  #preempted: number[] | null = null;
  #resumed: number[] | null = null;

  /** The rows of a step, before it is computed. */
  advanced(
    batch: readonly { readonly sequence: LiveSequence; readonly row: { readonly tokens: ArrayLike<number> } }[],
  ) {
    for (const { sequence, row } of batch) {
      this.#sequences += 1;
      if (sequence.pending === 1 && sequence.generated > 0) continue;
      const { length } = row.tokens;
      this.#prefillTokens += length;
      (this.#chunks ??= []).push(sequence.spec.seq, length);
    }
  }

  /** @param said tokens of the row's scores, the one behind the draft included; where an answer ends there is none behind it */
  drafted(seq: number, tokens: number, accepted: number, said: number): void {
    (this.#drafts ??= []).push(seq, tokens, accepted);
    this.#rejectedTokens += tokens + 1 - Math.max(1, said);
  }

  preempted(seq: number): void {
    (this.#preempted ??= []).push(seq);
  }

  resumed(seq: number): void {
    (this.#resumed ??= []).push(seq);
  }

  /** What has come together since the last time. */
  take(): StepTrace {
    const trace: StepTrace = {
      prefillTokens: this.#prefillTokens,
      sequences: this.#sequences,
      chunks: this.#chunks ?? NONE,
      preempted: this.#preempted ?? NONE,
      resumed: this.#resumed ?? NONE,
      ...(this.#drafts === null ? {} : { drafts: this.#drafts }),
      ...(this.#rejectedTokens === 0 ? {} : { rejectedTokens: this.#rejectedTokens }),
    };
    this.#rejectedTokens = 0;
    this.#prefillTokens = 0;
    this.#sequences = 0;
    this.#chunks = null;
    this.#drafts = null;
    this.#preempted = null;
    this.#resumed = null;
    return trace;
  }
}
