/**
 * Adapters in the graphs of a decoder, by wrapping where its weights come from: a projection of a layer gets its
 * low-rank term, everything else stays. Two forms: many adapters behind a mask, as inputs (serving; lora/bank.ts), and one
 * that is added to the weights themselves (no cost per token, but a copy of the weights).
 */
import { add, matmul, mul, type GraphBuilder, type Tensor } from "../../graph/index.ts";
import type { ParameterSource } from "../decoder.ts";
import type { WeightSource } from "../types.ts";
import { LORA_PARTS, LORA_TARGETS, type LoraAdapter, type LoraTarget } from "./adapter.ts";
import { loraInputs, LORA_MASK } from "./bank.ts";

const TARGET = /^model\.layers\.\d+\.(.+)\.weight$/u;
const TARGET_OF: ReadonlyMap<string, LoraTarget> = new Map(LORA_TARGETS.map((target) => [LORA_PARTS[target], target]));

/** The projection that a weight is, or null. */
export function loraTargetOf(name: string): LoraTarget | null {
  return TARGET_OF.get(TARGET.exec(name)?.[1] ?? "") ?? null;
}

/**
 * `params` with every projection's adapters as inputs of the graph; it names each projection at most once.
 * @param rows name of the number of rows that it is for, and of the input that is their mask
 */
export function withLoraInputs(
  builder: GraphBuilder,
  params: ParameterSource,
  { rows, mask: maskName } = { rows: "rows", mask: LORA_MASK },
): ParameterSource {
  let mask: Tensor | null = null;
  return {
    get: (name, shape) => params.get(name, shape),
    linear(x, name, inFeatures, outFeatures) {
      const y = params.linear(x, name, inFeatures, outFeatures);
      const target = loraTargetOf(name);
      if (target === null) return y;
      mask ??= builder.input(maskName, "float32", [rows, "columns"]);
      const names = loraInputs(target);
      const a = builder.input(names.a, "float32", [inFeatures, "columns"]);
      const b = builder.input(names.b, "float32", ["columns", outFeatures]);
      return add(y, matmul(mul(matmul(x, a), mask), b));
    },
  };
}

/** W + B A, row-major [out, in]. */
export function mergedWeight(
  weight: Float32Array,
  module: { readonly a: Float32Array; readonly b: Float32Array; readonly rank: number },
): Float32Array {
  const { a, b, rank } = module;
  const inFeatures = a.length / rank;
  const merged = weight.slice();
  for (let row = 0; row < b.length / rank; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = b[row * rank + r]!;
      if (factor === 0) continue;
      for (let i = 0; i < inFeatures; i++) merged[row * inFeatures + i]! += factor * a[r * inFeatures + i]!;
    }
  }
  return merged;
}

/** The same weights with an adapter added: each changed matrix is packed anew, all others are as they were. */
export function mergedWeights(weights: WeightSource, adapter: LoraAdapter, identity: string): WeightSource {
  const { modules } = adapter;
  return {
    get(name, dims) {
      const module = modules.get(name);
      const weight = weights.get(name, dims);
      return module === undefined ? weight : mergedWeight(weight, module);
    },
    packed: (name, dims) => (modules.has(name) ? null : (weights.packed?.(name, dims) ?? null)),
    ...(weights.identity === undefined
      ? {}
      : {
          identity: (name: string, dims: readonly number[]) =>
            `${weights.identity!(name, dims)}${modules.has(name) ? `+${identity}` : ""}`,
        }),
  };
}
