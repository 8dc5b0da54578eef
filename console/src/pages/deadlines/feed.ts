/**
 * The page's copy of the live feed, kept while the console is open so that coming back finds the hour that was missed, and
 * the beat at which the page is drawn: four times a second while something changes, once a second while nothing does, never
 * while the tab is hidden or the picture is held.
 */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LiveEvent } from "@protocol";
import { nowMs } from "../../lib/clock.ts";
import { onLiveEvent } from "../../lib/live.ts";
import { LiveState } from "./live-model.ts";

/** What one drawing is of. */
export interface Frame {
  /** The server's clock as the picture shows it; NaN before the feed has begun. */
  readonly nowMs: number;
  /** Grows with every drawing. */
  readonly revision: number;
}

/** Everything that the page draws from. */
export const live = new LiveState();
/** The current drawing. */
export const frame = signal<Frame>({ nowMs: Number.NaN, revision: 0 });
/** True: the picture stands still. What comes in is kept all the same. */
export const isHeld = signal(false);

const BEAT_MS = 250;
const IDLE_BEATS = 4;

let isStarted = false;
let hasChanged = true;
/** Local minus server clock: the smallest seen, which is that of the event which came through fastest. */
let offsetMs = Number.POSITIVE_INFINITY;
let startedUnixMs = 0;

/** Follows the feed from now on, beginning with what the console remembers; further calls do nothing. */
export function startFeed(): void {
  if (isStarted) return;
  isStarted = true;
  onLiveEvent(take);
}

function take(event: LiveEvent): void {
  live.apply(event);
  hasChanged = true;
  if (live.startedUnixMs !== startedUnixMs) {
    startedUnixMs = live.startedUnixMs;
    offsetMs = Number.POSITIVE_INFINITY;
  }
  if (event.kind === "sample" || event.kind === "hello") offsetMs = Math.min(offsetMs, nowMs() - event.nowMs);
}

/** The server's clock now, from its last word and the time since; its last word alone before the first sample. */
function serverNowMs(): number {
  return Number.isFinite(offsetMs) ? nowMs() - offsetMs : live.nowMs;
}

/** Draws while the component is mounted, the tab is seen and the picture is not held. */
export function useBeat(): void {
  const held = isHeld.value;
  useEffect(() => {
    startFeed();
    let timer: ReturnType<typeof setInterval> | undefined;
    let idleBeats = 0;
    const draw = (): void => {
      idleBeats = hasChanged ? 0 : idleBeats + 1;
      if (!hasChanged && idleBeats % IDLE_BEATS !== 0) return;
      hasChanged = false;
      frame.value = { nowMs: serverNowMs(), revision: frame.peek().revision + 1 };
    };
    const follow = (): void => {
      clearInterval(timer);
      timer = undefined;
      if (held || document.hidden) return;
      hasChanged = true;
      draw();
      timer = setInterval(draw, BEAT_MS);
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", follow);
    };
  }, [held]);
}
