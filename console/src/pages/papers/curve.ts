/**
 * How the points of a claim are shown: as lines over their first column where that is a number that rises or falls, else
 * as a table. Columns of very different size, and shares, get a chart of their own. Pure.
 */

/** The points of a curve as they are published. */
export type CurvePoints = readonly Readonly<Record<string, number | string>>[];

/** Lines that fit one chart. */
export interface CurveChart {
  readonly series: readonly string[];
  /** By series, then by point; null where a point has no such value. */
  readonly values: readonly (readonly (number | null)[])[];
  /** All values are shares. */
  readonly isShare: boolean;
}

/** A curve, ready to be drawn. */
export interface CurveShape {
  readonly columns: readonly string[];
  /** Null: only the table is shown. */
  readonly drawn: {
    readonly xName: string;
    readonly x: readonly number[];
    readonly isLog: boolean;
    readonly charts: readonly CurveChart[];
  } | null;
}

const LEAST_POINTS = 3;
const MOST_CHARTS = 3;
/** Series whose largest values differ by more do not share an axis. */
const SAME_SIZE = 20;
/** An axis over more than that is logarithmic. */
const LOG_RANGE = 30;

/** See the head of this file. */
export function curveShape(points: CurvePoints): CurveShape {
  const columns = [...new Set(points.flatMap((point) => Object.keys(point)))];
  const [xName, ...others] = columns;
  if (xName === undefined || points.length < LEAST_POINTS) return { columns, drawn: null };
  const sorted = risingBy(points, xName);
  if (sorted === null) return { columns, drawn: null };
  const series = others.filter((name) => sorted.every((point) => typeof (point[name] ?? 0) === "number"));
  const charts = chartsOf(sorted, series);
  if (charts.length === 0 || charts.length > MOST_CHARTS) return { columns, drawn: null };
  const x = sorted.map((point) => point[xName] as number);
  const isLog = x[0]! > 0 && x.at(-1)! / x[0]! > LOG_RANGE;
  return { columns, drawn: { xName, x, isLog, charts } };
}

/** The points in the order of a column that is a number everywhere, each once; null when it is not. */
function risingBy(points: CurvePoints, name: string): CurvePoints | null {
  if (!points.every((point) => typeof point[name] === "number")) return null;
  const sorted = points.toSorted((a, b) => (a[name] as number) - (b[name] as number));
  return sorted.every((point, i) => i === 0 || point[name] !== sorted[i - 1]![name]) ? sorted : null;
}

function chartsOf(points: CurvePoints, series: readonly string[]): CurveChart[] {
  const columns = series.map((name) => {
    const values = points.map((point) => (point[name] as number | undefined) ?? null);
    const known = values.filter((value) => value !== null);
    const isShare = known.every((value) => value >= 0 && value <= 1);
    return { name, values, isShare, most: Math.max(0, ...known.map(Math.abs)) };
  });
  const groups: (typeof columns)[] = [columns.filter(({ isShare }) => isShare)];
  for (const column of columns.filter(({ isShare }) => !isShare).toSorted((a, b) => a.most - b.most)) {
    const group = groups.at(-1)!;
    const first = group[0];
    if (first !== undefined && !first.isShare && column.most <= first.most * SAME_SIZE) group.push(column);
    else groups.push([column]);
  }
  return groups
    .filter((group) => group.length > 0)
    .map((group) => {
      const ordered = group.toSorted((a, b) => series.indexOf(a.name) - series.indexOf(b.name));
      return {
        series: ordered.map(({ name }) => name),
        values: ordered.map(({ values }) => values),
        isShare: ordered[0]!.isShare,
      };
    });
}

/** A column's name for people: "req_per_s_device" reads "req per s device". */
export function columnText(name: string): string {
  return name.replaceAll("_", " ");
}
