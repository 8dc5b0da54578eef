/** What a dispatcher asks of the sequences of an instance that wait or are urgent, counted as they come and go. */
import type { SimSequence } from "./sequence.ts";

/** Sums over the waiting sequences and the urgent ones (priority above 0) of one instance. */
export class QueueCounts {
  readonly #pageTokens: number;
  waitingTokens = 0;
  waitingPages = 0;
  /** Wherever they are in the instance. */
  urgent = 0;
  urgentWaiting = 0;
  urgentWaitingPages = 0;

  constructor(pageTokens: number) {
    this.#pageTokens = pageTokens;
  }

  /** It comes into the queue (1) or leaves it (-1). */
  waiting({ knownTokens, priority }: SimSequence, sign: 1 | -1): void {
    const pages = sign * Math.ceil(knownTokens / this.#pageTokens);
    this.waitingTokens += sign * knownTokens;
    this.waitingPages += pages;
    if (priority <= 0) return;
    this.urgentWaiting += sign;
    this.urgentWaitingPages += pages;
  }

  /** It comes into the instance (1) or leaves it (-1). */
  inside({ priority }: SimSequence, sign: 1 | -1): void {
    if (priority > 0) this.urgent += sign;
  }
}
