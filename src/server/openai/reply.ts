/**
 * What a person sees of a generated reply. Thinking goes beside the content. A tool call that the model
 * makes although the request declared no tools is shown as its JSON on a line of its own, with the
 * spoken confirmation on the next.
 */
import type { Section } from "../../runtime/index.ts";

/** A piece of a reply, in either channel; both empty when there is nothing to show. */
export interface ReplyPiece {
  readonly content: string;
  readonly reasoning: string;
}

const NOTHING: ReplyPiece = { content: "", reasoning: "" };

/** Sorts one choice's text into content and reasoning, piece by piece. */
export class ReplyShaper {
  #lastVisible: "text" | "call" | null = null;
  #atLineStart = true;

  push(section: Section, text: string): ReplyPiece {
    if (text === "") return NOTHING;
    if (section === "thinking") return { content: "", reasoning: text };
    const switched = this.#lastVisible !== null && this.#lastVisible !== section;
    const content = switched && !this.#atLineStart && !text.startsWith("\n") ? `\n${text}` : text;
    this.#lastVisible = section;
    this.#atLineStart = content.endsWith("\n");
    return { content, reasoning: "" };
  }
}
