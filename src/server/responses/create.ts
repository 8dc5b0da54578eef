/**
 * POST /v1/responses: one response, streamed, waited for, or in the background, and kept unless `store` is false.
 * Whatever ends it, the engine's slot is given back within a step and the store says how it ended.
 */
import { assert, fail, PunctualError } from "../../core/index.ts";
import {
  parseResponseRequest,
  toWireError,
  type ChatRequest,
  type ResponseBody,
  type ResponseEvent,
  type ResponseRequest,
} from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, unixSeconds, type OpenRequest, type ServerContext } from "../context.ts";
import { countForeignTokens } from "../admin/tokenize.ts";
import { ChatChoice, prepareChat, type PreparedChat } from "../openai/chat.ts";
import type { IncomingGeneration } from "../openai/endpoint.ts";
import { generateRequests, mergeStreams, submitAll, type ChoiceEvent } from "../openai/generate.ts";
import { askChat, hasProxy } from "../openai/proxied.ts";
import { endOfReply, type ReplyEvent } from "../openai/reply.ts";
import { requestObjective, type RequestObjective } from "../objective.ts";
import { inWordsOf, renamed } from "../renamed.ts";
import { sseEvent, SSE_HEADERS, sseStream } from "../sse.ts";
import { ResponseBuilder } from "./builder.ts";
import { checkResults, storedInput, storedOutput, type StoredItem } from "./items.ts";
import { chatRequestOf, RESPONSE_FIELDS, wantsLogprobs } from "./request.ts";
import type { ResponseStore } from "./store.ts";

/** What the handlers of /v1/responses have: a context, the store, and whose responses they may see. */
export interface ResponsesContext {
  readonly context: ServerContext;
  readonly store: ResponseStore;
  readonly owner: string | null;
}

/** A request on its way to an engine. */
interface Turn {
  readonly request: ResponseRequest;
  readonly input: readonly StoredItem[];
  readonly conversation: readonly StoredItem[];
  readonly chat: ChatRequest;
  readonly engine: Engine;
  /** Null: another server computes it. */
  readonly prepared: PreparedChat | null;
  readonly objective: RequestObjective;
}

/** Errors: `invalid_request` and the like with `param`; `not_found` for a previous response that is gone. */
function prepareTurn(
  { context, store, owner }: ResponsesContext,
  body: unknown,
  header: IncomingGeneration["header"],
): Turn {
  const request = parseResponseRequest(body);
  const engine = findEngine(context, request.model);
  const input = request.input.map(storedInput);
  const conversation = [...previousItems(store, owner, request.previous_response_id), ...input];
  checkResults(conversation);
  const chat = chatRequestOf(request, conversation);
  const prepared = hasProxy(engine) ? null : inWordsOf(RESPONSE_FIELDS, () => prepareChat(chat, engine));
  const objective = requestObjective(chat, header, context.tiers);
  return { request, input, conversation, chat, engine, prepared, objective };
}

function previousItems(store: ResponseStore, owner: string | null, id: string | null | undefined): StoredItem[] {
  if (id === null || id === undefined) return [];
  const { body, conversation } = store.get(id, owner, "previous_response_id");
  if (body.status === "completed" || body.status === "incomplete") {
    return [...conversation, ...body.output.map(storedOutput)];
  }
  return fail("invalid_request", `The response '${id}' is ${body.status}; expected one that is completed.`, {
    param: "previous_response_id",
  });
}

/** POST /v1/responses/input_tokens: how many tokens the same request would put before the model. */
export async function countInputTokens(responses: ResponsesContext, incoming: IncomingGeneration): Promise<Response> {
  const { context } = responses;
  const open = context.requests.open(incoming.request.signal);
  try {
    const body = await readJson(incoming.request, context.bodyLimitBytes);
    const { prepared, engine, chat } = prepareTurn(responses, body, incoming.header);
    const counted = hasProxy(engine) ? await countForeignTokens(engine, chat, open.signal) : null;
    const count = counted ?? prepared!.prompts[0]!.length;
    return Response.json({ object: "response.input_tokens", input_tokens: count });
  } finally {
    open.done();
  }
}

/** Answers one request. Throws PunctualError as long as no byte of an answer was sent. */
export async function createResponse(responses: ResponsesContext, incoming: IncomingGeneration): Promise<Response> {
  const { context } = responses;
  const client = new Follower(incoming.request.signal);
  const open = context.requests.open(client.signal);
  let handedOver = false;
  try {
    const turn = prepareTurn(responses, await readJson(incoming.request, context.bodyLimitBytes), incoming.header);
    if (turn.request.background === true) client.letGo();
    const run = await startRun(responses, turn, open, incoming);
    if (turn.request.background === true) {
      handedOver = true;
      void run.finish(); // its failure is told by the store
      return Response.json(run.builder.body);
    }
    if (turn.request.stream !== true) return Response.json(await run.whole());
    const first = await run.first(); // a refusal or an early failure is thrown here
    handedOver = true;
    return new Response(
      sseStream(run.stream(first), () => open.abort()),
      { headers: SSE_HEADERS },
    );
  } finally {
    if (!handedOver) open.done();
    client.letGo();
  }
}

/** A signal that follows another until it is let go. */
class Follower {
  readonly #controller = new AbortController();
  readonly #followed: AbortSignal;
  readonly #abort = (): void => this.#controller.abort();

  constructor(followed: AbortSignal) {
    this.#followed = followed;
    if (followed.aborted) this.#abort();
    else followed.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  letGo(): void {
    this.#followed.removeEventListener("abort", this.#abort);
  }
}

async function startRun(
  responses: ResponsesContext,
  turn: Turn,
  open: OpenRequest,
  incoming: IncomingGeneration,
): Promise<Run> {
  const { context, store, owner } = responses;
  const { request, input, conversation } = turn;
  const body = firstBody(turn, `resp_${incoming.requestId}`, unixSeconds(context));
  const builder = new ResponseBuilder(body, wantsLogprobs(request));
  try {
    const events = await replyEvents(turn, open, incoming, context.contextTokens);
    const keep = request.store !== false;
    const run = new Run({ context, open, events, builder, ...(keep ? { store } : {}) });
    const background = request.background === true;
    if (keep) store.add({ id: body.id, owner, body, input, conversation, background, cancel: () => run.cancel() });
    return run;
  } catch (error) {
    throw renamed(RESPONSE_FIELDS, error);
  }
}

/** The reply as it is generated, here or by another server. */
async function replyEvents(
  { engine, prepared, chat, objective }: Turn,
  open: OpenRequest,
  incoming: IncomingGeneration,
  contextTokens: number,
): Promise<AsyncGenerator<ReplyEvent, void>> {
  if (hasProxy(engine)) return askChat(chat, incoming, objective, engine, open);
  assert(prepared !== null, "what is computed here has been prepared");
  const settings = { ...prepared, ...incoming, objective, promptField: "input", contextTokens };
  const requests = generateRequests(engine, chat, prepared.prompts, settings);
  const events = mergeStreams(await submitAll(engine, requests, open), open.signal);
  return readReply(events, new ChatChoice(prepared, engine.tokenizer));
}

async function* readReply(
  events: AsyncGenerator<ChoiceEvent, void>,
  choice: ChatChoice,
): AsyncGenerator<ReplyEvent, void> {
  for await (const { event } of events) yield { ...choice.push(event), finish: endOfReply(event) };
}

interface RunParts {
  readonly context: ServerContext;
  readonly open: OpenRequest;
  readonly events: AsyncGenerator<ReplyEvent, void>;
  readonly builder: ResponseBuilder;
  /** Absent: not kept. */
  readonly store?: ResponseStore;
}

type Next = IteratorResult<ReplyEvent, void>;

/** A response while it is being generated. */
class Run {
  readonly #parts: RunParts;
  readonly builder: ResponseBuilder;
  #ended = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.builder = parts.builder;
  }

  /** On request through the interface. */
  cancel(): void {
    if (this.#ended) return;
    this.#keep(this.builder.cancelled());
    this.#parts.open.abort(new PunctualError("cancelled", "The response was cancelled."));
  }

  /** The first event; a failure is told to the store and thrown in the client's words. */
  async first(): Promise<Next> {
    try {
      return await this.#parts.events.next();
    } catch (error) {
      this.#fail(error);
      throw renamed(RESPONSE_FIELDS, error);
    }
  }

  /** To the end, for a client that waits. One that was cancelled through the interface is an answer as well. */
  async whole(): Promise<ResponseBody> {
    try {
      for (let next = await this.first(); next.done !== true; next = await this.first()) this.#push(next.value);
    } catch (error) {
      if (!this.#wasCancelled(error)) throw error;
    }
    this.#end();
    return this.builder.body;
  }

  /** To the end, for nobody. */
  async finish(): Promise<void> {
    try {
      await this.whole();
    } catch (error) {
      this.#log(error);
    } finally {
      this.#parts.open.done();
    }
  }

  /** The stream's text. A failure is told in the stream by one `error` and ends it; it never throws. */
  async *stream(first: Next): AsyncGenerator<string, void> {
    const { events, open } = this.#parts;
    try {
      yield told(this.builder.start());
      for (let next = first; next.done !== true; next = await events.next()) yield told(this.#push(next.value));
      this.#end();
    } catch (error) {
      this.#log(error);
      yield told(this.#fail(error));
    } finally {
      if (!this.#ended) this.#fail(new PunctualError("cancelled", "The client closed the connection."));
      await events.return();
      open.done();
    }
  }

  #push(event: ReplyEvent): ResponseEvent[] {
    return this.builder.push(event, unixSeconds(this.#parts.context));
  }

  #end(): void {
    this.#ended = true;
    this.#keep(this.builder.body);
  }

  #fail(error: unknown): ResponseEvent[] {
    const events = this.builder.fail(toWireError(renamed(RESPONSE_FIELDS, error)).body.error);
    this.#end();
    return events;
  }

  #keep(body: ResponseBody): void {
    this.#parts.store?.update(body.id, body);
  }

  #wasCancelled(error: unknown): boolean {
    return error instanceof PunctualError && error.code === "cancelled" && error === this.#parts.open.signal.reason;
  }

  #log(error: unknown): void {
    const { code } = toWireError(error).body.error;
    if (code !== "cancelled") this.#parts.context.log.error({ code, reason: String(error) }, "response failed");
  }
}

function told(events: readonly ResponseEvent[]): string {
  return events.map(sseEvent).join("");
}

/** The response before anything was generated: what was asked, with defaults. */
function firstBody({ request, objective }: Turn, id: string, createdAt: number): ResponseBody {
  return {
    id,
    object: "response",
    created_at: createdAt,
    completed_at: null,
    status: "in_progress",
    background: request.background ?? false,
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    model: request.model,
    output: [],
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null },
    safety_identifier: request.safety_identifier ?? null,
    ...(objective.tier === null ? {} : { service_tier: objective.tier }),
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: request.text?.format ?? { type: "text" }, verbosity: request.text?.verbosity ?? "medium" },
    tool_choice: request.tool_choice ?? "auto",
    tools: request.tools ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    truncation: "disabled",
    usage: null,
    user: request.user ?? null,
    metadata: request.metadata ?? {},
  };
}
