/** Claim results for people: a table in the terminal and docs/claims.md. Pure functions from results to text. */
import type { Claim, ClaimResult, Measured } from "./framework.ts";

/** Three significant digits, thousands grouped. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

function verdict(holds: boolean | null): string {
  return holds === null ? "undecided" : holds ? "holds" : "does not hold";
}

function lineVerdict(line: Measured): string {
  return line.target === null ? "published" : verdict(line.holds);
}

function targetText(line: Measured): string {
  if (line.target === null) return "-";
  if (line.target_on === "ratio") return `≥ ${figure(line.target)}×`;
  return `${line.better === "higher" ? "≥" : "≤"} ${figure(line.target)} ${line.unit}`;
}

function intervalText(line: Measured): string {
  return line.interval95 === null ? "-" : `${figure(line.interval95[0])} … ${figure(line.interval95[1])}`;
}

function cells(line: Measured): string[] {
  return [
    line.metric,
    `${figure(line.ours)} ${line.unit}`,
    line.baseline === null ? "-" : `${figure(line.baseline)} ${line.unit}`,
    line.ratio === null ? "-" : `${figure(line.ratio)}×`,
    targetText(line),
    intervalText(line),
    lineVerdict(line),
  ];
}

const HEADINGS = ["metric", "ours", "baseline", "ratio", "target", "95 % interval", "verdict"];

/** A plain-text table for the terminal. */
export function resultText(claim: Claim, result: ClaimResult): string {
  const head = `claim ${claim.id} (${claim.name}), ${result.mode}: ${result.error === undefined ? verdict(result.holds) : "could not run"}`;
  if (result.error !== undefined) return `${head}\n${result.error}`;
  const rows = [HEADINGS, ...result.measured.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return [head, `  ${claim.headline}`, ...table.map((row) => `  ${row}`), `  ${result.seconds} s`].join("\n");
}

/** docs/claims.md: every claim, held or not, with its lines, notes and the command that repeats it. */
export function claimsMarkdown(claims: readonly Claim[], results: readonly ClaimResult[]): string {
  const parts = [
    "# Claims",
    "",
    "Written by `npm run claims`. Both arms of a comparison run interleaved in one process; a ratio above 1 is",
    "an improvement; `holds` is decided by the 95 % interval. A claim that does not hold stays here.",
    "",
  ];
  const missing = claims.filter(({ id }) => !results.some(({ claim }) => claim === id));
  if (missing.length > 0) {
    const list = missing.map(({ id, headline }) => `- ${id}: ${headline}`);
    parts.push("Built and not measured yet on an idle machine:", "", ...list, "");
  }
  for (const result of results) {
    const claim = claims.find((candidate) => candidate.id === result.claim);
    if (claim !== undefined) parts.push(...claimSection(claim, result));
  }
  return `${parts.join("\n").trimEnd()}\n`;
}

function claimSection(claim: Claim, result: ClaimResult): string[] {
  const { machine } = result;
  const section = [
    `## ${claim.id}: ${claim.headline}`,
    "",
    `- Verdict: **${result.error === undefined ? verdict(result.holds) : "could not run"}** (${result.mode}, ${result.seconds} s)`,
    `- Against: ${claim.baseline}`,
    `- Targets: ${claim.targets}`,
    `- Source: ${claim.source}`,
    `- Machine: ${machine.cores} cores ${machine.cpu} (${machine.flags.join(", ")}), ${machine.memory_gib} GiB, ${machine.os}, Node ${machine.node}, ONNX Runtime ${machine.ort}`,
    `- Repeat: \`npm run -s claim -- ${claim.id}${result.mode === "quick" ? " --quick" : ""}\``,
    "",
  ];
  if (result.error !== undefined) return [...section, "```", result.error, "```", ""];
  section.push(`| ${HEADINGS.join(" | ")} | kind | note |`, `|${" --- |".repeat(HEADINGS.length + 2)}`);
  for (const line of result.measured) {
    const paper = line.paper_says === null ? "" : ` (paper: ${line.paper_says})`;
    section.push(`| ${[...cells(line), line.kind, line.note + paper].join(" | ")} |`);
  }
  section.push("");
  for (const line of result.measured) if (line.curve !== undefined) section.push(...curveTable(line));
  return section;
}

function curveTable(line: Measured): string[] {
  const points = line.curve ?? [];
  const first = points[0];
  if (first === undefined) return [];
  const keys = Object.keys(first);
  const row = (values: readonly (number | string)[]): string =>
    `| ${values.map((value) => (typeof value === "number" ? figure(value) : value)).join(" | ")} |`;
  return [
    `Curve of *${line.metric}*:`,
    "",
    row(keys),
    `|${" --- |".repeat(keys.length)}`,
    ...points.map((point) => row(keys.map((key) => point[key] ?? ""))),
    "",
  ];
}
