/**
 * What crosses between the main thread and an engine worker about transfers: questions by kind, with their answers. One
 * question, one answer, between two steps. Ids of exports, imports and prefixes are the worker's own and never used twice.
 */
import type { ErrorRecord } from "../../core/index.ts";
import type { SequenceView } from "../../sched/index.ts";
import type { SequenceSpec } from "../messages.ts";
import type { ExportProgress, SequenceSnapshot, TransferCandidate } from "./types.ts";

/** The part of a snapshot that the worker knows. */
export type SequenceState = Omit<SequenceSnapshot, "version" | "model" | "requestId" | "request">;

/** A candidate, and the number of its sequence. */
export interface ListedSequence extends Pick<TransferCandidate, "pages" | "state" | "leaving" | "ageMs"> {
  readonly seq: number;
  readonly view: SequenceView;
}

/** A sequence that goes on here: what it is, and how far it has come. */
export interface Newcomer {
  readonly spec: SequenceSpec;
  readonly state: SequenceState;
  /** The moment of the snapshot on this clock: its ages count from here. */
  readonly atMs: number;
}

/** Pages by position, raw. */
export interface PageBytes {
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** A sequence that will leave after its first token, when its prompt is begun. */
export interface ComingSequence {
  /** Of its export, which is open; nobody has asked about it yet. */
  readonly id: number;
  readonly spec: SequenceSpec;
  readonly state: SequenceState;
  /** The moment of the state, on this clock. */
  readonly atMs: number;
  /** For so long after a question it is not given up, milliseconds. */
  readonly leaseMs: number;
}

/** How far the prompt of a coming sequence is. */
export interface GrownSequence {
  /** Of its export. */
  readonly id: number;
  /** Tokens with keys and values in place. */
  readonly computed: number;
  /** Whole pages behind those that were told before; null when they are too many: they are read when they are wanted. */
  readonly told: PageBytes | null;
}

/** A sequence that has frozen itself, with all that leaves with it and was not told before. */
export interface LeavingSequence extends ComingSequence {
  readonly pages: number;
  /** Pages behind those that were told before, to the end; null as with `GrownSequence`. */
  readonly told: PageBytes | null;
}

/** Every question and its answer. */
export interface TransferProtocol {
  readonly list: { readonly args: null; readonly result: readonly ListedSequence[] };
  readonly export: {
    readonly args: { readonly seq: number };
    readonly result: { readonly id: number; readonly spec: SequenceSpec };
  };
  readonly progress: { readonly args: { readonly id: number }; readonly result: ExportProgress };
  readonly read: {
    readonly args: { readonly id: number; readonly first: number; readonly count: number };
    readonly result: Uint8Array;
  };
  readonly freeze: {
    readonly args: { readonly id: number; readonly from: number | null };
    readonly result: {
      readonly state: SequenceState;
      readonly pages: number;
      readonly bytes: Uint8Array | null;
    };
  };
  readonly resume: { readonly args: { readonly id: number }; readonly result: null };
  readonly depart: { readonly args: { readonly id: number }; readonly result: null };
  readonly import: {
    readonly args: {
      readonly tokens: Int32Array;
      readonly salt: string;
      readonly pages: number;
      /** Room for all pages is made at once, or it throws out_of_memory. */
      readonly holds?: boolean;
      /** Made ready beforehand, to go on from a later state (`foresee`, `arrive`). */
      readonly newcomer?: Newcomer;
    };
    readonly result: { readonly id: number; readonly cachedPages: number };
  };
  readonly reserve: { readonly args: { readonly id: number; readonly pages: number }; readonly result: boolean };
  readonly write: { readonly args: { readonly id: number } & PageBytes; readonly result: null };
  readonly enter: {
    readonly args: { readonly id: number; readonly newcomer: Newcomer; readonly tail: PageBytes | null };
    readonly result: null;
  };
  /** Goes through tokens of the one that was made ready with the import, which saves its entry the time. */
  readonly foresee: {
    readonly args: { readonly id: number; readonly generated: readonly number[] };
    readonly result: null;
  };
  /** As `enter`, of the one that was made ready with the import. */
  readonly arrive: {
    readonly args: {
      readonly id: number;
      readonly state: SequenceState;
      readonly atMs: number;
      readonly tail: PageBytes | null;
    };
    readonly result: null;
  };
  /** Import, reserve, write and enter in one: the pages are all there. */
  readonly takeOver: {
    readonly args: { readonly newcomer: Newcomer; readonly bytes: Uint8Array };
    readonly result: null;
  };
  readonly abort: { readonly args: { readonly id: number }; readonly result: null };
  readonly revive: { readonly args: Newcomer; readonly result: null };
  readonly openPrefix: {
    readonly args: { readonly tokens: Int32Array; readonly salt: string };
    readonly result: { readonly id: number; readonly pages: number } | null;
  };
  readonly readPrefix: {
    readonly args: { readonly id: number; readonly first: number; readonly count: number };
    readonly result: Uint8Array;
  };
  readonly closePrefix: { readonly args: { readonly id: number }; readonly result: null };
  readonly install: {
    readonly args: { readonly tokens: Int32Array; readonly salt: string } & PageBytes;
    /** Leading tokens that are cached now. */
    readonly result: number;
  };
}

/** The kinds of questions. */
export type TransferKind = keyof TransferProtocol;

/** A question of any kind. */
export type TransferCall = {
  readonly [K in TransferKind]: { readonly ask: K; readonly args: TransferProtocol[K]["args"] };
}[TransferKind];

/** What came of a question. */
export type TransferAnswer =
  | { readonly ok: true; readonly result: TransferProtocol[TransferKind]["result"] }
  | { readonly ok: false; readonly error: ErrorRecord };
