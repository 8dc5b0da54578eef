/** What the page says of scaling by load: how many there are, where the room stands in its band, what was done last and why. Pure. */
import type { FleetScalingView, FleetView } from "@protocol";
import { countOf, formatNumber, formatSpan } from "../../lib/format.ts";

/**
 * Where the room stands on a bar of three equal parts, 0 to 1: below the band, in it, above it up to twice its upper end. What is
 * beyond stands at the ends; without requests there is all the room there is.
 */
export function roomPlace({
  lowSteps,
  highSteps,
  freenessSteps,
}: Pick<FleetScalingView, "lowSteps" | "highSteps" | "freenessSteps">): number {
  const steps = freenessSteps ?? Infinity;
  if (steps < lowSteps) return Math.max(0, steps / lowSteps) / 3;
  if (steps <= highSteps) return (1 + (steps - lowSteps) / Math.max(1, highSteps - lowSteps)) / 3;
  return (2 + Math.min(1, (steps - highSteps) / highSteps)) / 3;
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

/** "between 1 and 4", "always 3". */
export function rangeWords({ least, most }: Pick<FleetScalingView, "least" | "most">): string {
  if (least === most) return `always ${formatNumber(least)}`;
  return `between ${formatNumber(least)} and ${formatNumber(most)}`;
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

/** "room for 312 steps"; without requests, all of it. */
export function roomWords(freenessSteps: number | null): string {
  return freenessSteps === null
    ? "no requests, all room free"
    : `room for ${countOf(Math.round(freenessSteps), "step")}`;
}

/** What it did last and why, in one sentence; null before the first change. */
export function lastWords({ last, least, lowSteps, highSteps }: FleetScalingView): string | null {
  if (last === null) return null;
  const did = { start: "Launched", drain: "Drained", keep: "Kept" }[last.kind];
  const room = last.freenessSteps === null ? "there were no requests" : `there was ${roomWords(last.freenessSteps)}`;
  const why = {
    fewest: `there were fewer than ${formatNumber(least)}`,
    low: `${room}, less than ${formatNumber(lowSteps)}`,
    high: last.freenessSteps === null ? room : `${room}, more than ${formatNumber(highSteps)}`,
  }[last.reason];
  return `${did} ${last.instance} ${formatSpan(last.ageMs)} ago: ${why}.`;
}

/** Since this router started: what came, what did not, what left. */
export function countWords({ started, failed, drained }: FleetScalingView): string {
  const lost = failed === 0 ? "" : `, ${formatNumber(failed)} did not come`;
  const left = `${formatNumber(drained)} ${drained === 1 ? "was" : "were"} drained`;
  return `Since this router started, ${formatNumber(started)} came${lost} and ${left}.`;
}
