/**
 * Gradients of whole networks: against jax-js as a second opinion, and at a size at which the runtime
 * uses its threads, against the same network in plain float64 JavaScript.
 */
import { grad, nn, numpy as np } from "@jax-js/jax";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import * as g from "./index.ts";
import type { Tensor, TensorData } from "./index.ts";

type Parameters = Record<string, TensorData>;
type JaxArray = ReturnType<typeof np.array>;

function normal(seed: string, dims: readonly number[], scale = 1): TensorData {
  const random = createRandom(11, seed);
  const length = dims.reduce((product, dim) => product * dim, 1);
  return { dtype: "float32", dims, data: Float32Array.from({ length }, () => random.normal() * scale) };
}
const integers = (values: readonly number[]): TensorData => ({
  dtype: "int64",
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

const toJax = ({ data, dims }: TensorData): JaxArray => np.array(data as Float32Array<ArrayBuffer>).reshape([...dims]);

/** Gradients of our loss to every float input, by name, and the loss itself as "loss". */
async function ours(
  write: (tensors: Record<string, Tensor>) => Tensor,
  feeds: Parameters,
  threads = 1,
): Promise<Parameters> {
  const builder = new g.GraphBuilder("composite");
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, dims }]) => [name, builder.input(name, dtype, dims)]),
  );
  const loss = write(tensors);
  const wrt = Object.values(tensors).filter((tensor) => tensor.dtype === "float32");
  builder.output("loss", loss);
  g.gradients(loss, wrt).forEach((gradient, i) => builder.output(`d_${wrt[i]!.name}`, gradient));
  await using session = await g.createSession(builder.build(), { threads });
  return session.run(feeds);
}

async function expectLikeJax(
  write: (tensors: Record<string, Tensor>) => Tensor,
  jax: (arrays: Record<string, JaxArray>) => JaxArray,
  feeds: Parameters,
): Promise<void> {
  const found = await ours(write, feeds);
  const floats = Object.entries(feeds).filter(([, { dtype }]) => dtype === "float32");
  const expected = grad(jax)(Object.fromEntries(floats.map(([name, tensor]) => [name, toJax(tensor)])));
  for (const [name] of floats) {
    const [mine, theirs] = [found[`d_${name}`]!, expected[name]!];
    expect(mine.dims).toEqual(theirs.shape);
    const values = theirs.dataSync();
    const scale = Math.max(...values.map(Math.abs)) + 1e-6;
    mine.data.forEach((value, i) => expect(Math.abs(Number(value) - values[i]!) / scale, name).toBeLessThan(1e-4));
  }
}

describe("against jax", () => {
  test("two-layer perceptron", async () => {
    const feeds = { x: normal("x", [6, 5]), w1: normal("w1", [7, 5]), b1: normal("b1", [7]), w2: normal("w2", [7, 3]) };
    await expectLikeJax(
      ({ x, w1, b1, w2 }) => {
        const hidden = g.tanh(g.add(g.matmul(x!, w1!, { transB: true }), b1!));
        return g.reduceMean(g.sigmoid(g.matmul(hidden, w2!)));
      },
      ({ x, w1, b1, w2 }) => nn.sigmoid(np.matmul(np.tanh(np.matmul(x!, w1!.transpose()).add(b1!)), w2!)).mean(),
      feeds,
    );
  });

  test("RMS norm and gated unit", async () => {
    const feeds = {
      x: normal("x", [2, 3, 8]),
      w: normal("w", [8]),
      gate: normal("gate", [8, 6]),
      up: normal("up", [8, 6]),
    };
    await expectLikeJax(
      ({ x, w, gate, up }) => {
        const h = g.rmsNorm(x!, w!, 1e-5);
        const unit = g.mul(g.silu(g.matmul(h, gate!)), g.matmul(h, up!));
        return g.reduceSum(g.mul(unit, unit));
      },
      ({ x, w, gate, up }) => {
        const rms = np.sqrt(x!.ref.mul(x!.ref).mean(-1, { keepdims: true }).add(1e-5));
        const h = x!.div(rms).mul(w!);
        const unit = nn.silu(np.matmul(h.ref, gate!)).mul(np.matmul(h, up!));
        return unit.ref.mul(unit).sum();
      },
      feeds,
    );
  });

  test("causal attention of several heads", async () => {
    const [batch, length, heads, width] = [2, 5, 3, 4];
    const shape = [batch, length, heads * width];
    const feeds = { q: normal("q", shape), k: normal("k", shape), v: normal("v", shape), out: normal("o", shape) };
    const hidden = Array.from({ length: length * length }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
    const byHead = (x: Tensor): Tensor => g.transpose(g.reshape(x, [batch, length, heads, width]), [0, 2, 1, 3]);
    const jaxHead = (x: JaxArray): JaxArray => x.reshape([batch, length, heads, width]).transpose([0, 2, 1, 3]);
    await expectLikeJax(
      ({ q, k, v, out }) => {
        const scores = g.matmul(byHead(q!), byHead(k!), { transB: true, alpha: 0.5 });
        const mask = scores.builder.constant(hidden, "float32", [length, length]);
        const mixed = g.matmul(g.softmax(g.add(scores, mask)), byHead(v!));
        return g.reduceSum(g.mul(g.reshape(g.transpose(mixed, [0, 2, 1, 3]), shape), out!));
      },
      ({ q, k, v, out }) => {
        const scores = np.matmul(jaxHead(q!), jaxHead(k!).transpose([0, 1, 3, 2])).mul(0.5);
        const mask = np.array(Float32Array.from(hidden)).reshape([length, length]);
        const mixed = np.matmul(nn.softmax(scores.add(mask)), jaxHead(v!));
        return mixed.transpose([0, 2, 1, 3]).reshape(shape).mul(out!).sum();
      },
      feeds,
    );
  });

  test("embedding, layer norm and cross-entropy", async () => {
    const [ids, targets] = [
      [3, 1, 3, 0, 3],
      [2, 2, 0, 4, 1],
    ];
    const feeds = {
      table: normal("table", [5, 4]),
      w: normal("w", [4]),
      b: normal("b", [4]),
      ids: integers(ids!),
      targets: integers(targets!),
    };
    await expectLikeJax(
      ({ table, w, b, ids: rows, targets: wanted }) => {
        const h = g.layerNorm(g.embedding(table!, rows!), w!, b!, 1e-5);
        return g.crossEntropy(g.matmul(h, table!, { transB: true }), wanted!);
      },
      ({ table, w, b }) => {
        const x = np.matmul(nn.oneHot(np.array(ids!, { dtype: np.int32 }), 5), table!.ref);
        const centred = x.ref.sub(x.mean(-1, { keepdims: true }));
        const variance = centred.ref.mul(centred.ref).mean(-1, { keepdims: true });
        const h = centred
          .div(np.sqrt(variance.add(1e-5)))
          .mul(w!)
          .add(b!);
        const logits = np.matmul(h, table!.transpose());
        const picked = nn.oneHot(np.array(targets!, { dtype: np.int32 }), 5);
        return nn
          .logSoftmax(logits)
          .mul(picked)
          .sum()
          .mul(-1 / 5);
      },
      feeds,
    );
  });
});

/** Above the size at which the runtime's kernels share work between threads. */
const [ROWS, WIDTH, VOCABULARY] = [2048, 256, 512];

/** Zipf-distributed ids: the frequent ones repeat hundreds of times. */
function zipf(count: number): number[] {
  const random = createRandom(5, "zipf");
  const total = Array.from({ length: VOCABULARY }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
  return Array.from({ length: count }, () => {
    let left = random.uniform() * total;
    let id = 0;
    for (; id < VOCABULARY - 1 && left > 1 / (id + 1); id++) left -= 1 / (id + 1);
    return id;
  });
}

/** loss = sum((rmsNorm(table[ids]) * w) * seed) in float64: gradients to table and w. */
function twin(feeds: Parameters, eps: number): { table: Float64Array; w: Float64Array } {
  const [tableData, w, seed] = [feeds["table"]!.data, feeds["w"]!.data, feeds["seed"]!.data].map((data) =>
    Float64Array.from(data as Float32Array),
  ) as [Float64Array, Float64Array, Float64Array];
  const found = { table: new Float64Array(VOCABULARY * WIDTH), w: new Float64Array(WIDTH) };
  feeds["ids"]!.data.forEach((id, row) => {
    const x = tableData.subarray(Number(id) * WIDTH, (Number(id) + 1) * WIDTH);
    const g64 = seed.subarray(row * WIDTH, (row + 1) * WIDTH);
    const r = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / WIDTH + eps);
    let along = 0;
    for (let i = 0; i < WIDTH; i++) {
      along += (g64[i]! * w[i]! * x[i]!) / WIDTH;
      found.w[i]! += g64[i]! * x[i]! * r;
    }
    for (let i = 0; i < WIDTH; i++) {
      found.table[Number(id) * WIDTH + i]! += r * g64[i]! * w[i]! - x[i]! * r ** 3 * along;
    }
  });
  return found;
}

describe("with the runtime's threads at work", () => {
  const feeds = {
    table: normal("table", [VOCABULARY, WIDTH]),
    w: normal("w", [WIDTH]),
    seed: normal("seed", [ROWS, WIDTH]),
    ids: integers(zipf(ROWS)),
  };
  const write = ({ table, w, seed, ids }: Record<string, Tensor>): Tensor =>
    g.reduceSum(g.mul(g.rmsNorm(g.embedding(table!, ids!), w!, 1e-5), g.stopGradient(seed!)));
  const close = (found: TensorData, expected: Float64Array): void => {
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    let worst = 0;
    for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(Number(found.data[i]) - expected[i]!));
    expect(worst / scale).toBeLessThan(1e-5);
  };

  test.each([1, 2])("repeated ids add up, on %i threads, every time alike", async (threads) => {
    const expected = twin(feeds, 1e-5);
    const [first, second] = [await ours(write, feeds, threads), await ours(write, feeds, threads)];
    close(first["d_table"]!, expected.table);
    close(first["d_w"]!, expected.w);
    for (const name of ["d_table", "d_w"]) expect(second[name]!.data).toEqual(first[name]!.data);
  });

  test.each([1, 2])("a shared weight's gradient is exact on %i threads", async (threads) => {
    const wide = {
      x: normal("x", [4, ROWS / 4, WIDTH]),
      w: normal("w", [8, WIDTH]),
      seed: normal("s", [4, ROWS / 4, 8]),
    };
    const found = await ours(
      ({ x, w, seed }) => g.reduceSum(g.mul(g.matmul(x!, w!, { transB: true }), g.stopGradient(seed!))),
      wide,
      threads,
    );
    const [x, seed] = [wide.x.data, wide.seed.data];
    const expected = new Float64Array(8 * WIDTH);
    for (let row = 0; row < ROWS; row++) {
      for (let o = 0; o < 8; o++) {
        for (let i = 0; i < WIDTH; i++)
          expected[o * WIDTH + i]! += Number(seed[row * 8 + o]) * Number(x[row * WIDTH + i]);
      }
    }
    close(found["d_w"]!, expected);
    expect([...found["d_seed"]!.data].every((value) => value === 0)).toBe(true);
  });
});
