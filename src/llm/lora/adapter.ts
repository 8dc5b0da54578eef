/**
 * Low-rank adapters (Hu et al. 2021, LoRA) in the layout of Hugging Face's PEFT: a folder with adapter_config.json and
 * adapter_model.safetensors, each weight under the name of the projection it changes:
 *
 *   base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight   [rank, in]
 *   base_model.model.model.layers.3.self_attn.q_proj.lora_B.weight   [out, rank]
 *
 *   y = W x + scale * B (A x),   scale = lora_alpha / rank, or lora_alpha / sqrt(rank) with use_rslora
 *
 * What a folder says beyond that (DoRA, trained biases, saved modules, changed embeddings) is refused by its name: an
 * adapter that is read is computed in full. The same layout is written by what trains adapters here.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { asFloat32, encodeSafetensors, float32ToHalf, SafetensorsFile, writeFileAtomically } from "../../nn/index.ts";
import { layerName, type DecoderConfig } from "../config.ts";
import { JsonFields } from "../json-fields.ts";

/** Names of the files of an adapter's folder. */
export const ADAPTER_CONFIG_FILE = "adapter_config.json";
const ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors";
const CONFIG_BYTES_MAX = 2 ** 20;
/** The largest rank there is any use for. */
export const RANK_MAX = 512;

/** The projections that an adapter may change, and where they stand in a layer. */
export const LORA_PARTS = {
  q_proj: "self_attn.q_proj",
  k_proj: "self_attn.k_proj",
  v_proj: "self_attn.v_proj",
  o_proj: "self_attn.o_proj",
  gate_proj: "mlp.gate_proj",
  up_proj: "mlp.up_proj",
  down_proj: "mlp.down_proj",
} as const;
/** Short name of a projection. */
export type LoraTarget = keyof typeof LORA_PARTS;
/** All of them, in the order of a layer. */
export const LORA_TARGETS = Object.keys(LORA_PARTS) as readonly LoraTarget[];

/** What an adapter adds to one projection; its scale is in `b` already. */
export interface LoraModule {
  readonly rank: number;
  /** [rank, in], row-major. */
  readonly a: Float32Array;
  /** [out, rank], row-major, scaled. */
  readonly b: Float32Array;
}

/** An adapter in memory. */
export interface LoraAdapter {
  /** The largest of its modules' ranks. */
  readonly rank: number;
  /** By the full name of the weight that it changes. */
  readonly modules: ReadonlyMap<string, LoraModule>;
}

/** Sizes of a projection. */
export function loraShape(config: DecoderConfig, target: LoraTarget): { readonly in: number; readonly out: number } {
  const { hidden, ffn } = config;
  const queries = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  switch (target) {
    case "q_proj":
      return { in: hidden, out: queries };
    case "k_proj":
    case "v_proj":
      return { in: hidden, out: keys };
    case "o_proj":
      return { in: queries, out: hidden };
    case "gate_proj":
    case "up_proj":
      return { in: hidden, out: ffn };
    case "down_proj":
      return { in: ffn, out: hidden };
    default:
      return target satisfies never;
  }
}

/** The full name of the weight of a projection. */
export function loraWeightName(layer: number, target: LoraTarget): string {
  return layerName(layer, LORA_PARTS[target]);
}

/** What a configuration says about scales. */
interface Scales {
  readonly rank: number;
  readonly alpha: number;
  readonly rankStabilised: boolean;
  readonly ranks: JsonFields | undefined;
  readonly alphas: JsonFields | undefined;
}

/** Fields that change what is computed, each with the values that change nothing. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ["LORA"],
  task_type: ["CAUSAL_LM"],
  use_dora: [false],
  use_qalora: [false],
  fan_in_fan_out: [false],
  bias: ["none"],
  lora_bias: [false],
  modules_to_save: [],
  layer_replication: [],
  trainable_token_indices: [],
  target_parameters: [],
  alora_invocation_tokens: [],
  arrow_config: [],
  corda_config: [],
  eva_config: [],
};
/** Beginnings that changed the base's own weights when the adapter was made. */
const CHANGED_BASE = /^(?:pissa|olora|corda|loftq)/u;

function readScales(json: unknown): Scales {
  const fields = JsonFields.of(json, ADAPTER_CONFIG_FILE);
  for (const [name, values] of Object.entries(PLAIN)) {
    const value = fields.raw(name);
    const empty = Array.isArray(value) && value.length === 0;
    if (!empty) fields.expectOneOf(name, values);
  }
  const start = fields.raw("init_lora_weights");
  if (typeof start === "string" && CHANGED_BASE.test(start)) fields.refuseValue("init_lora_weights");
  const rank = fields.number("r");
  if (!Number.isInteger(rank) || rank < 1 || rank > RANK_MAX) {
    fail("invalid_file", `${ADAPTER_CONFIG_FILE}: r must be an integer from 1 to ${RANK_MAX}, got ${rank}`, {
      param: "r",
    });
  }
  return {
    rank,
    alpha: fields.number("lora_alpha", 8),
    rankStabilised: fields.flag("use_rslora", false),
    ranks: fields.optionalObject("rank_pattern"),
    alphas: fields.optionalObject("alpha_pattern"),
  };
}

/** A number of a pattern table: keys are a module's name or its end, longest first; PEFT's expressions are not run. */
function patterned(table: JsonFields | undefined, keys: readonly string[], module: string, otherwise: number): number {
  const key = keys.find((each) => module === each || module.endsWith(`.${each}`));
  return key === undefined || table === undefined ? otherwise : table.number(key);
}

function patternKeys(json: unknown, name: string): readonly string[] {
  const table = (json as Readonly<Record<string, unknown>>)[name];
  const keys = typeof table === "object" && table !== null ? Object.keys(table) : [];
  const strange = keys.find((key) => !/^[\w.]+$/u.test(key));
  if (strange !== undefined) {
    fail("unsupported", `${ADAPTER_CONFIG_FILE}: ${name} has an expression, ${strange.slice(0, 80)}`, { param: name });
  }
  return keys.toSorted((a, b) => b.length - a.length);
}

const TENSOR =
  /^(?:base_model\.model\.)?(model\.layers\.(\d{1,4})\.(?:self_attn|mlp)\.(\w+))\.lora_([AB])(?:\.default)?\.weight$/u;

/** Where a tensor of the file belongs. */
interface Place {
  readonly module: string;
  readonly layer: number;
  readonly target: LoraTarget;
  readonly side: "A" | "B";
}

function placeOf(name: string, config: DecoderConfig): Place {
  const found = TENSOR.exec(name);
  const target = found?.[3] as LoraTarget | undefined;
  if (found === null || target === undefined || !Object.hasOwn(LORA_PARTS, target)) {
    return fail("unsupported", `adapter: ${name.slice(0, 200)} changes what adapters cannot change here`, {
      param: name,
    });
  }
  const [, module, layer, , side] = found as unknown as [string, string, string, string, "A" | "B"];
  if (module !== `model.layers.${layer}.${LORA_PARTS[target]}` || Number(layer) >= config.layers) {
    return fail("invalid_file", `adapter: this model has no ${module}`, { param: name });
  }
  return { module, layer: Number(layer), target, side };
}

/**
 * Reads an adapter for a model of that shape.
 * @param rankMax the largest rank that is taken
 * @throws PunctualError model_not_found, invalid_file, unsupported (by the field or tensor at fault), invalid_request
 * for a rank beyond `rankMax`.
 */
export async function readAdapter(
  dir: string,
  config: DecoderConfig,
  rankMax: number = RANK_MAX,
): Promise<LoraAdapter> {
  const json = await readConfig(dir);
  const scales = readScales(json);
  const rankKeys = patternKeys(json, "rank_pattern");
  const alphaKeys = patternKeys(json, "alpha_pattern");
  await using file = await openWeights(dir);
  const halves = new Map<string, { place: Place; a?: TensorData; b?: TensorData }>();
  for (const name of file.header.entries.keys()) {
    const place = placeOf(name, config);
    const half = halves.get(place.module) ?? { place };
    half[place.side === "A" ? "a" : "b"] = await file.read(name);
    halves.set(place.module, half);
  }
  if (halves.size === 0) fail("invalid_file", `${dir} holds no low-rank weights`, { param: ADAPTER_WEIGHTS_FILE });
  const modules = new Map<string, LoraModule>();
  for (const [module, { place, a, b }] of halves) {
    const rank = patterned(scales.ranks, rankKeys, module, scales.rank);
    if (rank > rankMax) {
      fail("invalid_request", `the adapter has rank ${rank}, at most ${rankMax} are taken`, { param: "r" });
    }
    const alpha = patterned(scales.alphas, alphaKeys, module, scales.alpha);
    const scale = alpha / (scales.rankStabilised ? Math.sqrt(rank) : rank);
    const shape = loraShape(config, place.target);
    const down = checked(`${module}.lora_A`, a, [rank, shape.in]);
    const up = checked(`${module}.lora_B`, b, [shape.out, rank]);
    modules.set(loraWeightName(place.layer, place.target), { rank, a: down, b: up.map((value) => value * scale) });
  }
  return { rank: Math.max(...Array.from(modules.values(), ({ rank }) => rank)), modules };
}

function checked(name: string, tensor: TensorData | undefined, dims: readonly number[]): Float32Array {
  if (tensor === undefined) return fail("invalid_file", `adapter: ${name} is missing`, { param: name });
  if (tensor.dims.join() !== dims.join()) {
    const got = `expected [${dims.join(", ")}], got [${tensor.dims.join(", ")}]`;
    return fail("invalid_file", `adapter: ${name}: ${got}`, { param: name });
  }
  const data = asFloat32(name, tensor);
  if (!data.every(Number.isFinite))
    fail("invalid_file", `adapter: ${name} has numbers that are not finite`, { param: name });
  return data;
}

async function readConfig(dir: string): Promise<unknown> {
  const path = join(dir, ADAPTER_CONFIG_FILE);
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > CONFIG_BYTES_MAX) fail("invalid_file", `${path} has ${size} bytes`, { param: ADAPTER_CONFIG_FILE });
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      return fail("model_not_found", `${dir} has no ${ADAPTER_CONFIG_FILE}`, { param: ADAPTER_CONFIG_FILE, cause });
    }
    throw cause;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    return fail("invalid_file", `${path} is not JSON`, { param: ADAPTER_CONFIG_FILE, cause });
  }
}

async function openWeights(dir: string): Promise<SafetensorsFile> {
  const path = join(dir, ADAPTER_WEIGHTS_FILE);
  try {
    return await SafetensorsFile.open(path);
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause;
    const message = `${dir} has no ${ADAPTER_WEIGHTS_FILE}; save the adapter with safe_serialization=True`;
    return fail("model_not_found", message, { param: ADAPTER_WEIGHTS_FILE, cause });
  }
}

/** An adapter as it is trained: both halves unscaled, by the full name of the weight they change. */
export interface TrainedAdapter {
  readonly rank: number;
  readonly alpha: number;
  readonly modules: ReadonlyMap<string, { readonly a: Float32Array; readonly b: Float32Array }>;
}

/** Writes an adapter in PEFT's layout. @param base what it was trained on, for people @param storage of its numbers */
export async function writeAdapter(
  dir: string,
  adapter: TrainedAdapter,
  base: string,
  storage: "float32" | "float16" = "float32",
): Promise<void> {
  const { rank, alpha } = adapter;
  const tensors = new Map<string, TensorData>();
  const targets = new Set<string>();
  for (const [name, { a, b }] of adapter.modules) {
    const module = name.replace(/\.weight$/u, "");
    targets.add(module.slice(module.lastIndexOf(".") + 1));
    const store = (side: string, data: Float32Array, dims: readonly number[]): unknown =>
      tensors.set(`base_model.model.${module}.lora_${side}.weight`, {
        dtype: storage,
        dims,
        data: storage === "float16" ? float32ToHalf(data) : data,
      });
    store("A", a, [rank, a.length / rank]);
    store("B", b, [b.length / rank, rank]);
  }
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    inference_mode: true,
    target_modules: [...targets].toSorted(),
  };
  await writeFileAtomically(join(dir, ADAPTER_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
  await writeFileAtomically(join(dir, ADAPTER_WEIGHTS_FILE), encodeSafetensors(tensors, { format: "pt" }));
}
