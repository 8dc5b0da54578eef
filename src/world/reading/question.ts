/** What the kinds of given text share: a text that is drawn once, and questions about it. */
import type { Frames } from "../templates.ts";

/** A question about a text that is drawn already; each call asks another one. */
export type Ask = () => Question;

/** A question before it is put into a turn. */
export interface Question {
  readonly kind: string;
  readonly family: Frames;
  readonly slots: Readonly<Record<string, string | number>>;
  /** The given text, one fact a line. */
  readonly context: string;
  /**
   * The visible step: what is asked about and the rest of its line, word for word. Where the line does not begin with what
   * is asked about: `key?`, then the line, or all lines down to it. Only `key?` when no line has it.
   */
  readonly quote: string;
  readonly answer: string;
  readonly accepted: readonly string[];
  /** Values of the same sort elsewhere in the text: naming one is wrong. */
  readonly rejected: readonly string[];
}

/** The right answer when the given text does not tell. Graders accept any reply with the words "not mentioned". */
export const NOT_MENTIONED = "That is not mentioned.";

/** What makes a question one that its text does not answer; `key` is what was looked for. */
export function abstention(
  key: string | number,
): Pick<Question, "kind" | "quote" | "answer" | "accepted" | "rejected"> {
  return {
    kind: "not-mentioned",
    quote: `${key}?`,
    answer: NOT_MENTIONED,
    accepted: ["not mentioned"],
    rejected: [],
  };
}

export const dollars = (value: number): string => `$${value}`;
