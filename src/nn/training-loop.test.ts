import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createRandom, FakeClock } from "../core/index.ts";
import { AdamW, type Parameter } from "./adamw.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { runTraining, type StepRecord, type TrainingTask } from "./training-loop.ts";

const plan = {
  totalSteps: 40,
  schedule: { kind: "cosine", peak: 0.1, floor: 0.01, warmupSteps: 4 },
  adamw: { emaDecay: 0.9 },
} as const;

/** Least squares on data drawn per step: the smallest task with every part of a real one. */
function task(): TrainingTask {
  const data = new Float32Array(8);
  const parameters: Parameter[] = [{ name: "w", dims: [8], data, decays: true }];
  return {
    parameters,
    run(step) {
      const random = createRandom(5, `step/${step}`);
      const gradient = new Float32Array(8);
      let loss = 0;
      for (let i = 0; i < 8; i++) {
        const error = data[i]! - (i + random.normal() * 0.01);
        loss += error * error;
        gradient[i] = 2 * error;
      }
      return { loss, gradients: [gradient], tokens: 8 };
    },
  };
}

describe("runTraining", () => {
  test("the loss falls, and records carry step, rate and tokens", async () => {
    const log: StepRecord[] = [];
    const work = task();
    const optimizer = new AdamW(work.parameters, plan.adamw);
    const result = await runTraining(work, plan, optimizer, { clock: new FakeClock(), log: (r) => log.push(r) });
    expect(result).toMatchObject({ stepsTaken: 40, tokens: 320, finished: true });
    expect(log.map((r) => r.step)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(log.at(-1)!.loss).toBeLessThan(log[0]!.loss / 2);
  });

  test("stopped, saved and resumed equals uninterrupted, bit for bit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "punctual-"));
    try {
      const path = join(folder, "c.safetensors");
      const clock = new FakeClock();
      const whole = task();
      const wholeLog: StepRecord[] = [];
      await runTraining(whole, plan, new AdamW(whole.parameters, plan.adamw), { clock, log: (r) => wholeLog.push(r) });

      const log: StepRecord[] = [];
      const first = task();
      const save = (optimizer: AdamW, counters: { tokens: number; elapsedMs: number }): Promise<void> =>
        saveCheckpoint(path, optimizer, "test", counters);
      const half = { tokens: 0, elapsedMs: 0, stopAfter: 17 };
      const ports = { clock, log: (r: StepRecord) => log.push(r), checkpoint: save };
      const early = await runTraining(first, plan, new AdamW(first.parameters, plan.adamw), ports, half);
      expect(early.finished).toBe(false);

      const second = task();
      const optimizer = new AdamW(second.parameters, plan.adamw);
      const counters = await loadCheckpoint(path, optimizer, "test");
      expect(counters.tokens).toBe(17 * 8);
      await runTraining(second, plan, optimizer, ports, counters);
      expect(log).toEqual(wholeLog);
      expect(second.parameters[0]!.data).toEqual(whole.parameters[0]!.data);
      await expect(loadCheckpoint(path, optimizer, "another")).rejects.toMatchObject({ code: "invalid_file" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a signal ends it after the step in progress; a bad loss is an error", async () => {
    const controller = new AbortController();
    const work = task();
    const stopped = await runTraining(work, plan, new AdamW(work.parameters), {
      clock: new FakeClock(),
      signal: controller.signal,
      log: ({ step }) => {
        if (step === 2) controller.abort();
      },
    });
    expect(stopped.stepsTaken).toBe(3);
    const broken: TrainingTask = { parameters: [], run: () => ({ loss: NaN, gradients: [], tokens: 0 }) };
    await expect(runTraining(broken, plan, new AdamW([]), { clock: new FakeClock() })).rejects.toMatchObject({
      code: "training_diverged",
    });
  });
});
