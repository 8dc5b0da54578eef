/**
 * How a sequence leaves one engine and goes on in another, and how keys and values of prefixes do: what a snapshot says,
 * and the calls of both sides. Plain data and signatures; who calls whom over which wire is cluster/'s business.
 *
 *   source   export -> read ... read -> freeze -> (read) -> commit | resume
 *            of one that tells of itself (`onLeaving`): export -> whenGrown, read ... -> freeze -> commit | resume
 *   target   import -> reserve -> write ... write -> commit | abort
 *
 * Pages are counted by position within their sequence, from 0; bytes of a page are those of the cache, all layers. A page
 * whose tokens are all computed does not change any more, so it can be copied while its sequence goes on (Llumnix 2024).
 * What is left frozen or half imported is given up by a watchdog (`EngineOptions.transferTimeoutMs`).
 */
import type { SamplerLooks } from "../../llm/index.ts";
import type { SequenceView } from "../../sched/index.ts";
import type { DraftUse } from "../speculation/types.ts";
import type { GenerateRequest, SubmitOptions, TokenStream } from "../types.ts";

/** A request as it crosses processes: JSON, and ages in place of clocks. */
export type WireRequest = Omit<GenerateRequest, "arrivalMs" | "embedding">;

/** What has been counted of a sequence so far, over all engines that it was in. */
export interface SequenceCounts {
  /** Prompt tokens found in the prefix cache of the engine that first admitted it; null before that. */
  readonly cachedTokens: number | null;
  /** Generated tokens that came in time, where each has a time of its own. */
  readonly tokensInTime: number;
  /** The most tokens that had keys and values in place so far: what is computed beyond them is computed for the first time. */
  readonly reachedTokens: number;
  /** Spent between engines or caches, milliseconds; null when it never was. */
  readonly transferMs: number | null;
  /** What became of its drafts; null when nothing was drafted. */
  readonly drafts: DraftUse | null;
  /** What its sampler has learnt of looking at the best tokens only: saves looks, and chooses the same. Nothing when absent. */
  readonly looks?: SamplerLooks;
}

/**
 * Everything of a sequence but its keys and values, as JSON. Sampler, penalties, grammar, stop tail and section are
 * functions of the tokens: the target makes them again by going through `generated`. The draws of each token come from a
 * stream of its own (seed and index), so no random state travels.
 */
export interface SequenceSnapshot {
  readonly version: 1;
  /** `EngineInfo.modelFingerprint` of the engine that it comes from. */
  readonly model: string;
  readonly requestId: string;
  /** With every default and the seed filled in, `maxTokens` clipped to the context. */
  readonly request: WireRequest;
  readonly generated: readonly number[];
  /** Leading tokens of prompt and answer whose keys and values are in place: all but the last of a decode. */
  readonly computed: number;
  /** Since it arrived at the server, milliseconds, at the moment of the snapshot; so are the other ages. */
  readonly ageMs: number;
  /** Since it was last taken from the queue before its first token; null when it never was. */
  readonly scheduledAgeMs: number | null;
  /** Since its first token came (`ageMs` less this is the time to the first token); null before. */
  readonly firstTokenAgeMs: number | null;
  /** Since its last token came; null before the first. */
  readonly lastTokenAgeMs: number | null;
  readonly counts: SequenceCounts;
}

/** A sequence of an engine that could leave it. */
export interface TransferCandidate {
  readonly requestId: string;
  /** As the engine's own policy sees it; its `arrivalMs` and `firstTokenMs` are of this process' clock. */
  readonly view: SequenceView;
  readonly ageMs: number;
  /** Pages with tokens in them; 0 unless it runs. */
  readonly pages: number;
  /** "frozen": out of the schedule, its pages kept. "paused": its reader is slow. */
  readonly state: "running" | "waiting" | "paused" | "frozen";
  /** An export of it is open. */
  readonly leaving: boolean;
}

/** How far an exported sequence is. */
export interface ExportProgress {
  /** Tokens with keys and values in place. */
  readonly computed: number;
  /** Leading pages that do not change any more. */
  readonly wholePages: number;
  /** False while it waits, is paused or frozen. */
  readonly running: boolean;
  /** Tokens of the answer so far. */
  readonly generated: readonly number[];
}

/** A sequence out of the schedule, complete. */
export interface FrozenSequence {
  readonly snapshot: SequenceSnapshot;
  /** Pages with tokens in them, the last perhaps in part; 0 of one that waits. */
  readonly pages: number;
  /** Of `freeze({ from })`: the bytes of pages `from` to the end, read in the same turn. */
  readonly bytes: Uint8Array | null;
}

/**
 * A sequence on its way out. Every call throws not_found once it has ended here, was given up or is gone, and
 * engine_failed when the engine's worker died.
 */
export interface SequenceExport {
  readonly requestId: string;
  /** Bytes of a page. */
  readonly pageBytes: number;
  readonly pageTokens: number;
  /** As it will be in the snapshot: with every default and the seed filled in. */
  readonly request: WireRequest;
  progress(): Promise<ExportProgress>;
  /**
   * Of a sequence that tells of itself (`SequenceTransfers.onLeaving`), absent otherwise: resolves when more than that many
   * leading pages are whole, or it stands still after its first token (`running` is false). What was told is read at once.
   * @throws PunctualError busy when it has lost its pages.
   */
  whenGrown?(pages: number): Promise<ExportProgress>;
  /**
   * A copy of pages `first` to `first + count`, in order: whole ones while it runs, any when it is frozen.
   * @throws PunctualError invalid_request beyond those, busy when it has lost its pages (preempted or paused).
   */
  read(first: number, count: number): Promise<Uint8Array>;
  /**
   * Takes it out of the schedule, after the step that runs, keeping its pages. Again: answers it anew.
   * @param options from: also read these pages and all behind them, which saves waiting for another step
   * @throws PunctualError busy when it had pages when the export began and has none now.
   */
  freeze(options?: { readonly from?: number }): Promise<FrozenSequence>;
  /** It stays: back in the schedule when it is frozen. The export is over. Never throws not_found. */
  resume(): Promise<void>;
  /**
   * It goes on elsewhere: its pages are freed, its stream here ends by throwing `moved` (no event). The export is over.
   * @throws PunctualError busy unless it is frozen.
   */
  commit(): Promise<void>;
}

/** What is asked of an engine that is to take a sequence over. */
export interface ImportOffer {
  /**
   * As of now; the one that is committed may be ahead of it by further tokens. With the same request (`SequenceExport.request`)
   * all that depends on the request is done before the commit.
   */
  readonly snapshot: SequenceSnapshot;
  /** Pages that will be written; 0: it is computed again when it is admitted. */
  readonly pages: number;
  /** Room for all of them is made at once. False when absent. */
  readonly holds?: boolean;
}

/**
 * What becomes of a sequence that leaves after its first token (`EngineOptions.handOff`).
 *
 *   coming    its prompt is begun: it can be exported, and pages read as they become whole
 *   set_back  it has lost its pages and waits again
 *   ready     it has had its first token and stands still until somebody takes it
 */
export type LeavingStage = "coming" | "set_back" | "ready";

/** How an import ends. */
export interface ImportCommitOptions extends SubmitOptions {
  /** Pages from `first` on, written before it goes on: saves waiting for another step. Room for them is reserved if need be. */
  readonly tail?: { readonly first: number; readonly bytes: Uint8Array };
  /** Since the snapshot was taken, milliseconds: added to its ages and to its `transferMs`. 0 when absent. */
  readonly elapsedMs?: number;
}

/** How a sequence is taken over at once. */
export type TakeOverOptions = Omit<ImportCommitOptions, "tail">;

/** A sequence on its way in. Every call but `abort` throws not_found when the import is over or was given up. */
export interface SequenceImport {
  readonly requestId: string;
  readonly pageBytes: number;
  readonly pageTokens: number;
  /** Leading pages that this engine has cached already: they need not be written, and writes of them are dropped. */
  readonly cachedPages: number;
  /** Makes room for that many pages in all, cached ones included. False, and nothing taken: there is no room. */
  reserve(pages: number): Promise<boolean>;
  /**
   * Goes through the first tokens of the answer, as far as they are known: what is done now is not done while the sequence
   * stands still. For an import whose offer had the snapshot's own request; of others, and of pages that never come, no effect.
   */
  foresee(generated: readonly number[]): Promise<void>;
  /**
   * Puts whole pages in place, `first` and those behind it.
   * @param isGiven the bytes are given away, if nothing else is in their buffer; they are copied otherwise
   * @throws PunctualError invalid_request beyond what is reserved.
   */
  write(first: number, bytes: Uint8Array, isGiven?: boolean): Promise<void>;
  /**
   * It goes on here; its first event is of the token after the snapshot's last. All `computed` tokens must have been written.
   * @throws PunctualError invalid_request for a snapshot that is not of this sequence or not possible, out_of_memory when
   * there is no room for the tail; the import stays open then.
   */
  commit(snapshot: SequenceSnapshot, options?: ImportCommitOptions): Promise<TokenStream>;
  /** Gives everything back. No effect when it is over. */
  abort(): Promise<void>;
}

/** Keys and values of a prefix, kept in the cache until `release`. */
export interface PrefixReader {
  /** A multiple of the page size. */
  readonly tokens: number;
  readonly pages: number;
  readonly pageBytes: number;
  readonly pageTokens: number;
  /** A copy of pages `first` to `first + count`. @throws PunctualError invalid_request beyond its pages, not_found when given up. */
  read(first: number, count: number): Promise<Uint8Array>;
  release(): Promise<void>;
}

/** Which prefix cache: pages under a salt are found by requests with the same `cacheSalt` only, "" is everybody's. */
export interface PrefixOptions {
  readonly salt?: string;
}

/** A prefix that is given to an engine, or a piece of one. */
export interface InstallOptions extends PrefixOptions {
  /** The page that the bytes begin with; those before it must be there already. 0 when absent. */
  readonly first?: number;
}

/** A request that was being answered by an engine that died, as far as its client has seen the answer. */
export interface ResumeRequest {
  readonly requestId: string;
  /** With the seed that it had: `SequenceSnapshot.request`, or one that named its seed. */
  readonly request: WireRequest;
  /** Tokens that the client has seen, from the first. */
  readonly generated: readonly number[];
  /** As in a snapshot, now. */
  readonly ageMs: number;
  readonly firstTokenAgeMs: number | null;
  readonly lastTokenAgeMs: number | null;
  /** As far as they are known. */
  readonly counts?: Partial<SequenceCounts>;
  /** When given, of the engine that began it. */
  readonly model?: string;
}

/** Sequences and prefixes enter and leave an engine. Colocated engines that generate and are not recorded only: others throw `unsupported`. */
export interface SequenceTransfers {
  /** Sequences that have not ended, the oldest first. */
  list(): Promise<readonly TransferCandidate[]>;
  /** @throws PunctualError not_found; unsupported for a request with an adapter or a layer route; busy when it is leaving already; queue_full when too much is on its way. */
  export(requestId: string): Promise<SequenceExport>;
  /**
   * @throws PunctualError unsupported for another model or too small a context, queue_full when no more sequences can
   * run (or wait, for one without pages) here, invalid_request for a snapshot that is not possible, out_of_memory when there
   * is no room for what it is to hold.
   */
  import(offer: ImportOffer): Promise<SequenceImport>;
  /**
   * Takes over a sequence whose pages are all at hand: `import`, `reserve`, `write` and `commit` in one, which waits for
   * one step of the engine and not for several. Nothing of it is here when it throws.
   * @param bytes of all pages with tokens in them, from the first on; they are copied
   * @throws PunctualError as `import` and `commit` do, out_of_memory when there is no room.
   */
  takeOver(snapshot: SequenceSnapshot, bytes: Uint8Array, options?: TakeOverOptions): Promise<TokenStream>;
  /**
   * Carries a request on whose engine died, by computing prompt and seen tokens again; its stream begins with the next
   * one. Exact where engines are (`EngineOptions.exact`). When what was seen was all, only the finish event comes.
   * @throws PunctualError as `submit`, and unsupported for another model.
   */
  resume(request: ResumeRequest, options?: SubmitOptions): TokenStream;
  /** Tells of sequences that leave after their first token (`EngineOptions.handOff`). Answers the undo. */
  onLeaving(listener: (requestId: string, stage: LeavingStage) => void): () => void;
  /** The longest prefix of `tokens` that is cached, in whole pages; null when there is none. */
  readPrefix(tokens: readonly number[], options?: PrefixOptions): Promise<PrefixReader | null>;
  /**
   * Puts whole pages into the prefix cache, as far as there is room for them.
   * @param tokens from the beginning of the prefix; what does not fill a page is ignored
   * @param bytes of all pages of `tokens` from `options.first` on
   * @returns how many leading tokens of `tokens` are cached now
   */
  installPrefix(
    tokens: readonly number[],
    bytes: Uint8Array,
    options?: InstallOptions,
  ): Promise<{ readonly installedTokens: number }>;
}
