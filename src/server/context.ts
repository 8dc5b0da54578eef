/** What every handler of one server shares: its models, its clock, its counters and the requests under way. */
import { fail, PunctualError, type Clock } from "../core/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { HttpMetrics } from "./metrics.ts";

/** Where the server says what happened. Prompts and answers are never passed to it. */
export interface ServerLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** A log that keeps quiet. */
export const SILENT_LOG: ServerLog = { info: () => undefined, error: () => undefined };

export interface ServerContext {
  readonly engines: ReadonlyMap<string, Engine>;
  readonly clock: Clock;
  /** Unix milliseconds at the clock's zero. */
  readonly unixOriginMs: number;
  /** Most tokens of prompt and answer together, where a model allows more. */
  readonly contextTokens: number;
  readonly bodyLimitBytes: number;
  readonly log: ServerLog;
  readonly http: HttpMetrics;
  readonly requests: OpenRequests;
}

/** Seconds since 1970, as OpenAI's objects carry them. */
export function unixSeconds(context: ServerContext): number {
  return Math.floor((context.unixOriginMs + context.clock.nowMs()) / 1000);
}

/** The engine of that name. Errors: `model_not_found`. */
export function findEngine(context: ServerContext, model: string): Engine {
  const engine = context.engines.get(model);
  if (engine !== undefined) return engine;
  const known = [...context.engines.keys()].map((name) => `'${name}'`).join(", ");
  return fail("model_not_found", `The model '${model}' does not exist; this server has ${known}.`, { param: "model" });
}

/** One generation request under way: `signal` ends it, `done` is called once when it has been answered. */
export interface OpenRequest {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  done(): void;
}

/**
 * The generation requests under way. While draining no new one is opened; what is left at the end of
 * the grace is aborted with the typed error that its client then reads.
 */
export class OpenRequests {
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
    return { signal: controller.signal, abort, done };
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
