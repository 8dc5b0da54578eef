/** Writes safetensors files for tests: any header, so that broken ones can be made, and bfloat16. */

/** One tensor: the format's code, sizes, bytes as they stand in the file. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The bytes of a file from a header's text and the data after it. */
export function encodeRaw(header: string, data: Uint8Array): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** The bytes of a file with these tensors one after another. */
export function encodeTensors(tensors: ReadonlyMap<string, RawTensor>): Buffer {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  const data = Buffer.concat(Array.from(tensors.values(), ({ bytes }) => bytes));
  return encodeRaw(JSON.stringify(header), data);
}
