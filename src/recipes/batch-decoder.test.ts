import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { KvPages, parameterSpecs, randomWeights, StepExecutor, type DecoderConfig } from "../llm/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";

const config: DecoderConfig = {
  vocabSize: 60,
  hidden: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  ffn: 48,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 64,
};
const END = 1;
const source = randomWeights(config, 4);
const weights = new Map(parameterSpecs(config).map(({ name, dims }) => [name, source.get(name, dims)]));
const random = createRandom(6);
const prompts = Array.from({ length: 7 }, () => Array.from({ length: random.int(1, 20) }, () => random.int(2, 59)));

/** Greedy decoding by the serving engine's executor, one sequence alone. */
async function served(executor: StepExecutor, prompt: readonly number[], maxTokens: number): Promise<number[]> {
  const sequence = new KvPages({ pages: 16, pageTokens: 8 }).open();
  const reply: number[] = [];
  let tokens: readonly number[] = prompt;
  let startPosition = 0;
  while (reply.length < maxTokens) {
    sequence.reserve(startPosition + tokens.length);
    const step = await executor.step([{ tokens, startPosition, pages: sequence.pages, wantLogits: "last" }]);
    const score = step.scores[0]![0]!;
    const best = score.kind === "top" ? score.ids[0]! : score.logits.indexOf(Math.max(...score.logits));
    if (best === END) break;
    reply.push(best);
    startPosition += tokens.length;
    tokens = [best];
  }
  return reply;
}

describe("the evaluation decoder", () => {
  test("writes what the serving engine writes: two implementations, one network", async () => {
    await using executor = await StepExecutor.create({
      config,
      weights: source,
      weightsFormat: "f32",
      threads: 1,
      kv: { format: "f32", pages: 16, pageTokens: 8 },
    });
    await using decoder = await BatchDecoder.create({ config, weights, slots: 3, threads: 1 });
    const replies = await decoder.decode(
      prompts.map((prompt) => ({ prompt, maxTokens: 12 })),
      END,
    );
    for (const [i, prompt] of prompts.entries()) expect(replies[i]).toEqual(await served(executor, prompt, 12));
  });

  test("a reply ends at its limit and at the capacity", async () => {
    await using decoder = await BatchDecoder.create({ config, weights, slots: 2, capacity: 24, threads: 1 });
    const [short, full] = await decoder.decode(
      [
        { prompt: [5, 6], maxTokens: 3 },
        { prompt: [7], maxTokens: 1000 },
      ],
      -1,
    );
    expect(short!.length).toBe(3);
    expect(full!.length).toBe(24);
  });
});
