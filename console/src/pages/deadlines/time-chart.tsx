/**
 * One small chart over time: a title, its lines with their values now or under the cursor, and the lines themselves. Lines
 * of one chart differ by dash as well as by colour. Cursors of all charts of the page move together.
 */
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { Plot, type PlotColours, type PlotOptions } from "../../ui/plot.tsx";
import { niceTop } from "./scale.ts";
import type { ChartData } from "./series.ts";

/** One line. */
export interface Line {
  readonly name: string;
  /** Index of the theme's series colours. */
  readonly colour: number;
  /** Pixels on and off; solid when absent. */
  readonly dash?: readonly number[];
  /** Filled down to zero. */
  readonly isFilled?: boolean;
}

/** The three percentiles of a latency. */
export const PERCENTILE_LINES: readonly Line[] = [
  { name: "p50", colour: 0 },
  { name: "p90", colour: 1, dash: [6, 3] },
  { name: "p99", colour: 2, dash: [2, 3] },
];

const HEIGHT_PX = 128;

/** What a chart is told. */
export interface TimeChartProps {
  readonly title: string;
  readonly note?: string;
  readonly lines: readonly Line[];
  readonly data: ChartData;
  readonly windowMs: number;
  readonly format: (value: number | null) => string;
  /** For values on the axis; `format` when absent. */
  readonly formatTick?: (value: number) => string;
  readonly top?: number;
  readonly isShare?: boolean;
  /** Moments to mark, seconds before now, at most 0. */
  readonly marks?: readonly number[];
}

/** The chart. `format` is for values, `top` the least that the scale reaches; `isShare`: the scale is 0 to 1. */
export function TimeChart(props: TimeChartProps): JSX.Element {
  const { title, note, lines, data, windowMs, format, formatTick = format, top = 0, isShare = false } = props;
  const marks = useRef<readonly number[]>([]);
  marks.current = props.marks ?? [];
  const [cursor, setCursor] = useState<number | null>(null);
  const options = useMemo(
    () => chartOptions({ lines, windowMs, top, isShare, tickWords: formatTick, marks, onCursor: setCursor }),
    [lines, windowMs, top, isShare, formatTick],
  );
  const aligned = useMemo((): uPlot.AlignedData => [data.seconds, ...data.columns], [data]);
  const at = cursor !== null && cursor < data.seconds.length ? cursor : data.seconds.length - 1;
  const values = lines.map((_, index) => data.columns[index]?.[at] ?? null);
  const words = lines.map(({ name }, index) => `${name} ${format(values[index] ?? null)}`).join(", ");
  return (
    <section class="dl-chart" aria-label={title}>
      <header>
        <h3>{title}</h3>
        {note === undefined ? null : <span class="soft small">{note}</span>}
      </header>
      <ul class="dl-lines">
        {lines.map((line, index) => (
          <li key={line.name}>
            <LineMark line={line} />
            <span class="soft">{line.name}</span> <span class="numbers">{format(values[index] ?? null)}</span>
          </li>
        ))}
      </ul>
      <Plot label={`${title} over time; now ${words}`} height={HEIGHT_PX} options={options} data={aligned} />
    </section>
  );
}

/** A line's colour and dash. */
export function LineMark({ line }: { readonly line: Line }): JSX.Element {
  return (
    <svg width="22" height="8" aria-hidden="true">
      <line
        x1="1"
        x2="21"
        y1="4"
        y2="4"
        stroke={`var(--series-${line.colour + 1})`}
        stroke-width="2"
        stroke-dasharray={line.dash?.join(" ")}
      />
    </svg>
  );
}

function chartOptions(chart: {
  readonly lines: readonly Line[];
  readonly windowMs: number;
  readonly top: number;
  readonly isShare: boolean;
  readonly tickWords: (value: number) => string;
  readonly marks: { readonly current: readonly number[] };
  readonly onCursor: (index: number | null) => void;
}): (colours: PlotColours) => PlotOptions {
  const { lines, windowMs, top, isShare, tickWords, marks, onCursor } = chart;
  const seconds = windowMs / 1000;
  return (colours) => ({
    legend: { show: false },
    padding: [6, 16, 0, 0],
    cursor: { sync: { key: "deadlines" }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
    hooks: {
      drawClear: [(plot) => drawMarks(plot, marks.current, colours.ink)],
      setCursor: [
        (plot) => onCursor(plot.cursor.left === undefined || plot.cursor.left < 0 ? null : (plot.cursor.idx ?? null)),
      ],
    },
    scales: {
      x: { time: false, range: [-seconds, 0] },
      y: { range: (_, __, most) => [0, isShare ? 1 : niceTop(Math.max(top, Number.isFinite(most) ? most : 0))] },
    },
    axes: [
      {
        values: (_, ticks) => ticks.map(secondsWords),
        incrs: [5, 10, 15, 30, 60, 120, 300, 600, 900],
        space: 56,
        size: 26,
        gap: 4,
      },
      {
        values: (_, ticks) => ticks.map((tick) => tickWords(tick)),
        size: 52,
        gap: 4,
        space: 30,
      },
    ],
    series: [{}, ...lines.map((line) => seriesOf(line, colours))],
  });
}

function seriesOf(line: Line, colours: PlotColours): uPlot.Series {
  const stroke = colours.series[line.colour]!;
  return {
    label: line.name,
    stroke,
    width: 1.75,
    points: { show: false },
    ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
    ...(line.isFilled === true ? { fill: withAlpha(stroke, 0.14) } : {}),
  };
}

/** Moments as dashed lines behind the series. */
function drawMarks(plot: uPlot, marks: readonly number[], colour: string): void {
  const { ctx: pen, bbox } = plot;
  pen.save();
  pen.strokeStyle = colour;
  pen.lineWidth = devicePixelRatio;
  pen.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const seconds of marks) {
    const x = Math.round(plot.valToPos(seconds, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    pen.beginPath();
    pen.moveTo(x, bbox.top);
    pen.lineTo(x, bbox.top + bbox.height);
    pen.stroke();
  }
  pen.restore();
}

function secondsWords(seconds: number): string {
  if (seconds === 0) return "now";
  const before = -seconds;
  return before % 60 === 0 ? `−${before / 60} min` : `−${before} s`;
}

/** A colour as computed style writes it, `rgb(…)`, made translucent. */
function withAlpha(colour: string, alpha: number): string {
  const inner = /^rgba?\((.+)\)$/.exec(colour)?.[1];
  return inner === undefined
    ? colour
    : `rgb(${inner
        .split(/[, /]+/)
        .slice(0, 3)
        .join(" ")} / ${alpha})`;
}
