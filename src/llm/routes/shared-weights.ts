/**
 * What sequences that leave layers out and those that do not have in common: which sessions of the one are the other's too, so
 * that weights are held once. Nothing is made here (routed-parts.ts does).
 */
import type { DecoderConfig } from "../config.ts";
import { loraShape, LORA_TARGETS, loraWeightName, type LoraAdapter } from "../lora/index.ts";
import type { StepExecutorOptions, WeightsFormat } from "../types.ts";

/** From so many bytes of packed weights on, a second copy of them costs more than what low-rank inputs add to a step. */
const SHARED_BYTES = 2 ** 30;

/**
 * Whether the low-rank weights of routes, if there are any, are inputs of everybody's sessions, so that nothing is held twice:
 * where sessions take adapters anyway, and where the weights are large. Elsewhere a projection that they change is merged and
 * held once more: for a small model what inputs add to every layer would be a good part of its step.
 */
export function sharesAll({ config, lora, routes, routeWeights, weightsFormat }: StepExecutorOptions): boolean {
  if (routes === undefined) return false;
  if (lora !== undefined) return true;
  if (routes.adapter === null) return false;
  return (routeWeights ?? (mergesRoutes(config, weightsFormat, false) ? "merged" : "inputs")) === "inputs";
}

/**
 * Whether a model with routes holds what their low-rank weights change a second time.
 * @param takesAdapters whether requests name adapters too
 */
export function mergesRoutes(config: DecoderConfig, format: WeightsFormat, takesAdapters: boolean): boolean {
  return !takesAdapters && layerBytes(config, format) < SHARED_BYTES;
}

/** Of all layers' matrices, less their scales. */
function layerBytes(config: DecoderConfig, format: WeightsFormat): number {
  const perLayer = LORA_TARGETS.reduce((sum, target) => {
    const shape = loraShape(config, target);
    return sum + shape.in * shape.out;
  }, 0);
  return config.layers * perLayer * (format === "f32" ? 4 : format === "int8" ? 1 : 0.5);
}

/** Whether a boundary's session is that of sequences with full depth too, and forked for it. */
export function isShared(boundary: number, executor: StepExecutorOptions): boolean {
  const { config, routes } = executor;
  if (routes === undefined) return false;
  if (sharesAll(executor) || routes.adapter === null) return true;
  // What low-rank weights leave as it is is not held twice.
  return !changes(routes.adapter, boundary - 1, config) && !changes(routes.adapter, boundary, config);
}

/** Whether low-rank weights change anything in a layer, which need not exist. */
function changes({ modules }: LoraAdapter, layer: number, { layers }: DecoderConfig): boolean {
  if (layer < 0 || layer >= layers) return false;
  return LORA_TARGETS.some((target) => modules.has(loraWeightName(layer, target)));
}
