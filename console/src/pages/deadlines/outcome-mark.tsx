/** The shape and colour of an outcome beside its words: the same drawing as the bars, once. */
import type { JSX } from "preact";
import type { Bar } from "./bars.ts";
import { Canvas } from "./canvas.tsx";
import { drawBar } from "./draw-bars.ts";
import { OUTCOMES, OUTCOME_WORDS, type Outcome } from "./outcome.ts";
import { palette } from "./palette.ts";

const SIZE = { widthPx: 30, heightPx: 13 } as const;

/** A small bar of that outcome. */
export function OutcomeMark({ outcome }: { readonly outcome: Outcome }): JSX.Element {
  const colours = palette.value;
  const end = outcome === "expired" || outcome === "failed" ? 20 : 23;
  const bar: Bar = {
    id: "",
    outcome,
    lane: 0,
    y: 0,
    height: SIZE.heightPx,
    x: outcome === "rejected" ? 9 : 2,
    firstX: outcome === "waiting" || outcome === "expired" ? end : 8,
    endX: end,
    deadlineX: outcome === "missed" || outcome === "late" ? 13 : null,
    ttftX: null,
    isClippedLeft: false,
    isClippedRight: false,
  };
  return <Canvas {...SIZE} draw={(pen) => drawBar(pen, bar, colours)} />;
}

/** An outcome with its mark. */
export function OutcomeWords({ outcome }: { readonly outcome: Outcome }): JSX.Element {
  return (
    <span class="outcome">
      <OutcomeMark outcome={outcome} />
      {OUTCOME_WORDS[outcome]}
    </span>
  );
}

/** All outcomes, and the two marks of promises. */
export function Legend(): JSX.Element {
  return (
    <ul class="dl-legend" aria-label="What the bars mean">
      {OUTCOMES.map((outcome) => (
        <li key={outcome}>
          <OutcomeWords outcome={outcome} />
        </li>
      ))}
      <li>
        <span class="outcome">
          <i class="dl-mark" aria-hidden="true" /> deadline
        </span>
      </li>
      <li>
        <span class="outcome">
          <i class="dl-mark dl-mark-short" aria-hidden="true" /> first token due
        </span>
      </li>
    </ul>
  );
}
