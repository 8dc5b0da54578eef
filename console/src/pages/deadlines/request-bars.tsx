/**
 * Requests as bars over time, against their deadlines. The mouse points and opens; with the keyboard the picture is one
 * stop: arrows choose a request, Enter opens it, and what is chosen is read out. The table below says the same in words.
 */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { RequestRow } from "@protocol";
import { formatMs } from "../../lib/format.ts";
import { axisTicks, barAt, layoutBars, type Bar, type BarLayout } from "./bars.ts";
import { Canvas, useWidth } from "./canvas.tsx";
import { drawBars } from "./draw-bars.ts";
import type { ModelLive, PolicySwitchMark } from "./live-model.ts";
import { asOf, outcomeOf, OUTCOME_WORDS, promiseWords } from "./outcome.ts";
import { palette, type Palette } from "./palette.ts";

const AXIS_PX = 20;
const LEAST_PX = 96;
const MOST_PX = 320;
const LANE_PX = 14;
/** Deadlines of requests under way lie ahead: so much of the picture is the future. */
const AHEAD = 0.12;

/** The picture. `windowMs` is how far back it reaches. */
export function RequestBars(props: {
  readonly model: ModelLive;
  readonly nowMs: number;
  readonly windowMs: number;
  readonly onOpen: (id: string) => void;
}): JSX.Element {
  const { model, nowMs, windowMs, onOpen } = props;
  const [place, widthPx] = useWidth<HTMLDivElement>();
  const [chosen, setChosen] = useState<string | null>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  const heightPx = useSteadyHeight(model, nowMs - windowMs);
  const view = { fromMs: nowMs - windowMs, toMs: nowMs + windowMs * AHEAD, nowMs, widthPx, heightPx };
  const layout = widthPx > 0 ? layoutBars(model.requests.values(), view) : EMPTY;
  const selected = pointed ?? chosen;
  const bar = layout.bars.find(({ id }) => id === selected) ?? null;
  const told = bar === null ? undefined : model.requests.get(bar.id);
  const colours = palette.value;
  const pointAt = (event: MouseEvent): Bar | null => {
    const box = place.current!.getBoundingClientRect();
    return barAt(layout, event.clientX - box.left, event.clientY - box.top);
  };
  return (
    <div class="dl-bars">
      <div
        ref={place}
        class="dl-bars-picture"
        role="application"
        aria-label="Requests over time against their deadlines. Arrow keys choose a request, Enter opens its trace."
        tabIndex={0}
        style={{ height: `${heightPx + AXIS_PX}px`, cursor: pointed === null ? "default" : "pointer" }}
        onMouseMove={(event) => setPointed(pointAt(event)?.id ?? null)}
        onMouseLeave={() => setPointed(null)}
        onClick={(event) => {
          const hit = pointAt(event);
          if (hit !== null) onOpen(hit.id);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && chosen !== null) onOpen(chosen);
          const next = nextChoice(layout, chosen, event.key);
          if (next === null) return;
          event.preventDefault();
          setChosen(next);
        }}
        onBlur={() => setChosen(null)}
      >
        <Canvas
          widthPx={widthPx}
          heightPx={heightPx + AXIS_PX}
          draw={(pen) => {
            drawAxis(pen, colours, view, windowMs);
            drawSwitches(pen, colours, view, model.switches);
            drawBars(pen, layout, colours, selected);
          }}
        />
        {bar === null || told === undefined ? null : (
          <Tip bar={bar} request={asOf(told, nowMs)} nowMs={nowMs} widthPx={widthPx} />
        )}
      </div>
      <p class="unseen" aria-live="polite">
        {chosen === null || told === undefined ? "" : wordsOf(asOf(told, nowMs), nowMs)}
      </p>
      {layout.hidden > 0 ? <p class="soft small">{layout.hidden} more did not fit and are in the table only.</p> : null}
    </div>
  );
}

const EMPTY: BarLayout = { bars: [], lanes: 0, laneHeight: LANE_PX, hidden: 0 };

/** High enough for the lanes of the window; it grows at once and never shrinks, so that the page below does not jump. */
function useSteadyHeight(model: ModelLive, fromMs: number): number {
  const highest = useRef({ model, lanes: 0 });
  if (highest.current.model !== model) highest.current = { model, lanes: 0 };
  for (const { request, lane } of model.requests.values()) {
    if ((request.endMs ?? Number.POSITIVE_INFINITY) >= fromMs && lane >= highest.current.lanes)
      highest.current.lanes = lane + 1;
  }
  return Math.min(MOST_PX, Math.max(LEAST_PX, highest.current.lanes * LANE_PX));
}

/** Left and right along time, up and down to the nearest bar of the next lane, Home and End. Null for other keys. */
function nextChoice(layout: BarLayout, chosen: string | null, key: string): string | null {
  const ordered = layout.bars.toSorted((a, b) => a.x - b.x || a.lane - b.lane);
  const at = ordered.findIndex(({ id }) => id === chosen);
  const { [at]: current } = ordered;
  const to = (index: number): string | null => ordered[Math.min(ordered.length - 1, Math.max(0, index))]?.id ?? null;
  switch (key) {
    case "ArrowLeft":
      return at < 0 ? to(ordered.length - 1) : to(at - 1);
    case "ArrowRight":
      return at < 0 ? to(ordered.length - 1) : to(at + 1);
    case "Home":
      return to(0);
    case "End":
      return to(ordered.length - 1);
    case "ArrowUp":
    case "ArrowDown": {
      if (current === undefined) return to(ordered.length - 1);
      const lane = current.lane + (key === "ArrowUp" ? -1 : 1);
      const near = ordered
        .filter((bar) => bar.lane === lane)
        .toSorted((a, b) => Math.abs(a.x - current.x) - Math.abs(b.x - current.x));
      return near[0]?.id ?? current.id;
    }
    default:
      return null;
  }
}

function drawAxis(
  pen: CanvasRenderingContext2D,
  colours: Palette,
  view: { readonly widthPx: number; readonly heightPx: number },
  windowMs: number,
): void {
  const { widthPx, heightPx } = view;
  const scale = widthPx / (windowMs * (1 + AHEAD));
  const nowX = Math.round(windowMs * scale);
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "bottom";
  pen.textAlign = "center";
  for (const before of axisTicks(windowMs, Math.max(2, Math.floor(widthPx / 110)))) {
    const x = Math.round(nowX - before * 1000 * scale);
    pen.fillStyle = before === 0 ? colours.edge : colours.line;
    pen.fillRect(x, 0, 1, heightPx + 3);
    if (x < 18) continue;
    pen.fillStyle = colours.soft;
    pen.fillText(
      before === 0 ? "now" : before % 60 === 0 ? `−${before / 60} min` : `−${before} s`,
      x,
      heightPx + AXIS_PX,
    );
  }
}

/** Where the policy was switched, and to which. */
function drawSwitches(
  pen: CanvasRenderingContext2D,
  colours: Palette,
  view: { readonly fromMs: number; readonly toMs: number; readonly widthPx: number; readonly heightPx: number },
  switches: readonly PolicySwitchMark[],
): void {
  const scale = view.widthPx / (view.toMs - view.fromMs);
  pen.save();
  pen.setLineDash([3, 3]);
  pen.textAlign = "left";
  pen.textBaseline = "bottom";
  for (const { atMs, policy } of switches) {
    const x = Math.round((atMs - view.fromMs) * scale) + 0.5;
    if (x < 0) continue;
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, view.heightPx);
    pen.stroke();
    const width = pen.measureText(policy).width + 8;
    pen.fillStyle = colours.card;
    pen.fillRect(x + 1, view.heightPx - 17, width, 16);
    pen.fillStyle = colours.ink;
    pen.fillText(policy, x + 5, view.heightPx - 2);
  }
  pen.restore();
}

function Tip(props: {
  readonly bar: Bar;
  readonly request: RequestRow;
  readonly nowMs: number;
  readonly widthPx: number;
}): JSX.Element {
  const { bar, request, nowMs, widthPx } = props;
  const isRight = bar.x > widthPx / 2;
  const side = isRight ? { right: `${Math.max(0, widthPx - bar.endX)}px` } : { left: `${bar.x}px` };
  return (
    <div class="dl-tip" aria-hidden="true" style={{ ...side, top: `${bar.y + bar.height + 6}px` }}>
      <strong>{OUTCOME_WORDS[outcomeOf(request, nowMs)]}</strong>
      <span>{promiseWords(request.targets, formatMs)}</span>
      <span class="soft">{progressWords(request, nowMs)}</span>
    </div>
  );
}

function wordsOf(request: RequestRow, nowMs: number): string {
  return `${OUTCOME_WORDS[outcomeOf(request, nowMs)]}: ${promiseWords(request.targets, formatMs)}; ${progressWords(request, nowMs)}`;
}

/** "first token after 82 ms, 64 tokens in 1.2 s". */
export function progressWords({ arrivalMs, firstTokenMs, endMs, answerTokens }: RequestRow, nowMs: number): string {
  const parts = [
    firstTokenMs === undefined ? "no token yet" : `first token after ${formatMs(firstTokenMs - arrivalMs)}`,
  ];
  if (firstTokenMs === undefined && endMs !== undefined) parts[0] = "no token";
  parts.push(`${answerTokens} ${answerTokens === 1 ? "token" : "tokens"} in ${formatMs((endMs ?? nowMs) - arrivalMs)}`);
  return parts.join(", ");
}
