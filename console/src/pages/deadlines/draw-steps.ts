/**
 * Draws the newest steps, one bar each: prompt tokens below, decode tokens above them with a line between, drafted tokens
 * that were not said on top, the budget as a stroke over the bar. Steps stand side by side whatever time they took; how long is in the label of the axis.
 */
import { STEP } from "./live-model.ts";
import type { Palette } from "./palette.ts";
import type { ColumnRing } from "./series.ts";

/** One drawn step. Heights are shares of the plot, from its foot. */
export interface StepBar {
  readonly row: number;
  readonly x: number;
  readonly width: number;
  readonly prefill: number;
  readonly decode: number;
  readonly rejected: number;
  readonly budget: number;
  readonly isPreempting: boolean;
}

/** The steps that fit, newest at the right. */
export interface StepLayout {
  readonly bars: readonly StepBar[];
  /** Tokens at the top of the plot. */
  readonly topTokens: number;
  /** From the first shown step to the end of the last, milliseconds; 0 without any. */
  readonly spanMs: number;
}

const PITCH_PX = 5;

/** Lays out the newest steps that began at or before `nowMs`. */
export function layoutSteps(steps: ColumnRing, nowMs: number, widthPx: number): StepLayout {
  let end = steps.length;
  while (end > 0 && steps.timeMs(end - 1) > nowMs) end -= 1;
  const shown = Math.min(end, Math.max(1, Math.floor(widthPx / PITCH_PX)));
  const first = end - shown;
  let topTokens = 1;
  for (let row = first; row < end; row += 1) {
    topTokens = Math.max(
      topTokens,
      steps.value(row, STEP.prefill) + steps.value(row, STEP.decode) + steps.value(row, STEP.rejected),
      steps.value(row, STEP.budget),
    );
  }
  const bars: StepBar[] = [];
  for (let row = first; row < end; row += 1) {
    const value = (column: number): number => steps.value(row, column);
    bars.push({
      row,
      x: widthPx - (end - row) * PITCH_PX,
      width: PITCH_PX - 1,
      prefill: value(STEP.prefill) / topTokens,
      decode: value(STEP.decode) / topTokens,
      rejected: value(STEP.rejected) / topTokens,
      budget: value(STEP.budget) / topTokens,
      isPreempting: value(STEP.preempted) > 0,
    });
  }
  const spanMs = shown === 0 ? 0 : steps.timeMs(end - 1) + steps.value(end - 1, STEP.durationMs) - steps.timeMs(first);
  return { bars, topTokens, spanMs };
}

/** The step under a point, or null. */
export function stepAt(layout: StepLayout, x: number): StepBar | null {
  return layout.bars.find((bar) => x >= bar.x && x < bar.x + PITCH_PX) ?? null;
}

/** Draws a layout into a plot of that height. */
export function drawSteps(pen: CanvasRenderingContext2D, layout: StepLayout, heightPx: number, palette: Palette): void {
  const floor = heightPx;
  for (const { x, width, prefill, decode, rejected, budget, isPreempting } of layout.bars) {
    const [low, high, vain] = [prefill * heightPx, decode * heightPx, rejected * heightPx];
    pen.fillStyle = palette["series-2"];
    pen.fillRect(x, floor - low, width, low);
    pen.fillStyle = palette.accent;
    pen.fillRect(x, floor - low - high - (low > 0 ? 1 : 0), width, Math.max(high, decode > 0 ? 1.5 : 0));
    pen.fillStyle = palette.warn;
    pen.fillRect(x, floor - low - high - vain - 1, width, vain);
    pen.fillStyle = palette.soft;
    pen.fillRect(x, Math.max(0, floor - budget * heightPx), width + 1, 1);
    if (isPreempting) {
      pen.fillStyle = palette.bad;
      pen.fillRect(x, floor - 3, width, 3);
    }
  }
}
