/** One question to the server at a time: a new one cancels the one before, and waits until the hand is at rest. */
import { signal } from "@preact/signals";
import type { PlanEvent, WorldEvent } from "@protocol";
import { ApiError, isAbort, streamEvents } from "../../lib/api.ts";

/** Hears of a job; exactly one of `failed` and `ended` is the last. */
export interface JobListener<E> {
  event(event: E): void;
  /** In words. */
  failed(message: string): void;
  /** The stream is over, or was cancelled. */
  ended(wasCancelled: boolean): void;
}

/** How long after the last change a question is asked, milliseconds. */
const REST_MS = 350;
/** How often who finds the queue full asks again. */
const MOST_RETRIES = 5;

/** Asks `path` questions, the latest only. */
export class LatestJob<E extends PlanEvent | WorldEvent> {
  /** True from the change until the answer is over. */
  readonly isBusy = signal(false);
  private readonly path: string;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private controller: AbortController | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** Asks once nothing has been asked for a moment; at once when `isNow`. */
  ask(body: unknown, listener: JobListener<E>, isNow = false): void {
    this.cancel();
    const controller = new AbortController();
    this.controller = controller;
    this.isBusy.value = true;
    this.timer = setTimeout(() => void this.run(body, listener, controller), isNow ? 0 : REST_MS);
  }

  /** Ends what is asked or would be. */
  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.controller?.abort();
    [this.timer, this.controller] = [null, null];
    this.isBusy.value = false;
  }

  private async run(body: unknown, listener: JobListener<E>, controller: AbortController): Promise<void> {
    const { signal: aborted } = controller;
    try {
      for (let tries = 0; ; tries++) {
        try {
          await this.stream(body, listener, aborted);
          break;
        } catch (error) {
          const waitMs = error instanceof ApiError && error.code === "queue_full" ? error.retryAfterMs : null;
          if (waitMs === null || tries === MOST_RETRIES) throw error;
          await new Promise((resolve) => setTimeout(resolve, waitMs));
          aborted.throwIfAborted();
        }
      }
      listener.ended(false);
    } catch (error) {
      if (isAbort(error) || aborted.aborted) listener.ended(true);
      else listener.failed(error instanceof ApiError ? error.message : "The answer could not be read.");
    } finally {
      if (this.controller === controller) this.isBusy.value = false;
    }
  }

  private async stream(body: unknown, listener: JobListener<E>, aborted: AbortSignal): Promise<void> {
    for await (const { data } of streamEvents(this.path, { body, signal: aborted })) {
      if (aborted.aborted) return;
      listener.event(JSON.parse(data) as E);
    }
  }
}
