/**
 * Ops that move elements without computing: reshape, transpose, expand, concat, split, slice, pad, and
 * the shape tensors that make them work when some sizes are only known at run time.
 */
import { fail } from "../../core/index.ts";
import {
  broadcast,
  canonicalDim,
  checkSameDtype,
  dimAdd,
  dimDivide,
  dimSub,
  formatShape,
  parseDim,
  resolveAxis,
  resolveAxes,
  sameShape,
  shapeMismatch,
  sizeOf,
} from "../shapes.ts";
import {
  intAttribute,
  intsAttribute,
  NONE,
  noAttributes,
  type None,
  type OpDefinition,
  type Tensor,
} from "../tensor.ts";
import type { GraphBuilder } from "../builder.ts";
import type { Dim, DType, Shape } from "../types.ts";

export interface ShapeParams {
  readonly shape: Shape;
}
export interface AxisParams {
  readonly axis: number;
}
export interface AxesParams {
  readonly axes: readonly number[];
}
export interface SliceParams extends AxisParams {
  readonly start: Dim;
  readonly size: Dim;
  readonly step: number;
}
export interface PadParams {
  readonly before: Shape;
  readonly after: Shape;
}

const reshapeRule: OpDefinition<ShapeParams> = {
  name: "reshape",
  onnx: "Reshape",
  domain: "",
  infer([x], { shape }) {
    if (sizeOf(x!.shape) !== sizeOf(shape)) {
      shapeMismatch(
        "reshape",
        [x!, { dtype: x!.dtype, shape }],
        `${sizeOf(x!.shape)} elements cannot fill ${sizeOf(shape)}`,
      );
    }
    return [{ dtype: x!.dtype, shape }];
  },
  attributes: noAttributes,
};

const expandRule: OpDefinition<ShapeParams> = {
  name: "expand",
  onnx: "Expand",
  domain: "",
  infer([x], { shape }) {
    const target = { dtype: x!.dtype, shape };
    if (!sameShape(broadcast("expand", [x!, target]), shape))
      shapeMismatch("expand", [x!, target], "the first is larger");
    return [target];
  },
  attributes: noAttributes,
};

const transposeRule: OpDefinition<{ readonly perm: readonly number[] }> = {
  name: "transpose",
  onnx: "Transpose",
  domain: "",
  infer([x], { perm }) {
    const rank = x!.shape.length;
    if (perm.length !== rank || new Set(perm).size !== rank || perm.some((axis) => !(axis >= 0 && axis < rank))) {
      shapeMismatch("transpose", [x!], `[${perm.join(", ")}] is not an order of its axes`);
    }
    return [{ dtype: x!.dtype, shape: perm.map((axis) => x!.shape[axis]!) }];
  },
  attributes: ({ perm }) => ({ perm: intsAttribute(perm) }),
};

/** axes are those of the result. */
const expandDimsRule: OpDefinition<AxesParams> = {
  name: "expandDims",
  onnx: "Unsqueeze",
  domain: "",
  infer([x], { axes }) {
    const shape: Dim[] = [...x!.shape];
    for (const axis of axes) shape.splice(axis, 0, 1);
    return [{ dtype: x!.dtype, shape }];
  },
  attributes: noAttributes,
};

const squeezeRule: OpDefinition<AxesParams> = {
  name: "squeeze",
  onnx: "Squeeze",
  domain: "",
  infer([x], { axes }) {
    for (const axis of axes) if (x!.shape[axis] !== 1) shapeMismatch("squeeze", [x!], `axis ${axis} is not of size 1`);
    return [{ dtype: x!.dtype, shape: x!.shape.filter((_, axis) => !axes.includes(axis)) }];
  },
  attributes: noAttributes,
};

const concatRule: OpDefinition<AxisParams> = {
  name: "concat",
  onnx: "Concat",
  domain: "",
  infer(inputs, { axis }) {
    const [first, ...rest] = inputs;
    const shape: Dim[] = [...first!.shape];
    for (const input of rest) {
      const others = (dims: Shape): Shape => dims.filter((_, i) => i !== axis);
      if (input.shape.length !== shape.length || !sameShape(others(input.shape), others(shape))) {
        shapeMismatch("concat", inputs, `sizes outside axis ${axis} differ`);
      }
      shape[axis] = dimAdd(shape[axis]!, input.shape[axis]!);
    }
    return [{ dtype: checkSameDtype("concat", inputs), shape }];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis) }),
};

const splitRule: OpDefinition<AxisParams & { readonly sizes: readonly number[] }> = {
  name: "split",
  onnx: "Split",
  domain: "",
  infer([x], { axis, sizes }) {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (x!.shape[axis] !== total) {
      shapeMismatch("split", [x!], `sizes ${sizes.join(" + ")} make ${total}, axis ${axis} has ${x!.shape[axis]}`);
    }
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.with(axis, size) }));
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis) }),
};

const sliceRule: OpDefinition<SliceParams> = {
  name: "slice",
  onnx: "Slice",
  domain: "",
  infer: ([x], { axis, size }) => [{ dtype: x!.dtype, shape: x!.shape.with(axis, size) }],
  attributes: noAttributes,
};

const padRule: OpDefinition<PadParams> = {
  name: "pad",
  onnx: "Pad",
  domain: "",
  infer([x], { before, after }) {
    if (before.length !== x!.shape.length || after.length !== x!.shape.length) {
      shapeMismatch("pad", [x!], `pads ${formatShape(before)} and ${formatShape(after)} must name every axis`);
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => dimAdd(dim, dimAdd(before[i]!, after[i]!))) }];
  },
  attributes: noAttributes,
};

/** The sizes of axes start..end-1 of a tensor, as int64 [end - start]. */
const shapeOfRule: OpDefinition<{ readonly start: number; readonly end: number }> = {
  name: "shapeOf",
  onnx: "Shape",
  domain: "",
  infer: (_, { start, end }) => [{ dtype: "int64", shape: [end - start] }],
  attributes: ({ start, end }) => ({ start: intAttribute(start), end: intAttribute(end) }),
};

const rangeRule: OpDefinition<{ readonly size: Dim }> = {
  name: "range",
  onnx: "Range",
  domain: "",
  infer: ([start], { size }) => [{ dtype: start!.dtype, shape: [size] }],
  attributes: noAttributes,
};

/** Integer arithmetic on sizes; kept apart from add and mul so that layout stands below elementwise. */
const sizeRule = (name: string, onnx: string): OpDefinition<None> => ({
  name,
  onnx,
  domain: "",
  infer: ([a]) => [{ dtype: "int64", shape: a!.shape }],
  attributes: noAttributes,
});

export const layout = {
  reshape: reshapeRule,
  expand: expandRule,
  transpose: transposeRule,
  expandDims: expandDimsRule,
  squeeze: squeezeRule,
  concat: concatRule,
  split: splitRule,
  slice: sliceRule,
  pad: padRule,
  shapeOf: shapeOfRule,
  range: rangeRule,
  addSize: sizeRule("addSize", "Add"),
  mulSize: sizeRule("mulSize", "Mul"),
};

const int64 = (builder: GraphBuilder, values: readonly number[]): Tensor => builder.constant(values, "int64");

/** One size as int64 [1]: a constant, or arithmetic on the shapes of the graph's inputs. */
function dimTensor(builder: GraphBuilder, dim: Dim): Tensor {
  if (typeof dim === "number") return int64(builder, [dim]);
  let sum: Tensor | null = null;
  for (const [names, coefficient] of parseDim(dim)) {
    let product: Tensor | null = coefficient === 1 && names !== "" ? null : int64(builder, [coefficient]);
    for (const name of names.split("*").filter((part) => part !== "")) {
      const { tensor, axis } = builder.symbolSource(name);
      const size = builder.emit(layout.shapeOf, [tensor], { start: axis, end: axis + 1 })[0]!;
      product = product === null ? size : builder.emit(layout.mulSize, [product, size], NONE)[0]!;
    }
    sum = sum === null ? product : builder.emit(layout.addSize, [sum, product!], NONE)[0]!;
  }
  return sum!;
}

/** A shape as int64 [rank], for ops that take it as an input. */
export function shapeTensor(builder: GraphBuilder, shape: Shape): Tensor {
  if (shape.every((dim) => typeof dim === "number")) return int64(builder, shape);
  const parts = shape.map((dim) => dimTensor(builder, dim));
  return parts.length === 1 ? parts[0]! : builder.emit(layout.concat, parts, { axis: 0 })[0]!;
}

/** The run-time shape of x, int64 [rank]. */
export function shapeOf(x: Tensor): Tensor {
  return x.builder.emit(layout.shapeOf, [x], { start: 0, end: x.shape.length })[0]!;
}

/** The same elements in another shape; one size may be -1. Named sizes are found from the inputs. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = solveReshape(x, shape.map(canonicalDim));
  if (sameShape(target, x.shape)) return x;
  // 0 copies the size at the same place, -1 is worked out by the runtime: most shapes need no arithmetic.
  let free = 1;
  const coded = target.map((dim, i) => {
    if (typeof dim === "number") return dim;
    if (dim === x.shape[i]) return 0;
    return free-- > 0 ? -1 : dim;
  });
  const sizes = coded.every((dim) => typeof dim === "number") ? coded : target;
  return x.builder.emit(layout.reshape, [x, shapeTensor(x.builder, sizes)], { shape: target })[0]!;
}

function solveReshape(x: Tensor, shape: Shape): Shape {
  const unknown = shape.indexOf(-1);
  if (unknown < 0) return shape;
  const known = sizeOf(shape.with(unknown, 1));
  const size = known === 0 ? null : dimDivide(sizeOf(x.shape), known);
  if (size === null || shape.lastIndexOf(-1) !== unknown) {
    shapeMismatch("reshape", [x, { dtype: x.dtype, shape }], "-1 has no single whole value");
  }
  return shape.with(unknown, size);
}

/** Repeats axes of size 1 (and missing leading axes) to fill `shape`. */
export function expand(x: Tensor, shape: Shape): Tensor {
  const target = shape.map(canonicalDim);
  if (sameShape(target, x.shape)) return x;
  return x.builder.emit(layout.expand, [x, shapeTensor(x.builder, target)], { shape: target })[0]!;
}

/** Axes in the order `perm`; the last two exchanged when it is left out. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const rank = x.shape.length;
  if (perm === undefined && rank < 2) shapeMismatch("transpose", [x], "two axes are needed");
  const order = perm ?? [...Array(rank - 2).keys(), rank - 1, rank - 2];
  return x.builder.emit(layout.transpose, [x], { perm: order })[0]!;
}

/** New axes of size 1 at these places of the result. */
export function expandDims(x: Tensor, axes: number | readonly number[]): Tensor {
  const list = typeof axes === "number" ? [axes] : axes;
  const rank = x.shape.length + list.length;
  const sorted = list.map((axis) => resolveAxis("expandDims", x, axis, rank)).sort((a, b) => a - b);
  return x.builder.emit(layout.expandDims, [x, int64(x.builder, sorted)], { axes: sorted })[0]!;
}

/** Drops these axes, each of size 1. */
export function squeeze(x: Tensor, axes: number | readonly number[]): Tensor {
  const sorted = resolveAxes("squeeze", x, typeof axes === "number" ? [axes] : axes);
  return x.builder.emit(layout.squeeze, [x, int64(x.builder, sorted)], { axes: sorted })[0]!;
}

/** Tensors of equal shape outside `axis`, one after the other along it. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (first === undefined) return fail("invalid_graph", "concat: needs at least one tensor");
  if (tensors.length === 1) return first;
  return first.builder.emit(layout.concat, tensors, { axis: resolveAxis("concat", first, axis) })[0]!;
}

/** Consecutive parts of these sizes along `axis`; the sizes must add up to it. */
export function split(x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] {
  const params = { axis: resolveAxis("split", x, axis), sizes };
  return x.builder.emit(layout.split, [x, int64(x.builder, sizes)], params);
}

export interface SliceOptions {
  readonly axis: number;
  /** First index; negative counts from the end. */
  readonly start: Dim;
  /** Index after the last; negative counts from the end; the end by default. */
  readonly end?: Dim;
  /** Positive, 1 by default; an axis of named size allows only 1. */
  readonly step?: number;
}

/** The elements start, start + step, ... before end of one axis. */
export function slice(x: Tensor, options: SliceOptions): Tensor {
  const { step = 1 } = options;
  const axis = resolveAxis("slice", x, options.axis);
  const dim = x.shape[axis]!;
  const place = (at: Dim): Dim => {
    const index = typeof at === "number" && at < 0 ? dimAdd(dim, at) : canonicalDim(at);
    return typeof dim === "number" && typeof index === "number" ? Math.min(Math.max(index, 0), dim) : index;
  };
  const [start, end] = [place(options.start), place(options.end ?? dim)];
  const span = dimSub(end, start);
  if (!Number.isInteger(step) || step < 1 || (step !== 1 && typeof span !== "number")) {
    shapeMismatch("slice", [x], `step ${step} does not fit axis ${axis}`);
  }
  if (typeof span === "number" && span < 0) shapeMismatch("slice", [x], `start ${start} lies after end ${end}`);
  const size = typeof span === "number" ? Math.ceil(span / step) : span;
  if (size === dim && step === 1) return x;
  const builder = x.builder;
  const inputs = [
    x,
    shapeTensor(builder, [start]),
    shapeTensor(builder, [end]),
    int64(builder, [axis]),
    int64(builder, [step]),
  ];
  return builder.emit(layout.slice, inputs, { axis, start, size, step })[0]!;
}

/** Adds `before` and `after` elements of `value` (0 by default) on each axis. */
export function pad(x: Tensor, before: Shape, after: Shape, value = 0): Tensor {
  const params = { before: before.map(canonicalDim), after: after.map(canonicalDim) };
  const sizes = shapeTensor(x.builder, [...params.before, ...params.after]);
  return x.builder.emit(layout.pad, [x, sizes, x.builder.constant(value, x.dtype, [])], params)[0]!;
}

/** A tensor of one value; its sizes may be named. */
export function full(builder: GraphBuilder, shape: Shape, value: number, dtype: DType = "float32"): Tensor {
  return expand(builder.constant(value, dtype, []), shape);
}

/** Zeros of the shape and element type of x. */
export const zerosLike = (x: Tensor): Tensor => full(x.builder, x.shape, 0, x.dtype);

/** 0, 1, ..., size - 1 as int64 [size]. */
export function range(builder: GraphBuilder, size: Dim): Tensor {
  const limit = builder.emit(layout.reshape, [dimTensor(builder, canonicalDim(size)), int64(builder, [])], {
    shape: [],
  })[0]!;
  const inputs = [builder.constant(0, "int64", []), limit, builder.constant(1, "int64", [])];
  return builder.emit(layout.range, inputs, { size: canonicalDim(size) })[0]!;
}

/** Leading axes joined to one: [..., K] -> [R, K]. */
export function flattenLeading(x: Tensor): Tensor {
  return x.shape.length === 2 ? x : reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}
