/**
 * Claim `rivals`: one model on disk for every arm. The GGUF file is the model; llama.cpp and our engine read it as it is,
 * and the folder for transformers.js is written from what our loader reads in it, block by block, so that all three
 * multiply by the same numbers.
 */
import { mkdir, open, rename, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "../../core/index.ts";
import { packLinear, writeModelFiles } from "../../graph/index.ts";
import {
  builtInModelDir,
  EMBEDDING_NAME,
  fromHuggingFaceConfig,
  openCheckpoint,
  parameterSpecs,
  toHuggingFaceConfig,
  type DecoderConfig,
} from "../../llm/index.ts";
import { float32ToHalf } from "../../nn/index.ts";
import {
  encodeGgufHead,
  encodeGgufModel,
  GGML,
  ggufName,
  modelEntries,
  vocabularyEntries,
  type GgufTensorPlace,
} from "../agreement/gguf-file.ts";
import { decoderGraph } from "./decoder-graph.ts";
import type { MeasuredShape } from "./shapes.ts";

/** Where the model lies for each arm. */
export interface ModelFiles {
  readonly config: DecoderConfig;
  /** The GGUF file. */
  readonly gguf: string;
  /** A folder for transformers.js: config.json, tokenizer.json, onnx/. */
  readonly onnxFolder: string;
  /** transformers.js's name for how the weights are stored. */
  readonly dtype: "fp32" | "q4";
}

const BLOCK = 32;
const BLOCK_BYTES = 18;
/** Random blocks that are written again and again: which numbers they are does not change how fast they are read. */
const POOL_BLOCKS = 1 << 16;
/** Of codes -8..7, all equally likely. */
const CODE_DEVIATION = 4.61;
const ALIGNMENT = 32;

/** Writes the model in both forms into `folder`. */
export async function writeModelFor(shape: MeasuredShape, folder: string, seed: number): Promise<ModelFiles> {
  const gguf = join(folder, "model.gguf");
  if (shape.config === null) await writeBuiltIn(gguf);
  else await writeRandomGguf(gguf, shape.config, shape.architecture, seed);
  return { gguf, ...(await writeOnnxFolder(gguf, join(folder, "transformers"))) };
}

/** The built-in model as shipped: its weights are half-precision numbers, F16 keeps every bit. */
async function writeBuiltIn(path: string): Promise<void> {
  const checkpoint = await openCheckpoint(builtInModelDir());
  try {
    const config = fromHuggingFaceConfig(checkpoint.config);
    const entries = vocabularyEntries(config.vocabSize);
    await writeFile(path, encodeGgufModel(config, checkpoint.weights, { type: "F16", entries }));
  } finally {
    await checkpoint.close();
  }
}

/** Q4_0 blocks of random codes, scaled so that a matrix keeps the size of what it multiplies. */
function randomBlocks(inFeatures: number, seed: number): Uint8Array {
  const random = createRandom(seed, `blocks of ${inFeatures}`);
  const scale = 1 / (CODE_DEVIATION * Math.sqrt(inFeatures));
  const scales = Float32Array.from({ length: POOL_BLOCKS }, () => scale * (0.5 + random.uniform()));
  const halves = new Uint8Array(float32ToHalf(scales).buffer);
  const pool = new Uint8Array(POOL_BLOCKS * BLOCK_BYTES);
  const words = new Uint32Array(Math.ceil(pool.length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.uint32();
  pool.set(new Uint8Array(words.buffer, 0, pool.length));
  for (let block = 0; block < POOL_BLOCKS; block++) {
    pool.set(halves.subarray(block * 2, block * 2 + 2), block * BLOCK_BYTES);
  }
  return pool;
}

/** A GGUF file of that shape with random Q4_0 matrices, written as a stream: it may be large. */
export async function writeRandomGguf(
  path: string,
  config: DecoderConfig,
  architecture: string,
  seed: number,
): Promise<void> {
  const places = parameterSpecs(config).map(({ name, dims }): GgufTensorPlace => {
    const count = dims.reduce((product, size) => product * size, 1);
    const matrix = dims.length === 2;
    return {
      name: ggufName(name, architecture),
      dims,
      type: matrix ? GGML.Q4_0 : GGML.F32,
      byteLength: matrix ? (count / BLOCK) * BLOCK_BYTES : count * 4,
    };
  });
  const pools = new Map<number, Uint8Array>();
  const random = createRandom(seed, "offsets");
  const file = await open(path, "w");
  try {
    const entries = [...modelEntries(config, architecture), ...vocabularyEntries(config.vocabSize)];
    await file.write(encodeGgufHead(entries, places));
    for (const { dims, byteLength } of places) {
      if (dims.length === 1) {
        await file.write(new Uint8Array(new Float32Array(dims[0]!).fill(1).buffer));
      } else {
        const width = dims[1]!;
        const pool = pools.get(width) ?? randomBlocks(width, seed);
        pools.set(width, pool);
        await writeFromPool(file, pool, random.int(0, POOL_BLOCKS - 1) * BLOCK_BYTES, byteLength);
      }
      await file.write(new Uint8Array((ALIGNMENT - (byteLength % ALIGNMENT)) % ALIGNMENT));
    }
  } finally {
    await file.close();
  }
}

/** `length` bytes of the pool, from `start` on and around. */
async function writeFromPool(file: FileHandle, pool: Uint8Array, start: number, length: number): Promise<void> {
  let at = start;
  for (let left = length; left > 0; at = 0) {
    const part = pool.subarray(at, Math.min(pool.length, at + left));
    await file.write(part);
    left -= part.length;
  }
}

/** The folder of the model that a GGUF file holds, as transformers.js looks for it. */
async function writeOnnxFolder(gguf: string, folder: string): Promise<Omit<ModelFiles, "gguf">> {
  const checkpoint = await openCheckpoint(gguf);
  try {
    const { weights } = checkpoint;
    const config = fromHuggingFaceConfig(checkpoint.config);
    const isPacked = weights.packed?.(EMBEDDING_NAME, [config.vocabSize, config.hidden]) !== null;
    const graph = decoderGraph(config, weights);
    const packed = (name: string, dims: readonly number[]) => weights.packed?.(name, dims) ?? null;
    const model = isPacked ? packLinear(graph, { bits: 4, blockSize: BLOCK, packed }) : graph;
    const onnx = join(folder, "onnx");
    await mkdir(onnx, { recursive: true });
    await rename(await writeModelFiles(model, onnx), join(onnx, isPacked ? "model_q4.onnx" : "model.onnx"));
    // Without ids that end an answer, generation goes on to the length that was asked for.
    const json = { ...toHuggingFaceConfig(config), eos_token_id: null, bos_token_id: null };
    await writeFile(join(folder, "config.json"), JSON.stringify(json));
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(config.vocabSize)));
    await writeFile(
      join(folder, "tokenizer_config.json"),
      JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast" }),
    );
    return { config, onnxFolder: folder, dtype: isPacked ? "q4" : "fp32" };
  } finally {
    await checkpoint.close();
  }
}

/** The vocabulary of the GGUF file: as many pieces, without meaning. */
function tokenizerJson(vocabSize: number): unknown {
  const pieces = vocabularyEntries(vocabSize).find(({ key }) => key === "tokenizer.ggml.tokens")!.value;
  const vocab = Object.fromEntries((pieces as readonly string[]).map((piece, id) => [piece, id]));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: "BPE", vocab, merges: [], unk_token: "<unk>", byte_fallback: true },
  };
}
