/**
 * Live migration in virtual time (Llumnix, OSDI'24, section 4.2). Keys and values only ever grow at their end, so that
 * whole pages can be copied while a sequence goes on decoding:
 *
 *   stage      more than the page being filled has come since the last stage: reserved there, copied but for that page
 *   last stage at the end of a step: out of the schedule, the rest is reserved and copied, goes on there
 *
 * The last stage comes when only that page is left, or when no other stage is allowed and at most lastStagePages are:
 * Llumnix stops as soon as that few are left, which makes longer sequences stand still a little longer.
 *
 * Before and after every stage both sides are asked whether it still makes sense. A sequence that has ended, was
 * preempted or is handed over otherwise, a target without room or about to stop, too many stages: then it stays where it
 * is, back in the schedule, and what was reserved at the target is given back. Who waits without pages moves as a message.
 *
 * Which sequence moves where is not decided here. At the target a twin holds the pages until the sequence arrives.
 */
import { assert } from "../core/index.ts";
import { handTo } from "./handover.ts";
import type { VirtualInstance } from "./instance.ts";
import { Latencies, type LatencySummary } from "./latency.ts";
import type { SimSequence } from "./sequence.ts";
import type { MigrationModel } from "./types.ts";

/** What migrations need of the simulation. */
export interface MigrationHost {
  readonly instances: readonly VirtualInstance[];
  readonly model: MigrationModel;
  /** Calls `arrived(id)` then. */
  schedule(atMs: number, id: number): void;
  /** The request is that body's on that instance now. */
  moved(sequence: SimSequence, to: number): void;
  /** The instance may have something to do, or may be done. */
  wake(index: number): void;
}

/** How migrations went. */
export interface MigrationReport {
  readonly started: number;
  readonly completed: number;
  readonly aborted: number;
  /** From leaving the schedule at the source to being back in it at the target, of those that ran. */
  readonly downtimeMs: LatencySummary;
}

/**
 * message  a waiting one on its way as a message
 * copy     a stage beside decoding
 * due      waits for the end of the step that runs
 * last     out of the schedule, the last stage
 */
type Stage = "message" | "copy" | "due" | "last";

interface Migration {
  readonly id: number;
  readonly sequence: SimSequence;
  readonly from: VirtualInstance;
  readonly to: VirtualInstance;
  /** Holds the pages at the target; null when none are copied. */
  readonly twin: SimSequence | null;
  readonly preemptions: number;
  stage: Stage;
  stages: number;
  copiedPages: number;
  stoppedMs: number;
}

const DEFAULT_LAST_STAGE_PAGES = 16;
const DEFAULT_MAX_STAGES = 3;

/** See the head of this file. */
export class Migrations {
  readonly #host: MigrationHost;
  readonly #byId = new Map<number, Migration>();
  readonly #bySequence = new Map<number, Migration>();
  /** Those of stage "due", by source. */
  readonly #due = new Map<number, Migration[]>();
  readonly #downtime = new Latencies();
  #next = 0;
  #completed = 0;
  #aborted = 0;

  constructor(host: MigrationHost) {
    this.#host = host;
  }

  get report(): MigrationReport {
    const [started, completed, aborted] = [this.#next, this.#completed, this.#aborted];
    return { started, completed, aborted, downtimeMs: this.#downtime.summary() };
  }

  /** Moves a sequence if it can: see FleetAction. */
  start(id: number, from: number, to: number, nowMs: number): void {
    const [source, target] = [this.#host.instances[from], this.#host.instances[to]];
    const sequence = source?.find(id) ?? null;
    if (source === undefined || target === undefined || sequence === null) return;
    if (source === target || source.pages === target.pages || !target.accepting || this.#bySequence.has(id)) return;
    if (sequence.promptTokens + sequence.maxTokens > target.totalPages * target.pageTokens) return;
    if (source.waits(sequence)) {
      const message = this.#open(sequence, source, target, null, "message");
      return this.#host.schedule(nowMs + this.#stageMs(message, 0), message.id);
    }
    if (!source.runs(sequence)) return;
    source.outgoing += 1;
    target.incoming += 1;
    if (this.#host.model.kind === "recompute") {
      return this.#whenIdle(this.#open(sequence, source, target, null, "due"), nowMs);
    }
    const twin = sequence.twin();
    const cached = target.pages.open(twin);
    const migration = this.#open(sequence, source, target, twin, "copy");
    migration.copiedPages = Math.floor(cached / target.pageTokens);
    this.#advance(migration, nowMs);
  }

  /** A stage of that number has ended. */
  arrived(id: number, nowMs: number): void {
    const migration = this.#byId.get(id);
    if (migration === undefined) return; // aborted meanwhile
    switch (migration.stage) {
      case "message":
        return this.#deliver(migration, nowMs);
      case "copy":
        return this.#advance(migration, nowMs);
      case "last":
        return this.#commit(migration, nowMs);
      default:
        assert(migration.stage !== "due", "who waits for a step has no time");
        migration.stage satisfies never;
    }
  }

  /** After a step of that instance: last stages begin. */
  afterStep(from: VirtualInstance, nowMs: number): void {
    const due = this.#due.get(from.index);
    if (due === undefined) return;
    this.#due.delete(from.index);
    for (const migration of due) if (this.#byId.has(migration.id)) this.#stop(migration, nowMs);
  }

  /** The request is over: nothing of it stays at the target. */
  ended(id: number): void {
    const migration = this.#bySequence.get(id);
    if (migration !== undefined) this.#abort(migration);
  }

  /** @throws AssertionError */
  checkIntegrity(): void {
    assert(this.#byId.size === this.#bySequence.size, "a sequence migrates once at a time");
    assert(this.#next === this.#byId.size + this.#completed + this.#aborted, "every migration ends once");
    const [outgoing, incoming] = [new Map<number, number>(), new Map<number, number>()];
    const count = (counts: Map<number, number>, index: number): void => {
      counts.set(index, (counts.get(index) ?? 0) + 1);
    };
    for (const { sequence, from, to, twin, stage } of this.#byId.values()) {
      assert(from.find(sequence.id) === sequence, "what migrates is still at its source");
      if (twin !== null) assert(twin.pages <= to.totalPages - to.pages.availablePages, "a twin's pages are taken");
      if (stage === "message") continue;
      count(outgoing, from.index);
      count(incoming, to.index);
    }
    for (const { index, outgoing: out, incoming: into } of this.#host.instances) {
      assert(out === (outgoing.get(index) ?? 0), "outgoing migrations are counted");
      assert(into === (incoming.get(index) ?? 0), "incoming migrations are counted");
    }
  }

  #open(
    sequence: SimSequence,
    from: VirtualInstance,
    to: VirtualInstance,
    twin: SimSequence | null,
    stage: Stage,
  ): Migration {
    const { preemptions } = sequence;
    const id = this.#next++;
    const migration = { id, sequence, from, to, twin, preemptions, stage, stages: 0, copiedPages: 0, stoppedMs: 0 };
    this.#byId.set(id, migration);
    this.#bySequence.set(sequence.id, migration);
    return migration;
  }

  #stageMs({ from, to }: Migration, tokens: number): number {
    return this.#host.model.stageMs(tokens, from, to);
  }

  /** Another stage beside decoding, or the last one. */
  #advance(migration: Migration, nowMs: number): void {
    const { sequence, to, twin } = migration;
    const { kind, lastStagePages = DEFAULT_LAST_STAGE_PAGES, maxStages = DEFAULT_MAX_STAGES } = this.#host.model;
    if (!this.#stillMakesSense(migration)) return this.#abort(migration);
    migration.stages += 1;
    const { pageTokens } = to;
    const noMore = migration.stages >= maxStages;
    const grown = Math.ceil(sequence.computedTokens / pageTokens) - migration.copiedPages;
    const few = grown <= 1 || (noMore && grown <= lastStagePages);
    if (kind === "blocking" || few) return this.#whenIdle(migration, nowMs);
    if (noMore) return this.#abort(migration);
    const pages = migration.copiedPages + grown - 1;
    if (!to.pages.reserve(twin!, pages * pageTokens)) return this.#abort(migration);
    migration.copiedPages = pages;
    this.#host.schedule(nowMs + this.#stageMs(migration, (grown - 1) * pageTokens), migration.id);
  }

  #whenIdle(migration: Migration, nowMs: number): void {
    migration.stage = "due";
    const { from } = migration;
    if (!from.busy) return this.#stop(migration, nowMs);
    const due = this.#due.get(from.index);
    if (due === undefined) this.#due.set(from.index, [migration]);
    else due.push(migration);
  }

  /** No step runs: out of the schedule, and the rest is copied. */
  #stop(migration: Migration, nowMs: number): void {
    const { sequence, from, to, twin, copiedPages } = migration;
    if (!this.#stillMakesSense(migration)) return this.#abort(migration);
    if (twin === null) {
      from.drop(sequence);
      return this.#enqueue(migration, nowMs);
    }
    if (!to.pages.reserve(twin, sequence.computedTokens)) return this.#abort(migration);
    from.hold(sequence);
    migration.stage = "last";
    migration.stoppedMs = nowMs;
    const tokens = Math.max(0, sequence.computedTokens - copiedPages * to.pageTokens);
    this.#host.schedule(nowMs + this.#stageMs(migration, tokens), migration.id);
  }

  #commit(migration: Migration, nowMs: number): void {
    const { sequence, from, to, twin, stoppedMs } = migration;
    if (to.state !== "serving") return this.#abort(migration);
    this.#close(migration);
    this.#completed += 1;
    this.#downtime.observe(nowMs - stoppedMs);
    handTo(twin!, sequence, from, to, this.#host, nowMs);
  }

  #deliver(migration: Migration, nowMs: number): void {
    const { sequence, from, to } = migration;
    if (!from.waits(sequence) || to.state !== "serving") return this.#abort(migration);
    this.#enqueue(migration, nowMs);
  }

  /** Goes on there without pages. */
  #enqueue(migration: Migration, nowMs: number): void {
    const { sequence, from, to } = migration;
    this.#close(migration);
    this.#completed += 1;
    from.forget(sequence);
    this.#host.moved(sequence, to.index);
    to.enqueue(sequence, nowMs);
    this.#host.wake(to.index);
    this.#host.wake(from.index);
  }

  #stillMakesSense({ sequence, from, to, preemptions }: Migration): boolean {
    return sequence.preemptions === preemptions && from.runs(sequence) && to.state === "serving";
  }

  #abort(migration: Migration): void {
    const { sequence, from, to, twin, stage } = migration;
    this.#close(migration);
    this.#aborted += 1;
    if (twin !== null) to.pages.release(twin);
    if (stage === "last" && from.find(sequence.id) === sequence) from.unhold(sequence);
    this.#host.wake(from.index);
    this.#host.wake(to.index);
  }

  #close({ id, sequence, from, to, stage }: Migration): void {
    this.#byId.delete(id);
    this.#bySequence.delete(sequence.id);
    if (stage === "message") return;
    from.outgoing -= 1;
    to.incoming -= 1;
  }
}
