/**
 * Results as data: one JSON object with everything but answers' texts, and a CSV with a row per cell. Field names are
 * vLLM's where it has them (`output_throughput`, `mean_ttft_ms`, `spec_decode_acceptance_length` …).
 */
import type { Cell } from "./cell.ts";
import { shownLength } from "./evidence.ts";
import type { ExperimentReport } from "./experiments.ts";

/** A cell as plain data. */
export function cellRecord(cell: Cell): Readonly<Record<string, unknown>> {
  const { acceptance, timing } = cell;
  return {
    arm: cell.arm,
    drafter: cell.drafter,
    draft_length: cell.draftLength,
    group: cell.group,
    max_concurrency: cell.concurrency,
    round: cell.round,
    completed: cell.completed,
    failed: cell.failed,
    failures: cell.failures,
    duration: timing.durationMs / 1000,
    output_throughput: timing.outputTps,
    user_throughput: timing.userTps,
    ttft_ms: timing.ttftMs,
    step_ms: timing.stepMs,
    e2el_ms: timing.e2eMs,
    output_tokens: timing.outputTokens,
    input_tokens: timing.promptTokens,
    acceptance_source: acceptance?.source ?? null,
    spec_decode_acceptance_length: acceptance === null ? null : shownLength(acceptance),
    acceptance_length_interval: acceptance?.length ?? null,
    acceptance_length_over_steps: acceptance?.lengthOverSteps ?? null,
    acceptance_length_of_verifications: acceptance?.verificationLength ?? null,
    spec_decode_acceptance_rate: acceptance?.rate ?? null,
    spec_decode_accepted_tokens: acceptance?.accepted ?? null,
    spec_decode_draft_tokens: acceptance?.drafted ?? null,
    step_length_histogram: acceptance?.lengthHistogram ?? null,
    conditional_acceptance_rates: acceptance?.conditional ?? null,
    spec_decode_per_position_acceptance_rates: acceptance?.joint ?? null,
    cut_steps: acceptance?.cutSteps ?? null,
    cross_checks: cell.crossChecks,
    warnings: cell.warnings,
  };
}

/** An experiment as plain data: its cells and everything concluded from them. */
export function experimentRecord(report: ExperimentReport): Readonly<Record<string, unknown>> {
  const { cells, ...rest } = report;
  return { ...rest, cells: cells.map(cellRecord) };
}

/** What JSON has no word for becomes null: an interval of one value is unbounded. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "number" && !Number.isFinite(part) ? null : part,
  );
}

const COLUMNS = [
  "experiment",
  "group",
  "arm",
  "drafter",
  "draft_length",
  "max_concurrency",
  "round",
  "completed",
  "failed",
  "acceptance_source",
  "spec_decode_acceptance_length",
  "spec_decode_acceptance_rate",
  "acceptance_length_over_steps",
  "output_throughput",
  "mean_user_throughput",
  "mean_ttft_ms",
  "mean_step_ms",
  "mean_e2el_ms",
  "speedup",
  "user_speedup",
  "proxy_speedup",
] as const;

/** A row per cell, head first; speed-ups are those of the arm over all rounds. */
export function csvOf(reports: readonly ExperimentReport[]): string {
  const rows = reports.flatMap((report) =>
    report.cells.map((cell) => {
      const summary = report.summaries.find(
        (one) => one.arm === cell.arm && one.group === cell.group && one.concurrency === cell.concurrency,
      );
      const record = cellRecord(cell);
      const more: Readonly<Record<string, unknown>> = {
        experiment: report.kind,
        mean_user_throughput: cell.timing.userTps?.mean,
        mean_ttft_ms: cell.timing.ttftMs?.mean,
        mean_step_ms: cell.timing.stepMs?.mean,
        mean_e2el_ms: cell.timing.e2eMs?.mean,
        speedup: summary?.speedup?.mean,
        user_speedup: summary?.userSpeedup?.mean,
        proxy_speedup: summary?.proxySpeedup,
      };
      return COLUMNS.map((column) => csvField(more[column] ?? record[column]));
    }),
  );
  return [COLUMNS.join(","), ...rows.map((row) => row.join(","))].map((line) => `${line}\n`).join("");
}

/** Quoted where it must be; a text never begins like a formula of a spreadsheet. */
function csvField(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = String(value as string).replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
