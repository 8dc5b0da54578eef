/** Requests of a simulation as CSV, one line each as it ends: nothing is kept. */
import type { RequestRecord } from "./report.ts";

const COLUMNS = [
  "id",
  "instance",
  "class",
  "end",
  "arrivalMs",
  "scheduledMs",
  "firstTokenMs",
  "endMs",
  "promptTokens",
  "cachedTokens",
  "outputTokens",
  "preemptions",
  "attained",
] as const satisfies readonly (keyof RequestRecord)[];

/** The first line, with its newline. */
export const CSV_HEADER = `${COLUMNS.join(",")}\n`;

/** One request's line; what it never reached stays empty. Times are milliseconds, to the microsecond. */
export function csvLine(record: RequestRecord): string {
  return `${COLUMNS.map((column) => cell(record[column])).join(",")}\n`;
}

function cell(value: string | number | boolean | null): string {
  if (value === null) return "";
  return typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);
}
