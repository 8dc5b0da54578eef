/** GET /admin/live and GET /admin/requests/{id}: what the server is doing, and what became of one request. */
import { fail } from "../../core/index.ts";
import type { ServerContext } from "../context.ts";
import { SSE_HEADERS, sseStream } from "../sse.ts";
import type { LiveHub } from "./live-hub.ts";
import type { LiveReader } from "./live-reader.ts";

/** A feed of the models that the caller may use, or of one of them. Errors: `model_not_found`, `queue_full`. */
export function answerLive(context: ServerContext, hub: LiveHub, incoming: Request): Response {
  const only = new URL(incoming.url).searchParams.get("model");
  if (only !== null && !context.engines.has(only)) {
    fail("model_not_found", `The model '${only}' does not exist.`, { param: "model" });
  }
  // Nobody would ever read it, or end it.
  if (incoming.method === "HEAD") return new Response(null, { headers: SSE_HEADERS });
  const reader = hub.read({
    wants: (model) => (only === null || only === model) && context.engines.has(model),
    lastEventId: incoming.headers.get("last-event-id") ?? "",
  });
  return new Response(
    sseStream(feed(reader), () => reader.close()),
    { headers: SSE_HEADERS },
  );
}

/** The trace of one request. Errors: `not_found`. */
export function answerRequest(context: ServerContext, hub: LiveHub, id: string): Response {
  const trace = hub.requests.trace(id);
  // Whoever may not use a model learns nothing about its requests either.
  if (trace === null || !context.engines.has(trace.model)) {
    return fail("not_found", `There is no trace of a request '${id}', or no more.`);
  }
  return Response.json(trace, { headers: { "cache-control": "no-store" } });
}

/** Ends when the server or the reader does. Nothing is collected before it is asked for. */
async function* feed(reader: LiveReader): AsyncGenerator<string, void> {
  try {
    while (await reader.next()) yield reader.take();
  } finally {
    reader.close();
  }
}
