/**
 * sched: who advances by how many tokens in the next step. Pure: no clock, no randomness, no I/O.
 *
 *   const plan = fifo().plan(view);           // a StepPlan: advance, admit, preempt, expire, cut, reject
 *   const slo = parseSlo({ ttft_ms: 200, tpot_ms: 50 });
 *   const outcome = sloOutcome(slo, arrivalMs, firstTokenMs, lastTokenMs, tokens);
 */
export { composeStep, type Mix, type StepRules } from "./compose.ts";
export { costFromPoints, kneeTokens, StepCost, type CostPoints } from "./cost.ts";
export { createOutlook, OUTLOOK_KINDS, type OutlookKind } from "./create-outlook.ts";
export { edf, type EdfOptions } from "./edf.ts";
export { fifo } from "./fifo.ts";
export { Autoscaler, fleetFreeness, type AutoscaleOptions } from "./fleet/autoscale.ts";
export { kvAwareDispatch, lmetricDispatch, type KvAwareOptions } from "./fleet/affinity.ts";
export { lightest } from "./fleet/candidates.ts";
export { deadlineAwareDispatch, type DeadlineAwareOptions } from "./fleet/deadline-aware.ts";
export {
  createDispatch,
  DISPATCH_NAMES,
  infaasDispatch,
  leastQueue,
  llumnixDispatch,
  roundRobin,
} from "./fleet/dispatch.ts";
export { dispatchFreeness, migrationFreeness, type FreenessOptions } from "./fleet/freeness.ts";
export { llumnixMigrants, type MigrantsOptions } from "./fleet/migrants.ts";
export { Pairing, type PairingOptions } from "./fleet/pairing.ts";
export { priorityBySlo } from "./fleet/sent.ts";
export { fleetWatcher, type WatcherOptions } from "./fleet/watcher.ts";
export type {
  Dispatch,
  FleetDecision,
  FleetRequest,
  FleetWatcher,
  InstanceLoad,
  InstanceRole,
  InstanceState,
  Migrants,
  MigrationSource,
  PromptBlocks,
  Refusal,
} from "./fleet/types.ts";
export { jitserve, type JitserveOptions } from "./jitserve/jitserve.ts";
export { PatternStore, type PatternStoreOptions } from "./jitserve/pattern-store.ts";
export { TaskTracker, type TaskTrackerOptions } from "./jitserve/task-tracker.ts";
export { LearningOutlook, type LearningOutlookParts } from "./learning-outlook.ts";
export {
  LEARNT_VERSION,
  MAX_LEARNT_CHARACTERS,
  readLearnt,
  writeLearnt,
  type LearntBy,
  type LearntState,
} from "./learnt-state.ts";
export { promptStepTokens } from "./prompt-step.ts";
export { KNEE_CHUNKS, KNEE_DECODE_CONTEXT, kneeDecodes, kneeOfSteps } from "./knee.ts";
export { leastAttained, type LeastAttainedOptions } from "./least-attained.ts";
export { MeanOutlook, TaskLedger, type ArrivedRequest, type Outlook, type RequestOutlook } from "./outlook.ts";
export { recordView, replayDecision, viewFromRecord, type DecisionLogEntry, type ViewRecord } from "./log.ts";
export { Outlooks } from "./outlooks.ts";
export { orcaMixed } from "./orca-mixed.ts";
export { LatencyFit, type LatencyCurve, type SharePoint } from "./phases/latency-fit.ts";
export {
  checkShareOptions,
  ShareController,
  type Phase,
  type ShareControllerOptions,
  type ShareDecision,
} from "./phases/share-controller.ts";
export { StrideScheduler } from "./phases/stride.ts";
export { lengthFeatures, wordHashes, type LengthFeatures } from "./predict/features.ts";
export {
  ForestLengthPredictor,
  OracleLengthPredictor,
  type ForestPredictorOptions,
  type LengthPrediction,
  type LengthPredictor,
} from "./predict/length-predictor.ts";
export { prefillFirst } from "./prefill-first.ts";
export { createPolicy, outlookOf, POLICY_NAMES, type PolicyOptions } from "./registry.ts";
export { shortestPredicted, type ShortestPredictedOptions } from "./shortest-predicted.ts";
export {
  BEST_EFFORT,
  checkSlo,
  deadlineAtMs,
  goodTokens,
  parseSlo,
  SLO_CLASSES,
  sloOutcome,
  sloTargets,
  tokenInTime,
  type SloOutcome,
  type SloTargets,
} from "./slo.ts";
export { splitfuse, splitfuseTokens, type SplitfuseOptions } from "./splitfuse.ts";
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
