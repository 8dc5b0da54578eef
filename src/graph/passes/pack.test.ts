import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/index.ts";
import { createSession } from "../session.ts";
import type { GraphModel, GraphNode, Initializer } from "../types.ts";
import { packLinear } from "./pack-linear.ts";
import { BLOCK_SIZES, type BlockSize, packInt4, packInt8, unpackInt4, unpackInt8 } from "./pack.ts";

const SEED = 7;
const CODECS = { 4: { pack: packInt4, unpack: unpackInt4 }, 8: { pack: packInt8, unpack: unpackInt8 } } as const;

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 1, max: 80 }),
  blockSize: fc.constantFrom(...BLOCK_SIZES.slice(0, 3)),
  bits: fc.constantFrom(4 as const, 8 as const),
});
const cases = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    weights: fc.float32Array({
      minLength: shape.rows * shape.columns,
      maxLength: shape.rows * shape.columns,
      min: Math.fround(-1e6),
      max: Math.fround(1e6),
      noNaN: true,
    }),
  }),
);

describe("packing", () => {
  it("stays within a step of every weight, and half a step where nothing was clipped", () => {
    fc.assert(
      fc.property(cases, ({ shape: { rows, columns, blockSize, bits }, weights }) => {
        const packed = CODECS[bits].pack(weights, rows, columns, blockSize);
        const back = CODECS[bits].unpack(packed);
        const blocks = Math.ceil(columns / blockSize);
        weights.forEach((weight, index) => {
          const column = index % columns;
          const block = Math.floor(index / columns) * blocks + Math.floor(column / blockSize);
          // The worst is a weight on the far side of zero, as large as the extreme, with the scale shrunk to 0.8.
          const step = Math.abs(packed.scales[block]!);
          expect(Math.abs(back[index]! - weight)).toBeLessThanOrEqual(bits === 4 ? step * 3.01 : step * 1.01 + 1e-38);
        });
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it("gives the same bits for what was packed before", () => {
    fc.assert(
      fc.property(cases, ({ shape: { rows, columns, blockSize, bits }, weights }) => {
        const { pack, unpack } = CODECS[bits];
        const once = unpack(pack(weights, rows, columns, blockSize));
        const twice = unpack(pack(once, rows, columns, blockSize));
        expect(twice.map((value) => value + 0)).toEqual(once.map((value) => value + 0));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it("lays codes out low nibble first, padded with zero weights", () => {
    const packed = packInt4(Float32Array.of(-8, 7, 0, 1, 3), 1, 5, 16);
    expect(packed.scales).toEqual(Float32Array.of(1));
    expect([...packed.codes]).toEqual([0xf0, 0x98, 0x8b, 0x88, 0x88, 0x88, 0x88, 0x88]);
  });

  it("packs zeros, and refuses what is no number", () => {
    expect(unpackInt8(packInt8(new Float32Array(4), 2, 2, 16))).toEqual(new Float32Array(4));
    for (const bad of [NaN, Infinity, -Infinity]) {
      expect(() => packInt4(Float32Array.of(1, bad), 1, 2, 16)).toThrow(
        expect.objectContaining({ code: "invalid_graph" }),
      );
    }
    expect(() => packInt4(new Float32Array(3), 2, 2, 16)).toThrow(expect.objectContaining({ code: "shape_mismatch" }));
    expect(() => packInt4(new Float32Array(0), 1, 0, 16)).toThrow(expect.objectContaining({ code: "shape_mismatch" }));
    expect(() => packInt4(new Float32Array(4), 2, 2, 24 as BlockSize)).toThrow(
      expect.objectContaining({ param: "blockSize" }),
    );
  });
});

/** y = x · W (or x · Wᵀ for weights stored [N, K]). */
function linear(
  inFeatures: number,
  outFeatures: number,
  transposed: boolean,
): { model: GraphModel; rows: Float32Array } {
  const random = createRandom(SEED, `linear-${inFeatures}`);
  // Rows as packing sees them: [N, K].
  const rows = Float32Array.from({ length: inFeatures * outFeatures }, () => random.normal() / Math.sqrt(inFeatures));
  const stored = transposed
    ? rows
    : Float32Array.from(
        rows,
        (_, index) => rows[(index % outFeatures) * inFeatures + Math.floor(index / outFeatures)]!,
      );
  const dims = transposed ? [outFeatures, inFeatures] : [inFeatures, outFeatures];
  const node: GraphNode = transposed
    ? {
        op: "FusedMatMul",
        domain: "com.microsoft",
        name: "n",
        inputs: ["x", "w"],
        outputs: ["y"],
        attributes: { transB: { kind: "int", value: 1 } },
      }
    : { op: "MatMul", domain: "", name: "n", inputs: ["x", "w"], outputs: ["y"], attributes: {} };
  const model: GraphModel = {
    name: "linear",
    irVersion: 10,
    opsets: { "": 21, "com.microsoft": 1 },
    inputs: [{ name: "x", dtype: "float32", shape: ["rows", inFeatures] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["rows", outFeatures] }],
    initializers: [{ name: "w", dtype: "float32", dims, data: stored }],
    nodes: [node],
    metadata: {},
  };
  return { model, rows };
}

/** Relative root-mean-square distance of two vectors. */
function distance(actual: Float32Array, expected: Float64Array): number {
  let error = 0;
  let size = 0;
  expected.forEach((value, index) => {
    error += (actual[index]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

describe("packLinear", () => {
  it.each([
    [4, 32, 256, 96, false],
    [4, 128, 256, 96, true],
    [4, 16, 100, 7, true],
    [8, 32, 96, 64, true],
    [8, 128, 200, 33, false],
  ] as const)(
    "%i bits, blocks of %i, %i to %i features: the product of the unpacked weights",
    async (bits, blockSize, k, n, transposed) => {
      const { model, rows } = linear(k, n, transposed);
      const session = await createSession(packLinear(model, { bits, blockSize }), { threads: 1 });
      const random = createRandom(SEED, "x");
      const count = 5;
      const x = Float32Array.from({ length: count * k }, () => random.normal());
      const actual = session.runSync({ x: { dtype: "float32", dims: [count, k], data: x } })["y"]!.data as Float32Array;
      const { pack, unpack } = CODECS[bits];
      const weights = unpack(pack(rows, n, k, blockSize));
      const expected = new Float64Array(count * n);
      for (let index = 0; index < expected.length; index++) {
        for (let j = 0; j < k; j++)
          expected[index]! += x[Math.floor(index / n) * k + j]! * weights[(index % n) * k + j]!;
      }
      // What is left is the rounding of activations to int8 per block.
      expect(distance(actual, expected)).toBeLessThan(0.012);
      await session.release();
    },
  );

  it("sets accuracy level 4 and drops the weights it replaced", () => {
    const packed = packLinear(linear(64, 8, true).model, { bits: 4, blockSize: 32 });
    expect(packed.nodes[0]).toMatchObject({
      op: "MatMulNBits",
      attributes: { accuracy_level: { kind: "int", value: 4 } },
    });
    expect(packed.initializers.map(({ name, dims }) => [name, dims])).toEqual([
      ["w.nk.int4.codes", [8, 2, 16]],
      ["w.nk.int4.scales", [16]],
    ]);
  });

  it("keeps a tied weight, packs it once, and leaves alone what is not asked for", () => {
    const { model } = linear(64, 8, true);
    const [product] = model.nodes;
    const gather: GraphNode = {
      op: "Gather",
      domain: "",
      name: "g",
      inputs: ["w", "ids"],
      outputs: ["e"],
      attributes: {},
    };
    const twice = { ...model, nodes: [gather, product!, { ...product!, name: "again", outputs: ["z"] }] };
    const packed = packLinear(twice, { bits: 8, blockSize: 32 });
    expect(packed.initializers.map(({ name }) => name)).toEqual(["w", "w.nk.int8.codes", "w.nk.int8.scales"]);
    expect(packLinear(twice, { bits: 8, blockSize: 32, include: () => false })).toEqual(twice);
    const scaled = {
      ...product!,
      attributes: { ...product!.attributes, alpha: { kind: "float" as const, value: 0.5 } },
    };
    expect(packLinear({ ...model, nodes: [scaled] }, { bits: 8, blockSize: 32 }).nodes).toEqual([scaled]);
  });

  it("refuses to pack what is no float32 matrix when it was named", () => {
    const { model } = linear(64, 8, false);
    const odd: Initializer = { name: "w", dtype: "float16", dims: [64, 8], data: new Uint16Array(512) };
    const include = (): boolean => true;
    expect(() => packLinear({ ...model, initializers: [odd] }, { bits: 4, blockSize: 32, include })).toThrow(
      expect.objectContaining({ code: "invalid_graph", param: "w" }),
    );
    expect(packLinear({ ...model, initializers: [odd] }, { bits: 4, blockSize: 32 }).nodes).toEqual(model.nodes);
  });
});
