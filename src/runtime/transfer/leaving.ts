/**
 * The export of a sequence that leaves after its first token. It tells of itself: when its prompt is begun, after every step that
 * makes pages whole, and when it has frozen itself, each time with the bytes that are new, so that nothing is asked of a
 * worker whose steps are long. The worker is told that somebody is at it, without waiting: it would give the sequence up
 * otherwise.
 */
import { fail, PunctualError } from "../../core/index.ts";
import { liveClock } from "../clock.ts";
import type { Ask } from "./ask.ts";
import type { ComingSequence, GrownSequence, LeavingSequence, PageBytes, SequenceState } from "./protocol.ts";
import { snapshotOf, wireRequest } from "./snapshot.ts";
import type { ExportProgress, FrozenSequence, SequenceExport, WireRequest } from "./types.ts";

/** What such an export needs. */
export interface LeavingParts {
  readonly requestId: string;
  readonly model: string;
  readonly pageBytes: number;
  readonly pageTokens: number;
  readonly coming: ComingSequence;
  readonly ask: Ask;
}

const OVER = "the export is over: its sequence has ended or it was given up";

/** See the head of this file. */
export class LeavingExport implements SequenceExport {
  readonly requestId: string;
  readonly pageBytes: number;
  readonly pageTokens: number;
  readonly request: WireRequest;
  /** Of the worker. */
  readonly id: number;
  readonly #parts: LeavingParts;
  #untilMs: number;
  #computed = 0;
  /** Pages that were told, one piece behind the other from the first page on. */
  readonly #told: PageBytes[] = [];
  #ready: LeavingSequence | null = null;
  /** Why it is over; null while it is not. */
  #over: PunctualError | null = null;
  #waiters: (() => void)[] = [];

  constructor(parts: LeavingParts) {
    const { coming, requestId, pageBytes, pageTokens } = parts;
    this.requestId = requestId;
    this.pageBytes = pageBytes;
    this.pageTokens = pageTokens;
    this.request = wireRequest(coming.spec, requestId);
    this.id = coming.id;
    this.#parts = parts;
    this.#untilMs = coming.atMs + coming.leaseMs;
  }

  /** It is not over, and its worker cannot have given it up yet. */
  get isFresh(): boolean {
    return this.#over === null && liveClock.nowMs() < this.#untilMs;
  }

  /** Told: more of its prompt is computed. */
  grew({ computed, told }: GrownSequence): void {
    this.#computed = computed;
    this.#take(told);
  }

  /** Told: it has frozen itself. */
  stands(leaving: LeavingSequence): void {
    this.#ready = leaving;
    this.#computed = leaving.state.computed;
    this.#take(leaving.told);
  }

  #take(told: PageBytes | null): void {
    if (told !== null) this.#told.push(told);
    this.#untilMs = liveClock.nowMs() + this.#parts.coming.leaseMs;
    this.#wake();
  }

  /** It has ended, has lost its pages, or its worker is gone. */
  end(code: "not_found" | "busy"): void {
    this.#finish(new PunctualError(code, code === "busy" ? "the sequence has lost its pages" : OVER));
  }

  #finish(error: PunctualError): void {
    this.#over ??= error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  async progress(): Promise<ExportProgress> {
    await this.#touch();
    const generated = this.#ready?.state.generated ?? [];
    const wholePages = Math.floor(this.#computed / this.pageTokens);
    return { computed: this.#computed, wholePages, running: this.#ready === null, generated };
  }

  async whenGrown(pages: number): Promise<ExportProgress> {
    while (this.#over === null && this.#ready === null && Math.floor(this.#computed / this.pageTokens) <= pages) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
    return await this.progress();
  }

  async read(first: number, count: number): Promise<Uint8Array> {
    const known = this.#known(first, count);
    if (known === null) return await this.#parts.ask("read", { id: this.id, first, count });
    await this.#touch();
    return known;
  }

  /** What was told of these pages; null when that is not all. */
  #known(first: number, count: number): Uint8Array | null {
    const isPossible = Number.isInteger(first) && first >= 0 && Number.isInteger(count) && count >= 0;
    if (!isPossible) return null;
    const pieces: Uint8Array[] = [];
    let at = first;
    for (const { first: start, bytes } of this.#told) {
      const end = Math.min(first + count, start + bytes.length / this.pageBytes);
      if (at < start || at >= end) continue;
      pieces.push(bytes.subarray((at - start) * this.pageBytes, (end - start) * this.pageBytes));
      at = end;
    }
    if (at < first + count) return null;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  async freeze({ from }: { readonly from?: number } = {}): Promise<FrozenSequence> {
    const { requestId, model, ask } = this.#parts;
    const leaving = this.#ready;
    if (from !== undefined || leaving === null) {
      const { state, pages, bytes } = await ask("freeze", { id: this.id, from: from ?? null });
      return { snapshot: snapshotOf(this.request, state, requestId, model), pages, bytes };
    }
    await this.#touch();
    const { state, atMs, pages } = leaving;
    const now = later(state, liveClock.nowMs() - atMs);
    return { snapshot: snapshotOf(this.request, now, requestId, model), pages, bytes: null };
  }

  async resume(): Promise<void> {
    this.end("not_found");
    await this.#parts.ask("resume", { id: this.id });
  }

  async commit(): Promise<void> {
    this.end("not_found");
    await this.#parts.ask("depart", { id: this.id });
  }

  /** Within the lease the worker is told only: it hears of it long before it would give up. */
  async #touch(): Promise<void> {
    if (this.#over !== null) fail(this.#over.code, this.#over.message);
    const nowMs = liveClock.nowMs();
    const told = this.#parts.ask("progress", { id: this.id });
    if (nowMs < this.#untilMs) told.catch(() => undefined); // it has ended meanwhile: whoever asks next finds out
    else await told;
    this.#untilMs = nowMs + this.#parts.coming.leaseMs;
  }
}

/** The same state some time later: nothing happens to what is frozen, it grows older. */
function later(state: SequenceState, ms: number): SequenceState {
  const aged = (ageMs: number | null): number | null => (ageMs === null ? null : ageMs + ms);
  return {
    ...state,
    ageMs: state.ageMs + ms,
    scheduledAgeMs: aged(state.scheduledAgeMs),
    firstTokenAgeMs: aged(state.firstTokenAgeMs),
    lastTokenAgeMs: aged(state.lastTokenAgeMs),
  };
}
