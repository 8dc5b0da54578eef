/**
 * Requests to the server that served this page. Answers are typed by the protocol's types and not checked again: page
 * and server come from one build. Every failure is an ApiError.
 */
import type { ErrorBody } from "@protocol";
import { apiKey, askKey } from "./key.ts";
import { readSse, type SseEvent } from "./sse.ts";

/** Why a request failed, in the words of the server where it said any. */
export class ApiError extends Error {
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  /** The code of the server's error table, or "unreachable". */
  readonly code: string;
  /** The field at fault, or null. */
  readonly param: string | null;
  /** How long the server asks to wait, or null. */
  readonly retryAfterMs: number | null;
  /** The request's id, to find it in the log, or null. */
  readonly requestId: string | null;

  constructor(
    message: string,
    facts: {
      status: number;
      code: string;
      param?: string | null;
      retryAfterMs?: number | null;
      requestId?: string | null;
    },
  ) {
    super(message);
    this.name = "ApiError";
    this.status = facts.status;
    this.code = facts.code;
    this.param = facts.param ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.requestId = facts.requestId ?? null;
  }
}

/** What a request is, beside its path. */
export interface ApiRequest {
  /** GET when absent, POST when there is a body. */
  readonly method?: "GET" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: Blob;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** True: a refused key is an error, without asking for another. */
  readonly isSilent?: boolean;
}

/** The address of a path of the server, also behind a proxy's prefix. */
export function addressOf(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}

/** Sends a request with the key, asks for one when it is refused, and resolves to an answer with a good status. */
export async function send(path: string, request: ApiRequest = {}): Promise<Response> {
  for (;;) {
    const key = apiKey.value;
    const response = await attempt(path, request, key);
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.status !== 401 || request.isSilent === true) throw error;
    if ((await askKey(key)) === null) throw error;
    request.signal?.throwIfAborted();
  }
}

async function attempt(path: string, request: ApiRequest, key: string | null): Promise<Response> {
  const { body, raw, headers, signal } = request;
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  try {
    return await fetch(addressOf(path), {
      method: request.method ?? (content === undefined ? "GET" : "POST"),
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(content === undefined ? {} : { body: content }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError("The server cannot be reached.", { status: 0, code: "unreachable" });
  }
}

/** The error of an answer with a bad status. */
export async function errorOf(response: Response): Promise<ApiError> {
  const facts = {
    status: response.status,
    retryAfterMs: retryAfterOf(response.headers),
    requestId: response.headers.get("x-request-id"),
  };
  const text = await response.text().catch(() => "");
  const said = readError(text);
  if (said !== null) return new ApiError(said.message, { ...facts, code: said.code ?? said.type, param: said.param });
  return new ApiError(`The server answered with status ${response.status}.`, { ...facts, code: "http" });
}

/** The error object in a text, or null when it holds none. */
export function readError(text: string): ErrorBody["error"] | null {
  try {
    const body = JSON.parse(text) as Partial<ErrorBody> | null;
    return typeof body?.error?.message === "string" ? body.error : null;
  } catch {
    return null; // a proxy's page
  }
}

/** How long an answer asks to wait, milliseconds: the finer header first. */
export function retryAfterOf(headers: Headers): number | null {
  const fine = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(fine)) return fine;
  const coarse = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(coarse) ? coarse * 1000 : null;
}

/** True for what an aborted request throws. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** GETs JSON. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, { signal });
  return (await response.json()) as T;
}

/** POSTs JSON and reads JSON. */
export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(path, { body, signal });
  return (await response.json()) as T;
}

/** The events of a streamed answer; leaving the loop closes the connection. `onOpen` sees the answer's headers first. */
export async function* streamEvents(
  path: string,
  request: ApiRequest = {},
  onOpen?: (response: Response) => void,
): AsyncGenerator<SseEvent, void> {
  const response = await send(path, { ...request, headers: { accept: "text/event-stream", ...request.headers } });
  onOpen?.(response);
  if (response.body === null) return;
  try {
    yield* readSse(response.body);
  } catch (error) {
    if (isAbort(error) || error instanceof ApiError) throw error;
    const message = "The connection was lost before the answer had ended.";
    throw new ApiError(message, { status: 0, code: "unreachable", requestId: response.headers.get("x-request-id") });
  }
}
