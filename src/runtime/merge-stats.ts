/** Books of several engines that served one model one after the other: counters and histograms go on where they were. */
import type { SloClass } from "../sched/index.ts";
import { addDraftCounts } from "./speculation/counts.ts";
import type { EngineStats, HistogramName, HistogramSnapshot, RequestEnd, SloCount } from "./types.ts";

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
