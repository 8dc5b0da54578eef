/** POST /v1/completions, streamed and not: text continued as it is, without a chat layout or sections. */
import { fail } from "../../core/index.ts";
import type { TextTokenizer } from "../../llm/index.ts";
import type { Engine } from "../../runtime/index.ts";
import {
  parseCompletionRequest,
  type Completion,
  type CompletionChunk,
  type CompletionLogprobs,
  type CompletionRequest,
  type FinishReason,
  type UsageBody,
} from "../../protocol/index.ts";
import { SSE_DONE, sseData } from "../sse.ts";
import type { AnswerCollector, AnswerHead, Endpoint, PreparedRequest, StreamWriter } from "./endpoint.ts";
import { finishReason, type ChoiceEvent } from "./generate.ts";
import { CompletionLogprobColumns } from "./logprobs.ts";
import { obfuscated } from "./obfuscation.ts";
import { proxiedAs } from "./proxied.ts";
import {
  combineUsage,
  draftMetrics,
  runningUsage,
  streamedUsage,
  type FinishedChoice,
  type StreamedUsage,
} from "./usage.ts";

/** OpenAI's default, kept although it is short. */
const DEFAULT_MAX_TOKENS = 16;

/** The text endpoint, for endpoint.ts to run. */
export const completionEndpoint: Endpoint<CompletionRequest> = {
  idPrefix: "cmpl",
  proxied: proxiedAs("completions"),
  promptField: "prompt",
  parse: parseCompletionRequest,
  prepare(request, { tokenizer }): PreparedRequest {
    return {
      prompts: request.prompt.map((prompt, i) => promptTokens(tokenizer, prompt, i)),
      maxTokens: request.max_tokens ?? DEFAULT_MAX_TOKENS,
      logprobs: request.logprobs ?? undefined,
      thinkingBudget: request.thinking_budget ?? undefined,
    };
  },
  writer: (request, engine, head, prepared) => new CompletionWriter(request, engine, head, prepared),
  collector: (request, engine, head) => new CompletionCollector(request, engine, head),
};

/** Strings are encoded as plain text behind what the model expects before one; only token ids can name special tokens. */
function promptTokens(tokenizer: TextTokenizer, prompt: string | readonly number[], index: number): readonly number[] {
  const tokens = typeof prompt === "string" ? [...tokenizer.prefix, ...tokenizer.encode(prompt)] : prompt;
  if (tokens.length === 0)
    fail("invalid_request", `Invalid 'prompt[${index}]': expected at least one token.`, { param: "prompt" });
  const beyond = tokens.find((id) => id >= tokenizer.vocabSize);
  if (beyond === undefined) return tokens;
  return fail("invalid_request", `Invalid 'prompt': expected token ids below ${tokenizer.vocabSize}, got ${beyond}.`, {
    param: "prompt",
  });
}

/** Turns events into stream chunks. */
class CompletionWriter implements StreamWriter {
  readonly #request: CompletionRequest;
  readonly #envelope: Omit<CompletionChunk, "choices" | "usage">;
  readonly #columns: CompletionLogprobColumns[];
  readonly #tokens: number[];
  readonly #finished: FinishedChoice[] = [];
  readonly #usage: StreamedUsage;
  readonly #promptTokens: readonly number[];

  constructor(request: CompletionRequest, { tokenizer }: Engine, head: AnswerHead, { prompts }: PreparedRequest) {
    this.#request = request;
    this.#envelope = { ...head, object: "text_completion" };
    const choices = prompts.length * (request.n ?? 1);
    this.#columns = Array.from({ length: choices }, () => new CompletionLogprobColumns(tokenizer));
    this.#tokens = Array.from({ length: choices }, () => 0);
    this.#usage = streamedUsage(request);
    this.#promptTokens = prompts.map((prompt) => prompt.length);
  }

  push({ choice, event }: ChoiceEvent): string {
    if (event.kind === "token") {
      this.#tokens[choice]! += 1;
      if (event.logprobs !== undefined) this.#columns[choice]!.push(event.id, event.logprobs);
      return event.text === "" ? "" : this.#chunk(choice, event.text, null);
    }
    this.#finished.push({ prompt: this.#promptOf(choice), usage: event.usage });
    return this.#chunk(choice, event.text, finishReason(event));
  }

  end(): string {
    if (this.#usage === "none") return SSE_DONE;
    const usage = combineUsage(this.#finished);
    return sseData({ ...this.#envelope, choices: [], usage, ...draftMetrics(this.#finished) }) + SSE_DONE;
  }

  #promptOf(choice: number): number {
    return Math.floor(choice / (this.#request.n ?? 1));
  }

  #chunk(index: number, text: string, reason: FinishReason | null): string {
    const wanted = this.#request.logprobs !== null && this.#request.logprobs !== undefined;
    const logprobs = wanted ? this.#columns[index]!.take() : null;
    const chunk: CompletionChunk = {
      ...this.#envelope,
      choices: [{ index, text, logprobs, finish_reason: reason }],
      ...(this.#usage === "none" ? {} : { usage: this.#running(index) }),
    };
    return sseData(obfuscated(this.#request, chunk));
  }

  #running(choice: number): UsageBody | null {
    if (this.#usage !== "continuous") return null;
    return runningUsage(this.#promptTokens[this.#promptOf(choice)]!, this.#tokens[choice]!, 0);
  }
}

interface GatheredChoice {
  text: string;
  reason: FinishReason;
  readonly columns: CompletionLogprobColumns;
}

/** Gathers events into one answer. */
class CompletionCollector implements AnswerCollector {
  readonly #request: CompletionRequest;
  readonly #head: AnswerHead;
  readonly #choices: GatheredChoice[];
  readonly #finished: FinishedChoice[] = [];

  constructor(request: CompletionRequest, { tokenizer }: Engine, head: AnswerHead) {
    this.#request = request;
    this.#head = head;
    this.#choices = Array.from({ length: request.prompt.length * (request.n ?? 1) }, () => {
      return { text: "", reason: "stop", columns: new CompletionLogprobColumns(tokenizer) };
    });
  }

  push({ choice, event }: ChoiceEvent): void {
    const gathered = this.#choices[choice]!;
    gathered.text += event.text;
    if (event.kind === "token") {
      if (event.logprobs !== undefined) gathered.columns.push(event.id, event.logprobs);
      return;
    }
    gathered.reason = finishReason(event);
    this.#finished.push({ prompt: Math.floor(choice / (this.#request.n ?? 1)), usage: event.usage });
  }

  answer(): Completion {
    return {
      ...this.#head,
      object: "text_completion",
      choices: this.#choices.map(({ text, reason, columns }, index) => {
        return { index, text, logprobs: this.#logprobs(columns), finish_reason: reason };
      }),
      usage: combineUsage(this.#finished),
      ...draftMetrics(this.#finished),
    };
  }

  #logprobs(columns: CompletionLogprobColumns): CompletionLogprobs | null {
    return this.#request.logprobs === null || this.#request.logprobs === undefined ? null : columns.take();
  }
}
