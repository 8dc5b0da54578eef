/**
 * Requests for a model that another server computes: the body goes on as it came, the answer comes back as it is said. What is
 * this server's stays here: the model's name, the request's id, the objective and how it fared, limits, counts and traces.
 *
 * A stream that breaks is told as one, by an error and without [DONE]; it never looks whole.
 */
import { fail } from "../../core/index.ts";
import { LIMITS, parseProxiedRequest, toWireError, type ProxiedRequest, type SloReport } from "../../protocol/index.ts";
import type { Engine, JsonObject, TextPath, TextRequest, TextStream, TextUsage } from "../../runtime/index.ts";
import type { OpenRequest, ServerContext, WithProxy } from "../context.ts";
import { requestObjective } from "../objective.ts";
import { SSE_DONE, SSE_HEADERS, sseData, sseStream } from "../sse.ts";
import type { IncomingGeneration } from "./endpoint.ts";
import { worstOutcome } from "./usage.ts";

/** What is not passed on: promises of this server. */
const OURS = new Set(["slo", "service_tier"]);

/** The engine that the body asks for, when another server computes it; null for all others. */
export function proxiedEngine(context: ServerContext, body: unknown): (Engine & WithProxy) | null {
  const model = typeof body === "object" && body !== null ? (body as { model?: unknown }).model : null;
  const engine = typeof model === "string" ? context.engines.get(model) : undefined;
  return engine !== undefined && hasProxy(engine) ? engine : null;
}

function hasProxy(engine: Engine): engine is Engine & WithProxy {
  return engine.proxy !== undefined;
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
function promptOf(body: ProxiedRequest): string {
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
