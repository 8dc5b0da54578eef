/**
 * Finds stop strings in text that arrives in pieces. Text that may still turn out to be the start of
 * a stop string is held back; everything else goes out at once. How the text is cut into pieces never
 * changes the result: the match that ends first wins, of those the longest.
 */

/** What a piece of text brought to light. */
export interface StopScan {
  /** Text that is certain to belong to the output. */
  readonly text: string;
  /** The stop string that was met; the text before it is in `text`, nothing follows. */
  readonly stop: string | null;
}

/** Scans one output for its stop strings: push() pieces, end() when there are no more. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /** @param stops strings that end the output; empty ones are ignored. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** Takes the next piece; after a stop was met there is no more text. */
  push(piece: string): StopScan {
    if (this.#stopped) return { text: "", stop: null };
    if (this.#stops.length === 0) return { text: piece, stop: null };
    const text = this.#held + piece;
    const match = this.#firstMatch(text);
    if (match !== null) {
      this.#stopped = true;
      this.#held = "";
      return { text: text.slice(0, match.start), stop: match.stop };
    }
    const keep = this.#heldLength(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stop: null };
  }

  /** The output ended without a stop string: what was held back belongs to it. */
  end(): string {
    const held = this.#held;
    this.#held = "";
    this.#stopped = true;
    return held;
  }

  #firstMatch(text: string): { start: number; stop: string } | null {
    let best: { start: number; stop: string } | null = null;
    let bestEnd = Infinity;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      if (start < 0) continue;
      const end = start + stop.length;
      if (end < bestEnd || (end === bestEnd && best !== null && start < best.start)) {
        best = { start, stop };
        bestEnd = end;
      }
    }
    return best;
  }

  /** Length of the longest tail of `text` that some stop string starts with. */
  #heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
