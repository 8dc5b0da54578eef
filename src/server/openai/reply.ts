/**
 * A generated reply taken apart for clients: visible text, thinking beside it, and calls of declared tools.
 *
 * A request that declares no tools gets a model's own call as its JSON on a line of its own, with the spoken
 * confirmation on the next. A call of anything but a declared tool, and what stands where a call should and is
 * none, stays visible text: a client can act only on what it declared.
 */
import type { ChatTokenLogprob } from "../../protocol/index.ts";
import type { FinishEvent, GenerateEvent, Section } from "../../runtime/index.ts";
import { CallReader } from "./call-reader.ts";
import { TextCalls } from "./text-calls.ts";

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

/** What a reply consists of, in order. A call is announced once, then its arguments follow in pieces. */
export type ReplyPart =
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "call"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly kind: "arguments"; readonly index: number; readonly text: string };

/** What one event of a generation shows of its reply, whoever generates it; the last one says how it ended. */
export interface ReplyEvent {
  readonly parts: readonly ReplyPart[];
  /** Of content that is shown by now. */
  readonly logprobs: readonly ChatTokenLogprob[];
  readonly finish: ReplyEnd | null;
}

/** How a reply ended, and what it used. */
export type ReplyEnd = Pick<FinishEvent, "reason" | "stop" | "usage">;

/** The end that an event is; null for all others. */
export function endOfReply(event: GenerateEvent): ReplyEnd | null {
  return event.kind === "finish" ? event : null;
}

/** How a reply is to be read. */
export interface ReplyOptions {
  /** Names of tools that may be called; null when the request declared none. */
  readonly callable: ReadonlySet<string> | null;
  /** False: only the first call counts. */
  readonly parallel: boolean;
  /** The whole text is one call, by grammar. */
  readonly forced: boolean;
  readonly newCallId: () => string;
}

/** One choice's events as parts of a reply. */
export class ReplyReader {
  readonly #options: ReplyOptions;
  readonly #shaper = new ReplyShaper();
  readonly #textCalls = new TextCalls();
  #call: { readonly reader: CallReader; index: number | null } | null = null;
  /** Space that shows only if text follows: models set calls off with blank lines. */
  #blank = "";
  #calls = 0;

  constructor(options: ReplyOptions) {
    this.#options = options;
  }

  /** Calls announced so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Whether tokens of a section belong to the content, as far as log-probabilities go. */
  isContent(section: Section): boolean {
    return section === "text" ? !this.#options.forced : section === "call" && this.#options.callable === null;
  }

  push(event: GenerateEvent): ReplyPart[] {
    const parts: ReplyPart[] = [];
    const { callable, forced } = this.#options;
    if (callable === null) return this.#shown(event.section, event.text, parts);
    if (event.section === "thinking") this.#shown("thinking", event.text, parts);
    else if (event.section === "call" || forced) this.#callText(event.text, parts);
    else {
      for (const piece of this.#textCalls.push(event.text)) {
        if (piece.inCall) this.#callText(piece.text, parts);
        else this.#text(piece.text, parts);
        if (piece.closes) this.#endCall(parts);
      }
    }
    const closes = event.kind === "token" && event.section === "call" && event.mark === "close";
    if (closes) this.#endCall(parts);
    if (event.kind === "finish") this.#finish(parts);
    return parts;
  }

  #finish(parts: ReplyPart[]): void {
    const rest = this.#textCalls.end();
    if (rest !== "") this.#text(rest, parts);
    this.#endCall(parts);
    if (this.#calls === 0) this.#shown("text", this.#blank, parts);
  }

  /** Plain text between calls; blank text waits for what follows. */
  #text(text: string, parts: ReplyPart[]): void {
    if (text === "") return;
    if (text.trim() === "") {
      this.#blank += text;
      return;
    }
    const blank = this.#blank;
    this.#blank = "";
    this.#shown("text", blank + text, parts);
  }

  #shown(section: Section, text: string, parts: ReplyPart[]): ReplyPart[] {
    const { content, reasoning } = this.#shaper.push(section, text);
    if (content !== "") parts.push({ kind: "content", text: content });
    if (reasoning !== "") parts.push({ kind: "reasoning", text: reasoning });
    return parts;
  }

  #callText(text: string, parts: ReplyPart[]): void {
    if (text === "") return;
    this.#blank = "";
    this.#call ??= { reader: new CallReader(), index: null };
    this.#tell(this.#call, this.#call.reader.push(text), parts);
  }

  #endCall(parts: ReplyPart[]): void {
    const call = this.#call;
    if (call === null) return;
    this.#call = null;
    this.#tell(call, call.reader.end(), parts);
    const surplus = call.reader.complete && this.#isCallable(call.reader.name); // beyond the one that was allowed
    if (call.index === null && !surplus) this.#shown("call", call.reader.raw, parts);
  }

  #tell(
    call: { readonly reader: CallReader; index: number | null },
    piece: { readonly name?: string; readonly arguments: string },
    parts: ReplyPart[],
  ): void {
    const { parallel, newCallId } = this.#options;
    if (piece.name !== undefined && this.#isCallable(piece.name) && (parallel || this.#calls === 0)) {
      call.index = this.#calls++;
      parts.push({ kind: "call", index: call.index, id: newCallId(), name: piece.name });
    }
    if (call.index !== null && piece.arguments !== "") {
      parts.push({ kind: "arguments", index: call.index, text: piece.arguments });
    }
  }

  #isCallable(name: string | null): boolean {
    return name !== null && this.#options.callable?.has(name) === true;
  }
}
