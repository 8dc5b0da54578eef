import { expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  createSession,
  crossEntropy,
  embedding,
  gradients,
  GraphBuilder,
  layerNorm,
  reduceMean,
  reshape,
  rmsNorm,
  silu,
  type Tensor,
  type TensorData,
} from "../graph/index.ts";
import { AdamW, type Parameter } from "./adamw.ts";
import { causalPattern, groupedAttention } from "./attention.ts";
import { feedForward, gatedFeedForward, linear, transformerBlock } from "./layers.ts";

const BATCH = 16;
const LENGTH = 8;
const HIDDEN = 32;
const VOCAB = 12;

/** Weights as inputs of a graph, made as they are asked for. */
class Weights {
  readonly parameters: Parameter[] = [];
  readonly tensors: Tensor[] = [];
  readonly #builder: GraphBuilder;
  readonly #random = createRandom(3, "layers");

  constructor(builder: GraphBuilder) {
    this.#builder = builder;
  }

  take(...dims: number[]): Tensor {
    const name = `w${this.parameters.length}`;
    const size = dims.reduce((product, dim) => product * dim, 1);
    const data = Float32Array.from({ length: size }, () => (dims.length === 1 ? 1 : 0.1 * this.#random.normal()));
    this.parameters.push({ name, dims, data, decays: dims.length > 1 });
    const tensor = this.#builder.input(name, "float32", dims);
    this.tensors.push(tensor);
    return tensor;
  }
}

/** One gated RMS block and one plain layer-norm block over full attention: which token stands more often, 0 or 1? */
function majorityNetwork(builder: GraphBuilder, weights: Weights): Tensor {
  const ids = reshape(builder.input("ids", "int64", [BATCH, LENGTH]), [BATCH * LENGTH]);
  const attend = (x: Tensor): Tensor => {
    const project = (): Tensor => linear(x, weights.take(HIDDEN, HIDDEN));
    const shape = { batch: BATCH, length: LENGTH, heads: 4, kvHeads: 4, headDim: HIDDEN / 4 };
    return linear(groupedAttention(project(), project(), project(), shape), weights.take(HIDDEN, HIDDEN));
  };
  const wide = (x: Tensor): Tensor => linear(x, weights.take(48, HIDDEN), weights.take(48));
  const narrow = (x: Tensor): Tensor => linear(x, weights.take(HIDDEN, 48));
  let x = embedding(weights.take(VOCAB, HIDDEN), ids);
  x = transformerBlock(x, {
    attentionNorm: (rows) => rmsNorm(rows, weights.take(HIDDEN), 1e-5),
    attention: attend,
    feedForwardNorm: (rows) => rmsNorm(rows, weights.take(HIDDEN), 1e-5),
    feedForward: (rows) => gatedFeedForward(rows, { gate: wide, up: wide, down: narrow }),
  });
  x = transformerBlock(x, {
    attentionNorm: (rows) => layerNorm(rows, weights.take(HIDDEN), weights.take(HIDDEN), 1e-5),
    attention: attend,
    feedForwardNorm: (rows) => layerNorm(rows, weights.take(HIDDEN), weights.take(HIDDEN), 1e-5),
    feedForward: (rows) => feedForward(rows, { up: wide, down: narrow }),
  });
  const pooled = reduceMean(reshape(x, [BATCH, LENGTH, HIDDEN]), { axes: [1] }); // [batch, hidden]
  return linear(reshape(pooled, [BATCH, HIDDEN]), weights.take(2, HIDDEN), weights.take(2));
}

function batchOf(seed: number): { feeds: Record<string, TensorData>; targets: number[] } {
  const random = createRandom(seed, "majority");
  const ids: number[] = [];
  const targets: number[] = [];
  for (let item = 0; item < BATCH; item++) {
    const row = Array.from({ length: LENGTH - 1 }, () => (random.chance(0.5) ? 1 : 0));
    targets.push(row.filter((id) => id === 1).length * 2 > LENGTH - 1 ? 1 : 0);
    ids.push(...row, 2);
  }
  const int64 = (values: number[], dims: number[]): TensorData => ({
    dtype: "int64",
    dims,
    data: BigInt64Array.from(values, BigInt),
  });
  return { feeds: { ids: int64(ids, [BATCH, LENGTH]), targets: int64(targets, [BATCH]) }, targets };
}

test("a network of both kinds of block learns a majority over full attention", async () => {
  const builder = new GraphBuilder("majority");
  const weights = new Weights(builder);
  const logits = majorityNetwork(builder, weights);
  const loss = crossEntropy(logits, builder.input("targets", "int64", [BATCH]));
  builder.output("loss", loss);
  builder.output("logits", logits);
  gradients(loss, weights.tensors).forEach((gradient, i) => builder.output(`g${i}`, gradient));
  await using session = await createSession(builder.build(), { threads: 1 });
  const optimizer = new AdamW(weights.parameters, { weightDecay: 0 });
  const held = Object.fromEntries(
    weights.parameters.map(({ name, dims, data }): [string, TensorData] => [name, { dtype: "float32", dims, data }]),
  );
  for (let step = 0; step < 120; step++) {
    const found = await session.run({ ...held, ...batchOf(step).feeds });
    optimizer.step(
      weights.parameters.map((_, i) => found[`g${i}`]!.data as Float32Array),
      3e-3,
    );
  }
  let correct = 0;
  for (let seed = 1000; seed < 1010; seed++) {
    const { feeds, targets } = batchOf(seed);
    const rows = (await session.run({ ...held, ...feeds }, ["logits"])).logits!.data as Float32Array;
    correct += targets.filter((target, i) => (rows[2 * i + 1]! > rows[2 * i]! ? 1 : 0) === target).length;
  }
  expect(correct / (10 * BATCH)).toBeGreaterThan(0.95);
});

test("a windowed mask hides what is too far back, a causal one what comes later", async () => {
  const builder = new GraphBuilder("window");
  builder.output("causal", causalPattern(builder, 4));
  builder.output("window", causalPattern(builder, 4, 2));
  await using session = await createSession(builder.build(), { threads: 1 });
  const rows = (data: TensorData): number[][] =>
    Array.from({ length: 4 }, (_, row) => Array.from((data.data as Uint8Array).subarray(row * 4, row * 4 + 4)));
  const found = await session.run({});
  expect(rows(found.causal!)).toEqual([
    [1, 0, 0, 0],
    [1, 1, 0, 0],
    [1, 1, 1, 0],
    [1, 1, 1, 1],
  ]);
  expect(rows(found.window!)).toEqual([
    [1, 0, 0, 0],
    [1, 1, 0, 0],
    [0, 1, 1, 0],
    [0, 0, 1, 1],
  ]);
});

test("linear adds its bias, and another activation may be given", async () => {
  const builder = new GraphBuilder("linear");
  const x = builder.constant([1, 2], "float32", [1, 2]);
  const weight = builder.constant([1, 0, 0, 1, 1, 1], "float32", [3, 2]);
  const back = builder.constant([1, 0, 0, 0, 0, 1], "float32", [2, 3]);
  builder.output("y", linear(x, weight, builder.constant([10, 20, 30], "float32", [3])));
  const parts = { up: (rows: Tensor) => linear(rows, weight), down: (rows: Tensor) => linear(rows, back) };
  builder.output("z", feedForward(x, { ...parts, activation: silu }));
  await using session = await createSession(builder.build(), { threads: 1 });
  const found = await session.run({});
  expect(Array.from(found.y!.data as Float32Array)).toEqual([11, 22, 33]);
  const swish = (value: number): number => value / (1 + Math.exp(-value));
  const z = Array.from(found.z!.data as Float32Array);
  expect(z[0]).toBeCloseTo(swish(1), 5);
  expect(z[1]).toBeCloseTo(swish(3), 5);
});
