/**
 * The items of a conversation as they are kept, and as the messages of a chat request. An assistant's reasoning, text
 * and calls are items of their own here and one message there.
 */
import { randomUUID } from "node:crypto";
import { fail } from "../../core/index.ts";
import type { InputItem, ItemPart, OutputItem } from "../../protocol/index.ts";

/** A kept item, with an id and its size. */
export interface StoredItem {
  readonly item: Readonly<Record<string, unknown>> & { readonly id: string; readonly type: string };
  /** As a message of a chat request understands it. */
  readonly meaning: Meaning;
  readonly bytes: number;
}

type Meaning =
  | { readonly kind: "message"; readonly role: string; readonly text: string }
  | { readonly kind: "call"; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly kind: "result"; readonly id: string; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string };

const PREFIXES = { message: "msg", function_call: "fc", function_call_output: "fco", reasoning: "rs" } as const;

/** A new id of an item of that type. */
export function newItemId(type: keyof typeof PREFIXES): string {
  return `${PREFIXES[type]}_${randomUUID().replaceAll("-", "")}`;
}

/** An item that a client sent, with what it left out. */
export function storedInput(item: InputItem): StoredItem {
  const id = item.id ?? newItemId(item.type);
  const status = item.status ?? "completed";
  if (item.type === "message") {
    const kind = item.role === "assistant" ? ("output_text" as const) : ("input_text" as const);
    const content = typeof item.content === "string" ? [{ type: kind, text: item.content }] : item.content;
    return stored({ ...item, id, status, content }, { kind: "message", role: item.role, text: textOf(content) });
  }
  if (item.type === "function_call") {
    const { call_id: callId, name, arguments: given } = item;
    return stored({ ...item, id, status }, { kind: "call", id: callId, name, arguments: given });
  }
  if (item.type === "function_call_output") {
    const text = typeof item.output === "string" ? item.output : textOf(item.output);
    return stored({ ...item, id, status }, { kind: "result", id: item.call_id, text });
  }
  const text = (item.content ?? []).map((part) => part.text).join("");
  return stored({ ...item, id, status }, { kind: "reasoning", text });
}

/** An item of an answer, for the conversation that goes on from it. */
export function storedOutput(item: OutputItem): StoredItem {
  if (item.type === "function_call") {
    return stored(item, { kind: "call", id: item.call_id, name: item.name, arguments: item.arguments });
  }
  const text = item.content.map((part) => part.text).join("");
  return stored(
    item,
    item.type === "message" ? { kind: "message", role: "assistant", text } : { kind: "reasoning", text },
  );
}

function stored(item: StoredItem["item"], meaning: Meaning): StoredItem {
  return { item, meaning, bytes: JSON.stringify(item).length * 4 }; // as it is and as it is meant, two bytes a character
}

function textOf(parts: readonly ItemPart[]): string {
  return parts.map((part) => (part.type === "refusal" ? part.refusal : part.text)).join("");
}

/** Errors: `invalid_request` for a result of a call that the conversation does not have. */
export function checkResults(items: readonly StoredItem[]): void {
  const called = new Set<string>();
  for (const { meaning } of items) {
    if (meaning.kind === "call") called.add(meaning.id);
    if (meaning.kind !== "result" || called.has(meaning.id)) continue;
    fail("invalid_request", `Invalid 'input': there is no call '${meaning.id}' before its output.`, { param: "input" });
  }
}

interface DraftMessage {
  readonly role: string;
  content: string;
  reasoning_content?: string;
  tool_calls?: object[];
  readonly tool_call_id?: string;
}

/** The messages of a chat request. A cut call cannot be read again: its arguments are left out. */
export function chatMessages(instructions: string | null | undefined, items: readonly StoredItem[]): DraftMessage[] {
  const messages: DraftMessage[] = [];
  if (instructions !== null && instructions !== undefined) messages.push({ role: "system", content: instructions });
  /** The assistant's message that still grows. */
  let open: DraftMessage | null = null;
  const assistant = (): DraftMessage => {
    if (open === null) messages.push((open = { role: "assistant", content: "" }));
    return open;
  };
  for (const { item, meaning } of items) {
    if (meaning.kind === "call") {
      const { id, name } = meaning;
      const given = item["status"] === "incomplete" ? "" : meaning.arguments;
      (assistant().tool_calls ??= []).push({ id, type: "function", function: { name, arguments: given } });
    } else if (meaning.kind === "reasoning") {
      const message = assistant();
      message.reasoning_content = (message.reasoning_content ?? "") + meaning.text;
    } else if (meaning.kind === "result") {
      open = null;
      messages.push({ role: "tool", content: meaning.text, tool_call_id: meaning.id });
    } else if (meaning.role === "assistant") {
      if ((open as DraftMessage | null)?.tool_calls !== undefined) open = null; // text after calls is a turn of its own
      assistant().content += meaning.text;
    } else {
      open = null;
      messages.push({ role: meaning.role, content: meaning.text });
    }
  }
  return messages;
}
