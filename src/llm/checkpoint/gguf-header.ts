/**
 * The head of a GGUF file: metadata, and where each tensor lies. A file is untrusted: counts and lengths are held
 * against limits and against the size of the file before anything is made of them, the tensors must tile the
 * data, and each failure names the field. Versions 2 and 3, little-endian.
 *
 * Not here: what metadata means (gguf-config.ts) and block contents (blocks.ts).
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { fail } from "../../core/index.ts";
import { BLOCK_FORMATS, type BlockFormat } from "./blocks.ts";

/** Integers beyond 2^53 stay bigint. */
export type GgufValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[];

/** Where a tensor lies. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major, the contiguous one last: the reverse of the file's order. */
  readonly dims: readonly number[];
  readonly format: BlockFormat;
  /** First byte in the file. */
  readonly begin: number;
}

/** A checked head. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Longest head; a vocabulary of 262,144 pieces with its merges takes about a tenth of it. */
export const GGUF_HEADER_BYTES_MAX = 64 * 2 ** 20;
const MAGIC = 0x46554747; // "GGUF"
const VERSIONS = [2, 3];
const COUNT_MAX = 2 ** 16;
/** Items of all lists together; a vocabulary of 262,144 pieces has a third of that. */
const ITEMS_MAX = 2 ** 22;
const STRING_BYTES_MAX = 4 * 2 ** 20;
const KEY_BYTES_MAX = 2 ** 16 - 1;
const NAME_BYTES_MAX = 64;
const RANK_MAX = 4;
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 2 ** 16;

/** ggml's numbers of the formats that can be read. */
const FORMATS: ReadonlyMap<number, BlockFormat> = new Map([
  [0, BLOCK_FORMATS.F32],
  [1, BLOCK_FORMATS.F16],
  [2, BLOCK_FORMATS.Q4_0],
  [3, BLOCK_FORMATS.Q4_1],
  [6, BLOCK_FORMATS.Q5_0],
  [7, BLOCK_FORMATS.Q5_1],
  [8, BLOCK_FORMATS.Q8_0],
  [12, BLOCK_FORMATS.Q4_K],
  [13, BLOCK_FORMATS.Q5_K],
  [14, BLOCK_FORMATS.Q6_K],
  [28, BLOCK_FORMATS.F64],
  [30, BLOCK_FORMATS.BF16],
]);

function invalid(param: string, message: string): never {
  return fail("invalid_file", `gguf: ${message}`, { param });
}

/** Thrown inside, caught in parseGguf: the head goes on after the bytes that are there. */
class MoreNeeded extends Error {}

/** Reads forward over the first bytes of a file; knows how long the whole file is. */
class Cursor {
  at = 0;
  /** Items of lists read so far. */
  items = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #fileBytes: number;

  constructor(bytes: Uint8Array, fileBytes: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fileBytes = fileBytes;
  }

  /** Moves on over `count` bytes and returns where they start. */
  take(count: number, param: string): number {
    const end = this.at + count;
    if (end > this.#fileBytes) {
      invalid(param, `${param} needs ${count} bytes at ${this.at}, the file has ${this.#fileBytes}`);
    }
    if (end > GGUF_HEADER_BYTES_MAX) {
      invalid(param, `${param} lies beyond the first ${GGUF_HEADER_BYTES_MAX} bytes, which the head must fit into`);
    }
    if (end > this.#bytes.length) throw new MoreNeeded();
    const start = this.at;
    this.at = end;
    return start;
  }

  u32(param: string): number {
    return this.#view.getUint32(this.take(4, param), true);
  }

  u64(param: string): number | bigint {
    return safe(this.#view.getBigUint64(this.take(8, param), true));
  }

  /** A count or length up to `limit`. */
  count(param: string, limit: number): number {
    const value = this.u64(param);
    if (value > limit) invalid(param, `${param} is ${value}, at most ${limit} is accepted`);
    return Number(value);
  }

  string(param: string, limit: number): string {
    const length = this.count(param, limit);
    const start = this.take(length, param);
    const text = this.#bytes.toString("utf8", start, start + length);
    // The fast decoder replaces what is broken; only a text with a replacement in it can have been broken.
    if (text.includes("\uFFFD") && !isUtf8(this.#bytes.subarray(start, start + length))) {
      invalid(param, `${param} is not UTF-8`);
    }
    return text;
  }

  scalar(type: number, param: string): number | bigint | boolean | string {
    const view = this.#view;
    const need = (bytes: number): number => this.take(bytes, param);
    switch (type) {
      case 0:
        return view.getUint8(need(1));
      case 1:
        return view.getInt8(need(1));
      case 2:
        return view.getUint16(need(2), true);
      case 3:
        return view.getInt16(need(2), true);
      case 4:
        return view.getUint32(need(4), true);
      case 5:
        return view.getInt32(need(4), true);
      case 6:
        return view.getFloat32(need(4), true);
      case 7: {
        const value = view.getUint8(need(1));
        return value > 1 ? invalid(param, `${param} is a truth value of ${value}`) : value === 1;
      }
      case 8:
        return this.string(param, STRING_BYTES_MAX);
      case 10:
        return safe(view.getBigUint64(need(8), true));
      case 11:
        return safe(view.getBigInt64(need(8), true));
      case 12:
        return view.getFloat64(need(8), true);
      default:
        return invalid(param, `${param} has value type ${type}, expected 0..12`);
    }
  }
}

const ARRAY_TYPE = 9;
/** Least bytes of one value, by type; strings have at least their length. */
const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8];

const safe = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/**
 * The head from the first bytes of a file, or null when these are too few: come again with more. At most
 * GGUF_HEADER_BYTES_MAX are ever needed. @throws PunctualError invalid_file, unsupported.
 */
export function parseGguf(bytes: Uint8Array, fileBytes: number): GgufHeader | null {
  try {
    return readHeader(new Cursor(bytes, fileBytes), fileBytes);
  } catch (error) {
    if (error instanceof MoreNeeded) return null;
    throw error;
  }
}

function readHeader(cursor: Cursor, fileBytes: number): GgufHeader {
  if (cursor.u32("magic") !== MAGIC) invalid("magic", "the file does not start with GGUF");
  const version = cursor.u32("version");
  if (!VERSIONS.includes(version)) {
    const why = version !== 0 && (version & 0xffff) === 0 ? "big-endian" : `version ${version}`;
    fail("unsupported", `gguf: the file is ${why}; little-endian 2 and 3 can be read`, { param: "version" });
  }
  const tensorCount = cursor.count("tensor_count", COUNT_MAX);
  const entryCount = cursor.count("metadata_kv_count", COUNT_MAX);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.string(`metadata[${i}].key`, KEY_BYTES_MAX);
    if (metadata.has(key)) invalid(key, `${key} occurs twice`);
    metadata.set(key, readValue(cursor, key, fileBytes));
  }
  const declared = Array.from({ length: tensorCount }, (_, i) => readTensor(cursor, i));
  return { version, metadata, tensors: placeTensors(declared, cursor.at, alignmentOf(metadata), fileBytes) };
}

function readValue(cursor: Cursor, key: string, fileBytes: number): GgufValue {
  const type = cursor.u32(key);
  if (type !== ARRAY_TYPE) return cursor.scalar(type, key);
  const itemType = cursor.u32(key);
  if (itemType === ARRAY_TYPE) fail("unsupported", `gguf: ${key} is a list of lists`, { param: key });
  const count = cursor.count(key, ITEMS_MAX - cursor.items);
  cursor.items += count;
  const least = (SCALAR_BYTES[itemType] ?? 0) * count;
  if (cursor.at + least > fileBytes) invalid(key, `${key} has ${count} items, more than the file can hold`);
  const items: (number | bigint | boolean | string)[] = [];
  for (let i = 0; i < count; i++) items.push(cursor.scalar(itemType, key));
  return items;
}

interface DeclaredTensor extends Omit<GgufTensor, "begin"> {
  /** From the start of the data. */
  readonly offset: number;
  readonly bytes: number;
}

function readTensor(cursor: Cursor, index: number): DeclaredTensor {
  const name = cursor.string(`tensor[${index}].name`, NAME_BYTES_MAX);
  const rank = cursor.u32(`${name}.dims`);
  if (rank < 1 || rank > RANK_MAX) invalid(`${name}.dims`, `${name} has ${rank} dimensions, expected 1 to ${RANK_MAX}`);
  const dims: number[] = [];
  let elements = 1;
  for (let axis = 0; axis < rank; axis++) {
    const size = Number(cursor.u64(`${name}.dims`));
    elements *= size;
    if (size < 1 || !Number.isSafeInteger(elements * 8)) {
      invalid(`${name}.dims`, `${name} has a dimension of ${size}, or too many elements`);
    }
    dims.unshift(size);
  }
  const type = cursor.u32(`${name}.type`);
  const format = FORMATS.get(type);
  if (format === undefined) {
    const known = [...FORMATS.values()].map((one) => one.name).join(", ");
    fail("unsupported", `gguf: ${name} is stored as ggml type ${type}; readable are ${known}`, {
      param: `${name}.type`,
    });
  }
  if (dims.at(-1)! % format.elements !== 0) {
    invalid(`${name}.dims`, `rows of ${name} have ${dims.at(-1)} elements, not whole blocks of ${format.elements}`);
  }
  const offset = cursor.u64(`${name}.offset`);
  if (typeof offset === "bigint") invalid(`${name}.offset`, `${name} starts at ${offset}, beyond any file`);
  return { name, dims, format, offset, bytes: (elements / format.elements) * format.bytes };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const key = "general.alignment";
  const value = metadata.get(key) ?? ALIGNMENT_DEFAULT;
  if (typeof value !== "number" || value < 8 || value > ALIGNMENT_MAX || !Number.isInteger(Math.log2(value))) {
    invalid(key, `${key} must be a power of two in 8..${ALIGNMENT_MAX}`);
  }
  return value;
}

/** The tensors tile the data, each padded to the alignment: no overlap, no hole, nothing after the last. */
function placeTensors(
  declared: readonly DeclaredTensor[],
  headerEnd: number,
  alignment: number,
  fileBytes: number,
): Map<string, GgufTensor> {
  const aligned = (position: number): number => Math.ceil(position / alignment) * alignment;
  const dataStart = aligned(headerEnd);
  const tensors = new Map<string, GgufTensor>();
  for (const { name, dims, format, offset } of declared) {
    if (tensors.has(name)) invalid(name, `there are two tensors ${name}`);
    tensors.set(name, { name, dims, format, begin: dataStart + offset });
  }
  let expected = dataStart;
  let end = headerEnd;
  for (const { name, offset, bytes } of declared.toSorted((a, b) => a.offset - b.offset)) {
    const begin = dataStart + offset;
    if (begin !== expected) invalid(`${name}.offset`, `${name} starts at ${begin}, expected ${expected}`);
    end = begin + bytes;
    if (end > fileBytes) invalid(`${name}.offset`, `${name} ends at ${end}, the file at ${fileBytes}`);
    expected = aligned(end);
  }
  if (fileBytes > expected) invalid("file_size", `data ends at ${end}, the file at ${fileBytes}`);
  return tensors;
}
