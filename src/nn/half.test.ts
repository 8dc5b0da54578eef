import { describe, expect, test } from "vitest";
import { bfloat16ToFloat32, float32ToHalf, halfToFloat32 } from "./half.ts";

/** The half number nearest to x, ties to even, by searching all finite halves: the slow twin. */
function nearestHalf(x: number, table: Float32Array): number {
  let best = 0;
  let bestError = Infinity;
  for (let bits = 0; bits < 0x7c00; bits++) {
    const error = Math.abs(table[bits]! - Math.abs(x));
    if (error < bestError || (error === bestError && (bits & 1) === 0)) {
      best = bits;
      bestError = error;
    }
  }
  return x < 0 || Object.is(x, -0) ? best | 0x8000 : best;
}

describe("half precision", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = halfToFloat32(all);

  test("every half number survives the way to float32 and back", () => {
    const back = float32ToHalf(values);
    for (let bits = 0; bits < 65536; bits++) {
      if (Number.isNaN(values[bits]!)) expect(back[bits]! & 0x7c00).toBe(0x7c00);
      else if (back[bits] !== bits) throw new Error(`half ${bits} came back as ${back[bits]}`);
    }
  });

  test("known values", () => {
    expect([...halfToFloat32(Uint16Array.of(0x3c00, 0x0001, 0x03ff, 0x7bff, 0xfc00))]).toEqual([
      1,
      2 ** -24,
      1023 * 2 ** -24,
      65504,
      -Infinity,
    ]);
    expect([...float32ToHalf(Float32Array.of(65519.99, 65520, 2 ** -25, 2 ** -25 * 1.01, NaN))]).toEqual([
      0x7bff, 0x7c00, 0, 1, 0x7e00,
    ]);
  });

  test("rounds to the nearest, ties to even, also where halves meet and below the normal range", () => {
    const samples: number[] = [];
    for (const bits of [0, 1, 2, 0x3ff, 0x400, 0x401, 0x3bff, 0x3c00, 0x3c01, 0x7bfe]) {
      const low = values[bits]!;
      const high = values[bits + 1]!;
      for (const part of [0.25, 0.5, 0.500001, 0.75])
        samples.push(low + (high - low) * part, -(low + (high - low) * part));
    }
    const floats = Float32Array.from(samples);
    const halves = float32ToHalf(floats);
    floats.forEach((value, i) => expect(halves[i]).toBe(nearestHalf(value, values)));
  });

  test("bfloat16 is the upper half of a float32", () => {
    expect([...bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc000, 0x7f80))]).toEqual([1, -2, Infinity]);
  });
});
