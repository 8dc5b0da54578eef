/**
 * Keys and values by what is known of them beforehand: whoever has a chunk has the ids of its tokens too, so that each
 * token's components are predicted from the mean that the same token had in the profile; what is left is quantised in
 * equal steps (quantiser.ts) and coded with distributions chosen by component and token. Nothing depends on another token:
 * all of a chunk's tokens can be decoded at once. Not in CacheGen, whose anchors stand for the prediction; levels are as
 * there.
 *
 *     component j of a block = sum over its channels i of matrix[i, j] (x[i] - mean[i]) / scale[i]
 *     residual = component - mean of that component for this token id,   symbol ~ residual / step of the level
 *     body = format (u8), CRC-32 of the token ids (u32) | payload of the entropy coder | escapes   (sections.ts)
 *
 * Here is the body; what is in it is made and read by a kernel, equal to the last bit to twin.ts.
 */
import { crc32 } from "node:zlib";
import { fail } from "../../core/index.ts";
import { PredictionKernel, type PredictionLevel } from "../../kernels/index.ts";
import { BitWriter } from "./bits.ts";
import {
  ESCAPE,
  MATRIX_UNIT,
  quarterPower,
  RESIDUAL_SYMBOLS,
  SIDE,
  SPREADS,
  STEP_LOGS,
  type PredictionTables,
} from "./prediction.ts";
import { Quantiser } from "./quantiser.ts";
import { joinSections, splitSections } from "./sections.ts";
import type { CacheShape } from "./shape.ts";

/** Of the body; another one is refused. */
const FORMAT = 1;

/** Tables in a kernel's memory. */
export interface LoadedPrediction {
  readonly tables: PredictionTables;
  readonly kernel: PredictionKernel;
}

/** Tokens of a chunk, and where it begins. */
export interface PredictedTokens {
  readonly tokenIds: readonly number[];
  readonly firstPosition: number;
}

/** Puts tables into a kernel. @throws PunctualError missing_dependency when the package is not built. */
export async function loadPrediction(shape: CacheShape, tables: PredictionTables): Promise<LoadedPrediction> {
  const quantiser = new Quantiser(tables);
  const kernel = await PredictionKernel.create({
    ...tables,
    layout: shape,
    rotations: shape.rotations,
    matrixUnit: MATRIX_UNIT,
    meanSteps: Float32Array.from(tables.meanLogs, quarterPower),
    ids: tables.ids.length,
    symbolBits: quantiser.bits,
    levels: STEP_LOGS.map((stepLog) => levelOf(quantiser, stepLog)),
  });
  return { tables, kernel };
}

function levelOf(quantiser: Quantiser, stepLog: number): PredictionLevel {
  const step = quarterPower(stepLog);
  const symbolValues = Float32Array.from({ length: SPREADS * RESIDUAL_SYMBOLS }, (_, i) => {
    const symbol = i % RESIDUAL_SYMBOLS;
    return symbol === ESCAPE ? 0 : quantiser.value(symbol - SIDE, Math.floor(i / RESIDUAL_SYMBOLS)) * step;
  });
  return { stepLog, step, symbolValues };
}

/** Places of token ids in the tables; the number of ids for those without. */
export function placesOf({ places, ids }: PredictionTables, tokenIds: ArrayLike<number>): Uint32Array {
  return Uint32Array.from(tokenIds, (id) => places.get(id) ?? ids.length);
}

function idsChecksum(tokenIds: ArrayLike<number>): number {
  return crc32(new Uint8Array(Uint32Array.from(tokenIds).buffer));
}

/** The body of a payload and of the steps that have no symbol. */
export function joinBody(
  tokenIds: readonly number[],
  payload: Uint8Array,
  escapes: Int32Array,
): Uint8Array<ArrayBuffer> {
  const head = new DataView(new ArrayBuffer(5));
  head.setUint8(0, FORMAT);
  head.setUint32(1, idsChecksum(tokenIds), true);
  const bits = new BitWriter();
  for (const steps of escapes) bits.signed(steps);
  return joinSections([new Uint8Array(head.buffer), payload, bits.bytes()]);
}

/** The other way. @throws PunctualError invalid_file for what is none, and for other tokens. */
export function splitBody(
  body: Uint8Array,
  tokenIds: readonly number[],
): { readonly payload: Uint8Array; readonly escapes: Uint8Array } {
  const [head, payload, escapes] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
  if (head.length !== 5 || head[0] !== FORMAT) fail("invalid_file", `expected predicted chunks of format ${FORMAT}`);
  const sum = new DataView(head.buffer, head.byteOffset).getUint32(1, true);
  if (sum !== idsChecksum(tokenIds)) fail("invalid_file", "expected the token ids that the chunk was made with");
  return { payload, escapes };
}

/**
 * @param pages whole ones of the shape that the tables were loaded for
 * @param level 0 (finest) to PREDICTED_LEVELS - 1
 * @throws PunctualError invalid_request for numbers that are not finite.
 */
export function encodePredicted(
  { tables, kernel }: LoadedPrediction,
  pages: Uint8Array,
  { tokenIds, firstPosition }: PredictedTokens,
  level: number,
): Uint8Array<ArrayBuffer> {
  const places = placesOf(tables, tokenIds);
  const { payload, escapes } = kernel.encode({ pages, tokens: tokenIds.length, firstPosition, places }, level);
  return joinBody(tokenIds, payload, escapes);
}

/**
 * Whole pages, as if keys began at `firstPosition`.
 * @throws PunctualError invalid_file for what encodePredicted of this shape, level and these tokens has not made.
 */
export function decodePredicted(
  { tables, kernel }: LoadedPrediction,
  body: Uint8Array,
  { tokenIds, firstPosition }: PredictedTokens,
  level: number,
): Uint8Array<ArrayBuffer> {
  const places = placesOf(tables, tokenIds);
  return kernel.decode({ ...splitBody(body, tokenIds), tokens: tokenIds.length, firstPosition, places }, level);
}
