/**
 * Models as folders: model.onnx with the structure, weights.bin with every large tensor. ORT maps such
 * weights instead of reading them, and a model may pass protocol buffers' limit of 2 GiB.
 *
 * Both directions hold one tensor in memory at a time.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fail } from "../../core/index.ts";
import type { GraphModel, Initializer, TensorArray } from "../types.ts";
import { decodeOnnx, type DecodeLimits } from "./decode.ts";
import { arrayFromBytes, bytesOf, DTYPES, elementCount } from "./dtypes.ts";
import { encodeOnnx, initializerData } from "./encode.ts";

export const MODEL_FILE = "model.onnx";
export const WEIGHTS_FILE = "weights.bin";

/** Page size: each tensor starts on its own page, so that mapping one touches no other. */
const ALIGNMENT = 4096;
/** Smaller tensors stay in the model file, where ORT's shape inference can read sizes and axes. */
const EXTERNAL_BYTES_MIN = 1024;

/**
 * Writes `model` into the folder `dir` (made if missing, files replaced) and returns the path of model.onnx.
 * Initializers are loaded, written and let go one after another. Throws `invalid_graph` for one without data.
 */
export async function writeModelFiles(model: GraphModel, dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const weights = await open(join(dir, WEIGHTS_FILE), "w");
  const initializers: Initializer[] = [];
  let offset = 0;
  try {
    for (const initializer of model.initializers) {
      const { name, dtype, dims } = initializer;
      const length = initializerBytes(initializer);
      const data = initializerData(initializer);
      if (data === undefined) {
        fail("invalid_graph", `initializer ${name} has no data: open its model with readModelFile`, { param: name });
      }
      if (length < EXTERNAL_BYTES_MIN) {
        initializers.push({ name, dtype, dims, data });
        continue;
      }
      await writeAll(weights, bytesOf(data), offset);
      initializers.push({ name, dtype, dims, external: { location: WEIGHTS_FILE, offset, length } });
      offset = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT;
    }
  } finally {
    await weights.close();
  }
  const path = join(dir, MODEL_FILE);
  await writeFile(path, encodeOnnx({ ...model, initializers }));
  return path;
}

/** Bytes of an initializer's data, loaded or not. */
export function initializerBytes({ dtype, dims }: Pick<Initializer, "dtype" | "dims">): number {
  return elementCount(dims) * DTYPES[dtype].bytes;
}

/** One call writes at most 2 GiB on Linux, so a loop. */
async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, offset + done);
    done += bytesWritten;
  }
}

/**
 * Reads an .onnx file. Weights in other files are checked to be there and loaded when asked for.
 * Throws `not_found`, `invalid_file`, `unsupported`.
 */
export async function readModelFile(path: string, limits: Partial<DecodeLimits> = {}): Promise<GraphModel> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    fail("not_found", `cannot read ${path}`, { cause, param: path });
  }
  return resolveExternal(decodeOnnx(bytes, limits), dirname(path));
}

/** The model with its external initializers made loadable from files in `dir`. Throws `invalid_file`. */
export function resolveExternal(model: GraphModel, dir: string): GraphModel {
  return { ...model, initializers: model.initializers.map((initializer) => withLoader(initializer, dir)) };
}

function withLoader(initializer: Initializer, dir: string): Initializer {
  const { name, dtype, dims, external } = initializer;
  if (external === undefined) return initializer;
  const file = join(dir, external.location);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) fail("invalid_file", `tensor ${name}: ${file} is missing`, { param: external.location });
  if (external.offset + external.length > size) {
    fail(
      "invalid_file",
      `tensor ${name}: bytes ${external.offset} to ${external.offset + external.length} of ${file}, which has ${size}`,
      { param: external.location },
    );
  }
  return { name, dtype, dims, load: () => readRange(initializer, file) };
}

function readRange({ name, dtype, external }: Initializer, path: string): TensorArray {
  const { offset, length } = external!;
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    let done = 0;
    while (done < length) {
      const count = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (count === 0) fail("invalid_file", `tensor ${name}: ${path} became shorter`, { param: name });
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return arrayFromBytes(dtype, bytes);
}
