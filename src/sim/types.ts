/**
 * The ports of the simulator: what a step costs (`CostModel`), where a request goes (`Dispatch`), whether it changes
 * instances between its phases (`Phase`), and what watches over the fleet (`FleetController`). Data in, decisions out:
 * nothing here advances the clock.
 */
import type { RandomStream } from "../core/index.ts";
import type { SequenceView } from "../sched/index.ts";
import type { TraceRequest } from "../workload/index.ts";

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
}

/** How long a step takes. A pure function of the shape. */
export interface CostModel {
  readonly name: string;
  /** Milliseconds, above 0 for a step of at least one token. */
  stepMs(shape: StepShape): number;
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

/** What a dispatcher may know of an instance. Requests that were sent but not taken in yet count as waiting. */
export interface InstanceLoad {
  readonly index: number;
  readonly role: InstanceRole;
  /** False while it is being emptied, or before it has started. */
  readonly accepting: boolean;
  readonly waiting: number;
  readonly running: number;
  /** Tokens that the waiting ones have to compute, caches ignored: all queued demand. */
  readonly waitingTokens: number;
  /** Tokens that running ones have yet to catch up on. */
  readonly prefillTokens: number;
  readonly usedPages: number;
  readonly totalPages: number;
  readonly pageTokens: number;
  /** Pages that every waiting request would fill with its known tokens. */
  readonly waitingPages: number;
  /** The same for the first in line only; 0 when nobody waits. */
  readonly headPages: number;
  /** Leading tokens of that prompt in its prefix cache. */
  cachedTokens(request: PromptBlocks): number;
}

/** What an instance is for. A colocated one does both. */
export type InstanceRole = "both" | "prefill" | "decode";

/** The part of a request that decides what it shares with others. */
export interface PromptBlocks {
  readonly promptTokens: number;
  /** One id per `blockTokens` tokens; equal ids stand for equal tokens. */
  readonly hashIds?: readonly number[];
  readonly blockTokens?: number;
}

/** Chooses the instance of a new request. It may keep state of its own (a counter); one object serves one simulation. */
export interface Dispatch {
  readonly name: string;
  /**
   * @param candidates instances that accept requests now and may take new ones; never empty.
   * @returns one of them.
   */
  choose(
    request: TraceRequest & PromptBlocks,
    candidates: readonly InstanceLoad[],
    nowMs: number,
    random: RandomStream,
  ): InstanceLoad;
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
  transferMs(tokens: number, from: InstanceLoad, to: InstanceLoad): number;
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
  readonly instances: readonly InstanceLoad[];
  /** Sequences of one instance that hold pages, in order of arrival. */
  running(instance: number): readonly SequenceView[];
  /** Sequences that wait there, in order of arrival. */
  waiting(instance: number): readonly SequenceView[];
  /** The priority of a live request of the trace; 0 when it had none. */
  priority(id: number): number;
}

/** Watches over the fleet at regular times: migration, autoscaling. */
export interface FleetController {
  readonly name: string;
  readonly everyMs: number;
  tick(fleet: FleetView): readonly FleetAction[];
  /** How long copying that many tokens of KV takes beside the decoding, and how long the sequence stands still at its end. */
  migration?(tokens: number): { readonly copyMs: number; readonly stallMs: number };
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
