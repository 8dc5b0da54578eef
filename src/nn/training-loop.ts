/**
 * The loop that every recipe runs: compute loss and gradients, update, log, now and then checkpoint.
 * What is computed is the trainer's business, where records go is the ports'. The loop itself draws
 * nothing and reads only the clock it is given, so a run is a function of its trainer and plan: a resumed
 * run equals an uninterrupted one bit for bit.
 */
import { setImmediate } from "node:timers/promises";
import { assert, fail, type Clock } from "../core/index.ts";
import type { AdamW } from "./adamw.ts";
import type { RunCounters } from "./checkpoint.ts";
import { learningRate, type Schedule } from "./schedule.ts";

/** What a trainer says of one step; the loss is that of the weights before the update. */
export interface StepOutcome {
  readonly loss: number;
  /** Over all parameters, before clipping. */
  readonly gradientNorm: number;
  /** Tokens the step has computed. */
  readonly tokens: number;
}

/** A network with its data and its optimiser. */
export interface Trainer {
  /** Weights, moments, averages and the number of steps taken. */
  readonly optimizer: AdamW;
  /**
   * One step: loss and gradients, a pure function of weights and step number, and the update at that
   * learning rate. Counts the step in `optimizer`.
   */
  advance(step: number, learningRate: number): StepOutcome | Promise<StepOutcome>;
}

/** How long a run is and how its learning rate moves; the schedule spans `totalSteps` even when a run stops early. */
export interface TrainingPlan {
  readonly totalSteps: number;
  readonly schedule: Schedule;
}

/** One line of the loss log. No times in it: the log of a rerun is equal to the byte. */
export interface StepRecord {
  readonly step: number;
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Since the start of the run, this step included. */
  readonly tokens: number;
}

/** A step for people who watch: unlike a log line it has times in it. */
export interface TrainingProgress extends StepRecord {
  readonly totalSteps: number;
  /** Of this process, over its part of the run. */
  readonly tokensPerSecond: number;
  /** Of this process. */
  readonly elapsedMs: number;
}

/** What the loop may touch outside itself. A port that throws ends the run with its error. */
export interface TrainingPorts {
  readonly clock: Clock;
  /** Called after every step. */
  readonly log?: (record: StepRecord) => void;
  readonly progress?: (progress: TrainingProgress) => void;
  /** Called every `checkpointEveryMs` and at the end (also an early one). */
  readonly checkpoint?: (optimizer: AdamW, counters: RunCounters) => Promise<void>;
  /** Default five minutes. */
  readonly checkpointEveryMs?: number;
  /** Stops after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** How far a run came, counted from its first step, resumed parts included. */
export interface TrainingResult {
  readonly stepsTaken: number;
  readonly tokens: number;
  /** False when the signal or `stopAfter` ended the run before the plan did. */
  readonly finished: boolean;
  readonly elapsedMs: number;
}

const CHECKPOINT_EVERY_MS = 5 * 60_000;

/**
 * Runs from `optimizer.stepsTaken` to the end of the plan, or to `stopAfter` steps if that is sooner
 * (the schedule still spans the whole plan). `from` is what a checkpoint said, zeros at the start.
 * Throws `training_diverged` on a loss that is not finite.
 */
export async function runTraining(
  trainer: Trainer,
  plan: TrainingPlan,
  ports: TrainingPorts,
  from: RunCounters & { readonly stopAfter?: number } = { tokens: 0, elapsedMs: 0 },
): Promise<TrainingResult> {
  const { clock, signal } = ports;
  const { optimizer } = trainer;
  const last = Math.min(plan.totalSteps, from.stopAfter ?? plan.totalSteps);
  const startMs = clock.nowMs();
  const elapsed = (): number => clock.nowMs() - startMs;
  let tokens = from.tokens;
  let savedAtMs = 0;
  const save = async (): Promise<void> => {
    savedAtMs = elapsed();
    await ports.checkpoint?.(optimizer, { tokens, elapsedMs: from.elapsedMs + savedAtMs });
  };
  while (optimizer.stepsTaken < last && signal?.aborted !== true) {
    const record = await oneStep(trainer, plan, tokens);
    tokens = record.tokens;
    const elapsedMs = elapsed();
    const tokensPerSecond = elapsedMs > 0 ? ((tokens - from.tokens) * 1000) / elapsedMs : 0;
    ports.log?.(record);
    ports.progress?.({ ...record, totalSteps: plan.totalSteps, elapsedMs, tokensPerSecond });
    if (elapsedMs - savedAtMs >= (ports.checkpointEveryMs ?? CHECKPOINT_EVERY_MS)) await save();
    await setImmediate(); // lets signals and the progress bar through
  }
  await save();
  const finished = optimizer.stepsTaken === plan.totalSteps;
  return { stepsTaken: optimizer.stepsTaken, tokens, finished, elapsedMs: from.elapsedMs + elapsed() };
}

async function oneStep(trainer: Trainer, plan: TrainingPlan, tokensBefore: number): Promise<StepRecord> {
  const step = trainer.optimizer.stepsTaken;
  const rate = learningRate(plan.schedule, step, plan.totalSteps);
  const { loss, gradientNorm, tokens } = await trainer.advance(step, rate);
  if (!Number.isFinite(loss)) fail("training_diverged", `the loss of step ${step} is ${loss}`, { param: "loss" });
  if (!Number.isFinite(gradientNorm)) {
    fail("training_diverged", `the gradient norm of step ${step} is ${gradientNorm}`, { param: "gradientNorm" });
  }
  assert(trainer.optimizer.stepsTaken === step + 1, "a step is counted once");
  return { step, loss, gradientNorm, learningRate: rate, tokens: tokensBefore + tokens };
}
