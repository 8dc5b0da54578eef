/** POST /v1/chat/completions, streamed and not. */
import { randomUUID } from "node:crypto";
import type { TextTokenizer } from "../../llm/index.ts";
import {
  parseChatRequest,
  type ChatChunk,
  type ChatCompletion,
  type ChatDelta,
  type ChatRequest,
  type ChatTokenLogprob,
  type FinishReason,
  type ToolCall,
  type UsageBody,
} from "../../protocol/index.ts";
import type { Engine, GenerateEvent } from "../../runtime/index.ts";
import { SSE_DONE, sseData } from "../sse.ts";
import { chatPromptOf } from "./conversation.ts";
import type { AnswerCollector, AnswerHead, Endpoint, PreparedRequest, StreamWriter } from "./endpoint.ts";
import { effortBudget, finishReason, type ChoiceEvent, type ThinkingBudget } from "./generate.ts";
import { chatLogprob } from "./logprobs.ts";
import { obfuscated } from "./obfuscation.ts";
import { proxiedAs } from "./proxied.ts";
import { ReplyReader, type ReplyPart } from "./reply.ts";
import { toolPlan, type ToolPlan } from "./tools.ts";
import {
  combineUsage,
  draftMetrics,
  runningUsage,
  streamedUsage,
  type FinishedChoice,
  type StreamedUsage,
} from "./usage.ts";

/** A chat request, prepared. */
export interface PreparedChat extends PreparedRequest {
  readonly tools: ToolPlan;
}

/** The chat endpoint, for endpoint.ts to run. */
export const chatEndpoint: Endpoint<ChatRequest, PreparedChat> = {
  idPrefix: "chatcmpl",
  proxied: proxiedAs("chat/completions"),
  promptField: "messages",
  parse: parseChatRequest,
  prepare: prepareChat,
  writer: (request, engine, head, prepared) => new ChatWriter(request, engine, head, prepared),
  collector: (request, engine, head, prepared) => new ChatCollector(request, engine, head, prepared),
};

/**
 * Prompt and settings of a chat request; other endpoints that speak of conversations come here with theirs.
 * Errors: `unsupported` for a model without a chat layout.
 */
export function prepareChat(request: ChatRequest, engine: Engine): PreparedChat {
  const tools = toolPlan(request);
  const budget = thinkingBudget(request);
  const thinking = budget === 0 ? false : wantsThinking(request);
  const { promptTokens, barred } = chatPromptOf(engine, request.messages, tools, thinking);
  return {
    prompts: [promptTokens],
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    logprobs: request.logprobs === true ? (request.top_logprobs ?? 0) : undefined,
    thinkingBudget: budget,
    forced: tools.forced,
    barred,
    ...predicted(request, engine),
    tools,
  };
}

/** What the request expects of its answer, in the model's tokens. */
function predicted({ prediction }: ChatRequest, { tokenizer }: Engine): Pick<PreparedChat, "prediction"> {
  const text = prediction?.content ?? "";
  return text === "" ? {} : { prediction: tokenizer.encode(text) };
}

/** A stated budget, else a template's switch, else what the effort comes to. */
function thinkingBudget(request: ChatRequest): ThinkingBudget | undefined {
  if (request.thinking_budget !== null && request.thinking_budget !== undefined) return request.thinking_budget;
  const switches = request.chat_template_kwargs;
  if (switches?.enable_thinking === false || switches?.thinking === false || request.reasoning_effort === "none") {
    return 0;
  }
  return effortBudget(request.reasoning_effort);
}

/** True where a request asks for thinking in so many words; undefined leaves it to the model. */
function wantsThinking({ reasoning_effort: effort, chat_template_kwargs: switches }: ChatRequest): true | undefined {
  const asked = switches?.enable_thinking ?? switches?.thinking ?? effort ?? undefined;
  return asked === undefined || asked === false ? undefined : true;
}

/** How replies to a prepared request are read. */
export function replyReader({ tools }: PreparedChat): ReplyReader {
  return new ReplyReader({
    callable: tools.callable,
    parallel: tools.parallel,
    forced: tools.forced !== null,
    newCallId: () => `call_${randomUUID().replaceAll("-", "")}`,
  });
}

/** What an event brought to see: parts of the reply, and log-probabilities of text that is shown by now. */
export interface Visible {
  readonly parts: readonly ReplyPart[];
  readonly logprobs: ChatTokenLogprob[];
}

/** One choice's events as parts. Log-probabilities wait for the text of their token, which may be held back. */
export class ChatChoice {
  readonly reader: ReplyReader;
  readonly #tokenizer: TextTokenizer;
  #logprobs: ChatTokenLogprob[] = [];
  tokens = 0;
  reasoningTokens = 0;
  started = false;

  constructor(prepared: PreparedChat, tokenizer: TextTokenizer) {
    this.reader = replyReader(prepared);
    this.#tokenizer = tokenizer;
  }

  push(event: GenerateEvent): Visible {
    if (event.kind === "token") this.#count(event);
    const parts = this.reader.push(event);
    const isShown = event.kind === "finish" || parts.some((part) => part.kind === "content");
    return { parts, logprobs: isShown ? this.#takeLogprobs() : [] };
  }

  #count(event: GenerateEvent & { readonly kind: "token" }): void {
    this.tokens += 1;
    if (event.section === "thinking") this.reasoningTokens += 1;
    // As in OpenAI's answers, log-probabilities are those of the content.
    else if (event.logprobs !== undefined && this.reader.isContent(event.section) && !this.#isMark(event.id)) {
      this.#logprobs.push(chatLogprob(this.#tokenizer, event.id, event.logprobs));
    }
  }

  #isMark(id: number): boolean {
    return this.#tokenizer.isSpecial(id);
  }

  #takeLogprobs(): ChatTokenLogprob[] {
    const taken = this.#logprobs;
    this.#logprobs = [];
    return taken;
  }
}

/** Turns events into stream chunks. */
class ChatWriter implements StreamWriter {
  readonly #request: ChatRequest;
  readonly #envelope: Omit<ChatChunk, "choices" | "usage">;
  readonly #choices: ChatChoice[];
  readonly #finished: FinishedChoice[] = [];
  readonly #usage: StreamedUsage;
  readonly #promptTokens: number;

  constructor(request: ChatRequest, { tokenizer }: Engine, head: AnswerHead, prepared: PreparedChat) {
    this.#request = request;
    this.#envelope = { ...head, object: "chat.completion.chunk" };
    this.#choices = Array.from({ length: request.n ?? 1 }, () => new ChatChoice(prepared, tokenizer));
    this.#usage = streamedUsage(request);
    this.#promptTokens = prepared.prompts[0]!.length;
  }

  push({ choice, event }: ChoiceEvent): string {
    const state = this.#choices[choice]!;
    const visible = state.push(event);
    let { logprobs } = visible;
    let text = "";
    for (const part of visible.parts) {
      const ofContent = part.kind === "content" ? logprobs : [];
      if (part.kind === "content") logprobs = [];
      text += this.#chunk(choice, delta(state, part), ofContent, null);
    }
    if (event.kind !== "finish") return text;
    if (!state.started) text += this.#chunk(choice, delta(state, { kind: "content", text: "" }), [], null);
    this.#finished.push({ prompt: 0, usage: event.usage });
    // What is left are log-probabilities of held-back tokens that came to no text.
    return text + this.#chunk(choice, {}, logprobs, finishReason(event, state.reader.calls));
  }

  end(): string {
    if (this.#usage === "none") return SSE_DONE;
    return sseData({ ...this.#envelope, choices: [], ...this.#sums() }) + SSE_DONE;
  }

  #sums(): Pick<ChatChunk, "usage" | "metrics"> {
    return { usage: combineUsage(this.#finished), ...draftMetrics(this.#finished) };
  }

  #chunk(choice: number, changes: ChatDelta, logprobs: ChatTokenLogprob[], reason: FinishReason | null): string {
    const wanted = this.#request.logprobs === true && logprobs.length > 0;
    const chunk: ChatChunk = {
      ...this.#envelope,
      choices: [
        {
          index: choice,
          delta: changes,
          logprobs: wanted ? { content: logprobs, refusal: null } : null,
          finish_reason: reason,
        },
      ],
      ...(this.#usage === "none" ? {} : { usage: this.#running(choice) }),
    };
    return sseData(obfuscated(this.#request, chunk));
  }

  #running(choice: number): UsageBody | null {
    if (this.#usage !== "continuous") return null;
    const { tokens, reasoningTokens } = this.#choices[choice]!;
    return runningUsage(this.#promptTokens, tokens, reasoningTokens);
  }
}

/** The role comes once, together with the first text or call: an empty first chunk would count as a first token. */
function delta(state: ChatChoice, part: ReplyPart): ChatDelta {
  const role = state.started ? {} : { role: "assistant" as const };
  state.started = true;
  switch (part.kind) {
    case "content":
      return { ...role, content: part.text };
    case "reasoning":
      return { ...role, reasoning_content: part.text };
    case "call": {
      const { index, id, name } = part;
      return { ...role, tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
    }
    case "arguments":
      return { ...role, tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
    default:
      return part satisfies never;
  }
}

/** What a reply's parts come to in the end. */
export class GatheredReply {
  content = "";
  reasoning = "";
  readonly calls: { readonly id: string; readonly name: string; arguments: string }[] = [];

  add(part: ReplyPart): void {
    if (part.kind === "content") this.content += part.text;
    else if (part.kind === "reasoning") this.reasoning += part.text;
    else if (part.kind === "call") this.calls.push({ id: part.id, name: part.name, arguments: "" });
    else this.calls[part.index]!.arguments += part.text;
  }

  /** As an answer's message carries them. */
  get toolCalls(): ToolCall[] {
    return this.calls.map(({ id, name, arguments: given }) => {
      return { id, type: "function", function: { name, arguments: given } };
    });
  }
}

/** Gathers events into one answer. */
class ChatCollector implements AnswerCollector {
  readonly #request: ChatRequest;
  readonly #head: AnswerHead;
  readonly #choices: {
    readonly state: ChatChoice;
    readonly reply: GatheredReply;
    readonly logprobs: ChatTokenLogprob[];
    reason: FinishReason;
  }[];
  readonly #finished: FinishedChoice[] = [];

  constructor(request: ChatRequest, { tokenizer }: Engine, head: AnswerHead, prepared: PreparedChat) {
    this.#request = request;
    this.#head = head;
    this.#choices = Array.from({ length: request.n ?? 1 }, () => {
      const state = new ChatChoice(prepared, tokenizer);
      return { state, reply: new GatheredReply(), logprobs: [], reason: "stop" as const };
    });
  }

  push({ choice, event }: ChoiceEvent): void {
    const gathered = this.#choices[choice]!;
    const { parts, logprobs } = gathered.state.push(event);
    for (const part of parts) gathered.reply.add(part);
    gathered.logprobs.push(...logprobs);
    if (event.kind !== "finish") return;
    gathered.reason = finishReason(event, gathered.state.reader.calls);
    this.#finished.push({ prompt: 0, usage: event.usage });
  }

  answer(): ChatCompletion {
    return {
      ...this.#head,
      object: "chat.completion",
      choices: this.#choices.map(({ reply, logprobs, reason }, index) => ({
        index,
        message: messageOf(reply),
        logprobs: this.#request.logprobs === true ? { content: logprobs, refusal: null } : null,
        finish_reason: reason,
      })),
      usage: combineUsage(this.#finished),
      ...draftMetrics(this.#finished),
    };
  }
}

function messageOf(reply: GatheredReply): ChatCompletion["choices"][number]["message"] {
  const { content, reasoning, toolCalls } = reply;
  return {
    role: "assistant",
    content: content === "" && toolCalls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
  };
}
