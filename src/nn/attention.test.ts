import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  createSession,
  GraphBuilder,
  gradients,
  matmul,
  mul,
  reduceSum,
  softmax,
  softmaxMatmul,
  type Tensor,
  type TensorData,
} from "../graph/index.ts";
import { causalPattern, groupedAttention, segmentMask } from "./attention.ts";

const shape = { batch: 2, length: 6, heads: 4, kvHeads: 2, headDim: 4 };
const segments = [1, 1, 1, 2, 2, 0, 1, 2, 2, 2, 3, 3];

function normals(name: string, dims: readonly number[]): TensorData {
  const random = createRandom(11, name);
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal());
  return { dtype: "float32", dims, data };
}

/** Attention as its definition says it, one query at a time. */
function naive(q: TensorData, k: TensorData, v: TensorData, window: number): Float32Array {
  const { batch, length, heads, kvHeads, headDim } = shape;
  const out = new Float32Array(batch * length * heads * headDim);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < length; t++) {
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor(h / (heads / kvHeads));
        const at = (row: number, head: number, width: number): number => ((b * length + row) * width + head) * headDim;
        const scores: [number, number][] = [];
        for (let s = Math.max(0, t - window + 1); s <= t; s++) {
          if (segments[b * length + s] !== segments[b * length + t]) continue;
          let dot = 0;
          for (let i = 0; i < headDim; i++)
            dot += Number(q.data[at(t, h, heads) + i]) * Number(k.data[at(s, kv, kvHeads) + i]);
          scores.push([s, Math.exp(dot / Math.sqrt(headDim))]);
        }
        const sum = scores.reduce((total, [, e]) => total + e, 0);
        for (const [s, e] of scores) {
          for (let i = 0; i < headDim; i++)
            out[at(t, h, heads) + i]! += (e / sum) * Number(v.data[at(s, kv, kvHeads) + i]);
        }
      }
    }
  }
  return out;
}

describe("groupedAttention", () => {
  const { batch, length, heads, kvHeads, headDim } = shape;
  const rows = batch * length;
  const q = normals("q", [rows, heads * headDim]);
  const k = normals("k", [rows, kvHeads * headDim]);
  const v = normals("v", [rows, kvHeads * headDim]);
  const segmentFeed: TensorData = { dtype: "int64", dims: [batch, length], data: BigInt64Array.from(segments, BigInt) };

  async function run(window: number): Promise<Float32Array> {
    const builder = new GraphBuilder("attention");
    const inputs = [q, k, v].map(({ dims }, i) => builder.input("qkv"[i]!, "float32", dims));
    const mask = segmentMask(
      builder.input("segments", "int64", [batch, length]),
      causalPattern(builder, length, window),
    );
    builder.output("y", groupedAttention(inputs[0]!, inputs[1]!, inputs[2]!, { ...shape, mask }));
    await using session = await createSession(builder.build(), { threads: 1 });
    const { y } = await session.run({ q, k, v, segments: segmentFeed });
    return y!.data as Float32Array;
  }

  test("causal inside a segment, keys shared by a group of heads", async () => {
    const expected = naive(q, k, v, length);
    (await run(length)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  test("a window keeps the last tokens only", async () => {
    const expected = naive(q, k, v, 2);
    (await run(2)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  test("its gradients equal those of the plain form", async () => {
    const builder = new GraphBuilder("gradients");
    const [scores, values, seed] = ["s", "v", "g"].map((name, i) =>
      builder.input(
        name,
        "float32",
        [
          [2, 5, 7],
          [2, 7, 3],
          [2, 5, 3],
        ][i]!,
      ),
    ) as [Tensor, Tensor, Tensor];
    const plain = gradients(reduceSum(mul(matmul(softmax(scores), values), seed)), [scores, values]);
    const joined = gradients(reduceSum(mul(softmaxMatmul(scores, values), seed)), [scores, values]);
    plain.forEach((tensor, i) => builder.output(`plain${i}`, tensor));
    joined.forEach((tensor, i) => builder.output(`joined${i}`, tensor));
    await using session = await createSession(builder.build(), { threads: 1 });
    const result = await session.run({
      s: normals("s", [2, 5, 7]),
      v: normals("v2", [2, 7, 3]),
      g: normals("g", [2, 5, 3]),
    });
    for (const i of [0, 1]) {
      const expected = result[`plain${i}`]!.data as Float32Array;
      (result[`joined${i}`]!.data as Float32Array).forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 5));
    }
  });
});
