/** What the page says of scaling by load: how many there are, where the room stands in its band, what was done last and why. Pure. */
import type { FleetScalingView, FleetView } from "@protocol";
import { countOf, formatNumber, formatSpan } from "../../lib/format.ts";

/** Where a number stands on a bar, 0 to 1. */
export interface Band {
  readonly low: number;
  readonly high: number;
  /** Null: there are no requests, so there is all the room there is. */
  readonly at: number | null;
}

/** The band takes the middle of the bar; what is beyond its ends stands at its ends. */
export function bandOf({ lowSteps, highSteps, freenessSteps }: FleetScalingView): Band {
  const end = lowSteps + highSteps;
  const place = (steps: number): number => Math.min(1, Math.max(0, steps / end));
  return {
    low: place(lowSteps),
    high: place(highSteps),
    at: freenessSteps === null ? null : place(freenessSteps),
  };
}

/** Instances that scaling counts and that serve. */
export function servingOf({ instances }: FleetView, { model }: FleetScalingView): number {
  return instances.filter(
    (one) =>
      one.host === "punctual" &&
      one.role === "any" &&
      one.state === "serving" &&
      (model === null || one.model === model),
  ).length;
}

/** Whether it scales, in a word or three. */
export function standWords({ isActive, isEnabled }: FleetScalingView): string {
  if (!isEnabled) return "switched off";
  return isActive ? "on" : "another router decides";
}

/** What a switch has done: it is of this router, and another one may be the one that decides. */
export function switchWords(isEnabled: boolean, isActive: boolean): string {
  if (!isActive) return `Switched ${isEnabled ? "on" : "off"} at this router; another one decides now.`;
  return isEnabled ? "Instances are started and drained by load again." : "No instance is started or drained by load.";
}

/** "312 steps of room"; of no requests, all of it. */
export function roomWords(freenessSteps: number | null): string {
  return freenessSteps === null ? "no requests" : `${countOf(Math.round(freenessSteps), "step")} of room`;
}

/** What it did last and why, in one sentence; null before the first change. */
export function lastWords({ last, least, lowSteps, highSteps }: FleetScalingView): string | null {
  if (last === null) return null;
  const did = { start: "Launched", drain: "Drained", keep: "Kept" }[last.kind];
  const room = last.freenessSteps === null ? "there were no requests" : `there were ${roomWords(last.freenessSteps)}`;
  const why = {
    fewest: `there were fewer than ${formatNumber(least)}`,
    low: `${room}, fewer than ${formatNumber(lowSteps)}`,
    high: last.freenessSteps === null ? room : `${room}, more than ${formatNumber(highSteps)}`,
  }[last.reason];
  return `${did} ${last.instance} ${formatSpan(last.ageMs)} ago: ${why}.`;
}

/** Since this router started: what came, what did not, what left. */
export function countWords({ started, failed, drained }: FleetScalingView): string {
  const lost = failed === 0 ? "" : `, ${formatNumber(failed)} did not come`;
  return `Since this router started, ${formatNumber(started)} came${lost} and ${formatNumber(drained)} were drained.`;
}
