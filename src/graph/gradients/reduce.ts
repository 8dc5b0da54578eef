/** Gradient rules of reductions and of softmax and its kin. */
import { cast, div, equal, exp, mul, sub } from "../ops/elementwise.ts";
import { expand, reshape } from "../ops/layout.ts";
import { reduceSum, type reduce } from "../ops/reduce.ts";
import { sizeOf } from "../shapes.ts";
import type { Tensor } from "../tensor.ts";
import type { GradientContext, InputGradients, RulesFor } from "./rule.ts";

interface ReduceParams {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** A reduced tensor with its reduced axes back as axes of size 1. */
function withAxes(reduced: Tensor, x: Tensor, { axes, keepDims }: ReduceParams): Tensor {
  return keepDims
    ? reduced
    : reshape(
        reduced,
        x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
      );
}

/** Elements that equal the extreme share its gradient. */
function extremeGradient({ grad, inputs: [x], outputs: [y], params }: GradientContext<ReduceParams>): InputGradients {
  return [
    () => {
      const hits = cast(equal(x!, withAxes(y!, x!, params)), x!.dtype);
      const count = reduceSum(hits, { axes: params.axes, keepDims: true });
      return mul(hits, div(withAxes(grad, x!, params), count));
    },
    null,
  ];
}

function meanGradient({ grad, inputs: [x], params }: GradientContext<ReduceParams>): InputGradients {
  return [
    () => {
      const reducedSize = sizeOf(params.axes.map((axis) => x!.shape[axis]!));
      const one = withAxes(grad, x!, params);
      // A size that is only known at run time is counted by summing ones.
      const share =
        typeof reducedSize === "number"
          ? mul(one, 1 / reducedSize)
          : div(
              one,
              reduceSum(expand(x!.builder.constant(1, x!.dtype, []), x!.shape), { axes: params.axes, keepDims: true }),
            );
      return expand(share, x!.shape);
    },
    null,
  ];
}

export const reduceGradients: RulesFor<typeof reduce> = {
  reduceSum: ({ grad, inputs: [x], params }) => [() => expand(withAxes(grad, x!, params), x!.shape), null],
  reduceMean: meanGradient,
  reduceMax: extremeGradient,
  reduceMin: extremeGradient,
  logSumExp: ({ grad, inputs: [x], outputs: [y], params }) => [
    () => mul(exp(sub(x!, withAxes(y!, x!, params))), withAxes(grad, x!, params)),
    null,
  ],
  // dx = y (dy - sum(y dy))
  softmax: ({ grad, outputs: [y], params: { axis } }) => [
    () => {
      const weighted = mul(grad, y!);
      return sub(weighted, mul(y!, reduceSum(weighted, { axes: [axis], keepDims: true })));
    },
  ],
  // dx = dy - exp(y) sum(dy)
  logSoftmax: ({ grad, outputs: [y], params: { axis } }) => [
    () => sub(grad, mul(exp(y!), reduceSum(grad, { axes: [axis], keepDims: true }))),
  ],
};
