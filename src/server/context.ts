/** What every handler of one server shares: its models, its clock, its counters and the requests under way. */
import { fail, PunctualError, type Clock } from "../core/index.ts";
import type { Engine, GenerateRequest, TextProxy, TextRequest, TextStream, TokenStream } from "../runtime/index.ts";
import type { HttpMetrics } from "./metrics.ts";
import type { TierObjectives } from "./objective.ts";

/** Where the server says what happened. Prompts and answers are never passed to it. */
export interface ServerLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** A log that keeps quiet. */
export const SILENT_LOG: ServerLog = { info: () => undefined, error: () => undefined };

/**
 * What a handler works with. The application makes one per request (scope.ts): `engines` are those that the caller may
 * use, and `requests` counts against the caller's limits, so that no endpoint can forget to ask.
 */
export interface ServerContext {
  readonly engines: ReadonlyMap<string, Engine>;
  /** Names of models that are still being loaded. */
  readonly expected: ReadonlySet<string>;
  /** Why a model that is not here may still come, or any model when none is named; null: it will not. */
  readonly pending: (model: string | null) => string | null;
  readonly clock: Clock;
  /** Unix milliseconds at the clock's zero. */
  readonly unixOriginMs: number;
  /** Most tokens of prompt and answer together, where a model allows more. */
  readonly contextTokens: number;
  readonly bodyLimitBytes: number;
  /** What the service tiers promise. */
  readonly tiers: TierObjectives;
  readonly log: ServerLog;
  readonly http: HttpMetrics;
  readonly requests: RequestGate;
}

/** Where a handler opens its generation request before it reads the body. */
export interface RequestGate {
  /** Errors: `shutting_down`; `rate_limit_exceeded` for a caller beyond its limits. @param client aborts when the client goes away. */
  open(client: AbortSignal): OpenRequest;
}

/** Seconds since 1970, as OpenAI's objects carry them. */
export function unixSeconds(context: ServerContext): number {
  return Math.floor((context.unixOriginMs + context.clock.nowMs()) / 1000);
}

/** How long a client waits before it asks again for a model that is being loaded. */
const LOADING_RETRY_MS = 2000;

/** The engine of that name, or whose adapter has it. Errors: `model_not_found`, `engine_failed` while it is being loaded. */
export function findEngine(context: ServerContext, model: string): Engine {
  const engine = context.engines.get(model);
  if (engine !== undefined) return engine;
  const base = [...context.engines.values()].find(({ adapters }) => adapters.some(({ name }) => name === model));
  if (base !== undefined) return base;
  if (context.expected.has(model)) {
    fail("engine_failed", `The model '${model}' is still being loaded.`, { retryAfterMs: LOADING_RETRY_MS });
  }
  const pending = context.pending(model);
  if (pending !== null) fail("engine_failed", pending, { retryAfterMs: LOADING_RETRY_MS });
  const known = [...context.engines.keys()].map((name) => `'${name}'`).join(", ");
  return fail("model_not_found", `The model '${model}' does not exist; this server has ${known}.`, { param: "model" });
}

/** Of a model that another server computes. */
export interface WithProxy {
  readonly proxy: TextProxy;
}

/** One generation request under way: `signal` ends it, `done` is called once when it has been answered. */
export interface OpenRequest {
  readonly signal: AbortSignal;
  /** Hands one generation to an engine: cancelled by `signal`, with the caller's default objective, counted and traced. */
  submit(engine: Engine, request: GenerateRequest): TokenStream;
  /** The same with a request in text, to an engine that has a `proxy`. */
  ask(proxy: Engine & WithProxy, request: TextRequest): TextStream;
  abort(reason?: unknown): void;
  done(): void;
}

/**
 * The generation requests under way. While draining no new one is opened; what is left at the end of
 * the grace is aborted with the typed error that its client then reads.
 */
export class OpenRequests implements RequestGate {
  readonly #open = new Set<AbortController>();
  readonly #waiters: (() => void)[] = [];
  #draining = false;

  get count(): number {
    return this.#open.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Errors: `shutting_down` while draining. @param client aborts when the client goes away. */
  open(client: AbortSignal): OpenRequest {
    if (this.#draining) fail("shutting_down", "The server is shutting down.");
    const controller = new AbortController();
    const abort = (reason?: unknown): void => controller.abort(reason);
    const onClient = (): void => abort(new PunctualError("cancelled", "The client closed the connection."));
    if (client.aborted) onClient();
    else client.addEventListener("abort", onClient, { once: true });
    this.#open.add(controller);
    const done = (): void => {
      client.removeEventListener("abort", onClient);
      if (this.#open.delete(controller) && this.#open.size === 0) for (const wake of this.#waiters.splice(0)) wake();
    };
    const { signal } = controller;
    return {
      signal,
      submit: (engine, request) => engine.submit(request, { signal }),
      ask: ({ proxy }, request) => proxy.ask(request, { signal }),
      abort,
      done,
    };
  }

  /** Refuses new requests from now on; resolves when none is left. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  abortAll(): void {
    const reason = new PunctualError("shutting_down", "The server stopped before this answer was complete.");
    for (const controller of this.#open) controller.abort(reason);
  }
}
