/** Plans and simulated worlds as what the console's protocol says of them. Pure functions from results to plain data. */
import { assert } from "../core/index.ts";
import type { PlacementBody, PlanBody, PlanPointBody, RatedBody, WorldBody } from "../protocol/index.ts";
import {
  describePlacement,
  devicesOf,
  partsOf,
  pricePerHourOf,
  type NearPlacement,
  type Placement,
  type Plan,
  type PlanPoint,
  type RatedPlacement,
} from "../plan/index.ts";
import type { LatencySummary, NamedDeployment, RequestRecord, SimulationReport } from "../sim/index.ts";
import { PLAN_LIMITS } from "../protocol/index.ts";

/** What is to be started. */
export function placementBody(placement: Placement): PlacementBody {
  const roles = placement.kind === "disaggregated" ? (["prefill", "decode"] as const) : (["both"] as const);
  return {
    mode: placement.kind,
    name: describePlacement(placement).replace(/ {2,}/g, " "),
    parts: partsOf(placement).map(({ on, instances }, i) => ({
      role: roles[i]!,
      gpu: on.gpu,
      name: on.name,
      instances,
      tensorParallel: on.deployment.devices,
      pipelineStages: on.pipeline,
    })),
    ...(placement.kind === "chunked" ? { stepTokens: placement.stepTokens } : {}),
    devices: devicesOf(placement),
    pricePerHour: pricePerHourOf(placement),
  };
}

/** One simulation of it. */
export function pointBody(point: PlanPoint): PlanPointBody {
  const { whole, ...told } = point;
  assert(whole, "what is told was simulated to its end");
  return told;
}

/** A placement and how it fares. */
export function ratedBody({ placement, point }: RatedPlacement): RatedBody {
  return { placement: placementBody(placement), point: pointBody(point) };
}

const nearBody = (near: NearPlacement): PlanBody["nearest"][number] => ({
  ...ratedBody(near),
  mostLoad: near.mostLoad,
  tightestSlo: finite(near.tightestSlo),
});

/** A whole plan. */
export function planBody(plan: Plan): PlanBody {
  const { name, source, requests, ratePerSecond } = plan.trace;
  const { sensitivity } = plan;
  return {
    trace: { name, source, requests, ratePerSecond },
    attain: plan.objective.attain,
    chosen: plan.chosen === null ? null : ratedBody(plan.chosen),
    runnersUp: plan.runnersUp.map(ratedBody),
    nearest: plan.nearest.map(nearBody),
    others: plan.others.map(ratedBody),
    curves: plan.curves.map(({ placement, points }) => ({
      placement: placementBody(placement),
      points: points.map(pointBody),
    })),
    sensitivity:
      sensitivity === null
        ? null
        : {
            mostLoad: sensitivity.mostLoad,
            tightestSlo: finite(sensitivity.tightestSlo),
            slo: sensitivity.slo.map(pointBody),
          },
    replans: plan.replans.map(({ load, placement }) => ({
      load,
      placement: placement === null ? null : placementBody(placement),
    })),
    costs: plan.costs,
    simulations: plan.simulations,
  };
}

/** What came of a simulated world. `records`: of its requests, in any order. */
export function worldBody(
  title: string,
  { basis, fitError }: NamedDeployment,
  report: SimulationReport,
  records: readonly RequestRecord[],
): WorldBody {
  const { arrived, ...ends } = report.requests;
  const happened = Object.entries(ends).filter(([, count]) => count > 0);
  const latency = ({ mean, p50, p90, p99 }: LatencySummary): WorldBody["ttftMs"] => ({ mean, p50, p90, p99 });
  return {
    title,
    basis,
    fitError,
    requests: { arrived, ...Object.fromEntries(happened) },
    spanMs: report.spanMs,
    throughput: report.throughput,
    goodput: report.goodput,
    attained: report.attainment.all.share,
    ttftMs: latency(report.ttftMs),
    tpotMs: latency(report.tpotMs),
    e2eMs: latency(report.e2eMs),
    queueMs: latency(report.queueMs),
    utilization: report.utilization,
    preemptions: report.preemptions,
    steps: report.steps,
    sample: thinned(records.toSorted((a, b) => a.arrivalMs - b.arrivalMs)).map((record) => ({
      arrivalMs: record.arrivalMs,
      ttftMs: record.firstTokenMs === null ? null : record.firstTokenMs - record.arrivalMs,
      endMs: record.endMs,
      attained: record.attained,
    })),
    timeline: timelineOf(records),
  };
}

/** Evenly, the first and the last included. */
function thinned<T>(all: readonly T[]): readonly T[] {
  const most = PLAN_LIMITS.worldPoints;
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]!);
}

/** Requests in the system at evenly spaced moments. */
function timelineOf(records: readonly RequestRecord[]): WorldBody["timeline"] {
  const sorted = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b);
  const arrivals = sorted(records.map(({ arrivalMs }) => arrivalMs));
  const begun = records.filter(({ firstTokenMs }) => firstTokenMs !== null);
  const firsts = sorted(begun.map(({ firstTokenMs }) => firstTokenMs!));
  const ends = sorted(begun.map(({ endMs }) => endMs));
  // Who never got a first token waited until it was over.
  const unbegun = sorted(records.flatMap(({ firstTokenMs, endMs }) => (firstTokenMs === null ? [endMs] : [])));
  const lastMs = Math.max(ends.at(-1) ?? 0, unbegun.at(-1) ?? 0, 1);
  const points = Math.min(PLAN_LIMITS.worldPoints, Math.max(2, records.length * 2));
  const at = [0, 0, 0, 0];
  const passed = (which: number, times: readonly number[], nowMs: number): number => {
    while (at[which]! < times.length && times[at[which]!]! <= nowMs) at[which]! += 1;
    return at[which]!;
  };
  return Array.from({ length: points }, (_, i) => {
    const atMs = (i * lastMs) / (points - 1);
    const started = passed(1, firsts, atMs);
    const waiting = passed(0, arrivals, atMs) - started - passed(3, unbegun, atMs);
    return { atMs, waiting, running: started - passed(2, ends, atMs) };
  });
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
