/**
 * What a codec must know of a cache: its shape, the bytes of its pages, and how its keys are turned by position. Both
 * sides have it of the model itself; a fingerprint says that it is the same model.
 */
import { kvLayerPlan } from "../../kernels/index.ts";
import {
  layerRope,
  ropeFrequencies,
  type DecoderConfig,
  type KvFormat,
  type RopeFrequencies,
} from "../../llm/index.ts";

/** Shape of a paged cache and of what lies in it. */
export interface CacheShape {
  /** Of the model: configuration, weights, cache format, page size. Chunks of another are refused. */
  readonly fingerprint: string;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly pageTokens: number;
  readonly format: KvFormat;
  /** Per layer how its keys are turned by position; null: they are not. */
  readonly rotations: readonly (RopeFrequencies | null)[];
}

/** Where things lie in a page, bytes; a page is `layers` such layers, one behind the other. */
export interface PageLayout {
  readonly layerBytes: number;
  readonly pageBytes: number;
  readonly valuesAt: number;
  readonly keyScalesAt: number;
  readonly valueScalesAt: number;
  /** Where scales end, or values where there are none: padding from here. */
  readonly dataEnd: number;
}

/** The shape of a model's cache. */
export function cacheShape(
  config: DecoderConfig,
  kv: { readonly format: KvFormat; readonly pageTokens: number },
  fingerprint: string,
): CacheShape {
  const { layers, kvHeads, headDim } = config;
  const rotations = Array.from({ length: layers }, (_, layer) => {
    const rope = layerRope(config, layer);
    return rope === "none" ? null : ropeFrequencies(config, rope);
  });
  return { fingerprint, layers, kvHeads, headDim, pageTokens: kv.pageTokens, format: kv.format, rotations };
}

/** Byte offsets of a page of that shape. */
export function pageLayout(shape: CacheShape): PageLayout {
  const { layerBytes, valuesAt, keyScalesAt, valueScalesAt } = kvLayerPlan(shape);
  const scaleBytes = shape.kvHeads * shape.pageTokens * 4;
  const dataEnd = shape.format === "int8" ? valueScalesAt + scaleBytes : keyScalesAt;
  return { layerBytes, pageBytes: layerBytes * shape.layers, valuesAt, keyScalesAt, valueScalesAt, dataEnd };
}

/** Numbers of a key or a value in one layer: all heads. */
export function channelCount(shape: CacheShape): number {
  return shape.kvHeads * shape.headDim;
}

/** Keys and values of all layers: plane 2 x layer holds keys, 2 x layer + 1 values. */
export function planeCount(shape: CacheShape): number {
  return 2 * shape.layers;
}

/** Bytes that a token takes in pages of int8 with a scale per head: what compressed sizes are compared with. */
export function int8TokenBytes(shape: CacheShape): number {
  return planeCount(shape) * shape.kvHeads * (shape.headDim + 4);
}
