/**
 * The last steps of one engine in columns: noting a step allocates nothing. Readers keep a cursor of their own and are told
 * how many they have missed.
 */
import { assert } from "../../core/index.ts";
import type { StepRecord } from "../../protocol/index.ts";
import type { WatchedStep } from "../../runtime/index.ts";

const COLUMNS = 10;
/** Instances that steps name, over the ring's whole life; steps of further ones have none. */
const MOST_INSTANCES = 1024;
const PHASES = ["prefill", "decode"] as const;

/** See the head of this file. */
export class StepRing {
  readonly #capacity: number;
  readonly #rows: Float64Array;
  readonly #instances: string[] = [];
  #count = 0;
  #prefillTokens = 0;

  constructor(capacity: number) {
    assert(capacity >= 1, "a ring has room");
    this.#capacity = capacity;
    this.#rows = new Float64Array(capacity * COLUMNS);
  }

  /** Steps noted so far; the next one gets this number. */
  get count(): number {
    return this.#count;
  }

  /** Tokens of prompts over all steps noted so far. */
  get prefillTokens(): number {
    return this.#prefillTokens;
  }

  note(step: WatchedStep): void {
    const at = (this.#count % this.#capacity) * COLUMNS;
    this.#rows[at] = step.startMs;
    this.#rows[at + 1] = step.durationMs;
    this.#rows[at + 2] = step.prefillTokens;
    this.#rows[at + 3] = step.decodeTokens;
    this.#rows[at + 4] = step.sequences;
    this.#rows[at + 5] = step.budgetTokens;
    this.#rows[at + 6] = step.preempted;
    this.#rows[at + 7] = step.phase === undefined ? -1 : PHASES.indexOf(step.phase);
    this.#rows[at + 8] = step.rejectedTokens ?? 0;
    this.#rows[at + 9] = step.instance === undefined ? -1 : this.#numberOf(step.instance);
    this.#count += 1;
    this.#prefillTokens += step.prefillTokens;
  }

  /** The oldest that is still there. */
  get first(): number {
    return Math.max(0, this.#count - this.#capacity);
  }

  /** Steps `from` to `to` (exclusive), which must be there. */
  slice(from: number, to: number): StepRecord[] {
    assert(from >= this.first && to <= this.#count, "steps that are asked for are there");
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => this.#step((from + i) % this.#capacity));
  }

  /** -1 beyond the limit. */
  #numberOf(instance: string): number {
    const known = this.#instances.indexOf(instance);
    if (known >= 0 || this.#instances.length >= MOST_INSTANCES) return known;
    return this.#instances.push(instance) - 1;
  }

  #step(row: number): StepRecord {
    const [
      startMs,
      durationMs,
      prefillTokens,
      decodeTokens,
      sequences,
      budgetTokens,
      preempted,
      phase,
      rejectedTokens,
      instance,
    ] = this.#rows.subarray(row * COLUMNS, (row + 1) * COLUMNS) as unknown as readonly [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const step = {
      startMs,
      durationMs,
      prefillTokens,
      decodeTokens,
      ...(rejectedTokens === 0 ? {} : { rejectedTokens }),
      sequences,
      budgetTokens,
      preempted,
      ...(instance < 0 ? {} : { instance: this.#instances[instance]! }),
    };
    return phase < 0 ? step : { ...step, phase: PHASES[phase]! };
  }
}
