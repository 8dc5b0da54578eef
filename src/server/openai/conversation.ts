/**
 * From a client's messages to the turns of our chat layout. What the server showed as text in an earlier
 * answer is what a client sends back: a call's JSON line becomes a call again, so that the model reads
 * its own history as it was trained to.
 */
import { fail } from "../../core/index.ts";
import { chatPrompt, type ChatCall, type ChatTurn, type Tokenizer } from "../../llm/index.ts";

/** A message as both the HTTP interface and the terminal have it. */
export interface PlainMessage {
  readonly role: string;
  readonly content: string;
}

/** Tokens of a conversation with an opened reply. Errors: `unsupported` for a model without our chat layout. */
export function conversationPrompt(tokenizer: Tokenizer, messages: readonly PlainMessage[]): number[] {
  if (!tokenizer.data.specials.has("<|assistant|>")) {
    fail("unsupported", "This model's tokenizer has no chat layout that this server knows; use /v1/completions.", {
      param: "model",
    });
  }
  return chatPrompt(tokenizer, messages.map(toTurn));
}

function toTurn({ role, content }: PlainMessage): ChatTurn {
  if (role === "assistant") return { role, ...splitCall(content) };
  return { role: role === "user" ? "user" : "system", text: content };
}

/** The call on the first line, if there is one, and the rest. */
function splitCall(content: string): { readonly text: string; readonly call?: ChatCall } {
  const end = content.indexOf("\n");
  const line = end === -1 ? content : content.slice(0, end);
  const call = line.startsWith("{") ? readCall(line) : null;
  return call === null ? { text: content } : { text: end === -1 ? "" : content.slice(end + 1), call };
}

function readCall(line: string): ChatCall | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null; // text that begins with a brace
  }
  if (typeof value !== "object" || value === null) return null;
  const { name, arguments: given } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof given !== "object" || given === null || Array.isArray(given)) return null;
  return { name, arguments: given as Readonly<Record<string, unknown>> };
}
