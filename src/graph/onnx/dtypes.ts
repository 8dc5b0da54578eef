/**
 * What each element type is on the wire, in memory and in JavaScript: one row a type, nothing else knows.
 * Codes are those of onnx.proto's TensorProto.DataType.
 */
import type { DType, TensorArray, TypedArrayOf } from "../types.ts";

interface ArrayClass<A> {
  new (length: number): A;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
  readonly BYTES_PER_ELEMENT: number;
}

interface DTypeRow<D extends DType> {
  /** TensorProto.DataType. */
  readonly code: number;
  readonly bytes: number;
  readonly array: ArrayClass<TypedArrayOf[D]>;
}

export const DTYPES: { readonly [D in DType]: DTypeRow<D> } = {
  float32: { code: 1, bytes: 4, array: Float32Array },
  uint8: { code: 2, bytes: 1, array: Uint8Array },
  int8: { code: 3, bytes: 1, array: Int8Array },
  int32: { code: 6, bytes: 4, array: Int32Array },
  int64: { code: 7, bytes: 8, array: BigInt64Array },
  bool: { code: 9, bytes: 1, array: Uint8Array },
  float16: { code: 10, bytes: 2, array: Uint16Array },
  float64: { code: 11, bytes: 8, array: Float64Array },
};

/** Names for the types that exist in ONNX and not here, so that an error can say what came. */
const FOREIGN: Readonly<Record<number, string>> = {
  4: "uint16",
  5: "int16",
  8: "string",
  12: "uint32",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

const BY_CODE = new Map<number, DType>();
for (const name of Object.keys(DTYPES) as DType[]) BY_CODE.set(DTYPES[name].code, name);

/** The element type of a TensorProto.DataType code, or undefined when it is not one of ours. */
export function dtypeOfCode(code: number): DType | undefined {
  return BY_CODE.get(code);
}

/** A name for any code, ours or not. */
export function describeCode(code: number): string {
  return BY_CODE.get(code) ?? FOREIGN[code] ?? `data type ${code}`;
}

/** Number of elements of a concrete shape; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  return count;
}

/** The bytes of a typed array, without a copy. ONNX data is little-endian, as is every platform ORT ships for. */
export function bytesOf(data: TensorArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A typed array over bytes: a view where alignment allows it, else a copy. */
export function arrayFromBytes(dtype: DType, bytes: Uint8Array): TensorArray {
  const { array, bytes: size } = DTYPES[dtype];
  // The constructor copies; slice() would not, on a Node Buffer.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}
