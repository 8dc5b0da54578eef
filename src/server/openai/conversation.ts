/**
 * From a client's messages to a model's dialect. For our own layout, what the server showed as text in an earlier
 * answer is what a client sends back: a call's JSON line becomes a call again, so that the model reads
 * its own history as it was trained to. Calls that a client got as `tool_calls` are calls again in every dialect.
 */
import type { ChatDialect, DialectCall, DialectMessage, DialectTool } from "../../llm/index.ts";
import type { PastCall, Tool } from "../../protocol/index.ts";
import type { ToolPlan } from "./tools.ts";

/** A message as both the HTTP interface and the terminal have it. */
export interface PlainMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string | null | undefined;
  readonly reasoning_content?: string | null | undefined;
  readonly tool_calls?: readonly PastCall[] | null | undefined;
  readonly tool_call_id?: string | undefined;
}

/**
 * Tokens of a conversation with an opened reply.
 * Errors: `unsupported` for a model without a chat template, `invalid_request` for messages that its template refuses.
 */
export function conversationPrompt(
  { dialect }: { readonly dialect: ChatDialect },
  messages: readonly PlainMessage[],
  options: { readonly tools?: readonly Tool[]; readonly thinking?: boolean | undefined } = {},
): number[] {
  const { tools = [], thinking } = options;
  const tool = new Map(messages.flatMap(({ tool_calls: calls }) => (calls ?? []).map((c) => [c.id, c.function.name])));
  const named = messages.map((message) => {
    // Some templates want to know which tool an answer is of; OpenAI's clients say only which call.
    const name = message.name ?? (message.tool_call_id === undefined ? undefined : tool.get(message.tool_call_id));
    return { ...message, name };
  });
  return dialect.prompt(
    named.map((message) => toMessage(message, dialect)),
    { tools: tools.map(toTool), ...(thinking === undefined ? {} : { thinking }) },
  );
}

/** A conversation for a model, and what its answer must not hold. */
export interface ConversationPrompt {
  readonly promptTokens: readonly number[];
  readonly barred: readonly number[];
}

/**
 * The prompt of a conversation with tools. The built-in models know their tools by heart and were taught no place for
 * others, so for them declared tools decide only what is called, not what is read; a template writes them out. A
 * demanded call is opened in the prompt, and where no call is allowed its mark is barred.
 * @param thinking whether the model should think, for templates that can be told
 */
export function chatPromptOf(
  { dialect }: { readonly dialect: ChatDialect },
  messages: readonly PlainMessage[],
  tools: ToolPlan,
  thinking?: boolean,
): ConversationPrompt {
  const promptTokens = conversationPrompt({ dialect }, messages, {
    tools: tools.declared,
    thinking: tools.forced === null ? thinking : false, // what is opened is a call, not a thought
  });
  const { call } = dialect.marks;
  if (call === null) return { promptTokens, barred: [] };
  if (tools.forced !== null) return { promptTokens: [...promptTokens, call], barred: [] };
  return { promptTokens, barred: tools.callable?.size === 0 ? [call] : [] };
}

function toMessage(message: PlainMessage, { kind }: ChatDialect): DialectMessage {
  const { role, content } = message;
  const name = message.name ?? undefined;
  const named = name === undefined ? {} : { name };
  if (role === "user") return { role, content, ...named };
  if (role === "tool") {
    return { role, content, ...named, ...(message.tool_call_id === undefined ? {} : { callId: message.tool_call_id }) };
  }
  if (role !== "assistant") return { role: "system", content, ...named };
  const reasoning = message.reasoning_content ?? undefined;
  const thought = reasoning === undefined ? {} : { reasoning };
  const calls = (message.tool_calls ?? []).map(toCall);
  if (calls.length > 0) return { role, content, ...thought, calls };
  if (kind !== "own") return { role, content, ...thought };
  return { role, ...splitCall(content), ...thought };
}

function toCall({ id, function: { name, arguments: given } }: PastCall): DialectCall {
  // That it is an object's JSON, the request's schema has seen to.
  return { id, name, arguments: given.trim() === "" ? {} : (JSON.parse(given) as DialectCall["arguments"]) };
}

function toTool({ function: { name, description, parameters } }: Tool): DialectTool {
  return {
    name,
    ...(description === null || description === undefined ? {} : { description }),
    ...(parameters === null || parameters === undefined ? {} : { parameters }),
  };
}

/** The call on the first line, if there is one, and the rest. */
function splitCall(content: string): { readonly content: string; readonly calls?: readonly DialectCall[] } {
  const end = content.indexOf("\n");
  const line = end === -1 ? content : content.slice(0, end);
  const call = line.startsWith("{") ? readCall(line) : null;
  return call === null ? { content } : { content: end === -1 ? "" : content.slice(end + 1), calls: [call] };
}

function readCall(line: string): DialectCall | null {
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
