/**
 * Sequences that change instances: between phases, with keys and values, once their prompt is computed; and by migration,
 * copied while they decode, with a short stop at the end (Llumnix's staged copy, its rounds taken together).
 *
 *   phase      token ─▶ held, pages kept ─▶ target has room ─▶ pages reserved there ─▶ transfer ─▶ goes on there
 *   migration  pages reserved there ─▶ copied while it decodes ─▶ held ─▶ stop ─▶ goes on there
 *
 * At the target a twin holds the pages until the sequence arrives. Whatever ends the sequence meanwhile frees both sides;
 * a preemption or a lack of pages aborts a migration and leaves it where it was.
 */
import { assert } from "../core/index.ts";
import type { VirtualInstance } from "./instance.ts";
import type { SimSequence } from "./sequence.ts";
import type { FleetController, Phase } from "./types.ts";

/** What hand-overs need of the simulation. */
export interface HandoverHost {
  readonly instances: readonly VirtualInstance[];
  readonly phase: Phase | null;
  readonly controller: FleetController | null;
  /** Calls `arrived(id)` then. */
  schedule(atMs: number, id: number): void;
  /** The request is that body's on that instance now. */
  moved(sequence: SimSequence, to: number): void;
  /** The instance may have something to do. */
  wake(index: number): void;
}

type Stage = "transfer" | "copy" | "stop";

interface Move {
  readonly id: number;
  readonly sequence: SimSequence;
  readonly from: VirtualInstance;
  readonly to: VirtualInstance;
  /** Holds the pages at the target; null within one pool. */
  readonly twin: SimSequence | null;
  readonly preemptions: number;
  stage: Stage;
  stopMs: number;
  /** Copied: stops at the end of the step. */
  due: boolean;
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
  /** Migrations whose copy is done, by source. */
  readonly #due = new Map<number, Move[]>();
  #next = 0;
  #started = 0;
  #completed = 0;
  #handovers = 0;

  constructor(host: HandoverHost) {
    this.#host = host;
  }

  get counts(): { readonly started: number; readonly completed: number; readonly handovers: number } {
    return { started: this.#started, completed: this.#completed, handovers: this.#handovers };
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
    const due = this.#due.get(from.index);
    if (due !== undefined) {
      this.#due.delete(from.index);
      for (const move of due) this.#stop(move, nowMs);
    }
    if (phase === null) return;
    for (const sequence of this.#leaving.splice(0)) {
      if (from.find(sequence.id) !== sequence) continue; // it has ended
      from.hold(sequence);
      this.#queue.push({ sequence, from });
    }
    for (const { sequence, from: index } of this.#retracted.splice(0)) this.#recompute(sequence, index, nowMs);
    this.#place(phase, nowMs);
  }

  /** Moves a sequence if it can: see FleetAction. */
  migrate(id: number, from: number, to: number, nowMs: number): void {
    const [source, target] = [this.#host.instances[from], this.#host.instances[to]];
    const sequence = source?.find(id);
    if (source === undefined || target === undefined || sequence === undefined || sequence === null) return;
    if (source === target || this.#bySequence.has(id) || !target.accepting) return;
    if (sequence.pages === 0) {
      if (!source.waitingSequences.includes(sequence)) return;
      this.#started += 1;
      source.forget(sequence);
      this.#enter(sequence, target, nowMs);
      this.#completed += 1;
      return;
    }
    const twin = sequence.twin();
    const cached = target.pages.open(twin);
    if (!target.pages.reserve(twin, sequence.computedTokens)) return target.pages.release(twin);
    const times = this.#host.controller?.migration?.(Math.max(0, sequence.computedTokens - cached));
    const { copyMs, stallMs } = times ?? { copyMs: 0, stallMs: 0 };
    this.#started += 1;
    this.#begin({ sequence, from: source, to: target, twin, stage: "copy", stopMs: stallMs }, nowMs + copyMs);
  }

  /** The time of a move has come. */
  arrived(id: number, nowMs: number): void {
    const move = this.#moves.get(id);
    if (move === undefined) return; // aborted
    if (move.stage === "copy") {
      move.due = true;
      if (!move.from.busy) return this.#stop(move, nowMs);
      const due = this.#due.get(move.from.index);
      if (due === undefined) this.#due.set(move.from.index, [move]);
      else due.push(move);
      return;
    }
    this.#complete(move, nowMs);
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
    for (const { sequence, from, stage } of this.#moves.values()) {
      if (stage !== "copy") assert(from.find(sequence.id) === sequence, "what moves is still there");
    }
    for (const { sequence, from } of this.#queue) {
      assert(from.find(sequence.id) === sequence, "what waits to be handed over is still there");
    }
  }

  #begin(move: Omit<Move, "id" | "preemptions" | "due">, atMs: number): void {
    const id = this.#next++;
    const whole: Move = { ...move, id, preemptions: move.sequence.preemptions, due: false };
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
    const ms = phase.transferMs(Math.max(0, tokens - cached), from, to);
    this.#begin({ sequence, from, to, twin, stage: "transfer", stopMs: 0 }, nowMs + ms);
    return true;
  }

  #recompute(sequence: SimSequence, index: number, nowMs: number): void {
    const { phase, instances } = this.#host;
    const from = instances[index]!;
    if (from.find(sequence.id) !== sequence || !from.waitingSequences.includes(sequence)) return;
    const load = phase?.recompute?.(sequence, from, instances) ?? null;
    if (load === null || load.index === index) return;
    from.forget(sequence);
    this.#enter(sequence, instances[load.index]!, nowMs);
  }

  #enter(sequence: SimSequence, to: VirtualInstance, nowMs: number): void {
    this.#host.moved(sequence, to.index);
    to.enqueue(sequence, nowMs);
    this.#host.wake(to.index);
  }

  /** The copy is done and no step runs: what it has computed since goes along while it stands still. */
  #stop(move: Move, nowMs: number): void {
    if (!this.#moves.has(move.id)) return;
    const { sequence, from, to, twin } = move;
    const stays = sequence.preemptions !== move.preemptions || sequence.pages === 0;
    if (stays || !to.pages.reserve(twin!, sequence.computedTokens)) return this.#abort(move);
    from.hold(sequence);
    move.stage = "stop";
    this.#host.schedule(nowMs + move.stopMs, move.id);
  }

  #complete(move: Move, nowMs: number): void {
    const { sequence, from, to, twin, stage } = move;
    assert(twin !== null, "a twin holds the pages at the target");
    this.#moves.delete(move.id);
    this.#bySequence.delete(sequence.id);
    const tokens = sequence.computedTokens;
    catchUp(twin, sequence);
    from.forget(sequence);
    this.#host.moved(twin, to.index);
    to.adopt(twin, tokens, nowMs);
    if (stage === "stop") this.#completed += 1;
    this.#host.wake(to.index);
    this.#host.wake(from.index);
    if (this.#host.phase !== null) this.#place(this.#host.phase, nowMs);
  }

  #abort(move: Move): void {
    const { sequence, from, to, twin, stage } = move;
    this.#moves.delete(move.id);
    this.#bySequence.delete(sequence.id);
    if (twin !== null) to.pages.release(twin);
    if (stage === "stop" && from.find(sequence.id) === sequence) from.unhold(sequence);
  }
}

/** What happened to the sequence while its twin waited. */
function catchUp(twin: SimSequence, { generatedTokens, lastTokenMs, tokensInTime, reachedTokens }: SimSequence): void {
  twin.generatedTokens = generatedTokens;
  twin.lastTokenMs = lastTokenMs;
  twin.tokensInTime = tokensInTime;
  twin.reachedTokens = reachedTokens;
}
