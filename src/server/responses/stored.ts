/** What can be done with a kept response: read, deleted, cancelled, and asked for what it was given. */
import { fail } from "../../core/index.ts";
import type { ResponsesContext } from "./create.ts";
import { isRunning } from "./store.ts";

/** GET /v1/responses/{id}. Errors: `not_found`; `unsupported_parameter` for a replay of its stream. */
export function readResponse({ store, owner }: ResponsesContext, id: string, query: URLSearchParams): Response {
  if (query.get("stream") === "true") {
    fail("unsupported_parameter", "Unsupported parameter 'stream': a kept response is not streamed again.", {
      param: "stream",
    });
  }
  return Response.json(store.get(id, owner).body);
}

/** DELETE /v1/responses/{id}; a running one is cancelled. Errors: `not_found`. */
export function deleteResponse({ store, owner }: ResponsesContext, id: string): Response {
  store.delete(id, owner);
  return Response.json({ id, object: "response", deleted: true });
}

/**
 * POST /v1/responses/{id}/cancel: any running response, in the background or not; cancelling twice is no error.
 * Errors: `not_found`; `invalid_request` for one that has ended otherwise.
 */
export function cancelResponse({ store, owner }: ResponsesContext, id: string): Response {
  const found = store.get(id, owner);
  if (isRunning(found.body)) {
    found.cancel();
    return Response.json(store.get(id, owner).body);
  }
  if (found.body.status === "cancelled") return Response.json(found.body);
  return fail("invalid_request", `The response '${id}' is ${found.body.status} already and cannot be cancelled.`, {
    param: "response_id",
  });
}

const MOST_ITEMS = 100;
const DEFAULT_ITEMS = 20;

/** GET /v1/responses/{id}/input_items: what that request itself brought, newest first unless `order` is "asc". */
export function listInputItems({ store, owner }: ResponsesContext, id: string, query: URLSearchParams): Response {
  const { input } = store.get(id, owner);
  const order = query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") refuse("order", `'asc' or 'desc'`, order);
  const limit = Number(query.get("limit") ?? DEFAULT_ITEMS);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MOST_ITEMS))
    refuse("limit", `1 to ${MOST_ITEMS}`, `${limit}`);
  const items = input.map(({ item }) => item);
  if (order === "desc") items.reverse();
  const after = query.get("after");
  const start = after === null ? 0 : items.findIndex((item) => item.id === after) + 1;
  if (after !== null && start === 0) refuse("after", "the id of an item of this response", after);
  const data = items.slice(start, start + limit);
  return Response.json({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < items.length,
  });
}

function refuse(param: string, expected: string, got: string): never {
  fail("invalid_request", `Invalid '${param}': expected ${expected}, got '${got.slice(0, 128)}'.`, { param });
}
