/**
 * What crosses between the main thread and an engine worker: plain data, one message per step from the
 * worker however many sequences it advanced. All times are `liveClock` milliseconds, which both sides
 * share; sequence numbers are given by the main thread.
 */
import type { ErrorRecord } from "../core/index.ts";
import type { PhaseStats } from "./phases/options.ts";
import type { DecisionLogEntry, Phase, Slo, SloOutcome } from "../sched/index.ts";
import type { DecoderConfig, GrammarSpec, SamplingOptions } from "../llm/index.ts";
import type { NumberedAdapter } from "./lora/book.ts";
import type { AdapterChange } from "./lora/worker-adapters.ts";
import type { RouteUse } from "./routes/options.ts";
import type { RouteRequest } from "./routes/sequence-route.ts";
import type { DraftCount, DraftUse } from "./speculation/types.ts";
import type { StepTrace } from "./step-trace.ts";
import type {
  ComingSequence,
  GrownSequence,
  LeavingSequence,
  TransferAnswer,
  TransferCall,
} from "./transfer/protocol.ts";
import type {
  Calibration,
  EngineInfo,
  EngineOptions,
  FinishEvent,
  RequestEnd,
  RequestTask,
  TokenEvent,
} from "./types.ts";

/** A checked request with every default filled in. */
export interface SequenceSpec {
  readonly seq: number;
  readonly arrivalMs: number;
  readonly promptTokens: readonly number[];
  /** Already clipped to the context. */
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly sampling: SamplingOptions;
  readonly stop: readonly string[];
  readonly slo: Slo;
  readonly thinkingBudget: number | null;
  readonly ignoreEos: boolean;
  readonly task?: RequestTask;
  /** Absent: any text. */
  readonly grammar?: GrammarSpec;
  /** What the answer is expected to be, for drafts. */
  readonly prediction?: readonly number[];
  /** Number of its adapter; absent: none. */
  readonly adapter?: number;
  /** Of the prefixes that it shares; absent: everybody's. */
  readonly cacheSalt?: string;
  /** Leading tokens that are exact under that salt; absent: all. */
  readonly exactPrefixTokens?: number;
  /** What it says of its layers; absent: all of them. */
  readonly route?: RouteRequest;
}

export type ToWorker =
  | { readonly kind: "submit"; readonly spec: SequenceSpec }
  | { readonly kind: "cancel"; readonly seq: number }
  /** The reader is slow: give the pages back and wait. */
  | { readonly kind: "pause"; readonly seq: number }
  | { readonly kind: "resume"; readonly seq: number }
  | { readonly kind: "decisions"; readonly ticket: number }
  /** Whether reports carry a trace. */
  | { readonly kind: "watch"; readonly on: boolean }
  /** Decides from the next step on. The answer is "policy". */
  | { readonly kind: "policy"; readonly ticket: number; readonly policy: string }
  /** The answer, "adapter", comes when it is in force. */
  | { readonly kind: "adapter"; readonly ticket: number; readonly change: AdapterChange }
  /** A question about transfers, to be answered between two steps. The answer is "transfer". */
  | { readonly kind: "transfer"; readonly ticket: number; readonly call: TransferCall }
  /** Finish the current step, release everything, exit. */
  | { readonly kind: "stop" }
  /** For tests of recovery: fail as a bug would, or exit as if killed. */
  | { readonly kind: "crash"; readonly how: "throw" | "exit"; readonly phase: Phase };

/** The moments of a sequence's life; null for what it never reached. */
export interface Timing {
  readonly arrivalMs: number;
  /** Last time it was taken from the queue before its first token. */
  readonly scheduledMs: number | null;
  readonly firstTokenMs: number | null;
  readonly lastTokenMs: number | null;
  readonly endMs: number;
}

/** How a sequence ended, for the books. */
export interface SequenceEnd {
  readonly end: RequestEnd;
  readonly timing: Timing;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly slo: Slo;
  readonly outcome: SloOutcome;
  /** Of the tokens, those that count as goodput. */
  readonly goodTokens: number;
  /** When something was drafted for it. */
  readonly drafts?: DraftUse;
  /** When it might leave layers out, and its prompt was computed. */
  readonly route?: RouteUse;
}

/** What became of a sequence in a step, as its worker tells. */
export type SequenceEvent =
  | { readonly kind: "admit"; readonly seq: number; readonly queries: number; readonly hits: number }
  | { readonly kind: "token"; readonly seq: number; readonly token: TokenEvent; readonly gapMs: number | null }
  | { readonly kind: "finish"; readonly seq: number; readonly finish: FinishEvent; readonly end: SequenceEnd }
  | { readonly kind: "error"; readonly seq: number; readonly error: ErrorRecord; readonly end: SequenceEnd }
  /** Will leave after its first token; its prompt is begun. In a report of its own, before the step that begins it is over. */
  | { readonly kind: "coming"; readonly seq: number; readonly coming: ComingSequence }
  /** More of its prompt is computed, of one that will leave. */
  | { readonly kind: "grown"; readonly seq: number; readonly grown: GrownSequence }
  /** Of one that will leave: it has lost its pages, and its prompt begins anew when it is admitted again. */
  | { readonly kind: "set_back"; readonly seq: number }
  /** Has had its first token and waits, frozen, to be taken by another engine. `leaving` null: too many do; it is asked for. */
  | { readonly kind: "ready"; readonly seq: number; readonly leaving: LeavingSequence | null }
  /** Goes on in another engine: the last that is told of it. */
  | { readonly kind: "moved"; readonly seq: number; readonly end: SequenceEnd };

/** The engine's occupancy after a step, or after something changed between steps. */
export interface Gauges {
  readonly running: number;
  readonly waiting: number;
  readonly paused: number;
  readonly pagesUsed: number;
}

export type FromWorker =
  | {
      readonly kind: "ready";
      readonly info: EngineInfo;
      readonly calibration: Calibration | null;
      /** Of an engine whose phases are apart. */
      readonly phases?: PhaseStats;
    }
  /** Could not start; the worker ends by itself. */
  | { readonly kind: "failed"; readonly error: ErrorRecord }
  | {
      readonly kind: "step";
      readonly atMs: number;
      /** 0 when nothing was computed (a cancellation or expiry only). */
      readonly tokens: number;
      readonly stepMs: number;
      readonly preemptions: number;
      readonly gauges: Gauges;
      readonly events: readonly SequenceEvent[];
      /** Of an engine whose phases are apart. */
      readonly phases?: PhaseStats;
      /** While somebody watches. */
      readonly trace?: StepTrace;
      /** Drafts that the step has checked. */
      readonly drafts?: readonly DraftCount[];
    }
  | { readonly kind: "decisions"; readonly ticket: number; readonly entries: readonly DecisionLogEntry[] }
  /** It was switched at that moment, between two steps. */
  | { readonly kind: "policy"; readonly ticket: number; readonly atMs: number }
  /** A change of adapters is in force, or why not. */
  | { readonly kind: "adapter"; readonly ticket: number; readonly error: ErrorRecord | null }
  | { readonly kind: "transfer"; readonly ticket: number; readonly answer: TransferAnswer }
  /** Lines of a recording, whole ones. */
  | { readonly kind: "recording"; readonly text: string };

export type StepReport = Extract<FromWorker, { kind: "step" }>;

/** `workerData` of an engine worker, less the port that its vocabulary comes from. */
export interface WorkerSetup {
  readonly options: EngineOptions;
  readonly config: DecoderConfig;
  readonly name: string;
  /** Those of the engine when the worker starts. */
  readonly adapters?: readonly NumberedAdapter[];
  /** When to record: what only the main thread knows. */
  readonly recording?: {
    /** ISO 8601. */
    readonly startedAt: string;
    /** Of block ids. */
    readonly salt: string;
  };
}
