/**
 * The vocabulary of fleet policies as plain data: what they see of instances (`InstanceLoad`), what they decide of a new
 * request (`Dispatch`) and of the fleet (`FleetDecision`), and what the source of a migration decides by itself
 * (`Migrants`). As in Llumnix (OSDI'24), who watches over the fleet sees instances only; which request moves is chosen
 * where the requests are.
 *
 * Pure: no clock, no I/O. Drivers, live and simulated, carry the decisions out.
 */
import type { RandomStream } from "../../core/index.ts";
import type { CostEstimate, SchedulerLimits, SequenceView, Slo } from "../types.ts";

/** What an instance is for. A colocated one does both. */
export type InstanceRole = "both" | "prefill" | "decode";

/**
 * Where an instance stands in its life: it takes requests while it is serving; a draining one takes nothing new and
 * stops when it is empty.
 */
export type InstanceState = "starting" | "serving" | "draining" | "stopped";

/** The part of a request that decides what it shares with others. */
export interface PromptBlocks {
  readonly promptTokens: number;
  /** One id per `blockTokens` tokens; equal ids stand for equal tokens. */
  readonly hashIds?: readonly number[];
  readonly blockTokens?: number;
}

/** A new request, as far as a dispatcher may know it: nothing of its answer. */
export interface FleetRequest extends PromptBlocks {
  /** Above 0 is urgent; 0 when absent. */
  readonly priority?: number;
  /** What it was promised; nothing when absent. */
  readonly slo?: Slo;
  /** Of that time, milliseconds that have passed already; 0 when absent. */
  readonly waitedMs?: number;
}

/**
 * What may be known of an instance: counts, and pages of the KV cache. Requests that were sent but not taken in yet
 * count as waiting.
 */
export interface InstanceLoad {
  readonly index: number;
  readonly role: InstanceRole;
  readonly state: InstanceState;
  /** True while it is serving. */
  readonly accepting: boolean;
  readonly waiting: number;
  readonly running: number;
  /** Tokens that the waiting ones have to compute, caches ignored: all queued demand. */
  readonly waitingTokens: number;
  /** Tokens that running ones have yet to catch up on. */
  readonly prefillTokens: number;
  /** Pages promised to what is on its way here included. */
  readonly usedPages: number;
  readonly totalPages: number;
  readonly pageTokens: number;
  /** Pages that every waiting request would fill with its known tokens. */
  readonly waitingPages: number;
  /** The same for the first in line only; 0 when nobody waits. */
  readonly headPages: number;
  /** Mean length of the answers that ended there lately, tokens; null before the first. */
  readonly answerTokens: number | null;
  /** Urgent requests, waiting and running. */
  readonly urgent: number;
  /** The part of `waiting` and of `waitingPages` that urgent requests have. */
  readonly urgentWaiting: number;
  readonly urgentWaitingPages: number;
  /** Migrations under way from here and to here. */
  readonly outgoing: number;
  readonly incoming: number;
  /** What a step of so many tokens costs there; unknown when absent. */
  readonly cost?: CostEstimate;
  /** What its steps keep within; unknown when absent. */
  readonly limits?: Pick<SchedulerLimits, "budgetTokens" | "maxRunning">;
  /** When this was so, in the driver's milliseconds, if it was some time ago; absent when it is so now. */
  readonly takenMs?: number;
  /** Leading tokens of that prompt in its prefix cache. */
  cachedTokens(request: PromptBlocks): number;
}

/** Chooses the instance of a new request. It may keep state of its own (a counter); one object serves one driver. */
export interface Dispatch {
  readonly name: string;
  /**
   * @param candidates instances that accept requests now and may take new ones; never empty.
   * @returns one of them; null when the prompt is longer than every one's cache, so that waiting would be for ever.
   */
  choose(
    request: FleetRequest,
    candidates: readonly InstanceLoad[],
    nowMs: number,
    random: RandomStream,
  ): InstanceLoad | null;
  /**
   * Why no candidate can keep what the request was promised, for requests that would rather be refused; null when one can,
   * or nobody knows. Absent: it never says so. Asked before `choose`.
   */
  refusal?(request: FleetRequest, candidates: readonly InstanceLoad[], nowMs: number): Refusal | null;
}

/** A promise that no instance can keep. */
export interface Refusal {
  readonly reason: string;
  /** When trying again may help, milliseconds from now. */
  readonly retryAfterMs: number;
}

/** One thing to be done to a fleet. */
export type FleetDecision =
  /** Requests may go from one instance to the other; the source chooses which, if any. */
  | { readonly kind: "pair"; readonly from: number; readonly to: number }
  /** One more instance. */
  | { readonly kind: "start" }
  /** Takes nothing new; stops when it is empty. */
  | { readonly kind: "drain"; readonly instance: number };

/** Watches over a fleet at regular times. It keeps state of its own; one object serves one driver. */
export interface FleetWatcher {
  readonly name: string;
  /** Milliseconds between two looks. */
  readonly everyMs: number;
  /** @param instances of every state, stopped ones included. */
  decide(instances: readonly InstanceLoad[], nowMs: number): readonly FleetDecision[];
}

/** The requests of a source. */
export interface MigrationSource {
  readonly load: InstanceLoad;
  /** With pages, in order of arrival. */
  readonly running: readonly SequenceView[];
  /** Without, in order of arrival. */
  readonly waiting: readonly SequenceView[];
}

/** Chooses what moves within a pair. It keeps state of its own; one object serves one driver. */
export interface Migrants {
  /** Ids of requests of the source, in the order in which they leave; empty when nothing should move. */
  choose(source: MigrationSource, to: InstanceLoad, nowMs: number): readonly number[];
}
