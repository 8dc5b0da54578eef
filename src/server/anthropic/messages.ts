/** POST /v1/messages, streamed and not, and /v1/messages/count_tokens: Anthropic's form over the chat endpoint's core. */
import {
  parseMessageRequest,
  parseTokenCountRequest,
  toAnthropicError,
  type ChatRequest,
  type ContentBlock,
  type ErrorBody,
  type MessageBody,
  type MessageRequest,
  type MessageUsage,
  type StopReason,
} from "../../protocol/index.ts";
import { ERROR_CODES, type ErrorCode } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { countForeignTokens } from "../admin/tokenize.ts";
import { readJson } from "../body.ts";
import { findEngine, unixSeconds, type ServerContext } from "../context.ts";
import { requestObjective } from "../objective.ts";
import { prepareChat, replyReader, type PreparedChat } from "../openai/chat.ts";
import {
  answerEvents,
  answerGeneration,
  type AnswerCollector,
  type AnswerHead,
  type Endpoint,
  type IncomingGeneration,
  type ProxiedAnswer,
  type StreamWriter,
} from "../openai/endpoint.ts";
import type { ChoiceEvent } from "../openai/generate.ts";
import { askChat, hasProxy } from "../openai/proxied.ts";
import { endOfReply, type ReplyEnd, type ReplyEvent, type ReplyPart } from "../openai/reply.ts";
import { combineUsage } from "../openai/usage.ts";
import { inWordsOf, renamed } from "../renamed.ts";
import { sseEvent } from "../sse.ts";
import { chatRequestOf, MESSAGE_FIELDS } from "./request.ts";

const endpoint: Endpoint<ChatRequest, PreparedChat> = {
  idPrefix: "msg",
  proxied: answerForeign,
  promptField: "messages",
  parse: (body) => chatRequestOf(parseMessageRequest(body) satisfies MessageRequest),
  prepare: (request, engine) => inWordsOf(MESSAGE_FIELDS, () => prepareChat(request, engine)),
  writer: (_request, _engine, head, prepared) => {
    const [read, writer] = [reading(prepared), new MessageWriter(head, prepared.prompts[0]!.length)];
    return {
      push: (event) => writer.push(read(event)),
      end: () => writer.end(),
      failed: (error) => writer.failed(error),
    };
  },
  collector: (_request, _engine, head, prepared) => {
    const [read, collector] = [reading(prepared), new MessageCollector(head, prepared.prompts[0]!.length)];
    return { push: (event) => collector.push(read(event)), answer: () => collector.answer() };
  },
};

/** Reads a choice's events as events of its reply. */
function reading(prepared: PreparedChat): (event: ChoiceEvent) => ReplyEvent {
  const reader = replyReader(prepared);
  return ({ event }) => ({ parts: reader.push(event), logprobs: [], finish: endOfReply(event) });
}

/** A model of another server: asked to chat, answered in this interface's words. */
async function answerForeign(...[context, json, incoming, engine, open]: Parameters<ProxiedAnswer>): Promise<Response> {
  try {
    const chat = chatRequestOf(parseMessageRequest(json) satisfies MessageRequest);
    const objective = requestObjective(chat, incoming.header, context.tiers);
    const head: AnswerHead = {
      id: `msg-${incoming.requestId}`,
      object: "",
      created: unixSeconds(context),
      model: chat.model,
      system_fingerprint: "",
      ...(objective.tier === null ? {} : { service_tier: objective.tier }),
    };
    const events = askChat(chat, incoming, objective, engine, open);
    // How many tokens the prompt has is told with the end: only the other server can count them.
    return await answerEvents(context, open, events, chat.stream === true, {
      writer: () => new MessageWriter(head, 0),
      collector: () => new MessageCollector(head, 0),
    });
  } catch (error) {
    open.done();
    throw error;
  }
}

/** Answers one request. Throws PunctualError as long as no byte of an answer was sent. */
export async function answerMessages(context: ServerContext, incoming: IncomingGeneration): Promise<Response> {
  try {
    return await answerGeneration(context, endpoint, incoming);
  } catch (error) {
    throw renamed(MESSAGE_FIELDS, error);
  }
}

/** How many tokens the same request would put before the model. */
export async function countMessageTokens(context: ServerContext, incoming: IncomingGeneration): Promise<Response> {
  const open = context.requests.open(incoming.request.signal);
  try {
    const request = parseTokenCountRequest(await readJson(incoming.request, context.bodyLimitBytes));
    const engine: Engine = findEngine(context, request.model);
    const chat = chatRequestOf(request);
    const count = hasProxy(engine)
      ? await countForeignTokens(engine, chat, open.signal)
      : endpoint.prepare(chat, engine).prompts[0]!.length;
    return Response.json({ input_tokens: count });
  } finally {
    open.done();
  }
}

/** The answer before anything was generated. What the cache holds of the prompt is known at the end only. */
function emptyMessage({ id, model, ...head }: AnswerHead, promptTokens: number): MessageBody {
  const usage: MessageUsage = {
    input_tokens: promptTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 0,
    ...usedTier(head),
  };
  return { id, type: "message", role: "assistant", model, content: [], stop_reason: null, stop_sequence: null, usage };
}

interface End {
  readonly stop_reason: StopReason;
  readonly stop_sequence: string | null;
  readonly usage: MessageUsage;
}

/** The tier that answered, in this interface's words. */
function usedTier({ service_tier: tier }: Pick<AnswerHead, "service_tier">): Pick<MessageUsage, "service_tier"> {
  return tier === undefined ? {} : { service_tier: tier === "default" ? "standard" : tier };
}

function endOf(event: ReplyEnd, calls: number, tier: Pick<MessageUsage, "service_tier">): End {
  const { compute, slo } = combineUsage([{ prompt: 0, usage: event.usage }]);
  const { promptTokens, cachedTokens, lossyTokens, completionTokens } = event.usage;
  const ended: StopReason = calls > 0 ? "tool_use" : "end_turn";
  return {
    stop_reason: event.reason === "length" ? "max_tokens" : event.stop === undefined ? ended : "stop_sequence",
    stop_sequence: event.stop ?? null,
    usage: {
      input_tokens: promptTokens - cachedTokens,
      cache_creation_input_tokens: 0, // the cache keeps every prompt without being asked
      cache_read_input_tokens: cachedTokens,
      ...(lossyTokens === undefined ? {} : { lossy_input_tokens: lossyTokens }),
      output_tokens: completionTokens,
      ...tier,
      ...(compute === undefined ? {} : { compute }),
      ...(slo === undefined ? {} : { slo }),
    },
  };
}

/** The block that a part belongs to, as it begins. */
function newBlock(part: Exclude<ReplyPart, { kind: "arguments" }>): ContentBlock {
  if (part.kind === "call") return { type: "tool_use", id: part.id, name: part.name, input: {} };
  return part.kind === "reasoning"
    ? { type: "thinking", thinking: "", signature: "" }
    : { type: "text", text: "", citations: null };
}

function callsIn(parts: readonly ReplyPart[]): number {
  return parts.filter(({ kind }) => kind === "call").length;
}

/** Whether a part goes on with the block under way. */
function belongs(part: ReplyPart, block: ContentBlock | null): boolean {
  if (part.kind === "arguments") return true;
  return (
    (part.kind === "content" && block?.type === "text") || (part.kind === "reasoning" && block?.type === "thinking")
  );
}

/** Turns events into Anthropic's stream: blocks one after the other, each with its index. */
class MessageWriter implements StreamWriter<ReplyEvent> {
  readonly #message: MessageBody;
  readonly #requestId: string;
  readonly #tier: Pick<MessageUsage, "service_tier">;
  #block: ContentBlock | null = null;
  #index = -1;
  #calls = 0;
  #started = false;

  constructor(head: AnswerHead, promptTokens: number) {
    this.#message = emptyMessage(head, promptTokens);
    this.#requestId = head.id.slice(head.id.indexOf("-") + 1);
    this.#tier = usedTier(head);
  }

  push({ parts, finish }: ReplyEvent): string {
    let text = "";
    for (const part of parts) text += this.#part(part);
    this.#calls += callsIn(parts);
    if (finish === null) return text;
    if (this.#index === -1) text += this.#begin({ kind: "content", text: "" }); // a reply of nothing is empty text
    text += this.#end();
    const { usage, ...delta } = endOf(finish, this.#calls, this.#tier);
    return text + sseEvent({ type: "message_delta", delta, usage } as { type: string });
  }

  end(): string {
    return sseEvent({ type: "message_stop" });
  }

  failed(body: ErrorBody): string {
    const { status } = ERROR_CODES[(body.error.code ?? "internal") as ErrorCode];
    return sseEvent(toAnthropicError({ status, body }, this.#requestId));
  }

  #part(part: ReplyPart): string {
    const text = belongs(part, this.#block) ? "" : this.#begin(part as Exclude<ReplyPart, { kind: "arguments" }>);
    switch (part.kind) {
      case "call":
        return text;
      case "arguments":
        return text + this.#delta({ type: "input_json_delta", partial_json: part.text });
      case "reasoning":
        return text + this.#delta({ type: "thinking_delta", thinking: part.text });
      case "content":
        return text + this.#delta({ type: "text_delta", text: part.text });
      default:
        return part satisfies never;
    }
  }

  /** Ends the block under way and begins another; before the first, the message itself begins. */
  #begin(part: Exclude<ReplyPart, { kind: "arguments" }>): string {
    const before = this.#started ? this.#end() : this.#start();
    this.#block = newBlock(part);
    this.#index += 1;
    return before + this.#tell("content_block_start", { index: this.#index, content_block: this.#block });
  }

  #start(): string {
    this.#started = true;
    return this.#tell("message_start", { message: this.#message }) + this.#tell("ping", {});
  }

  #end(): string {
    const block = this.#block;
    if (block === null) return "";
    this.#block = null;
    const signed = block.type === "thinking" ? this.#delta({ type: "signature_delta", signature: "" }) : "";
    return signed + this.#tell("content_block_stop", { index: this.#index });
  }

  #delta(delta: object): string {
    return this.#tell("content_block_delta", { index: this.#index, delta });
  }

  #tell(type: string, fields: object): string {
    return sseEvent({ type, ...fields });
  }
}

/** Gathers events into one answer. */
class MessageCollector implements AnswerCollector<ReplyEvent> {
  readonly #message: MessageBody;
  readonly #blocks: { block: ContentBlock; text: string }[] = [];
  readonly #tier: Pick<MessageUsage, "service_tier">;
  #calls = 0;
  #end: End | null = null;

  constructor(head: AnswerHead, promptTokens: number) {
    this.#tier = usedTier(head);
    this.#message = emptyMessage(head, promptTokens);
  }

  push({ parts, finish }: ReplyEvent): void {
    for (const part of parts) {
      if (!belongs(part, this.#blocks.at(-1)?.block ?? null)) {
        this.#blocks.push({ block: newBlock(part as Exclude<ReplyPart, { kind: "arguments" }>), text: "" });
      }
      if (part.kind !== "call") this.#blocks.at(-1)!.text += part.text;
    }
    this.#calls += callsIn(parts);
    if (finish !== null) this.#end = endOf(finish, this.#calls, this.#tier);
  }

  answer(): MessageBody {
    const content = this.#blocks.map(({ block, text }) => filled(block, text));
    if (content.length === 0) content.push({ type: "text", text: "", citations: null });
    return { ...this.#message, content, ...this.#end! };
  }
}

function filled(block: ContentBlock, text: string): ContentBlock {
  switch (block.type) {
    case "text":
      return { ...block, text };
    case "thinking":
      return { ...block, thinking: text };
    case "tool_use":
      return { ...block, input: inputOf(text) };
    default:
      return block satisfies never;
  }
}

/** The input of a call. One that was cut short is no JSON and has none; `stop_reason` says that it was cut. */
function inputOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
