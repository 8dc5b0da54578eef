/**
 * Sequences between two caches, in the order in which their prompts were done: those that wait for room at the decode
 * side, and those whose keys and values are being copied. They hold their pages at the prompts' side until the copy is
 * complete, and from the beginning of the copy pages at the other side too; letting one go gives both back.
 */
import { assert, Histogram, type Clock } from "../../core/index.ts";
import type { KvPages, SequencePages } from "../../llm/index.ts";
import type { Phase } from "../../sched/index.ts";
import type { LiveSequence } from "../sequence.ts";
import type { KvHandover, Transfer } from "./handover.ts";
import type { TransferStats } from "./options.ts";

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Where nothing is handed over. */
export const NO_TRANSFERS: TransferStats = {
  count: 0,
  aborted: 0,
  bytes: 0,
  ms: 0,
  seconds: snapshot(new Histogram(SECONDS)),
};

export interface HandoverQueueOptions {
  readonly handover: KvHandover;
  /** Of the decode side. */
  readonly pages: KvPages;
  readonly prefixCache: boolean;
  readonly clock: Clock;
  /** How many more sequences the decode side may have, those on their way not counted. */
  readonly room: () => number;
  /** Hears of a sequence whose copy begins: it has its pages at the decode side. */
  readonly begun?: (sequence: LiveSequence) => void;
  /** Takes a sequence whose keys and values are in place at the decode side. */
  readonly arrived: (sequence: LiveSequence) => void;
}

interface Entry {
  readonly sequence: LiveSequence;
  readonly sinceMs: number;
  /** Null as long as it waits for room. */
  moving: { readonly target: SequencePages; readonly transfer: Transfer } | null;
}

export class HandoverQueue {
  readonly #options: HandoverQueueOptions;
  readonly #entries = new Map<number, Entry>();
  readonly #totals = { count: 0, aborted: 0, bytes: 0, ms: 0 };
  readonly #seconds = new Histogram(SECONDS);

  constructor(options: HandoverQueueOptions) {
    this.#options = options;
  }

  /** Sequences between the caches. */
  get size(): number {
    return this.#entries.size;
  }

  /** Those of them that are being copied. */
  get active(): number {
    let active = 0;
    for (const { moving } of this.#entries.values()) if (moving !== null) active += 1;
    return active;
  }

  get totals(): TransferStats {
    return { ...this.#totals, seconds: snapshot(this.#seconds) };
  }

  add(sequence: LiveSequence): void {
    this.#entries.set(sequence.spec.seq, { sequence, sinceMs: this.#options.clock.nowMs(), moving: null });
  }

  /** Starts copies as far as there is room, the longest waiting first. */
  pull(): void {
    let active = this.active;
    for (const entry of this.#entries.values()) {
      if (entry.moving !== null) continue;
      if (this.#options.room() - active < 1 || !this.#start(entry, active)) return;
      active += 1;
    }
  }

  /** False when the decode side has too few pages. */
  #start(entry: Entry, active: number): boolean {
    const { pages, prefixCache, handover } = this.#options;
    const { sequence } = entry;
    const length = sequence.computed + 1;
    if (!this.#fits(sequence, length, active)) return false;
    const target = prefixCache ? pages.open(sequence.known, sequence.salt) : pages.open();
    assert(target.reserve(length), "what fits can be taken");
    this.#options.begun?.(sequence);
    const first = target.cachedTokens / pages.pageTokens;
    const end = Math.ceil(sequence.computed / pages.pageTokens);
    const transfer = handover.pull(sequence.pages.pages.slice(first, end), target.pages.slice(first, end));
    entry.moving = { target, transfer };
    void transfer.done.then(({ bytes, ms }) => {
      if (this.#entries.get(sequence.spec.seq) !== entry) return; // let go in the same moment
      this.#totals.count += 1;
      this.#totals.bytes += bytes;
      this.#totals.ms += ms;
      this.#arrive(entry, target);
    });
    return true;
  }

  /** Looks without touching anything: what is asked often must not make pages look newer than they are. */
  #fits(sequence: LiveSequence, length: number, active: number): boolean {
    const { pages, prefixCache } = this.#options;
    const { known, salt } = sequence;
    const cached = prefixCache ? pages.cachedTokens(known, salt) / pages.pageTokens : 0;
    const unheld = prefixCache ? pages.cachedFreePages(known, salt) : 0;
    // A page for each decode to grow into, unless it would be the only one.
    const headroom = pages.usedPages + unheld > cached ? active + 1 : 0;
    const missing = Math.max(0, Math.ceil(length / pages.pageTokens) - cached);
    return missing + headroom <= pages.availablePages - unheld;
  }

  #arrive({ sequence, sinceMs }: Entry, target: SequencePages): void {
    this.#entries.delete(sequence.spec.seq);
    const transferMs = this.#options.clock.nowMs() - sinceMs;
    this.#seconds.observe(transferMs / 1000);
    sequence.rehome(target, transferMs);
    if (this.#options.prefixCache) target.commit(sequence.known.subarray(0, sequence.computed));
    this.#options.arrived(sequence);
  }

  /** Takes a sequence out again, with its pages at the prompts' side; null when it is not here. */
  take(seq: number): LiveSequence | null {
    const entry = this.#entries.get(seq);
    if (entry === undefined) return null;
    this.#entries.delete(seq);
    if (entry.moving !== null) {
      entry.moving.transfer.abort();
      entry.moving.target.release();
      this.#totals.aborted += 1;
    }
    return entry.sequence;
  }

  /** Adds what it holds to what the lanes hold. @throws AssertionError when a sequence is here and there. */
  checkIntegrity(seen: Set<number>, held: Readonly<Record<Phase, Set<number>>>): void {
    for (const [seq, { sequence, moving }] of this.#entries) {
      assert(!seen.has(seq), "a sequence is in one place");
      seen.add(seq);
      for (const page of sequence.pages.pages) held.prefill.add(page);
      for (const page of moving?.target.pages ?? []) held.decode.add(page);
    }
  }
}

function snapshot(histogram: Histogram): TransferStats["seconds"] {
  const { bounds, sum, count } = histogram;
  return { bounds, cumulative: histogram.cumulative(), sum, count };
}
