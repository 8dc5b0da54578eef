/**
 * What a client of a fleet sees: answers streamed from the endpoint, kept piece by piece, and the answer that a lone engine
 * gives to the same request. Draws are seeded and not greedy, so that a token that came twice, or was lost, changes the text.
 */
import { readEvents } from "../support/sse.ts";

/** A request of a client. */
export interface Asked {
  readonly id: string;
  readonly model: string;
  readonly prompt: string;
  readonly seed: number;
  readonly maxTokens: number;
}

/** How an answer went, or how far it is. */
export interface Answer {
  readonly id: string;
  text: string;
  /** Events with text so far. */
  pieces: number;
  /** The `usage.completion_tokens` that it ended with; null before its end. */
  tokens: number | null;
  finishReason: string | null;
  /** The error that ended it, or that was answered in its place: the server's code. */
  error: string | null;
  /** How many errors it was told: one at most is right. */
  errors: number;
  done: boolean;
}

const bodyOf = (asked: Asked): object => ({
  model: asked.model,
  prompt: asked.prompt,
  max_tokens: asked.maxTokens,
  seed: asked.seed,
  temperature: 1,
  ignore_eos: true,
});

/** An answer being streamed. Nothing is thrown: what goes wrong is in it. */
export function ask(
  url: string,
  asked: Asked,
  signal?: AbortSignal,
): { readonly answer: Answer; readonly end: Promise<Answer> } {
  const answer: Answer = {
    id: asked.id,
    text: "",
    pieces: 0,
    tokens: null,
    finishReason: null,
    error: null,
    errors: 0,
    done: false,
  };
  return { answer, end: follow(url, asked, answer, signal) };
}

async function follow(url: string, asked: Asked, answer: Answer, signal: AbortSignal | undefined): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": asked.id },
      body: JSON.stringify({ ...bodyOf(asked), stream: true, stream_options: { include_usage: true } }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) failed(answer, codeOf(await response.text()));
    else for await (const { data } of readEvents(response.body)) take(answer, data);
    if (answer.error === null && !answer.done) failed(answer, "broken_stream");
  } catch (error) {
    failed(answer, signal?.aborted === true ? "left" : `connection: ${String(error)}`);
  }
  answer.done = true;
  return answer;
}

interface Chunk {
  readonly error?: { readonly code: string | null };
  readonly choices?: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

function take(answer: Answer, data: string): void {
  if (data === "[DONE]") {
    answer.done = true;
    return;
  }
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error !== undefined) failed(answer, chunk.error.code ?? "none");
  for (const { text, finish_reason: reason } of chunk.choices ?? []) {
    answer.text += text;
    if (text !== "") answer.pieces += 1;
    answer.finishReason = reason ?? answer.finishReason;
  }
  answer.tokens = chunk.usage?.completion_tokens ?? answer.tokens;
}

function failed(answer: Answer, code: string): void {
  answer.error = code;
  answer.errors += 1;
}

function codeOf(text: string): string {
  try {
    return (JSON.parse(text) as { error: { code: string | null } }).error.code ?? "none";
  } catch {
    return `no error of ours: ${text.slice(0, 80)}`;
  }
}

/** An answer that is not streamed. Null: the connection was lost, the client may ask again with the same key. */
export async function askWhole(
  url: string,
  asked: Asked,
): Promise<{ status: number; text: string; code: string | null } | null> {
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": asked.id, "idempotency-key": asked.id },
      body: JSON.stringify(bodyOf(asked)),
    });
    const text = await response.text();
    if (!response.ok) return { status: response.status, text: "", code: codeOf(text) };
    return { status: 200, text: (JSON.parse(text) as { choices: { text: string }[] }).choices[0]!.text, code: null };
  } catch {
    return null;
  }
}

/** The text of an answer that is not streamed, asked for again under its key for as long as it takes; what ended it otherwise. */
export async function askPersistently(url: () => string, asked: Asked): Promise<string> {
  for (;;) {
    const answer = await askWhole(url(), asked);
    if (answer?.status === 200) return answer.text;
    const isPassing = answer === null || answer.status >= 500 || answer.status === 429 || answer.status === 408;
    if (!isPassing) return JSON.stringify(answer);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** What is wrong with an answer, given the right text: nothing when it is that text, or its beginning and one clear error. */
export function faultsOf(answer: Answer, right: string, mayFail: boolean): string[] {
  const faults: string[] = [];
  const where = `${answer.id} (${answer.pieces} pieces, ${answer.error ?? answer.finishReason ?? "no end"})`;
  if (answer.error === null) {
    if (answer.text !== right) faults.push(`${where}: ${difference(answer.text, right)}`);
    if (answer.finishReason === null || answer.tokens === null) faults.push(`${where}: ended without saying how`);
    return faults;
  }
  if (!mayFail) faults.push(`${where}: should not have failed`);
  if (answer.errors !== 1) faults.push(`${where}: told ${answer.errors} errors`);
  if (!right.startsWith(answer.text)) faults.push(`${where}: ${difference(answer.text, right)}`);
  return faults;
}

function difference(got: string, right: string): string {
  let at = 0;
  while (at < got.length && got[at] === right[at]) at += 1;
  const show = (text: string): string => JSON.stringify(text.slice(at, at + 24));
  return `differs from character ${at} of ${right.length} on: expected ${show(right)}, got ${show(got)}`;
}
