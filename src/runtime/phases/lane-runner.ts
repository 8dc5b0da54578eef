/**
 * The compute of one worker: at most one step of each phase under way, advanced a layer at a time. Which phase gets
 * the next slot is decided by tickets (sched's StrideScheduler); a decode step that has begun is brought to its end
 * first, because its slots are short and somebody waits for its tokens, while a step of prompts gives way at each layer.
 *
 * It blocks its thread for one slot at a time and never waits: with nothing under way it does nothing.
 */
import { assert, type Clock } from "../../core/index.ts";
import type { StepBatch, StepExecutor, StepRun } from "../../llm/index.ts";
import { StrideScheduler, type Phase } from "../../sched/index.ts";
import type { SlotUse } from "./options.ts";

interface Lane {
  readonly run: StepRun;
  /** How many slots the step may have done by now; null: all. */
  gate: ((slots: number) => boolean) | null;
  resolve: ((run: StepRun) => void) | null;
  reject: ((error: unknown) => void) | null;
  slots: number;
  ms: number;
}

/** The lanes of one worker over its executor. */
export class LaneRunner {
  readonly #clock: Clock;
  readonly #lanes: Readonly<Record<Phase, Lane>>;
  readonly #stride = new StrideScheduler<Phase>({ decode: 1, prefill: 1 });
  readonly #isReady = (phase: Phase): boolean => {
    const { run, gate } = this.#lanes[phase];
    return run.active && (gate === null || gate(run.slot));
  };

  /** @param decodeRows most sequences of a step of decodes */
  constructor(executor: Pick<StepExecutor, "open">, clock: Clock, decodeRows: number) {
    const lane = (maxRows?: number): Lane => {
      return { run: executor.open(maxRows), gate: null, resolve: null, reject: null, slots: 0, ms: 0 };
    };
    this.#clock = clock;
    this.#lanes = { prefill: lane(), decode: lane(decodeRows) };
  }

  /** From the next slot on. */
  setTickets(tickets: Readonly<Record<Phase, number>>): void {
    this.#stride.setTickets("prefill", tickets.prefill);
    this.#stride.setTickets("decode", tickets.decode);
  }

  /** Whether a step is under way. */
  get active(): boolean {
    return this.#lanes.prefill.run.active || this.#lanes.decode.run.active;
  }

  /** Whether a slot has something to do now: a step that follows another may have to wait for it. */
  get ready(): boolean {
    return this.#isReady("prefill") || this.#isReady("decode");
  }

  /** What it has spent on each phase. */
  get use(): Readonly<Record<Phase, SlotUse>> {
    const of = ({ slots, ms }: Lane): SlotUse => ({ slots, ms });
    return { prefill: of(this.#lanes.prefill), decode: of(this.#lanes.decode) };
  }

  /**
   * Begins a step; its promise resolves when slots have brought it to its end, and rejects when one fails.
   * @param gate whether slot number `slots` (from 0) may be computed yet; always when absent
   */
  step(phase: Phase, batch: StepBatch, gate: ((slots: number) => boolean) | null = null): Promise<StepRun> {
    const lane = this.#lanes[phase];
    assert(lane.resolve === null, "one step at a time on each lane");
    assert(batch.length > 0, "a step has rows");
    lane.run.begin(batch);
    lane.gate = gate;
    return new Promise((resolve, reject) => {
      lane.resolve = resolve;
      lane.reject = reject;
    });
  }

  /** The step of a lane: complete between its end and the next `step`. */
  run(phase: Phase): StepRun {
    return this.#lanes[phase].run;
  }

  /** Computes one slot of one lane that is ready; the phase whose step came to its end with it, or null. */
  async slot(): Promise<Phase | null> {
    const decoding = this.#lanes.decode.run;
    const phase = decoding.active && decoding.slot > 0 ? "decode" : this.#stride.next(this.#isReady);
    if (phase === null) return null;
    const lane = this.#lanes[phase];
    const startMs = this.#clock.nowMs();
    try {
      await lane.run.advance(1);
    } catch (error) {
      lane.run.abandon();
      lane.reject?.(error);
      this.#clear(lane);
      return phase;
    }
    const ms = this.#clock.nowMs() - startMs;
    this.#stride.charge(phase, ms);
    lane.slots += 1;
    lane.ms += ms;
    if (lane.run.active) return null;
    lane.resolve?.(lane.run);
    this.#clear(lane);
    return phase;
  }

  #clear(lane: Lane): void {
    lane.gate = null;
    lane.resolve = null;
    lane.reject = null;
  }
}
