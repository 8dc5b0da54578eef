/** What operators compute, the shapes they promise, and what they say when they are misused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { GraphBuilder } from "./builder.ts";
import {
  buildCase,
  drawSizes,
  evaluateShape,
  numbersOf,
  OP_CASES,
  type BuiltCase,
  type OpCase,
  type Sizes,
} from "./ops.conformance.ts";
import { createSession } from "./session.ts";
import { OPS, type OpName } from "./table.ts";
import * as g from "./index.ts";
import type { Tensor } from "./tensor.ts";
import type { DType, TensorArray, TensorData } from "./types.ts";

const names = Object.keys(OPS) as OpName[];

async function runCase(built: BuiltCase): Promise<TensorData[]> {
  built.outputs.forEach((output, i) => built.builder.output(`y${i}`, output));
  await using session = await createSession(built.builder.build(), { threads: 1 });
  const found = session.runSync(built.feeds);
  return built.outputs.map((_, i) => found[`y${i}`]!);
}

/** The element of an input that broadcasting puts at `place` of the output. */
function elementAt(feed: TensorData, place: readonly number[]): number {
  const offset = place.length - feed.dims.length;
  const index = feed.dims.reduce((sum, dim, i) => sum * dim + (dim === 1 ? 0 : place[i + offset]!), 0);
  return Number(feed.data[index]);
}

function places(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (all, dim) => all.flatMap((head) => Array.from({ length: dim }, (_, i) => [...head, i])),
    [[]],
  );
}

describe("the table", () => {
  test("names each op as its key", () => {
    for (const name of names) expect(OPS[name].definition.name).toBe(name);
  });

  test("each case writes its op", () => {
    for (const name of names) {
      const random = createRandom(7, name);
      const written = new Set<string>();
      for (const example of OP_CASES[name]) {
        const { builder } = buildCase(example, drawSizes(random), true, random);
        for (const node of builder.nodes) written.add(node.definition.name);
      }
      expect([...written]).toContain(name);
    }
  });
});

/** Ops that are defined element by element, against plain JavaScript. */
const pointwise = names.filter((name) => OP_CASES[name].some((example) => example.value !== undefined));

test.each(pointwise)("values of %s", async (name) => {
  const random = createRandom(3, name);
  for (const example of OP_CASES[name]) {
    const sizes = drawSizes(random);
    const built = buildCase(example, sizes, false, random);
    const [found] = await runCase(built);
    const tolerance = example.dtype === "float32" ? 1e-6 : 1e-12;
    places(found!.dims).forEach((place, i) => {
      const elements = Object.values(built.feeds).map((feed) => elementAt(feed, place));
      const expected = example.value!(...elements);
      expect(Math.abs(Number(found!.data[i]) - expected)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected)));
    });
  }
});

type Example = readonly [
  op: OpName,
  write: (b: GraphBuilder) => Tensor,
  dims: readonly number[],
  values: readonly number[],
];

const vector = (b: GraphBuilder, ...values: number[]): Tensor => b.constant(values, "float64");
/** 0, 1, 2, ... in this shape. */
const count = (b: GraphBuilder, ...dims: number[]): Tensor => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return b.constant(
    Float64Array.from({ length }, (_, i) => i),
    "float64",
    dims,
  );
};
const ints = (b: GraphBuilder, ...values: number[]): Tensor => b.constant(values, "int64");
const E = Math.E;

/** All other ops, on numbers that one can check by eye. */
const EXAMPLES: readonly Example[] = [
  ["reshape", (b) => g.reshape(count(b, 2, 3), [-1, 2]), [3, 2], [0, 1, 2, 3, 4, 5]],
  ["expand", (b) => g.expand(vector(b, 1, 2), [2, 2]), [2, 2], [1, 2, 1, 2]],
  ["transpose", (b) => g.transpose(count(b, 2, 3)), [3, 2], [0, 3, 1, 4, 2, 5]],
  ["expandDims", (b) => g.expandDims(vector(b, 1, 2), -1), [2, 1], [1, 2]],
  ["squeeze", (b) => g.squeeze(count(b, 1, 2), 0), [2], [0, 1]],
  ["concat", (b) => g.concat([count(b, 2, 1), count(b, 2, 2)], 1), [2, 3], [0, 0, 1, 1, 2, 3]],
  ["split", (b) => g.split(count(b, 2, 3), [1, 2], 1)[1]!, [2, 2], [1, 2, 4, 5]],
  ["slice", (b) => g.slice(count(b, 7), { axis: 0, start: -6, end: 6, step: 2 }), [3], [1, 3, 5]],
  ["pad", (b) => g.pad(vector(b, 1, 2), [1], [2], 9), [5], [9, 1, 2, 9, 9]],
  ["shapeOf", (b) => g.shapeOf(count(b, 2, 3)), [2], [2, 3]],
  ["range", (b) => g.range(b, 4), [4], [0, 1, 2, 3]],
  ["reduceSum", (b) => g.reduceSum(count(b, 2, 3), { axes: [0] }), [3], [3, 5, 7]],
  ["reduceMean", (b) => g.reduceMean(count(b, 2, 3), { axes: [-1], keepDims: true }), [2, 1], [1, 4]],
  ["reduceMax", (b) => g.reduceMax(count(b, 2, 3)), [], [5]],
  ["reduceMin", (b) => g.reduceMin(count(b, 2, 3), { axes: [1] }), [2], [0, 3]],
  ["logSumExp", (b) => g.logSumExp(vector(b, 1000, 1000)), [], [1000 + Math.LN2]],
  ["softmax", (b) => g.softmax(vector(b, 0, 1)), [2], [1 / (1 + E), E / (1 + E)]],
  ["logSoftmax", (b) => g.logSoftmax(vector(b, 500, 501)), [2], [-Math.log(1 + E), 1 - Math.log(1 + E)]],
  ["matmul", (b) => g.matmul(count(b, 2, 2), count(b, 2, 3)), [2, 3], [3, 4, 5, 9, 14, 19]],
  ["softmaxMatmul", (b) => g.softmaxMatmul(count(b, 1, 1), count(b, 1, 3)), [1, 3], [0, 1, 2]],
  ["gather", (b) => g.gather(count(b, 3, 2), ints(b, 2, 0)), [2, 2], [4, 5, 0, 1]],
  ["gatherElements", (b) => g.gatherElements(count(b, 3), ints(b, 2, 2)), [2], [2, 2]],
  ["scatterElements", (b) => g.scatterAdd(count(b, 3), ints(b, 1, 1), vector(b, 10, 20)), [3], [0, 31, 2]],
  ["topK", (b) => g.topK(vector(b, 5, 9, 7), 2).indices, [2], [1, 2]],
  ["topK", (b) => g.topK(vector(b, 5, 9, 7), 2).values, [2], [9, 7]],
  ["crossEntropy", (b) => g.crossEntropy(count(b, 1, 2), ints(b, 0)), [], [Math.log(1 + E)]],
  [
    "crossEntropy",
    (b) => g.crossEntropy(count(b, 2, 2), ints(b, -1, 1), { ignoreIndex: -1 }),
    [],
    [Math.log(1 + 1 / E)],
  ],
  ["crossEntropy", (b) => g.crossEntropy(g.mul(count(b, 1, 2), 5000), ints(b, 0)), [], [5000]],
  ["crossEntropy", (b) => g.crossEntropy(count(b, 1, 2), ints(b, -1), { ignoreIndex: -1 }), [], [0]],
];
const single = (tensor: (b: GraphBuilder) => Tensor) => (b: GraphBuilder) => g.cast(tensor(b), "float32");
const SINGLE: readonly Example[] = [
  [
    "fusedMatmul",
    (b) => g.matmul(single((c) => count(c, 2, 2))(b), single((c) => count(c, 3, 2))(b), { transB: true, alpha: 2 }),
    [2, 3],
    [2, 6, 10, 6, 26, 46],
  ],
  [
    "rmsNorm",
    (b) => g.rmsNorm(b.constant([3, 4]), b.constant([1, 10]), 0),
    [2],
    [3 / Math.sqrt(12.5), 40 / Math.sqrt(12.5)],
  ],
  ["layerNorm", (b) => g.layerNorm(b.constant([3, 5]), b.constant([1, 2]), b.constant([0, 7]), 0), [2], [-1, 9]],
];

test.each([...EXAMPLES, ...SINGLE])("example of %s %#", async (_name, write, dims, values) => {
  const builder = new GraphBuilder("example");
  builder.output("y", write(builder));
  await using session = await createSession(builder.build(), { threads: 1 });
  const { y } = session.runSync({});
  expect(y!.dims).toEqual(dims);
  values.forEach((value, i) => expect(Number(y!.data[i])).toBeCloseTo(value, 5));
});

test("every op is held to values, by rule or by example", () => {
  const covered = new Set<string>([...pointwise, ...[...EXAMPLES, ...SINGLE].map(([name]) => name)]);
  // Arithmetic on named sizes: what it computes is the shape property below.
  for (const name of ["addSize", "mulSize"]) covered.add(name);
  expect(names.filter((name) => !covered.has(name))).toEqual([]);
});

describe("shapes", () => {
  const all = names.flatMap((name) => OP_CASES[name].map((example) => ({ name, example })));

  test("the inferred shape is the one that comes out, sizes named or not", async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...all),
      fc.nat(),
      fc.boolean(),
      async ({ name, example }: { name: OpName; example: OpCase }, seed, named) => {
        const random = createRandom(seed, name);
        const sizes: Sizes = drawSizes(random);
        const built = buildCase(example, sizes, named, random);
        const found = await runCase(built);
        found.forEach((tensor, i) => {
          expect(tensor.dims, name).toEqual(evaluateShape(built.outputs[i]!.shape, sizes));
          expect(tensor.dtype, name).toBe(built.outputs[i]!.dtype);
        });
      },
    );
    await fc.assert(property, { seed: 20, numRuns: 250 });
  });

  test("sizes of a case are what its letters stand for", () => {
    expect(numbersOf(["A", 3], { A: 2 })).toEqual([2, 3]);
    expect(evaluateShape(["2*A*B+A-1"], { A: 2, B: 5 })).toEqual([21]);
  });
});

describe("errors name the op and print the shapes", () => {
  const x = (b: GraphBuilder, ...shape: (number | string)[]): Tensor =>
    b.input(`x${b.nodes.length}${shape.join("_")}`, "float32", shape);
  const messages: readonly (readonly [string, (b: GraphBuilder) => unknown])[] = [
    ["add: shapes [2, 3] and [4]: sizes 3 and 4 do not broadcast", (b) => g.add(x(b, 2, 3), x(b, 4))],
    ["mul: shapes [T] and [S]: sizes T and S do not broadcast", (b) => g.mul(x(b, "T"), x(b, "S"))],
    ["matmul: shapes [2, 3] and [4, 5]: inner sizes 3 and 4 differ", (b) => g.matmul(x(b, 2, 3), x(b, 4, 5))],
    [
      "matmul: shapes [2, 3] and [3, 5]: inner sizes 3 and 5 differ, second transposed",
      (b) => g.matmul(x(b, 2, 3), x(b, 3, 5), { transB: true }),
    ],
    ["reshape: shapes [2, 3] and [4, 2]: 6 elements cannot fill 8", (b) => g.reshape(x(b, 2, 3), [4, 2])],
    ["reshape: shapes [T, 3] and [-1, 2]: -1 has no single whole value", (b) => g.reshape(x(b, "T", 3), [-1, 2])],
    ["concat: shapes [2, 3] and [3, 3]: sizes outside axis 1 differ", (b) => g.concat([x(b, 2, 3), x(b, 3, 3)], 1)],
    ["split: shape [2, 3]: sizes 1 + 1 make 2, axis 1 has 3", (b) => g.split(x(b, 2, 3), [1, 1], 1)],
    ["softmax: shape [2, 3]: axis 2 is outside rank 2", (b) => g.softmax(x(b, 2, 3), 2)],
    ["rmsNorm: shapes [2, 3] and [2]: weights must be [3]", (b) => g.rmsNorm(x(b, 2, 3), x(b, 2))],
    ["expand: shapes [2, 3] and [1, 3]: the first is larger", (b) => g.expand(x(b, 2, 3), [1, 3])],
    ["topK: shapes [3] and [4]: k = 4 is outside 1..3 of axis 0", (b) => g.topK(x(b, 3), 4)],
    ["squeeze: shape [2, 3]: axis 0 is not of size 1", (b) => g.squeeze(x(b, 2, 3), 0)],
    ["gradients: the loss must be a float scalar, got float32 [2]", (b) => g.gradients(x(b, 2), [])],
    [
      "crossEntropy: shapes [2, 3] and [3] and [3]: expected logits [N, V], targets [N] and weights [N]",
      (b) => g.crossEntropy(x(b, 2, 3), ints(b, 0, 0, 0)),
    ],
    [
      "scatterAdd: shapes [4, 2] and [3] and [2, 2]: updates must be shaped like gather along axis 0",
      (b) => g.scatterAdd(x(b, 4, 2), ints(b, 0, 0, 0), x(b, 2, 2)),
    ],
  ];

  test.each(messages)("%s", (message, write) => {
    expect(() => write(new GraphBuilder("wrong"))).toThrow(
      expect.objectContaining({ code: "shape_mismatch", message }),
    );
  });

  test("element types and graphs must agree", () => {
    const b = new GraphBuilder("one");
    const invalid = (message: string) => expect.objectContaining({ code: "invalid_graph", message });
    const wide = b.input("wide", "float64", [2]);
    expect(() => g.add(x(b, 2), wide)).toThrow(
      invalid("add: element types float32 and float64 differ; cast one of them"),
    );
    expect(() => g.mul(ints(b, 4), 0.5)).toThrow(invalid("constant: 0.5 is not a value of int64"));
    expect(() => g.sqrt(ints(b, 4))).toThrow(invalid("sqrt: expected float32 or float64 or float16, got int64 [1]"));
    expect(() => b.input("wide", "float64", [2])).toThrow(invalid('value "wide" is defined twice in graph one'));
    expect(() => g.add(wide, new GraphBuilder("two").input("y", "float64", [2]))).toThrow(
      invalid('add: "y" belongs to graph two'),
    );
  });
});

describe("builder", () => {
  const scalar = (value: number, dtype: DType = "float32"): TensorData => {
    const data: TensorArray = dtype === "float64" ? Float64Array.of(value) : Float32Array.of(value);
    return { dtype, dims: [], data };
  };

  test("drops what no output needs and shares equal constants", () => {
    const b = new GraphBuilder("small");
    const x = b.input("x", "float32", [2]);
    g.exp(x);
    b.output("y", g.add(g.mul(x, 2), 2));
    const model = b.build({ author: "test" });
    expect(model.nodes.map((node) => node.op)).toEqual(["Mul", "Add"]);
    expect(model.initializers).toHaveLength(1);
    expect(model.metadata).toEqual({ author: "test" });
  });

  test("an output may be an input, a composed op, or named twice", async () => {
    const b = new GraphBuilder("aliases");
    const x = b.input("x", "float32", []);
    const y = g.silu(x);
    b.output("same", g.stopGradient(x));
    b.output("y", y);
    b.output("again", y);
    b.output("after", g.mul(y, 2));
    await using session = await createSession(b.build(), { threads: 1 });
    const found = session.runSync({ x: scalar(1) });
    const silu = 1 / (1 + Math.exp(-1));
    const expected = { same: 1, y: silu, again: silu, after: 2 * silu };
    for (const [name, value] of Object.entries(expected)) expect(found[name]!.data[0]).toBeCloseTo(value, 6);
  });

  test("gradients leave out what is not asked for, and are zero where nothing flows", async () => {
    const b = new GraphBuilder("lean");
    const [x, w, idle] = ["x", "w", "idle"].map((name) => b.input(name, "float32", [2, 2]));
    const loss = g.reduceSum(g.matmul(x!, w!));
    const before = b.nodes.length;
    const [dw, none] = g.gradients(loss, [w!, idle!]);
    const products = b.nodes.slice(before).filter((node) => node.definition.name === "fusedMatmul");
    expect(products).toHaveLength(1);
    b.output("dw", dw!);
    b.output("none", none!);
    await using session = await createSession(b.build(), { threads: 1 });
    const feed: TensorData = { dtype: "float32", dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const found = session.runSync({ x: feed, w: feed, idle: feed });
    expect([...found["none"]!.data]).toEqual([0, 0, 0, 0]);
    expect([...found["dw"]!.data]).toEqual([4, 4, 6, 6]);
  });

  test("a gradient can be differentiated again", async () => {
    const b = new GraphBuilder("twice");
    const x = b.input("x", "float64", []);
    const [first] = g.gradients(g.mul(g.silu(x), g.exp(x)), [x]);
    const [second] = g.gradients(first!, [x]);
    b.output("first", first!);
    b.output("second", second!);
    await using session = await createSession(b.build(), { threads: 1 });
    const at = (value: number) => session.runSync({ x: scalar(value, "float64") });
    const slope = (Number(at(0.7001)["first"]!.data[0]) - Number(at(0.6999)["first"]!.data[0])) / 2e-4;
    expect(Number(at(0.7)["second"]!.data[0])).toBeCloseTo(slope, 6);
  });
});
