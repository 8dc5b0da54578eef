/**
 * How a conversation becomes tokens, and a reply comes back as its parts.
 *
 *     <|system|>text[<|text|>given text]<|end|><|user|>text[<|text|>given text]<|end|>
 *     <|assistant|>[<|think|>steps<|/think|>][<|call|>{json}<|/call|>]text<|end|>
 *
 * Invariant: text is always encoded without special tokens, so nobody can write a turn into another's.
 */
import { assert, fail } from "../core/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";

/** A tool call as written between <|call|> and <|/call|>. */
export interface ChatCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** One turn of a conversation. */
export interface ChatTurn {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly text: string;
  /** Given text after <|text|>, of a system or user turn. */
  readonly context?: string;
  readonly thinking?: string;
  readonly call?: ChatCall;
}

/** A conversation as tokens, and what a model is to learn of them. */
export interface EncodedChat {
  readonly tokens: number[];
  /** One per token: 1 where a model learns to predict this token, 0 where it is given. */
  readonly lossMask: Uint8Array;
}

/** How the last reply's thinking is written: whole, not at all, or cut after some tokens as a budget would. */
export type ThinkingForm = "full" | "none" | { readonly tokens: number };

class TokenWriter {
  readonly tokens: number[] = [];
  readonly mask: number[] = [];
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  special(name: string, learn: boolean): void {
    this.tokens.push(this.#tokenizer.specialId(name));
    this.mask.push(learn ? 1 : 0);
  }

  /** @param limit at most so many tokens of it */
  text(text: string, learn: boolean, limit = Number.POSITIVE_INFINITY): void {
    for (const [i, id] of this.#tokenizer.encode(text).entries()) {
      if (i >= limit) break;
      this.tokens.push(id);
      this.mask.push(learn ? 1 : 0);
    }
  }
}

/** The given part of a turn: system, user or tool. */
function writeGiven(out: TokenWriter, turn: ChatTurn): void {
  out.special(`<|${turn.role}|>`, false);
  out.text(turn.text, false);
  if (turn.context !== undefined) {
    out.special("<|text|>", false);
    out.text(turn.context, false);
  }
  out.special("<|end|>", false);
}

/** A reply. With `learn`, what a runtime forces (the end of cut thinking, a start without it) is not learnt. */
function writeReply(out: TokenWriter, turn: ChatTurn, form: ThinkingForm, learn: boolean): void {
  out.special("<|assistant|>", false);
  const first = out.tokens.length;
  if (turn.thinking !== undefined && form !== "none") {
    const before = out.tokens.length;
    out.special("<|think|>", learn);
    if (form === "full") {
      out.text(turn.thinking, learn);
      out.special("<|/think|>", learn);
    } else {
      out.text(turn.thinking, learn, form.tokens);
      assert(out.tokens.length - before <= form.tokens + 1, "thinking stays within its budget");
      out.special("<|/think|>", false);
    }
  }
  if (turn.call !== undefined) {
    out.special("<|call|>", learn);
    out.text(JSON.stringify({ name: turn.call.name, arguments: turn.call.arguments }), learn);
    out.special("<|/call|>", learn);
  }
  out.text(turn.text, learn);
  out.special("<|end|>", learn);
  // Without thinking the runtime masks <|think|>; the model must not learn to prefer the short way.
  if (turn.thinking !== undefined && form === "none" && first < out.mask.length) out.mask[first] = 0;
}

/**
 * The training form: every turn, with a loss on replies. Thinking is kept in the last reply only, as a
 * client's history has none; an earlier reply that had thinking is given, not learnt.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  turns: readonly ChatTurn[],
  options: { readonly thinking?: ThinkingForm } = {},
): EncodedChat {
  const out = new TokenWriter(tokenizer);
  for (const [i, turn] of turns.entries()) {
    if (turn.role !== "assistant") writeGiven(out, turn);
    else if (i === turns.length - 1) writeReply(out, turn, options.thinking ?? "full", true);
    else writeReply(out, turn, "none", turn.thinking === undefined);
  }
  return { tokens: out.tokens, lossMask: Uint8Array.from(out.mask) };
}

/**
 * The inference form: the conversation so far and an opened reply. A system or user text is split at its
 * first blank line: what follows is the given text, unless `context` says it apart.
 */
export function chatPrompt(tokenizer: Tokenizer, messages: readonly ChatTurn[]): number[] {
  if (messages.length === 0) fail("invalid_request", "a conversation has at least one message", { param: "messages" });
  const out = new TokenWriter(tokenizer);
  for (const message of messages) {
    if (message.role === "assistant") writeReply(out, message, "none", false);
    else writeGiven(out, withContext(message));
  }
  out.special("<|assistant|>", false);
  return out.tokens;
}

function withContext(message: ChatTurn): ChatTurn {
  if (message.context !== undefined || message.role === "tool") return message;
  const blank = /\r?\n[^\S\n]*\r?\n/u.exec(message.text);
  if (blank === null) return message;
  const context = message.text.slice(blank.index + blank[0].length).trim();
  return context === "" ? message : { ...message, text: message.text.slice(0, blank.index).trim(), context };
}

/** The parts of a reply, taken apart. */
export interface ParsedReply {
  readonly text: string;
  readonly thinking?: string;
  readonly call?: ChatCall;
  /** What stood between the call marks when it was not a call. */
  readonly malformedCall?: string;
}

/** Takes a generated reply apart. Never throws: a call that is not JSON of the right form is `malformedCall`. */
export function parseReply(tokenizer: Tokenizer, ids: readonly number[]): ParsedReply {
  const parts = { thinking: [] as number[], call: [] as number[], text: [] as number[] };
  let section: keyof typeof parts = "text";
  const seen = { thinking: false, call: false };
  const marks = new Map<number, keyof typeof parts>([
    [tokenizer.specialId("<|think|>"), "thinking"],
    [tokenizer.specialId("<|/think|>"), "text"],
    [tokenizer.specialId("<|call|>"), "call"],
    [tokenizer.specialId("<|/call|>"), "text"],
  ]);
  const end = tokenizer.specialId("<|end|>");
  for (const id of ids) {
    if (id === end) break;
    const mark = marks.get(id);
    if (mark === undefined) parts[section].push(id);
    else {
      section = mark;
      if (mark !== "text") seen[mark] = true;
    }
  }
  const written = tokenizer.decode(parts.call);
  const call = seen.call ? parseCall(written) : null;
  return {
    text: tokenizer.decode(parts.text).trim(),
    ...(seen.thinking ? { thinking: tokenizer.decode(parts.thinking) } : {}),
    ...(call === null ? {} : { call }),
    ...(seen.call && call === null ? { malformedCall: written } : {}),
  };
}

function parseCall(text: string): ChatCall | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // the caller reports it as malformedCall
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { name, arguments: given } = value as Record<string, unknown>;
  if (typeof name !== "string" || typeof given !== "object" || given === null || Array.isArray(given)) return null;
  return { name, arguments: given as Record<string, unknown> };
}
