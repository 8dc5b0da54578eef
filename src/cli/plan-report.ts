/** A plan for people, for programs and for spreadsheets. Pure functions from a plan to text. */
import { describePlacement, type AttainmentCurve, type Placement, type Plan, type PlanPoint } from "../plan/index.ts";
import { bold, dim, formatMs } from "./terminal.ts";

const BAR = 40;

/** The table, the curve and what they rest on. */
export function planText(plan: Plan, seconds: number): string {
  const { trace, objective, chosen, runnersUp, nearest, curves, simulations } = plan;
  const { ttftMs, tpotMs, deadlineMs } = objective.slo;
  const targets = Object.entries({ ttft: ttftMs, tpot: tpotMs, deadline: deadlineMs }).filter(
    ([, ms]) => ms !== undefined,
  );
  const rows = chosen === null ? nearest : [chosen, ...runnersUp];
  return [
    bold(
      `${trace.source}: ${trace.requests} requests, ${trace.ratePerSecond.toFixed(2)} a second, ` +
        `${percent(objective.attain)} within ${targets.map(([name, ms]) => `${name} ${formatMs(ms!)}`).join(", ")}`,
    ),
    "",
    chosen === null
      ? bold("Nothing attains this. Nearest, with all devices:")
      : bold("The cheapest of each mode that attains:"),
    ...table([HEADINGS, ...rows.map(cells)]).map((line, i) =>
      i === 0 ? dim(line) : `${i === 1 && chosen !== null ? "▸" : " "} ${line}`,
    ),
    ...nearest.map(({ placement, mostLoad, tightestSlo }) =>
      dim(`  ${nameOf(placement)} attains at ${times(mostLoad)} the rate, or with ${times(tightestSlo)} the targets`),
    ),
    "",
    ...curveText(curves[0], objective.attain),
    ...sensitivityText(plan),
    "",
    ...costLines(plan),
    dim(`${simulations} simulations in ${seconds.toFixed(1)} s`),
  ].join("\n");
}

const HEADINGS = ["  price/h", "devices", "attained", "TTFT P90", "TPOT P90", "busy", "placement"];

function cells({ placement, pricePerHour, devices, point }: Plan["runnersUp"][number]): string[] {
  const ms = (value: number | null): string => (value === null ? "-" : formatMs(value));
  return [
    pricePerHour.toFixed(2),
    String(devices),
    percent(point.share),
    ms(point.ttftP90Ms),
    ms(point.tpotP90Ms),
    percent(point.utilization),
    describePlacement(placement),
  ];
}

/** Columns of equal width, all but the last to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padStart(widths[column]!))).join("  "),
  );
}

/** A bar for each load, a mark where the objective is. */
function curveText(curve: AttainmentCurve | undefined, attain: number): string[] {
  if (curve === undefined) return [];
  const mark = Math.min(BAR - 1, Math.round(attain * BAR));
  const bar = (share: number): string =>
    Array.from({ length: BAR }, (_, i) => (i < Math.round(share * BAR) ? "█" : i === mark ? "┊" : "░")).join("");
  return [
    bold("Attained over load:"),
    ...curve.points.map(
      ({ load, share }) =>
        `  ${times(load).padStart(6)} ${bar(share)} ${percent(share).padStart(7)}${share >= attain ? "" : "  below"}${load === 1 ? "  ◂ the trace" : ""}`,
    ),
  ];
}

function sensitivityText({ sensitivity, replans }: Plan): string[] {
  if (sensitivity === null) return [];
  const { mostLoad, tightestSlo, slo } = sensitivity;
  return [
    "",
    `It attains up to ${times(mostLoad)} the rate, and with targets down to ${times(tightestSlo)}.`,
    `Targets times ${slo.map(({ sloScale, share }) => `${sloScale}: ${percent(share)}`).join(", ")}.`,
    ...replans.map(({ load, placement }) =>
      placement === null
        ? `At ${times(load)} the rate nothing attains.`
        : `At ${times(load)} the rate the cheapest is ${nameOf(placement)}.`,
    ),
  ];
}

function costLines({ costs }: Plan): string[] {
  return costs.map(({ basis, fitError }) =>
    dim(
      `costs: ${basis}${fitError === null ? "; error not known" : `; mean error ${percent(fitError)} in the worse phase`}`,
    ),
  );
}

/** The same as plain data. */
export function planJson(plan: Plan, seconds: number): unknown {
  const rated = ({ placement, ...rest }: Plan["runnersUp"][number]): unknown => ({
    ...rest,
    ...placementJson(placement),
  });
  return {
    ...plan,
    chosen: plan.chosen === null ? null : rated(plan.chosen),
    runnersUp: plan.runnersUp.map(rated),
    nearest: plan.nearest.map(rated),
    others: plan.others.map(rated),
    curves: plan.curves.map(({ placement, points }) => ({ ...placementJson(placement), points })),
    replans: plan.replans.map(({ load, placement }) => ({
      load,
      ...(placement === null ? { placement: null } : placementJson(placement)),
    })),
    seconds,
  };
}

function placementJson(placement: Placement): { readonly placement: string; readonly mode: string } {
  return { placement: nameOf(placement), mode: placement.kind };
}

const nameOf = (placement: Placement): string => describePlacement(placement).replace(/ {2,}/g, " ");

const COLUMNS = [
  "ttftShare",
  "tpotShare",
  "ttftP90Ms",
  "tpotP90Ms",
  "e2eMeanMs",
  "utilization",
  "preemptions",
] as const;

/** One line per placement and point. */
export function curveCsv({ curves, sensitivity }: Plan): string {
  const line = (placement: Placement, point: PlanPoint): string =>
    [
      `"${nameOf(placement)}"`,
      point.load,
      point.sloScale,
      point.requests,
      point.share,
      ...COLUMNS.map((column) => point[column] ?? ""),
    ].join(",");
  const [first] = curves;
  const scales = first === undefined ? [] : (sensitivity?.slo ?? []).map((point) => line(first.placement, point));
  return [
    ["placement", "load", "slo_scale", "requests", "share", ...COLUMNS.map(snake)].join(","),
    ...curves.flatMap(({ placement, points }) => points.map((point) => line(placement, point))),
    ...scales,
    "",
  ].join("\n");
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const times = (factor: number): string => (factor === Infinity ? "∞" : `${Number(factor.toPrecision(3))}x`);
