/**
 * The vocabulary of a speculative-decoding benchmark (SPEED-Bench, arXiv 2604.09557): questions by category, what a
 * server says about its drafts, and the arms that are compared. Milliseconds and tokens throughout.
 */
import type { Target } from "../types.ts";

/** One question of a benchmark: what a user says, turn by turn. */
export interface Question {
  /** Unique within its set. */
  readonly id: string;
  readonly category: string;
  readonly subCategory: string | null;
  /** At least one, in order; answers come between them. */
  readonly turns: readonly string[];
  readonly source: string | null;
  readonly difficulty: string | null;
}

/** How many tokens a drafter proposes per step: a fixed number, 0 for none, or the server's own choice. */
export type DraftLength = number | "auto" | "as served";

/** One configuration under test: the same server and questions, another way of drafting. */
export interface Arm {
  /** Unique within a run, for reports. */
  readonly name: string;
  /** The drafter's name; null when there is only one. */
  readonly drafter: string | null;
  readonly draftLength: DraftLength;
  readonly target: Target;
  /** Model to ask for. */
  readonly model: string;
  /** Fields added to every body; these win over everything else. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Where acceptance was read, the most exact first. */
export type AcceptanceSource =
  /** Every answer's own counts by step (vLLM's `metrics.speculative_decoding`). */
  | "response metrics"
  /** Every answer's accepted and rejected tokens, in `usage`. */
  | "usage"
  /** Every answer's drafted and accepted tokens, in llama.cpp's `timings`. */
  | "timings"
  /** The whole server's counters, by difference: right only while nobody else uses it. */
  | "server counters"
  /** Tokens per streamed chunk: right only where a chunk is a step. */
  | "chunks"
  /** Speculation was off: every step yields one token. */
  | "no speculation";

/** An interval that holds a mean with a probability of 95 %. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}
