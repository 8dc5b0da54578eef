/** From what routers say of a prompt to the layers that its answer goes through. Pure. */
import { assert } from "../../core/index.ts";
import type { Router } from "./route-set.ts";

/** How much of the model an answer may use: all of it, that share of its layers, or what the routers keep. */
export type Compute = "full" | "auto" | number;

/** By layer: 1 kept, 0 left out. Never changed after its sequence's first token. */
export type LayerMask = Uint8Array;

/** A router keeps its layer from here on. */
const THRESHOLD = 0.5;

/** The logistic function. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/**
 * The layers to keep. A share is met by the layers that their routers would rather keep, ties to the earlier; those without a router
 * are always kept, so that a small share may come out larger.
 * @param probabilities one per layer; those of layers without a router do not count
 */
export function decideMask(
  probabilities: ArrayLike<number>,
  routers: readonly (Router | null)[],
  compute: Compute,
): LayerMask {
  const mask = new Uint8Array(routers.length).fill(1);
  if (compute === "full") return mask;
  const routable = routers.flatMap((router, layer) => (router === null ? [] : [layer]));
  if (compute === "auto") {
    for (const layer of routable) mask[layer] = probabilities[layer]! >= THRESHOLD ? 1 : 0;
    return mask;
  }
  assert(compute > 0 && compute <= 1, "a share of the layers");
  // A hair below: 0.75 of 12 layers is 9, whatever 0.75 * 12 comes to.
  const wanted = Math.ceil(compute * routers.length - 1e-9) - (routers.length - routable.length);
  const ranked = routable.toSorted((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  for (const layer of ranked.slice(Math.max(0, wanted))) mask[layer] = 0;
  return mask;
}

/** The mask of the layers that are listed. */
export function maskOf(layers: number, kept: Iterable<number>): LayerMask {
  const mask = new Uint8Array(layers);
  for (const layer of kept) mask[layer] = 1;
  return mask;
}

/** Layers kept. */
export function keptLayers(mask: LayerMask): number {
  return mask.reduce((sum, bit) => sum + bit, 0);
}
