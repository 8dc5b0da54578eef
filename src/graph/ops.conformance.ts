/**
 * One table with a case for every operator, from which the tests of shapes, values and gradients run. It
 * is total by type: a new op without a case does not compile.
 *
 * Sizes of inputs are numbers or letters; a letter is drawn at random, and is either written into the graph or
 * left as a named size.
 */
import type { RandomStream } from "../core/index.ts";
import { GraphBuilder } from "./builder.ts";
import { softmaxMatmul } from "./ops/attention.ts";
import * as e from "./ops/elementwise.ts";
import * as ix from "./ops/indexing.ts";
import * as la from "./ops/layout.ts";
import { matmul } from "./ops/linear.ts";
import { crossEntropy } from "./ops/loss.ts";
import { layerNorm, rmsNorm } from "./ops/normalise.ts";
import * as r from "./ops/reduce.ts";
import type { OpName } from "./table.ts";
import type { Tensor } from "./tensor.ts";
import type { DType, Dim, Shape, TensorArray, TensorData } from "./types.ts";

type Draw = (random: RandomStream) => number;

export interface CaseInput {
  readonly shape: Shape;
  /** "float" takes the element type of the case. */
  readonly kind: "float" | "int64" | "bool";
  readonly draw: Draw;
  /** Indices are drawn below this size. */
  readonly below?: Dim;
}

export interface OpCase {
  readonly inputs: readonly CaseInput[];
  /** float64 wherever the runtime has the kernel: finite differences want the digits. */
  readonly dtype: "float64" | "float32";
  readonly build: (inputs: readonly Tensor[]) => Tensor | readonly Tensor[];
  /** The function of one element, for element-wise ops. */
  readonly value?: (...elements: number[]) => number;
}

const normal: Draw = (random) => random.normal();
const positive: Draw = (random) => 0.5 + random.uniform() * 2;
/** Away from the kinks of abs, relu and comparison with 0. */
const clear: Draw = (random) => (random.chance(0.5) ? 1 : -1) * (0.2 + random.uniform());

const floats = (shape: Shape, draw: Draw = normal): CaseInput => ({ shape, kind: "float", draw });
const bools = (shape: Shape): CaseInput => ({ shape, kind: "bool", draw: (random) => random.int(0, 1) });
const ids = (shape: Shape, below: Dim): CaseInput => ({ shape, kind: "int64", draw: () => 0, below });

type One = (x: Tensor) => Tensor;
type Two = (a: Tensor, b: Tensor) => Tensor;

const unary = (
  apply: One,
  value: (x: number) => number,
  draw: Draw = normal,
  dtype: "float64" | "float32" = "float64",
): OpCase[] => [{ inputs: [floats(["A", "B"], draw)], dtype, build: ([x]) => apply(x!), value }];

/** Four ways to broadcast. */
const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [
    ["A", "B"],
    ["A", "B"],
  ],
  [["A", "B", "C"], ["C"]],
  [
    ["A", 1, "C"],
    ["B", 1],
  ],
  [[], ["A", "B"]],
];
const binary = (
  apply: Two,
  value: (a: number, b: number) => number,
  draws: readonly [Draw, Draw] = [normal, normal],
): OpCase[] =>
  BROADCASTS.map(([left, right]) => ({
    inputs: [floats(left, draws[0]), floats(right, draws[1])],
    dtype: "float64",
    build: ([a, b]) => apply(a!, b!),
    value,
  }));
const logical = (apply: Two, value: (a: number, b: number) => number): OpCase[] => [
  { inputs: [bools(["A", "B"]), bools(["B"])], dtype: "float64", build: ([a, b]) => apply(a!, b!), value },
];

const one = (
  shape: Shape,
  apply: (x: Tensor) => Tensor | readonly Tensor[],
  dtype: "float64" | "float32" = "float64",
): OpCase => ({
  inputs: [floats(shape)],
  dtype,
  build: ([x]) => apply(x!),
});
const two = (a: CaseInput, b: CaseInput, apply: Two, dtype: "float64" | "float32" = "float64"): OpCase => ({
  inputs: [a, b],
  dtype,
  build: ([x, y]) => apply(x!, y!),
});

const reductions = (apply: (x: Tensor, options: r.ReduceOptions) => Tensor): OpCase[] => [
  one(["A", "B", "C"], (x) => apply(x, {})),
  one(["A", "B", "C"], (x) => apply(x, { axes: [-1] })),
  one(["A", "B", "C"], (x) => apply(x, { axes: [0, 2], keepDims: true })),
];
const alongAxes = (apply: (x: Tensor, axis?: number) => Tensor): OpCase[] => [
  one(["A", "B"], (x) => apply(x)),
  one(["A", "B", "C"], (x) => apply(x, 1)),
];

/** The error function by its series, for |x| < 3 or so. */
export function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const geluTanh = (x: number): number => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const flag = (test: boolean): number => (test ? 1 : 0);

const matmulShapes: readonly (readonly [Shape, Shape])[] = [
  [
    ["M", "K"],
    ["K", "N"],
  ],
  [
    ["B", "M", "K"],
    ["K", "N"],
  ],
  [
    ["B", "M", "K"],
    ["B", "K", "N"],
  ],
  [
    ["B", 1, "M", "K"],
    ["H", "K", "N"],
  ],
];
const swapped = (shape: Shape): Shape => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];

export const OP_CASES: { readonly [K in OpName]: readonly OpCase[] } = {
  neg: unary(e.neg, (x) => -x),
  exp: unary(e.exp, Math.exp),
  log: unary(e.log, Math.log, positive),
  sqrt: unary(e.sqrt, Math.sqrt, positive),
  rsqrt: unary(e.rsqrt, (x) => 1 / Math.sqrt(x), positive),
  reciprocal: unary(e.reciprocal, (x) => 1 / x, positive),
  abs: unary(e.abs, Math.abs, clear),
  sign: unary(e.sign, Math.sign, clear),
  sin: unary(e.sin, Math.sin),
  cos: unary(e.cos, Math.cos),
  tanh: unary(e.tanh, Math.tanh),
  erf: unary(e.erf, erf, clear, "float32"),
  sigmoid: unary(e.sigmoid, sigmoid),
  relu: unary(e.relu, (x) => Math.max(x, 0), clear),
  silu: unary(e.silu, (x) => x * sigmoid(x)),
  gelu: [
    ...unary(
      (x) => e.gelu(x),
      (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
      clear,
      "float32",
    ),
    ...unary((x) => e.gelu(x, { form: "tanh" }), geluTanh, clear, "float32"),
  ],
  stopGradient: unary(e.stopGradient, (x) => x),
  add: binary(e.add, (a, b) => a + b),
  sub: binary(e.sub, (a, b) => a - b),
  mul: binary(e.mul, (a, b) => a * b),
  div: binary(e.div, (a, b) => a / b, [normal, positive]),
  pow: binary(e.pow, Math.pow, [positive, normal]),
  maximum: binary(e.maximum, Math.max),
  minimum: binary(e.minimum, Math.min),
  equal: binary(e.equal, (a, b) => flag(a === b)),
  less: binary(e.less, (a, b) => flag(a < b)),
  lessOrEqual: binary(e.lessOrEqual, (a, b) => flag(a <= b)),
  greater: binary(e.greater, (a, b) => flag(a > b)),
  greaterOrEqual: binary(e.greaterOrEqual, (a, b) => flag(a >= b)),
  and: logical(e.and, (a, b) => a & b),
  or: logical(e.or, (a, b) => a | b),
  not: [{ inputs: [bools(["A", "B"])], dtype: "float64", build: ([x]) => e.not(x!), value: (x) => 1 - x }],
  where: [
    {
      inputs: [bools(["A", 1]), floats(["A", "B"]), floats(["B"])],
      dtype: "float64",
      build: ([c, a, b]) => e.where(c!, a!, b!),
      value: (c, a, b) => (c === 1 ? a! : b!),
    },
  ],
  cast: unary(
    (x) => e.cast(e.cast(x, "float64"), "float32"),
    (x) => x,
    normal,
    "float32",
  ),
  reshape: [
    one(["A", "B", "C"], (x) => la.reshape(x, [x.shape[0]!, -1])),
    one(["A", 2, "C"], (x) => la.reshape(x, [2, x.shape[2]!, x.shape[0]!])),
    one(["A", "B", 6], (x) => la.reshape(la.reshape(x, [-1, 2, 3]), [3, x.shape[1]!, x.shape[0]!, 2])),
  ],
  expand: [
    two(floats(["A", 1]), floats(["B"]), (x, y) => la.expand(x, [2, x.shape[0]!, y.shape[0]!])),
    one([], (x) => la.expand(x, [3, 2])),
  ],
  transpose: [one(["A", "B", "C"], (x) => la.transpose(x, [2, 0, 1])), one(["A", "B"], (x) => la.transpose(x))],
  expandDims: [one(["A", "B"], (x) => la.expandDims(x, [0, -1])), one(["A"], (x) => la.expandDims(x, 1))],
  squeeze: [one([1, "A", 1, "B"], (x) => la.squeeze(x, [0, 2])), one(["A", 1], (x) => la.squeeze(x, -1))],
  concat: [
    two(floats(["A", "B"]), floats(["A", "C"]), (a, b) => la.concat([a, b, a], 1)),
    two(floats([2, "B"]), floats([3, "B"]), (a, b) => la.concat([a, b], 0)),
  ],
  split: [one(["A", 7], (x) => la.split(x, [1, 4, 2], -1)), one([5, "A"], (x) => la.split(x, [2, 3], 0)[1]!)],
  slice: [
    one(["A", 7], (x) => la.slice(x, { axis: 1, start: 1, end: 5 })),
    one([7, "A"], (x) => la.slice(x, { axis: 0, start: -6, end: -1, step: 2 })),
    one(["A", "B"], (x) => la.slice(la.concat([x, x], 0), { axis: 0, start: x.shape[0]! })),
    one(["A", 4], (x) => la.slice(la.concat([x, x, x], 0), { axis: 0, start: 1, end: -1 })),
  ],
  pad: [
    one(["A", "B"], (x) => la.pad(x, [1, 0], [0, 2])),
    one(["A", "B"], (x) => la.pad(x, [0, x.shape[1]!], [0, 1], 3)),
  ],
  shapeOf: [one(["A", "B"], (x) => e.cast(la.shapeOf(x), "float64"))],
  range: [
    one(["A", "B"], (x) => e.mul(x, e.cast(la.range(x.builder, x.shape[1]!), "float64"))),
    one(["A", 3], (x) => e.mul(x, e.cast(la.range(x.builder, 3), "float64"))),
  ],
  addSize: [two(floats(["A"]), floats(["B"]), (a, b) => la.full(a.builder, la.concat([a, b], 0).shape, 2, "float64"))],
  mulSize: [
    two(floats(["A"]), floats(["B"]), (a, b) => {
      const shape = la.reshape(la.concat([la.expandDims(a, 0), la.expandDims(a, 0)], 0), [-1]).shape;
      return la.full(a.builder, [...shape, b.shape[0]!], 2, "float64");
    }),
  ],
  reduceSum: reductions(r.reduceSum),
  reduceMean: reductions(r.reduceMean),
  reduceMax: reductions(r.reduceMax),
  reduceMin: reductions(r.reduceMin),
  logSumExp: reductions(r.logSumExp),
  softmax: alongAxes(r.softmax),
  logSoftmax: alongAxes(r.logSoftmax),
  matmul: matmulShapes.map(([a, b]) => two(floats(a), floats(b), (x, y) => matmul(x, y))),
  softmaxMatmul: [
    two(floats(["B", "H", "M", "K"]), floats(["B", "H", "K", "N"]), softmaxMatmul),
    two(floats(["H", "M", "K"]), floats(["K", "N"]), softmaxMatmul),
  ],
  fusedMatmul: [
    ...matmulShapes.flatMap(([a, b]) => [
      two(floats(a), floats(swapped(b)), (x, y) => matmul(x, y, { transB: true }), "float32"),
      two(floats(swapped(a)), floats(b), (x, y) => matmul(x, y, { transA: true, alpha: 0.5 }), "float32"),
      two(floats(swapped(a)), floats(swapped(b)), (x, y) => matmul(x, y, { transA: true, transB: true }), "float32"),
    ]),
    two(floats(["K", "M"]), floats(["N", "K"]), (x, y) => matmul(x, y, { transA: true, transB: true, alpha: 2 })),
  ],
  gather: [
    two(floats(["V", "A"]), ids(["N"], "V"), ix.embedding),
    two(floats(["A", "V", "B"]), ids(["N", "M"], "V"), (x, i) => ix.gather(x, i, 1)),
    two(floats(["V", "A"]), ids([], "V"), (x, i) => ix.gather(x, i)),
  ],
  gatherElements: [two(floats(["A", "V"]), ids(["A", "N"], "V"), (x, i) => ix.gatherElements(x, i))],
  scatterElements: [
    {
      inputs: [floats(["A", "V"]), ids(["A", "N"], "V"), floats(["A", "N"])],
      dtype: "float64",
      build: ([base, i, updates]) => ix.scatterElementsAdd(base!, i!, updates!),
    },
    {
      inputs: [floats(["A", "V", "B"]), ids(["N", "M"], "V"), floats(["A", "N", "M", "B"])],
      dtype: "float64",
      build: ([base, i, updates]) => ix.scatterAdd(base!, i!, updates!, 1),
    },
  ],
  topK: [one(["A", 6], (x) => ix.topK(x, 3).values), one([5, "A"], (x) => ix.topK(x, 2, 0).values)],
  rmsNorm: [two(floats(["A", "B", 5]), floats([5]), (x, w) => rmsNorm(x, w, 1e-3), "float32")],
  layerNorm: [
    {
      inputs: [floats(["A", "B", 5]), floats([5]), floats([5])],
      dtype: "float32",
      build: ([x, w, b]) => layerNorm(x!, w!, b!, 1e-3),
    },
  ],
  crossEntropy: [
    two(floats(["N", "V"]), ids(["N"], "V"), (x, t) => crossEntropy(x, t)),
    {
      inputs: [floats(["N", "V"]), ids(["N"], "V"), floats(["N"], positive)],
      dtype: "float64",
      build: ([x, t, weights]) => crossEntropy(x!, t!, { weights: weights!, ignoreIndex: 0 }),
    },
  ],
};

/** Sizes of the letters of a case. */
export type Sizes = Readonly<Record<string, number>>;

export function drawSizes(random: RandomStream): Sizes {
  return Object.fromEntries("ABCHKMNV".split("").map((letter) => [letter, random.int(1, 4)]));
}

export const numbersOf = (shape: Shape, sizes: Sizes): number[] =>
  shape.map((dim) => (typeof dim === "number" ? dim : sizes[dim]!));

/** A shape with polynomials such as "A*B+2" in numbers. */
export function evaluateShape(shape: Shape, sizes: Sizes): number[] {
  const term = (text: string): number => {
    const factors = text.replace(/^[+-]/, "").split("*");
    return factors.reduce(
      (product, factor) => product * (sizes[factor] ?? Number(factor)),
      text.startsWith("-") ? -1 : 1,
    );
  };
  return shape.map((dim) => {
    if (typeof dim === "number") return dim;
    return dim.split(/(?=[+-])/).reduce((sum, text) => sum + term(text), 0);
  });
}

export interface BuiltCase {
  readonly builder: GraphBuilder;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly feeds: Readonly<Record<string, TensorData>>;
}

/** A case as a graph with inputs x0, x1, ... and random feeds for them. */
export function buildCase(example: OpCase, sizes: Sizes, named: boolean, random: RandomStream): BuiltCase {
  const builder = new GraphBuilder("case");
  const feeds: Record<string, TensorData> = {};
  const inputs = example.inputs.map((input, i) => {
    const dtype: DType = input.kind === "float" ? example.dtype : input.kind;
    const dims = numbersOf(input.shape, sizes);
    feeds[`x${i}`] = { dtype, dims, data: drawData(input, dtype, dims, sizes, random) };
    return builder.input(`x${i}`, dtype, named ? input.shape : dims);
  });
  const built = example.build(inputs);
  return { builder, inputs, outputs: Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor], feeds };
}

function drawData(
  input: CaseInput,
  dtype: DType,
  dims: readonly number[],
  sizes: Sizes,
  random: RandomStream,
): TensorArray {
  const length = dims.reduce((product, dim) => product * dim, 1);
  if (dtype === "int64") {
    const [below] = numbersOf([input.below!], sizes);
    return BigInt64Array.from({ length }, () => BigInt(random.int(0, below! - 1)));
  }
  const values = Array.from({ length }, () => input.draw(random));
  if (dtype === "bool") return Uint8Array.from(values);
  return dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
}
