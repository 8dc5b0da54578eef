/** Gradient rule of softmaxMatmul: dv = p^T g, ds = p (g v^T - rowsum(g y)). */
import type { attention } from "../ops/attention.ts";
import { mul, sub } from "../ops/elementwise.ts";
import { matmul } from "../ops/linear.ts";
import { reduceSum, sumTo } from "../ops/reduce.ts";
import type { Tensor } from "../tensor.ts";
import type { RulesFor } from "./rule.ts";

export const attentionGradients: RulesFor<typeof attention> = {
  softmaxMatmul: ({ grad, inputs, outputs: [product], saved }) => {
    const [scores, values] = inputs as readonly [Tensor, Tensor];
    const shares = saved[0]!;
    return [
      () => {
        const along = reduceSum(mul(grad, product!), { axes: [-1], keepDims: true }); // [..., M, 1]
        return sumTo(mul(sub(matmul(grad, values, { transB: true }), along), shares), scores.shape);
      },
      () => sumTo(matmul(shares, grad, { transA: true }), values.shape),
    ];
  },
};
