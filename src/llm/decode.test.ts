/** Executor, pages and sampler together: the loop that the runtime runs, without runtime. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import type { DecoderConfig } from "./config.ts";
import { StepExecutor } from "./executor.ts";
import { KvPages, type SequencePages } from "./kv-pages.ts";
import { Sampler, samplingStream } from "./sampler.ts";
import type { SamplingOptions, StepRow } from "./types.ts";
import { randomWeights } from "./weights.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 300,
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 1,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};
const KV = { format: "f32", pages: 64, pageTokens: 8 } as const;

interface Request {
  readonly prompt: readonly number[];
  readonly sampling: SamplingOptions;
  readonly maxTokens: number;
}

interface Generation {
  readonly tokens: number[];
  readonly sequence: SequencePages;
  readonly sampler: Sampler;
  readonly promptLength: number;
  readonly maxTokens: number;
  computed: number;
}

async function generate(executor: StepExecutor, requests: readonly Request[], chunk: number): Promise<number[][]> {
  const pages = new KvPages(KV);
  const all = requests.map(({ prompt, sampling, maxTokens }, i): Generation => {
    const random = samplingStream(sampling.seed ?? i);
    const sampler = new Sampler({
      sampling,
      random,
      vocabSize: CONFIG.vocabSize,
      promptTokens: prompt,
      topScores: executor.topK,
    });
    const sequence = pages.open(prompt);
    return {
      tokens: [...prompt],
      sequence,
      sampler,
      promptLength: prompt.length,
      maxTokens,
      computed: sequence.cachedTokens,
    };
  });
  for (;;) {
    const active = all.filter(({ sampler, maxTokens }) => sampler.generated < maxTokens);
    if (active.length === 0) break;
    const batch = active.map((entry): StepRow => {
      const end = Math.min(entry.tokens.length, entry.computed + chunk);
      expect(entry.sequence.reserve(end)).toBe(true);
      const tokens = entry.tokens.slice(entry.computed, end);
      const wantLogits = end === entry.tokens.length ? "last" : "none";
      return {
        tokens,
        startPosition: entry.computed,
        pages: entry.sequence.pages,
        wantLogits,
        scores: entry.sampler.wants(),
      };
    });
    const { scores } = await executor.step(batch);
    for (const [i, entry] of active.entries()) {
      entry.computed += batch[i]!.tokens.length;
      const [score] = scores[i]!;
      if (score !== undefined) {
        const token = entry.sampler.sample(score) ?? entry.sampler.sample(await executor.wholeRow(i));
        entry.tokens.push(token!.id);
      }
      entry.sequence.commit(entry.tokens.slice(0, entry.computed));
    }
    pages.checkIntegrity();
  }
  for (const { sequence } of all) sequence.release();
  return all.map(({ tokens, promptLength }) => tokens.slice(promptLength));
}

describe("decoding", () => {
  let executor: StepExecutor;
  beforeAll(async () => {
    executor = await StepExecutor.create({
      config: CONFIG,
      weights: randomWeights(CONFIG, 3),
      weightsFormat: "int4",
      threads: 1,
      kv: KV,
      topK: 20,
      attention: { ortRowThreshold: Infinity },
    });
  });
  afterAll(() => executor.dispose());

  it("same seed, same text, whatever the batch and the chunks", async () => {
    const random = createRandom(1, "prompts");
    const samplings: SamplingOptions[] = [
      { temperature: 0 },
      { seed: 5 },
      { seed: 5, temperature: 0.3, topP: 0.9 },
      { topK: 10, logprobs: 2 },
      { temperature: 1.5, logprobs: 0 },
      { minP: 0.05, frequencyPenalty: 0.5 },
      { temperature: 0, repetitionPenalty: 1.2, logitBias: { 7: 2 } },
    ];
    const requests = samplings.map((sampling, i): Request => {
      const prompt = Array.from({ length: 5 + 6 * i }, () => random.int(0, CONFIG.vocabSize - 1));
      return { prompt, sampling, maxTokens: 10 + i };
    });
    const together = await generate(executor, requests, 7);
    expect(together.map((tokens) => tokens.length)).toEqual(requests.map(({ maxTokens }) => maxTokens));
    for (const [i, { sampling, ...request }] of requests.entries()) {
      const seeded = { ...sampling, seed: sampling.seed ?? i };
      expect(await generate(executor, [{ ...request, sampling: seeded }], 64)).toEqual([together[i]]);
    }
  });
});
