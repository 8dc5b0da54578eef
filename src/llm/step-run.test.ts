import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import type { DecoderConfig } from "./config.ts";
import { alone, createExact, expectSame, kvPages, randomTokens, ROW } from "./executor.conformance.ts";
import type { StepExecutor } from "./executor.ts";
import type { StepRun } from "./step-run.ts";
import type { StepRow, WeightsFormat } from "./types.ts";

const SEED = 20261126;
const CONFIG: DecoderConfig = {
  vocabSize: 101,
  hidden: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};

describe.each<WeightsFormat>(["f32", "int4"])("two executors over one cache, %s", (weightsFormat) => {
  let first: StepExecutor;
  let second: StepExecutor;
  beforeAll(async () => {
    first = await createExact(CONFIG, { weightsFormat, sharedViews: 2 });
    const attachTo = { memory: first.kvMemory, views: 2, view: 1 };
    second = await createExact(CONFIG, { weightsFormat, attachTo });
  });
  afterAll(async () => {
    await second.dispose();
    await first.dispose();
  });

  test("steps interleaved slot by slot give the bits that each gives alone", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 4 }),
        async (seed, lengths) => {
          const random = createRandom(seed, "interleave");
          const pages = kvPages();
          const runs: StepRun[] = [];
          const prompts = lengths.map((length, i) => {
            const tokens = randomTokens(random, length);
            const sequence = pages.open();
            sequence.reserve(length);
            const row: StepRow = { tokens, startPosition: 0, pages: sequence.pages, wantLogits: "all", scores: ROW };
            runs.push((i % 2 === 0 ? first : second).open());
            runs[i]!.begin([row]);
            return tokens;
          });
          while (runs.some((run) => run.active)) {
            const run = runs[random.int(0, runs.length - 1)]!;
            if (run.active) await run.advance(random.int(1, 2));
          }
          for (const [i, run] of runs.entries()) {
            const got = run.result().scores[0]!.map(({ logits }) => logits);
            expectSame(got, await alone(first, prompts[i]!));
          }
        },
      ),
      { seed: SEED, numRuns: 10 },
    );
  });

  test("a sequence begun by one is carried on by the other; either makes the whole row of a kept one", async () => {
    const tokens = randomTokens(createRandom(1, "moved"), 20);
    const sequence = kvPages().open();
    sequence.reserve(20);
    const { pages } = sequence;
    await first.step([{ tokens: tokens.slice(0, 13), startPosition: 0, pages, wantLogits: "none" }]);
    const run = second.open();
    run.begin([{ tokens: tokens.slice(13), startPosition: 13, pages, wantLogits: "last" }]);
    expect(await run.advance()).toBe(true);
    const kept = run.keptRow(0);
    const [expected] = (await alone(first, tokens)).slice(-1);
    for (const by of [run, first, second]) {
      const row = await by.wholeRowOf(structuredClone(kept));
      expectSame([row.logits], [expected!]);
    }
  });

  test("slots count layers, and a step that is left can be followed by another", async () => {
    const pages = kvPages();
    const sequence = pages.open();
    sequence.reserve(8);
    const row: StepRow = { tokens: [1, 2, 3], startPosition: 0, pages: sequence.pages, wantLogits: "last" };
    const run = first.open();
    run.begin([row]);
    expect([run.slots, run.slot, run.rows]).toEqual([4, 0, 3]);
    expect(await run.advance(3)).toBe(false);
    expect([run.slot, run.active]).toEqual([3, true]);
    expect(() => run.begin([row])).toThrow("one step at a time");
    expect(() => run.result()).toThrow("complete");
    run.abandon();
    expect(() => run.keptRow(0)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    run.begin([row]);
    expect(await run.advance()).toBe(true);
    expect(run.result().scores[0]).toHaveLength(1);
    run.begin([]);
    expect([run.active, run.result().scores]).toEqual([false, []]);
  });
});
