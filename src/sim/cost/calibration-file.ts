/**
 * A calibration file: measured steps of one model on one machine, JSON, as `punctual doctor --calibrate` writes it. It
 * carries the points, not a fit, so that a better fit needs no new measurement.
 */
import { fail } from "../../core/index.ts";
import type { Deployment } from "../types.ts";
import { fitCost, fittedCost, type Fit, type StepPoint } from "./fitted.ts";

/** The version that this code writes and reads. */
export const CALIBRATION_VERSION = 1;
const MAX_POINTS = 200_000;
const MAX_NAME_CHARACTERS = 1024;
const LARGEST = 1e15;

/** The file's content. Points are columns in the order of `POINT_FIELDS`. */
export interface CalibrationFile {
  readonly kind: "punctual-calibration";
  readonly version: typeof CALIBRATION_VERSION;
  /** The processor and what else decides its speed, for reports. */
  readonly machine: string;
  readonly model: string;
  /** Weights format, threads and the like, for reports. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly kvTokens: number;
  readonly kvBytesPerToken: number;
  readonly points: readonly StepPoint[];
}

/** A calibration ready to simulate with. */
export interface CalibratedDeployment {
  readonly deployment: Deployment;
  readonly fit: Fit;
}

/** Columns of a point in the file, in order. */
export const POINT_FIELDS = [
  "tokens",
  "rows",
  "prefillTokens",
  "prefillSquares",
  "prefillContext",
  "decodes",
  "decodeContext",
  "stepMs",
] as const satisfies readonly (keyof StepPoint)[];

/** The file's text. */
export function writeCalibration(file: Omit<CalibrationFile, "kind" | "version">): string {
  const { machine, model, settings, kvTokens, kvBytesPerToken, points } = file;
  const head = { kind: "punctual-calibration", version: CALIBRATION_VERSION, machine, model, settings };
  const rows = points.map((point) => POINT_FIELDS.map((field) => point[field]));
  return `${JSON.stringify({ ...head, kvTokens, kvBytesPerToken, fields: POINT_FIELDS, points: rows })}\n`;
}

/** @throws PunctualError invalid_file naming the field. */
export function readCalibration(text: string): CalibrationFile {
  const row = parse(text);
  if (row["kind"] !== "punctual-calibration") refuse("kind", '"punctual-calibration"', row["kind"]);
  if (row["version"] !== CALIBRATION_VERSION) refuse("version", String(CALIBRATION_VERSION), row["version"]);
  const fields = row["fields"];
  if (!Array.isArray(fields) || fields.length > 100) return refuse("fields", "a list of columns", fields);
  const places = POINT_FIELDS.map((field) => {
    const place = fields.indexOf(field);
    return place >= 0 ? place : refuse("fields", `a column "${field}"`, fields);
  });
  const rows = row["points"];
  if (!Array.isArray(rows) || rows.length > MAX_POINTS) return refuse("points", `at most ${MAX_POINTS} rows`, rows);
  return {
    kind: "punctual-calibration",
    version: CALIBRATION_VERSION,
    machine: name(row["machine"], "machine"),
    model: name(row["model"], "model"),
    settings: settingsOf(row["settings"]),
    kvTokens: number(row["kvTokens"], "kvTokens", 1),
    kvBytesPerToken: number(row["kvBytesPerToken"], "kvBytesPerToken", 0),
    points: rows.map((values: unknown, i) => pointOf(values, places, i)),
  };
}

/** The fitted deployment of a file: one device, the measured one. */
export function calibratedDeployment(file: CalibrationFile): CalibratedDeployment {
  const fit = fitCost(file.points);
  const { model, kvTokens, kvBytesPerToken } = file;
  const cost = fittedCost(`fitted ${model}`, fit.form);
  return { deployment: { name: model, cost, kvTokens, kvBytesPerToken, devices: 1 }, fit };
}

function pointOf(values: unknown, places: readonly number[], index: number): StepPoint {
  const param = `points[${index}]`;
  if (!Array.isArray(values)) return refuse(param, "a row of numbers", values);
  const at = (field: (typeof POINT_FIELDS)[number]): number =>
    number((values as unknown[])[places[POINT_FIELDS.indexOf(field)]!], `${param}.${field}`, 0);
  return {
    tokens: at("tokens"),
    rows: at("rows"),
    prefillTokens: at("prefillTokens"),
    prefillSquares: at("prefillSquares"),
    prefillContext: at("prefillContext"),
    decodes: at("decodes"),
    decodeContext: at("decodeContext"),
    stepMs: at("stepMs"),
  };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail("invalid_file", `calibration: expected JSON: ${String(error)}`, { param: "calibration" });
  }
  if (value === null || typeof value !== "object") return refuse("calibration", "an object", value);
  return value as Readonly<Record<string, unknown>>;
}

function settingsOf(value: unknown): CalibrationFile["settings"] {
  if (value === undefined) return {};
  if (value === null || typeof value !== "object") return refuse("settings", "an object", value);
  const entries = Object.entries(value).filter((entry): entry is [string, string | number | boolean] =>
    ["string", "number", "boolean"].includes(typeof entry[1]),
  );
  return Object.fromEntries(entries);
}

function name(value: unknown, param: string): string {
  if (typeof value === "string" && value.length <= MAX_NAME_CHARACTERS) return value;
  return refuse(param, "a name", value);
}

function number(value: unknown, param: string, least: number): number {
  if (typeof value === "number" && value >= least && value <= LARGEST) return value;
  return refuse(param, `a number from ${least}`, value);
}

function refuse(param: string, expected: string, got: unknown): never {
  const shown = (JSON.stringify(got) ?? String(got)).slice(0, 60);
  return fail("invalid_file", `calibration ${param}: expected ${expected}, got ${shown}`, { param });
}
