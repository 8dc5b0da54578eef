/** Gradient rule of crossEntropy: (softmax - one hot of the target) x row weight / sum of weights. */
import { div, mul, neg, sub } from "../ops/elementwise.ts";
import { scatterElementsAdd } from "../ops/indexing.ts";
import { expandDims } from "../ops/layout.ts";
import type { loss } from "../ops/loss.ts";
import type { Tensor } from "../tensor.ts";
import type { RulesFor } from "./rule.ts";

export const lossGradients: RulesFor<typeof loss> = {
  crossEntropy: ({ grad, inputs: [, , weights], outputs: [mean], saved }) => {
    const [probabilities, indices, losses, total] = saved as readonly [Tensor, Tensor, Tensor, Tensor];
    const scale = div(grad, total); // scalar
    return [
      () => {
        const rows = expandDims(mul(weights!, scale), 1); // [N, 1]
        return scatterElementsAdd(mul(probabilities, rows), indices, neg(rows), 1);
      },
      null,
      () => mul(sub(losses, mean!), scale),
    ];
  },
};
