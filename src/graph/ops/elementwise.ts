/**
 * Ops that work on each element alone: arithmetic, functions, activations, comparison, selection and
 * casts. Two-operand ops broadcast as numpy does.
 */
import { fail } from "../../core/index.ts";
import { DTYPES } from "../onnx/dtypes.ts";
import { broadcast, checkDtype, checkSameDtype } from "../shapes.ts";
import {
  intAttribute,
  NONE,
  noAttributes,
  stringAttribute,
  type None,
  type Operand,
  type OpDefinition,
  type Tensor,
} from "../tensor.ts";
import type { DType } from "../types.ts";

const FLOATS: readonly DType[] = ["float32", "float64", "float16"];
const BOOLS: readonly DType[] = ["bool"];

const unaryRule = (name: string, onnx: string | null, dtypes: readonly DType[] | null): OpDefinition<None> => ({
  name,
  onnx,
  domain: "",
  infer([x]) {
    if (dtypes !== null) checkDtype(name, x!, dtypes);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  attributes: noAttributes,
});

const binaryRule = (
  name: string,
  onnx: string,
  result: "same" | "bool",
  dtypes?: readonly DType[],
): OpDefinition<None> => ({
  name,
  onnx,
  domain: "",
  infer(inputs) {
    const dtype = checkSameDtype(name, inputs);
    if (dtypes !== undefined) checkDtype(name, inputs[0]!, dtypes);
    return [{ dtype: result === "bool" ? "bool" : dtype, shape: broadcast(name, inputs) }];
  },
  attributes: noAttributes,
});

const whereRule: OpDefinition<None> = {
  name: "where",
  onnx: "Where",
  domain: "",
  infer(inputs) {
    checkDtype("where", inputs[0]!, BOOLS);
    return [{ dtype: checkSameDtype("where", inputs.slice(1)), shape: broadcast("where", inputs) }];
  },
  attributes: noAttributes,
};

const castRule: OpDefinition<{ readonly dtype: DType }> = {
  name: "cast",
  onnx: "Cast",
  domain: "",
  infer: ([x], { dtype }) => [{ dtype, shape: x!.shape }],
  attributes: ({ dtype }) => ({ to: intAttribute(DTYPES[dtype].code) }),
};

export type GeluForm = "erf" | "tanh";

const geluRule: OpDefinition<{ readonly form: GeluForm }> = {
  name: "gelu",
  onnx: "Gelu",
  domain: "",
  infer([x]) {
    checkDtype("gelu", x!, FLOATS);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  attributes: ({ form }) => ({ approximate: stringAttribute(form === "tanh" ? "tanh" : "none") }),
};

export const elementwise = {
  neg: unaryRule("neg", "Neg", null),
  exp: unaryRule("exp", "Exp", FLOATS),
  log: unaryRule("log", "Log", FLOATS),
  sqrt: unaryRule("sqrt", "Sqrt", FLOATS),
  rsqrt: unaryRule("rsqrt", null, FLOATS),
  reciprocal: unaryRule("reciprocal", "Reciprocal", FLOATS),
  abs: unaryRule("abs", "Abs", null),
  sign: unaryRule("sign", "Sign", null),
  sin: unaryRule("sin", "Sin", FLOATS),
  cos: unaryRule("cos", "Cos", FLOATS),
  tanh: unaryRule("tanh", "Tanh", FLOATS),
  erf: unaryRule("erf", "Erf", FLOATS),
  sigmoid: unaryRule("sigmoid", "Sigmoid", FLOATS),
  relu: unaryRule("relu", "Relu", FLOATS),
  silu: unaryRule("silu", null, FLOATS),
  gelu: geluRule,
  stopGradient: unaryRule("stopGradient", null, null),
  add: binaryRule("add", "Add", "same"),
  sub: binaryRule("sub", "Sub", "same"),
  mul: binaryRule("mul", "Mul", "same"),
  div: binaryRule("div", "Div", "same"),
  pow: binaryRule("pow", "Pow", "same", FLOATS),
  maximum: binaryRule("maximum", "Max", "same"),
  minimum: binaryRule("minimum", "Min", "same"),
  equal: binaryRule("equal", "Equal", "bool"),
  less: binaryRule("less", "Less", "bool"),
  lessOrEqual: binaryRule("lessOrEqual", "LessOrEqual", "bool"),
  greater: binaryRule("greater", "Greater", "bool"),
  greaterOrEqual: binaryRule("greaterOrEqual", "GreaterOrEqual", "bool"),
  and: binaryRule("and", "And", "bool", BOOLS),
  or: binaryRule("or", "Or", "bool", BOOLS),
  not: unaryRule("not", "Not", BOOLS),
  where: whereRule,
  cast: castRule,
};

/** Both operands as tensors; a number takes the other's element type. */
function operands(op: string, a: Operand, b: Operand): readonly [Tensor, Tensor] {
  if (typeof a !== "number") return [a, typeof b === "number" ? a.builder.constant(b, a.dtype, []) : b];
  if (typeof b === "number") return fail("invalid_graph", `${op}: at least one operand must be a tensor`);
  return [b.builder.constant(a, b.dtype, []), b];
}

const unary =
  (definition: OpDefinition<None>) =>
  (x: Tensor): Tensor =>
    x.builder.emit(definition, [x], NONE)[0]!;

const binary =
  (definition: OpDefinition<None>) =>
  (a: Operand, b: Operand): Tensor => {
    const [left, right] = operands(definition.name, a, b);
    return left.builder.emit(definition, [left, right], NONE)[0]!;
  };

/** Functions of one element. */
export const neg = unary(elementwise.neg);
export const exp = unary(elementwise.exp);
/** Natural logarithm. */
export const log = unary(elementwise.log);
export const sqrt = unary(elementwise.sqrt);
export const reciprocal = unary(elementwise.reciprocal);
export const abs = unary(elementwise.abs);
/** -1, 0 or 1. */
export const sign = unary(elementwise.sign);
export const sin = unary(elementwise.sin);
export const cos = unary(elementwise.cos);
export const tanh = unary(elementwise.tanh);
/** The error function (float32 only in the runtime). */
export const erf = unary(elementwise.erf);
export const sigmoid = unary(elementwise.sigmoid);
export const relu = unary(elementwise.relu);
export const not = unary(elementwise.not);
/** a + b and its kin; one operand may be a number. */
export const add = binary(elementwise.add);
export const sub = binary(elementwise.sub);
export const mul = binary(elementwise.mul);
/** Integers divide towards zero. */
export const div = binary(elementwise.div);
/** a to the power b; the gradient to b exists only where a > 0. */
export const pow = binary(elementwise.pow);
/** The larger operand; at a tie the gradient goes to the first. */
export const maximum = binary(elementwise.maximum);
/** The smaller operand; at a tie the gradient goes to the first. */
export const minimum = binary(elementwise.minimum);
export const equal = binary(elementwise.equal);
export const less = binary(elementwise.less);
export const lessOrEqual = binary(elementwise.lessOrEqual);
export const greater = binary(elementwise.greater);
export const greaterOrEqual = binary(elementwise.greaterOrEqual);
export const and = binary(elementwise.and);
export const or = binary(elementwise.or);

/** 1 / sqrt(x) */
export function rsqrt(x: Tensor): Tensor {
  return x.builder.compose(elementwise.rsqrt, [x], NONE, () => ({ inner: [reciprocal(sqrt(x))] }));
}

/** x * sigmoid(x) */
export function silu(x: Tensor): Tensor {
  return x.builder.compose(elementwise.silu, [x], NONE, () => {
    // The runtime fuses x * sigmoid(x) to a kernel that only float32 has, and then fails on other types.
    const gate = x.dtype === "float32" ? sigmoid(x) : reciprocal(add(exp(neg(x)), 1));
    return { inner: [mul(x, gate)], saved: [gate] };
  });
}

/** x * Phi(x): exact by the error function, or its tanh approximation (float32 only in the runtime). */
export function gelu(x: Tensor, options: { readonly form?: GeluForm } = {}): Tensor {
  return x.builder.emit(elementwise.gelu, [x], { form: options.form ?? "erf" })[0]!;
}

/** The same value, through which no gradient flows. */
export function stopGradient(x: Tensor): Tensor {
  return x.builder.compose(elementwise.stopGradient, [x], NONE, () => ({ inner: [x] }));
}

/** a where `condition` (bool), else b; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = operands("where", a, b);
  return condition.builder.emit(elementwise.where, [condition, left, right], NONE)[0]!;
}

/** The same values in another element type; the same tensor when it already has it. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : x.builder.emit(elementwise.cast, [x], { dtype })[0]!;
}
