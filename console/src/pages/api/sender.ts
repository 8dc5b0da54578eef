/** Sends one request at a time and shows its answer as it comes: status, headers, and bounded text. */
import { useEffect, useRef, useState } from "preact/hooks";
import { addressOf, isAbort } from "../../lib/api.ts";
import { nowMs } from "../../lib/clock.ts";
import { apiKey, askKey } from "../../lib/key.ts";
import { SseParser } from "../../lib/sse.ts";
import { append, textOfEvent, type ShownText } from "./answer.ts";
import type { ReadyRequest } from "./request.ts";

/** An answer, complete or on its way. */
export interface ShownAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly isStream: boolean;
  readonly body: ShownText;
  /** What the pieces of a stream say together; "" for other answers. */
  readonly said: ShownText;
  /** Milliseconds from sending to the headers, and to the end; null while it lasts. */
  readonly headMs: number;
  readonly endMs: number | null;
  /** Why it ended early, in plain words. */
  readonly problem: string | null;
}

/** What a component gets. */
export interface Sender {
  readonly answer: ShownAnswer | null;
  readonly isSending: boolean;
  readonly send: (request: ReadyRequest) => Promise<void>;
  readonly stop: () => void;
}

const NOTHING: ShownText = { text: "", omitted: 0 };
/** A stream is shown again at most so often, milliseconds. */
const SHOW_MS = 60;

/** The sender of a component; leaving the component stops what is under way. */
export function useSender(): Sender {
  const [answer, setAnswer] = useState<ShownAnswer | null>(null);
  const [isSending, setSending] = useState(false);
  const current = useRef<AbortController | null>(null);
  useEffect(() => () => current.current?.abort(), []);
  const send = async (request: ReadyRequest): Promise<void> => {
    current.current?.abort();
    const gone = new AbortController();
    current.current = gone;
    setSending(true);
    setAnswer(null);
    const show = (shown: ShownAnswer): void => {
      if (current.current === gone) setAnswer(shown);
    };
    try {
      await follow(request, gone.signal, show);
    } finally {
      if (current.current === gone) setSending(false);
    }
  };
  return { answer, isSending, send, stop: () => current.current?.abort() };
}

async function follow(request: ReadyRequest, signal: AbortSignal, show: (answer: ShownAnswer) => void): Promise<void> {
  const startMs = nowMs();
  let shown = unanswered();
  try {
    const response = await ask(request, signal);
    const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    const { status, statusText } = response;
    shown = { ...shown, status, statusText, isStream, headers: [...response.headers], headMs: nowMs() - startMs };
    show(shown);
    let shownMs = nowMs();
    for await (const next of pieces(response, shown)) {
      shown = next;
      if (nowMs() - shownMs < SHOW_MS) continue;
      shownMs = nowMs();
      show(shown);
    }
  } catch (error) {
    shown = { ...shown, problem: isAbort(error) ? "Stopped." : problemOf(error, shown) };
  }
  show({ ...shown, endMs: nowMs() - startMs });
}

/** Asks for a key once when the server wants one; its refusal is then shown like any other answer. */
async function ask(request: ReadyRequest, signal: AbortSignal): Promise<Response> {
  const key = apiKey.value;
  const response = await attempt(request, signal, key);
  if (response.status !== 401) return response;
  const given = await askKey(key);
  signal.throwIfAborted();
  if (given === null) return response;
  await response.body?.cancel();
  return attempt(request, signal, given);
}

function attempt(
  { method, path, headers, body }: ReadyRequest,
  signal: AbortSignal,
  key: string | null,
): Promise<Response> {
  const all = { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers };
  return fetch(addressOf(path), { method, headers: all, signal, ...(body === null ? {} : { body }) });
}

async function* pieces(response: Response, from: ShownAnswer): AsyncGenerator<ShownAnswer, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  let shown = from;
  for (;;) {
    const { done, value } = await reader.read();
    const piece = done ? decoder.decode() : decoder.decode(value, { stream: true });
    const said = from.isStream ? parser.push(piece).map(({ data }) => textOfEvent(data)) : [];
    shown = { ...shown, body: append(shown.body, piece), said: append(shown.said, said.join("")) };
    yield shown;
    if (done) return;
  }
}

function unanswered(): ShownAnswer {
  return {
    status: 0,
    statusText: "",
    headers: [],
    isStream: false,
    body: NOTHING,
    said: NOTHING,
    headMs: 0,
    endMs: null,
    problem: null,
  };
}

function problemOf(error: unknown, shown: ShownAnswer): string {
  if (shown.status === 0) return "The server cannot be reached, or the browser would not send this.";
  return `The answer broke off: ${error instanceof Error ? error.message : String(error)}`;
}
