/**
 * Where the sequences of a step loop are, and who holds which pages. It decides nothing.
 *
 *   waiting   no pages; in order of arrival
 *   running   pages; a policy sees it and steps advance it
 *   paused    no pages, no step: its reader is slow
 *   frozen    as it was, but out of the schedule: on its way to another engine
 *   guests    pages without a sequence here: of sequences on their way in, of prefixes that are being read
 *
 * A sequence is in exactly one place, and every used page belongs to a sequence or a guest.
 */
import { assert } from "../core/index.ts";
import type { KvPages, SequencePages } from "../llm/index.ts";
import type { LiveSequence } from "./sequence.ts";
import type { SequenceQueues } from "./step-loop-options.ts";

export class SequencePlaces {
  readonly waiting: Map<number, LiveSequence>;
  readonly running = new Map<number, LiveSequence>();
  readonly paused: Map<number, LiveSequence>;
  readonly frozen = new Map<number, LiveSequence>();
  readonly guests = new Set<SequencePages>();
  /** Places among the running ones that are promised to sequences on their way in. */
  promised = 0;
  /** Frozen ones whose reader is slow. */
  readonly #setAside = new Set<number>();

  constructor({ waiting, paused }: SequenceQueues) {
    this.waiting = waiting;
    this.paused = paused;
  }

  /** Places that the running ones cannot have now: frozen ones may come back. */
  get takenPlaces(): number {
    return this.frozen.size + this.promised;
  }

  find(seq: number): LiveSequence | null {
    return this.running.get(seq) ?? this.waiting.get(seq) ?? this.paused.get(seq) ?? this.frozen.get(seq) ?? null;
  }

  /** Whether one of them has that adapter. */
  usesAdapter(id: number): boolean {
    const all = [this.waiting, this.running, this.paused, this.frozen];
    return all.some((sequences) => Array.from(sequences.values()).some(({ spec }) => spec.adapter === id));
  }

  /** It is nowhere any more. */
  drop(seq: number): void {
    this.waiting.delete(seq);
    this.running.delete(seq);
    this.paused.delete(seq);
    this.frozen.delete(seq);
    this.#setAside.delete(seq);
  }

  /** Into the queue, at its place by arrival. */
  enqueue(sequence: LiveSequence): void {
    const rest = [...this.waiting.values(), sequence].toSorted((a, b) => a.spec.seq - b.spec.seq);
    this.waiting.clear();
    for (const other of rest) this.waiting.set(other.spec.seq, other);
  }

  /** Out of the schedule, with the pages that it has. */
  freeze(sequence: LiveSequence): void {
    const { seq } = sequence.spec;
    const slow = this.paused.has(seq);
    this.drop(seq);
    this.frozen.set(seq, sequence);
    if (slow) this.#setAside.add(seq);
  }

  /** Back to where it would be by now. */
  thaw(sequence: LiveSequence): void {
    const { seq } = sequence.spec;
    const slow = this.#setAside.has(seq);
    this.drop(seq);
    if (slow) sequence.release();
    if (slow) this.paused.set(seq, sequence);
    else if (sequence.holdsPages) this.running.set(seq, sequence);
    else this.enqueue(sequence);
  }

  /** Notes how the reader of a frozen one is; false when it is not frozen. */
  setAside(seq: number, slow: boolean): boolean {
    if (!this.frozen.has(seq)) return false;
    if (slow) this.#setAside.add(seq);
    else this.#setAside.delete(seq);
    return true;
  }

  /** @param pages absent where loops share them: then only all together can say that every used page belongs to somebody */
  checkIntegrity(pages?: KvPages): void {
    const holders = new Set<number>();
    for (const sequence of this.running.values()) {
      assert(sequence.holdsPages, "a running sequence holds pages");
      assert(sequence.pending > 0, "a running sequence has something to compute");
      assert(sequence.pages.capacityTokens >= sequence.computed, "computed tokens have pages");
      for (const page of sequence.pages.pages) holders.add(page);
    }
    for (const sequence of [...this.waiting.values(), ...this.paused.values()]) {
      assert(!sequence.holdsPages, "only running and frozen sequences hold pages");
      assert(!this.running.has(sequence.spec.seq), "a sequence is in one place");
    }
    for (const [seq, sequence] of this.frozen) {
      const elsewhere = this.running.has(seq) || this.waiting.has(seq) || this.paused.has(seq);
      assert(!elsewhere, "a sequence is in one place");
      for (const page of sequence.holdsPages ? sequence.pages.pages : []) holders.add(page);
    }
    for (const seq of this.#setAside) assert(this.frozen.has(seq), "only frozen sequences are noted as slow");
    for (const guest of this.guests) for (const page of guest.pages) holders.add(page);
    if (pages !== undefined)
      assert(holders.size === pages.usedPages, "every used page belongs to a sequence or a guest");
  }
}
