/** A GGUF file as a Checkpoint: configuration, vocabulary and weights of one file, under Hugging Face's names. */
import { fail } from "../../core/index.ts";
import type { PackedWeights } from "../../graph/index.ts";
import type { WeightSource } from "../types.ts";
import { architectureOf, huggingFaceFields, Metadata } from "./gguf-config.ts";
import { GGUF_HEADER_BYTES_MAX, parseGguf, type GgufHeader, type GgufTensor } from "./gguf-header.ts";
import {
  hasOneAdded,
  interleavedRows,
  ROPE_FACTORS,
  tensorNames,
  toHalfSplit,
  type GgufArchitecture,
} from "./gguf-names.ts";
import { endTokensOf, vocabularyOf } from "./gguf-vocabulary.ts";
import { findTensor, lazyPacked, readFloats, readPacked, storedIdentity, type StoredTensor } from "./stored-tensor.ts";
import type { Checkpoint } from "./types.ts";
import { WeightFile } from "./weight-file.ts";

/** Opens and checks a file. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function openGguf(path: string): Promise<Checkpoint> {
  const file = await WeightFile.open(path);
  try {
    const header = await readHeader(file);
    const metadata = new Metadata(header.metadata);
    const architecture = architectureOf(metadata);
    const config = huggingFaceFields(header, ropeFactors(file, header));
    const layers = config["num_hidden_layers"] as number;
    const tensors = underHuggingFaceNames(file, header, architecture, layers);
    const tokenizer = vocabularyOf(metadata);
    return {
      format: "gguf",
      config: { ...config, ...tokenIds(tokenizer?.specials ?? {}) },
      weights: weightsOfGguf(tensors, architecture, config["head_dim"] as number),
      tokenizer,
      chatTemplate: metadata.text("tokenizer.chat_template"),
      endTokens: endTokensOf(tokenizer?.specials ?? {}),
      bytes: file.bytes,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const FIRST_WINDOW_BYTES = 2 ** 20;
const WINDOW_GROWTH = 8;

/** The head is read in growing windows, because its length is known only at its end. */
async function readHeader(file: WeightFile): Promise<GgufHeader> {
  for (let window = FIRST_WINDOW_BYTES; ; window *= WINDOW_GROWTH) {
    const length = Math.min(window, file.bytes, GGUF_HEADER_BYTES_MAX);
    const header = parseGguf(await file.read(0, length), file.bytes);
    if (header !== null) return header;
  }
}

const ROPE_FACTORS_MAX = 1024;

function ropeFactors(file: WeightFile, header: GgufHeader): Float32Array | null {
  const tensor = header.tensors.get(ROPE_FACTORS);
  if (tensor === undefined) return null;
  if (tensor.dims.length !== 1 || tensor.dims[0]! > ROPE_FACTORS_MAX) {
    fail("invalid_file", `gguf: ${ROPE_FACTORS} must be a list of at most ${ROPE_FACTORS_MAX} numbers`, {
      param: ROPE_FACTORS,
    });
  }
  return readFloats(stored(file, tensor));
}

const stored = (file: WeightFile, { name, dims, format, begin }: GgufTensor): StoredTensor => ({
  name,
  dims,
  format,
  file,
  begin,
});

const LAYERS_MAX = 2 ** 12;

/** Every tensor by Hugging Face's name; one that the architecture does not have is refused, since leaving it out changes the model. */
function underHuggingFaceNames(
  file: WeightFile,
  header: GgufHeader,
  architecture: GgufArchitecture,
  layers: number,
): Map<string, StoredTensor> {
  const key = `${architecture}.block_count`;
  if (!Number.isInteger(layers) || layers < 1 || layers > LAYERS_MAX) {
    fail("invalid_file", `gguf: ${key} must be an integer in 1..${LAYERS_MAX}, got ${layers}`, { param: key });
  }
  const names = tensorNames(architecture, layers);
  const tensors = new Map<string, StoredTensor>();
  for (const tensor of header.tensors.values()) {
    if (tensor.name === ROPE_FACTORS) continue;
    const name = names.get(tensor.name);
    if (name === undefined) {
      fail("unsupported", `gguf: tensor ${tensor.name} is not part of ${architecture} with ${layers} layers`, {
        param: tensor.name,
      });
    }
    tensors.set(name, stored(file, tensor));
  }
  return tensors;
}

function tokenIds(specials: Readonly<Record<string, number>>): Record<string, number | null> {
  return {
    bos_token_id: specials["bos"] ?? null,
    eos_token_id: specials["eos"] ?? null,
    pad_token_id: specials["padding"] ?? null,
  };
}

function weightsOfGguf(
  tensors: ReadonlyMap<string, StoredTensor>,
  architecture: GgufArchitecture,
  headDim: number,
): WeightSource {
  const find = (name: string, dims: readonly number[]): StoredTensor => findTensor(tensors, name, dims);
  const isInterleaved = (name: string, dims: readonly number[]): boolean =>
    interleavedRows(architecture, name) && checkHeads(name, dims[0]!, headDim);
  return {
    get(name, dims) {
      const values = readFloats(find(name, dims));
      if (hasOneAdded(architecture, name)) for (let i = 0; i < values.length; i++) values[i]! -= 1;
      return isInterleaved(name, dims) ? toHalfSplit(values, headDim, dims[1] ?? 1) : values;
    },
    packed(name, dims) {
      const packed = readPacked(find(name, dims));
      return packed !== null && isInterleaved(name, dims) ? packedHalfSplit(packed, headDim) : packed;
    },
    identity: (name, dims) => `${storedIdentity(find(name, dims))} of ${architecture} ${name} heads of ${headDim}`,
  };
}

function packedHalfSplit(packed: PackedWeights, headDim: number): PackedWeights {
  const { bits, blockSize, outFeatures, inFeatures } = packed;
  return lazyPacked({ bits, blockSize, outFeatures, inFeatures }, () => {
    const { codes, scales } = packed;
    return {
      codes: toHalfSplit(codes, headDim, codes.length / outFeatures),
      scales: toHalfSplit(scales, headDim, scales.length / outFeatures),
    };
  });
}

/** True, or invalid_file when rows are not whole heads of an even size. */
function checkHeads(name: string, rows: number, headDim: number): true {
  if (Number.isInteger(headDim / 2) && rows % headDim === 0) return true;
  return fail("invalid_file", `weight ${name} has ${rows} rows, not whole heads of ${headDim}`, { param: name });
}
