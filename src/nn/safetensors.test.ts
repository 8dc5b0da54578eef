import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import { asFloat32, decodeSafetensors, encodeSafetensors, SafetensorsFile } from "./safetensors.ts";

const sample = new Map<string, TensorData>([
  ["a", { dtype: "float16", dims: [3], data: Uint16Array.of(0x3c00, 0xc000, 0) }],
  ["b", { dtype: "float32", dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ["c", { dtype: "int64", dims: [1], data: BigInt64Array.of(-5n) }],
  ["d", { dtype: "uint8", dims: [0, 7], data: new Uint8Array(0) }],
  ["e", { dtype: "bool", dims: [], data: Uint8Array.of(1) }],
]);

function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  return file;
}

function paramOf(file: Uint8Array): string | null {
  try {
    decodeSafetensors(file);
  } catch (error) {
    if (error instanceof PunctualError && error.code === "invalid_file") return error.param;
    throw error;
  }
  return "(accepted)";
}

describe("safetensors", () => {
  test("what is written is read", () => {
    const { tensors, metadata } = decodeSafetensors(encodeSafetensors(sample, { format: "pt" }));
    expect(metadata).toEqual({ format: "pt" });
    for (const [name, tensor] of sample) expect(tensors.get(name)).toEqual(tensor);
    expect([...asFloat32("a", tensors.get("a")!)]).toEqual([1, -2, 0]);
  });

  test("tensors lie at multiples of their width, whatever the order", () => {
    const file = encodeSafetensors(sample);
    const headerBytes = new DataView(file.buffer).getUint32(0, true);
    expect(headerBytes % 8).toBe(0);
  });

  test("a broken header is named by its field", () => {
    const entry = (fields: object): Uint8Array =>
      fileOf({ w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } }, 8);
    expect(paramOf(entry({}))).toBe("(accepted)");
    expect(paramOf(new Uint8Array(4))).toBe("header_length");
    expect(paramOf(fileOf("{}", 0).fill(255, 0, 8))).toBe("header_length");
    expect(paramOf(fileOf("{", 0))).toBe("header");
    expect(paramOf(fileOf([1], 0))).toBe("header");
    expect(paramOf(fileOf({ __metadata__: { a: 1 } }, 0))).toBe("__metadata__.a");
    expect(paramOf(entry({ dtype: "F7" }))).toBe("w.dtype");
    expect(paramOf(entry({ dtype: "toString" }))).toBe("w.dtype");
    expect(paramOf(entry({ shape: [-2] }))).toBe("w.shape");
    expect(paramOf(entry({ shape: [1e308, 1e308] }))).toBe("w.shape");
    expect(paramOf(entry({ data_offsets: [0, 9] }))).toBe("w.data_offsets");
    expect(paramOf(entry({ data_offsets: [8, 0] }))).toBe("w.data_offsets");
    expect(paramOf(entry({ data_offsets: [4, 12] }))).toBe("w.data_offsets");
    const two = (begin: number): Uint8Array =>
      fileOf(
        {
          v: { dtype: "F32", shape: [1], data_offsets: [begin, begin + 4] },
          w: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
        },
        8,
      );
    expect(paramOf(two(4))).toBe("(accepted)");
    expect(paramOf(two(2))).toBe("v.data_offsets");
    expect(paramOf(two(5))).toBe("v.data_offsets");
    expect(paramOf(fileOf({ w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, 8))).toBe("file_size");
  });

  test("a damaged file is read or refused, never anything else", () => {
    const whole = encodeSafetensors(sample, { note: "x" });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        (changes, keep) => {
          const damaged = whole.slice(0, keep % 3 === 0 ? keep : whole.length);
          for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
          paramOf(damaged);
        },
      ),
      { seed: 7, numRuns: 400 },
    );
  });

  test("tensors are read one at a time from a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "punctual-"));
    try {
      const path = join(folder, "x.safetensors");
      await writeFile(path, encodeSafetensors(sample));
      await using file = await SafetensorsFile.open(path);
      expect([...file.header.entries.keys()].toSorted()).toEqual(["a", "b", "c", "d", "e"]);
      for (const [name, tensor] of sample) expect(await file.read(name)).toEqual(tensor);
      await expect(file.read("nothing")).rejects.toMatchObject({ code: "invalid_file", param: "nothing" });
      await writeFile(path, encodeSafetensors(sample).subarray(0, 40));
      await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ code: "invalid_file" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
