/**
 * POST /admin/models/pull: brings a model from a hub, told while it goes on, and serves it from then on. A client that
 * closes the connection ends it; what has come is kept for the next try.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../../core/index.ts";
import { CONSOLE_LIMITS, parsePullRequest, toWireError, type PullEvent } from "../../protocol/index.ts";
import { parseHubReference, type PullProgress } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import type { OpenRequest, OpenRequests, ServerContext } from "../context.ts";
import { SSE_HEADERS, sseData, sseStream } from "../sse.ts";
import type { ModelControl } from "./models.ts";

/** Between two events of progress, milliseconds. */
const QUIET_MS = 100;

/** The pulls of one server. */
export class Pulls {
  readonly #control: ModelControl;
  readonly #requests: OpenRequests;
  #running = 0;

  constructor(control: ModelControl, requests: OpenRequests) {
    this.#control = control;
    this.#requests = requests;
  }

  /** Errors: `unsupported` where nothing can be pulled, `invalid_request`, `queue_full`; later ones are events. */
  async answer(context: ServerContext, incoming: Request): Promise<Response> {
    const { source } = parsePullRequest(await readJson(incoming, context.bodyLimitBytes));
    const { pool, pull } = this.#control;
    if (pool === null || pull === null) return fail("unsupported", "This server pulls no models.");
    parseHubReference(source); // refused now, not in the stream
    if (this.#running >= CONSOLE_LIMITS.pulls) {
      return fail("queue_full", `${CONSOLE_LIMITS.pulls} models are being pulled already.`, { retryAfterMs: 5000 });
    }
    const open = this.#requests.open(incoming.signal);
    this.#running += 1;
    const events = this.#events(context, source, open);
    return new Response(
      sseStream(events, () => open.abort()),
      { headers: SSE_HEADERS },
    );
  }

  async *#events(context: ServerContext, source: string, open: OpenRequest): AsyncGenerator<string, void> {
    const progress = new LatestProgress();
    let result: PullEvent | null = null;
    const work = this.#pull(context, source, open.signal, progress).then((event) => {
      result = event;
      progress.end();
    });
    try {
      while (await progress.next()) {
        yield sseData(eventOf(progress.take()));
        await sleep(QUIET_MS, undefined, { signal: open.signal }).catch(() => undefined); // cut short when it is over
      }
      if (result !== null && !open.signal.aborted) yield sseData(result);
    } finally {
      open.abort(); // whoever leaves early ends it
      await work;
      this.#running -= 1;
      open.done();
    }
  }

  /** Never throws: what went wrong is the last event. */
  async #pull(
    { log }: ServerContext,
    source: string,
    signal: AbortSignal,
    progress: LatestProgress,
  ): Promise<PullEvent> {
    const { pool, pull, serve } = this.#control;
    try {
      const model = await pull!(source, { signal, onProgress: (event) => progress.put(event) });
      const id = model.name;
      const known = pool!.status().some(({ name }) => name === id);
      // Served already: what was pulled is used when it is loaded the next time.
      if (!known) serve(await pool!.add(model));
      log.info({ model: id }, "model pulled");
      return { kind: "done", id };
    } catch (error) {
      const { body } = toWireError(error);
      if (body.error.code !== "cancelled") log.error({ source, reason: String(error) }, "pull failed");
      return { kind: "failed", error: body.error };
    }
  }
}

function eventOf(progress: PullProgress): PullEvent {
  if (progress.kind === "waiting") return progress;
  const { file, doneBytes, totalBytes } = progress;
  return { kind: "progress", file, doneBytes, totalBytes };
}

/** The latest word only: a slow reader gets less of it, not more at once. */
class LatestProgress {
  #latest: PullProgress | null = null;
  #wake: (() => void) | null = null;
  #ended = false;

  put(progress: PullProgress): void {
    this.#latest = progress;
    this.#rouse();
  }

  end(): void {
    this.#ended = true;
    this.#rouse();
  }

  /** Waits until there is one; false when there will be none any more. */
  async next(): Promise<boolean> {
    while (this.#latest === null && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#latest !== null;
  }

  take(): PullProgress {
    const latest = this.#latest!;
    this.#latest = null;
    return latest;
  }

  #rouse(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
