/** What is counted of drafts. Plain data that crosses threads. */
import type { DraftSource } from "../../llm/index.ts";

/** Drafts of one source that were checked. */
export interface DraftCount {
  readonly source: DraftSource;
  /** Drafts, each of one sequence in one step. */
  readonly drafts: number;
  readonly draftTokens: number;
  /** Of those, said as drafted. */
  readonly acceptedTokens: number;
  /** The same by place in the draft: accepted at the first, the second, … */
  readonly perPosition: readonly number[];
}

/** Drafted tokens of one request, by what became of them. */
export interface DraftUse {
  readonly acceptedTokens: number;
  readonly rejectedTokens: number;
  /** Drafts by how many of their tokens were accepted: of none, of one, … */
  readonly draftsByAccepted: readonly number[];
}
