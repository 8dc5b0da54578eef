/**
 * What the lines of a recording say; recording.ts reads and writes them. An engine whose phases are apart has a lane for each
 * worker and phase, numbered as in its head: what happens in them stands in the one order in which the deciding thread did it.
 */
import type { TraceSlo } from "./types.ts";

/**
 * The version that this code writes. Version 1 has neither lanes, nor drafts, nor switches of the policy, version 2 neither
 * adapters nor layer routes; both are read too.
 */
export const RECORDING_VERSION = 3;
/** Versions that this code reads. */
export const READ_VERSIONS = [1, 2, RECORDING_VERSION] as const;

/** Anything that JSON can carry; not looked into here. */
export type OpaqueJson = unknown;

/** The first line of a recording. */
export interface RecordingHead {
  readonly kind: "head";
  readonly version: (typeof READ_VERSIONS)[number];
  readonly name: string;
  /** The model that answered. */
  readonly model: string;
  /** The batch policy that decided, until a line says that it was switched. */
  readonly policy: string;
  /** Tokens per entry of `hashIds`: the engine's page size. */
  readonly blockTokens: number;
  /** Wall-clock time of the start, ISO 8601. */
  readonly startedAt?: string;
  /** What a replay needs to build the same engine: limits, pages, cost points. */
  readonly engine?: OpaqueJson;
}

/** A request was submitted to the engine. */
export interface RecordedRequest {
  readonly kind: "request";
  /** The engine's own id of the sequence, unique in the recording. */
  readonly id: number;
  /** When it arrived: what its objective counts from. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly slo?: TraceSlo;
  /** The client's names for the compound task it belongs to. */
  readonly task?: { readonly id: string; readonly stage: number };
  readonly session?: number;
  readonly priority?: number;
  /** One id per block of the prompt; equal ids for equal blocks (and equal blocks before them). */
  readonly hashIds?: readonly number[];
  readonly promptIds?: readonly number[];
  /** What a predictor of lengths was told of the prompt: small numbers, where the engine asked one. */
  readonly features?: readonly number[];
  /** Name of the adapter that it asked for; the weights as they are when absent. Its blocks have ids of their own. */
  readonly adapter?: string;
  /** What it said of its layers, where it might leave some out: all, the routers' choice, or a share of them. */
  readonly compute?: "full" | "auto" | number;
  /** The same as a list of the layers that it keeps, from 0. */
  readonly keepLayers?: readonly number[];
  /** The first step whose view could contain it. */
  readonly step?: number;
}

/** Drafted tokens of one sequence in one step, by what became of them. */
export type RecordedDraft = readonly [
  id: number,
  /** How many guesses the scheduler was offered. */
  offered: number,
  /** How many were drafted and checked. */
  drafted: number,
  /** Tokens that the sequence took in that step; 0 where nothing was drafted for it. */
  taken: number,
];

/** The engine planned and ran one step. */
export interface RecordedStep {
  readonly kind: "step";
  /** 0 for the first step since the engine, or its lane, started. */
  readonly step: number;
  /** Where phases are apart: whose step it was. */
  readonly lane?: number;
  /** Sequences that tokens were offered for; none when absent. */
  readonly drafts?: readonly RecordedDraft[];
  /** Of the step's time, what drafting took; 0 when absent. */
  readonly draftingMs?: number;
  /** When it was planned. */
  readonly atMs: number;
  /** How long planning and running took. */
  readonly stepMs: number;
  /** When its tokens were out; the end of the step when absent. */
  readonly tokenMs?: number;
  /** The scheduler's log entry: what it saw and what it decided. */
  readonly decision?: OpaqueJson;
}

/** Where phases are apart: a lane planned a step, and does what comes before computing. Its `step` line follows when it has ended. */
export interface RecordedBegin {
  readonly kind: "begin";
  readonly lane: number;
  readonly atMs: number;
  /** Most sequences that it might have running. */
  readonly maxRunning: number;
  /** Free pages that it had to leave to others. */
  readonly reservedPages: number;
}

/** Where phases are apart: the keys and values of a lane's step are in place, its tokens not out yet. */
export interface RecordedComputed {
  readonly kind: "computed";
  readonly lane: number;
}

/** Where phases are apart: a running sequence goes on in another lane, outside steps. */
export interface RecordedMove {
  readonly kind: "move";
  readonly id: number;
  readonly lane: number;
}

/** Where caches are apart: the copy of a sequence's keys and values has begun, its pages at the decode side taken, or is done. */
export interface RecordedHandover {
  readonly kind: "handover";
  readonly id: number;
  readonly state: "begun" | "done";
}

/** Where phases are apart: a running sequence went back to the queue because pages were short, unplanned. */
export interface RecordedRetract {
  readonly kind: "retract";
  readonly id: number;
}

/** The prompt of a request that might leave layers out is computed, and by which layers the rest goes is decided, once. */
export interface RecordedRoute {
  readonly kind: "route";
  readonly id: number;
  /** Of the model. */
  readonly layers: number;
  /** Those that are left out from here on, from 0, ascending; empty: none. */
  readonly skipped: readonly number[];
}

/** Another policy decides from the next step on. */
export interface RecordedPolicy {
  readonly kind: "policy";
  readonly atMs: number;
  readonly policy: string;
  /** Its settings, numbers by name; its defaults when absent. */
  readonly options?: OpaqueJson;
  /** What policies are told of requests from then on; as before when absent. */
  readonly outlook?: string;
}

/** The client went away or asked to stop. */
export interface RecordedCancel {
  readonly kind: "cancel";
  readonly id: number;
  readonly atMs: number;
  /** The first step that no longer contained it. */
  readonly step?: number;
}

/** A slow reader's sequence was set aside without its pages, or came back. */
export interface RecordedPause {
  readonly kind: "pause" | "resume";
  readonly id: number;
  readonly atMs: number;
}

/** What a request was at when it failed for a reason of its own. */
export type RecordedStage = "submit" | "scores" | "sample" | "accept";

/** Why a request ended. */
export type RecordedEndReason = "stop" | "length" | "cut" | "cancelled" | "rejected" | "expired" | "failed";

/** A request left the engine. */
export interface RecordedEnd {
  readonly kind: "end";
  readonly id: number;
  readonly atMs: number;
  readonly reason: RecordedEndReason;
  readonly outputTokens: number;
  /** When its first token was made; null when there was none. */
  readonly firstTokenMs: number | null;
  readonly outputIds?: readonly number[];
  /** One id per full block of prompt and answer together, in the numbering of the requests' `hashIds`. */
  readonly hashIds?: readonly number[];
  /** Of reason "failed" only. */
  readonly stage?: RecordedStage;
  /** The step that made its last token. */
  readonly step?: number;
}

/** One line of a recording. */
export type RecordingLine =
  | RecordingHead
  | RecordedRequest
  | RecordedStep
  | RecordedBegin
  | RecordedComputed
  | RecordedMove
  | RecordedHandover
  | RecordedRetract
  | RecordedRoute
  | RecordedPolicy
  | RecordedCancel
  | RecordedPause
  | RecordedEnd;

/** A recording in memory, its lines by kind, each kind in the order of the file. */
export interface Recording {
  readonly head: RecordingHead;
  readonly requests: readonly RecordedRequest[];
  readonly steps: readonly RecordedStep[];
  readonly cancels: readonly RecordedCancel[];
  readonly ends: readonly RecordedEnd[];
  readonly routes: readonly RecordedRoute[];
  /** Every line after the head, in the order of the file. */
  readonly lines: readonly Exclude<RecordingLine, RecordingHead>[];
}
