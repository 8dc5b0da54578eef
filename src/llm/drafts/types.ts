/**
 * The port behind which drafters stand: who guesses the next tokens of a sequence, cheaply, so that the model can check
 * several in one step (Leviathan et al. 2023, Chen et al. 2023). A guess costs speed when it is wrong, never a token: what
 * is taken is what the model says. No code in here.
 *
 * A drafter sees tokens. One that reads the model's own states as well (../heads) is told them after each step.
 */
import type { RandomStream } from "../../core/index.ts";

/** Who drafted: the request's own prediction, a repetition in the text so far, a smaller model, heads over the model's states. */
export type DraftSource = "prediction" | "ngram" | "model" | "heads";

/** Every source, by name. */
export const DRAFT_SOURCES: readonly DraftSource[] = ["prediction", "ngram", "model", "heads"];

/** A sequence as drafters see it. */
export interface DraftSubject {
  /** Of the sequence, as long as it lives. */
  readonly id: number;
  /** Prompt and answer so far; a view that is valid until the next token. */
  readonly tokens: Int32Array;
  /** Of those, the prompt. */
  readonly promptTokens: number;
}

/** What is wanted of a drafter for one sequence. */
export interface DraftRequest {
  readonly subject: DraftSubject;
  /** Most tokens, at least 1 and at most what the drafter said it had. */
  readonly most: number;
  /** Draw the draft at that temperature and say with what probabilities; absent: the likeliest tokens. */
  readonly draw?: {
    readonly temperature: number;
    /** The stream of the draft's token at that place, from 0. */
    readonly random: (place: number) => RandomStream;
  };
}

/** The distribution that a drafted token was drawn from. What it does not list has no probability. */
export interface Proposal {
  readonly ids: ArrayLike<number>;
  /** Of those, together 1. */
  readonly probabilities: ArrayLike<number>;
}

/** Guesses at the tokens that follow, in order. */
export interface Draft {
  readonly source: DraftSource;
  readonly tokens: readonly number[];
  /** One per token; null when they were not drawn, so that each had probability 1. */
  readonly proposals: readonly Proposal[] | null;
  /** How likely each is, by whoever drafted them, 0 to 1; absent where that is not known. */
  readonly confidences?: readonly number[];
}

/** A way to guess. Keeps what it needs of a sequence until `release`. */
export interface Drafter {
  readonly source: DraftSource;
  /**
   * How many tokens it could draft now, at most `most`; costs little. 0: none.
   */
  available(subject: DraftSubject, most: number): number;
  /** One draft per request, in order; empty where nothing came to mind after all. */
  draft(requests: readonly DraftRequest[]): Promise<readonly Draft[]>;
  /**
   * The state [hidden] behind the scores that a sequence's last token was chosen from; `tokens` are known of it, that token
   * included. Of drafters that read states; the model's executor keeps them then. Valid during the call.
   */
  see?(id: number, tokens: number, state: Float32Array): void;
  /** The sequence is over, or has lost its place: forget it. Unknown ones are no error. */
  release(id: number): void;
}
