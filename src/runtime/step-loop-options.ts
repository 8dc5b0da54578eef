/** What a step loop is given, and how one that computes a single phase works beside others. No code in here. */
import type { Clock } from "../core/index.ts";
import type { KvPages, StepExecutor } from "../llm/index.ts";
import type { BatchPolicy, Outlook, SchedulerLimits, StepCost } from "../sched/index.ts";
import type { LoopRecorder } from "./recorder.ts";
import type { LoopRoutes } from "./routes/sequence-route.ts";
import type { LiveSequence } from "./sequence.ts";
import type { Speculator } from "./speculation/speculator.ts";
import type { Vocabulary } from "./text-assembler.ts";
import type { GrownSequence, LeavingSequence } from "./transfer/protocol.ts";
import type { FinishCause } from "./types.ts";

/** Sequences that hold no pages. */
export interface SequenceQueues {
  readonly waiting: Map<number, LiveSequence>;
  readonly paused: Map<number, LiveSequence>;
}

/** How a loop that computes one phase works beside others over the same queues; see phases/. */
export interface LoopPhase {
  readonly queues: SequenceQueues;
  /** Whether it takes sequences from the queue. */
  readonly admits: boolean;
  /** Most sequences that it may have running now. */
  maxRunning(): number;
  /** Free pages that it must leave to the others. */
  reservedPages(): number;
  /** Takes a sequence, with its pages, that has had its first token and goes on; it is in no loop meanwhile. */
  readonly handOff?: (sequence: LiveSequence) => void;
}

/** A sequence that goes on here, and why it does not, if its last token was its last. */
export interface RevivedSequence {
  readonly sequence: LiveSequence;
  readonly cause: FinishCause | null;
}

/** Who tells of sequences that leave after their first token. */
export interface HandOffPort {
  /** It has its first pages, and its prompt is about to be computed. */
  begun(sequence: LiveSequence): void;
  /** More of its prompt is computed; what is to be told of that, or null. */
  grown(sequence: LiveSequence): GrownSequence | null;
  /** It has lost its pages and waits again; whether that is to be told. */
  setBack(sequence: LiveSequence): boolean;
  /** It has had its first token and is frozen: all that leaves with it, or null when it has to be asked for. */
  ready(sequence: LiveSequence): LeavingSequence | null;
}

export interface StepLoopOptions {
  /** What of a StepExecutor the loop uses. */
  readonly executor: Pick<StepExecutor, "step" | "wholeRow" | "topK"> &
    Partial<Pick<StepExecutor, "embedding" | "hidden" | "state">>;
  readonly pages: KvPages;
  readonly vocabulary: Vocabulary;
  readonly policy: BatchPolicy;
  readonly limits: SchedulerLimits;
  readonly clock: Clock;
  /** What is told of requests beyond themselves: expected lengths and tasks. A MeanOutlook when absent. */
  readonly outlook?: Outlook;
  readonly prefixCache: boolean;
  /** Cost of steps known beforehand, from calibration. */
  readonly cost?: StepCost;
  /** Keep that many decisions. */
  readonly recordDecisions: number;
  readonly checkEachStep: boolean;
  /** Writes down all that a replay needs. */
  readonly recorder?: LoopRecorder;
  /** Absent: every sequence goes through all layers. */
  readonly routes?: LoopRoutes;
  /** Absent: one token a step. */
  readonly speculator?: Speculator;
  /** Freezes sequences that have had their first token and go on, and tells of each; absent: they just go on. */
  readonly handOff?: HandOffPort;
  /** Absent: it computes everything itself. */
  readonly phase?: LoopPhase;
}
