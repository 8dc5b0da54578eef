/** The charts of one model over the window of the page. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { formatMs, formatNumber, formatShare, formatShort } from "../../lib/format.ts";
import { rollingShare, type Column, type ModelLive } from "./live-model.ts";
import { PERCENTILE_LINES, TimeChart, type Line, type TimeChartProps } from "./time-chart.tsx";
import type { ChartData } from "./series.ts";

const QUEUE_LINES: readonly Line[] = [
  { name: "running", colour: 0, isFilled: true },
  { name: "waiting", colour: 2, dash: [6, 3] },
];
const RATE_LINES: readonly Line[] = [
  { name: "answers", colour: 0, isFilled: true },
  { name: "prompts", colour: 1, dash: [6, 3] },
];
const PAGE_LINES: readonly Line[] = [{ name: "in use", colour: 3, isFilled: true }];
const PREFIX_LINES: readonly Line[] = [{ name: "found", colour: 1, isFilled: true }];
const LAG_LINES: readonly Line[] = [
  { name: "p50", colour: 0 },
  { name: "p99", colour: 4, dash: [2, 3] },
];

const whole = (value: number | null): string =>
  value === null ? formatNumber(null) : formatNumber(Math.round(value * 10) / 10);

const GROUPS = {
  queue: ["running", "waiting"],
  rates: ["decodeRate", "prefillRate"],
  ttft: ["ttftP50", "ttftP90", "ttftP99"],
  tpot: ["tpotP50", "tpotP90", "tpotP99"],
  e2e: ["e2eP50", "e2eP90", "e2eP99"],
  lag: ["lagP50", "lagP99"],
} as const satisfies Record<string, readonly Column[]>;

type ChartKey = keyof typeof GROUPS | "pages" | "prefix";

const OF_MINUTE = "of the last minute";
const CHARTS: readonly ({ readonly key: ChartKey } & Omit<TimeChartProps, "data" | "windowMs" | "marks">)[] = [
  { key: "queue", title: "Running and waiting", lines: QUEUE_LINES, format: whole, top: 2 },
  { key: "rates", title: "Tokens a second", lines: RATE_LINES, format: whole, formatTick: formatShort, top: 10 },
  { key: "ttft", title: "Time to first token", note: OF_MINUTE, lines: PERCENTILE_LINES, format: formatMs, top: 1 },
  { key: "tpot", title: "Time per token", note: OF_MINUTE, lines: PERCENTILE_LINES, format: formatMs, top: 1 },
  { key: "e2e", title: "End to end", note: OF_MINUTE, lines: PERCENTILE_LINES, format: formatMs, top: 1 },
  { key: "pages", title: "KV pages", lines: PAGE_LINES, format: formatShare, isShare: true },
  { key: "prefix", title: "Prompt tokens found in the cache", lines: PREFIX_LINES, format: formatShare, isShare: true },
  { key: "lag", title: "Event-loop lag", note: "of the server", lines: LAG_LINES, format: formatMs, top: 1 },
];

const LONG_MS = 60_000;

/** The grid of charts. */
export function Charts(props: {
  readonly model: ModelLive;
  readonly nowMs: number;
  readonly windowMs: number;
  readonly revision: number;
}): JSX.Element {
  const { model, nowMs, windowMs, revision } = props;
  // A pixel of a long window is seconds wide: it need not be drawn again at every beat.
  const beat = Math.floor(revision / (windowMs > LONG_MS ? 4 : 1));
  const all = useMemo(() => readAll(model, nowMs, windowMs), [model, beat, windowMs]);
  const marks = model.switches.map(({ atMs }) => (atMs - nowMs) / 1000);
  return (
    <div class="dl-charts">
      {CHARTS.map(({ key, ...chart }) => (
        <TimeChart key={key} {...chart} data={all[key]} windowMs={windowMs} marks={marks} />
      ))}
    </div>
  );
}

type Cells = ChartData["columns"][number];

/** One reading of the series for all charts: they share their times. */
function readAll(model: ModelLive, nowMs: number, windowMs: number): Record<ChartKey, ChartData> {
  const names = Object.values(GROUPS).flat();
  const { seconds, columns } = model.chart(
    [...names, "kvUsed", "kvTotal", "prefixHits", "prefixLookups"],
    nowMs,
    windowMs,
  );
  const of = (wanted: readonly Column[]): ChartData => ({
    seconds,
    columns: wanted.map((name) => columns[(names as readonly Column[]).indexOf(name)]!),
  });
  const [used, total, hits, lookups] = columns.slice(-4) as [Cells, Cells, Cells, Cells];
  const pages = used.map((value, index) => (value === null || !total[index] ? null : value / total[index]));
  return {
    queue: of(GROUPS.queue),
    rates: of(GROUPS.rates),
    ttft: of(GROUPS.ttft),
    tpot: of(GROUPS.tpot),
    e2e: of(GROUPS.e2e),
    prefix: { seconds, columns: [rollingShare(seconds, hits, lookups)] },
    lag: of(GROUPS.lag),
    pages: { seconds, columns: [pages] },
  };
}
