/** RMS and layer normalisation over the last axis, each one node of the runtime. */
import { checkSameDtype, shapeMismatch } from "../shapes.ts";
import { floatAttribute, intAttribute, type OpDefinition, type Tensor } from "../tensor.ts";

export interface NormParams {
  /** Added to the mean square (variance) before the root. */
  readonly eps: number;
}

function checkWeights(op: string, inputs: readonly Tensor[]): void {
  const width = inputs[0]!.shape.at(-1);
  for (const weight of inputs.slice(1)) {
    if (weight.shape.length !== 1 || weight.shape[0] !== width) shapeMismatch(op, inputs, `weights must be [${width}]`);
  }
}

const normRule = (name: string, onnx: string, statistics: number): OpDefinition<NormParams> => ({
  name,
  onnx,
  domain: "",
  optionalOutputs: true,
  infer(inputs) {
    const dtype = checkSameDtype(name, inputs);
    checkWeights(name, inputs);
    const { shape } = inputs[0]!;
    const statistic = { dtype, shape: [...shape.slice(0, -1), 1] };
    return [{ dtype, shape }, ...Array<typeof statistic>(statistics).fill(statistic)];
  },
  attributes: ({ eps }) => ({ axis: intAttribute(-1), epsilon: floatAttribute(eps) }),
});

export const normalise = {
  /** Outputs: y, 1 / rms. */
  rmsNorm: normRule("rmsNorm", "SimplifiedLayerNormalization", 1),
  /** Outputs: y, mean, 1 / deviation. */
  layerNorm: normRule("layerNorm", "LayerNormalization", 2),
};

/** x / sqrt(mean(x^2) + eps) * weight over the last axis: x [..., D], weight [D]. */
export function rmsNorm(x: Tensor, weight: Tensor, eps = 1e-5): Tensor {
  return x.builder.emit(normalise.rmsNorm, [x, weight], { eps })[0]!;
}

/** (x - mean) / sqrt(variance + eps) * weight + bias over the last axis: x [..., D], weight and bias [D]. */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  return x.builder.emit(normalise.layerNorm, [x, weight, bias], { eps })[0]!;
}
