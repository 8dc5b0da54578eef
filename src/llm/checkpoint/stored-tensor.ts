/**
 * A tensor in a file: where it lies, how it is stored, and reading it: widened to float32, or, for the two formats
 * whose blocks MatMulNBits computes with, as codes and scales. Memory beyond the result is one chunk.
 *
 *   Q4_0 block: half d, nibble j of byte i is element i + 16 j    ->  codes: nibble j of byte i is element 2 i + j
 *   Q8_0 block: half d, int8                                      ->  codes: uint8, 128 more
 */
import { fail } from "../../core/index.ts";
import type { PackedWeights } from "../../graph/index.ts";
import { BLOCK_FORMATS, halfTable, type BlockFormat } from "./blocks.ts";
import type { WeightFile } from "./weight-file.ts";

/** One tensor of an open file; `begin` is its first byte there. */
export interface StoredTensor {
  /** As the file has it. */
  readonly name: string;
  /** Row-major: the last one is contiguous. Its blocks divide it. */
  readonly dims: readonly number[];
  readonly format: BlockFormat;
  readonly file: WeightFile;
  readonly begin: number;
}

const CHUNK_BYTES = 4 * 2 ** 20;

const product = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);

/** Calls `visit` with consecutive whole blocks; the array is the same one each time. */
function forEachChunk(tensor: StoredTensor, visit: (bytes: Uint8Array, firstBlock: number) => void): void {
  const { format, file, begin } = tensor;
  const blocks = product(tensor.dims) / format.elements;
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / format.bytes));
  const chunk = new Uint8Array(Math.min(blocks, perChunk) * format.bytes);
  for (let first = 0; first < blocks; first += perChunk) {
    const bytes = chunk.subarray(0, Math.min(perChunk, blocks - first) * format.bytes);
    file.readInto(bytes, begin + first * format.bytes);
    visit(bytes, first);
  }
}

function allocate<T>(tensor: StoredTensor, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    return fail("out_of_memory", `there is no memory for weight ${tensor.name} [${tensor.dims.join(", ")}]`, {
      param: tensor.name,
      cause,
    });
  }
}

/** All elements, widened. @throws PunctualError invalid_file when the file became shorter, out_of_memory. */
export function readFloats(tensor: StoredTensor): Float32Array {
  const { format } = tensor;
  const values = allocate(tensor, () => new Float32Array(product(tensor.dims)));
  if (format === BLOCK_FORMATS.F32) {
    tensor.file.readInto(new Uint8Array(values.buffer), tensor.begin);
    return values;
  }
  forEachChunk(tensor, (bytes, first) => format.decode(bytes, values, first * format.elements));
  return values;
}

/** Changes with the numbers that this file makes of the same bytes, and with nothing else. */
const READING = 1;

/** Says which numbers a tensor has without reading it; see WeightSource. */
export function storedIdentity({ file, begin, dims, format }: StoredTensor): string {
  return `file ${file.identity} at ${begin} ${format.name} [${dims.join()}] reading ${READING}`;
}

/**
 * Codes and scales of a Q4_0 or Q8_0 matrix, read when one of them is asked for; null for anything else. Reading
 * @throws PunctualError as readFloats does.
 */
export function readPacked(tensor: StoredTensor): PackedWeights | null {
  const bits = tensor.format === BLOCK_FORMATS.Q4_0 ? 4 : tensor.format === BLOCK_FORMATS.Q8_0 ? 8 : null;
  if (bits === null || tensor.dims.length !== 2) return null;
  const [outFeatures, inFeatures] = tensor.dims as readonly [number, number];
  return lazyPacked({ bits, blockSize: 32, outFeatures, inFeatures }, () => readBlocks(tensor, bits));
}

type PackedData = Pick<PackedWeights, "codes" | "scales">;

/** Packed weights of a known shape whose data are made once, at the first use. */
export function lazyPacked(shape: Omit<PackedWeights, keyof PackedData>, make: () => PackedData): PackedWeights {
  let made: PackedData | undefined;
  const data = (): PackedData => (made ??= make());
  return {
    ...shape,
    get codes() {
      return data().codes;
    },
    get scales() {
      return data().scales;
    },
  };
}

function readBlocks(tensor: StoredTensor, bits: 4 | 8): PackedData {
  const blocks = product(tensor.dims) / 32;
  const { codes, scales } = allocate(tensor, () => ({
    codes: new Uint8Array(blocks * 4 * bits),
    scales: new Float32Array(blocks),
  }));
  const table = halfTable();
  const stride = tensor.format.bytes;
  const repack = bits === 4 ? repackQ4_0 : repackQ8_0;
  forEachChunk(tensor, (bytes, first) => {
    for (let block = first, at = 0; at < bytes.length; block++, at += stride) {
      scales[block] = table[bytes[at]! | (bytes[at + 1]! << 8)]!;
      repack(bytes, at + 2, codes, block * 4 * bits);
    }
  });
  if (!scales.every(Number.isFinite)) {
    fail("invalid_file", `weight ${tensor.name} has a scale that is not finite`, { param: tensor.name });
  }
  return { codes, scales };
}

/** Elements 2i and 2i+1 to byte i; both lie in the low nibbles for the first half of the block, else in the high ones. */
function repackQ4_0(from: Uint8Array, at: number, codes: Uint8Array, to: number): void {
  for (let i = 0; i < 8; i++) {
    const [even, odd] = [from[at + 2 * i]!, from[at + 2 * i + 1]!];
    codes[to + i] = (even & 15) | ((odd & 15) << 4);
    codes[to + i + 8] = (even >> 4) | (odd & 0xf0);
  }
}

function repackQ8_0(from: Uint8Array, at: number, codes: Uint8Array, to: number): void {
  for (let i = 0; i < 32; i++) codes[to + i] = from[at + i]! ^ 0x80;
}

/** The tensor of that name and shape, else invalid_file naming it. */
export function findTensor<T extends Pick<StoredTensor, "dims">>(
  tensors: ReadonlyMap<string, T>,
  name: string,
  dims: readonly number[],
): T {
  const tensor = tensors.get(name);
  if (tensor === undefined) fail("invalid_file", `weight ${name} is missing`, { param: name });
  if (tensor.dims.join() !== dims.join()) {
    fail("invalid_file", `weight ${name}: expected [${dims.join(", ")}], got [${tensor.dims.join(", ")}]`, {
      param: name,
    });
  }
  return tensor;
}
