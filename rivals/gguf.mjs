/**
 * Writes a Llama-shaped GGUF file (version 3) with random Q4_0 or F32 weights: the same shape that we
 * measure, for llama.cpp to run. Speed only: such a model knows nothing.
 * Format: the GGUF specification of the ggml project.
 */
import { openSync, writeSync, closeSync } from "node:fs";

const U32 = 4;
const F32 = 6;
const STRING = 8;
const ARRAY = 9;
const I32 = 5;
const TYPE = { f32: 0, q4_0: 2 };
const ALIGNMENT = 32;

class ByteWriter {
  parts = [];
  u32(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.parts.push(bytes);
  }
  i32(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    this.parts.push(bytes);
  }
  u64(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.parts.push(bytes);
  }
  f32(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    this.parts.push(bytes);
  }
  string(text) {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.parts.push(bytes);
  }
  entry(key, type, write) {
    this.string(key);
    this.u32(type);
    write();
  }
  bytes() {
    return Buffer.concat(this.parts);
  }
}

function tensorList(shape) {
  const { hidden, layers, heads, kvHeads, headDim, ffn, vocab } = shape;
  const list = [{ name: "token_embd.weight", dims: [hidden, vocab], quantised: true }];
  for (let layer = 0; layer < layers; layer++) {
    const add = (name, dims, quantised = true) => list.push({ name: `blk.${layer}.${name}.weight`, dims, quantised });
    add("attn_norm", [hidden], false);
    add("attn_q", [hidden, heads * headDim]);
    add("attn_k", [hidden, kvHeads * headDim]);
    add("attn_v", [hidden, kvHeads * headDim]);
    add("attn_output", [heads * headDim, hidden]);
    add("ffn_norm", [hidden], false);
    add("ffn_gate", [hidden, ffn]);
    add("ffn_up", [hidden, ffn]);
    add("ffn_down", [ffn, hidden]);
  }
  list.push({ name: "output_norm.weight", dims: [hidden], quantised: false });
  list.push({ name: "output.weight", dims: [hidden, vocab], quantised: true });
  return list;
}

function tensorBytes(tensor, format) {
  const elements = tensor.dims.reduce((product, size) => product * size, 1);
  return format === "q4_0" && tensor.quantised ? (elements / 32) * 18 : elements * 4;
}

/** Random contents of one tensor; a repeated block is enough, only the bytes read matter. */
function fill(tensor, format) {
  const bytes = Buffer.alloc(tensorBytes(tensor, format));
  if (format === "q4_0" && tensor.quantised) {
    for (let at = 0; at < bytes.length; at += 18) {
      bytes.writeUInt16LE(0x1c00, at); // scale 2^-8
      for (let i = 2; i < 18; i++) bytes[at + i] = (at * 31 + i * 97) & 0xff;
    }
    return bytes;
  }
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let i = 0; i < floats.length; i++) floats[i] = tensor.quantised ? ((i * 2654435761) % 2048) / 65536 - 1 / 64 : 1;
  return bytes;
}

function metadata(writer, shape) {
  const { hidden, layers, heads, kvHeads, headDim, ffn, vocab, context } = shape;
  let entries = 0;
  const entry = (key, type, write) => {
    entries += 1;
    writer.entry(key, type, write);
  };
  const u32 = (key, value) => entry(key, U32, () => writer.u32(value));
  entry("general.architecture", STRING, () => writer.string("llama"));
  entry("general.name", STRING, () => writer.string("random"));
  u32("llama.context_length", context);
  u32("llama.embedding_length", hidden);
  u32("llama.block_count", layers);
  u32("llama.feed_forward_length", ffn);
  u32("llama.attention.head_count", heads);
  u32("llama.attention.head_count_kv", kvHeads);
  u32("llama.rope.dimension_count", headDim);
  u32("llama.vocab_size", vocab);
  entry("llama.attention.layer_norm_rms_epsilon", F32, () => writer.f32(1e-5));
  entry("tokenizer.ggml.model", STRING, () => writer.string("llama"));
  const pieces = Array.from({ length: vocab }, (_, id) => {
    if (id < 3) return { text: ["<unk>", "<s>", "</s>"][id], type: id === 0 ? 2 : 3 };
    if (id < 259) return { text: `<0x${(id - 3).toString(16).toUpperCase().padStart(2, "0")}>`, type: 6 };
    return { text: `t${id}`, type: 1 };
  });
  const array = (key, type, write) =>
    entry(key, ARRAY, () => {
      writer.u32(type);
      writer.u64(vocab);
      for (const piece of pieces) write(piece);
    });
  array("tokenizer.ggml.tokens", STRING, (piece) => writer.string(piece.text));
  array("tokenizer.ggml.scores", F32, () => writer.f32(0));
  array("tokenizer.ggml.token_type", I32, (piece) => writer.i32(piece.type));
  u32("tokenizer.ggml.bos_token_id", 1);
  u32("tokenizer.ggml.eos_token_id", 2);
  return entries;
}

/** Writes the file and returns the bytes of weights in it. */
export function writeGguf(path, shape, format) {
  const tensors = tensorList(shape);
  const body = new ByteWriter();
  const entries = metadata(body, shape);
  let offset = 0;
  for (const tensor of tensors) {
    body.string(tensor.name);
    body.u32(tensor.dims.length);
    for (const size of tensor.dims) body.u64(size);
    body.u32(format === "q4_0" && tensor.quantised ? TYPE.q4_0 : TYPE.f32);
    body.u64(offset);
    offset += Math.ceil(tensorBytes(tensor, format) / ALIGNMENT) * ALIGNMENT;
  }
  const head = new ByteWriter();
  head.parts.push(Buffer.from("GGUF"));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(entries);
  const header = Buffer.concat([head.bytes(), body.bytes()]);
  const file = openSync(path, "w");
  writeSync(file, header);
  writeSync(file, Buffer.alloc((ALIGNMENT - (header.length % ALIGNMENT)) % ALIGNMENT));
  for (const tensor of tensors) {
    const bytes = fill(tensor, format);
    writeSync(file, bytes);
    writeSync(file, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT));
  }
  closeSync(file);
  return offset;
}
