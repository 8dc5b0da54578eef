/**
 * sim: engines and fleets in virtual time, decided by the same policies as the live ones. Pure: no clock, no I/O.
 *
 *   const { decisions } = replay(readRecording(text));   // a recorded run once more, decision by decision
 *   const report = new Simulation({                      // arrivals and lengths only, costs from a model
 *     trace,
 *     instances: [{ deployment: createDeployment("opt-13b"), policy: () => createPolicy("splitfuse") }],
 *     dispatch: createDispatch("llumnix"),
 *   }).run();
 */
export { calibrate, chunkShape, decodeShape, type Calibrated } from "./cost/calibrate.ts";
export {
  CALIBRATION_VERSION,
  calibratedDeployment,
  readCalibration,
  writeCalibration,
  type CalibratedDeployment,
  type CalibrationFile,
} from "./cost/calibration-file.ts";
export { createDeployment, TABLE_NAMES, type NamedDeployment } from "./cost/deployments.ts";
export { fitCost, fittedCost, type Fit, type FittedForm, type StepPoint } from "./cost/fitted.ts";
export { A100_TABLES, phaseCost, SCHEDULER_OVERHEAD, type A100Entry, type PhaseTable } from "./cost/phase-table.ts";
export { GPUS, MODEL_SHAPES, roofline, type Gpu, type ModelShape, type RooflineOptions } from "./cost/roofline.ts";
export { readSplitwise, splitwiseModels, type SplitwiseModel, type SplitwiseRow } from "./cost/splitwise.ts";
export { requestKinds, stepPoints, type RequestKind } from "./cost/step-points.ts";
export { fleetController, linkMigration, type FleetControllerOptions, type LinkOptions } from "./controller.ts";
export type { VirtualDrafts } from "./drafts.ts";
export { DrawnDrafts, fitDrafts, type DraftFit } from "./drafts-fit.ts";
export { EventQueue, type EventHandle } from "./event-queue.ts";
export type { InstanceSpec } from "./fleet.ts";
export type { MigrationReport } from "./migration.ts";
export { VirtualInstance } from "./instance.ts";
export type { InstanceListener, InstanceOptions } from "./instance-options.ts";
export { Latencies, type LatencySummary } from "./latency.ts";
export { ChromeTrace } from "./chrome-trace.ts";
export {
  FIDELITY_METRICS,
  measuredLatencies,
  predict,
  type Fidelity,
  type FidelityMetric,
  type LatencyPair,
  type PredictOptions,
} from "./predict.ts";
export { colocatedFleet, type ColocatedSettings } from "./phases/colocated.ts";
export {
  disaggregatedFleet,
  disaggregatedPhase,
  type DisaggregatedOptions,
  type HandoverLink,
} from "./phases/disaggregated.ts";
export type { FleetSettings, PhaseGroup } from "./phases/groups.ts";
export { pipelined, pipelineTiming } from "./phases/pipeline.ts";
export { prefillBatches, saturatingTokens, type PrefillBatchesOptions } from "./phases/prefill-batches.ts";
export { semiPdFleet, type SemiPdOptions, type ShareRule } from "./phases/semi-pd.ts";
export { sharedStepMs, type SharingOptions } from "./phases/shared-cost.ts";
export type { PhasedFleet } from "./phases/types.ts";
export { CSV_HEADER, csvLine } from "./requests-csv.ts";
export { CountedPages, type PagePool } from "./page-pool.ts";
export { readEngineFacts, type EngineFacts, type LaneFacts } from "./engine-facts.ts";
export { compareDecisions, firstDifference, recordedDecisions, type LogDifference } from "./log-difference.ts";
export { replay, type Replayed, type ReplayOptions } from "./replay.ts";
export type { Attainment, ClassAttainment, InstanceReport, RequestRecord, SimulationReport } from "./report.ts";
export { SimSequence, type FailureStage, type SimRequest } from "./sequence.ts";
export { SharedPages } from "./shared-pages.ts";
export {
  Simulation,
  type SimulationObserver,
  type SimulationOptions,
  type StepRetiming,
  type StepTiming,
} from "./simulation.ts";
export type { TaskEnd } from "./tasks.ts";
export type {
  CostModel,
  Deployment,
  FleetAction,
  FleetController,
  FleetView,
  MigrationModel,
  Phase,
  RowKind,
  SimEnd,
  StepShape,
} from "./types.ts";
