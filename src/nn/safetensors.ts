/**
 * The safetensors format: eight bytes of header length, a JSON header naming each tensor's dtype, shape
 * and byte range, then the bytes, without holes or overlaps. A file is untrusted: sizes are checked
 * before anything is allocated, and each failure is `invalid_file` with the field in `param`.
 *
 * Not here: which tensors a model needs. https://huggingface.co/docs/safetensors
 */
import { open, type FileHandle } from "node:fs/promises";
import { fail } from "../core/index.ts";
import type { DType, TensorArray, TensorData } from "../graph/index.ts";
import { bfloat16ToFloat32, halfToFloat32 } from "./half.ts";

interface StoredType {
  readonly dtype: DType;
  readonly bytes: number;
  readonly view: (buffer: ArrayBuffer, offset: number, length: number) => TensorArray;
}

/** BF16 has no typed array: it is read as float32, and never written. */
const STORED: Readonly<Record<string, StoredType>> = {
  F64: { dtype: "float64", bytes: 8, view: (b, o, n) => new Float64Array(b, o, n) },
  F32: { dtype: "float32", bytes: 4, view: (b, o, n) => new Float32Array(b, o, n) },
  F16: { dtype: "float16", bytes: 2, view: (b, o, n) => new Uint16Array(b, o, n) },
  BF16: { dtype: "float32", bytes: 2, view: (b, o, n) => bfloat16ToFloat32(new Uint16Array(b, o, n)) },
  I64: { dtype: "int64", bytes: 8, view: (b, o, n) => new BigInt64Array(b, o, n) },
  I32: { dtype: "int32", bytes: 4, view: (b, o, n) => new Int32Array(b, o, n) },
  I8: { dtype: "int8", bytes: 1, view: (b, o, n) => new Int8Array(b, o, n) },
  U8: { dtype: "uint8", bytes: 1, view: (b, o, n) => new Uint8Array(b, o, n) },
  BOOL: { dtype: "bool", bytes: 1, view: (b, o, n) => new Uint8Array(b, o, n) },
};
const CODE_OF: Readonly<Record<DType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};
const PREFIX_BYTES = 8;
const HEADER_LIMIT = 64 * 1024 * 1024;
const RANK_LIMIT = 8;

/** Where one tensor lies in its file and how it is stored there. */
export interface SafetensorsEntry {
  readonly name: string;
  /** The format's own code, such as "F16" or "BF16". */
  readonly storedAs: string;
  readonly dims: readonly number[];
  /** Byte range in the file, end exclusive. */
  readonly begin: number;
  readonly end: number;
}

/**
 * What a file says of itself, checked: known types, sizes that fit, tensors that tile the data without hole or overlap.
 * `metadata` is empty where the file has none.
 */
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

function invalid(param: string, message: string): never {
  return fail("invalid_file", `safetensors: ${message}`, { param });
}

/** The header's length in bytes, from the first eight bytes of a file of `fileBytes`. */
function headerLength(prefix: Uint8Array, fileBytes: number): number {
  if (prefix.length < PREFIX_BYTES || fileBytes < PREFIX_BYTES) {
    invalid("header_length", `expected at least ${PREFIX_BYTES} bytes, got ${fileBytes}`);
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > Math.min(HEADER_LIMIT, fileBytes - PREFIX_BYTES)) {
    invalid("header_length", `header of ${length} bytes in a file of ${fileBytes}`);
  }
  return length;
}

/** Checks and reads a header; `json` is the header's bytes alone, `fileBytes` the size of the whole file. */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const fields = parseObject(json);
  const dataStart = PREFIX_BYTES + json.length;
  const entries: SafetensorsEntry[] = [];
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === "__metadata__") readMetadata(value, metadata);
    else entries.push(readEntry(name, value, dataStart));
  }
  checkCoverage(entries, dataStart, fileBytes);
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

function parseObject(json: Uint8Array): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    fail("invalid_file", "safetensors: the header is not JSON", { param: "header", cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    invalid("header", "the header is not a JSON object");
  }
  return parsed;
}

function readMetadata(value: unknown, into: Record<string, string>): void {
  if (typeof value !== "object" || value === null) invalid("__metadata__", "metadata is not an object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") invalid(`__metadata__.${key}`, "metadata values are strings");
    into[key] = text;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function readEntry(name: string, value: unknown, dataStart: number): SafetensorsEntry {
  if (typeof value !== "object" || value === null) invalid(name, `${name} is not an object`);
  const fields = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const { dtype, shape, data_offsets: offsets } = fields;
  if (typeof dtype !== "string" || !Object.hasOwn(STORED, dtype)) {
    invalid(
      `${name}.dtype`,
      `dtype of ${name} is ${JSON.stringify(dtype)}, expected one of ${Object.keys(STORED).join(", ")}`,
    );
  }
  if (!Array.isArray(shape) || shape.length > RANK_LIMIT || !shape.every(isCount)) {
    invalid(`${name}.shape`, `shape of ${name} must be at most ${RANK_LIMIT} sizes`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    invalid(`${name}.data_offsets`, `data_offsets of ${name} must be two byte offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const dims = shape as number[];
  const bytes = dims.reduce((product, size) => product * size, STORED[dtype]!.bytes);
  if (end - begin !== bytes) {
    invalid(`${name}.data_offsets`, `${name} needs ${bytes} bytes, its offsets span ${end - begin}`);
  }
  return { name, storedAs: dtype, dims, begin: dataStart + begin, end: dataStart + end };
}

/** The tensors tile the data exactly: no overlap, no hole, nothing after the last. */
function checkCoverage(entries: readonly SafetensorsEntry[], dataStart: number, fileBytes: number): void {
  let expected = dataStart;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== expected) invalid(`${name}.data_offsets`, `${name} starts at ${begin}, expected ${expected}`);
    expected = end;
  }
  if (expected !== fileBytes) invalid("file_size", `data ends at ${expected}, the file at ${fileBytes}`);
}

/** The tensor of an entry from its bytes, copied to an aligned buffer of its own. */
function tensorFrom(entry: SafetensorsEntry, bytes: Uint8Array): TensorData {
  const stored = STORED[entry.storedAs]!;
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  const data = stored.view(copy.buffer, 0, bytes.length / stored.bytes);
  return { dtype: stored.dtype, dims: entry.dims, data };
}

/** A whole file in memory -> its tensors by name, and its metadata. */
export function decodeSafetensors(file: Uint8Array): {
  tensors: Map<string, TensorData>;
  metadata: Readonly<Record<string, string>>;
} {
  const length = headerLength(file, file.length);
  const header = parseSafetensorsHeader(file.subarray(PREFIX_BYTES, PREFIX_BYTES + length), file.length);
  const tensors = new Map<string, TensorData>();
  for (const entry of header.entries.values()) {
    tensors.set(entry.name, tensorFrom(entry, file.subarray(entry.begin, entry.end)));
  }
  return { tensors, metadata: header.metadata };
}

/** Tensors by name -> the bytes of a file. Wider types come first, so that every tensor is aligned. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const widthOf = (tensor: TensorData): number => STORED[CODE_OF[tensor.dtype]]!.bytes;
  const ordered = [...tensors].toSorted(([, a], [, b]) => widthOf(b) - widthOf(a)); // stable: file order within a width
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, tensor] of ordered) {
    const end = offset + tensor.data.byteLength;
    header[name] = { dtype: CODE_OF[tensor.dtype], shape: tensor.dims, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text.padEnd(text.length + paddingFor(text), " "));
  const file = new Uint8Array(PREFIX_BYTES + json.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, PREFIX_BYTES);
  let at = PREFIX_BYTES + json.length;
  for (const [, { data }] of ordered) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** Spaces that make the header end on a multiple of eight bytes. */
function paddingFor(text: string): number {
  return (8 - (Buffer.byteLength(text) % 8)) % 8;
}

/** A float32 copy of a floating-point tensor; `invalid_file` for integers. */
export function asFloat32(name: string, tensor: TensorData): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  if (tensor.dtype === "float16" && tensor.data instanceof Uint16Array) return halfToFloat32(tensor.data);
  if (tensor.data instanceof Float64Array) return Float32Array.from(tensor.data);
  return invalid(`${name}.dtype`, `${name} holds ${tensor.dtype}, expected floating point`);
}

/** A file of which tensors are read one at a time, for weights larger than one wants in memory twice. */
export class SafetensorsFile implements AsyncDisposable {
  readonly header: SafetensorsHeader;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, header: SafetensorsHeader) {
    this.#handle = handle;
    this.header = header;
  }

  /** Opens and checks the header; the caller closes it. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      const prefix = await readExactly(handle, 0, Math.min(PREFIX_BYTES, size));
      const json = await readExactly(handle, PREFIX_BYTES, headerLength(prefix, size));
      return new SafetensorsFile(handle, parseSafetensorsHeader(json, size));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** One tensor; `invalid_file` when the file has none of that name. */
  async read(name: string): Promise<TensorData> {
    const entry = this.header.entries.get(name) ?? invalid(name, `there is no tensor ${name}`);
    return tensorFrom(entry, await readExactly(this.#handle, entry.begin, entry.end - entry.begin));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) invalid("file_size", `the file ended ${length - filled} bytes early`);
    filled += bytesRead;
  }
  return bytes;
}
