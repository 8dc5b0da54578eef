/**
 * CacheGen as in the paper (SIGCOMM 2024, section 5): tokens in groups of ten; the first of a group, its anchor, is
 * stored in 8 bits with a scale of its own; every other token stores its difference to the anchor (not to its
 * neighbour: all can be decoded at once) in bins whose width grows from the first third of the layers to the last. One
 * distribution per layer, channel and kind, profiled beforehand and shared by all contexts, so no table travels.
 *
 *     width = WIDTHS[third of the layer] x LEVEL_SCALES[level] x deviation of the channel
 *
 * A difference beyond the last bin has a symbol of its own and is written out, so that no error exceeds half a width.
 */
import type { EntropyCoder, LoadedTables } from "../../kernels/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { emptyPlanes, type Planes } from "./planes.ts";
import { largestAt, rowRuns } from "./released.ts";
import { bytesToScales, joinSections, packScale, scalesToBytes, splitSections, unpackScale } from "./sections.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";
import type { ProfiledTables } from "./tables.ts";

/** Tokens of a group, its anchor included. */
export const GROUP_TOKENS = 10;
/** Bin widths of the first, second and last third of the layers. */
const WIDTHS = [0.5, 1, 1.5] as const;
/** Scales of all widths, the finest level first. */
const LEVEL_SCALES = [0.5, 1, 2.25, 3.5] as const;
/** Levels of this variant, 0 the finest. */
export const ANCHORED_LEVELS = LEVEL_SCALES.length;

const ANCHOR_STEPS = 127;
/** Symbols of an anchor: -127 to 127. */
export const ANCHOR_SYMBOLS = 2 * ANCHOR_STEPS + 1;
const DELTA_STEPS = 16;
const ESCAPE = 2 * DELTA_STEPS + 1;
/** Symbols of a difference: -16 to 16, and one for all others. */
export const DELTA_SYMBOLS = ESCAPE + 1;
/** Steps that an escape can write out. */
const FARTHEST = 2 ** 28;

/** Profiled tables in a coder's memory. */
export interface LoadedProfile {
  readonly profile: ProfiledTables;
  readonly anchors: LoadedTables;
  /** By level. */
  readonly deltas: readonly LoadedTables[];
}

/** What a chunk is quantised to: symbols by plane, channel and token, anchors and differences apart. */
export interface AnchoredSymbols {
  readonly scales: Uint16Array;
  readonly anchors: Uint8Array;
  readonly deltas: Uint8Array;
  readonly escapes: Uint8Array;
}

/** Width of a channel's bins. */
function widthOf(shape: CacheShape, plane: number, deviation: number, level: number): number {
  const third = Math.min(2, Math.floor((3 * (plane >> 1)) / shape.layers));
  return WIDTHS[third]! * LEVEL_SCALES[level]! * deviation;
}

/** Quantises; `deviations` is one per plane and channel, above 0. */
export function quantiseAnchored(
  shape: CacheShape,
  deviations: Float32Array,
  planes: Planes,
  level: number,
): AnchoredSymbols {
  const { tokens } = planes;
  const channels = channelCount(shape);
  const groups = Math.ceil(tokens / GROUP_TOKENS);
  const rows = planeCount(shape) * channels;
  const scales = new Uint16Array(planeCount(shape) * groups);
  const anchors = new Uint8Array(rows * groups);
  const deltas = new Uint8Array(rows * (tokens - groups));
  const escapes = new BitWriter();
  let [nextAnchor, nextDelta] = [0, 0];
  for (let plane = 0; plane < planeCount(shape); plane++) {
    const data = planes.data[plane]!;
    const steps = anchorSteps(data, tokens, groups, scales.subarray(plane * groups, (plane + 1) * groups));
    for (let c = 0; c < channels; c++) {
      const width = widthOf(shape, plane, deviations[plane * channels + c]!, level);
      let anchor = 0;
      for (let t = 0; t < tokens; t++) {
        const x = data[c * tokens + t]!;
        if (t % GROUP_TOKENS === 0) {
          const step = steps[t / GROUP_TOKENS]!;
          const q = step > 0 ? Math.round(x / step) : 0;
          anchor = q * step;
          anchors[nextAnchor++] = q + ANCHOR_STEPS;
          continue;
        }
        const q = Math.max(-FARTHEST, Math.min(FARTHEST, Math.round((x - anchor) / width)));
        const isNear = q >= -DELTA_STEPS && q <= DELTA_STEPS;
        deltas[nextDelta++] = isNear ? q + DELTA_STEPS : ESCAPE;
        if (!isNear) escapes.signed(q);
      }
    }
  }
  return { scales, anchors, deltas, escapes: escapes.bytes() };
}

/** Packs a scale per anchor and answers the steps that follow from it. */
function anchorSteps(data: Float32Array, tokens: number, groups: number, packed: Uint16Array): Float64Array {
  return Float64Array.from({ length: groups }, (_, group) => {
    packed[group] = packScale(largestAt(data, group * GROUP_TOKENS, tokens));
    return unpackScale(packed[group]) / ANCHOR_STEPS;
  });
}

/** @param level 0 (finest) to ANCHORED_LEVELS - 1 */
export function encodeAnchored(
  coder: EntropyCoder,
  { profile, anchors, deltas }: LoadedProfile,
  shape: CacheShape,
  planes: Planes,
  level: number,
): Uint8Array<ArrayBuffer> {
  const symbols = quantiseAnchored(shape, profile.deviations, planes, level);
  const groups = Math.ceil(planes.tokens / GROUP_TOKENS);
  return joinSections([
    scalesToBytes(symbols.scales),
    coder.encode(anchors, symbols.anchors, rowRuns(shape, groups)),
    coder.encode(deltas[level]!, symbols.deltas, rowRuns(shape, planes.tokens - groups)),
    symbols.escapes,
  ]);
}

/** @throws PunctualError invalid_file for what encodeAnchored of this shape, level and so many tokens has not made. */
export function decodeAnchored(
  coder: EntropyCoder,
  loaded: LoadedProfile,
  shape: CacheShape,
  body: Uint8Array,
  tokens: number,
  level: number,
): Planes {
  const channels = channelCount(shape);
  const groups = Math.ceil(tokens / GROUP_TOKENS);
  const [scaleBytes, anchorBytes, deltaBytes, escapeBytes] = splitSections(body, 4) as Uint8Array[] as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const scales = bytesToScales(scaleBytes, planeCount(shape) * groups);
  const anchors = coder.decode(loaded.anchors, anchorBytes, rowRuns(shape, groups));
  const deltas = coder.decode(loaded.deltas[level]!, deltaBytes, rowRuns(shape, tokens - groups));
  const escapes = new BitReader(escapeBytes);
  const planes = emptyPlanes(shape, tokens);
  let [nextAnchor, nextDelta] = [0, 0];
  for (let plane = 0; plane < planeCount(shape); plane++) {
    const data = planes.data[plane]!;
    for (let c = 0; c < channels; c++) {
      const width = widthOf(shape, plane, loaded.profile.deviations[plane * channels + c]!, level);
      let anchor = 0;
      for (let t = 0; t < tokens; t++) {
        if (t % GROUP_TOKENS === 0) {
          const step = scales[plane * groups + t / GROUP_TOKENS]! / ANCHOR_STEPS;
          anchor = (anchors[nextAnchor++]! - ANCHOR_STEPS) * step;
          data[c * tokens + t] = anchor;
          continue;
        }
        const symbol = deltas[nextDelta++]!;
        const q = symbol === ESCAPE ? escapes.signed() : symbol - DELTA_STEPS;
        data[c * tokens + t] = anchor + q * width;
      }
    }
  }
  escapes.end();
  return planes;
}
