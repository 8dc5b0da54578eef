/** The last decisions of a step loop, oldest first, bounded. */
import type { DecisionLogEntry } from "../sched/index.ts";

export class KeptDecisions {
  readonly #limit: number;
  readonly #entries: DecisionLogEntry[] = [];

  /** @param limit how many are kept; 0: none */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(entry: DecisionLogEntry): void {
    this.#entries.push(entry);
    // Trimmed in blocks: shifting one by one would be quadratic.
    if (this.#entries.length >= this.#limit * 2) this.#entries.splice(0, this.#entries.length - this.#limit);
  }

  last(): readonly DecisionLogEntry[] {
    return this.#limit === 0 ? [] : this.#entries.slice(-this.#limit);
  }
}
