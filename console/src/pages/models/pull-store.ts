/** Models on their way from a hub. They go on when the page is left for another; closing the console cancels them. */
import { signal } from "@preact/signals";
import type { PullEvent } from "@protocol";
import { ApiError, isAbort, streamEvents } from "../../lib/api.ts";
import { refresh } from "./models-store.ts";
import { afterEvent, afterSilence, newPull, type Pull } from "./pull-state.ts";

/** All pulls since the console was opened, newest first; those that ended leave when there are more than eight. */
export const pulls = signal<readonly Pull[]>([]);
const MOST_PULLS = 8;

const under = new Map<string, AbortController>();

/** True while a source is being pulled from here. */
export function isPulling(source: string): boolean {
  return under.has(source);
}

/** Starts a pull; one of the same source that is under way goes on instead. */
export async function pull(source: string): Promise<void> {
  if (under.has(source)) return;
  const gone = new AbortController();
  under.set(source, gone);
  put(newPull(source));
  try {
    const events = streamEvents("/admin/models/pull", { body: { source }, signal: gone.signal });
    for await (const { data } of events) put(afterEvent(current(source), JSON.parse(data) as PullEvent));
    put(afterSilence(current(source)));
  } catch (error) {
    if (isAbort(error))
      put({ ...current(source), state: "cancelled", note: "What has come is kept for the next try." });
    else
      put({
        ...current(source),
        state: "failed",
        note: error instanceof ApiError ? error.message : "The answer could not be read.",
      });
  } finally {
    under.delete(source);
    await refresh();
  }
}

/** Ends a pull by closing its connection. */
export function cancelPull(source: string): void {
  under.get(source)?.abort();
}

function current(source: string): Pull {
  return pulls.peek().find((one) => one.source === source) ?? newPull(source);
}

function put(next: Pull): void {
  const others = pulls.peek().filter(({ source }) => source !== next.source);
  pulls.value = [next, ...others].filter(({ source }, index) => index < MOST_PULLS || under.has(source));
}
