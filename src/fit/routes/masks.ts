/**
 * Which layers to keep, by other means than routers: what routes are compared with. Each keeps the same number of layers.
 *
 *   unified     at regular intervals, the first and the last among them (Unified Layer Skipping)
 *   random      another draw for every prompt
 *   shortgpt    those that change their input most, by one minus the cosine (ShortGPT, block influence), for all prompts
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { isRoutable, maskOf, type DecoderConfig, type LayerMask, type ProtectedLayers } from "../../llm/index.ts";

/** Names of the baselines, and of depth unchanged. */
export const ROUTE_BASELINES = ["lora-only", "unified", "random", "shortgpt"] as const;
/** One of ROUTE_BASELINES. */
export type RouteBaseline = (typeof ROUTE_BASELINES)[number];

/** `kept` of the layers at regular intervals. */
export function unifiedMask(layers: number, kept: number): LayerMask {
  assert(kept >= 2 && kept <= layers, "the first and the last layer are kept");
  return maskOf(
    layers,
    Array.from({ length: kept }, (_, j) => Math.round((j * (layers - 1)) / (kept - 1))),
  );
}

/** `kept` of the layers by lot, the protected ones always. */
export function randomMask(
  config: DecoderConfig,
  always: ProtectedLayers,
  kept: number,
  random: RandomStream,
): LayerMask {
  const ranks = Array.from({ length: config.layers }, () => random.uniform());
  return bestMask(config, always, kept, ranks);
}

/** `kept` of the layers with the largest scores, the protected ones always. @param scores one a layer */
export function bestMask(
  config: DecoderConfig,
  always: ProtectedLayers,
  kept: number,
  scores: ArrayLike<number>,
): LayerMask {
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  const fixed = layers.filter((layer) => !isRoutable(config, always, layer));
  const free = layers
    .filter((layer) => isRoutable(config, always, layer))
    .toSorted((a, b) => scores[b]! - scores[a]! || a - b);
  return maskOf(config.layers, [...fixed, ...free.slice(0, Math.max(0, kept - fixed.length))]);
}

/** One minus the cosine of two rows. */
export function influence(before: Float32Array, after: Float32Array): number {
  let dot = 0;
  let a = 0;
  let b = 0;
  for (let i = 0; i < before.length; i++) {
    dot += before[i]! * after[i]!;
    a += before[i]! ** 2;
    b += after[i]! ** 2;
  }
  return 1 - dot / Math.max(1e-12, Math.sqrt(a * b));
}
