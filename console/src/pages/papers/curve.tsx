/** The points of a measured line: charts where they make lines, and always as a table to unfold. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { Plot, type PlotColours, type PlotOptions } from "../../ui/plot.tsx";
import { columnText, curveShape, type CurveChart, type CurvePoints, type CurveShape } from "./curve.ts";
import { figure } from "./rows.ts";

/** The curve of one line. */
export function Curve({ metric, points }: { readonly metric: string; readonly points: CurvePoints }): JSX.Element {
  const shape = useMemo(() => curveShape(points), [points]);
  const { drawn, columns } = shape;
  const table = <CurveTable columns={columns} points={points} metric={metric} />;
  return (
    <figure class="pp-curve">
      <figcaption>{metric}</figcaption>
      {drawn === null ? (
        table
      ) : (
        <>
          {drawn.charts.map((chart) => (
            <Chart key={chart.series.join()} metric={metric} drawn={drawn} chart={chart} />
          ))}
          <details>
            <summary>The points</summary>
            {table}
          </details>
        </>
      )}
    </figure>
  );
}

type Drawn = NonNullable<CurveShape["drawn"]>;

function Chart(props: { readonly metric: string; readonly drawn: Drawn; readonly chart: CurveChart }): JSX.Element {
  const { metric, drawn, chart } = props;
  const data = useMemo<uPlot.AlignedData>(() => [[...drawn.x], ...chart.values.map((one) => [...one])], [drawn, chart]);
  const options = useMemo(() => optionsOf(drawn, chart), [drawn, chart]);
  const names = chart.series.map(columnText).join(", ");
  return (
    <Plot label={`${metric}: ${names} over ${columnText(drawn.xName)}`} height={220} data={data} options={options} />
  );
}

function optionsOf({ xName, isLog }: Drawn, chart: CurveChart): (colours: PlotColours) => PlotOptions {
  const text = (value: number | null): string => (value === null ? "" : figure(value));
  return (colours) => ({
    scales: {
      x: { time: false, ...(isLog ? { distr: 3 as const } : {}) },
      y: chart.isShare ? { range: [0, 1.04] } : {},
    },
    series: [
      { label: columnText(xName), value: (_, value) => text(value) },
      ...chart.series.map((name, i) => ({
        label: columnText(name),
        stroke: colours.series[i % colours.series.length]!,
        width: 2,
        // More lines than colours: the second round is dashed.
        ...(i < colours.series.length ? {} : { dash: [5, 4] }),
        points: { show: true, size: 5 },
        value: (_: uPlot, value: number | null) => text(value),
      })),
    ],
    axes: [
      { label: columnText(xName), labelSize: 22, labelFont: "12px sans-serif", values: (_, ticks) => ticks.map(tick) },
      { size: 56, values: (_, ticks) => ticks.map(tick) },
    ],
    cursor: { y: false },
    legend: { live: true },
  });
}

const tick = (value: number | null): string => (value === null ? "" : figure(value));

function CurveTable(props: {
  readonly metric: string;
  readonly columns: readonly string[];
  readonly points: CurvePoints;
}): JSX.Element {
  const { metric, columns, points } = props;
  if (points.length === 1) return <OnePoint columns={columns} point={points[0]!} />;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={`Points of ${metric}`}>
      <table class="table pp-points">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col" class={typeof points[0]?.[column] === "number" ? "number" : ""}>
                {columnText(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {points.map((point, i) => (
            <tr key={i}>
              {columns.map((column) => {
                const value = point[column] ?? "";
                return (
                  <td key={column} class={typeof value === "number" ? "number" : ""}>
                    {typeof value === "number" ? figure(value) : value}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A single point reads downwards. */
function OnePoint(props: { readonly columns: readonly string[]; readonly point: CurvePoints[number] }): JSX.Element {
  const { columns, point } = props;
  return (
    <dl class="pp-one">
      {columns.map((column) => {
        const value = point[column] ?? "";
        return (
          <div key={column}>
            <dt>{columnText(column)}</dt>
            <dd>{typeof value === "number" ? figure(value) : value}</dd>
          </div>
        );
      })}
    </dl>
  );
}
