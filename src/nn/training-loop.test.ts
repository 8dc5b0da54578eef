import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createRandom, FakeClock } from "../core/index.ts";
import { AdamW } from "./adamw.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { runTraining, type StepRecord, type Trainer } from "./training-loop.ts";

const plan = {
  totalSteps: 40,
  schedule: { kind: "cosine", peak: 0.1, floor: 0.01, warmupSteps: 4 },
} as const;

/** Least squares on data drawn per step: the smallest trainer with every part of a real one. */
function trainer(): Trainer & { readonly data: Float32Array } {
  const data = new Float32Array(8);
  const optimizer = new AdamW([{ name: "w", dims: [8], data, decays: true }], { emaDecay: 0.9 });
  return {
    data,
    optimizer,
    advance(step, rate) {
      const random = createRandom(5, `step/${step}`);
      const gradient = new Float32Array(8);
      let loss = 0;
      for (let i = 0; i < 8; i++) {
        const error = data[i]! - (i + random.normal() * 0.01);
        loss += error * error;
        gradient[i] = 2 * error;
      }
      return { loss, gradientNorm: optimizer.step([gradient], rate), tokens: 8 };
    },
  };
}

describe("runTraining", () => {
  test("the loss falls, and records carry step, rate and tokens", async () => {
    const log: StepRecord[] = [];
    const result = await runTraining(trainer(), plan, { clock: new FakeClock(), log: (r) => log.push(r) });
    expect(result).toMatchObject({ stepsTaken: 40, tokens: 320, finished: true });
    expect(log.map((r) => r.step)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(log.at(-1)!.loss).toBeLessThan(log[0]!.loss / 2);
  });

  test("stopped, saved and resumed equals uninterrupted, bit for bit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "punctual-"));
    try {
      const path = join(folder, "c.safetensors");
      const clock = new FakeClock();
      const whole = trainer();
      const wholeLog: StepRecord[] = [];
      await runTraining(whole, plan, { clock, log: (r) => wholeLog.push(r) });

      const log: StepRecord[] = [];
      const save = (optimizer: AdamW, counters: { tokens: number; elapsedMs: number }): Promise<void> =>
        saveCheckpoint(path, optimizer, "test", counters);
      const half = { tokens: 0, elapsedMs: 0, stopAfter: 17 };
      const ports = { clock, log: (r: StepRecord) => log.push(r), checkpoint: save };
      const early = await runTraining(trainer(), plan, ports, half);
      expect(early.finished).toBe(false);

      const second = trainer();
      const counters = await loadCheckpoint(path, second.optimizer, "test");
      expect(counters.tokens).toBe(17 * 8);
      await runTraining(second, plan, ports, counters);
      expect(log).toEqual(wholeLog);
      expect(second.data).toEqual(whole.data);
      await expect(loadCheckpoint(path, second.optimizer, "another")).rejects.toMatchObject({ code: "invalid_file" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a signal ends it after the step in progress; a bad loss is an error", async () => {
    const controller = new AbortController();
    const stopped = await runTraining(trainer(), plan, {
      clock: new FakeClock(),
      signal: controller.signal,
      log: ({ step }) => {
        if (step === 2) controller.abort();
      },
    });
    expect(stopped.stepsTaken).toBe(3);
    const broken: Trainer = { ...trainer(), advance: () => ({ loss: NaN, gradientNorm: 0, tokens: 0 }) };
    await expect(runTraining(broken, plan, { clock: new FakeClock() })).rejects.toMatchObject({
      code: "training_diverged",
    });
  });
});
