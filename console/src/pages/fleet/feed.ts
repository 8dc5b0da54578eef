/**
 * The fleet as /admin/fleet/live tells it, followed while the page is open: one connection, opened again when it is lost.
 * A server that is alone is asked again when it introduces itself anew.
 */
import { signal } from "@preact/signals";
import type { FleetAnswer } from "@protocol";
import { useEffect } from "preact/hooks";
import { ApiError, isAbort, streamEvents } from "../../lib/api.ts";
import { nowMs } from "../../lib/clock.ts";
import { liveHello, retryDelayMs } from "../../lib/live.ts";
import { FleetMemory, type FleetPicture } from "./memory.ts";

/** The last word; null before the first. */
export const fleet = signal<FleetPicture | { readonly kind: "alone" } | null>(null);
/** Why there is none, or why it may be old. */
export const problem = signal<string | null>(null);

const memory = new FleetMemory();

/** Follows the fleet while the component is mounted. */
export function useFleet(): void {
  const startedUnixMs = liveHello.value?.startedUnixMs;
  useEffect(() => {
    const gone = new AbortController();
    void follow(gone.signal);
    return () => gone.abort();
  }, [startedUnixMs]);
}

async function follow(signal_: AbortSignal): Promise<void> {
  for (let failures = 0; !signal_.aborted; failures++) {
    try {
      for await (const { data } of streamEvents("admin/fleet/live", { signal: signal_ })) {
        const answer = JSON.parse(data) as FleetAnswer;
        problem.value = null;
        failures = 0;
        if (answer.kind === "alone") {
          fleet.value = answer;
          return;
        }
        fleet.value = memory.take(answer, nowMs());
      }
    } catch (error) {
      if (isAbort(error) || signal_.aborted) return;
      problem.value = error instanceof ApiError ? error.message : "The answer could not be read.";
    }
    await pause(retryDelayMs(failures + 1), signal_);
  }
}

async function pause(delayMs: number, until: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    until.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
