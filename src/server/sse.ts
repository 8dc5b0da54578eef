/**
 * Server-sent events over a web stream. Each read pulls one event, so a slow reader slows only its own
 * stream: nothing is computed ahead of it here, and the engine's own bounded buffer does the rest.
 */

/** One `data:` event. */
export function sseData(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** One event with a name of its own, which is also its `type`. */
export function sseEvent(value: { readonly type: string }): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

/** The end of a stream that ended well; a failed one ends without it. */
export const SSE_DONE = "data: [DONE]\n\n";

/** Proxies must not buffer, nor caches keep, what is meant to arrive token by token. */
export const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
  // Said explicitly, so that the HTTP adapter writes the head at once instead of looking for a length.
  "transfer-encoding": "chunked",
};

/**
 * Events as a byte stream. `source` must not throw: it turns failures into events. `abandon` is called
 * when the reader goes away before the end; the source is then closed as well, also when nothing was read of it yet:
 * what it does at its end is done in any case.
 */
export function sseStream(source: AsyncGenerator<string, void>, abandon: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let started = false;
  let abandoned = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        started = true;
        const next = await nextVisible(source);
        if (abandoned) return;
        if (next === null) controller.close();
        else controller.enqueue(encoder.encode(next));
      },
      async cancel() {
        abandoned = true;
        abandon(); // first: a pending next() ends by it
        if (!started) await source.next(); // a generator that was never entered has no `finally`
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The next event that has bytes; null at the end. */
async function nextVisible(source: AsyncGenerator<string, void>): Promise<string | null> {
  for (;;) {
    const { done, value } = await source.next();
    if (done === true) return null;
    if (value !== "") return value;
  }
}
