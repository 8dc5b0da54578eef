/** The rows of one step and their sums, reused from step to step. */
import type { TraceRoute } from "../workload/index.ts";
import type { SimSequence } from "./sequence.ts";
import type { StepShape } from "./types.ts";

/** Filled by an instance row by row; to a cost model it is the step's shape. */
export class StepBatch implements StepShape {
  readonly sequences: SimSequence[] = [];
  readonly counts: number[] = [];
  /** Of a row's tokens, the drafted ones. */
  readonly drafted: number[] = [];
  rows = 0;
  tokens = 0;
  prefillTokens = 0;
  prefillSquares = 0;
  prefillContext = 0;
  decodes = 0;
  decodeContext = 0;
  skippedTokens = 0;
  adaptedTokens = 0;

  /**
   * @param tokens drafted ones included: a row of several is attended as a chunk, whatever it is of
   * @param complete when nothing stays pending: the row makes a token.
   */
  add(sequence: SimSequence, tokens: number, complete: boolean, drafted = 0): void {
    this.sequences[this.rows] = sequence;
    this.counts[this.rows] = tokens;
    this.drafted[this.rows] = drafted;
    this.rows += 1;
    this.tokens += tokens;
    const { adapted, route } = sequence.request;
    if (adapted === true) this.adaptedTokens += tokens;
    const start = sequence.computedTokens;
    if (route !== undefined && start >= sequence.promptTokens) this.skippedTokens += tokens * skippedShare(route);
    const end = start + tokens;
    if (tokens === 1 && complete && sequence.generatedTokens > 0) {
      this.decodes += 1;
      this.decodeContext += end;
      return;
    }
    this.prefillTokens += tokens;
    this.prefillSquares += end * end - start * start;
    this.prefillContext += end;
  }

  clear(): void {
    this.rows = 0;
    this.tokens = 0;
    this.prefillTokens = 0;
    this.prefillSquares = 0;
    this.prefillContext = 0;
    this.decodes = 0;
    this.decodeContext = 0;
    this.skippedTokens = 0;
    this.adaptedTokens = 0;
  }
}

/** Of a model's layers, those that are left out, 0 to 1. */
export function skippedShare({ layers, kept }: TraceRoute): number {
  return 1 - kept / layers;
}
