/**
 * Claim `rivals`: a whole decoder as one ONNX graph in the form that transformers.js runs: token ids, an attention mask and
 * past keys and values in, logits and present keys and values out. Nodes are those of ONNX Runtime's own model builder
 * (GroupQueryAttention with rotary positions inside, fused skip and norm), because those are its fastest on CPUs, and the
 * head reads only the rows whose logits are wanted. Llama's and Qwen 3's architecture; others are refused.
 *
 * Not our engine's network: that is llm/decoder.ts, cut at attention and with a paged cache.
 */
import { fail } from "../../core/index.ts";
import type { AttributeValue, GraphModel, GraphNode, Initializer, ValueInfo } from "../../graph/index.ts";
import {
  EMBEDDING_NAME,
  FINAL_NORM_NAME,
  HEAD_NAME,
  layerName,
  type DecoderConfig,
  type WeightSource,
} from "../../llm/index.ts";
import { rotaryTables } from "../../nn/index.ts";

const MICROSOFT = "com.microsoft";
const int = (value: number): AttributeValue => ({ kind: "int", value });
const float = (value: number): AttributeValue => ({ kind: "float", value });

/** What one layer hands to the next: x, and what is still to be added to it; null before the first. */
interface Stream {
  readonly x: string;
  readonly skip: string | null;
}

/** The parts of a model as they come together; names of values are the only handles. */
class Parts {
  readonly nodes: GraphNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #config: DecoderConfig;
  readonly #weights: WeightSource;
  readonly #known = new Set<string>();

  constructor(config: DecoderConfig, weights: WeightSource) {
    this.#config = config;
    this.#weights = weights;
  }

  node(op: string, inputs: readonly string[], outputs: readonly string[], more: Partial<GraphNode> = {}): string {
    const name = `${op}_${this.nodes.length}`;
    this.nodes.push({ op, domain: "", name, inputs, outputs, attributes: {}, ...more });
    return outputs[0]!;
  }

  /** A node with one output, named after it. */
  value(op: string, inputs: readonly string[], more: Partial<GraphNode> = {}): string {
    return this.node(op, inputs, [`${op}_${this.nodes.length}_out`], more);
  }

  int64(name: string, values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#initializer(name, () => ({
      name,
      dtype: "int64",
      dims,
      data: BigInt64Array.from(values, (value) => BigInt(value)),
    }));
  }

  floats(name: string, dims: readonly number[], data: Float32Array): string {
    return this.#initializer(name, () => ({ name, dtype: "float32", dims, data }));
  }

  weight(name: string, dims: readonly number[]): string {
    return this.#initializer(name, () => ({ name, dtype: "float32", dims, load: () => this.#weights.get(name, dims) }));
  }

  /** x times the transpose of a weight [out, in]. */
  linear(x: string, name: string, inFeatures: number, outFeatures: number): string {
    const attributes = { transB: int(1) };
    return this.value("FusedMatMul", [x, this.weight(name, [outFeatures, inFeatures])], {
      domain: MICROSOFT,
      attributes,
    });
  }

  norm(x: string, name: string, width: number): string {
    const attributes = { axis: int(-1), epsilon: float(this.#config.normEps) };
    return this.value("SimplifiedLayerNormalization", [x, this.weight(name, [width])], { attributes });
  }

  /** Adds what is open to the residual and norms it: the normed rows, and the stream with nothing open. */
  addAndNorm({ x, skip }: Stream, name: string): { readonly normed: string; readonly x: string } {
    const { hidden, normEps } = this.#config;
    if (skip === null) return { normed: this.norm(x, name, hidden), x };
    const at = this.nodes.length;
    const outputs = [`normed_${at}`, "", "", `residual_${at}`];
    this.node("SkipSimplifiedLayerNormalization", [x, skip, this.weight(name, [hidden])], outputs, {
      domain: MICROSOFT,
      attributes: { epsilon: float(normEps) },
    });
    return { normed: outputs[0]!, x: outputs[3]! };
  }

  #initializer(name: string, make: () => Initializer): string {
    if (!this.#known.has(name)) this.initializers.push(make());
    this.#known.add(name);
    return name;
  }
}

function checkSupported(config: DecoderConfig): void {
  const other = (
    ["window", "windows", "ropeScaling", "embeddingScale", "noRopeLayers", "attentionScale"] as const
  ).find((field) => config[field] !== undefined);
  const flag = (["qkvBias", "normOffset", "postNorms"] as const).find((field) => config[field] === true);
  const found = other ?? flag ?? (config.activation === "gelu_tanh" ? "activation" : undefined);
  if (found !== undefined) fail("unsupported", `decoderGraph: ${found} is not supported`, { param: found });
}

/** Lengths as GroupQueryAttention takes them: the last position of each sequence, and the longest length. */
function lengths(parts: Parts): { readonly last: string; readonly total: string } {
  const toInt32 = { attributes: { to: int(6) } };
  const sums = parts.value("ReduceSum", ["attention_mask", parts.int64("axis_1", [1])], {
    attributes: { keepdims: int(0) },
  });
  const last = parts.value("Cast", [parts.value("Sub", [sums, parts.int64("one", [1])])], toInt32);
  const shape = parts.value("Shape", ["attention_mask"]);
  const longest = parts.value("Gather", [shape, parts.int64("index_1", [1], [])], { attributes: { axis: int(0) } });
  return { last, total: parts.value("Cast", [longest], toInt32) };
}

/** Half-width tables [positions, headDim / 2] of every position. */
function rotary(parts: Parts, { maxPositions, headDim, ropeTheta }: DecoderConfig): readonly [string, string] {
  const half = headDim / 2;
  const { cos, sin } = rotaryTables(maxPositions, headDim, ropeTheta);
  const upper = (table: Float32Array): Float32Array => {
    const result = new Float32Array(maxPositions * half);
    for (let at = 0; at < maxPositions; at++) {
      result.set(table.subarray(at * headDim + half, (at + 1) * headDim), at * half);
    }
    return result;
  };
  const dims = [maxPositions, half];
  return [parts.floats("cos_cache", dims, upper(cos)), parts.floats("sin_cache", dims, upper(sin))];
}

interface AttentionInputs {
  readonly last: string;
  readonly total: string;
  readonly tables: readonly [string, string];
}

/** Each head of rows [batch, tokens, heads * headDim] by the same norm. */
function headNorm(parts: Parts, config: DecoderConfig, rows: string, name: string, heads: number): string {
  const { headDim } = config;
  const reshape = (x: string, label: string, dims: readonly number[]): string =>
    parts.value("Reshape", [x, parts.int64(label, dims)]);
  const byHead = reshape(rows, `heads_${heads}`, [0, 0, heads, headDim]);
  return reshape(parts.norm(byHead, name, headDim), `rows_${heads}`, [0, 0, heads * headDim]);
}

function attention(parts: Parts, config: DecoderConfig, layer: number, x: string, inputs: AttentionInputs): string {
  const { hidden, heads, kvHeads, headDim } = config;
  const project = (part: string, width: number): string =>
    parts.linear(x, layerName(layer, `self_attn.${part}_proj`), hidden, width);
  const normed = (part: "q" | "k", count: number): string => {
    const rows = project(part, count * headDim);
    if (config.qkNorm !== true) return rows;
    return headNorm(parts, config, rows, layerName(layer, `self_attn.${part}_norm`), count);
  };
  const past = `past_key_values.${layer}`;
  const present = `present.${layer}`;
  const q = normed("q", heads);
  const k = normed("k", kvHeads);
  const mixed = parts.node(
    "GroupQueryAttention",
    [
      q,
      k,
      project("v", kvHeads * headDim),
      `${past}.key`,
      `${past}.value`,
      inputs.last,
      inputs.total,
      ...inputs.tables,
    ],
    [`mixed_${layer}`, `${present}.key`, `${present}.value`],
    { domain: MICROSOFT, attributes: { num_heads: int(heads), kv_num_heads: int(kvHeads), do_rotary: int(1) } },
  );
  return parts.linear(mixed, layerName(layer, "self_attn.o_proj"), heads * headDim, hidden);
}

function feedForward(parts: Parts, { hidden, ffn }: DecoderConfig, layer: number, x: string): string {
  const gate = parts.linear(x, layerName(layer, "mlp.gate_proj"), hidden, ffn);
  const up = parts.linear(x, layerName(layer, "mlp.up_proj"), hidden, ffn);
  const silu = parts.value("Mul", [gate, parts.value("Sigmoid", [gate])]); // ONNX Runtime makes one node of both
  return parts.linear(parts.value("Mul", [silu, up]), layerName(layer, "mlp.down_proj"), ffn, hidden);
}

/** The last `num_logits_to_keep` rows of each sequence, all for 0. */
function keptRows(parts: Parts, x: string): string {
  const count = parts.value("Unsqueeze", ["num_logits_to_keep", parts.int64("axis_0", [0])]);
  const start = parts.value("Neg", [count]);
  const end = parts.int64("end", [Number.MAX_SAFE_INTEGER]);
  return parts.value("Slice", [x, start, end, parts.int64("axis_1", [1])]);
}

function inputsOf(config: DecoderConfig): ValueInfo[] {
  const ids = (name: string, length: string): ValueInfo => ({ name, dtype: "int64", shape: ["batch_size", length] });
  return [
    ids("input_ids", "sequence_length"),
    ids("attention_mask", "total_sequence_length"),
    { name: "num_logits_to_keep", dtype: "int64", shape: [] },
    ...cacheOf(config, "past_key_values", "past_sequence_length"),
  ];
}

function cacheOf({ layers, kvHeads, headDim }: DecoderConfig, prefix: string, length: string): ValueInfo[] {
  return Array.from({ length: layers * 2 }, (_, i) => ({
    name: `${prefix}.${i >> 1}.${i % 2 === 0 ? "key" : "value"}`,
    dtype: "float32",
    shape: ["batch_size", kvHeads, length, headDim],
  }));
}

/**
 * The graph with float32 weights, each read when its bytes are wanted; pass it through `packLinear` for 4 bits.
 * @throws PunctualError unsupported, naming the field, for a decoder that is neither Llama's nor Qwen 3's.
 */
export function decoderGraph(config: DecoderConfig, weights: WeightSource): GraphModel {
  checkSupported(config);
  const { hidden, layers, vocabSize } = config;
  const parts = new Parts(config, weights);
  const inputs: AttentionInputs = { ...lengths(parts), tables: rotary(parts, config) };
  const table = parts.weight(EMBEDDING_NAME, [vocabSize, hidden]);
  let stream: Stream = { x: parts.value("Gather", [table, "input_ids"]), skip: null };
  for (let layer = 0; layer < layers; layer++) {
    const before = parts.addAndNorm(stream, layerName(layer, "input_layernorm"));
    const mixed = attention(parts, config, layer, before.normed, inputs);
    const after = parts.addAndNorm({ x: before.x, skip: mixed }, layerName(layer, "post_attention_layernorm"));
    stream = { x: after.x, skip: feedForward(parts, config, layer, after.normed) };
  }
  const { normed } = parts.addAndNorm(stream, FINAL_NORM_NAME);
  const head = config.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME;
  const logits = parts.linear(keptRows(parts, normed), head, hidden, vocabSize);
  parts.node("Identity", [logits], ["logits"]);
  return {
    name: "decoder",
    irVersion: 10,
    opsets: { "": 21, [MICROSOFT]: 1 },
    inputs: inputsOf(config),
    outputs: [
      { name: "logits", dtype: "float32", shape: ["batch_size", "kept", vocabSize] },
      ...cacheOf(config, "present", "total_sequence_length"),
    ],
    initializers: parts.initializers,
    nodes: parts.nodes,
    metadata: {},
  };
}
