/**
 * What measured steps were made of, read off a decision log: the view says where each sequence stood, the plan how far
 * it went, the entry how long that took.
 */
import type { DecisionLogEntry, SequenceView } from "../../sched/index.ts";
import type { StepPoint } from "./fitted.ts";

/**
 * One point per step that computed something. When the next step followed at once, the time between them counts to the
 * step: an engine does not compute then, and a simulated one would.
 */
export function stepPoints(entries: readonly DecisionLogEntry[]): StepPoint[] {
  const points: StepPoint[] = [];
  for (const [i, entry] of entries.entries()) {
    const point = pointOf(entry, entries[i + 1]);
    if (point !== null) points.push(point);
  }
  return points;
}

function pointOf({ step, view, plan, stepMs }: DecisionLogEntry, next: DecisionLogEntry | undefined): StepPoint | null {
  const sequences = new Map<number, SequenceView>();
  for (const sequence of [...view.running, ...view.waiting]) sequences.set(sequence.id, sequence);
  const cached = new Map(view.cached.map(([id, tokens]) => [id, tokens]));
  const admitted = new Set(plan.admit);
  const point = {
    tokens: 0,
    rows: 0,
    prefillTokens: 0,
    prefillSquares: 0,
    prefillContext: 0,
    decodes: 0,
    decodeContext: 0,
  };
  for (const { id, tokens } of plan.advance) {
    const sequence = sequences.get(id);
    if (sequence === undefined) return null;
    const start = sequence.computedTokens + (admitted.has(id) ? (cached.get(id) ?? 0) : 0);
    const end = start + tokens;
    const known = sequence.computedTokens + sequence.pendingTokens;
    point.tokens += tokens;
    point.rows += 1;
    if (tokens === 1 && end === known && sequence.generatedTokens > 0) {
      point.decodes += 1;
      point.decodeContext += end;
    } else {
      point.prefillTokens += tokens;
      point.prefillSquares += end * end - start * start;
      point.prefillContext += end;
    }
  }
  if (point.tokens === 0) return null;
  return { ...point, stepMs: stepMs + (next?.step === step + 1 ? gapAfter(view.nowMs + stepMs, next) : 0) };
}

/** Time to the next step, when somebody waited for it all along. */
function gapAfter(endMs: number, next: DecisionLogEntry): number {
  const { nowMs, running, waiting } = next.view;
  const waited = [...running, ...waiting].some(({ arrivalMs }) => arrivalMs <= endMs);
  return waited ? Math.max(0, nowMs - endMs) : 0;
}
