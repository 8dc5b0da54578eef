/**
 * Pages as planes of numbers and back: plane p, channel c, token t at c x tokens + t, for p as `planeCount` says. Keys
 * are turned back to position 0 on the way out (CacheGen codes keys before their rotation: neighbours are alike only
 * then) and turned on to their positions on the way in, which may be others. int8 pages are widened and quantised again.
 *
 * Exact only as far as floats go: whoever needs the stored bytes codes those (lossless.ts).
 */
import { assert } from "../../core/index.ts";
import type { RopeFrequencies } from "../../llm/index.ts";
import { channelCount, pageLayout, planeCount, type CacheShape, type PageLayout } from "./shape.ts";

/** Keys before rotation, and values, of so many tokens. */
export interface Planes {
  readonly tokens: number;
  /** [planeCount] of [channels x tokens]. */
  readonly data: readonly Float32Array[];
}

/** Zeros. */
export function emptyPlanes(shape: CacheShape, tokens: number): Planes {
  const floats = channelCount(shape) * tokens;
  return { tokens, data: Array.from({ length: planeCount(shape) }, () => new Float32Array(floats)) };
}

/**
 * The first `tokens` tokens of consecutive pages.
 * @param bytes whole pages, as stored
 * @param firstPosition position of the first token
 */
export function pagesToPlanes(shape: CacheShape, bytes: Uint8Array, tokens: number, firstPosition: number): Planes {
  const layout = pageLayout(shape);
  assert(tokens <= (bytes.length / layout.pageBytes) * shape.pageTokens, "tokens are within their pages");
  const planes = emptyPlanes(shape, tokens);
  const source = aligned(bytes);
  for (let plane = 0; plane < planes.data.length; plane++) {
    const out = planes.data[plane]!;
    for (let head = 0; head < shape.kvHeads; head++) {
      for (let t = 0; t < tokens; t++) readRow(shape, layout, source, plane, head, t, out, tokens);
    }
    if (plane % 2 === 0) turn(shape, shape.rotations[plane / 2] ?? null, out, tokens, firstPosition, -1);
  }
  return planes;
}

/** Whole pages that hold the planes from `firstPosition` on; what is behind the last token is zero. */
export function planesToPages(shape: CacheShape, planes: Planes, firstPosition: number): Uint8Array<ArrayBuffer> {
  const layout = pageLayout(shape);
  const { tokens } = planes;
  const bytes = new Uint8Array(Math.ceil(tokens / shape.pageTokens) * layout.pageBytes);
  for (let plane = 0; plane < planes.data.length; plane++) {
    const rotation = plane % 2 === 0 ? (shape.rotations[plane / 2] ?? null) : null;
    const rows = rotation === null ? planes.data[plane]! : planes.data[plane]!.slice();
    turn(shape, rotation, rows, tokens, firstPosition, 1);
    for (let head = 0; head < shape.kvHeads; head++) {
      for (let t = 0; t < tokens; t++) writeRow(shape, layout, bytes, plane, head, t, rows, tokens);
    }
  }
  return bytes;
}

/** Float32Array wants addresses that are multiples of four. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
}

interface Place {
  /** Byte address of the row. */
  readonly rowAt: number;
  /** Byte address of its scale, of int8. */
  readonly scaleAt: number;
}

function placeOf(shape: CacheShape, layout: PageLayout, plane: number, head: number, t: number): Place {
  const isValue = plane % 2 === 1;
  const page = Math.floor(t / shape.pageTokens);
  const row = head * shape.pageTokens + (t % shape.pageTokens);
  const layerAt = page * layout.pageBytes + (plane >> 1) * layout.layerBytes;
  return {
    rowAt: layerAt + (isValue ? layout.valuesAt : 0) + row * shape.headDim * (shape.format === "f32" ? 4 : 1),
    scaleAt: layerAt + (isValue ? layout.valueScalesAt : layout.keyScalesAt) + row * 4,
  };
}

function readRow(
  shape: CacheShape,
  layout: PageLayout,
  bytes: Uint8Array,
  plane: number,
  head: number,
  t: number,
  out: Float32Array,
  tokens: number,
): void {
  const { headDim } = shape;
  const { rowAt, scaleAt } = placeOf(shape, layout, plane, head, t);
  const at = bytes.byteOffset + rowAt;
  const to = head * headDim * tokens + t;
  if (shape.format === "f32") {
    const row = new Float32Array(bytes.buffer, at, headDim);
    for (let d = 0; d < headDim; d++) out[to + d * tokens] = row[d]!;
    return;
  }
  const row = new Int8Array(bytes.buffer, at, headDim);
  const scale = new Float32Array(bytes.buffer, bytes.byteOffset + scaleAt, 1)[0]!;
  for (let d = 0; d < headDim; d++) out[to + d * tokens] = row[d]! * scale;
}

function writeRow(
  shape: CacheShape,
  layout: PageLayout,
  bytes: Uint8Array<ArrayBuffer>,
  plane: number,
  head: number,
  t: number,
  rows: Float32Array,
  tokens: number,
): void {
  const { headDim } = shape;
  const { rowAt, scaleAt } = placeOf(shape, layout, plane, head, t);
  const from = head * headDim * tokens + t;
  if (shape.format === "f32") {
    const row = new Float32Array(bytes.buffer, rowAt, headDim);
    for (let d = 0; d < headDim; d++) row[d] = rows[from + d * tokens]!;
    return;
  }
  // As the kernel quantises: scale = largest / 127, ties to even.
  let largest = 0;
  for (let d = 0; d < headDim; d++) largest = Math.max(largest, Math.abs(rows[from + d * tokens]!));
  new Float32Array(bytes.buffer, scaleAt, 1)[0] = largest / 127;
  const factor = Math.fround(largest > 0 ? 127 / largest : 0);
  const row = new Int8Array(bytes.buffer, rowAt, headDim);
  for (let d = 0; d < headDim; d++) row[d] = roundHalfEven(Math.fround(rows[from + d * tokens]! * factor));
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Turns keys in place by their positions: `direction` 1 as the model does, -1 back. */
function turn(
  shape: CacheShape,
  rotation: RopeFrequencies | null,
  rows: Float32Array,
  tokens: number,
  firstPosition: number,
  direction: 1 | -1,
): void {
  if (rotation === null) return;
  const half = shape.headDim / 2;
  // A model that scales its rotated keys (yarn) has them scaled back.
  const factor = direction === 1 ? rotation.factor : 1 / rotation.factor;
  for (let pair = 0; pair < half; pair++) {
    const frequency = rotation.perPosition[pair]!;
    for (let t = 0; t < tokens; t++) {
      const angle = direction * (firstPosition + t) * frequency;
      const [cos, sin] = [factor * Math.cos(angle), factor * Math.sin(angle)];
      for (let head = 0; head < shape.kvHeads; head++) {
        const first = (head * shape.headDim + pair) * tokens + t;
        const second = first + half * tokens;
        const [x, y] = [rows[first]!, rows[second]!];
        rows[first] = x * cos - y * sin;
        rows[second] = y * cos + x * sin;
      }
    }
  }
}
