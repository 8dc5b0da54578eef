/**
 * The live feed of the server: one connection for all pages, opened again when it is lost. Pages that follow it listen
 * (`onLiveEvent`), others look at what is known (`liveStore`).
 *
 *   const sample = liveStore.lastSample("punctual-small");
 */
import { effect, signal, untracked } from "@preact/signals";
import type { LiveEvent } from "@protocol";
import { ApiError, isAbort, streamEvents } from "./api.ts";
import { nowMs } from "./clock.ts";
import { apiKey } from "./key.ts";
import { LiveStore, type HelloEvent } from "./live-store.ts";

/** Where the connection is. `locked`: the server wants a key and was given none. */
export type Connection = "connecting" | "open" | "lost" | "locked";

/** What the feed has told so far. */
export const liveStore = new LiveStore();
/** The connection; the shell shows it. */
export const connection = signal<Connection>("connecting");
/** The server's last introduction, or null before the first. */
export const liveHello = signal<HelloEvent | null>(null);
/** How often the server was found restarted while this page was open. */
export const restarts = signal(0);

/** A feed says something every two seconds; after so long a silence the connection is taken for dead. */
const SILENCE_MS = 12_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

/** How long to wait before the attempt after so many failed ones: 250 ms, doubling, at most 5 s. */
export function retryDelayMs(failures: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1));
}

const listeners = new Set<(event: LiveEvent) => void>();

/**
 * Tells a listener every event from now on, until the returned function is called; first of all what is already known,
 * as events. For pages that keep a history of their own; most read `liveStore`.
 */
export function onLiveEvent(listener: (event: LiveEvent) => void): () => void {
  for (const event of liveStore.replay()) listener(event);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

let isStarted = false;
let wake: (() => void) | null = null;

/** Connects and stays connected until the page is closed; further calls do nothing. */
export function startLive(): void {
  if (isStarted) return;
  isStarted = true;
  void stayConnected();
  effect(() => {
    if (apiKey.value !== null && untracked(() => connection.value) === "locked") retryNow();
  });
  addEventListener("online", retryNow);
}

/** Tries again at once instead of when the wait is over. */
export function retryNow(): void {
  wake?.();
}

async function stayConnected(): Promise<never> {
  let failures = 0;
  let lastId = "";
  for (;;) {
    try {
      for await (const { event, id } of liveEvents(lastId)) {
        if (id !== "") lastId = id;
        failures = 0;
        connection.value = "open";
        take(event);
      }
    } catch (error) {
      connection.value = error instanceof ApiError && error.status === 401 ? "locked" : "lost";
      if (!(error instanceof ApiError) && !isAbort(error)) reportError(error); // a bug of ours: shown, and tried again
    }
    if (connection.value === "open") connection.value = "lost";
    failures += 1;
    await pause(connection.value === "locked" ? null : retryDelayMs(failures));
  }
}

/** One connection's events. A connection that falls silent is given up. */
async function* liveEvents(lastId: string): AsyncGenerator<{ event: LiveEvent; id: string }, void> {
  const gone = new AbortController();
  let heardMs = nowMs();
  const watch = setInterval(() => {
    if (connection.value === "open" && nowMs() - heardMs > SILENCE_MS) gone.abort();
  }, 1000);
  try {
    const headers: Record<string, string> = lastId === "" ? {} : { "last-event-id": lastId };
    for await (const { data, id } of streamEvents("admin/live", { headers, signal: gone.signal })) {
      heardMs = nowMs();
      yield { event: JSON.parse(data) as LiveEvent, id };
    }
  } finally {
    clearInterval(watch);
    gone.abort();
  }
}

function take(event: LiveEvent): void {
  if (liveStore.apply(event)) restarts.value += 1;
  if (liveHello.peek() !== liveStore.hello) liveHello.value = liveStore.hello;
  for (const listener of listeners) listener(event);
}

/** Waits, null: until it is woken. */
async function pause(delayMs: number | null): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await new Promise<void>((resolve) => {
    wake = resolve;
    if (delayMs !== null) timer = setTimeout(resolve, delayMs);
  });
  clearTimeout(timer);
  wake = null;
}
