/**
 * Reductions over axes (all axes by default), softmax and its kin, and sumTo: the reduction that
 * undoes broadcasting.
 */
import { checkDtype, resolveAxes, resolveAxis, sameShape, shapeMismatch } from "../shapes.ts";
import { intAttribute, type OpDefinition, type Tensor } from "../tensor.ts";
import type { DType, Shape } from "../types.ts";
import { reshape } from "./layout.ts";

/** Which axes to reduce, and whether they stay. */
export interface ReduceOptions {
  /** Negative axes count from the end; all axes by default. */
  readonly axes?: readonly number[];
  /** Keep reduced axes with size 1; false by default. */
  readonly keepDims?: boolean;
}

export interface ReduceParams {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}
export interface AxisParams {
  readonly axis: number;
}

const FLOATS: readonly DType[] = ["float32", "float64", "float16"];

const reduceRule = (name: string, onnx: string): OpDefinition<ReduceParams> => ({
  name,
  onnx,
  domain: "",
  infer([x], { axes, keepDims }) {
    const kept = x!.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
    return [{ dtype: x!.dtype, shape: keepDims ? kept : x!.shape.filter((_, i) => !axes.includes(i)) }];
  },
  attributes: ({ keepDims }) => ({ keepdims: intAttribute(keepDims ? 1 : 0) }),
});

const axisRule = (name: string, onnx: string): OpDefinition<AxisParams> => ({
  name,
  onnx,
  domain: "",
  infer([x]) {
    checkDtype(name, x!, FLOATS);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis) }),
});

export const reduce = {
  reduceSum: reduceRule("reduceSum", "ReduceSum"),
  reduceMean: reduceRule("reduceMean", "ReduceMean"),
  reduceMax: reduceRule("reduceMax", "ReduceMax"),
  reduceMin: reduceRule("reduceMin", "ReduceMin"),
  logSumExp: reduceRule("logSumExp", "ReduceLogSumExp"),
  softmax: axisRule("softmax", "Softmax"),
  logSoftmax: axisRule("logSoftmax", "LogSoftmax"),
};

const reduction =
  (definition: OpDefinition<ReduceParams>) =>
  (x: Tensor, options: ReduceOptions = {}): Tensor => {
    const axes = resolveAxes(definition.name, x, options.axes);
    // No axes at all would mean "every axis" to the runtime.
    if (axes.length === 0) return x;
    const params = { axes, keepDims: options.keepDims ?? false };
    return x.builder.emit(definition, [x, x.builder.constant(axes, "int64")], params)[0]!;
  };

const alongAxis =
  (definition: OpDefinition<AxisParams>) =>
  (x: Tensor, axis = -1): Tensor =>
    x.builder.emit(definition, [x], { axis: resolveAxis(definition.name, x, axis) })[0]!;

/** The sum, and the mean, over axes. */
export const reduceSum = reduction(reduce.reduceSum);
export const reduceMean = reduction(reduce.reduceMean);
/** The largest element; where several are largest they share the gradient. */
export const reduceMax = reduction(reduce.reduceMax);
/** The smallest element; where several are smallest they share the gradient. */
export const reduceMin = reduction(reduce.reduceMin);
/** exp(x) / sum(exp(x)) along one axis. */
export const softmax = alongAxis(reduce.softmax);
export const logSoftmax = alongAxis(reduce.logSoftmax);
/** log(sum(exp(x))), computed from the largest element. */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkDtype("logSumExp", x, FLOATS);
  return x.shape.length === 0 ? x : reduction(reduce.logSumExp)(x, options);
}

/** Sums x over the axes along which `shape` was broadcast to x's shape. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  if (extra < 0) shapeMismatch("sumTo", [x, { dtype: x.dtype, shape }], "the second has more axes");
  const axes = x.shape.flatMap((dim, i) => (i < extra || (shape[i - extra] === 1 && dim !== 1) ? [i] : []));
  const onlyLeading = axes.every((axis) => axis < extra);
  const sum = reduceSum(x, { axes, keepDims: !onlyLeading });
  return reshape(sum, shape);
}
