/**
 * The export of a sequence that has frozen itself: all that leaves with it came together with the word that it is ready, so
 * that nothing is asked of a worker whose steps are long. The worker is told that somebody is at it, without waiting: it
 * would give the sequence up otherwise.
 */
import { fail } from "../../core/index.ts";
import { liveClock } from "../clock.ts";
import type { Ask } from "./ask.ts";
import type { LeavingSequence, SequenceState } from "./protocol.ts";
import { snapshotOf, wireRequest } from "./snapshot.ts";
import type { ExportProgress, FrozenSequence, SequenceExport, WireRequest } from "./types.ts";

/** What such an export needs. */
export interface LeavingParts {
  readonly requestId: string;
  readonly model: string;
  readonly pageBytes: number;
  readonly pageTokens: number;
  readonly leaving: LeavingSequence;
  readonly ask: Ask;
  /** The sequence is there still. */
  readonly isOpen: () => boolean;
}

/** See the head of this file. */
export class LeavingExport implements SequenceExport {
  readonly requestId: string;
  readonly pageBytes: number;
  readonly pageTokens: number;
  readonly request: WireRequest;
  readonly #parts: LeavingParts;
  #untilMs: number;
  #isOver = false;

  constructor(parts: LeavingParts) {
    this.requestId = parts.requestId;
    this.pageBytes = parts.pageBytes;
    this.pageTokens = parts.pageTokens;
    this.request = wireRequest(parts.leaving.spec, parts.requestId);
    this.#parts = parts;
    this.#untilMs = parts.leaving.atMs + parts.leaving.leaseMs;
  }

  async progress(): Promise<ExportProgress> {
    await this.#touch();
    const { computed, generated } = this.#parts.leaving.state;
    return { computed, wholePages: Math.floor(computed / this.pageTokens), running: false, generated };
  }

  async read(first: number, count: number): Promise<Uint8Array> {
    const { leaving, ask } = this.#parts;
    const { id, bytes, pages } = leaving;
    const isThere = Number.isInteger(first) && first >= 0 && Number.isInteger(count) && count >= 0;
    if (bytes === null || !isThere || first + count > pages) return await ask("read", { id, first, count });
    await this.#touch();
    return bytes.subarray(first * this.pageBytes, (first + count) * this.pageBytes);
  }

  async freeze({ from }: { readonly from?: number } = {}): Promise<FrozenSequence> {
    const { leaving, requestId, model, ask } = this.#parts;
    const { id, pages, state, atMs } = leaving;
    if (from !== undefined) {
      const frozen = await ask("freeze", { id, from });
      return { snapshot: snapshotOf(this.request, frozen.state, requestId, model), pages, bytes: frozen.bytes };
    }
    await this.#touch();
    return {
      snapshot: snapshotOf(this.request, later(state, liveClock.nowMs() - atMs), requestId, model),
      pages,
      bytes: null,
    };
  }

  async resume(): Promise<void> {
    this.#isOver = true;
    await this.#parts.ask("resume", { id: this.#parts.leaving.id });
  }

  async commit(): Promise<void> {
    this.#isOver = true;
    await this.#parts.ask("depart", { id: this.#parts.leaving.id });
  }

  /** Within the lease the worker is told only: it hears of it long before it would give up. */
  async #touch(): Promise<void> {
    const { leaving, ask, isOpen } = this.#parts;
    if (this.#isOver || !isOpen()) fail("not_found", "the export is over: its sequence has ended or it was given up");
    const nowMs = liveClock.nowMs();
    const told = ask("progress", { id: leaving.id });
    if (nowMs < this.#untilMs) told.catch(() => undefined); // it has ended meanwhile: whoever asks next finds out
    else await told;
    this.#untilMs = nowMs + leaving.leaseMs;
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
