/** Attainment over load, one line a mode, growing while it is simulated; and over the scale of the targets. */
import type { PlanPointBody } from "@protocol";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { Plot, type PlotColours, type PlotOptions } from "../../ui/plot.tsx";
import { MODES } from "./settings.ts";
import { curveColumns, type PlanRun } from "./run.ts";

/** The place of a mode's colour among the series: the same wherever it appears. */
export const colourOf = (mode: PlanRun["modes"][number]["mode"]): number => MODES.indexOf(mode);

/** Attainment over load. */
export function LoadCurves({ run, attain }: { readonly run: PlanRun; readonly attain: number }): JSX.Element {
  const data = useMemo(() => curveColumns(run) as uPlot.AlignedData, [run]);
  const modes = run.modes.map(({ mode }) => mode).join();
  const options = useMemo(() => {
    const series = run.modes.map(({ mode }) => ({ name: mode, colour: colourOf(mode) }));
    return chartOptions("load, in multiples of the rate", series, attain);
    // oxlint-disable-next-line react/exhaustive-deps -- the names of the modes, not their growing points
  }, [modes, attain]);
  const label = "Share of requests that attain the objective over load, one line a mode; the table below says the same";
  return <Plot label={label} height={300} data={data} options={options} />;
}

/** Attainment over the scale of all targets. */
export function ScaleCurve(props: {
  readonly points: readonly PlanPointBody[];
  readonly attain: number;
  readonly colour: number;
}): JSX.Element {
  const { points, attain, colour } = props;
  const data = useMemo<uPlot.AlignedData>(
    () => [points.map(({ sloScale }) => sloScale), points.map(({ share }) => share)],
    [points],
  );
  const options = useMemo(
    () => chartOptions("targets, in multiples of yours", [{ name: "attained", colour }], attain),
    [attain, colour],
  );
  return (
    <Plot
      label="Share of requests that attain, over the scale of the targets"
      height={220}
      data={data}
      options={options}
    />
  );
}

interface Line {
  readonly name: string;
  readonly colour: number;
}

function chartOptions(xLabel: string, lines: readonly Line[], attain: number): (colours: PlotColours) => PlotOptions {
  return (colours) => ({
    scales: { x: { time: false }, y: { range: [0, 1.02] } },
    series: [
      { label: xLabel, value: (_, value: number | null) => (value === null ? "" : `${value}×`) },
      ...lines.map(({ name, colour }) => ({
        label: name,
        stroke: colours.series[colour % colours.series.length]!,
        width: 2,
        points: { show: true, size: 6 },
        value: (_: uPlot, value: number | null) => (value === null ? "" : percent(value)),
      })),
    ],
    axes: [
      {
        label: xLabel,
        labelSize: 22,
        labelFont: "12px sans-serif",
        values: (_, ticks) => ticks.map((tick) => `${tick}×`),
      },
      { size: 50, values: (_, ticks) => ticks.map((tick) => `${Math.round(tick * 100)}%`) },
    ],
    cursor: { y: false, points: { size: 8 } },
    hooks: { drawAxes: [(plot) => drawMarks(plot, colours, attain)] },
  });
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))}%`;

/** The objective as a line from side to side, and where the visitor stands as one from top to bottom. */
function drawMarks(plot: uPlot, colours: PlotColours, attain: number): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colours.soft;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  const y = Math.round(plot.valToPos(attain, "y", true));
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  const x = Math.round(plot.valToPos(1, "x", true));
  if (x >= bbox.left && x <= bbox.left + bbox.width) {
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}
