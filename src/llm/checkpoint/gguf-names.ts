/**
 * Names and layouts of tensors between GGUF and Hugging Face, per architecture. Converters to GGUF rename everything
 * and change two things on the way, which are undone here: Llama's query and key rows are interleaved for rotary
 * pairs of neighbours, and Gemma's norms have their 1 added already.
 */

/** The architectures whose files can be read. */
export const GGUF_ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma3"] as const;
export type GgufArchitecture = (typeof GGUF_ARCHITECTURES)[number];

const GLOBAL: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ["token_embd.weight", "model.embed_tokens.weight"],
  ["output_norm.weight", "model.norm.weight"],
  ["output.weight", "lm_head.weight"],
];

const COMMON: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ["attn_norm.weight", "input_layernorm.weight"],
  ["attn_q.weight", "self_attn.q_proj.weight"],
  ["attn_k.weight", "self_attn.k_proj.weight"],
  ["attn_v.weight", "self_attn.v_proj.weight"],
  ["attn_output.weight", "self_attn.o_proj.weight"],
  ["ffn_gate.weight", "mlp.gate_proj.weight"],
  ["ffn_up.weight", "mlp.up_proj.weight"],
  ["ffn_down.weight", "mlp.down_proj.weight"],
];
const BIASES = [
  ["attn_q.bias", "self_attn.q_proj.bias"],
  ["attn_k.bias", "self_attn.k_proj.bias"],
  ["attn_v.bias", "self_attn.v_proj.bias"],
] as const;
const HEAD_NORMS = [
  ["attn_q_norm.weight", "self_attn.q_norm.weight"],
  ["attn_k_norm.weight", "self_attn.k_norm.weight"],
] as const;
const FFN_NORM = ["ffn_norm.weight", "post_attention_layernorm.weight"] as const;

/** Parts of one layer. */
const PARTS: Readonly<Record<GgufArchitecture, readonly (readonly [gguf: string, huggingFace: string])[]>> = {
  llama: [...COMMON, FFN_NORM, ...BIASES],
  qwen2: [...COMMON, FFN_NORM, ...BIASES],
  qwen3: [...COMMON, FFN_NORM, ...HEAD_NORMS],
  gemma3: [
    ...COMMON,
    ...HEAD_NORMS,
    ["post_attention_norm.weight", "post_attention_layernorm.weight"],
    ["ffn_norm.weight", "pre_feedforward_layernorm.weight"],
    ["post_ffw_norm.weight", "post_feedforward_layernorm.weight"],
  ],
};

/** The factors of Llama 3's rotary scaling; no weight of a layer. */
export const ROPE_FACTORS = "rope_freqs.weight";

/** Hugging Face's name of each tensor by GGUF's, for a model of so many layers. */
export function tensorNames(architecture: GgufArchitecture, layers: number): Map<string, string> {
  const names = new Map<string, string>(GLOBAL);
  for (let layer = 0; layer < layers; layer++) {
    for (const [gguf, huggingFace] of PARTS[architecture]) {
      names.set(`blk.${layer}.${gguf}`, `model.layers.${layer}.${huggingFace}`);
    }
  }
  return names;
}

/** Whether a file of this architecture has the rows of that tensor interleaved. */
export function interleavedRows(architecture: GgufArchitecture, huggingFaceName: string): boolean {
  return architecture === "llama" && /\.self_attn\.[qk]_proj\.(?:weight|bias)$/.test(huggingFaceName);
}

/** Whether the stored weight is 1 more than Hugging Face's. */
export function hasOneAdded(architecture: GgufArchitecture, huggingFaceName: string): boolean {
  return architecture === "gemma3" && huggingFaceName.endsWith("norm.weight");
}

/**
 * Rows of each head from pairs of neighbours to two halves: row j of a head comes from row 2j, row headDim/2 + j
 * from row 2j + 1. Works on any array with `rowLength` items per row.
 */
export function toHalfSplit<T extends Float32Array | Uint8Array>(data: T, headDim: number, rowLength: number): T {
  const result = data.slice() as T;
  const half = headDim / 2;
  const rows = data.length / rowLength;
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim;
    const from = row - inHead + (inHead % half) * 2 + Math.floor(inHead / half);
    result.set(data.subarray(from * rowLength, (from + 1) * rowLength), row * rowLength);
  }
  return result;
}
