/**
 * The life of a generation request, the same for both endpoints: read, prepare, submit, wait for the
 * first event (so that a refusal still has an HTTP status), then stream or gather. Whatever ends it,
 * the engine's slots are given back within a step.
 */
import {
  toWireError,
  type ErrorBody,
  type GenerationFields,
  type NamedConstraint,
  type ServiceTier,
} from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, unixSeconds, type OpenRequest, type ServerContext, type WithProxy } from "../context.ts";
import { requestObjective } from "../objective.ts";
import { sseData, SSE_HEADERS, sseStream } from "../sse.ts";
import { proxiedEngine } from "./proxied.ts";
import { generateRequests, mergeStreams, submitAll, type ChoiceEvent, type ThinkingBudget } from "./generate.ts";

/** Fields that every answer and every chunk starts with. */
export interface AnswerHead {
  readonly id: string;
  /** Set by the endpoint; here so that it stands second, where people look for it. */
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
  /** The tier that was used, for requests that asked for one. */
  readonly service_tier?: ServiceTier;
}

/** What an endpoint reads out of its request. */
export interface PreparedRequest {
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number | undefined;
  readonly logprobs: number | undefined;
  readonly thinkingBudget: ThinkingBudget | undefined;
  /** A constraint that takes the place of the one that the request's fields ask for. */
  readonly forced?: NamedConstraint | null;
  /** Tokens that must not come. */
  readonly barred?: readonly number[];
  /** What the answer is expected to be, for drafts. */
  readonly prediction?: readonly number[];
}

/** Events to the text of server-sent events; "" when an event shows nothing. */
export interface StreamWriter<E = ChoiceEvent> {
  push(event: E): string;
  /** After the last event of the last choice. */
  end(): string;
  /** A failure in the middle of the stream, which ends by it; OpenAI's error object when absent. */
  failed?(error: ErrorBody): string;
}

/** Events to one answer. */
export interface AnswerCollector<E = ChoiceEvent> {
  push(event: E): void;
  /** After the last event of the last choice. */
  answer(): unknown;
}

/** Answers a request for a model that another server computes, and closes `open` when that is done. */
export type ProxiedAnswer = (
  context: ServerContext,
  body: unknown,
  incoming: IncomingGeneration,
  engine: Engine & WithProxy,
  open: OpenRequest,
) => Promise<Response>;

/** What events of a kind become: a stream, or one answer. */
export interface EventSinks<E> {
  writer(): StreamWriter<E>;
  collector(): AnswerCollector<E>;
}

/**
 * How one endpoint differs from another. `P` is what `prepare` finds out; writer and collector get it back, so that
 * nothing is decided twice.
 */
export interface Endpoint<R extends GenerationFields, P extends PreparedRequest = PreparedRequest> {
  readonly idPrefix: string;
  /** Takes requests for models of other servers. */
  readonly proxied: ProxiedAnswer;
  /** The field that holds the prompt. */
  readonly promptField: string;
  parse(body: unknown): R;
  prepare(request: R, engine: Engine): P;
  writer(request: R, engine: Engine, head: AnswerHead, prepared: P): StreamWriter;
  collector(request: R, engine: Engine, head: AnswerHead, prepared: P): AnswerCollector;
}

/** One request as the server hands it over. */
export interface IncomingGeneration {
  readonly request: Request;
  readonly requestId: string;
  readonly arrivalMs: number;
  readonly header: (name: string) => string | undefined;
}

/** Answers one request. Throws PunctualError as long as no byte of an answer was sent. */
export async function answerGeneration<R extends GenerationFields, P extends PreparedRequest>(
  context: ServerContext,
  endpoint: Endpoint<R, P>,
  incoming: IncomingGeneration,
): Promise<Response> {
  const open = context.requests.open(incoming.request.signal);
  let handedOver = false;
  try {
    const json = await readJson(incoming.request, context.bodyLimitBytes);
    const proxied = proxiedEngine(context, json);
    if (proxied !== null) {
      handedOver = true;
      return await endpoint.proxied(context, json, incoming, proxied, open);
    }
    const body = endpoint.parse(json);
    const engine = findEngine(context, body.model);
    const prepared = endpoint.prepare(body, engine);
    const objective = requestObjective(body, incoming.header, context.tiers);
    const requests = generateRequests(engine, body, prepared.prompts, {
      ...prepared,
      ...incoming,
      objective,
      promptField: endpoint.promptField,
      contextTokens: context.contextTokens,
    });
    const events = mergeStreams(await submitAll(engine, requests, open), open.signal);
    const head: AnswerHead = {
      id: `${endpoint.idPrefix}-${incoming.requestId}`,
      object: "",
      created: unixSeconds(context),
      model: body.model,
      system_fingerprint: `punctual-${engine.info.weights}`,
      ...(objective.tier === null ? {} : { service_tier: objective.tier }),
    };
    handedOver = true;
    return await answerEvents(context, open, events, body.stream === true, {
      writer: () => endpoint.writer(body, engine, head, prepared),
      collector: () => endpoint.collector(body, engine, head, prepared),
    });
  } finally {
    if (!handedOver) open.done();
  }
}

/** Answers with what events become, and closes `open` when that is done. Throws PunctualError as long as no byte was sent. */
export async function answerEvents<E>(
  context: ServerContext,
  open: OpenRequest,
  events: AsyncGenerator<E, void>,
  isStreamed: boolean,
  sinks: EventSinks<E>,
): Promise<Response> {
  let handedOver = false;
  try {
    if (!isStreamed) return Response.json(await gather(events, sinks.collector()));
    const writer = sinks.writer();
    const first = await events.next(); // a refusal or an early failure is thrown here
    const parts = streamParts(context, open, first, events, writer);
    handedOver = true;
    return new Response(
      sseStream(parts, () => open.abort()),
      { headers: SSE_HEADERS },
    );
  } finally {
    if (!handedOver) open.done();
  }
}

/**
 * Does once what the first request would otherwise pay for: schemas compile on their first use, and
 * tokenizer and writer are slow until they have run.
 */
export function warmUp<R extends GenerationFields, P extends PreparedRequest>(
  engine: Engine,
  endpoint: Endpoint<R, P>,
  body: object,
): void {
  const request = endpoint.parse({ ...body, model: engine.info.name, stream: true });
  if (endpoint.promptField !== "prompt" && engine.dialect.kind === "none") return;
  const head: AnswerHead = { id: "", object: "", created: 0, model: "", system_fingerprint: "" };
  endpoint.writer(request, engine, head, endpoint.prepare(request, engine));
}

async function gather<E>(events: AsyncIterable<E>, collector: AnswerCollector<E>): Promise<unknown> {
  for await (const event of events) collector.push(event);
  return collector.answer();
}

/** The stream's text. A failure is told in the stream and ends it without [DONE]; it never throws. */
async function* streamParts<E>(
  context: ServerContext,
  open: OpenRequest,
  first: IteratorResult<E, void>,
  events: AsyncGenerator<E, void>,
  writer: StreamWriter<E>,
): AsyncGenerator<string, void> {
  try {
    for (let next = first; next.done !== true; next = await events.next()) yield writer.push(next.value);
    yield writer.end();
  } catch (error) {
    const { body } = toWireError(error);
    if (body.error.code !== "cancelled") {
      context.log.error({ code: body.error.code, reason: String(error) }, "stream failed");
      yield writer.failed?.(body) ?? sseData(body);
    }
  } finally {
    await events.return();
    open.done();
  }
}
