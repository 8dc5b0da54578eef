/**
 * The main thread's side of transfers: `Engine.transfers`. It knows requests by id and hands out exports, imports and
 * prefixes as objects; every call is one question to the worker (protocol.ts), answered between two of its steps. Pages pass
 * through this thread by hand-over, not by copy, except where the caller keeps the bytes.
 */
import { fail, type PunctualError } from "../../core/index.ts";
import { liveClock } from "../clock.ts";
import type { SequenceSpec } from "../messages.ts";
import type { EngineInfo, GenerateRequest, SubmitOptions, TokenStream } from "../types.ts";
import type { EngineLink } from "../worker-link.ts";
import { askOf, type Ask } from "./ask.ts";
import { LeavingExport } from "./leaving.ts";
import type { ComingSequence, GrownSequence, LeavingSequence, Newcomer } from "./protocol.ts";
import { checkContext, checkModel, isSameRequest, snapshotOf, stateOf, wireRequest } from "./snapshot.ts";
import type {
  FrozenSequence,
  ImportCommitOptions,
  ImportOffer,
  InstallOptions,
  LeavingStage,
  PrefixOptions,
  PrefixReader,
  ResumeRequest,
  SequenceExport,
  SequenceImport,
  SequenceSnapshot,
  SequenceTransfers,
  TakeOverOptions,
  TransferCandidate,
} from "./types.ts";

/** A stream that has been opened for a sequence which is to go on here. */
export interface OpenedStream {
  readonly stream: TokenStream;
  /** The worker did not take it: the stream ends so. @param tell who watches the request, too */
  readonly refuse: (error: PunctualError, tell: boolean) => void;
}

/** What transfers need of their engine. */
export interface TransfersOwner {
  readonly info: EngineInfo;
  readonly link: EngineLink;
  /** Why nothing moves here; null when it may. */
  readonly fixed: string | null;
  /** @throws PunctualError when it takes no new work now. */
  checkOpen(): void;
  /** @throws PunctualError queue_full. */
  checkQueue(): void;
  /** With a number of its own. @throws PunctualError invalid_request, context_length_exceeded. */
  check(request: GenerateRequest): SequenceSpec;
  /** Opens a stream before the worker knows of the sequence. @param queued it will wait to be admitted */
  open(spec: SequenceSpec, id: string, options: SubmitOptions, queued: boolean): OpenedStream;
  seqOf(requestId: string): number | null;
  idOf(seq: number): string | null;
}

/** See the head of this file. */
export class EngineTransfers implements SequenceTransfers {
  readonly #owner: TransfersOwner;
  readonly #listeners = new Set<(requestId: string, stage: LeavingStage) => void>();
  /** Sequences that tell of themselves, by their numbers. */
  readonly #leaving = new Map<number, Leaving>();

  constructor(owner: TransfersOwner) {
    this.#owner = owner;
  }

  async list(): Promise<readonly TransferCandidate[]> {
    const rows = await this.#ask()("list", null);
    return rows.flatMap(({ seq, ...row }) => {
      const requestId = this.#owner.idOf(seq);
      return requestId === null ? [] : [{ requestId, ...row }];
    });
  }

  async export(requestId: string): Promise<SequenceExport> {
    const ask = this.#ask();
    const model = this.#fingerprint();
    const seq = this.#owner.seqOf(requestId);
    if (seq === null) return fail("not_found", `there is no request '${requestId}' here`, { param: "requestId" });
    const { pageTokens } = this.#owner.info;
    const leaving = this.#takeLeaving(seq);
    if (leaving !== null) return leaving;
    const { id, spec } = await ask("export", { seq });
    const request = wireRequest(spec, requestId);
    return {
      requestId,
      request,
      pageBytes: this.#pageBytes(),
      pageTokens,
      progress: () => ask("progress", { id }),
      read: (first, count) => ask("read", { id, first, count }),
      freeze: async ({ from } = {}): Promise<FrozenSequence> => {
        const { state, pages, bytes } = await ask("freeze", { id, from: from ?? null });
        return { snapshot: snapshotOf(request, state, requestId, model), pages, bytes };
      },
      resume: async () => void (await ask("resume", { id })),
      commit: async () => void (await ask("depart", { id })),
    };
  }

  /** What tells of itself, once, unless its worker may have given it up by now. */
  #takeLeaving(seq: number): LeavingExport | null {
    const found = this.#leaving.get(seq);
    if (found === undefined || found.isTaken || found.link !== this.#owner.link || !found.one.isFresh) return null;
    found.isTaken = true;
    return found.one;
  }

  async import({ snapshot, pages, holds = false }: ImportOffer): Promise<SequenceImport> {
    const ask = this.#ask();
    const { info } = this.#owner;
    const known = this.#check(snapshot);
    if (!(Number.isInteger(pages) && pages >= 0)) fail("invalid_request", `pages: got ${pages}`, { param: "pages" });
    if (pages > info.kvPages) fail("queue_full", `${pages} pages are wanted, the cache has ${info.kvPages}`);
    if (pages === 0) this.#owner.checkQueue();
    const { requestId, request } = snapshot;
    const salt = request.cacheSalt ?? "";
    // What has no seed yet is not what will be committed.
    const ready = pages > 0 && request.sampling?.seed !== undefined ? this.#newcomer(snapshot, 0) : null;
    const newcomer = ready === null ? {} : { newcomer: ready };
    const { id, cachedPages } = await ask("import", { tokens: known, salt, pages, holds, ...newcomer });
    return {
      requestId,
      pageBytes: this.#pageBytes(),
      pageTokens: info.pageTokens,
      cachedPages,
      reserve: (count) => ask("reserve", { id, pages: count }),
      write: async (first, bytes, isGiven = false) => {
        const own = isGiven && isAlone(bytes) ? bytes : bytes.slice();
        await ask("write", { id, first, bytes: own }, [own.buffer as ArrayBuffer]);
      },
      foresee: async (generated) => {
        if (ready !== null) await ask("foresee", { id, generated });
      },
      commit: (last, options = {}) => {
        const isReady = ready !== null && isSameRequest(request, last.request);
        return this.#enter(
          ask,
          { id, requestId, hasPages: pages > 0, spec: isReady ? ready.spec : null },
          last,
          options,
        );
      },
      abort: async () => void (await ask("abort", { id })),
    };
  }

  async #enter(
    ask: Ask,
    { id, requestId, hasPages, spec }: Entry,
    snapshot: SequenceSnapshot,
    { tail, elapsedMs = 0, ...options }: ImportCommitOptions,
  ): Promise<TokenStream> {
    this.#owner.checkOpen();
    this.#checkSource(snapshot);
    if (snapshot.requestId !== requestId) {
      fail("invalid_request", `the import is of request '${requestId}', got '${snapshot.requestId}'`, {
        param: "requestId",
      });
    }
    const copy = tail === undefined ? null : { first: tail.first, bytes: tail.bytes.slice() };
    const buffers = copy === null ? [] : [copy.bytes.buffer];
    const newcomer = spec === null ? this.#newcomer(snapshot, elapsedMs) : this.#known(spec, snapshot, elapsedMs);
    const { stream, refuse } = this.#owner.open(newcomer.spec, requestId, options, !hasPages);
    const { state, atMs } = newcomer;
    const entered =
      spec === null
        ? ask("enter", { id, newcomer, tail: copy }, buffers)
        : ask("arrive", { id, state, atMs, tail: copy }, buffers);
    if (options.signal?.aborted === true) stream.cancel();
    try {
      await entered;
    } catch (error) {
      refuse(error as PunctualError, false);
      throw error;
    }
    return stream;
  }

  async takeOver(
    snapshot: SequenceSnapshot,
    bytes: Uint8Array,
    { elapsedMs = 0, ...options }: TakeOverOptions = {},
  ): Promise<TokenStream> {
    const ask = this.#ask();
    this.#check(snapshot);
    const newcomer = this.#newcomer(snapshot, elapsedMs);
    const { stream, refuse } = this.#owner.open(newcomer.spec, snapshot.requestId, options, false);
    const copy = bytes.slice();
    const taken = ask("takeOver", { newcomer, bytes: copy }, [copy.buffer]);
    if (options.signal?.aborted === true) stream.cancel();
    try {
      await taken;
    } catch (error) {
      refuse(error as PunctualError, false);
      throw error;
    }
    return stream;
  }

  resume(request: ResumeRequest, options: SubmitOptions = {}): TokenStream {
    const ask = this.#ask();
    if (request.model !== undefined) checkModel(1, request.model, this.#owner.info);
    this.#owner.checkQueue();
    const newcomer = this.#newcomer(request, 0);
    const { stream, refuse } = this.#owner.open(newcomer.spec, request.requestId, options, true);
    // Thrown to whoever reads.
    ask("revive", newcomer).catch((error: unknown) => refuse(error as PunctualError, true));
    if (options.signal?.aborted === true) stream.cancel();
    return stream;
  }

  onLeaving(listener: (requestId: string, stage: LeavingStage) => void): () => void {
    const own: typeof listener = (requestId, stage) => listener(requestId, stage); // the same function may listen twice
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** For the engine: the prompt of a sequence that will leave is begun. */
  tellComing(seq: number, coming: ComingSequence): void {
    if (this.#follow(seq, coming) !== null) this.#tell(seq, "coming");
  }

  /** For the engine: more of that prompt is computed. */
  tellGrown(seq: number, grown: GrownSequence): void {
    const found = this.#leaving.get(seq);
    if (found?.one.id === grown.id) found.one.grew(grown);
  }

  /** For the engine: it has lost its pages. */
  tellSetBack(seq: number): void {
    this.#leaving.get(seq)?.one.end("busy");
    this.#leaving.delete(seq);
    this.#tell(seq, "set_back");
  }

  /** For the engine: a sequence has frozen itself. @param leaving null: it has to be asked for */
  tellReady(seq: number, leaving: LeavingSequence | null): void {
    const known = this.#leaving.get(seq)?.one ?? null;
    if (leaving !== null) {
      const one = known?.id === leaving.id ? known : this.#follow(seq, leaving);
      one?.stands(leaving);
    }
    this.#tell(seq, "ready");
  }

  /** Null when it has ended meanwhile. */
  #follow(seq: number, coming: ComingSequence): LeavingExport | null {
    this.forget(seq);
    const { link, info } = this.#owner;
    const requestId = this.#owner.idOf(seq);
    if (requestId === null) return null;
    const { modelFingerprint, pageBytes, pageTokens } = info;
    const model = modelFingerprint ?? ""; // then it is not exported
    const one = new LeavingExport({ requestId, model, pageBytes, pageTokens, coming, ask: askOf(link) });
    this.#leaving.set(seq, { one, link, isTaken: false });
    return one;
  }

  #tell(seq: number, stage: LeavingStage): void {
    const requestId = this.#owner.idOf(seq);
    if (requestId !== null) for (const tell of this.#listeners) tell(requestId, stage);
  }

  /** For the engine: a sequence has ended. */
  forget(seq: number): void {
    this.#leaving.get(seq)?.one.end("not_found");
    this.#leaving.delete(seq);
  }

  async readPrefix(tokens: readonly number[], { salt = "" }: PrefixOptions = {}): Promise<PrefixReader | null> {
    const ask = this.#ask();
    const found = await ask("openPrefix", { tokens: Int32Array.from(tokens), salt });
    if (found === null) return null;
    const { id, pages } = found;
    const { pageTokens } = this.#owner.info;
    return {
      tokens: pages * pageTokens,
      pages,
      pageBytes: this.#pageBytes(),
      pageTokens,
      read: (first, count) => ask("readPrefix", { id, first, count }),
      release: async () => void (await ask("closePrefix", { id })),
    };
  }

  async installPrefix(
    tokens: readonly number[],
    bytes: Uint8Array,
    { salt = "", first = 0 }: InstallOptions = {},
  ): Promise<{ readonly installedTokens: number }> {
    const copy = bytes.slice();
    const args = { tokens: Int32Array.from(tokens), salt, first, bytes: copy };
    return { installedTokens: await this.#ask()("install", args, [copy.buffer]) };
  }

  /** @throws PunctualError unsupported, or what the engine's state forbids. */
  #ask(): Ask {
    const { fixed, link } = this.#owner;
    if (fixed !== null) fail("unsupported", `sequences stay where they are: ${fixed}`);
    this.#owner.checkOpen();
    return askOf(link);
  }

  #fingerprint(): string {
    return this.#owner.info.modelFingerprint ?? fail("unsupported", "the files of the model could not be read again");
  }

  #pageBytes(): number {
    return this.#owner.info.pageBytes;
  }

  /** @throws PunctualError unsupported. */
  #checkSource({ version, model, request }: SequenceSnapshot): void {
    const { info } = this.#owner;
    checkModel(version, model, info);
    checkContext(request, info);
  }

  /** Known tokens of a snapshot that may go on here. @throws PunctualError unsupported, invalid_request. */
  #check(snapshot: SequenceSnapshot): Int32Array {
    const { info } = this.#owner;
    this.#checkSource(snapshot);
    stateOf(snapshot, snapshot.request.promptTokens.length, info);
    return Int32Array.from([...snapshot.request.promptTokens, ...snapshot.generated]);
  }

  #newcomer(from: SequenceSnapshot | ResumeRequest, elapsedMs: number): Newcomer {
    const atMs = momentBefore(elapsedMs);
    const spec = this.#owner.check({ ...from.request, arrivalMs: atMs - from.ageMs });
    return { spec, state: stateOf(from, spec.promptTokens.length, this.#owner.info), atMs };
  }

  /** The same where the request was checked before. */
  #known(spec: SequenceSpec, from: SequenceSnapshot, elapsedMs: number): Newcomer {
    const atMs = momentBefore(elapsedMs);
    return { spec, state: stateOf(from, spec.promptTokens.length, this.#owner.info), atMs };
  }
}

/** A sequence that tells of itself. */
interface Leaving {
  readonly one: LeavingExport;
  readonly link: EngineLink;
  /** Somebody exports it. */
  isTaken: boolean;
}

/** An import that is to be committed. */
interface Entry {
  readonly id: number;
  readonly requestId: string;
  readonly hasPages: boolean;
  /** Of the one that was made ready; null when none was, or of another request. */
  readonly spec: SequenceSpec | null;
}

/** Nothing else is in its buffer, which may go to another thread. */
function isAlone({ buffer, byteLength }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
}

/** @throws PunctualError invalid_request */
function momentBefore(elapsedMs: number): number {
  if (!(elapsedMs >= 0)) fail("invalid_request", `elapsedMs: got ${elapsedMs}`, { param: "elapsedMs" });
  return liveClock.nowMs() - elapsedMs;
}
