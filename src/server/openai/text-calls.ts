/**
 * Finds `<tool_call>` … `</tool_call>` in plain text, for models whose vocabulary has no tokens of its own for them.
 * Text that may become a mark is held back until that is decided.
 */

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

/** A piece of text, inside a call or outside; `closes` after the last piece of a call. */
export interface MarkedText {
  readonly text: string;
  readonly inCall: boolean;
  readonly closes: boolean;
}

/** Splits a text that arrives in pieces. */
export class TextCalls {
  #inCall = false;
  #held = "";

  push(text: string): MarkedText[] {
    const pieces: MarkedText[] = [];
    let rest = this.#held + text;
    this.#held = "";
    for (;;) {
      const mark = this.#inCall ? CLOSE : OPEN;
      const at = rest.indexOf(mark);
      if (at === -1) break;
      pieces.push({ text: rest.slice(0, at), inCall: this.#inCall, closes: this.#inCall });
      rest = rest.slice(at + mark.length);
      this.#inCall = !this.#inCall;
    }
    const kept = heldLength(rest, this.#inCall ? CLOSE : OPEN);
    this.#held = rest.slice(rest.length - kept);
    pieces.push({ text: rest.slice(0, rest.length - kept), inCall: this.#inCall, closes: false });
    return pieces;
  }

  /** What was held back and is no mark. Inside a call it is dropped: the call is broken off anyway. */
  end(): string {
    const rest = this.#inCall ? "" : this.#held;
    this.#held = "";
    return rest;
  }
}

/** Length of the longest end of `text` that a mark begins with. */
function heldLength(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--) {
    if (mark.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
