/**
 * Writes GGUF files: any metadata and tensors, or a whole decoder as converters write it. Written from the format's
 * description alone and without a name from the loader, so that reader and writer do not share a mistake; llama.cpp
 * reads these files in the claim `agreement`, and tests of the loader use them too.
 */
import { parameterSpecs, type DecoderConfig, type WeightSource } from "../../llm/index.ts";
import { float32ToHalf } from "../../nn/index.ts";
import { isBlockFormat, quantise, type BlockFormatName } from "./quantise.ts";

/** Metadata types by name, and their numbers in the file. */
const TYPES = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10, i64: 11, f64: 12 };
type ScalarType = keyof typeof TYPES;
type Scalar = number | bigint | boolean | string;

/** One metadata entry; `list` makes it an array of the type. */
export interface GgufEntry {
  readonly key: string;
  readonly type: ScalarType;
  readonly value: Scalar | readonly Scalar[];
}

/** A tensor with its bytes as they stand in the file; dims row-major. */
export interface GgufTensorBytes {
  readonly name: string;
  readonly dims: readonly number[];
  /** ggml's number of the type. */
  readonly type: number;
  readonly bytes: Uint8Array;
}

export const GGML = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
} as const;

class Bytes {
  readonly #parts: Buffer[] = [];
  length = 0;

  add(bytes: Uint8Array): void {
    this.#parts.push(Buffer.from(bytes));
    this.length += bytes.length;
  }

  number(size: number, write: (buffer: Buffer) => void): void {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.add(buffer);
  }

  u32(value: number): void {
    this.number(4, (b) => b.writeUInt32LE(value));
  }

  u64(value: number | bigint): void {
    this.number(8, (b) => b.writeBigUInt64LE(BigInt(value)));
  }

  string(text: string): void {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.add(bytes);
  }

  scalar(type: ScalarType, value: Scalar): void {
    if (type === "string") return this.string(String(value));
    const n = Number(value);
    const writers: Record<Exclude<ScalarType, "string">, readonly [number, (b: Buffer) => void]> = {
      u8: [1, (b) => b.writeUInt8(n)],
      i8: [1, (b) => b.writeInt8(n)],
      u16: [2, (b) => b.writeUInt16LE(n)],
      i16: [2, (b) => b.writeInt16LE(n)],
      u32: [4, (b) => b.writeUInt32LE(n)],
      i32: [4, (b) => b.writeInt32LE(n)],
      f32: [4, (b) => b.writeFloatLE(n)],
      bool: [1, (b) => b.writeUInt8(n)],
      u64: [8, (b) => b.writeBigUInt64LE(BigInt(value))],
      i64: [8, (b) => b.writeBigInt64LE(BigInt(value))],
      f64: [8, (b) => b.writeDoubleLE(n)],
    };
    this.number(...writers[type]);
  }

  pad(alignment: number): void {
    this.add(Buffer.alloc((alignment - (this.length % alignment)) % alignment));
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** A tensor whose bytes follow the head of its file. */
export type GgufTensorPlace = Omit<GgufTensorBytes, "bytes"> & { readonly byteLength: number };

const ALIGNMENT = 32;

/** Everything before the first tensor's bytes. The bytes of each tensor follow in order, each padded to `alignment`. */
export function encodeGgufHead(
  entries: readonly GgufEntry[],
  tensors: readonly GgufTensorPlace[],
  options: { readonly version?: number; readonly alignment?: number } = {},
): Buffer {
  const { version = 3, alignment = ALIGNMENT } = options;
  const out = new Bytes();
  out.add(Buffer.from("GGUF"));
  out.u32(version);
  out.u64(tensors.length);
  out.u64(entries.length);
  for (const { key, type, value } of entries) {
    out.string(key);
    if (Array.isArray(value)) {
      out.u32(9);
      out.u32(TYPES[type]);
      out.u64(value.length);
      for (const item of value as readonly Scalar[]) out.scalar(type, item);
    } else {
      out.u32(TYPES[type]);
      out.scalar(type, value as Scalar);
    }
  }
  let offset = 0;
  for (const { name, dims, type, byteLength } of tensors) {
    out.string(name);
    out.u32(dims.length);
    for (const size of dims.toReversed()) out.u64(size);
    out.u32(type);
    out.u64(offset);
    offset += Math.ceil(byteLength / alignment) * alignment;
  }
  out.pad(alignment);
  return out.whole();
}

/** The bytes of a file. */
export function encodeGguf(
  entries: readonly GgufEntry[],
  tensors: readonly GgufTensorBytes[],
  options: { readonly version?: number; readonly alignment?: number } = {},
): Buffer {
  const places = tensors.map(({ bytes, ...place }) => ({ ...place, byteLength: bytes.length }));
  const out = new Bytes();
  out.add(encodeGgufHead(entries, places, options));
  for (const { bytes } of tensors) {
    out.add(bytes);
    out.pad(options.alignment ?? ALIGNMENT);
  }
  return out.whole();
}

/** How a matrix can be stored. */
export type GgufStorage = "F32" | "F16" | "BF16" | BlockFormatName;

/** Float32 numbers as the bytes of a type. */
export function encodeAs(values: Float32Array, type: GgufStorage): Uint8Array {
  if (isBlockFormat(type)) return quantise(values, type);
  switch (type) {
    case "F32":
      return new Uint8Array(values.slice().buffer);
    case "F16":
      return new Uint8Array(float32ToHalf(values).buffer);
    case "BF16":
      return new Uint8Array(Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16).buffer);
  }
}

const LAYER_NAMES: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
};
const GEMMA_NAMES: Readonly<Record<string, string>> = {
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

/** GGUF's name of a weight. */
export function ggufName(name: string, architecture: string): string {
  if (name === "model.embed_tokens.weight") return "token_embd.weight";
  if (name === "model.norm.weight") return "output_norm.weight";
  if (name === "lm_head.weight") return "output.weight";
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)!;
  const names = architecture === "gemma3" ? { ...LAYER_NAMES, ...GEMMA_NAMES } : LAYER_NAMES;
  return `blk.${layer}.${names[part!]!}.${kind}`;
}

/** Rows of each head from two halves to pairs of neighbours, as converters of Llama write them. */
function interleave(values: Float32Array, headDim: number, rowLength: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row * rowLength < values.length; row++) {
    const [head, at] = [Math.floor(row / headDim), row % headDim];
    const to = head * headDim + (at < headDim / 2 ? 2 * at : 2 * (at - headDim / 2) + 1);
    result.set(values.subarray(row * rowLength, (row + 1) * rowLength), to * rowLength);
  }
  return result;
}

/** Settings of a written decoder beyond its shape. */
export interface GgufModelOptions {
  readonly architecture?: string;
  /** Storage of matrices, all or by Hugging Face's name; norms and biases are F32. */
  readonly type?: GgufStorage | ((name: string) => GgufStorage);
  /** Tensors besides the weights, such as rope_freqs.weight. */
  readonly tensors?: readonly GgufTensorBytes[];
  /** More metadata; an entry replaces one of the same key. */
  readonly entries?: readonly GgufEntry[];
  readonly version?: number;
  readonly alignment?: number;
}

/** Metadata of a decoder. */
export function modelEntries(config: DecoderConfig, architecture = "llama"): GgufEntry[] {
  const number = (key: string, value: number): GgufEntry => ({ key: `${architecture}.${key}`, type: "u32", value });
  return [
    { key: "general.architecture", type: "string", value: architecture },
    number("context_length", config.maxPositions),
    number("embedding_length", config.hidden),
    number("block_count", config.layers),
    number("feed_forward_length", config.ffn),
    number("attention.head_count", config.heads),
    number("attention.head_count_kv", config.kvHeads),
    number("attention.key_length", config.headDim),
    number("attention.value_length", config.headDim),
    { key: `${architecture}.rope.freq_base`, type: "f32", value: config.ropeTheta },
    { key: `${architecture}.attention.layer_norm_rms_epsilon`, type: "f32", value: config.normEps },
  ];
}

/** A vocabulary without meaning, in SentencePiece's form: files without any cannot be run everywhere. */
export function vocabularyEntries(size: number): GgufEntry[] {
  const piece = (id: number): string => {
    if (id < 3) return ["<unk>", "<s>", "</s>"][id]!;
    return id < 259 ? `<0x${(id - 3).toString(16).toUpperCase().padStart(2, "0")}>` : `t${id}`;
  };
  const ids = Array.from({ length: size }, (_, id) => id);
  const kind = (id: number): number => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
  return [
    { key: "tokenizer.ggml.model", type: "string", value: "llama" },
    { key: "tokenizer.ggml.tokens", type: "string", value: ids.map(piece) },
    { key: "tokenizer.ggml.scores", type: "f32", value: ids.map((id) => -id) },
    { key: "tokenizer.ggml.token_type", type: "i32", value: ids.map(kind) },
    { key: "tokenizer.ggml.bos_token_id", type: "u32", value: 1 },
    { key: "tokenizer.ggml.eos_token_id", type: "u32", value: 2 },
    { key: "tokenizer.ggml.add_bos_token", type: "bool", value: false },
  ];
}

/** The bytes of a whole decoder as a converter would write it. */
export function encodeGgufModel(config: DecoderConfig, weights: WeightSource, options: GgufModelOptions = {}): Buffer {
  const { architecture = "llama", type = "F32", entries = [] } = options;
  const typeOf = typeof type === "function" ? type : () => type;
  const tensors: GgufTensorBytes[] = parameterSpecs(config).map(({ name, dims }) => {
    let values = weights.get(name, dims);
    if (architecture === "llama" && /[qk]_proj/.test(name)) values = interleave(values, config.headDim, dims[1] ?? 1);
    if (architecture === "gemma3" && name.endsWith("norm.weight")) values = values.map((value) => value + 1);
    const kind = dims.length === 1 ? "F32" : typeOf(name);
    return { name: ggufName(name, architecture), dims, type: GGML[kind], bytes: encodeAs(values, kind) };
  });
  const replaced = new Set(entries.map(({ key }) => key));
  const own = modelEntries(config, architecture).filter(({ key }) => !replaced.has(key));
  return encodeGguf([...own, ...entries], [...tensors, ...(options.tensors ?? [])], options);
}
