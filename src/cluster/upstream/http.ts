/**
 * One request to another server over node:http, and its answer as it comes: no buffering of streams, every wait limited, and
 * a connection that is closed as soon as nobody wants the answer any more.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { PunctualError } from "../../core/index.ts";

/** How long what may take. Milliseconds. */
export interface UpstreamTimeouts {
  /** To a connection. 5000 when absent. */
  readonly connectMs?: number;
  /** From the request to its first token, or to a whole answer's first byte. 120 000 when absent. */
  readonly firstTokenMs?: number;
  /** Between two tokens. 30 000 when absent. */
  readonly betweenTokensMs?: number;
}

/** Timeouts with their defaults. */
export type Timeouts = Required<UpstreamTimeouts>;

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5000, firstTokenMs: 120_000, betweenTokensMs: 30_000 };

/** An answer whose head has come. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly isStream: boolean;
  /** From Retry-After; null when it does not say. */
  readonly retryAfterMs: number | null;
  /** Bytes as they come. Ends, or throws `upstream_failed` when the connection breaks. */
  readonly body: IncomingMessage;
  /** Closes the connection. */
  close(): void;
}

/** A failure on the way: whether another instance may be tried is the caller's to say. */
export const brokenUpstream = (message: string, cause?: unknown): PunctualError =>
  new PunctualError("upstream_failed", message, cause === undefined ? {} : { cause });

/** A client of one server. Dispose of it when done: it holds idle connections. */
export class UpstreamHttp implements Disposable {
  readonly #base: string;
  readonly #key: string | null;
  readonly #agent: HttpAgent;

  constructor(base: string, key: string | null) {
    this.#base = base;
    this.#key = key;
    const options = { keepAlive: true, maxFreeSockets: 64, scheduling: "lifo" as const };
    this.#agent = base.startsWith("https:") ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /**
   * Resolves with the head of the answer, whatever its status.
   * @param path behind /v1, without a slash before it; with one, behind what /v1 stands behind
   * @throws PunctualError upstream_failed; cancelled when the signal fires.
   */
  send(
    method: "GET" | "POST",
    path: string,
    body: string | null,
    limits: Pick<Timeouts, "connectMs" | "firstTokenMs">,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancelled());
      this.#open(method, path, body, limits, signal, { resolve, reject }, true);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #open(
    method: "GET" | "POST",
    path: string,
    body: string | null,
    limits: Pick<Timeouts, "connectMs" | "firstTokenMs">,
    signal: AbortSignal,
    settle: { resolve(answer: UpstreamAnswer): void; reject(error: Error): void },
    mayRepeat: boolean,
  ): void {
    const create = this.#base.startsWith("https:") ? httpsRequest : httpRequest;
    const url = path.startsWith("/") ? `${this.#base.replace(/\/v1$/, "")}${path}` : `${this.#base}/${path}`;
    const request = create(url, { method, agent: this.#agent, headers: this.#headers(body) });
    const wait = new Wait(request, limits);
    const onAbort = (): void => {
      request.destroy();
      wait.end();
      settle.reject(cancelled());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    request.once("response", (response) => {
      wait.end();
      const close = (): void => {
        signal.removeEventListener("abort", onAbort);
        request.destroy();
      };
      response.once("close", () => signal.removeEventListener("abort", onAbort));
      settle.resolve(answerOf(response, close));
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      wait.end();
      signal.removeEventListener("abort", onAbort);
      // A kept-alive connection that the other side had just closed: the request was never read.
      const isStale = mayRepeat && request.reusedSocket && error.code === "ECONNRESET" && !signal.aborted;
      if (isStale) this.#open(method, path, body, limits, signal, settle, false);
      else settle.reject(wait.late ?? brokenUpstream(`the upstream cannot be reached: ${why(error)}`, error));
    });
    request.end(body ?? undefined);
  }

  #headers(body: string | null): Record<string, string> {
    return {
      accept: "text/event-stream, application/json",
      ...(this.#key === null ? {} : { authorization: `Bearer ${this.#key}` }),
      ...(body === null
        ? {}
        : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
    };
  }
}

/** Gives a request up that takes too long to connect, or to be answered. */
class Wait {
  readonly #request: ClientRequest;
  readonly #timers = new Set<NodeJS.Timeout>();
  late: PunctualError | null = null;

  constructor(request: ClientRequest, { connectMs, firstTokenMs }: Pick<Timeouts, "connectMs" | "firstTokenMs">) {
    this.#request = request;
    const connect = this.#limit(connectMs, `no connection within ${connectMs} ms`);
    this.#limit(firstTokenMs, `no answer within ${firstTokenMs} ms`);
    request.once("socket", (socket) => {
      const connected = (): void => clearTimeout(connect);
      if (socket.connecting) socket.once("connect", connected);
      else connected();
    });
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #limit(ms: number, message: string): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.late = brokenUpstream(`the upstream is too slow: ${message}`);
      this.#request.destroy(this.late);
    }, ms);
    this.#timers.add(timer);
    return timer;
  }
}

function answerOf(response: IncomingMessage, close: () => void): UpstreamAnswer {
  const seconds = Number(response.headers["retry-after"] ?? Number.NaN);
  const ms = Number(response.headers["retry-after-ms"] ?? Number.NaN);
  const retryAfterMs = Number.isFinite(ms) ? ms : Number.isFinite(seconds) ? seconds * 1000 : null;
  return {
    status: response.statusCode ?? 0,
    isStream: (response.headers["content-type"] ?? "").includes("text/event-stream"),
    retryAfterMs,
    body: response,
    close,
  };
}

const cancelled = (): PunctualError => new PunctualError("cancelled", "the request was cancelled");

/** Of several addresses that were tried in vain Node tells a list without a text. */
function why(error: NodeJS.ErrnoException): string {
  return error.message === "" ? (error.code ?? "unknown error") : error.message;
}
