/**
 * One streaming request over node:http, with as little between socket and clock as possible: kept-alive connections,
 * one reading of the clock per piece of data, nothing computed that the measurement does not need.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { fail, PunctualError } from "../core/index.ts";
import { errorMessage, StreamedAnswer } from "./answer.ts";
import { SseParser } from "../protocol/index.ts";
import type { EndpointKind, Failure, Outcome, ScheduledRequest, Target, Timing, WireRequest } from "./types.ts";

const PATHS: Readonly<Record<EndpointKind, string>> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
};
/** An error body is read up to this many characters. */
const MAX_ERROR_CHARACTERS = 4096;
/** A plain JSON answer is read up to this many characters. */
const MAX_JSON_CHARACTERS = 4 * 1024 * 1024;

/** How one request is sent. */
export interface SendOptions {
  /** The run's clock at its start: outcomes count from there. */
  readonly originMs: number;
  readonly timeoutMs: number;
  readonly keepText: boolean;
  /** Stops the request; the outcome is then a failure of kind "stopped". */
  readonly signal?: AbortSignal;
}

/** A client of one endpoint. Dispose of it when the run is over: it holds idle connections. */
export class LoadClient {
  readonly #url: URL;
  readonly #target: Target;
  readonly #timing: Timing;
  readonly #agent: HttpAgent;

  constructor(target: Target, timing: Timing) {
    this.#target = target;
    this.#timing = timing;
    this.#url = endpointUrl(target.url, target.path ?? PATHS[target.endpoint]);
    const options = { keepAlive: true, maxSockets: Infinity, maxFreeSockets: 4096, scheduling: "lifo" as const };
    this.#agent =
      this.#url.protocol === "https:"
        ? new HttpsAgent({ ...options, rejectUnauthorized: target.insecure !== true })
        : new HttpAgent(options);
  }

  /** Sends a request and follows its stream to the end. Never rejects: what goes wrong is in the outcome. */
  send(scheduled: ScheduledRequest, wire: WireRequest, options: SendOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      const exchange = new Exchange(scheduled, options, () => this.#timing.clock.nowMs() - options.originMs, resolve);
      this.#open(exchange, wire, options, true);
      exchange.limit(this.#timing, options, scheduled.request.cancelAfterMs);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #open(exchange: Exchange, wire: WireRequest, options: SendOptions, mayRetry: boolean): void {
    const create = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    const headers = {
      "content-type": "application/json",
      accept: "text/event-stream",
      ...this.#target.headers,
      ...wire.headers,
      "content-length": String(Buffer.byteLength(wire.body)),
    };
    const request = create(this.#url, { method: "POST", agent: this.#agent, headers });
    exchange.follow(request);
    request.on("response", (response) => exchange.response(response));
    request.on("error", (error: NodeJS.ErrnoException) => {
      // A kept-alive connection that the server had just closed: the request was never read, so it is sent again.
      const isStale = request.reusedSocket && error.code === "ECONNRESET" && !exchange.hasResponse;
      if (isStale && mayRetry && !exchange.isOver) this.#open(exchange, wire, options, false);
      else exchange.fail("connection", error.message || String(error.code));
    });
    request.end(wire.body);
  }
}

/** Resolves the endpoint's address. @throws PunctualError invalid_request for what is no HTTP address. */
export function endpointUrl(base: string, path: string): URL {
  let url: URL;
  try {
    url = new URL(base);
  } catch {
    return fail("invalid_request", `url: expected http://host:port, got "${base}"`, { param: "url" });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return fail("invalid_request", `url: expected http or https, got "${base}"`, { param: "url" });
  }
  const prefix = url.pathname.replace(/\/+$/, "");
  // People give the base address of OpenAI's clients as often as the server's own.
  url.pathname = prefix.endsWith("/v1") && path.startsWith("/v1/") ? prefix + path.slice(3) : prefix + path;
  return url;
}

/** One request from sending to its outcome. */
class Exchange {
  readonly #scheduled: ScheduledRequest;
  readonly #answer: StreamedAnswer;
  readonly #now: () => number;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #sentMs: number;
  readonly #over = new AbortController();
  #request: ClientRequest | null = null;
  #ackMs: number | null = null;
  #lastMs: number | null = null;
  #status = 0;
  isOver = false;

  constructor(
    scheduled: ScheduledRequest,
    options: SendOptions,
    now: () => number,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#scheduled = scheduled;
    this.#answer = new StreamedAnswer(options.keepText);
    this.#now = now;
    this.#resolve = resolve;
    this.#sentMs = now();
  }

  get hasResponse(): boolean {
    return this.#ackMs !== null;
  }

  follow(request: ClientRequest): void {
    this.#request = request;
  }

  /** Ends by timeout, by the trace's own cancellation, or because the run stops. */
  limit(timing: Timing, { timeoutMs, signal }: SendOptions, cancelAfterMs: number | undefined): void {
    if (cancelAfterMs !== undefined && cancelAfterMs < timeoutMs) {
      void timing.sleep(cancelAfterMs, this.#over.signal).then(() => this.#finish(null, true));
    } else if (timeoutMs < Infinity) {
      void timing.sleep(timeoutMs, this.#over.signal).then(() => this.fail("timeout", `no end within ${timeoutMs} ms`));
    }
    const stop = (): void => this.fail("stopped", "the run was stopped");
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true, signal: this.#over.signal });
  }

  response(response: IncomingMessage): void {
    this.#ackMs = this.#now();
    this.#status = response.statusCode ?? 0;
    response.setEncoding("utf8");
    const type = response.headers["content-type"] ?? "";
    if (this.#status !== 200) this.#collect(response, MAX_ERROR_CHARACTERS, (body) => this.#refused(response, body));
    else if (type.includes("text/event-stream")) this.#stream(response);
    else this.#collect(response, MAX_JSON_CHARACTERS, (body) => this.#wholeAnswer(body));
  }

  #stream(response: IncomingMessage): void {
    let atMs = 0;
    const parser = new SseParser((data, name) => this.#answer.event(data, name, atMs));
    response.on("data", (chunk: string) => {
      atMs = this.#now();
      try {
        parser.push(chunk);
      } catch (error) {
        if (!(error instanceof PunctualError)) throw error;
        this.fail("bad_stream", error.message);
        return;
      }
      this.#lastMs = this.#answer.chunkMs.at(-1) ?? this.#lastMs;
      // The rest of the connection is not waited for: a server may keep it open after the last event.
      if (this.#answer.isDone) this.#finish(this.#verdict());
    });
    response.on("end", () => this.#finish(this.#verdict()));
    response.on("error", () => this.#finish(this.#verdict()));
    response.on("close", () => this.#finish(this.#verdict()));
  }

  /** What a stream that has ended amounts to. */
  #verdict(): Failure | null {
    const { error, isBroken, isDone, finishReason, outputTokens } = this.#answer;
    if (error !== null) return this.#failure("stream_error", error);
    if (isBroken) return this.#failure("bad_stream", "an event that is no JSON object");
    if (!isDone && finishReason === null)
      return this.#failure("stream_cut", "the stream ended without a finish reason");
    if (outputTokens === 0) return this.#failure("empty", "the answer has no tokens");
    return null;
  }

  #collect(response: IncomingMessage, limit: number, done: (body: string) => void): void {
    let body = "";
    response.on("data", (chunk: string) => {
      if (body.length < limit) body += chunk.slice(0, limit - body.length);
    });
    response.on("end", () => done(body));
    response.on("error", (error) => this.fail("connection", error.message));
  }

  #refused(response: IncomingMessage, body: string): void {
    let message = body;
    try {
      message = errorMessage(JSON.parse(body));
    } catch {
      message = body.slice(0, 300); // plain text is a message too
    }
    const seconds = Number(response.headers["retry-after"]);
    const failure = this.#failure("status", message);
    this.#finish({ ...failure, retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null });
  }

  /** A server that does not stream: everything came at once. */
  #wholeAnswer(body: string): void {
    const atMs = this.#now();
    let answer: unknown;
    try {
      answer = JSON.parse(body);
    } catch {
      this.fail("bad_stream", "the answer is neither an event stream nor JSON");
      return;
    }
    const { choices, usage, error, metrics, timings } = answer as {
      choices?: { readonly message?: unknown }[];
      usage?: object;
      error?: unknown;
      metrics?: unknown;
      timings?: unknown;
    };
    const asDeltas = Array.isArray(choices) ? choices.map((choice) => ({ ...choice, delta: choice.message })) : [];
    this.#answer.event(JSON.stringify({ choices: asDeltas, error }), "", atMs);
    this.#answer.event(JSON.stringify({ choices: [], usage, metrics, timings }), "", atMs);
    this.#answer.isDone = true;
    this.#lastMs = atMs;
    this.#finish(this.#verdict());
  }

  fail(kind: Failure["kind"], message: string): void {
    this.#finish(this.#failure(kind, message));
  }

  #failure(kind: Failure["kind"], message: string): Failure {
    return { kind, status: this.#status, message, retryAfterMs: null };
  }

  #finish(failure: Failure | null, cancelled = false): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#over.abort();
    const answer = this.#answer;
    const isWhole = failure === null && !cancelled;
    if (!isWhole) this.#request?.destroy();
    this.#resolve({
      request: this.#scheduled.request,
      dueMs: this.#scheduled.dueMs,
      sentMs: this.#sentMs,
      ackMs: this.#ackMs,
      firstMs: answer.chunkMs[0] ?? null,
      endMs: isWhole ? (this.#lastMs ?? this.#now()) : this.#now(),
      promptTokens: answer.promptTokens,
      outputTokens: answer.outputTokens,
      counted: answer.counted,
      chunkMs: answer.chunkMs,
      chunkTokens: answer.chunkTokens,
      finishReason: answer.finishReason,
      failure,
      cancelled,
      slo: answer.slo,
      text: answer.text,
      ...(answer.speculation === null ? {} : { speculation: answer.speculation }),
    });
  }
}
