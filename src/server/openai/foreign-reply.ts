/**
 * A chat reply of another server, chunk by chunk, as the events that replies of our own consist of. What a chunk holds is the
 * other server's: everything is checked, and what makes no sense breaks the stream rather than an answer.
 */
import { randomUUID } from "node:crypto";
import { PunctualError } from "../../core/index.ts";
import { chatTokenLogprobSchema, type ChatTokenLogprob } from "../../protocol/index.ts";
import type { JsonObject, TextStream, TextUsage } from "../../runtime/index.ts";
import type { Visible } from "./chat.ts";
import { abortReason } from "./generate.ts";
import type { ReplyEnd, ReplyEvent, ReplyPart } from "./reply.ts";

/**
 * The first choice's reply. Ends after its finish; throws why the signal has fired, what the stream throws, and upstream_failed.
 * @param ask called when the first event is asked for: what nobody reads is not asked
 */
export async function* foreignReply(ask: () => TextStream, signal: AbortSignal): AsyncGenerator<ReplyEvent, void> {
  const reader = new ForeignReply();
  const stream = ask();
  try {
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      const shown = reader.push(next.value);
      if (shown.parts.length > 0) yield { ...shown, finish: null };
    }
    yield { parts: [], logprobs: [], finish: reader.end(stream.usage) };
  } catch (error) {
    throw abortReason(signal) ?? error;
  } finally {
    await stream.return();
  }
}

/** The call whose arguments are coming. */
interface Call {
  readonly index: number;
  /** As the other server counts it, and calls it. */
  readonly part: number;
  readonly id: string;
}

const logprobsSchema = chatTokenLogprobSchema.array();

/** See the head of this file. */
export class ForeignReply {
  #call: Call | null = null;
  #calls = 0;
  #reason: string | null = null;
  #stop: string | null = null;

  /** What a chunk shows. @throws PunctualError upstream_failed */
  push(chunk: JsonObject): Visible {
    const choices = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
    const choice: unknown = choices.find((one) => isObject(one) && (one["index"] ?? 0) === 0);
    if (!isObject(choice)) return { parts: [], logprobs: [] };
    const { delta, finish_reason: reason, stop_reason: stop, logprobs } = choice;
    if (typeof reason === "string") this.#reason = reason;
    // vLLM says which of the client's stops it was; a number there is a token of the model's own.
    if (typeof stop === "string") this.#stop = stop;
    return { parts: isObject(delta) ? this.#parts(delta) : [], logprobs: logprobsOf(logprobs) };
  }

  /** After the last chunk. @throws PunctualError upstream_failed */
  end(usage: TextUsage | null): ReplyEnd {
    if (usage === null) throw nonsense("it has ended without counts");
    const reason = this.#reason === "length" ? "length" : "stop";
    return { reason, usage, ...(this.#stop === null ? {} : { stop: this.#stop }) };
  }

  #parts(delta: JsonObject): ReplyPart[] {
    const { content, refusal, reasoning_content: thinking, reasoning, tool_calls: calls } = delta;
    const parts: ReplyPart[] = [];
    const thought = [thinking, reasoning].find(isText);
    if (thought !== undefined) parts.push({ kind: "reasoning", text: thought });
    for (const text of [content, refusal]) if (isText(text)) parts.push({ kind: "content", text });
    if (Array.isArray(calls)) for (const call of calls) this.#callParts(call, parts);
    return parts;
  }

  /** A call is announced by its name, and its arguments follow before the next one's. */
  #callParts(call: unknown, parts: ReplyPart[]): void {
    if (!isObject(call)) throw nonsense("a call is no object");
    const { index, id, function: called } = call;
    const { name, arguments: text } = isObject(called) ? called : ({} as JsonObject);
    // Who sends calls whole may not count them, or count none of them: then their ids tell them apart.
    const part = typeof index === "number" ? index : isText(name) ? this.#calls : (this.#call?.part ?? 0);
    const isOther = this.#call?.part !== part || (isText(id) && id !== this.#call.id);
    if (isText(name) && isOther) {
      const callId = isText(id) ? id : `call_${randomUUID().replaceAll("-", "")}`;
      this.#call = { index: this.#calls, part, id: callId };
      this.#calls += 1;
      parts.push({ kind: "call", index: this.#call.index, id: callId, name });
    }
    if (!isText(text)) return;
    if (this.#call?.part !== part) throw nonsense("arguments belong to no call that is under way");
    parts.push({ kind: "arguments", index: this.#call.index, text });
  }
}

/** What is not told in the usual form is not told on. */
function logprobsOf(value: unknown): ChatTokenLogprob[] {
  if (!isObject(value) || !Array.isArray(value["content"])) return [];
  const read = logprobsSchema.safeParse(value["content"]);
  return read.success ? read.data : [];
}

function nonsense(what: string): PunctualError {
  return new PunctualError("upstream_failed", `the upstream's reply cannot be read: ${what}`);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
