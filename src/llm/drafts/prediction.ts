/**
 * Drafts from what the request itself predicts of its answer (`prediction` of OpenAI's interface): the old text of a file
 * that is to be edited, the form that is to be filled in.
 *
 * A cursor follows the answer through the prediction. While they agree it moves on; where they part it is lost, until
 * the answer's last tokens are found in the prediction again, the nearest place ahead first. So an inserted, dropped or
 * replaced passage costs a few steps, not the rest of the prediction.
 */
import type { Draft, Drafter, DraftRequest, DraftSubject } from "./types.ts";

/** Last tokens of the answer that place it in the prediction again. */
const REALIGN_TOKENS = 2;

/** Where an answer stands in its prediction. */
export class PredictionCursor {
  readonly #prediction: Int32Array;
  /** The token that should come next; null: lost. */
  #next: number | null = 0;
  /** Where it was lost, or is. */
  #last = 0;
  /** Tokens of the answer that were followed. */
  #followed = 0;

  constructor(prediction: ArrayLike<number>) {
    this.#prediction = Int32Array.from(prediction);
  }

  /** What the prediction says comes after that answer, at most `most` tokens. */
  after(answer: Int32Array, most: number): Int32Array {
    for (; this.#followed < answer.length; this.#followed++) this.#follow(answer, this.#followed);
    if (this.#next === null) return this.#prediction.subarray(0, 0);
    return this.#prediction.subarray(this.#next, this.#next + most);
  }

  #follow(answer: Int32Array, at: number): void {
    if (this.#next !== null && this.#prediction[this.#next] === answer[at]) {
      this.#next += 1;
      this.#last = this.#next;
      return;
    }
    this.#next = this.#place(answer, at);
    if (this.#next !== null) this.#last = this.#next;
  }

  /** The position behind the answer's last tokens: the first one ahead, else the first of all. */
  #place(answer: Int32Array, at: number): number | null {
    if (at + 1 < REALIGN_TOKENS) return null;
    const ends = this.#prediction.length;
    for (const [from, to] of [
      [this.#last, ends],
      [0, this.#last],
    ] as const) {
      for (let start = from; start + REALIGN_TOKENS <= to; start++) {
        let same = 0;
        while (same < REALIGN_TOKENS && this.#prediction[start + same] === answer[at + 1 - REALIGN_TOKENS + same])
          same += 1;
        if (same === REALIGN_TOKENS) return start + REALIGN_TOKENS;
      }
    }
    // A section before the text, say one of thinking, is over: the text begins as predicted.
    return this.#last === 0 && this.#prediction[0] === answer[at] ? 1 : null;
  }
}

/** The drafter at the head of this file. A prediction is handed in with `predict`. */
export class PredictionDrafter implements Drafter {
  readonly source = "prediction";
  readonly #cursors = new Map<number, PredictionCursor>();
  readonly #predictionOf: (id: number) => ArrayLike<number> | null;

  /** @param predictionOf a sequence's prediction; null: it has none. Asked once a sequence's life. */
  constructor(predictionOf: (id: number) => ArrayLike<number> | null) {
    this.#predictionOf = predictionOf;
  }

  available(subject: DraftSubject, most: number): number {
    return this.#after(subject, most).length;
  }

  async draft(requests: readonly DraftRequest[]): Promise<readonly Draft[]> {
    return requests.map(({ subject, most }) => ({
      source: this.source,
      tokens: [...this.#after(subject, most)],
      proposals: null,
    }));
  }

  release(id: number): void {
    this.#cursors.delete(id);
  }

  #after({ id, tokens, promptTokens }: DraftSubject, most: number): Int32Array {
    let cursor = this.#cursors.get(id);
    if (cursor === undefined) {
      cursor = new PredictionCursor(this.#predictionOf(id) ?? []);
      this.#cursors.set(id, cursor);
    }
    return cursor.after(tokens.subarray(promptTokens), most);
  }
}
