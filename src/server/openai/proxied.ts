/**
 * Requests for a model that another server computes: the body goes on as it came, the answer comes back as it is said. What is
 * this server's stays here: the model's name, the request's id, the objective and how it fared, limits, counts and traces.
 *
 * A stream that breaks is told as one, by an error and without [DONE]; it never looks whole.
 *
 * Interfaces that other servers may not have (Responses, Messages) are translated into chat, as for models of our own, and asked
 * so: any server that chats serves them.
 */
import { fail } from "../../core/index.ts";
import {
  LIMITS,
  parseProxiedRequest,
  toWireError,
  type ChatRequest,
  type ProxiedRequest,
  type SloReport,
} from "../../protocol/index.ts";
import type { Engine, JsonObject, TextPath, TextRequest, TextStream, TextUsage } from "../../runtime/index.ts";
import type { OpenRequest, ServerContext, WithProxy } from "../context.ts";
import { requestObjective, type RequestObjective } from "../objective.ts";
import { SSE_DONE, SSE_HEADERS, sseData, sseStream } from "../sse.ts";
import type { IncomingGeneration, ProxiedAnswer } from "./endpoint.ts";
import { foreignReply } from "./foreign-reply.ts";
import type { ReplyEvent } from "./reply.ts";
import { worstOutcome } from "./usage.ts";

/** What is not passed on: promises of this server. */
const OURS = new Set(["slo", "service_tier"]);

/** Of a chat made of another interface's request: what is asked for anew, and what other servers would not know. */
const OURS_IN_CHAT = new Set([...OURS, "stream", "stream_options", "n", "thinking_budget"]);

/** As vLLM, SGLang and llama-server are told; what a budget of some tokens is called differs from one to the other. */
const NO_THINKING = { enable_thinking: false };

/** The engine that the body asks for, when another server computes it; null for all others. */
export function proxiedEngine(context: ServerContext, body: unknown): (Engine & WithProxy) | null {
  const model = typeof body === "object" && body !== null ? (body as { model?: unknown }).model : null;
  const engine = typeof model === "string" ? context.engines.get(model) : undefined;
  return engine !== undefined && hasProxy(engine) ? engine : null;
}

/** Is it computed by another server? */
export function hasProxy(engine: Engine): engine is Engine & WithProxy {
  return engine.proxy !== undefined;
}

/** An endpoint's requests go on under that path, as they came. */
export function proxiedAs(path: TextPath): ProxiedAnswer {
  return (context, body, incoming, engine, open) => answerProxied(context, path, body, incoming, engine, open);
}

/**
 * Asks a chat question of the server that has the model, and reads its reply. The first event brings what is refused or fails
 * early; a stream that breaks throws in the middle.
 */
export function askChat(
  chat: ChatRequest,
  incoming: Pick<IncomingGeneration, "requestId" | "arrivalMs">,
  { slo, task }: RequestObjective,
  engine: Engine & WithProxy,
  open: OpenRequest,
): AsyncGenerator<ReplyEvent, void> {
  if (open.signal.aborted) throw open.signal.reason; // gone while its body was read
  const { requestId: id, arrivalMs } = incoming;
  const maxTokens = chat.max_completion_tokens ?? chat.max_tokens ?? undefined;
  const fields = Object.entries(chat).filter(([key, value]) => !OURS_IN_CHAT.has(key) && value !== null);
  const request: TextRequest = {
    id,
    path: "chat/completions",
    body: {
      ...Object.fromEntries(fields),
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }), // older servers know the older name only
      ...(chat.thinking_budget === 0 ? { chat_template_kwargs: NO_THINKING } : {}),
    },
    stream: true,
    prompt: promptOf(chat),
    arrivalMs,
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(slo === undefined ? {} : { slo }),
    ...(task === undefined ? {} : { task }),
  };
  return foreignReply(() => open.ask(engine, request), open.signal);
}

/** Answers such a request, and closes `open` when that is done. Throws PunctualError as long as no byte was sent. */
export async function answerProxied(
  context: ServerContext,
  path: TextPath,
  raw: unknown,
  incoming: IncomingGeneration,
  engine: Engine & WithProxy,
  open: OpenRequest,
): Promise<Response> {
  let handedOver = false;
  try {
    const body = parseProxiedRequest(raw);
    const { slo, task, tier } = requestObjective(body, incoming.header, context.tiers);
    const request: TextRequest = {
      id: incoming.requestId,
      path,
      body: Object.fromEntries(Object.entries(body).filter(([key]) => !OURS.has(key))),
      stream: body.stream === true && path !== "embeddings",
      prompt: promptOf(body),
      arrivalMs: incoming.arrivalMs,
      ...maxTokensOf(body),
      ...(slo === undefined ? {} : { slo }),
      ...(task === undefined ? {} : { task }),
    };
    if (open.signal.aborted) throw open.signal.reason; // gone while its body was read
    const stream = open.ask(engine, request);
    const head = { id: `${ID_PREFIX[path]}-${incoming.requestId}`, model: body.model };
    const ours = tier === null ? head : { ...head, service_tier: tier };
    const first = await stream.next(); // a refusal or an early failure is thrown here
    if (!request.stream)
      return Response.json(await whole(stream, first, path === "embeddings" ? { model: body.model } : ours));
    const parts = chunks(context, open, stream, first, ours, body.stream_options?.include_usage === true);
    handedOver = true;
    return new Response(
      sseStream(parts, () => open.abort()),
      { headers: SSE_HEADERS },
    );
  } finally {
    if (!handedOver) open.done();
  }
}

const ID_PREFIX: Readonly<Record<TextPath, string>> = {
  "chat/completions": "chatcmpl",
  completions: "cmpl",
  embeddings: "embd",
};

/** Equal beginnings of conversations are equal beginnings of this text. */
function promptOf(body: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify(body["messages"] ?? body["prompt"] ?? body["input"] ?? "") ?? "";
  return text.slice(0, LIMITS.textCharacters);
}

function maxTokensOf(body: ProxiedRequest): { readonly maxTokens?: number } {
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? null;
  return maxTokens === null ? {} : { maxTokens };
}

/** The one object of an answer that is not streamed. */
async function whole(
  stream: TextStream,
  first: IteratorResult<JsonObject, undefined>,
  ours: JsonObject,
): Promise<JsonObject> {
  if (first.done === true) return fail("upstream_failed", "the upstream's answer is empty");
  await stream.next(); // there is one; its end has the counts
  const { usage, ...rest } = first.value;
  return { ...rest, ...ours, usage: usageBody(usage, stream.usage) };
}

/** The stream's text. A failure is told in the stream and ends it without [DONE]; it never throws. */
async function* chunks(
  context: ServerContext,
  open: OpenRequest,
  stream: TextStream,
  first: IteratorResult<JsonObject, undefined>,
  ours: JsonObject,
  wantsUsage: boolean,
): AsyncGenerator<string, void> {
  let told: JsonObject | null = null;
  let last: JsonObject = {};
  try {
    for (let next = first; next.done !== true; next = await stream.next()) {
      const { usage, ...chunk } = next.value;
      const isUsage = Array.isArray(chunk["choices"]) && chunk["choices"].length === 0 && isObject(usage);
      if (isUsage) {
        told = usage;
        last = chunk;
        continue;
      }
      last = chunk;
      yield sseData({ ...chunk, ...ours, ...(wantsUsage ? { usage: usage ?? null } : {}) });
    }
    if (wantsUsage) yield sseData({ ...last, ...ours, choices: [], usage: usageBody(told, stream.usage) });
    yield SSE_DONE;
  } catch (error) {
    const { body } = toWireError(error);
    if (body.error.code !== "cancelled") {
      context.log.error({ code: body.error.code, reason: String(error) }, "stream failed");
      yield sseData(body);
    }
  } finally {
    await stream.return();
    open.done();
  }
}

/** As the other server told it, else as it was counted here; with how it fared. */
function usageBody(told: unknown, counted: TextUsage | null): JsonObject {
  const { promptTokens = 0, completionTokens = 0, slo } = counted ?? {};
  const counts = isObject(told)
    ? told
    : {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      };
  const outcome: SloReport | null = slo === undefined ? null : worstOutcome([slo]);
  return outcome === null ? counts : { ...counts, slo: outcome };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
