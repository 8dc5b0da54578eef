/**
 * What measured steps were made of, read off a decision log: the view says where each sequence stood, the plan how far
 * it went, the entry how long that took.
 */
import type { DecisionLogEntry, SequenceView } from "../../sched/index.ts";
import type { Recording, TraceRoute } from "../../workload/index.ts";
import { skippedShare } from "../step-batch.ts";
import type { StepPoint } from "./fitted.ts";

/** What a log does not say of a request: its adapter and its layers. */
export interface RequestKind {
  readonly adapted: boolean;
  /** Null: all layers. */
  readonly route: TraceRoute | null;
}

/** The requests of a recording that are not ordinary ones, by id. */
export function requestKinds({ requests, routes }: Recording): ReadonlyMap<number, RequestKind> {
  const decided = new Map(routes.map(({ id, layers, skipped }) => [id, { layers, kept: layers - skipped.length }]));
  return new Map(
    requests.flatMap(({ id, adapter }): [number, RequestKind][] => {
      const route = decided.get(id) ?? null;
      return adapter === undefined && route === null ? [] : [[id, { adapted: adapter !== undefined, route }]];
    }),
  );
}

/**
 * One point per step that computed something. When the next step followed at once, the time between them counts to the
 * step: an engine does not compute then, and a simulated one would.
 * @param kinds of requests, where some are not ordinary ones
 */
export function stepPoints(
  entries: readonly DecisionLogEntry[],
  kinds: ReadonlyMap<number, RequestKind> = new Map(),
): StepPoint[] {
  const points: StepPoint[] = [];
  for (const [i, entry] of entries.entries()) {
    const point = pointOf(entry, entries[i + 1], kinds);
    if (point !== null) points.push(point);
  }
  return points;
}

function pointOf(
  { step, view, plan, stepMs }: DecisionLogEntry,
  next: DecisionLogEntry | undefined,
  kinds: ReadonlyMap<number, RequestKind>,
): StepPoint | null {
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
    skippedTokens: 0,
    adaptedTokens: 0,
  };
  for (const { id, tokens: planned } of plan.advance) {
    const sequence = sequences.get(id);
    if (sequence === undefined) return null;
    const start = sequence.computedTokens + (admitted.has(id) ? (cached.get(id) ?? 0) : 0);
    const { adapted = false, route = null } = kinds.get(id) ?? {};
    // Where layers may be left out, a row is of the prompt or behind it.
    const left = route === null ? 0 : sequence.promptTokens - start;
    const tokens = left > 0 ? Math.min(planned, left) : planned;
    const end = start + tokens;
    if (adapted) point.adaptedTokens += tokens;
    if (route !== null && left <= 0) point.skippedTokens += tokens * skippedShare(route);
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
  const { skippedTokens, adaptedTokens, ...ordinary } = point;
  return {
    ...ordinary,
    ...(skippedTokens > 0 ? { skippedTokens } : {}),
    ...(adaptedTokens > 0 ? { adaptedTokens } : {}),
    stepMs: stepMs + (next?.step === step + 1 ? gapAfter(view.nowMs + stepMs, next) : 0),
  };
}

/** Time to the next step, when somebody waited for it all along. */
function gapAfter(endMs: number, next: DecisionLogEntry): number {
  const { nowMs, running, waiting } = next.view;
  const waited = [...running, ...waiting].some(({ arrivalMs }) => arrivalMs <= endMs);
  return waited ? Math.max(0, nowMs - endMs) : 0;
}
