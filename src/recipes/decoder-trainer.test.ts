import { describe, expect, test } from "vitest";
import { recipe, tokenizer } from "../../test/support/micro-recipe.ts";
import { FakeClock } from "../core/index.ts";
import { runTraining, type StepRecord } from "../nn/index.ts";
import { allocateCrew, Crew } from "./crew.ts";
import { DecoderShard, outcomeOf, parameterShapes } from "./decoder-shard.ts";
import { initialise } from "./initial.ts";
import { createTrainer, ParallelTrainer } from "./decoder-trainer.ts";
import { worldItems } from "./world-data.ts";

async function logOf(trainer: ParallelTrainer, steps = 8): Promise<StepRecord[]> {
  const log: StepRecord[] = [];
  const plan = { totalSteps: 8, schedule: recipe.schedule };
  await using _ = trainer;
  await runTraining(
    trainer,
    plan,
    { clock: new FakeClock(), log: (r) => log.push(r) },
    { tokens: 0, elapsedMs: 0, stopAfter: steps },
  );
  return log;
}

describe("a crew of threads", () => {
  test("does the same run twice, bit for bit", async () => {
    const [first, second] = [new ParallelTrainer(recipe, tokenizer), new ParallelTrainer(recipe, tokenizer)];
    const log = await logOf(first);
    expect(await logOf(second)).toEqual(log);
    expect(log.at(-1)!.tokens).toBe(8 * 4 * 160);
    first.optimizer.parameters.forEach(({ data }, i) => expect(second.optimizer.parameters[i]!.data).toEqual(data));
  });

  test("computes what one thread would on the same rows: gradients are means over all targets", async () => {
    // Two crews of one, each on one shard's data, give the parts; the crew of two must give their mean.
    const trainer = new ParallelTrainer(recipe, tokenizer);
    const [record] = await logOf(trainer, 1);
    const losses: { loss: number; targets: number }[] = [];
    for (const shard of [0, 1]) {
      const shapes = parameterShapes(recipe.config);
      const crew = new Crew({ ...allocateCrew(shapes, 2), size: 2 }, shapes);
      initialise(crew.parameters, recipe.config, recipe.seed, recipe.start);
      await using single = new DecoderShard(recipe, crew, shard, worldItems(tokenizer));
      crew.markFailed(); // nobody else comes
      await expect(single.advance(0, 0.01)).rejects.toThrow("another training thread failed");
      losses.push(crew.partial(shard));
    }
    const targets = losses[0]!.targets + losses[1]!.targets;
    expect(record!.loss).toBeCloseTo((losses[0]!.loss + losses[1]!.loss) / targets, 5);
  });

  test("hands a failure in a thread to the caller", async () => {
    const small = { ...recipe.config, vocabSize: 100 }; // smaller than the tokenizer's: ids are out of range
    const trainer = new ParallelTrainer({ ...recipe, config: small }, tokenizer);
    await expect(trainer.advance(0, 0.01)).rejects.toMatchObject({ code: "engine_failed" });
    await trainer[Symbol.asyncDispose]();
  });
});

describe("a crew's memory", () => {
  const shapes = parameterShapes(recipe.config);

  test("every parameter has one owner, and owners have about the same to do", () => {
    const crew = new Crew(allocateCrew(shapes, 2), shapes);
    const owners = crew.owners();
    const loads = [0, 0];
    owners.forEach((owner, i) => (loads[owner]! += crew.parameters[i]!.data.length));
    expect(Math.min(...loads)).toBeGreaterThan(0);
    expect(new Set(owners)).toEqual(new Set([0, 1]));
  });

  test("areas do not overlap", () => {
    const crew = new Crew(allocateCrew(shapes, 2), shapes);
    const { first, second, average } = crew.state;
    const areas = [crew.parameters.map(({ data }) => data), first, second, average, ...crew.exchange];
    areas.forEach((area, i) => area.forEach((array) => array.fill(i + 1)));
    areas.forEach((area, i) => area.forEach((array) => expect(array.every((value) => value === i + 1)).toBe(true)));
  });

  test("an outcome is the sum of what the threads report", () => {
    const crew = new Crew(allocateCrew(shapes, 2), shapes);
    crew.report(0, { squares: 9, loss: 10, targets: 3, tokens: 64 });
    crew.report(1, { squares: 16, loss: 2, targets: 1, tokens: 64 });
    expect(outcomeOf(crew)).toEqual({ loss: 3, gradientNorm: 5, tokens: 128 });
  });
});

test("a recipe of one thread trains where it is called", async () => {
  await using trainer = createTrainer({ ...recipe, threads: 1 }, tokenizer);
  const outcome = await trainer.advance(0, 0.01);
  expect(outcome.loss).toBeGreaterThan(5);
  expect(trainer.optimizer.stepsTaken).toBe(1);
});
