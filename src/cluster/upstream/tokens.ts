/**
 * Token ids at another server, which alone has the model's vocabulary. vLLM and SGLang tell a count and ids of texts and
 * conversations, llama-server ids of texts alone, each in names of its own; all stand beside /v1. Who has nothing of the kind
 * (Ollama, most services) is `unsupported`, and none the worse for it.
 */
import { PunctualError } from "../../core/index.ts";
import type { ForeignTokens, JsonObject } from "../../runtime/index.ts";
import { brokenUpstream } from "./http.ts";
import { readWhole } from "./read-answer.ts";
import { refusalOf } from "./refusal.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** A server that has the model, and its name there. */
interface Place {
  readonly server: UpstreamServer;
  readonly model: string;
}

/** Statuses of a server that has no such thing. */
const NOTHING_THERE: ReadonlySet<number> = new Set([404, 405, 501]);

/**
 * @param body as vLLM's /tokenize takes it, without the model's name
 * @throws PunctualError unsupported, and as `refusalOf`
 */
export async function askTokens(
  place: Place,
  body: JsonObject,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<ForeignTokens> {
  const { prompt, add_special_tokens: withSpecials, messages } = body;
  // llama-server's names, beside those of the others.
  const theirs = typeof prompt === "string" ? { content: prompt, add_special: withSpecials ?? true } : {};
  const {
    count,
    tokens,
    max_model_len: max,
    token_strs: strings,
  } = await ask(place, "tokenize", { ...body, ...theirs }, nowMs, signal);
  const ids = idsOf(tokens);
  // Without a count it has not looked at the conversation: its answer is of no text at all.
  if (!isCount(count) && (ids === null || Array.isArray(messages))) throw unsupported("such a request");
  return {
    count: isCount(count) ? count : ids!.length,
    tokens: ids ?? [],
    strings: Array.isArray(strings) && strings.every((text) => typeof text === "string") ? strings : null,
    contextTokens: isCount(max) && max > 0 ? max : null,
  };
}

/** The text of token ids. @throws as `askTokens` */
export async function askText(
  place: Place,
  tokens: readonly number[],
  nowMs: () => number,
  signal: AbortSignal,
): Promise<string> {
  const answer = await ask(place, "detokenize", { tokens }, nowMs, signal);
  const text = [answer["prompt"], answer["text"], answer["content"]].find((one) => typeof one === "string");
  if (text === undefined) throw brokenUpstream("the upstream's answer to /detokenize has no text");
  return text as string;
}

async function ask(
  { server, model }: Place,
  what: "tokenize" | "detokenize",
  body: JsonObject,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { http, timeouts } = server;
  const answer = await http.send("POST", `/${what}`, JSON.stringify({ ...body, model }), timeouts, signal);
  if (NOTHING_THERE.has(answer.status)) {
    answer.close();
    throw unsupported(`/${what}`);
  }
  if (answer.status !== 200) throw await refusalOf(answer, server, nowMs);
  return await readWhole(answer, timeouts.firstTokenMs);
}

function unsupported(what: string): PunctualError {
  const message = `The upstream has no answer to ${what}: only it knows the model's tokens.`;
  return new PunctualError("unsupported", message, { param: "model" });
}

function idsOf(value: unknown): readonly number[] | null {
  return Array.isArray(value) && value.every(isCount) ? value : null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
