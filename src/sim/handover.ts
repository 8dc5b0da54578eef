/**
 * Sequences that change instances between phases, with keys and values, once their prompt is computed. Moves within a
 * phase are migrations (migration.ts).
 *
 *   token ─▶ held, pages kept ─▶ target has room ─▶ pages reserved there ─▶ transfer ─▶ goes on there
 *
 * At the target a twin holds the pages until the sequence arrives. Whatever ends the sequence meanwhile frees both sides.
 */
import { assert } from "../core/index.ts";
import type { VirtualInstance } from "./instance.ts";
import type { SimSequence } from "./sequence.ts";
import type { Phase } from "./types.ts";

/** What hand-overs need of the simulation. */
export interface HandoverHost {
  readonly instances: readonly VirtualInstance[];
  readonly phase: Phase | null;
  /** Calls `arrived(id)` then. */
  schedule(atMs: number, id: number): void;
  /** The request is that body's on that instance now. */
  moved(sequence: SimSequence, to: number): void;
  /** The instance may have something to do. */
  wake(index: number): void;
}

interface Move {
  readonly id: number;
  readonly sequence: SimSequence;
  readonly from: VirtualInstance;
  readonly to: VirtualInstance;
  /** Holds the pages at the target. */
  readonly twin: SimSequence;
}

/** See the head of this file. */
export class Handovers {
  readonly #host: HandoverHost;
  readonly #moves = new Map<number, Move>();
  /** By request. */
  readonly #bySequence = new Map<number, Move>();
  /** Held, without a target so far, first come first. */
  readonly #queue: { readonly sequence: SimSequence; readonly from: VirtualInstance }[] = [];
  /** Of the step that is ending: whose prompt is computed, and who was preempted. */
  readonly #leaving: SimSequence[] = [];
  readonly #retracted: { readonly sequence: SimSequence; readonly from: number }[] = [];
  #next = 0;
  #handovers = 0;

  constructor(host: HandoverHost) {
    this.#host = host;
  }

  /** Begun so far. */
  get count(): number {
    return this.#handovers;
  }

  /** A sequence has made a token; called within the end of a step. */
  token(sequence: SimSequence, index: number): void {
    const { phase, instances } = this.#host;
    if (phase !== null && phase.leaves(sequence, instances[index]!)) this.#leaving.push(sequence);
  }

  /** A sequence gave its pages back; called within the beginning of a step. */
  preempted(sequence: SimSequence, from: number): void {
    if (this.#host.phase?.recompute !== undefined) this.#retracted.push({ sequence, from });
  }

  /** After a step of that instance: moves what may move. */
  afterStep(from: VirtualInstance, nowMs: number): void {
    const { phase } = this.#host;
    if (phase === null) return;
    for (const sequence of this.#leaving.splice(0)) {
      if (from.find(sequence.id) !== sequence) continue; // it has ended
      from.hold(sequence);
      this.#queue.push({ sequence, from });
    }
    for (const { sequence, from: index } of this.#retracted.splice(0)) this.#recompute(sequence, index, nowMs);
    this.#place(phase, nowMs);
  }

  /** The time of a move has come. */
  arrived(id: number, nowMs: number): void {
    const move = this.#moves.get(id);
    if (move === undefined) return; // aborted
    const { sequence, from, to, twin } = move;
    this.#moves.delete(id);
    this.#bySequence.delete(sequence.id);
    handTo(twin, sequence, from, to, this.#host, nowMs);
    if (this.#host.phase !== null) this.#place(this.#host.phase, nowMs);
  }

  /** The request is over or about to be: nothing of it stays at a target. */
  cancelled(id: number): void {
    const move = this.#bySequence.get(id);
    if (move !== undefined) this.#abort(move);
    const place = this.#queue.findIndex(({ sequence }) => sequence.id === id);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  /** @throws AssertionError */
  checkIntegrity(): void {
    assert(this.#moves.size === this.#bySequence.size, "a sequence moves once at a time");
    for (const { sequence, from } of this.#moves.values()) {
      assert(from.find(sequence.id) === sequence, "what moves is still there");
    }
    for (const { sequence, from } of this.#queue) {
      assert(from.find(sequence.id) === sequence, "what waits to be handed over is still there");
    }
  }

  #begin(move: Omit<Move, "id">, atMs: number): void {
    const id = this.#next++;
    const whole: Move = { ...move, id };
    this.#moves.set(id, whole);
    this.#bySequence.set(move.sequence.id, whole);
    this.#host.schedule(atMs, id);
  }

  /** First come, first placed: who finds no room holds the others back, as a queue does. */
  #place(phase: Phase, nowMs: number): void {
    while (this.#queue.length > 0) {
      const { sequence, from } = this.#queue[0]!;
      const load = phase.target(sequence, from, this.#host.instances);
      if (load === null) return;
      const to = this.#host.instances[load.index]!;
      if (!this.#handOver(phase, sequence, from, to, nowMs)) return;
      this.#queue.shift();
    }
  }

  #handOver(phase: Phase, sequence: SimSequence, from: VirtualInstance, to: VirtualInstance, nowMs: number): boolean {
    if (to === from) {
      from.unhold(sequence);
      this.#host.wake(from.index);
      return true;
    }
    const tokens = sequence.computedTokens;
    if (to.pages === from.pages) {
      this.#handovers += 1;
      from.forget(sequence, true);
      this.#host.moved(sequence, to.index);
      to.adopt(sequence, tokens, nowMs);
      this.#host.wake(to.index);
      return true;
    }
    const twin = sequence.twin();
    const cached = to.pages.open(twin);
    if (!to.pages.reserve(twin, tokens)) {
      to.pages.release(twin);
      return false;
    }
    this.#handovers += 1;
    const ms = phase.transferMs(Math.max(0, tokens - cached), from, to, nowMs);
    this.#begin({ sequence, from, to, twin }, nowMs + ms);
    return true;
  }

  #recompute(sequence: SimSequence, index: number, nowMs: number): void {
    const { phase, instances } = this.#host;
    const from = instances[index]!;
    if (from.find(sequence.id) !== sequence || !from.waitingSequences.includes(sequence)) return;
    const load = phase?.recompute?.(sequence, from, instances) ?? null;
    if (load === null || load.index === index) return;
    const to = instances[load.index]!;
    from.forget(sequence);
    this.#host.moved(sequence, to.index);
    to.enqueue(sequence, nowMs);
    this.#host.wake(to.index);
  }

  #abort({ id, sequence, to, twin }: Move): void {
    this.#moves.delete(id);
    this.#bySequence.delete(sequence.id);
    to.pages.release(twin);
  }
}

/** The twin goes on where it is, with what happened to the sequence while it waited; the sequence is gone. */
export function handTo(
  twin: SimSequence,
  sequence: SimSequence,
  from: VirtualInstance,
  to: VirtualInstance,
  host: Pick<HandoverHost, "moved" | "wake">,
  nowMs: number,
): void {
  const tokens = sequence.computedTokens;
  twin.generatedTokens = sequence.generatedTokens;
  twin.lastTokenMs = sequence.lastTokenMs;
  twin.tokensInTime = sequence.tokensInTime;
  twin.reachedTokens = sequence.reachedTokens;
  from.forget(sequence);
  host.moved(twin, to.index);
  to.adopt(twin, tokens, nowMs);
  host.wake(to.index);
  host.wake(from.index);
}
