/**
 * A Hugging Face folder as a Checkpoint: its weights are in model.safetensors, or in several files that
 * model.safetensors.index.json lists. Headers are checked when the folder is opened, tensors are read when they
 * are asked for.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, PunctualError } from "../../core/index.ts";
import { parseSafetensorsHeader, type SafetensorsHeader } from "../../nn/index.ts";
import type { WeightSource } from "../types.ts";
import { BLOCK_FORMATS, type BlockFormat } from "./blocks.ts";
import { readFolderFacts, readJson } from "./folder-facts.ts";
import { repeatedKey } from "./json-keys.ts";
import { findTensor, readFloats, storedIdentity, type StoredTensor } from "./stored-tensor.ts";
import type { Checkpoint } from "./types.ts";
import { WeightFile } from "./weight-file.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";
const INDEX_BYTES_MAX = 16 * 2 ** 20;
const FILES_MAX = 1024;
const PREFIX_BYTES = 8;
const HEADER_BYTES_MAX = 64 * 2 ** 20;

/** What a weight may be stored as; integers are no weights. */
const FORMATS: Readonly<Record<string, BlockFormat>> = {
  F64: BLOCK_FORMATS.F64,
  F32: BLOCK_FORMATS.F32,
  F16: BLOCK_FORMATS.F16,
  BF16: BLOCK_FORMATS.BF16,
};

/** A tensor as its header has it; the format is known to be one of weights when it is read. */
interface HeldTensor extends Omit<StoredTensor, "format"> {
  readonly storedAs: string;
}

/** Opens and checks a folder. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function openFolder(dir: string): Promise<Checkpoint> {
  const facts = await readFolderFacts(dir);
  const files: WeightFile[] = [];
  const close = async (): Promise<void> => {
    for (const file of files) await file.close();
  };
  try {
    const tensors = existsSync(join(dir, SINGLE_FILE)) ? await openSingle(dir, files) : await openIndexed(dir, files);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return { ...facts, weights: weightsOfFolder(tensors), bytes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openSingle(dir: string, files: WeightFile[]): Promise<Map<string, HeldTensor>> {
  const tensors = new Map<string, HeldTensor>();
  for (const tensor of await openShard(dir, SINGLE_FILE, files)) tensors.set(tensor.name, tensor);
  return tensors;
}

/** Every tensor is in the file that the index names for it, and nowhere else. */
async function openIndexed(dir: string, files: WeightFile[]): Promise<Map<string, HeldTensor>> {
  const places = await readIndex(dir);
  const tensors = new Map<string, HeldTensor>();
  for (const shard of new Set(places.values())) {
    for (const tensor of await openShard(dir, shard, files)) {
      const place = places.get(tensor.name) ?? "none";
      if (place !== shard) {
        fail("invalid_file", `${tensor.name} is in ${shard}, the index names ${place}`, {
          param: `weight_map.${tensor.name}`,
        });
      }
      tensors.set(tensor.name, tensor);
    }
  }
  for (const [name, shard] of places) {
    if (tensors.has(name)) continue;
    fail("invalid_file", `${name} is not in ${shard}, where the index says it is`, { param: `weight_map.${name}` });
  }
  return tensors;
}

async function readIndex(dir: string): Promise<Map<string, string>> {
  const index = await readJson(dir, INDEX_FILE, INDEX_BYTES_MAX);
  if (index === null) {
    fail("model_not_found", `${dir} has neither ${SINGLE_FILE} nor ${INDEX_FILE}`, { param: SINGLE_FILE });
  }
  const map = (index as { readonly weight_map?: unknown }).weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    fail("invalid_file", `${INDEX_FILE}: weight_map must be an object`, { param: "weight_map" });
  }
  const places = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A bare file name: an index must not reach out of its folder.
    if (typeof shard !== "string" || !/^[\w][\w.-]{0,250}\.safetensors$/.test(shard)) {
      fail("invalid_file", `${INDEX_FILE}: ${name} is in ${JSON.stringify(shard)}, no name of a safetensors file`, {
        param: `weight_map.${name}`,
      });
    }
    places.set(name, shard);
  }
  if (new Set(places.values()).size > FILES_MAX) {
    fail("invalid_file", `${INDEX_FILE}: more than ${FILES_MAX} files`, { param: "weight_map" });
  }
  return places;
}

/** Opens one file, adds it to `files`, and checks its header. */
async function openShard(dir: string, name: string, files: WeightFile[]): Promise<HeldTensor[]> {
  const file = await WeightFile.open(join(dir, name));
  files.push(file);
  const header = await readHeader(file);
  return Array.from(header.entries.values(), (entry) => ({
    name: entry.name,
    dims: entry.dims,
    storedAs: entry.storedAs,
    file,
    begin: entry.begin,
  }));
}

async function readHeader(file: WeightFile): Promise<SafetensorsHeader> {
  const param = "header_length";
  if (file.bytes < PREFIX_BYTES) {
    fail("invalid_file", `${file.name} has ${file.bytes} bytes, too few for a header`, { param });
  }
  const prefix = await file.read(0, PREFIX_BYTES);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > Math.min(HEADER_BYTES_MAX, file.bytes - PREFIX_BYTES)) {
    fail("invalid_file", `${file.name} has a header of ${length} bytes in a file of ${file.bytes}`, { param });
  }
  const json = await file.read(PREFIX_BYTES, Number(length));
  try {
    const header = parseSafetensorsHeader(json, file.bytes);
    const repeated = repeatedKey(new TextDecoder().decode(json));
    if (repeated === null) return header;
    return fail("invalid_file", `${JSON.stringify(repeated)} occurs twice in the header`, { param: repeated });
  } catch (error) {
    if (!(error instanceof PunctualError)) throw error;
    const { code, message, param: field } = error;
    return fail(code, `${file.name}: ${message}`, { ...(field === null ? {} : { param: field }), cause: error });
  }
}

function weightsOfFolder(tensors: ReadonlyMap<string, HeldTensor>): WeightSource {
  const find = (name: string, dims: readonly number[]): StoredTensor => {
    const { storedAs, ...tensor } = findTensor(tensors, name, dims);
    const format = Object.hasOwn(FORMATS, storedAs) ? FORMATS[storedAs] : undefined;
    if (format !== undefined) return { ...tensor, format };
    return fail(
      "invalid_file",
      `weight ${name} is stored as ${storedAs}, expected one of ${Object.keys(FORMATS).join(", ")}`,
      { param: `${name}.dtype` },
    );
  };
  return {
    get: (name, dims) => readFloats(find(name, dims)),
    identity: (name, dims) => storedIdentity(find(name, dims)),
  };
}
