/**
 * Gradient rules of normalisation. With r the saved inverse root, n the normalised x, gw = g w and
 * means over the last axis:
 *
 *   rms:    dx = r gw - x r^3 mean(gw x)            dw = sum over rows of g n
 *   layer:  dx = r (gw - mean(gw) - n mean(gw n))   dw = sum over rows of g n, db = sum of g
 *
 * The sums that mix rows or columns with a vector are matrix products: they read their operand once and
 * write next to nothing.
 */
import { add, mul, sub } from "../ops/elementwise.ts";
import { expandDims, flattenLeading, reshape } from "../ops/layout.ts";
import { matmul } from "../ops/linear.ts";
import type { normalise } from "../ops/normalise.ts";
import { reduceMean, sumTo } from "../ops/reduce.ts";
import { fail } from "../../core/index.ts";
import type { Tensor } from "../tensor.ts";
import type { RulesFor } from "./rule.ts";

function widthOf(op: string, x: Tensor): number {
  const width = x.shape.at(-1);
  return typeof width === "number" ? width : fail("unsupported", `${op}: the gradient needs a known last size`);
}

export const normaliseGradients: RulesFor<typeof normalise> = {
  rmsNorm: ({ grad, inputs, outputs }) => {
    const [x, weight] = inputs as readonly [Tensor, Tensor];
    const r = outputs[1]!; // [..., 1]
    const product = mul(grad, x); // [..., D]
    const dx = (): Tensor => {
      const mean = matmul(product, expandDims(weight, 1), { alpha: 1 / widthOf("rmsNorm", x) }); // [..., 1]
      const pull = mul(mean, mul(r, mul(r, r)));
      return sub(mul(mul(grad, weight), r), mul(x, pull));
    };
    const dw = (): Tensor => {
      const rows = matmul(flattenLeading(r), flattenLeading(product), { transA: true }); // [1, D]
      return reshape(rows, weight.shape);
    };
    return [dx, dw];
  },
  layerNorm: ({ grad, inputs, outputs }) => {
    const [x, weight, bias] = inputs as readonly [Tensor, Tensor, Tensor];
    const [, mean, r] = outputs as readonly [Tensor, Tensor, Tensor];
    const normalised = mul(sub(x, mean), r);
    const product = mul(grad, normalised);
    const dx = (): Tensor => {
      const weighted = mul(grad, weight);
      const along = matmul(product, expandDims(weight, 1), { alpha: 1 / widthOf("layerNorm", x) }); // mean(gw n)
      const pull = add(mul(normalised, along), reduceMean(weighted, { axes: [-1], keepDims: true }));
      return mul(sub(weighted, pull), r);
    };
    return [dx, () => sumTo(product, weight.shape), () => sumTo(grad, bias.shape)];
  },
};
