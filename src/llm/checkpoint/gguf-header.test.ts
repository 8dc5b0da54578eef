import { describe, expect, it } from "vitest";
import { PunctualError } from "../../core/index.ts";
import { encodeGguf, GGML, type GgufEntry, type GgufTensorBytes } from "../../../test/support/gguf-file.ts";
import { GGUF_HEADER_BYTES_MAX, parseGguf } from "./gguf-header.ts";

const f32 = (name: string, ...dims: number[]): GgufTensorBytes => ({
  name,
  dims,
  type: GGML.F32,
  bytes: new Uint8Array(dims.reduce((a, b) => a * b, 4)),
});

const ENTRIES: readonly GgufEntry[] = [
  { key: "a.u8", type: "u8", value: 255 },
  { key: "a.i8", type: "i8", value: -128 },
  { key: "a.u16", type: "u16", value: 65535 },
  { key: "a.i16", type: "i16", value: -32768 },
  { key: "a.u32", type: "u32", value: 2 ** 32 - 1 },
  { key: "a.i32", type: "i32", value: -(2 ** 31) },
  { key: "a.f32", type: "f32", value: 0.5 },
  { key: "a.bool", type: "bool", value: true },
  { key: "a.string", type: "string", value: "\uFEFFnaïve \uFFFD 🦙" },
  { key: "a.u64", type: "u64", value: 2n ** 64n - 1n },
  { key: "a.i64", type: "i64", value: -5 },
  { key: "a.f64", type: "f64", value: 0.1 },
  { key: "a.strings", type: "string", value: ["", "x", "\uFEFF"] },
  { key: "a.floats", type: "f32", value: [1, 2.5] },
  { key: "a.none", type: "i32", value: [] },
];
const TENSORS = [f32("one", 3), f32("two", 2, 5), f32("three", 4, 3, 2)];

/** Code and field of the refusal of these bytes. */
function refusal(bytes: Uint8Array, fileBytes = bytes.length): string {
  try {
    return parseGguf(bytes, fileBytes) === null ? "more" : "accepted";
  } catch (error) {
    if (error instanceof PunctualError) return `${error.code} ${error.param}`;
    throw error;
  }
}

/** The file with the first occurrence of a tensor's name followed by its declaration changed by `edit`. */
function withDeclaration(name: string, edit: (view: DataView, at: number) => void, tensors = TENSORS): Buffer {
  const bytes = encodeGguf(ENTRIES, tensors);
  const at = bytes.indexOf(name) + name.length;
  edit(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at);
  return bytes;
}

describe("parseGguf", () => {
  it.each([2, 3])("reads version %i: every type of value, and where tensors lie", (version) => {
    const bytes = encodeGguf(ENTRIES, TENSORS, { version, alignment: 32 });
    const header = parseGguf(bytes, bytes.length)!;
    expect(header.version).toBe(version);
    expect([...header.metadata]).toEqual(ENTRIES.map(({ key, value }) => [key, value]));
    const start = bytes.length - 32 - 64 - 96; // 12, 40 and 96 bytes, each padded
    const places = Array.from(header.tensors.values(), ({ name, dims, begin, format }) => [
      name,
      dims,
      begin - start,
      format.name,
    ]);
    expect(places).toEqual([
      ["one", [3], 0, "F32"],
      ["two", [2, 5], 32, "F32"],
      ["three", [4, 3, 2], 96, "F32"],
    ]);
  });

  it("takes another alignment from the metadata", () => {
    const entry = (value: number): GgufEntry[] => [{ key: "general.alignment", type: "u32", value }];
    const bytes = encodeGguf(entry(64), TENSORS, { alignment: 64 });
    expect(parseGguf(bytes, bytes.length)!.tensors.get("two")!.begin % 64).toBe(0);
    for (const bad of [0, 7, 4, 48, 2 ** 17]) {
      expect(refusal(encodeGguf(entry(bad), []))).toBe("invalid_file general.alignment");
    }
    expect(refusal(encodeGguf([{ key: "general.alignment", type: "string", value: "32" }], []))).toBe(
      "invalid_file general.alignment",
    );
  });

  it("asks for more bytes until the head is whole, and never past the end of the file", () => {
    const bytes = encodeGguf(ENTRIES, TENSORS);
    const whole = parseGguf(bytes, bytes.length)!;
    const headEnd = whole.tensors.get("one")!.begin - 31;
    for (let length = 0; length < headEnd - 32; length++) {
      expect(refusal(bytes.subarray(0, length), bytes.length)).toBe("more");
      expect(refusal(bytes.subarray(0, length))).toMatch(/^invalid_file /);
    }
    expect(parseGguf(bytes.subarray(0, headEnd + 31), bytes.length)).toEqual(whole);
  });

  it("names the field that is wrong", () => {
    const bytes = encodeGguf(ENTRIES, TENSORS);
    const edited = (edit: (view: DataView) => void): string => {
      const copy = Uint8Array.from(bytes);
      edit(new DataView(copy.buffer));
      return refusal(copy);
    };
    expect(edited((view) => view.setUint8(0, 0))).toBe("invalid_file magic");
    expect(edited((view) => view.setUint32(4, 1, true))).toBe("unsupported version");
    expect(edited((view) => view.setUint32(4, 3, false))).toBe("unsupported version");
    expect(edited((view) => view.setUint32(4, 0, true))).toBe("unsupported version");
    expect(edited((view) => view.setBigUint64(8, 2n ** 64n - 1n, true))).toBe("invalid_file tensor_count");
    expect(edited((view) => view.setBigUint64(16, 2n ** 63n, true))).toBe("invalid_file metadata_kv_count");
    expect(edited((view) => view.setBigUint64(24, 2n ** 60n, true))).toBe("invalid_file metadata[0].key");
    expect(edited((view) => view.setUint32(24 + 8 + 4, 13, true))).toBe("invalid_file a.u8");
    expect(refusal(encodeGguf([ENTRIES[0]!, ENTRIES[0]!], []))).toBe("invalid_file a.u8");
    const flag = encodeGguf([{ key: "k", type: "bool", value: true }], []);
    flag[24 + 8 + 1 + 4] = 2;
    expect(refusal(flag)).toBe("invalid_file k");
    const text = encodeGguf([{ key: "k", type: "string", value: "ab" }], []);
    text[24 + 8 + 1 + 4 + 8] = 0xff;
    expect(refusal(text)).toBe("invalid_file k");
  });

  it("bounds lists before it reads them", () => {
    const list = encodeGguf([{ key: "k", type: "string", value: ["a"] }], []);
    const count = 24 + 8 + 1 + 4 + 4;
    const withCount = (value: bigint): Buffer => {
      const copy = Buffer.from(list);
      copy.writeBigUInt64LE(value, count);
      return copy;
    };
    expect(refusal(withCount(2n ** 62n))).toBe("invalid_file k");
    expect(refusal(withCount(1000n))).toBe("invalid_file k");
    const nested = Buffer.from(list);
    nested.writeUInt32LE(9, count - 4);
    expect(refusal(nested)).toBe("unsupported k");
    // A huge sparse file promises everything; the head still ends at its limit.
    const long = Buffer.from(list.subarray(0, count + 8));
    long.writeBigUInt64LE(2n ** 20n, count);
    expect(refusal(long, 2 ** 40)).toBe("more");
    expect(GGUF_HEADER_BYTES_MAX).toBeLessThanOrEqual(2 ** 26);
  });

  it("refuses tensors that overlap, leave holes, or do not fit", () => {
    const offsetAt = (rank: number): number => 4 + rank * 8 + 4;
    const place = (offset: bigint): string =>
      refusal(withDeclaration("two", (view, at) => view.setBigUint64(at + offsetAt(2), offset, true)));
    expect(place(32n)).toBe("accepted");
    expect(place(0n)).toBe("invalid_file two.offset");
    expect(place(16n)).toBe("invalid_file two.offset");
    expect(place(64n)).toMatch(/invalid_file (two|three).offset/);
    expect(place(2n ** 64n - 32n)).toBe("invalid_file two.offset");
    const size = (value: bigint): string =>
      refusal(withDeclaration("two", (view, at) => view.setBigUint64(at + 4, value, true)));
    for (const bad of [0n, 2n ** 60n, 2n ** 64n - 1n]) expect(size(bad)).toBe("invalid_file two.dims");
    expect(size(2n ** 40n)).toMatch(/^invalid_file (two|three).offset$/);
    const rank = (value: number): string =>
      refusal(withDeclaration("two", (view, at) => view.setUint32(at, value, true)));
    for (const bad of [0, 5, 2 ** 31]) expect(rank(bad)).toBe("invalid_file two.dims");
    expect(refusal(encodeGguf([], [f32("x", 8), f32("x", 8)]))).toBe("invalid_file x");
    expect(refusal(encodeGguf([], [f32("n".repeat(65), 8)]))).toBe("invalid_file tensor[0].name");
    const whole = encodeGguf(ENTRIES, TENSORS);
    expect(refusal(Buffer.concat([whole, Buffer.alloc(1)]))).toBe("invalid_file file_size");
    expect(refusal(whole.subarray(0, whole.length - 1))).toBe("invalid_file three.offset");
    // The padding after the last tensor may be missing.
    const odd = encodeGguf([], [f32("x", 3)]);
    expect(refusal(odd.subarray(0, odd.length - 20))).toBe("accepted");
    expect(refusal(odd.subarray(0, odd.length - 21))).toBe("invalid_file x.offset");
  });

  it("refuses types that it cannot read, and rows that are not whole blocks", () => {
    const type = (value: number): string =>
      refusal(withDeclaration("two", (view, at) => view.setUint32(at + 4 + 16, value, true)));
    for (const unknown of [4, 5, 9, 10, 11, 15, 16, 23, 24, 29, 35, 2 ** 32 - 1]) {
      expect(type(unknown)).toBe("unsupported two.type");
    }
    for (const blocks of [GGML.Q8_0, GGML.Q4_0, GGML.Q6_K]) expect(type(blocks)).toBe("invalid_file two.dims");
  });
});
