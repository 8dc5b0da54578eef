/** What a virtual instance is made of, and who hears of it. No code in here. */
import type { BatchPolicy, InstanceRole, Outlook, SchedulerLimits, StepCost } from "../sched/index.ts";
import type { VirtualDrafts } from "./drafts.ts";
import type { PagePool } from "./page-pool.ts";
import type { SimSequence } from "./sequence.ts";
import type { SimEnd } from "./types.ts";

/** Hears what happens to sequences, in order; the simulation's side of it. */
export interface InstanceListener {
  /** @param gapMs since the token before; null for the first. */
  token?(sequence: SimSequence, gapMs: number | null, nowMs: number): void;
  /** It has left the instance. */
  ended(sequence: SimSequence, end: SimEnd, nowMs: number): void;
  preempted?(sequence: SimSequence, nowMs: number): void;
}

/** What an instance is made of. */
export interface InstanceOptions {
  readonly index?: number;
  readonly role?: InstanceRole;
  readonly policy: BatchPolicy;
  readonly limits: SchedulerLimits;
  readonly pages: PagePool;
  readonly listener: InstanceListener;
  /** What a policy may expect of steps, learnt as the live engine learns it; empty at first when absent. */
  readonly cost?: StepCost;
  /** What policies are told of requests beyond themselves; a MeanOutlook when absent. */
  readonly outlook?: Outlook;
  /** Absent: one token a step. */
  readonly drafts?: VirtualDrafts;
  /** Keep that many decisions. */
  readonly recordDecisions?: number;
}
