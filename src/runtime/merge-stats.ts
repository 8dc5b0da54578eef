/** Books of several engines that served one model one after the other: counters and histograms go on where they were. */
import type { SloClass } from "../sched/index.ts";
import { addDraftCounts } from "./speculation/counts.ts";
import { EngineMetrics } from "./metrics.ts";
import type {
  EngineInfo,
  EngineOptions,
  EngineStats,
  HistogramName,
  HistogramSnapshot,
  RequestEnd,
  SloCount,
} from "./types.ts";

/** `past` and `now` as one; gauges, state and limits are those of `now`. Histograms have the same bounds. */
export function mergeStats(past: EngineStats, now: EngineStats): EngineStats {
  const histograms = Object.fromEntries(
    Object.entries(now.histograms).map(([name, histogram]) => [
      name,
      addHistograms(past.histograms[name as HistogramName], histogram),
    ]),
  ) as Record<HistogramName, HistogramSnapshot>;
  return {
    ...now,
    counters: addCounters(past.counters, now.counters),
    slo: addCounts(past.slo, now.slo),
    histograms,
    speculation: now.speculation === null ? null : addDraftCounts([...(past.speculation ?? []), ...now.speculation]),
    lastError: now.lastError ?? past.lastError,
  };
}

function addCounters(a: EngineStats["counters"], b: EngineStats["counters"]): EngineStats["counters"] {
  const { requests: endsA, goodputTokens: goodA, ...restA } = a;
  const { requests: endsB, goodputTokens: goodB, ...restB } = b;
  return {
    ...addEach(restA, restB),
    requests: addEach<Record<RequestEnd, number>>(endsA, endsB),
    goodputTokens: addEach<Record<SloClass, number>>(goodA, goodB),
  };
}

function addEach<T extends Readonly<Record<string, number>>>(a: T, b: T): T {
  return Object.fromEntries(Object.entries(b).map(([key, value]) => [key, value + (a[key] ?? 0)])) as T;
}

function addCounts(a: readonly SloCount[], b: readonly SloCount[]): SloCount[] {
  const sums = new Map<string, SloCount>();
  for (const count of [...a, ...b]) {
    const key = `${count.class}/${count.metric}`;
    const before = sums.get(key);
    const attained = count.attained + (before?.attained ?? 0);
    sums.set(key, { ...count, attained, missed: count.missed + (before?.missed ?? 0) });
  }
  return [...sums.values()];
}

function addHistograms(a: HistogramSnapshot, b: HistogramSnapshot): HistogramSnapshot {
  const cumulative = b.cumulative.map((value, i) => value + (a.cumulative[i] ?? 0));
  return { bounds: b.bounds, cumulative, sum: a.sum + b.sum, count: a.count + b.count };
}

/** The books of a model of a pool before its first load. */
export function statsBefore({
  options,
  info,
  waiters,
}: {
  readonly options: EngineOptions & { readonly name: string };
  readonly info: EngineInfo;
  readonly waiters: ReadonlySet<symbol>;
}): EngineStats {
  const metrics = new EngineMetrics();
  return {
    name: options.name,
    state: "ready",
    running: 0,
    waiting: waiters.size,
    paused: 0,
    kv: { pagesUsed: 0, pagesTotal: info.kvPages, pageTokens: info.pageTokens, usage: 0 },
    counters: metrics.counters(),
    slo: metrics.slo(),
    histograms: metrics.histograms(),
    limits: {
      maxRunning: options.maxRunning ?? 0,
      maxWaiting: options.maxWaiting ?? 0,
      budgetTokens: options.budgetTokens ?? 0,
    },
    calibration: null,
    speculation: null,
    phases: null,
    recording: null,
    lastError: null,
  };
}
