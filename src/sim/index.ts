/**
 * sim: engines and fleets in virtual time, decided by the same policies as the live ones. Pure: no clock, no I/O.
 *
 *   const { decisions } = replay(readRecording(text));   // a recorded run once more, decision by decision
 */
export { EventQueue, type EventHandle } from "./event-queue.ts";
export { VirtualInstance, type InstanceListener, type InstanceOptions } from "./instance.ts";
export { CountedPages, type PagePool } from "./page-pool.ts";
export {
  firstDifference,
  readEngineFacts,
  recordedDecisions,
  replay,
  type EngineFacts,
  type LogDifference,
  type Replayed,
  type ReplayOptions,
} from "./replay.ts";
export { SimSequence, type FailureStage, type SimRequest } from "./sequence.ts";
export { SharedPages } from "./shared-pages.ts";
export type {
  CostModel,
  Deployment,
  Dispatch,
  FleetAction,
  FleetController,
  FleetView,
  InstanceLoad,
  InstanceRole,
  Phase,
  PromptBlocks,
  SimEnd,
  StepShape,
} from "./types.ts";
