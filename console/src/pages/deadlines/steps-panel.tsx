/** What each of the newest steps was made of, against what a step should hold. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { countOf, formatMs, formatNumber } from "../../lib/format.ts";
import { Canvas, useWidth } from "./canvas.tsx";
import { drawSteps, layoutSteps, stepAt, type StepLayout } from "./draw-steps.ts";
import { STEP, type ModelLive } from "./live-model.ts";
import { palette } from "./palette.ts";

const HEIGHT_PX = 208;

/** The panel. */
export function StepsPanel({ model, nowMs }: { readonly model: ModelLive; readonly nowMs: number }): JSX.Element {
  const [place, widthPx] = useWidth<HTMLDivElement>();
  const [pointerX, setPointerX] = useState<number | null>(null);
  const layout = layoutSteps(model.steps, nowMs, widthPx);
  const step = pointerX === null ? null : stepAt(layout, pointerX);
  const colours = palette.value;
  return (
    <section class="dl-chart" aria-label="Batch composition">
      <header>
        <h3>Batch composition</h3>
        <span class="soft small">
          one bar a step, the newest at the right, {formatNumber(layout.topTokens)} tokens high
        </span>
      </header>
      <ul class="dl-lines">
        <li>
          <i class="dl-swatch" style={{ background: "var(--accent)" }} aria-hidden="true" />{" "}
          <span class="soft">answer tokens, above</span>
        </li>
        <li>
          <i class="dl-swatch" style={{ background: "var(--series-2)" }} aria-hidden="true" />{" "}
          <span class="soft">prompt tokens, below</span>
        </li>
        {layout.bars.every(({ rejected }) => rejected === 0) ? null : (
          <li>
            <i class="dl-swatch" style={{ background: "var(--warn)" }} aria-hidden="true" />{" "}
            <span class="soft">drafted in vain, on top</span>
          </li>
        )}
        <li>
          <i class="dl-swatch dl-swatch-line" aria-hidden="true" />{" "}
          <span class="soft">budget {formatNumber(model.info.budgetTokens)}</span>
        </li>
        <li>
          <i class="dl-swatch dl-swatch-foot" aria-hidden="true" /> <span class="soft">somebody was preempted</span>
        </li>
      </ul>
      <div
        ref={place}
        class="dl-steps"
        role="img"
        aria-label={`Composition of the newest steps: ${summary(model, layout)}`}
        style={{ height: `${HEIGHT_PX}px` }}
        onMouseMove={(event) => setPointerX(event.clientX - event.currentTarget.getBoundingClientRect().left)}
        onMouseLeave={() => setPointerX(null)}
      >
        <Canvas
          widthPx={widthPx}
          heightPx={HEIGHT_PX}
          draw={(pen, _, height) => drawSteps(pen, layout, height, colours)}
        />
      </div>
      <p class="soft small numbers">{step === null ? summary(model, layout) : stepWords(model, step.row)}</p>
    </section>
  );
}

function summary({ steps }: ModelLive, { bars, spanMs }: StepLayout): string {
  if (bars.length === 0) return "No step yet.";
  const mean = (column: number): number =>
    bars.reduce((sum, { row }) => sum + steps.value(row, column), 0) / bars.length;
  const sequences = mean(STEP.sequences).toFixed(1);
  return `${countOf(bars.length, "step")} in ${formatMs(spanMs)}, ${formatMs(mean(STEP.durationMs))} and ${sequences} sequences on average`;
}

function stepWords({ steps }: ModelLive, row: number): string {
  const value = (column: number): number => steps.value(row, column);
  const parts = [
    formatMs(value(STEP.durationMs)),
    countOf(value(STEP.decode), "answer token"),
    countOf(value(STEP.prefill), "prompt token"),
    countOf(value(STEP.sequences), "sequence"),
  ];
  if (value(STEP.rejected) > 0) parts.push(`${value(STEP.rejected)} drafted in vain`);
  if (value(STEP.preempted) > 0) parts.push(`${value(STEP.preempted)} preempted`);
  return parts.join(" · ");
}
