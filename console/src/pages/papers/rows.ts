/** Which papers are shown, and what a row says. Pure. */
import type { MeasuredLine, PaperBody, PapersBody, PaperState, PaperVerb } from "@protocol";

/** A paper with everything that was measured of it. */
export type Paper = PaperBody;
/** A claim with everything that was measured of it. */
export type Claim = Paper["claims"][number];

/** What a visitor looks for. */
export interface PaperFilter {
  readonly text: string;
  /** Null: any. */
  readonly state: PaperState | null;
  readonly verb: PaperVerb | null;
}

/** The states in the order of the page. */
export const STATES: readonly PaperState[] = ["holds", "does-not-hold", "undecided", "not-built"];

/** A state in words. */
export const STATE_TEXT: Readonly<Record<PaperState, string>> = {
  holds: "holds",
  "does-not-hold": "does not hold",
  undecided: "undecided",
  "not-built": "not built",
};

/** The commands in the order of the manual, as far as any paper has them. */
export const VERBS: readonly PaperVerb[] = ["serve", "talk", "watch", "search", "fit", "plan", "bench"];

/** Papers that have every word somewhere, the state and the verb. */
export function filterPapers(papers: readonly Paper[], { text, state, verb }: PaperFilter): readonly Paper[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return papers.filter((paper) => {
    if (state !== null && paper.state !== state) return false;
    if (verb !== null && paper.verb !== verb) return false;
    const hay = searchable(paper);
    return words.every((word) => hay.includes(word));
  });
}

function searchable(paper: Paper): string {
  const { number, title, speedsUp, verb, module, date, arxiv, state, claims } = paper;
  const claimed = claims.map(({ name, headline }) => `${name} ${headline}`);
  return [number, title, speedsUp, verb, module, date, arxiv ?? "", STATE_TEXT[state], ...claimed]
    .join(" ")
    .toLowerCase();
}

/** How many papers are in each state. */
export function countStates(papers: readonly Paper[]): Readonly<Record<PaperState, number>> {
  const counts = { holds: 0, "does-not-hold": 0, undecided: 0, "not-built": 0 };
  for (const { state } of papers) counts[state] += 1;
  return counts;
}

/** Three significant digits, thousands grouped: as docs/claims.md writes them. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** "Mar 2024". */
export function monthText(date: string): string {
  const [year = "", month = ""] = date.split("-");
  const names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  return `${names[Number(month) - 1] ?? ""} ${year}`.trim();
}

/** "≥ 3.7×", "≤ 5 ms", or null where a line has no target. */
export function targetText({ target, target_on: on, better, unit }: MeasuredLine): string | null {
  if (target === null) return null;
  return on === "ratio" ? `≥ ${figure(target)}×` : `${better === "higher" ? "≥" : "≤"} ${figure(target)} ${unit}`;
}

/** What became of a line; one without a target is only published. */
export function lineState({ target, holds }: MeasuredLine): Exclude<PaperState, "not-built"> | "published" {
  if (target === null) return "published";
  return holds === null ? "undecided" : holds ? "holds" : "does-not-hold";
}

/** A line with a target first; within that the order in which the claim says them. */
export function linesOf({ measured }: Claim): readonly MeasuredLine[] {
  return measured.toSorted((a, b) => Number(b.target !== null) - Number(a.target !== null));
}

/** Where an interval, its middle, its target and "no better" stand on a strip from 0 to 1; null without an interval. */
export interface Strip {
  readonly low: number;
  readonly high: number;
  readonly at: number;
  readonly target: number | null;
  /** Where ours equals the baseline; null when the target is on ours. */
  readonly even: number | null;
}

/** The strip of a line: in logarithms, with a little air at both ends. */
export function stripOf(line: MeasuredLine): Strip | null {
  const { interval95, ratio, ours, target, target_on: on } = line;
  const at = on === "ratio" ? ratio : ours;
  if (interval95 === null || at === null) return null;
  const even = on === "ratio" ? 1 : null;
  const marks = [...interval95, at, ...(target === null ? [] : [target]), ...(even === null ? [] : [even])];
  if (marks.some((value) => !(value > 0) || !Number.isFinite(value))) return null;
  const logs = marks.map(Math.log);
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const air = Math.max((most - least) * 0.08, 0.02);
  const place = (value: number): number => (Math.log(value) - least + air) / (most - least + 2 * air);
  return {
    low: place(interval95[0]),
    high: place(interval95[1]),
    at: place(at),
    target: target === null ? null : place(target),
    even: even === null ? null : place(even),
  };
}

/** The paper that an address names, or null. */
export function findPaper({ papers }: PapersBody, number: string | undefined): Paper | null {
  return papers.find((paper) => paper.number === number) ?? null;
}

/** The claim of our own that an address names, or null. */
export function findOwn({ own }: PapersBody, id: string | undefined): Claim | null {
  return own.find((claim) => claim.id === id) ?? null;
}
