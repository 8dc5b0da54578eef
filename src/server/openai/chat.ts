/** POST /v1/chat/completions, streamed and not. */
import type { Tokenizer } from "../../llm/index.ts";
import {
  parseChatRequest,
  type ChatChunk,
  type ChatCompletion,
  type ChatDelta,
  type ChatRequest,
  type ChatTokenLogprob,
  type FinishReason,
  type UsageBody,
} from "../../protocol/index.ts";
import type { GenerateEvent } from "../../runtime/index.ts";
import { SSE_DONE, sseData } from "../sse.ts";
import { conversationPrompt } from "./conversation.ts";
import { finishReason, usedTier, type ChoiceEvent } from "./generate.ts";
import type { AnswerHead, Endpoint, PreparedRequest, StreamWriter, AnswerCollector } from "./endpoint.ts";
import { chatLogprob } from "./logprobs.ts";
import { ReplyShaper } from "./reply.ts";
import { combineUsage, runningUsage, type FinishedChoice } from "./usage.ts";

/** The chat endpoint, for endpoint.ts to run. */
export const chatEndpoint: Endpoint<ChatRequest> = {
  idPrefix: "chatcmpl",
  promptField: "messages",
  parse: parseChatRequest,
  prepare(request, tokenizer): PreparedRequest {
    const logprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : undefined;
    return {
      prompts: [conversationPrompt(tokenizer, request.messages)],
      maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
      logprobs,
      thinkingBudget: thinkingBudget(request),
    };
  },
  writer: (request, tokenizer, head, promptTokens) => new ChatWriter(request, tokenizer, head, promptTokens),
  collector: (request, tokenizer, head) => new ChatCollector(request, tokenizer, head),
};

/** An effort of "none" is a budget of nothing; other efforts leave the model its own measure. */
function thinkingBudget(request: ChatRequest): number | undefined {
  if (request.thinking_budget !== null && request.thinking_budget !== undefined) return request.thinking_budget;
  return request.reasoning_effort === "none" ? 0 : undefined;
}

interface Visible {
  readonly content: string;
  readonly reasoning: string;
  readonly logprobs: ChatTokenLogprob[];
}

/** One choice's events as visible text. Log-probabilities wait for the text of their token, which may be held back. */
class ChatChoice {
  readonly #shaper = new ReplyShaper();
  readonly #tokenizer: Tokenizer;
  #logprobs: ChatTokenLogprob[] = [];
  tokens = 0;
  reasoningTokens = 0;
  started = false;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** What is new to see; null when the event shows nothing yet. */
  push(event: GenerateEvent): Visible | null {
    if (event.kind === "token") this.#count(event);
    const piece = this.#shaper.push(event.section, event.text);
    if (piece.content === "" && piece.reasoning === "" && event.kind === "token") return null;
    const logprobs = piece.reasoning === "" ? this.#takeLogprobs() : [];
    return { ...piece, logprobs };
  }

  #count(event: GenerateEvent & { readonly kind: "token" }): void {
    this.tokens += 1;
    if (event.section === "thinking") this.reasoningTokens += 1;
    // As in OpenAI's answers, log-probabilities are those of the content.
    else if (event.logprobs !== undefined && !this.#tokenizer.isSpecial(event.id)) {
      this.#logprobs.push(chatLogprob(this.#tokenizer, event.id, event.logprobs));
    }
  }

  #takeLogprobs(): ChatTokenLogprob[] {
    const taken = this.#logprobs;
    this.#logprobs = [];
    return taken;
  }
}

/** Turns events into stream chunks. */
class ChatWriter implements StreamWriter {
  readonly #envelope: Omit<ChatChunk, "choices" | "usage">;
  readonly #choices: ChatChoice[];
  readonly #finished: FinishedChoice[] = [];
  readonly #wantLogprobs: boolean;
  readonly #usage: "none" | "last" | "continuous";
  readonly #promptTokens: number;

  constructor(request: ChatRequest, tokenizer: Tokenizer, head: AnswerHead, promptTokens: readonly number[]) {
    this.#envelope = { ...head, object: "chat.completion.chunk", ...usedTier(request) };
    this.#choices = Array.from({ length: request.n ?? 1 }, () => new ChatChoice(tokenizer));
    this.#wantLogprobs = request.logprobs === true;
    const options = request.stream_options;
    this.#usage =
      options?.include_usage !== true ? "none" : options.continuous_usage_stats === true ? "continuous" : "last";
    this.#promptTokens = promptTokens[0]!;
  }

  push({ choice, event }: ChoiceEvent): string {
    const state = this.#choices[choice]!;
    const visible = state.push(event);
    if (visible === null) return "";
    const { content, reasoning, logprobs } = visible;
    const isFinish = event.kind === "finish";
    let text = "";
    if (content !== "" || reasoning !== "" || (isFinish && !state.started)) {
      text += this.#chunk(choice, delta(state, content, reasoning), logprobs, null);
    }
    if (event.kind !== "finish") return text;
    this.#finished.push({ prompt: 0, usage: event.usage });
    const late = text === "" ? logprobs : []; // of held-back tokens that came to no text
    return text + this.#chunk(choice, {}, late, finishReason(event));
  }

  end(): string {
    if (this.#usage === "none") return SSE_DONE;
    return sseData({ ...this.#envelope, choices: [], usage: combineUsage(this.#finished) }) + SSE_DONE;
  }

  #chunk(choice: number, changes: ChatDelta, logprobs: ChatTokenLogprob[], reason: FinishReason | null): string {
    const chunk: ChatChunk = {
      ...this.#envelope,
      choices: [
        {
          index: choice,
          delta: changes,
          logprobs: this.#wantLogprobs && logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
          finish_reason: reason,
        },
      ],
      ...(this.#usage === "none" ? {} : { usage: this.#running(choice) }),
    };
    return sseData(chunk);
  }

  #running(choice: number): UsageBody | null {
    if (this.#usage !== "continuous") return null;
    const { tokens, reasoningTokens } = this.#choices[choice]!;
    return runningUsage(this.#promptTokens, tokens, reasoningTokens);
  }
}

/** The role comes once, together with the first text: an empty first chunk would count as a first token. */
function delta(state: ChatChoice, content: string, reasoning: string): ChatDelta {
  const role = state.started ? {} : { role: "assistant" as const };
  state.started = true;
  if (reasoning !== "") return { ...role, reasoning_content: reasoning };
  return { ...role, content };
}

/** Gathers events into one answer. */
class ChatCollector implements AnswerCollector {
  readonly #request: ChatRequest;
  readonly #head: AnswerHead;
  readonly #choices: {
    state: ChatChoice;
    content: string;
    reasoning: string;
    logprobs: ChatTokenLogprob[];
    reason: FinishReason;
  }[];
  readonly #finished: FinishedChoice[] = [];

  constructor(request: ChatRequest, tokenizer: Tokenizer, head: AnswerHead) {
    this.#request = request;
    this.#head = head;
    this.#choices = Array.from({ length: request.n ?? 1 }, () => {
      return { state: new ChatChoice(tokenizer), content: "", reasoning: "", logprobs: [], reason: "stop" as const };
    });
  }

  push({ choice, event }: ChoiceEvent): void {
    const gathered = this.#choices[choice]!;
    const visible = gathered.state.push(event);
    if (visible !== null) {
      gathered.content += visible.content;
      gathered.reasoning += visible.reasoning;
      gathered.logprobs.push(...visible.logprobs);
    }
    if (event.kind !== "finish") return;
    gathered.reason = finishReason(event);
    this.#finished.push({ prompt: 0, usage: event.usage });
  }

  answer(): ChatCompletion {
    return {
      ...this.#head,
      object: "chat.completion",
      choices: this.#choices.map(({ content, reasoning, logprobs, reason }, index) => ({
        index,
        message: {
          role: "assistant",
          content,
          refusal: null,
          ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
        },
        logprobs: this.#request.logprobs === true ? { content: logprobs, refusal: null } : null,
        finish_reason: reason,
      })),
      usage: combineUsage(this.#finished),
      ...usedTier(this.#request),
    };
  }
}
