/** Where a decoder's weights come from: tensors of a file, or seeded noise for tests and for measuring shapes. */
import { createRandom, fail } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import { asFloat32 } from "../nn/index.ts";
import { parameterSpecs, type DecoderConfig } from "./config.ts";
import type { WeightSource } from "./types.ts";

/** Weights by name, widened to float32 when they are asked for; invalid_file for a name or shape that is not there. */
export function weightsOf(tensors: ReadonlyMap<string, TensorData>): WeightSource {
  return {
    get(name, dims) {
      const tensor = tensors.get(name);
      if (tensor === undefined) fail("invalid_file", `weight ${name} is missing`, { param: name });
      if (tensor.dims.join() !== dims.join()) {
        fail("invalid_file", `weight ${name}: expected [${dims.join(", ")}], got [${tensor.dims.join(", ")}]`, {
          param: name,
        });
      }
      return asFloat32(name, tensor);
    },
  };
}

/** The deviation of random biases: a fraction of what they are added to. */
const BIAS_DEVIATION = 0.25;

/**
 * Uniform noise of unit gain: norms scale by one, biases are small, every other weight has variance 1 / (its inputs),
 * so that activations keep their scale through any depth. A weight depends on seed and name alone.
 */
export function randomWeights(config: DecoderConfig, seed: number): WeightSource {
  const known = new Map(parameterSpecs(config).map((spec) => [spec.name, spec.dims]));
  return {
    get(name, dims) {
      if (known.get(name)?.join() !== dims.join()) {
        fail("invalid_file", `weight ${name} [${dims.join(", ")}] is not one of this decoder`, { param: name });
      }
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      const isBias = name.endsWith(".bias");
      if (dims.length === 1 && !isBias) return data.fill(config.normOffset === true ? 0 : 1);
      const random = createRandom(seed, name);
      const halfWidth = (isBias ? BIAS_DEVIATION * Math.sqrt(3) : Math.sqrt(3 / dims[1]!)) / 2 ** 31;
      for (let i = 0; i < data.length; i++) data[i] = (random.uint32() - 2 ** 31) * halfWidth;
      return data;
    },
  };
}
