/** The family by latency and quality: a scatter with intervals, and the same as a table. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import type { FamilyPoint } from "@protocol";
import { formatMs, formatShare, formatShort } from "../../lib/format.ts";
import { liveStore } from "../../lib/live.ts";
import { Plot, type PlotColours, type PlotOptions } from "../../ui/plot.tsx";
import { frontier, missingPoints, plotScales, plottedPoints, type PlottedPoint } from "./family.ts";

const HEIGHT_PX = 260;

/** The panel. */
export function FamilyPlot({ family }: { readonly family: readonly FamilyPoint[] }): JSX.Element {
  const points = useMemo(() => plottedPoints(family, (id) => liveStore.lastSample(id)?.tpotMs?.p50 ?? null), [family]);
  const missing = missingPoints(family, points);
  const options = useMemo(() => scatterOptions(points), [points]);
  const data = useMemo(
    (): uPlot.AlignedData => [points.map(({ latencyMs }) => latencyMs), points.map(({ quality }) => quality)],
    [points],
  );
  return (
    <section class="card stack" aria-label="The family by latency and quality">
      <div>
        <h2>Latency and quality</h2>
        <p class="soft small">
          Held-out quality over the time of one token on this machine. Up and to the left is better.
        </p>
      </div>
      {points.length === 0 ? null : <Plot label={labelOf(points)} height={HEIGHT_PX} options={options} data={data} />}
      {points.length === 0 ? null : <PointTable points={points} />}
      {missing.length === 0 ? null : (
        <p class="soft small">Not shown: {missing.map(({ id, why }) => `${id} (${why})`).join(", ")}.</p>
      )}
    </section>
  );
}

function PointTable({ points }: { readonly points: readonly PlottedPoint[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <caption class="unseen">The family by latency and quality</caption>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" class="number">
              Parameters
            </th>
            <th scope="col" class="number">
              Per token
            </th>
            <th scope="col" class="number">
              Quality
            </th>
            <th scope="col" class="number minor">
              95% interval
            </th>
          </tr>
        </thead>
        <tbody>
          {points.map((point) => (
            <tr key={point.id}>
              <td>
                {point.id}
                {point.isServed ? "" : <span class="soft"> (not served)</span>}
              </td>
              <td class="number">{formatShort(point.parameters)}</td>
              <td class="number">
                {formatMs(point.latencyMs)}
                {point.measured === "live" ? " live" : ""}
              </td>
              <td class="number">{formatShare(point.quality)}</td>
              <td class="number soft minor">
                {(point.low * 100).toFixed(1)} to {formatShare(point.high)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function labelOf(points: readonly PlottedPoint[]): string {
  const said = points.map(
    ({ id, latencyMs, quality }) => `${id}: ${formatMs(latencyMs)} a token, ${formatShare(quality)} right`,
  );
  return `Scatter of quality over latency. ${said.join("; ")}.`;
}

function scatterOptions(points: readonly PlottedPoint[]): (colours: PlotColours) => PlotOptions {
  const scales = plotScales(points);
  return (colours) => ({
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { show: false },
    scales: {
      x: { time: false, range: [...scales.latencyMs] },
      y: { range: [...scales.quality] },
    },
    axes: [
      { values: (_, ticks) => ticks.map((tick) => formatMs(tick)), size: 30, gap: 6, space: 70 },
      { values: (_, ticks) => ticks.map((tick) => `${Math.round(tick * 100)}%`), size: 44, gap: 6, space: 36 },
    ],
    series: [{}, { points: { show: false }, stroke: "transparent" }],
    hooks: { draw: [(plot) => drawPoints(plot, points, colours)] },
  });
}

function drawPoints(plot: uPlot, points: readonly PlottedPoint[], colours: PlotColours): void {
  const pen = plot.ctx;
  const ratio = devicePixelRatio;
  const at = (latencyMs: number, quality: number): [number, number] => [
    plot.valToPos(latencyMs, "x", true),
    plot.valToPos(quality, "y", true),
  ];
  pen.save();
  pen.lineWidth = 1.5 * ratio;
  pen.strokeStyle = colours.soft;
  pen.setLineDash([4 * ratio, 4 * ratio]);
  pen.beginPath();
  for (const [index, { latencyMs, quality }] of frontier(points).entries()) {
    if (index === 0) pen.moveTo(...at(latencyMs, quality));
    else pen.lineTo(...at(latencyMs, quality));
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.font = `${13 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  for (const point of points) drawPoint(pen, at, point, colours, ratio, plot.bbox.left + plot.bbox.width);
  pen.restore();
}

function drawPoint(
  pen: CanvasRenderingContext2D,
  at: (latencyMs: number, quality: number) => [number, number],
  point: PlottedPoint,
  colours: PlotColours,
  ratio: number,
  rightEdge: number,
): void {
  const colour = colours.series[0]!;
  const [x, y] = at(point.latencyMs, point.quality);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5 * ratio;
  pen.beginPath();
  pen.moveTo(...at(point.latencyMs, point.low));
  pen.lineTo(...at(point.latencyMs, point.high));
  pen.stroke();
  pen.beginPath();
  pen.arc(x, y, 5 * ratio, 0, 2 * Math.PI);
  pen.fillStyle = point.isServed ? colour : colours.card;
  pen.fill();
  pen.stroke();
  pen.textBaseline = "middle";
  const width = pen.measureText(point.id).width;
  const isLeft = x + width + 12 * ratio > rightEdge;
  pen.textAlign = isLeft ? "right" : "left";
  const textX = x + (isLeft ? -10 : 10) * ratio;
  pen.fillStyle = colours.card;
  pen.fillRect(isLeft ? textX - width - 3 * ratio : textX - 3 * ratio, y - 9 * ratio, width + 6 * ratio, 18 * ratio);
  pen.fillStyle = colours.ink;
  pen.fillText(point.id, textX, y);
}
