/** Byte strings one behind the other, each with its length in front: what a payload is made of. Bounded when read. */
import { fail } from "../../core/index.ts";

/** u32 length and bytes of each part, little-endian. */
export function joinSections(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** Views of exactly `count` parts that fill the bytes. @throws PunctualError invalid_file when they do not. */
export function splitSections(bytes: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length) fail("invalid_file", `section ${i}: expected it within ${bytes.length} bytes`);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (at !== bytes.length) fail("invalid_file", `expected ${count} sections of ${at} bytes, got ${bytes.length}`);
  return parts;
}

/** The upper half of an f32, rounded up in magnitude: a scale in two bytes that is never too small. */
export function packScale(scale: number): number {
  const bits = new Uint32Array(Float32Array.of(scale).buffer)[0]!;
  return bits % 65536 === 0 ? bits >>> 16 : (bits >>> 16) + 1;
}

/** A scale that was packed. Not finite only when the bytes were damaged. */
export function unpackScale(packed: number): number {
  return new Float32Array(Uint32Array.of(packed * 65536).buffer)[0]!;
}

/** Scales as two bytes each. */
export function scalesToBytes(scales: Uint16Array): Uint8Array {
  return new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
}

/** The other way; invalid_file unless there are `count` finite ones. */
export function bytesToScales(bytes: Uint8Array, count: number): Float32Array {
  if (bytes.length !== count * 2) fail("invalid_file", `expected ${count} scales, got ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    out[i] = unpackScale(view.getUint16(i * 2, true));
    if (!Number.isFinite(out[i])) fail("invalid_file", `scale ${i} is not finite`);
  }
  return out;
}
