/**
 * Cross-entropy as one differentiable op. Its value comes from the softmax that its gradient needs
 * anyway: log(sum(exp(x))) = max(x) - log(max(softmax(x))), exact for any logits because the largest
 * probability is at least 1 / V. So a training step writes [N, V] three times, not six.
 */
import { checkDtype, checkSameDtype, sameShape, shapeMismatch } from "../shapes.ts";
import { NONE, noAttributes, type None, type OpDefinition, type Tensor } from "../tensor.ts";
import { cast, div, equal, log, maximum, mul, not, sub, where } from "./elementwise.ts";
import { gatherElements } from "./indexing.ts";
import { expandDims, full, squeeze } from "./layout.ts";
import { reduceMax, reduceSum, softmax } from "./reduce.ts";

const crossEntropyRule: OpDefinition<None> = {
  name: "crossEntropy",
  onnx: null,
  domain: "",
  infer(inputs) {
    const [logits, targets, weights] = inputs as readonly [Tensor, Tensor, Tensor];
    checkDtype("crossEntropy", targets, ["int64"]);
    checkSameDtype("crossEntropy", [logits, weights]);
    const rows = logits.shape.slice(0, -1);
    if (logits.shape.length !== 2 || !sameShape(targets.shape, rows) || !sameShape(weights.shape, rows)) {
      shapeMismatch("crossEntropy", inputs, "expected logits [N, V], targets [N] and weights [N]");
    }
    return [{ dtype: logits.dtype, shape: [] }];
  },
  attributes: noAttributes,
};

export const loss = { crossEntropy: crossEntropyRule };

/** Which rows count, and how much. */
export interface CrossEntropyOptions {
  /** Rows with this target do not count. */
  readonly ignoreIndex?: number;
  /** Weight of each row, [N], not negative; 1 by default. */
  readonly weights?: Tensor;
}

/**
 * The weighted mean of -log softmax(logits)[target] over rows: logits [N, V], targets int64 [N], a
 * scalar. 0 when no row counts.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex } = options;
  let weights = options.weights ?? null;
  let rows = targets;
  if (ignoreIndex !== undefined) {
    const counts = not(equal(targets, ignoreIndex));
    const mask = cast(counts, logits.dtype);
    weights = weights === null ? mask : mul(weights, mask);
    rows = where(counts, targets, 0);
  }
  weights ??= full(logits.builder, targets.shape, 1, logits.dtype);
  return logits.builder.compose(loss.crossEntropy, [logits, rows, weights], NONE, () => {
    const probabilities = softmax(logits); // [N, V]
    const indices = expandDims(rows, 1); // [N, 1]
    const top = reduceMax(logits, { axes: [1], keepDims: true });
    const topProbability = reduceMax(probabilities, { axes: [1], keepDims: true });
    const logTotal = sub(top, log(topProbability)); // [N, 1]
    const losses = squeeze(sub(logTotal, gatherElements(logits, indices)), 1); // [N]
    const total = maximum(reduceSum(weights), 1e-8);
    const mean = div(reduceSum(mul(losses, weights)), total);
    return { inner: [mean], saved: [probabilities, indices, losses, total] };
  });
}
