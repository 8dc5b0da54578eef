/**
 * sched: who advances by how many tokens in the next step. Pure: no clock, no randomness, no I/O.
 *
 *   const plan = fifo().plan(view);           // a StepPlan: advance, admit, preempt, expire, cut, reject
 *   const slo = parseSlo({ ttft_ms: 200, tpot_ms: 50 });
 *   const outcome = sloOutcome(slo, arrivalMs, firstTokenMs, lastTokenMs, tokens);
 */
export { costFromPoints, StepCost, type CostPoints } from "./cost.ts";
export { fifo } from "./fifo.ts";
export { recordView, replayDecision, viewFromRecord, type DecisionLogEntry, type ViewRecord } from "./log.ts";
export { createPolicy, POLICY_NAMES } from "./registry.ts";
export {
  BEST_EFFORT,
  checkSlo,
  deadlineAtMs,
  parseSlo,
  sloOutcome,
  sloTargets,
  type SloOutcome,
  type SloTargets,
} from "./slo.ts";
export type {
  Advance,
  BatchPolicy,
  CostEstimate,
  OnMiss,
  Rejection,
  SchedulerLimits,
  SchedulerView,
  SequenceView,
  Slo,
  SloClass,
  StepPlan,
  TaskStage,
} from "./types.ts";
