/**
 * Where the bars of requests stand on a canvas: pure geometry, no drawing. Time runs to the right, a lane is a row.
 *
 *   arrival      first token              end      deadline
 *     ├──waiting───┼───────answer───────────┤          ╎
 *
 * A bar is clipped to the window, and says on which side; a deadline outside the window, or far beyond the end, has no mark.
 */
import { asOf, isOver, outcomeOf, reachMs, type Outcome } from "./outcome.ts";
import type { LanedRequest } from "./request-ring.ts";

/** What is in view. */
export interface BarWindow {
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** One request's bar, in pixels from the upper left corner. */
export interface Bar {
  readonly id: string;
  readonly outcome: Outcome;
  readonly lane: number;
  readonly y: number;
  readonly height: number;
  readonly x: number;
  /** Where the first token came; equal to `endX` when none came, to `x` when it came before the window. */
  readonly firstX: number;
  readonly endX: number;
  /** The whole answer's deadline; null when there is none in view, or far off. */
  readonly deadlineX: number | null;
  /** The first token's; null when there is none in view. */
  readonly ttftX: number | null;
  readonly isClippedLeft: boolean;
  /** Over, but its end lies beyond the window. Requests under way end at now. */
  readonly isClippedRight: boolean;
}

/** All bars in view, and how many lanes did not fit or requests had no lane. */
export interface BarLayout {
  readonly bars: readonly Bar[];
  readonly lanes: number;
  readonly laneHeight: number;
  readonly hidden: number;
}

/** Lanes are as high as fits, within these, pixels. */
const LANE_HEIGHT = { least: 5, most: 16 };

/** A bar can be seen and hit even when it lasted a moment. */
const LEAST_WIDTH_PX = 3;

/** Lays out requests of a ring, oldest first. */
export function layoutBars(requests: Iterable<LanedRequest>, view: BarWindow): BarLayout {
  const seen: LanedRequest[] = [];
  let [lanes, hidden] = [0, 0];
  for (const laned of requests) {
    if (!isInView(laned, view)) continue;
    if (laned.lane < 0) hidden += 1;
    else {
      seen.push(laned);
      lanes = Math.max(lanes, laned.lane + 1);
    }
  }
  const fitting = Math.max(1, Math.floor(view.heightPx / LANE_HEIGHT.least));
  const shown = Math.min(lanes, fitting);
  const laneHeight = Math.min(LANE_HEIGHT.most, view.heightPx / Math.max(1, shown));
  const bars: Bar[] = [];
  for (const laned of seen) {
    if (laned.lane < shown) bars.push(barOf(laned, view, laneHeight));
    else hidden += 1;
  }
  return { bars, lanes: shown, laneHeight, hidden };
}

/** The bar under a point: the one whose lane and span, widened by a few pixels, hold it. */
export function barAt(layout: BarLayout, x: number, y: number): Bar | null {
  const lane = Math.floor(y / layout.laneHeight);
  let best: Bar | null = null;
  for (const bar of layout.bars) {
    if (bar.lane !== lane || x < bar.x - 4 || x > bar.endX + 4) continue;
    if (best === null || distance(bar, x) < distance(best, x)) best = bar;
  }
  return best;
}

/** Ticks of an axis that ends at now: seconds before now, at round steps, at most `most` of them. */
export function axisTicks(windowMs: number, most: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];
  const seconds = windowMs / 1000;
  const step = steps.find((candidate) => seconds / candidate <= most) ?? steps.at(-1)!;
  const ticks: number[] = [];
  for (let before = 0; before <= seconds + 1e-9; before += step) ticks.push(before);
  return ticks;
}

function isInView({ request }: LanedRequest, { fromMs, toMs, nowMs }: BarWindow): boolean {
  if (request.arrivalMs > Math.min(toMs, nowMs)) return false;
  return !isOver(request.state) || reachMs(request) >= fromMs;
}

function barOf({ request: known, lane }: LanedRequest, view: BarWindow, laneHeight: number): Bar {
  const request = asOf(known, view.nowMs);
  const { arrivalMs, firstTokenMs, targets } = request;
  const endMs = isOver(request.state) ? (request.endMs ?? arrivalMs) : Math.max(view.nowMs, arrivalMs);
  const scale = view.widthPx / (view.toMs - view.fromMs);
  const at = (ms: number): number => Math.min(view.widthPx, Math.max(0, (ms - view.fromMs) * scale));
  const lastMs = isOver(request.state) ? reachMs(request) : Number.POSITIVE_INFINITY;
  const mark = (ms: number | undefined): number | null => {
    const time = ms === undefined || arrivalMs + ms > lastMs ? Number.NaN : arrivalMs + ms;
    return time >= view.fromMs && time <= view.toMs ? (time - view.fromMs) * scale : null;
  };
  const x = at(arrivalMs);
  // Of one that ended before the window only its deadline can be in view.
  const leastPx = endMs < view.fromMs ? 0 : LEAST_WIDTH_PX;
  const endX = Math.min(view.widthPx, Math.max(at(endMs), x + leastPx));
  return {
    id: request.id,
    outcome: outcomeOf(request, view.nowMs),
    lane,
    y: lane * laneHeight,
    height: laneHeight,
    x: Math.min(x, Math.max(0, endX - leastPx)),
    firstX: firstTokenMs === undefined ? endX : Math.min(endX, at(firstTokenMs)),
    endX,
    deadlineX: mark(targets.deadlineMs),
    ttftX: mark(targets.ttftMs),
    isClippedLeft: arrivalMs < view.fromMs,
    isClippedRight: isOver(request.state) && endMs > view.toMs,
  };
}

function distance(bar: Bar, x: number): number {
  return x < bar.x ? bar.x - x : Math.max(0, x - bar.endX);
}
