/**
 * The JSON objects of another server's answer, as they come, and whether it is complete. A stream is complete when every choice
 * has said why it ended, or `[DONE]` has come after a choice did; one that ends without is broken, never a clean end: a proxy
 * that passes it on as one makes half an answer look whole.
 */
import { StringDecoder } from "node:string_decoder";
import { SseParser } from "../../protocol/index.ts";
import type { JsonObject } from "../../runtime/index.ts";
import { brokenUpstream, type UpstreamAnswer } from "./http.ts";

/** A whole answer has at most that many bytes. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Of an error's body so much is read. */
const MAX_ERROR_BYTES = 64 * 1024;

/** What a chunk tells of its choices, whatever else is in it. */
export interface ChunkFacts {
  /** It carries something that a reader sees: text, thinking, a call, a refusal. */
  readonly hasContent: boolean;
  /** Choices that end with it, and why. */
  readonly finished: readonly (readonly [choice: number, reason: string])[];
  readonly usage: JsonObject | null;
}

/** Reads a chunk. Right for chat and for text completions. */
export function chunkFacts(chunk: JsonObject): ChunkFacts {
  const choices = Array.isArray(chunk["choices"]) ? chunk["choices"].filter(isObject) : [];
  const finished: (readonly [number, string])[] = [];
  let hasContent = false;
  for (const choice of choices) {
    const { index, finish_reason: reason, delta, text } = choice;
    if (typeof reason === "string") finished.push([typeof index === "number" ? index : 0, reason]);
    if (typeof text === "string" && text !== "") hasContent = true;
    if (isObject(delta))
      hasContent ||= Object.entries(delta).some(([key, value]) => key !== "role" && isSomething(value));
  }
  const usage = chunk["usage"];
  return { hasContent, finished, usage: isObject(usage) ? usage : null };
}

/**
 * The chunks of a stream. Ends when it is complete.
 * @param choices how many have to end
 * @param waitMs most milliseconds to the next chunk, asked before each
 * @throws PunctualError upstream_failed for everything else.
 */
export async function* readChunks(
  answer: UpstreamAnswer,
  choices: number,
  waitMs: () => number,
): AsyncGenerator<JsonObject, void> {
  const ready: string[] = [];
  const parser = new SseParser((data) => ready.push(data));
  const decoder = new StringDecoder("utf8");
  const finished = new Set<number>();
  const bytes = answer.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const next = await within(bytes.next(), waitMs());
      if (next.done === true) break;
      push(parser, decoder.write(next.value));
      for (const data of ready.splice(0)) {
        if (data === "[DONE]") {
          if (finished.size > 0) return;
          throw brokenUpstream("the upstream's stream ended without a finish reason");
        }
        const chunk = chunkOf(data);
        for (const [choice] of chunkFacts(chunk).finished) finished.add(choice);
        yield chunk;
      }
    }
  } finally {
    answer.close();
  }
  // Some servers never send [DONE]; that every choice has ended is as good.
  if (finished.size < choices) throw brokenUpstream("the upstream's stream broke off before its answer was complete");
}

/** The object of an answer that comes whole. @throws PunctualError upstream_failed */
export async function readWhole(answer: UpstreamAnswer, waitMs: number): Promise<JsonObject> {
  const text = await within(readText(answer, MAX_BODY_BYTES), waitMs);
  return objectOf(text, "the upstream's answer");
}

/** A whole answer as the one chunk of a stream, for a server that does not stream. */
export function wholeAsChunk(whole: JsonObject): JsonObject {
  const { choices, object } = whole;
  if (!Array.isArray(choices)) throw brokenUpstream("the upstream's answer has no choices");
  return {
    ...whole,
    object: object === "chat.completion" ? "chat.completion.chunk" : object,
    choices: choices.map((choice: unknown) => {
      if (!isObject(choice)) throw brokenUpstream("the upstream's answer has a choice that is no object");
      const { message, ...rest } = choice;
      return message === undefined ? rest : { ...rest, delta: message };
    }),
  };
}

/** The message of an error's body, whatever form it has. */
export async function readFailure(answer: UpstreamAnswer, waitMs: number): Promise<string> {
  try {
    const text = await within(readText(answer, MAX_ERROR_BYTES), waitMs);
    return messageOf(text).slice(0, 500);
  } catch {
    return "it did not say why"; // the status is reason enough
  } finally {
    answer.close();
  }
}

async function readText(answer: UpstreamAnswer, mostBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > mostBytes) throw brokenUpstream(`the upstream's answer has more than ${mostBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    throw broken(error);
  } finally {
    answer.close();
  }
  return Buffer.concat(parts).toString("utf8");
}

function push(parser: SseParser, text: string): void {
  try {
    parser.push(text);
  } catch (cause) {
    throw brokenUpstream("the upstream sends an event without end", cause);
  }
}

function chunkOf(data: string): JsonObject {
  const chunk = objectOf(data, "an event of the upstream's stream");
  const { error } = chunk;
  if (error !== undefined && error !== null) throw brokenUpstream(`the upstream failed: ${messageOf(data)}`);
  return chunk;
}

function objectOf(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw brokenUpstream(`${what} is not JSON`, cause);
  }
  if (!isObject(value)) throw brokenUpstream(`${what} is no JSON object`);
  return value;
}

/** OpenAI's form, FastAPI's, a bare text. */
function messageOf(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return text;
    const error = value["error"] ?? value["detail"] ?? value["message"];
    if (typeof error === "string") return error;
    if (isObject(error) && typeof error["message"] === "string") return error["message"];
  } catch {
    return text; // no JSON
  }
  return text;
}

/** The value, unless it takes longer. @throws PunctualError upstream_failed */
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(brokenUpstream(`the upstream is too slow: nothing came for ${ms} ms`)), ms);
  });
  promise.catch(() => undefined); // when it is too late, its failure is nobody's
  try {
    return await Promise.race([promise, late]);
  } catch (error) {
    throw broken(error);
  } finally {
    clearTimeout(timer);
  }
}

function broken(error: unknown): Error {
  if (error instanceof Error && "code" in error && error.code === "upstream_failed") return error;
  return brokenUpstream(`the connection to the upstream broke: ${String((error as Error)?.message ?? error)}`, error);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSomething(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);
}
