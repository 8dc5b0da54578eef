/**
 * What the families' tests share: a small config.json of each, in the form its real ones have, weights with
 * nothing left at one or zero, and the plain twin of the decoder. The twin is each architecture as published
 * (Hugging Face's modeling files), in doubles, over a whole sequence, from config.json and weights by name: it shares
 * nothing with the decoder, not even how a config is read.
 */
import { createRandom } from "../core/index.ts";
import { parameterSpecs, type DecoderConfig } from "./config.ts";
import type { WeightSource } from "./types.ts";

/** A config.json, of which a twin reads what its architecture has. */
export type ConfigJson = Readonly<Record<string, unknown>>;

const SMALL = {
  vocab_size: 101,
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 96,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 128,
};

/** name -> config.json. */
export const FAMILY_CONFIGS: Readonly<Record<string, ConfigJson>> = {
  "llama 2": { ...SMALL, model_type: "llama", num_key_value_heads: 4, hidden_act: "silu" },
  "llama, linear": {
    ...SMALL,
    model_type: "llama",
    hidden_act: "silu",
    rope_scaling: { type: "linear", factor: 4 },
    tie_word_embeddings: true,
  },
  "llama 3": {
    ...SMALL,
    model_type: "llama",
    num_key_value_heads: 1,
    hidden_act: "silu",
    rope_theta: 500000,
    attention_bias: false,
    mlp_bias: false,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
  mistral: {
    ...SMALL,
    model_type: "mistral",
    num_attention_heads: 6,
    head_dim: 12,
    hidden_act: "silu",
    sliding_window: 13,
  },
  "smollm 3": {
    ...SMALL,
    model_type: "smollm3",
    num_hidden_layers: 5,
    hidden_act: "silu",
    rope_theta: 5000000,
    no_rope_layer_interval: 4,
    use_sliding_window: false,
    sliding_window: null,
  },
  "smollm 3, windows": {
    ...SMALL,
    model_type: "smollm3",
    hidden_act: "silu",
    no_rope_layers: [1, 0, 1],
    use_sliding_window: true,
    sliding_window: 9,
  },
  "qwen 2": {
    ...SMALL,
    model_type: "qwen2",
    num_attention_heads: 7,
    num_key_value_heads: 1,
    head_dim: 8,
    hidden_act: "silu",
    rope_theta: 1000000,
    tie_word_embeddings: true,
    use_sliding_window: false,
    sliding_window: 16,
    max_window_layers: 2,
  },
  "qwen 2, windows": {
    ...SMALL,
    model_type: "qwen2",
    hidden_act: "silu",
    use_sliding_window: true,
    sliding_window: 10,
    max_window_layers: 1,
  },
  "qwen 2.5, yarn": {
    ...SMALL,
    model_type: "qwen2",
    hidden_act: "silu",
    max_position_embeddings: 32,
    rope_theta: 1000,
    rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 32 },
  },
  "qwen 3": {
    ...SMALL,
    model_type: "qwen3",
    head_dim: 24,
    hidden_act: "silu",
    rope_theta: 1000000,
    tie_word_embeddings: true,
    attention_bias: false,
    use_sliding_window: false,
    sliding_window: null,
    max_window_layers: 3,
  },
  "gemma 3": {
    ...SMALL,
    model_type: "gemma3_text",
    num_hidden_layers: 7,
    num_key_value_heads: 1,
    head_dim: 16,
    hidden_activation: "gelu_pytorch_tanh",
    query_pre_attn_scalar: 24,
    rope_theta: 1000000,
    rope_local_base_freq: 10000,
    rope_scaling: { rope_type: "linear", factor: 8 },
    sliding_window: 12,
    sliding_window_pattern: 3,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
  },
};

/** Noise of unit gain in every weight: norms vary around what leaves a row as it is, biases are not zero. */
export function livelyWeights(config: DecoderConfig, seed: number): WeightSource {
  const known = new Map<string, Float32Array>();
  for (const { name, dims } of parameterSpecs(config)) {
    const random = createRandom(seed, name);
    const isNorm = name.includes("norm");
    const centre = isNorm && config.normOffset !== true ? 1 : 0;
    const deviation = isNorm ? 0.3 : name.endsWith(".bias") ? 0.5 : 1 / Math.sqrt(dims[1]!);
    const length = dims.reduce((product, dim) => product * dim, 1);
    known.set(
      name,
      Float32Array.from({ length }, () => centre + deviation * random.normal()),
    );
  }
  return { get: (name) => known.get(name)! };
}

type Row = number[];

/** How one layer of the twin attends. */
interface TwinLayer {
  /** Angle per position of each pair; null: no rotary positions. */
  readonly angles: readonly number[] | null;
  readonly cosineScale: number;
  readonly window: number;
}

/** Logits of every position of one sequence, in doubles. */
export function twinLogits(json: ConfigJson, weights: WeightSource, tokens: readonly number[]): number[][] {
  return new DecoderTwin(json, weights).logits(tokens);
}

class DecoderTwin {
  readonly #json: ConfigJson;
  readonly #weights: WeightSource;
  readonly #hidden: number;
  readonly #heads: number;
  readonly #kvHeads: number;
  readonly #headDim: number;
  readonly #layers: readonly TwinLayer[];

  constructor(json: ConfigJson, weights: WeightSource) {
    this.#json = json;
    this.#weights = weights;
    this.#hidden = this.#number("hidden_size");
    this.#heads = this.#number("num_attention_heads");
    this.#kvHeads = this.#number("num_key_value_heads");
    this.#headDim = this.#number("head_dim", this.#hidden / this.#heads);
    this.#layers = Array.from({ length: this.#number("num_hidden_layers") }, (_, layer) => this.#layer(layer));
  }

  #number(name: string, fallback?: number): number {
    return (this.#json[name] ?? fallback) as number;
  }

  get #isGemma(): boolean {
    return this.#json["model_type"] === "gemma3_text";
  }

  logits(tokens: readonly number[]): number[][] {
    const table = this.#weights.get("model.embed_tokens.weight", []);
    const scale = this.#isGemma ? Math.sqrt(this.#hidden) : 1;
    const width = this.#hidden;
    let rows: Row[] = tokens.map((id) => Array.from(table.subarray(id * width, (id + 1) * width), (x) => x * scale));
    this.#layers.forEach((how, layer) => {
      rows = this.#isGemma ? this.#gemmaLayer(rows, layer, how) : this.#llamaLayer(rows, layer, how);
    });
    const isTied = this.#json["tie_word_embeddings"] ?? (this.#isGemma || this.#json["model_type"] === "smollm3");
    const head = isTied === true ? "model.embed_tokens" : "lm_head";
    return rows.map((row) => this.#linear(this.#norm(row, "model.norm"), head));
  }

  #llamaLayer(rows: Row[], layer: number, how: TwinLayer): Row[] {
    const at = `model.layers.${layer}`;
    const attended = this.#attention(
      rows.map((row) => this.#norm(row, `${at}.input_layernorm`)),
      `${at}.self_attn`,
      how,
    );
    return rows.map((row, i) => {
      const mixed = sum(row, attended[i]!);
      return sum(mixed, this.#feedForward(this.#norm(mixed, `${at}.post_attention_layernorm`), `${at}.mlp`));
    });
  }

  #gemmaLayer(rows: Row[], layer: number, how: TwinLayer): Row[] {
    const at = `model.layers.${layer}`;
    const attended = this.#attention(
      rows.map((row) => this.#norm(row, `${at}.input_layernorm`)),
      `${at}.self_attn`,
      how,
    );
    return rows.map((row, i) => {
      const mixed = sum(row, this.#norm(attended[i]!, `${at}.post_attention_layernorm`));
      const fed = this.#feedForward(this.#norm(mixed, `${at}.pre_feedforward_layernorm`), `${at}.mlp`);
      return sum(mixed, this.#norm(fed, `${at}.post_feedforward_layernorm`));
    });
  }

  #linear(row: Row, name: string, bias = false): Row {
    const weight = this.#weights.get(`${name}.weight`, []);
    const added = bias ? this.#weights.get(`${name}.bias`, []) : null;
    return Array.from({ length: weight.length / row.length }, (_, out) => {
      let total = added?.[out] ?? 0;
      for (let i = 0; i < row.length; i++) total += row[i]! * weight[out * row.length + i]!;
      return total;
    });
  }

  #norm(row: Row, name: string): Row {
    const weight = this.#weights.get(`${name}.weight`, []);
    const square = row.reduce((total, x) => total + x * x, 0) / row.length;
    const factor = 1 / Math.sqrt(square + this.#number("rms_norm_eps"));
    return row.map((x, i) => x * factor * (this.#isGemma ? 1 + weight[i]! : weight[i]!));
  }

  #feedForward(row: Row, at: string): Row {
    const gate = this.#linear(row, `${at}.gate_proj`);
    const up = this.#linear(row, `${at}.up_proj`);
    const activation = this.#isGemma ? geluTanh : silu;
    return this.#linear(
      gate.map((x, i) => activation(x) * up[i]!),
      `${at}.down_proj`,
    );
  }

  #attention(rows: Row[], at: string, how: TwinLayer): Row[] {
    const type = this.#json["model_type"];
    const hasBias = type === "qwen2";
    const hasNorm = type === "qwen3" || type === "gemma3_text";
    const heads = (row: Row, part: "q" | "k", position: number): Row[] =>
      chunks(this.#linear(row, `${at}.${part}_proj`, hasBias), this.#headDim).map((head) =>
        turn(hasNorm ? this.#norm(head, `${at}.${part}_norm`) : head, position, how),
      );
    const queries = rows.map((row, position) => heads(row, "q", position));
    const keys = rows.map((row, position) => heads(row, "k", position));
    const values = rows.map((row) => chunks(this.#linear(row, `${at}.v_proj`, hasBias), this.#headDim));
    const scalar = this.#isGemma ? this.#number("query_pre_attn_scalar") : this.#headDim;
    return queries.map((perHead, position) => {
      const mixed = perHead.flatMap((query, head) => {
        const kv = Math.floor(head / (this.#heads / this.#kvHeads));
        const seen = rows.map((_, key) => key).filter((key) => key <= position && position - key < how.window);
        const scores = seen.map((key) => dot(query, keys[key]![kv]!) / Math.sqrt(scalar));
        const shares = softmax(scores);
        return query.map((_, d) => seen.reduce((total, key, i) => total + shares[i]! * values[key]![kv]![d]!, 0));
      });
      return this.#linear(mixed, `${at}.o_proj`);
    });
  }

  #layer(layer: number): TwinLayer {
    const theta = this.#number(
      "rope_theta",
      { gemma3_text: 1e6, smollm3: 2e6 }[String(this.#json["model_type"])] ?? 1e4,
    );
    const window = this.#number("sliding_window", Infinity);
    const uses = this.#json["use_sliding_window"] === true;
    const global = { ...this.#globalAngles(theta), window: Infinity };
    switch (this.#json["model_type"]) {
      case "mistral":
        return { ...global, window };
      case "qwen2":
      case "qwen3":
        return { ...global, window: uses && layer >= this.#number("max_window_layers") ? window : Infinity };
      case "smollm3": {
        const listed = this.#json["no_rope_layers"] as readonly number[] | undefined;
        const turns =
          listed === undefined ? (layer + 1) % this.#number("no_rope_layer_interval") !== 0 : listed[layer] === 1;
        return turns ? global : { ...global, angles: null, window: uses ? window : Infinity };
      }
      case "gemma3_text": {
        if ((layer + 1) % this.#number("sliding_window_pattern") === 0) return global;
        return { angles: this.#plainAngles(this.#number("rope_local_base_freq")), cosineScale: 1, window };
      }
      default:
        return global;
    }
  }

  #plainAngles(theta: number): number[] {
    return Array.from({ length: this.#headDim / 2 }, (_, i) => 1 / theta ** ((2 * i) / this.#headDim));
  }

  #globalAngles(theta: number): Pick<TwinLayer, "angles" | "cosineScale"> {
    const plain = this.#plainAngles(theta);
    const scaling = (this.#json["rope_scaling"] ?? {}) as Readonly<Record<string, number>>;
    const type: unknown = scaling["rope_type"] ?? scaling["type"];
    const factor = scaling["factor"] ?? 1;
    if (type === "linear") return { angles: plain.map((angle) => angle / factor), cosineScale: 1 };
    const original = scaling["original_max_position_embeddings"] ?? 0;
    if (type === "llama3") {
      const [low, high] = [scaling["low_freq_factor"]!, scaling["high_freq_factor"]!];
      const angles = plain.map((angle) => {
        const wavelength = (2 * Math.PI) / angle;
        if (wavelength < original / high) return angle;
        if (wavelength > original / low) return angle / factor;
        const smooth = (original / wavelength - low) / (high - low);
        return ((1 - smooth) * angle) / factor + smooth * angle;
      });
      return { angles, cosineScale: 1 };
    }
    if (type !== "yarn") return { angles: plain, cosineScale: 1 };
    const dimension = (rotations: number): number =>
      (this.#headDim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
    const low = Math.max(Math.floor(dimension(32)), 0);
    const high = Math.min(Math.ceil(dimension(1)), this.#headDim - 1);
    const angles = plain.map((angle, i) => {
      const interpolated = Math.min(Math.max((i - low) / (high === low ? 0.001 : high - low), 0), 1);
      return (angle / factor) * interpolated + angle * (1 - interpolated);
    });
    return { angles, cosineScale: 0.1 * Math.log(factor) + 1 };
  }
}

/** x cos + rotateHalf(x) sin, rotateHalf([a, b]) = [-b, a]. */
function turn(head: Row, position: number, { angles, cosineScale }: TwinLayer): Row {
  if (angles === null) return head;
  const half = head.length / 2;
  return head.map((x, i) => {
    const angle = position * angles[i % half]!;
    const other = i < half ? -head[i + half]! : head[i - half]!;
    return cosineScale * (x * Math.cos(angle) + other * Math.sin(angle));
  });
}

const sum = (a: Row, b: Row): Row => a.map((x, i) => x + b[i]!);
const dot = (a: Row, b: Row): number => a.reduce((total, x, i) => total + x * b[i]!, 0);
const silu = (x: number): number => x / (1 + Math.exp(-x));
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function chunks(row: Row, length: number): Row[] {
  return Array.from({ length: row.length / length }, (_, i) => row.slice(i * length, (i + 1) * length));
}

function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}
