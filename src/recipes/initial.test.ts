/** A copying start copies before its first step; a normal one does not. */
import { expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { parameterSpecs, type DecoderConfig } from "../llm/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { initialise } from "./initial.ts";
import type { Start } from "./types.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 1536,
  hidden: 256,
  layers: 5,
  heads: 8,
  kvHeads: 4,
  headDim: 32,
  ffn: 704,
  ropeTheta: 1_000_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 512,
};
const END = 0;

/** The share of tokens that go on as they did before: 40 tokens, then the first of them again. */
async function copiedShare(start: Start): Promise<number> {
  const parameters = parameterSpecs(CONFIG).map(({ name, dims }) => {
    return { name, dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) };
  });
  initialise(parameters, CONFIG, 1, start);
  const weights = new Map(parameters.map(({ name, data }) => [name, data]));
  const random = createRandom(3, "repeats");
  const texts = Array.from({ length: 24 }, () =>
    Array.from({ length: 40 }, () => random.int(END + 1, CONFIG.vocabSize - 1)),
  );
  const from = (i: number): number => 4 + (i % 30);
  await using decoder = await BatchDecoder.create({ config: CONFIG, weights, capacity: 64, threads: 1 });
  const requests = texts.map((text, i) => ({ prompt: [...text, ...text.slice(from(i) - 3, from(i))], maxTokens: 4 }));
  const replies = await decoder.decode(requests, END);
  const right = replies.flatMap((reply, i) => reply.map((id, j) => id === texts[i]![from(i) + j]));
  return right.filter(Boolean).length / (texts.length * 4);
}

it("copies what stood after the same tokens before, from the first step on", async () => {
  expect(await copiedShare("copying")).toBeGreaterThan(0.5);
  expect(await copiedShare("normal")).toBeLessThan(0.1);
});
