/**
 * Transfers of a model of a pool: as those of its engine while it is loaded. What is to enter loads it; of a model that is
 * not loaded nothing can leave.
 */
import { fail, type Clock } from "../../core/index.ts";
import type { Engine } from "../engine-port.ts";
import type { SubmitOptions, TokenStream } from "../types.ts";
import { WaitingStream, type EngineWait } from "../waiting-stream.ts";
import type {
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

/** The model, loaded or not. */
export interface PooledTransfersLink {
  /** Null while it is not loaded. */
  readonly live: Engine | null;
  /** Notes that it was asked, and answers its engine when it can take work at once. */
  ask(): Engine | null;
  readonly ready: EngineWait;
  readonly clock: Clock;
  /** Told of sequences that leave, over all its loads. */
  readonly listeners: Set<(requestId: string, stage: LeavingStage) => void>;
}

/** See the head of this file. */
export class PooledTransfers implements SequenceTransfers {
  readonly #link: PooledTransfersLink;

  constructor(link: PooledTransfersLink) {
    this.#link = link;
  }

  async list(): Promise<readonly TransferCandidate[]> {
    return (await this.#link.live?.transfers.list()) ?? [];
  }

  async export(requestId: string): Promise<SequenceExport> {
    const { live } = this.#link;
    if (live === null) return fail("not_found", `there is no request '${requestId}' here`, { param: "requestId" });
    return live.transfers.export(requestId);
  }

  import(offer: ImportOffer): Promise<SequenceImport> {
    return this.#use((engine) => engine.transfers.import(offer));
  }

  takeOver(snapshot: SequenceSnapshot, bytes: Uint8Array, options?: TakeOverOptions): Promise<TokenStream> {
    return this.#use((engine) => engine.transfers.takeOver(snapshot, bytes, options));
  }

  resume(request: ResumeRequest, options: SubmitOptions = {}): TokenStream {
    const { clock, ready } = this.#link;
    const engine = this.#link.ask();
    if (engine !== null) return engine.transfers.resume(request, options);
    const sinceMs = clock.nowMs();
    const known = { ...request.request, id: request.requestId, arrivalMs: sinceMs - request.ageMs };
    const open = (loaded: Engine): TokenStream =>
      loaded.transfers.resume(laterResume(request, clock.nowMs() - sinceMs), options);
    return new WaitingStream(known, options, ready, clock, open);
  }

  onLeaving(listener: (requestId: string, stage: LeavingStage) => void): () => void {
    const { listeners } = this.#link;
    const own: typeof listener = (requestId, stage) => listener(requestId, stage); // the same function may listen twice
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  async readPrefix(tokens: readonly number[], options?: PrefixOptions): Promise<PrefixReader | null> {
    return (await this.#link.live?.transfers.readPrefix(tokens, options)) ?? null;
  }

  installPrefix(
    tokens: readonly number[],
    bytes: Uint8Array,
    options?: InstallOptions,
  ): Promise<{ readonly installedTokens: number }> {
    return this.#use((engine) => engine.transfers.installPrefix(tokens, bytes, options));
  }

  async #use<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
    const engine = this.#link.ask();
    return engine === null ? this.#link.ready(new AbortController().signal, use) : use(engine);
  }
}

/** The same request so many milliseconds later: its ages have grown. */
export function laterResume(request: ResumeRequest, ms: number): ResumeRequest {
  const aged = (ageMs: number | null): number | null => (ageMs === null ? null : ageMs + ms);
  return {
    ...request,
    ageMs: request.ageMs + ms,
    firstTokenAgeMs: aged(request.firstTokenAgeMs),
    lastTokenAgeMs: aged(request.lastTokenAgeMs),
  };
}
