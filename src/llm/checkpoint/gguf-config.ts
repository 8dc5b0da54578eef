/**
 * GGUF metadata as the fields of a Hugging Face config.json, so that one reader of configurations serves both
 * formats. What the metadata asks for and these fields cannot say is refused by its key.
 */
import { fail } from "../../core/index.ts";
import type { GgufHeader, GgufValue } from "./gguf-header.ts";
import { GGUF_ARCHITECTURES, type GgufArchitecture } from "./gguf-names.ts";

/** Metadata with typed access; each failure names the key. */
export class Metadata {
  readonly #values: ReadonlyMap<string, GgufValue>;

  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  number(key: string): number {
    return this.optionalNumber(key) ?? this.#wrong(key, "is missing");
  }

  /** A single-precision number as the shortest decimal that rounds to it: 1e-5, not 0.00000999999974737875. */
  decimal(key: string): number | null {
    const value = this.optionalNumber(key);
    return value === null ? null : shortest(value);
  }

  /** A list with one value for all layers counts as that value. */
  optionalNumber(key: string): number | null {
    const value = this.#values.get(key) ?? null;
    if (value === null || typeof value === "number") return value;
    if (isList(value) && typeof value[0] === "number") {
      if (value.every((item) => item === value[0])) return value[0];
      return fail("unsupported", `gguf: ${key} differs from layer to layer`, { param: key });
    }
    return this.#wrong(key, "must be a number");
  }

  text(key: string): string | null {
    const value = this.#values.get(key) ?? null;
    return value === null || typeof value === "string" ? value : this.#wrong(key, "must be a string");
  }

  flag(key: string): boolean | null {
    const value = this.#values.get(key) ?? null;
    return value === null || typeof value === "boolean" ? value : this.#wrong(key, "must be true or false");
  }

  texts(key: string): readonly string[] | null {
    return this.#list(key, "strings", (item): item is string => typeof item === "string");
  }

  numbers(key: string): readonly number[] | null {
    return this.#list(key, "numbers", (item): item is number => typeof item === "number");
  }

  #list<T>(key: string, what: string, isItem: (item: unknown) => item is T): readonly T[] | null {
    const value = this.#values.get(key) ?? null;
    if (value === null) return null;
    if (isList(value) && value.every(isItem)) return value as readonly T[];
    return this.#wrong(key, `must be a list of ${what}`);
  }

  #wrong(key: string, problem: string): never {
    return fail("invalid_file", `gguf: ${key} ${problem}`, { param: key });
  }
}

function isList(value: GgufValue): value is readonly (number | bigint | boolean | string)[] {
  return Array.isArray(value);
}

function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === Math.fround(value)) return decimal;
  }
  return value;
}

/** The architecture, when it is one that can be read. @throws PunctualError invalid_file, unsupported. */
export function architectureOf(metadata: Metadata): GgufArchitecture {
  const key = "general.architecture";
  const name = metadata.text(key) ?? fail("invalid_file", `gguf: ${key} is missing`, { param: key });
  const parts = metadata.optionalNumber("split.count") ?? 1;
  if (parts > 1) {
    fail("unsupported", `gguf: the model is split into ${parts} files; merge them first`, { param: "split.count" });
  }
  const known = GGUF_ARCHITECTURES.find((one) => one === name);
  if (known !== undefined) return known;
  return fail("unsupported", `gguf: architecture ${name} is not one of ${GGUF_ARCHITECTURES.join(", ")}`, {
    param: key,
  });
}

const MODEL_TYPES: Readonly<Record<GgufArchitecture, string>> = {
  llama: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma3: "gemma3_text",
};

/** Other than zero, these change the network. */
const REFUSED = [
  "expert_count",
  "attention.max_alibi_bias",
  "attention.clamp_kqv",
  "attn_logit_softcapping",
  "final_logit_softcapping",
  "logit_scale",
  "residual_scale",
  "embedding_scale",
  "attention.scale",
];

/**
 * The fields of config.json that say the same. `ropeFactors` are the numbers of the file's rope_freqs.weight, if it has it.
 * @throws PunctualError invalid_file or unsupported, naming the metadata key.
 */
export function huggingFaceFields(header: GgufHeader, ropeFactors: Float32Array | null): Record<string, unknown> {
  const metadata = new Metadata(header.metadata);
  const architecture = architectureOf(metadata);
  const key = (name: string): string => `${architecture}.${name}`;
  refuse(metadata, architecture);
  const hidden = metadata.number(key("embedding_length"));
  const heads = metadata.number(key("attention.head_count"));
  const headDim = metadata.optionalNumber(key("attention.key_length")) ?? hidden / heads;
  sameAs(metadata, key("attention.value_length"), headDim);
  sameAs(metadata, key("rope.dimension_count"), headDim);
  const table = header.tensors.get("token_embd.weight");
  if (table === undefined) {
    fail("invalid_file", "gguf: there is no tensor token_embd.weight", { param: "token_embd.weight" });
  }
  const vocabSize = table.dims[0]!;
  if ((metadata.texts("tokenizer.ggml.tokens")?.length ?? 0) > vocabSize) {
    fail("invalid_file", `gguf: there are more tokens than the ${vocabSize} rows of token_embd.weight`, {
      param: "tokenizer.ggml.tokens",
    });
  }
  return {
    model_type: MODEL_TYPES[architecture],
    vocab_size: vocabSize,
    hidden_size: hidden,
    num_hidden_layers: metadata.number(key("block_count")),
    num_attention_heads: heads,
    num_key_value_heads: metadata.optionalNumber(key("attention.head_count_kv")) ?? heads,
    head_dim: headDim,
    intermediate_size: metadata.number(key("feed_forward_length")),
    rope_theta: metadata.decimal(key("rope.freq_base")) ?? 10_000,
    rms_norm_eps:
      metadata.decimal(key("attention.layer_norm_rms_epsilon")) ??
      metadata.number(key("attention.layer_norm_rms_epsilon")),
    max_position_embeddings: metadata.number(key("context_length")),
    tie_word_embeddings: !header.tensors.has("output.weight"),
    rope_scaling: ropeScaling(metadata, architecture, ropeFactors),
    ...familyFields(header, metadata, architecture, { hidden, heads, headDim }),
  };
}

function refuse(metadata: Metadata, architecture: GgufArchitecture): void {
  for (const name of REFUSED) {
    const key = `${architecture}.${name}`;
    const value = metadata.optionalNumber(key) ?? 0;
    if (value !== 0) fail("unsupported", `gguf: ${key} ${value} is not supported`, { param: key });
  }
  const causal = `${architecture}.attention.causal`;
  if (metadata.flag(causal) === false) fail("unsupported", `gguf: ${causal} must be true`, { param: causal });
}

function sameAs(metadata: Metadata, key: string, headDim: number): void {
  const value = metadata.optionalNumber(key) ?? headDim;
  if (value !== headDim) fail("unsupported", `gguf: ${key} is ${value}, heads have ${headDim}`, { param: key });
}

/** What only one family has. */
function familyFields(
  header: GgufHeader,
  metadata: Metadata,
  architecture: GgufArchitecture,
  sizes: { readonly hidden: number; readonly heads: number; readonly headDim: number },
): Record<string, unknown> {
  const window = metadata.optionalNumber(`${architecture}.attention.sliding_window`) ?? 0;
  switch (architecture) {
    case "llama": {
      const bias = header.tensors.has("blk.0.attn_q.bias");
      const shared = { hidden_act: "silu", attention_bias: bias, mlp_bias: false };
      // Mistral is written as Llama; only Mistral's configuration knows windows.
      return window === 0 ? shared : { ...shared, model_type: "mistral", sliding_window: window };
    }
    case "qwen2":
      return { hidden_act: "silu", use_sliding_window: false };
    case "qwen3":
      return { hidden_act: "silu", attention_bias: false, use_sliding_window: false };
    case "gemma3":
      return {
        hidden_activation: "gelu_pytorch_tanh",
        attention_bias: false,
        sliding_window: metadata.number("gemma3.attention.sliding_window"),
        sliding_window_pattern: metadata.optionalNumber("gemma3.attention.sliding_window_pattern") ?? 6,
        rope_local_base_freq: metadata.decimal("gemma3.rope.freq_base_swa") ?? 10_000,
        query_pre_attn_scalar: gemmaScalar(metadata, sizes),
      };
  }
}

/** Attention is scaled by this to the -1/2: the head's size, but hidden / heads in the 62 layers of the 27B model; GGUF does not say it. */
function gemmaScalar(
  metadata: Metadata,
  { hidden, heads, headDim }: { hidden: number; heads: number; headDim: number },
): number {
  return metadata.number("gemma3.block_count") === 62 ? hidden / heads : headDim;
}

function ropeScaling(
  metadata: Metadata,
  architecture: GgufArchitecture,
  factors: Float32Array | null,
): Record<string, unknown> | null {
  const key = (name: string): string => `${architecture}.rope.scaling.${name}`;
  const type = metadata.text(key("type")) ?? "none";
  if (factors !== null) {
    if (type !== "none")
      fail("unsupported", `gguf: ${key("type")} together with rope_freqs.weight`, { param: key("type") });
    return llama3Scaling(metadata, architecture, factors);
  }
  const legacy = `${architecture}.rope.scale_linear`;
  if (type === "none") {
    const factor = metadata.decimal(legacy) ?? 1;
    return factor === 1 ? null : { rope_type: "linear", factor };
  }
  const factor = metadata.decimal(key("factor")) ?? metadata.number(key("factor"));
  if (type === "linear") return { rope_type: "linear", factor };
  if (type !== "yarn") fail("unsupported", `gguf: ${key("type")} ${type} is not supported`, { param: key("type") });
  const optional = (field: string, name: string): Record<string, number> => {
    const value = metadata.decimal(key(name));
    return value === null ? {} : { [field]: value };
  };
  return {
    rope_type: "yarn",
    factor,
    original_max_position_embeddings: metadata.number(key("original_context_length")),
    ...optional("beta_fast", "yarn_beta_fast"),
    ...optional("beta_slow", "yarn_beta_slow"),
  };
}

/** The settings of every published Llama 3.1, 3.2 and 3.3; only the factor differs. */
const LLAMA3 = { rope_type: "llama3", low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

/** Llama 3's scaling is stored as its effect on each frequency. The settings are those whose effect is the same. */
function llama3Scaling(
  metadata: Metadata,
  architecture: GgufArchitecture,
  factors: Float32Array,
): Record<string, unknown> | null {
  if (factors.every((value) => value === 1)) return null;
  const theta = metadata.decimal(`${architecture}.rope.freq_base`) ?? 10_000;
  const factor = shortest(factors.at(-1)!);
  const matches = factors.every((value, i) => {
    const expected = llama3Factor(theta ** ((2 * i) / (2 * factors.length)), factor);
    return Math.abs(value - expected) <= 1e-4 * expected;
  });
  if (matches) return { ...LLAMA3, factor };
  return fail("unsupported", "gguf: rope_freqs.weight is not Llama 3's rotary scaling", { param: "rope_freqs.weight" });
}

/** By how much the frequency 1 / `period` is divided, `period` in positions per radian. */
function llama3Factor(period: number, factor: number): number {
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = LLAMA3;
  const wavelength = 2 * Math.PI * period;
  if (wavelength < original / high) return 1;
  if (wavelength > original / low) return factor;
  const smooth = (original / wavelength - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}
