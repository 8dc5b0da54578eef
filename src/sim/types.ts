/**
 * The ports of the simulator: what a step costs (`CostModel`), whether a sequence changes instances between its phases
 * (`Phase`), what watches over the fleet (`FleetController`), and how sequences are copied (`MigrationModel`). Where a
 * request goes is `Dispatch` of sched/. Data in, decisions out: nothing here advances the clock.
 */
import type { InstanceLoad, MigrationSource, SequenceView } from "../sched/index.ts";

/** What a step is made of, as far as its duration depends on it. A row is one sequence's part of the step. */
export interface StepShape {
  /** Tokens of all rows together. */
  readonly tokens: number;
  readonly rows: number;
  /** Tokens of rows that catch up on a prompt or a recomputation. */
  readonly prefillTokens: number;
  /** Sum over those rows of end² - start²: chunks of a prompt add up to its length squared, as attention does. */
  readonly prefillSquares: number;
  /** Sum over those rows of the tokens in place after the step: keys and values that attention reads. */
  readonly prefillContext: number;
  /** Rows of one token that make the next one. */
  readonly decodes: number;
  /** Sum over those rows of the tokens in place after the step. */
  readonly decodeContext: number;
  /** Sum over all rows of their tokens times the share of layers that they leave out; 0 when absent. */
  readonly skippedTokens?: number;
  /** Tokens of rows with an adapter; 0 when absent. */
  readonly adaptedTokens?: number;
}

/** What rows of a step may be beside ordinary ones: with layers left out, or with an adapter. */
export type RowKind = "routes" | "adapters";

/** How long a step takes. A pure function of the shape. */
export interface CostModel {
  readonly name: string;
  /** Milliseconds, above 0 for a step of at least one token. */
  stepMs(shape: StepShape): number;
  /** What it knows of rows that are not ordinary; the others cost what ordinary ones do. Nothing when absent. */
  readonly knows?: readonly RowKind[];
}

/** A model on its devices: what one instance is. */
export interface Deployment {
  readonly name: string;
  readonly cost: CostModel;
  /** Tokens of KV that fit beside the weights. */
  readonly kvTokens: number;
  /** Of one token over all layers and devices, for handing KV over. */
  readonly kvBytesPerToken: number;
  /** Devices that one instance occupies; what a rate "per device" is divided by. */
  readonly devices: number;
}

/**
 * Moves a sequence to another instance once its prompt is computed. Its keys and values go along; until a target has
 * room they stay where they are, out of the schedule, so that back-pressure loses nothing.
 */
export interface Phase {
  readonly name: string;
  /** True when the sequence, which just made a token, goes on elsewhere. */
  leaves(sequence: SequenceView, from: InstanceLoad): boolean;
  /** Where it goes on, or null to be asked again after the next step of any instance. First come, first asked. */
  target(sequence: SequenceView, from: InstanceLoad, instances: readonly InstanceLoad[]): InstanceLoad | null;
  /** How long keys and values of that many tokens are under way, milliseconds; not asked within one page pool. */
  transferMs(tokens: number, from: InstanceLoad, to: InstanceLoad, nowMs: number): number;
  /** Where a preempted sequence is computed again; it stays when this is absent or answers null. */
  recompute?(sequence: SequenceView, from: InstanceLoad, instances: readonly InstanceLoad[]): InstanceLoad | null;
}

/** One thing a controller wants done. */
export type FleetAction =
  /** A running sequence with its keys and values, or a waiting one as it is. Ignored when it is gone or cannot move. */
  | { readonly kind: "migrate"; readonly id: number; readonly from: number; readonly to: number }
  /** One more instance like number `like`, ready after `delayMs`. */
  | { readonly kind: "start"; readonly like: number; readonly delayMs: number }
  /** Takes nothing new; stops when it is empty. */
  | { readonly kind: "drain"; readonly instance: number };

/** The fleet as a controller sees it. */
export interface FleetView {
  readonly nowMs: number;
  /** As old as dispatchers see them. */
  readonly instances: readonly InstanceLoad[];
  /** What an instance knows of itself, as it is now. */
  source(instance: number): MigrationSource;
}

/** Watches over the fleet at regular times: migration, autoscaling. */
export interface FleetController {
  readonly name: string;
  readonly everyMs: number;
  tick(fleet: FleetView): readonly FleetAction[];
  /** Sequences move in no time when absent. */
  readonly migration?: MigrationModel;
}

/** How keys and values change instances. */
export interface MigrationModel {
  /**
   * staged     copied while it decodes, in stages; only what the last stage copies makes it stand still (Llumnix)
   * blocking   stands still while everything is copied
   * recompute  nothing is copied: it starts again over there
   */
  readonly kind: "staged" | "blocking" | "recompute";
  /** More pages than that left for the last stage, and it stays where it is; 16 when absent. */
  readonly lastStagePages?: number;
  /** Stages at most, the last one included; 3 when absent. */
  readonly maxStages?: number;
  /** By how much steps of both sides are longer while something is copied, as a share; 0 when absent. */
  readonly slowdown?: number;
  /** How long a stage with that many tokens takes, handshake included; 0 tokens is a request without keys and values. */
  stageMs(tokens: number, from: InstanceLoad, to: InstanceLoad): number;
}

/** How a request ended. */
export type SimEnd =
  | "done"
  /** At its deadline, with what it had. */
  | "cut"
  /** In the queue, its deadline passed. */
  | "expired"
  /** By the policy, beforehand. */
  | "rejected"
  /** By the queue's bound. */
  | "refused"
  /** Longer than the cache. */
  | "too-long"
  | "cancelled"
  /** For a reason of its own, as recorded. */
  | "failed";
