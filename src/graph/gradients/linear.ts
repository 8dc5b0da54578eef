/**
 * Gradient rules of matrix products. With y = op(a) op(b) and g = dy:
 *
 *   da = g op(b)^T   (op(b) g^T when a is stored transposed)
 *   db = op(a)^T g   (g^T op(a) when b is stored transposed)
 *
 * so the gradient of a weight stored [out, in] comes out as [out, in], with no transposed copy. A
 * weight without batch axes is shared by all rows: its gradient is one product over all of them, not a
 * batch of products that is summed afterwards.
 */
import { flattenLeading } from "../ops/layout.ts";
import { matmul, type FusedMatmulParams, type linear } from "../ops/linear.ts";
import { sumTo } from "../ops/reduce.ts";
import type { Tensor } from "../tensor.ts";
import type { GradientContext, InputGradients, RulesFor } from "./rule.ts";

function matmulGradients(
  context: GradientContext<unknown>,
  { transA, transB, alpha }: FusedMatmulParams,
): InputGradients {
  const { grad: g } = context;
  const [a, b] = context.inputs as readonly [Tensor, Tensor];
  const left = (): Tensor =>
    transA ? matmul(b, g, { transA: transB, transB: true, alpha }) : matmul(g, b, { transB: !transB, alpha });
  const right = (): Tensor => {
    const shared = b.shape.length === 2 && !transA;
    const [rows, grads] = shared ? [flattenLeading(a), flattenLeading(g)] : [a, g];
    return transB
      ? matmul(grads, rows, { transA: true, transB: transA, alpha })
      : matmul(rows, grads, { transA: !transA, alpha });
  };
  return [() => sumTo(left(), a.shape), () => sumTo(right(), b.shape)];
}

export const linearGradients: RulesFor<typeof linear> = {
  matmul: (context) => matmulGradients(context, { transA: false, transB: false, alpha: 1 }),
  fusedMatmul: (context) => matmulGradients(context, context.params),
};
