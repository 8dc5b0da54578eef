/**
 * The decision log: one plain JSON record per step, holding everything the policy saw and what it
 * decided. Feeding the recorded view to the same policy must give the recorded plan; a simulator that
 * drives the same arrivals and step times must give the same log.
 */
import { costFromPoints, type CostPoints } from "./cost.ts";
import type { BatchPolicy, SchedulerLimits, SchedulerView, SequenceView, StepPlan } from "./types.ts";

/** A SchedulerView whose functions have become tables. */
export interface ViewRecord {
  readonly nowMs: number;
  readonly waiting: readonly SequenceView[];
  readonly running: readonly SequenceView[];
  readonly freePages: number;
  readonly pageTokens: number;
  readonly totalPages: number;
  readonly limits: SchedulerLimits;
  /** [id, cached tokens, cached free pages] of the waiting sequences that the policy asked about. */
  readonly cached: readonly (readonly [id: number, tokens: number, freePages: number])[];
  readonly cost: CostPoints;
}

/** One step of the log: what the policy saw, what it decided, how long that took to carry out. */
export interface DecisionLogEntry {
  /** 0 for the first step since the engine started. */
  readonly step: number;
  readonly policy: string;
  readonly view: ViewRecord;
  readonly plan: StepPlan;
  /** How long carrying out the plan took, milliseconds. */
  readonly stepMs: number;
}

/**
 * A view that notes what is asked of it. Plan with `view`, then `record()` gives the data behind the plan.
 * @param cost the points behind `view.cost`, if it has one.
 */
export function recordView(
  view: SchedulerView,
  cost: CostPoints = [],
): { readonly view: SchedulerView; record(): ViewRecord } {
  const cached = new Map<number, readonly [number, number, number]>();
  const look = (id: number): readonly [number, number, number] => {
    let entry = cached.get(id);
    if (entry === undefined) {
      const tokens = view.cachedTokens(id);
      entry = [id, tokens, view.cachedFreePages?.(id) ?? Math.ceil(tokens / view.pageTokens)];
      cached.set(id, entry);
    }
    return entry;
  };
  const { nowMs, waiting, running, freePages, pageTokens, totalPages, limits } = view;
  const data = { nowMs, waiting, running, freePages, pageTokens, totalPages, limits };
  return {
    view: {
      ...data,
      cachedTokens: (id) => look(id)[1],
      cachedFreePages: (id) => look(id)[2],
      ...(view.cost === undefined ? {} : { cost: view.cost }),
    },
    record: () => ({ ...data, cached: [...cached.values()], cost }),
  };
}

/**
 * The view of a record, for planning once more. Waiting sequences that the policy had not asked about have nothing
 * cached, so another policy than the recorded one may see less than it would have.
 */
export function viewFromRecord(record: ViewRecord): SchedulerView {
  const cached = new Map(record.cached.map((entry) => [entry[0], entry]));
  const { nowMs, waiting, running, freePages, pageTokens, totalPages, limits, cost } = record;
  return {
    nowMs,
    waiting,
    running,
    freePages,
    pageTokens,
    totalPages,
    limits,
    cachedTokens: (id) => cached.get(id)?.[1] ?? 0,
    cachedFreePages: (id) => cached.get(id)?.[2] ?? 0,
    ...(cost.length === 0 ? {} : { cost: costFromPoints(cost) }),
  };
}

/** The plan that a policy makes of a recorded view. */
export function replayDecision(policy: BatchPolicy, entry: DecisionLogEntry): StepPlan {
  return policy.plan(viewFromRecord(entry.view));
}
