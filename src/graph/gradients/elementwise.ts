/** Gradient rules of element-wise ops. Each writes as few passes over memory as its formula allows. */
import type { elementwise } from "../ops/elementwise.ts";
import {
  add,
  cast,
  cos,
  div,
  erf,
  exp,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  mul,
  neg,
  pow,
  sign,
  sin,
  sub,
  tanh,
  where,
} from "../ops/elementwise.ts";
import { sumTo } from "../ops/reduce.ts";
import { isFloat, type None, type Tensor } from "../tensor.ts";
import type { GradientContext, GradientRule, InputGradients, RulesFor } from "./rule.ts";

type Slope = (x: Tensor, y: Tensor, grad: Tensor) => Tensor;

/** dx = f(x, y, dy) */
const unary =
  (slope: Slope) =>
  ({ grad, inputs: [x], outputs: [y] }: GradientContext<None>): InputGradients => [() => slope(x!, y!, grad)];

/** Both operands' gradients, each summed over what broadcasting repeated. */
const binary =
  (left: (grad: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor, right: typeof left) =>
  ({ grad, inputs, outputs: [y] }: GradientContext<None>): InputGradients => {
    const [a, b] = inputs as readonly [Tensor, Tensor];
    return [() => sumTo(left(grad, a, b, y!), a.shape), () => sumTo(right(grad, a, b, y!), b.shape)];
  };

/** grad where `mask` holds, 0 elsewhere. */
const masked = (mask: Tensor, grad: Tensor): Tensor => where(mask, grad, 0);

const SQRT_HALF = Math.SQRT1_2;
const INVERSE_SQRT_TWO_PI = 1 / Math.sqrt(2 * Math.PI);
/** gelu's tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), Hendrycks and Gimpel 2016. */
const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

function geluSlope(x: Tensor, form: "erf" | "tanh"): Tensor {
  const square = mul(x, x);
  if (form === "erf") {
    const density = mul(exp(mul(square, -0.5)), INVERSE_SQRT_TWO_PI);
    return add(add(mul(erf(mul(x, SQRT_HALF)), 0.5), 0.5), mul(x, density));
  }
  const t = tanh(mul(x, add(mul(square, GELU_SCALE * GELU_CUBIC), GELU_SCALE)));
  const inner = mul(x, add(mul(square, 3 * GELU_SCALE * GELU_CUBIC), GELU_SCALE)); // x du/dx
  // 1/2 (1 + t) (1 + (1 - t) x du/dx)
  return mul(mul(add(t, 1), 0.5), add(mul(sub(1, t), inner), 1));
}

const powRule: GradientRule<None> = binary(
  (grad, a, b) => mul(grad, mul(b, pow(a, sub(b, 1)))),
  (grad, a, _b, y) => mul(grad, mul(y, log(a))),
);

/** dx = dy s (1 + x (1 - s)) = h + h (x - y) with h = dy s: four passes. */
const siluRule: GradientRule<None> = ({ grad, inputs: [x], outputs: [y], saved: [gate] }) => [
  () => {
    const h = mul(grad, gate!);
    return add(h, mul(h, sub(x!, y!)));
  },
];

export const elementwiseGradients: RulesFor<typeof elementwise> = {
  neg: unary((_x, _y, grad) => neg(grad)),
  exp: unary((_x, y, grad) => mul(grad, y)),
  log: unary((x, _y, grad) => div(grad, x)),
  sqrt: unary((_x, y, grad) => div(mul(grad, 0.5), y)),
  rsqrt: unary((x, y, grad) => mul(mul(grad, -0.5), div(y, x))),
  reciprocal: unary((_x, y, grad) => neg(mul(grad, mul(y, y)))),
  abs: unary((x, _y, grad) => mul(grad, sign(x))),
  sign: "none",
  sin: unary((x, _y, grad) => mul(grad, cos(x))),
  cos: unary((x, _y, grad) => neg(mul(grad, sin(x)))),
  tanh: unary((_x, y, grad) => mul(grad, sub(1, mul(y, y)))),
  erf: unary((x, _y, grad) => mul(grad, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  sigmoid: unary((_x, y, grad) => mul(grad, mul(y, sub(1, y)))),
  relu: unary((_x, y, grad) => masked(greater(y, 0), grad)),
  silu: siluRule,
  gelu: ({ grad, inputs: [x], params }) => [() => mul(grad, geluSlope(x!, params.form))],
  stopGradient: "none",
  add: binary(
    (grad) => grad,
    (grad) => grad,
  ),
  sub: binary(
    (grad) => grad,
    (grad) => neg(grad),
  ),
  mul: binary(
    (grad, _a, b) => mul(grad, b),
    (grad, a) => mul(grad, a),
  ),
  div: binary(
    (grad, _a, b) => div(grad, b),
    (grad, _a, b, y) => neg(mul(grad, div(y, b))),
  ),
  pow: powRule,
  maximum: binary(
    (grad, a, b) => masked(greaterOrEqual(a, b), grad),
    (grad, a, b) => masked(less(a, b), grad),
  ),
  minimum: binary(
    (grad, a, b) => masked(lessOrEqual(a, b), grad),
    (grad, a, b) => masked(greater(a, b), grad),
  ),
  equal: "none",
  less: "none",
  lessOrEqual: "none",
  greater: "none",
  greaterOrEqual: "none",
  and: "none",
  or: "none",
  not: "none",
  where: ({ grad, inputs }) => {
    const [condition, a, b] = inputs as readonly [Tensor, Tensor, Tensor];
    return [null, () => sumTo(where(condition, grad, 0), a.shape), () => sumTo(where(condition, 0, grad), b.shape)];
  },
  cast: ({ grad, inputs: [x], params }) => [
    isFloat(x!.dtype) && isFloat(params.dtype) ? () => cast(grad, x!.dtype) : null,
  ],
};
