import { expect, test } from "vitest";
import { Engine } from "./engine.ts";
import { measureDrift } from "./measure-drift.ts";

test("the main thread stays free while the engine is saturated", async () => {
  const shape = { hidden: 64, layers: 4, heads: 4, kvHeads: 2, headDim: 16, ffn: 128, ropeTheta: 1e4, normEps: 1e-5 };
  const random = { ...shape, vocabSize: 512, tiedEmbeddings: true, maxPositions: 512 };
  await using engine = await Engine.start({ model: { random, seed: 1 }, maxRunning: 16, budgetTokens: 32 });
  // How late a timer is depends on what else the machine does, so the 5 ms are the claim `event-loop`. What the
  // code alone decides is tested here: the main thread hardly works while the engine does all it can.
  const report = await measureDrift(engine, { seconds: 3, rounds: 3 });
  expect(report.tokensPerSecond).toBeGreaterThan(0);
  expect(report.idle.samples).toBeGreaterThan(0);
  expect(report.saturated.samples).toBeGreaterThan(0);
  expect(report.saturated.utilization, JSON.stringify(report)).toBeLessThan(0.5);
});
