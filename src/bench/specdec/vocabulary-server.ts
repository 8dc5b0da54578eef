/**
 * The pruned-vocabulary ablation where the server itself prunes: each request says which tokens its drafter may
 * propose, so that acceptance is that of the real drafter.
 */
import type { Cell } from "./cell.ts";
import { meanOf } from "./estimate.ts";
import type { MatrixReport } from "./compare.ts";
import type { Arm } from "./types.ts";
import {
  frequentTokens,
  missingShare,
  overallRows,
  type TokenAnswer,
  type VocabularyReport,
  type VocabularyRow,
} from "./vocabulary.ts";

/** How a server is told the vocabulary of its drafter: the fields of a request for these ids. */
export interface VocabularyHook {
  readonly drafter: string;
  body(allowed: readonly number[]): Readonly<Record<string, unknown>>;
}

/** What the ablation works with. */
export interface ServerAblation {
  readonly hook: VocabularyHook;
  readonly full: Arm;
  /** Measured with the whole vocabulary. */
  readonly report: MatrixReport;
  readonly reference: readonly (readonly number[])[];
  readonly measured: readonly TokenAnswer[];
  readonly sizes: readonly number[];
  readonly run: (arms: readonly Arm[]) => Promise<MatrixReport>;
}

/** Measures an arm per size and compares it, category by category, with the whole vocabulary. */
export async function serverAblation(
  ablation: ServerAblation,
): Promise<MatrixReport & { readonly vocabulary: VocabularyReport }> {
  const { hook, full, report, reference, measured, sizes, run } = ablation;
  const ranked = frequentTokens(reference, Math.max(...sizes));
  const arms = sizes.map((size): Arm => ({
    ...full,
    name: `${full.name}, ${size} tokens`,
    body: { ...full.body, ...hook.body(ranked.slice(0, size)) },
  }));
  const pruned = await run(arms);
  const rows: VocabularyRow[] = [];
  for (const cell of report.cells) {
    const own = measured.filter(({ category }) => category === cell.group);
    const whole = lengthOf(cell);
    if (whole === null || own.length === 0) continue;
    const common = { category: cell.group, answers: cell.completed };
    rows.push({ ...common, vocabularyTokens: null, acceptanceLength: whole, change: 0, missing: 0 });
    for (const [i, size] of sizes.entries()) {
      const length = lengthOf(pruned.cells.find((one) => one.group === cell.group && one.arm === arms[i]!.name));
      if (length === null) continue;
      const missing = missingShare(own, new Set(ranked.slice(0, size)));
      rows.push({ ...common, vocabularyTokens: size, acceptanceLength: length, change: length / whole - 1, missing });
    }
  }
  const cells = [...report.cells, ...pruned.cells];
  const summaries = [...report.summaries, ...pruned.summaries];
  const overall = [...report.overall, ...pruned.overall];
  if (!rows.some(({ vocabularyTokens }) => vocabularyTokens !== null)) {
    const reason = "the server does not tell how many draft tokens it accepted";
    return { summaries, overall, cells, vocabulary: { kind: "not measurable", reason } };
  }
  const vocabulary: VocabularyReport = {
    kind: "server",
    drafter: hook.drafter,
    draftLength: typeof full.draftLength === "number" ? full.draftLength : 0,
    rows,
    overall: overallRows(rows, sizes),
    note: "the server's own drafter, pruned by request",
  };
  return { summaries, overall, cells, vocabulary };
}

function lengthOf(cell: Cell | undefined): number | null {
  if (cell === undefined || cell.answerLengths.size === 0) return null;
  return meanOf([...cell.answerLengths.values()]);
}
