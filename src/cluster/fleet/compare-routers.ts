/**
 * Routers side by side: the same requests at the same moments, over the same number of real engines on a bus in memory, once
 * for each router, with engines that know nothing yet. What comes out is measured where a client is.
 */
import { createRandom, PunctualError, quantile } from "../../core/index.ts";
import { liveClock, sleep, type Engine, type GenerateRequest, type RequestSummary } from "../../runtime/index.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { Fleet } from "./fleet.ts";

/** A request and when it comes. */
export interface TimedRequest {
  /** Since the beginning. */
  readonly atMs: number;
  readonly request: GenerateRequest;
}

/** What to compare. */
export interface CompareOptions {
  /** Names of routers, in the order in which they are measured. */
  readonly routers: readonly string[];
  /** In order of `atMs`. */
  readonly trace: readonly TimedRequest[];
  /** Starts the instances of one router, all of one model; they are stopped afterwards. */
  readonly start: () => Promise<readonly Engine[]>;
  /** Of drawn choices; the same for every router. 1 when absent. */
  readonly seed?: number;
  /** Told when a router has been measured. */
  readonly onRow?: (row: RouterRow) => void;
}

/** How one router did. Times in milliseconds; NaN where nothing came. */
export interface RouterRow {
  readonly router: string;
  readonly requests: number;
  readonly failed: number;
  readonly ttftMs: { readonly mean: number; readonly p50: number; readonly p99: number };
  readonly tpotMs: { readonly mean: number; readonly p50: number; readonly p99: number };
  /** Prompt tokens that were cached where they were computed, out of all. */
  readonly hitShare: number;
  /** Requests that met their objective, out of all that have one; those without one count as having met it. */
  readonly attainedShare: number;
  /** Requests by instance, in order of the instances: how evenly they went. */
  readonly placed: readonly number[];
  readonly tookMs: number;
}

/** Measures every router after the other. @throws PunctualError as `start`, and for a router that there is not. */
export async function compareRouters(options: CompareOptions): Promise<readonly RouterRow[]> {
  const rows: RouterRow[] = [];
  for (const router of options.routers) {
    const row = await measure(router, options);
    rows.push(row);
    options.onRow?.(row);
  }
  return rows;
}

/** The rows as a table for people. */
export function routerTable(rows: readonly RouterRow[]): string {
  const head = ["router", "ttft mean", "p50", "p99", "tpot mean", "p99", "hits", "attained", "failed", "placed"];
  const lines = rows.map(({ router, ttftMs, tpotMs, hitShare, attainedShare, failed, placed }) => [
    router,
    ...[ttftMs.mean, ttftMs.p50, ttftMs.p99, tpotMs.mean, tpotMs.p99].map((ms) => ms.toFixed(1)),
    ...[hitShare, attainedShare].map((share) => `${(100 * share).toFixed(0)} %`),
    String(failed),
    placed.join("/"),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]!.length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

async function measure(router: string, { trace, start, seed = 1 }: CompareOptions): Promise<RouterRow> {
  const engines = await start();
  const broker = new MemoryBroker();
  const hosts: InstanceHost[] = [];
  try {
    for (const [i, engine] of engines.entries()) {
      hosts.push(await InstanceHost.start({ engine, bus: broker.connect(), id: `i${i}`, workItems: 0 }));
    }
    await using fleet = await Fleet.join({ bus: broker.connect(), router, random: createRandom(seed, "compare") });
    await fleet.ready(engines[0]!.info.name);
    while (fleet.size < engines.length) await sleep(10);
    return await replay(router, trace, fleet, engines);
  } finally {
    await Promise.all(hosts.map((host) => host.stop({ graceMs: 0 })));
    await Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 })));
  }
}

async function replay(
  router: string,
  trace: readonly TimedRequest[],
  fleet: Fleet,
  engines: readonly Engine[],
): Promise<RouterRow> {
  const engine = fleet.engines[0]!;
  const startMs = liveClock.nowMs();
  const summaries: RequestSummary[] = [];
  let failed = 0;
  const running = trace.map(async ({ atMs, request }) => {
    await sleep(Math.max(0, startMs + atMs - liveClock.nowMs()));
    try {
      const onEnd = (summary: RequestSummary): void => void summaries.push(summary);
      for await (const event of engine.submit({ ...request, arrivalMs: startMs + atMs }, { onEnd })) void event;
    } catch (error) {
      if (!(error instanceof PunctualError)) throw error;
      failed += 1;
    }
  });
  await Promise.all(running);
  const tookMs = liveClock.nowMs() - startMs;
  const times = (of: (summary: RequestSummary) => number | null | undefined): number[] =>
    summaries.map(of).filter((ms) => ms !== null && ms !== undefined);
  const sum = (of: (summary: RequestSummary) => number): number => summaries.reduce((total, one) => total + of(one), 0);
  return {
    router,
    requests: trace.length,
    failed,
    ttftMs: statistics(times(({ outcome }) => outcome?.ttft_ms)),
    tpotMs: statistics(times(({ outcome }) => outcome?.tpot_ms)),
    hitShare:
      sum(({ cachedTokens }) => cachedTokens) /
      Math.max(
        1,
        sum(({ promptTokens }) => promptTokens),
      ),
    attainedShare: sum(({ outcome }) => (outcome?.attained === true ? 1 : 0)) / Math.max(1, trace.length),
    placed: engines.map((one) => endedAt(one)),
    tookMs,
  };
}

function endedAt(engine: Engine): number {
  const { stop, length } = engine.stats().counters.requests;
  return stop + length;
}

function statistics(values: readonly number[]): RouterRow["ttftMs"] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
}
