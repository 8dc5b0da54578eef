/** The family on its latency-quality plot: points with both coordinates, and the scales that hold them. Pure. */
import type { FamilyPoint } from "@protocol";

/** A member with both a measured latency and a measured quality. */
export interface PlottedPoint {
  readonly id: string;
  readonly parameters: number;
  /** Milliseconds a token. */
  readonly latencyMs: number;
  /** `load`: a step of one token, timed when the model was loaded; `live`: the median pace of answers of the last minute. */
  readonly measured: "load" | "live";
  /** Share of right answers on held-out items, with the ends of its interval. */
  readonly quality: number;
  readonly low: number;
  readonly high: number;
  readonly isServed: boolean;
}

/** Members as the plot can show them, fastest first. `paceMs` says a model's live pace, null when there is none. */
export function plottedPoints(
  family: readonly FamilyPoint[],
  paceMs: (id: string) => number | null,
): readonly PlottedPoint[] {
  return family
    .flatMap((member): PlottedPoint[] => {
      const latencyMs = member.stepMs ?? paceMs(member.id);
      if (latencyMs === null || member.quality === null) return [];
      const [low, high] = member.interval95 ?? [member.quality, member.quality];
      const { id, parameters, quality, served } = member;
      const measured = member.stepMs === null ? "live" : "load";
      return [{ id, parameters, latencyMs, measured, quality, low, high, isServed: served }];
    })
    .toSorted((a, b) => a.latencyMs - b.latencyMs);
}

/** Members that the plot leaves out, with the reason. */
export function missingPoints(
  family: readonly FamilyPoint[],
  shown: readonly PlottedPoint[],
): readonly { readonly id: string; readonly why: string }[] {
  const plotted = new Set(shown.map(({ id }) => id));
  return family
    .filter(({ id }) => !plotted.has(id))
    .map(({ id, quality }) => ({
      id,
      why: quality === null ? "its card has no scores" : "not timed yet: it was not loaded",
    }));
}

/** The most of a family that nobody beats in both: no other is faster and better. */
export function frontier(points: readonly PlottedPoint[]): readonly PlottedPoint[] {
  let best = Number.NEGATIVE_INFINITY;
  return points
    .toSorted((a, b) => a.latencyMs - b.latencyMs || b.quality - a.quality)
    .filter(({ quality }) => {
      if (quality <= best) return false;
      best = quality;
      return true;
    });
}

/** Scales with air around the points: latency from zero, quality on whole tenths. */
export function plotScales(points: readonly PlottedPoint[]): {
  readonly latencyMs: readonly [number, number];
  readonly quality: readonly [number, number];
} {
  if (points.length === 0) return { latencyMs: [0, 1], quality: [0, 1] };
  const most = Math.max(...points.map(({ latencyMs }) => latencyMs));
  const low = Math.min(...points.map((point) => point.low));
  const high = Math.max(...points.map((point) => point.high));
  const bottom = Math.max(0, Math.floor(low * 10 - 0.3) / 10);
  const top = Math.min(1, Math.ceil(high * 10 + 0.3) / 10);
  return { latencyMs: [0, most * 1.3], quality: [bottom, top > bottom ? top : bottom + 0.1] };
}
