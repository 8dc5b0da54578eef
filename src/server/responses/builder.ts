/**
 * A response in the making: takes what the engine says and keeps the response as it stands, telling each change as an
 * event. Streamed or not, in the background or not, every response is made here; who does not stream drops the events.
 *
 * Items open and close one after the other, never two at once; `sequence_number` has no gaps.
 */
import {
  type ChatTokenLogprob,
  type ErrorBody,
  type OutputItem,
  type ResponseBody,
  type ResponseEvent,
  type ResponseUsage,
} from "../../protocol/index.ts";
import type { Usage } from "../../runtime/index.ts";
import type { ReplyEnd, ReplyEvent, ReplyPart } from "../openai/reply.ts";
import { combineUsage } from "../openai/usage.ts";
import { newItemId } from "./items.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Message = OutputItem & { readonly type: "message" };
type Call = OutputItem & { readonly type: "function_call" };
type Reasoning = OutputItem & { readonly type: "reasoning" };
type OutputText = Message["content"][number];

/** One response. `body` is replaced with each item; only the item under way changes in place. */
export class ResponseBuilder {
  readonly #wantLogprobs: boolean;
  #body: ResponseBody;
  #events: ResponseEvent[] = [];
  #sequence = 0;
  /** The item under way, at the end of the output. */
  #open: OutputItem | null = null;

  constructor(body: ResponseBody, wantLogprobs: boolean) {
    this.#body = body;
    this.#wantLogprobs = wantLogprobs;
  }

  /** As it stands. */
  get body(): ResponseBody {
    return this.#body;
  }

  /** The first events of a stream. */
  start(): ResponseEvent[] {
    this.#tell("response.created", { response: this.#body });
    this.#tell("response.in_progress", { response: this.#body });
    return this.#take();
  }

  push({ parts, logprobs, finish }: ReplyEvent, nowSeconds: number): ResponseEvent[] {
    let left = logprobs;
    for (const part of parts) {
      this.#part(part, left);
      if (part.kind === "content") left = [];
    }
    if (finish !== null) this.#finish(finish, left, nowSeconds);
    return this.#take();
  }

  /**
   * It failed, or was cancelled: what there is stays, unfinished. A failed response is told as such; the one `error`
   * at the end is what clients throw, so that nobody takes a broken answer for a whole one.
   */
  fail({ code, message, param }: ErrorBody["error"]): ResponseEvent[] {
    const word = code ?? "internal";
    if (word === "cancelled") this.#body = this.cancelled();
    else {
      this.#body = { ...this.cancelled(), status: "failed", error: { code: word, message } };
      this.#tell("response.failed", { response: this.#body });
    }
    this.#tell("error", { code: word, message, param });
    return this.#take();
  }

  /** As it would stand if it were cancelled now. */
  cancelled(): ResponseBody {
    const output = this.#body.output.map((item) =>
      item === this.#open ? { ...structuredClone(item), status: "incomplete" as const } : item,
    );
    return { ...this.#body, status: "cancelled", output };
  }

  #part(part: ReplyPart, logprobs: readonly ChatTokenLogprob[]): void {
    switch (part.kind) {
      case "content":
        return this.#text(part.text, logprobs);
      case "reasoning":
        return this.#reasoning(part.text);
      case "call": {
        const { id: callId, name } = part;
        const id = newItemId("function_call");
        this.#begin({ type: "function_call", id, status: "in_progress", call_id: callId, name, arguments: "" });
        return;
      }
      case "arguments": {
        const call = this.#open as Mutable<Call>; // the reader announces a call before its arguments
        call.arguments += part.text;
        return this.#tellItem("response.function_call_arguments.delta", { delta: part.text });
      }
      default:
        return part satisfies never;
    }
  }

  #text(delta: string, logprobs: readonly ChatTokenLogprob[]): void {
    const part = this.#message();
    (part as Mutable<OutputText>).text += delta;
    const told = this.#wantLogprobs ? [...logprobs] : [];
    part.logprobs.push(...told);
    this.#tellItem("response.output_text.delta", { content_index: 0, delta, logprobs: told });
  }

  #message(): OutputText {
    if (this.#open?.type === "message") return this.#open.content[0]!;
    const content: OutputText[] = [];
    this.#begin({ type: "message", id: newItemId("message"), status: "in_progress", role: "assistant", content });
    content.push({ type: "output_text", text: "", annotations: [], logprobs: [] });
    this.#tellItem("response.content_part.added", { content_index: 0, part: structuredClone(content[0]) });
    return content[0]!;
  }

  #reasoning(delta: string): void {
    if (this.#open?.type !== "reasoning") {
      const content: Reasoning["content"] = [];
      this.#begin({ type: "reasoning", id: newItemId("reasoning"), status: "in_progress", summary: [], content });
      content.push({ type: "reasoning_text", text: "" });
      this.#tellItem("response.content_part.added", { content_index: 0, part: { type: "reasoning_text", text: "" } });
    }
    const [part] = (this.#open as Reasoning).content;
    (part as Mutable<typeof part & object>).text += delta;
    this.#tellItem("response.reasoning_text.delta", { content_index: 0, delta });
  }

  #begin(item: OutputItem): void {
    this.#close("completed");
    this.#open = item;
    this.#body = { ...this.#body, output: [...this.#body.output, item] };
    this.#tell("response.output_item.added", { output_index: this.#index, item: structuredClone(item) });
  }

  /** Ends the item under way: its text as a whole, its part, itself. */
  #close(status: "completed" | "incomplete"): void {
    const item = this.#open;
    if (item === null) return;
    if (item.type === "message") {
      const part = item.content[0]!;
      this.#tellItem("response.output_text.done", { content_index: 0, text: part.text, logprobs: part.logprobs });
      this.#tellItem("response.content_part.done", { content_index: 0, part: structuredClone(part) });
    } else if (item.type === "reasoning") {
      const part = item.content[0]!;
      this.#tellItem("response.reasoning_text.done", { content_index: 0, text: part.text });
      this.#tellItem("response.content_part.done", { content_index: 0, part: structuredClone(part) });
    } else {
      this.#tellItem("response.function_call_arguments.done", { name: item.name, arguments: item.arguments });
    }
    (item as Mutable<OutputItem>).status = status;
    this.#tell("response.output_item.done", { output_index: this.#index, item: structuredClone(item) });
    this.#open = null;
  }

  #finish(event: ReplyEnd, late: readonly ChatTokenLogprob[], nowSeconds: number): void {
    if (this.#body.output.length === 0) this.#message(); // a reply of nothing is a message without text
    if (this.#open?.type === "message" && this.#wantLogprobs) this.#open.content[0]!.logprobs.push(...late);
    const cut = event.reason === "length";
    this.#close(cut ? "incomplete" : "completed");
    this.#body = {
      ...this.#body,
      status: cut ? "incomplete" : "completed",
      incomplete_details: cut ? { reason: "max_output_tokens" } : null,
      completed_at: cut ? null : nowSeconds,
      usage: usageOf(event.usage),
    };
    this.#tell(cut ? "response.incomplete" : "response.completed", { response: this.#body });
  }

  get #index(): number {
    return this.#body.output.length - 1;
  }

  #tellItem(type: string, fields: Readonly<Record<string, unknown>>): void {
    this.#tell(type, { item_id: this.#open!.id, output_index: this.#index, ...fields });
  }

  #tell(type: string, fields: Readonly<Record<string, unknown>>): void {
    this.#events.push({ type, sequence_number: this.#sequence++, ...fields });
  }

  #take(): ResponseEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

function usageOf(usage: Usage): ResponseUsage {
  const { prompt_tokens, completion_tokens, total_tokens, compute, slo } = combineUsage([{ prompt: 0, usage }]);
  const { lossyTokens } = usage;
  return {
    input_tokens: prompt_tokens,
    input_tokens_details: {
      cached_tokens: usage.cachedTokens,
      ...(lossyTokens === undefined ? {} : { lossy_tokens: lossyTokens }),
    },
    output_tokens: completion_tokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens,
    ...(compute === undefined ? {} : { compute }),
    ...(slo === undefined ? {} : { slo }),
  };
}
