import { expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { normals } from "./cases.conformance.ts";
import type { KvLayout } from "./geometry.ts";
import { AttentionTwin } from "./twin.ts";

/** softmax(q K^T + causal mask) V over plain arrays, one head, no pages: written out once more, another way. */
function dense(q: number[][], k: number[][], v: number[][], scale: number, window: number): number[][] {
  return q.map((query, row) => {
    const logits = k.map((key, column) => {
      const visible = column <= row && (window === 0 || column > row - window);
      return visible ? scale * key.map((x, d) => x * query[d]!).reduce((a, b) => a + b, 0) : -Infinity;
    });
    const normaliser = Math.log(logits.map(Math.exp).reduce((a, b) => a + b, 0));
    return query.map((_, d) => logits.reduce((sum, logit, i) => sum + Math.exp(logit - normaliser) * v[i]![d]!, 0));
  });
}

test.each([0, 1, 5])("the twin is dense causal attention, head by head, window %i", (window) => {
  const [length, heads, kvHeads, headDim] = [19, 4, 2, 8];
  const layout: KvLayout = { layers: 1, kvHeads, headDim, pageTokens: 8, pages: 3, format: "f32" };
  const random = createRandom(9);
  const k = normals(random, length * kvHeads * headDim);
  const v = normals(random, length * kvHeads * headDim);
  const q = normals(random, length * heads * headDim);
  const pages = Int32Array.of(2, 0, 1);
  const twin = new AttentionTwin({ layout, heads, maxRows: length, scale: 0.3, window });
  twin.writeKv(
    0,
    k,
    v,
    Int32Array.from({ length }, (_, t) => pages[t >> 3]! * 8 + (t & 7)),
  );
  const out = new Float32Array(q.length);
  twin.attend(0, q, [{ queryStart: 0, queryRows: length, contextLength: length, pages }], out);
  const rows = (from: Float32Array, count: number, head: number): number[][] =>
    Array.from({ length }, (_, t) =>
      Array.from(from.subarray((t * count + head) * headDim, (t * count + head + 1) * headDim)),
    );
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head / 2);
    const expected = dense(rows(q, heads, head), rows(k, kvHeads, kvHead), rows(v, kvHeads, kvHead), 0.3, window);
    rows(out, heads, head).forEach((row, t) => row.forEach((x, d) => expect(x).toBeCloseTo(expected[t]![d]!, 6)));
  }
});
