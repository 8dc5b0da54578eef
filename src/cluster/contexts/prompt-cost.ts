/**
 * What computing prompt tokens takes on an engine, as far as its steps have told: its calibration, when it has one, then every
 * step since somebody has asked: an engine tells of steps only while it is watched, which costs each of them a message. What
 * waits before them, and what else may come, is not in it.
 */
import type { Engine } from "../../runtime/index.ts";
import { StepCost } from "../../sched/index.ts";

/** See the head of this file. Ended by `Symbol.dispose`. */
export class PromptCost implements Disposable {
  readonly #engine: Engine;
  readonly #cost = new StepCost();
  #unwatch: (() => void) | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
    for (const { tokens, stepMs } of engine.stats().calibration?.points ?? []) this.#cost.observe(tokens, stepMs);
  }

  /** Milliseconds in steps of a full budget; null while no step has been seen. */
  computeMs(tokens: number): number | null {
    const cost = this.#cost;
    this.#unwatch ??= this.#engine.watch(({ prefillTokens, decodeTokens, durationMs }) => {
      cost.observe(prefillTokens + decodeTokens, durationMs);
    });
    if (!(cost.stepMs(1) > 0)) return null;
    const budget = Math.max(1, this.#engine.stats().limits.budgetTokens);
    const full = Math.floor(tokens / budget);
    const rest = tokens - full * budget;
    return (full > 0 ? full * cost.stepMs(budget) : 0) + (rest > 0 ? cost.stepMs(rest) : 0);
  }

  [Symbol.dispose](): void {
    this.#unwatch?.();
    // What is asked later is answered by what is known, and watches nothing.
    this.#unwatch = () => undefined;
  }
}
