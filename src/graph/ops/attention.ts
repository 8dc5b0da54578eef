/**
 * softmax(scores) times values as one differentiable op. The two-op form writes the gradient of the
 * shares, multiplies it by the shares and sums it over each row: three more passes over the largest
 * tensor of a transformer than needed, because the row sum of shares * (g v^T) equals that of
 * g * output (Dao et al. 2022, FlashAttention, eq. 4), which is headDim wide and not `keys` wide.
 */
import { broadcast, checkDtype, checkSameDtype, shapeMismatch } from "../shapes.ts";
import { NONE, noAttributes, type None, type OpDefinition, type Tensor } from "../tensor.ts";
import { matmul } from "./linear.ts";
import { softmax } from "./reduce.ts";

const softmaxMatmulRule: OpDefinition<None> = {
  name: "softmaxMatmul",
  onnx: null,
  domain: "",
  infer(inputs) {
    const [scores, values] = inputs as readonly [Tensor, Tensor];
    checkDtype("softmaxMatmul", scores, ["float32", "float64"]);
    const dtype = checkSameDtype("softmaxMatmul", inputs);
    if (scores.shape.length < 2 || values.shape.length < 2 || scores.shape.at(-1) !== values.shape.at(-2)) {
      shapeMismatch("softmaxMatmul", inputs, "expected scores [..., queries, keys] and values [..., keys, width]");
    }
    const batch = inputs.map(({ dtype: type, shape }) => ({ dtype: type, shape: shape.slice(0, -2) }));
    return [{ dtype, shape: [...broadcast("softmaxMatmul", batch), scores.shape.at(-2)!, values.shape.at(-1)!] }];
  },
  attributes: noAttributes,
};

export const attention = { softmaxMatmul: softmaxMatmulRule };

/** softmax(scores) over the last axis times values: [..., M, K] and [..., K, N] give [..., M, N]. */
export function softmaxMatmul(scores: Tensor, values: Tensor): Tensor {
  return scores.builder.compose(attention.softmaxMatmul, [scores, values], NONE, () => {
    const shares = softmax(scores);
    return { inner: [matmul(shares, values)], saved: [shares] };
  });
}
