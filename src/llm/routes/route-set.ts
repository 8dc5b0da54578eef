/**
 * What decides which layers a sequence goes through, as files (FiRST, arXiv 2410.12513): a router for every layer that may be left
 * out, and low-rank weights that make up for those that are. A folder beside a model's weights, or anywhere:
 *
 *   route_config.json           which layers, and how the routers are read
 *   routers.safetensors         routers.<layer>.weight [hidden], routers.<layer>.bias [1]
 *   adapter_config.json, …      the low-rank weights, in PEFT's layout (lora/adapter.ts); may be absent
 *
 * A router reads the states that enter its layer, of every token of the prompt: p = mean of sigmoid(w · x + b) is how likely
 * the layer is kept. The first layers and the last are always kept.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { asFloat32, encodeSafetensors, SafetensorsFile, writeFileAtomically } from "../../nn/index.ts";
import type { DecoderConfig } from "../config.ts";
import { JsonFields } from "../json-fields.ts";
import { ADAPTER_CONFIG_FILE, readAdapter, type LoraAdapter } from "../lora/index.ts";

/** Name of the file that makes a folder one of routes. */
export const ROUTE_CONFIG_FILE = "route_config.json";
const ROUTERS_FILE = "routers.safetensors";
const FORMAT = "punctual-routes-1";
const CONFIG_BYTES_MAX = 2 ** 20;

/** One layer's router. */
export interface Router {
  /** [hidden] */
  readonly weight: Float32Array;
  readonly bias: number;
}

/** The routers of a model, and what makes up for layers left out. */
export interface RouteSet {
  /** One per layer; null: always kept. */
  readonly routers: readonly (Router | null)[];
  /** Of sequences that leave a layer out; null: the weights stay as they are. */
  readonly adapter: LoraAdapter | null;
  /** Says which these are: equal identities, equal numbers. */
  readonly identity: string;
}

/** Layers at the beginning and at the end that are never left out. */
export interface ProtectedLayers {
  readonly first: number;
  readonly last: number;
}

/** What is kept where nothing else is said. */
export const DEFAULT_PROTECTED: ProtectedLayers = { first: 2, last: 1 };

/** Whether a layer may be left out. */
export function isRoutable({ layers }: DecoderConfig, { first, last }: ProtectedLayers, layer: number): boolean {
  return layer >= first && layer < layers - last;
}

/** Whether a folder holds routes. */
export function holdsRoutes(dir: string): boolean {
  return existsSync(join(dir, ROUTE_CONFIG_FILE));
}

/** Reads routes for a model of that shape. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function readRoutes(dir: string, config: DecoderConfig): Promise<RouteSet> {
  const fields = JsonFields.of(await readConfig(dir), ROUTE_CONFIG_FILE);
  fields.expectOneOf("format", [FORMAT]);
  const layers = fields.number("layers");
  if (layers !== config.layers) {
    fail("invalid_file", `${ROUTE_CONFIG_FILE}: routes of ${layers} layers, the model has ${config.layers}`, {
      param: "layers",
    });
  }
  const kept = { first: fields.number("protected_first"), last: fields.number("protected_last") };
  for (const [param, value] of Object.entries(kept)) {
    if (Number.isInteger(value) && value >= 1) continue;
    fail("invalid_file", `${ROUTE_CONFIG_FILE}: protected_${param} must be at least 1, got ${value}`, { param });
  }
  await using file = await openRouters(dir);
  const routers: (Router | null)[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    if (!isRoutable(config, kept, layer)) {
      routers.push(null);
      continue;
    }
    const read = async (part: string, dims: readonly number[]): Promise<Float32Array> => {
      const name = `routers.${layer}.${part}`;
      const tensor = await file.read(name);
      const data = asFloat32(name, tensor);
      if (tensor.dims.join() === dims.join() && data.every(Number.isFinite)) return data;
      return fail("invalid_file", `${ROUTERS_FILE}: ${name} must be [${dims.join(", ")}] finite numbers`, {
        param: name,
      });
    };
    routers.push({ weight: await read("weight", [config.hidden]), bias: (await read("bias", [1]))[0]! });
  }
  const identity = fields.raw("identity");
  const adapter = existsSync(join(dir, ADAPTER_CONFIG_FILE)) ? await readAdapter(dir, config) : null;
  return { routers, adapter, identity: typeof identity === "string" ? identity : dir };
}

/** What is written beside the adapter. */
export interface RoutesToWrite {
  readonly routers: readonly (Router | null)[];
  readonly protected: ProtectedLayers;
  /** What made them, for the weight cache and for people. */
  readonly identity: string;
  /** Facts for people: mean share of layers kept, how they were trained. */
  readonly about?: Readonly<Record<string, unknown>>;
}

/** Writes the routers and their configuration; the adapter is written by `writeAdapter`. */
export async function writeRoutes(dir: string, routes: RoutesToWrite): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const [layer, router] of routes.routers.entries()) {
    if (router === null) continue;
    const { weight, bias } = router;
    tensors.set(`routers.${layer}.weight`, { dtype: "float32", dims: [weight.length], data: weight });
    tensors.set(`routers.${layer}.bias`, { dtype: "float32", dims: [1], data: Float32Array.of(bias) });
  }
  const config = {
    format: FORMAT,
    identity: routes.identity,
    layers: routes.routers.length,
    protected_first: routes.protected.first,
    protected_last: routes.protected.last,
    ...(routes.about === undefined ? {} : { about: routes.about }),
  };
  await writeFileAtomically(join(dir, ROUTERS_FILE), encodeSafetensors(tensors));
  await writeFileAtomically(join(dir, ROUTE_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}

async function readConfig(dir: string): Promise<unknown> {
  const path = join(dir, ROUTE_CONFIG_FILE);
  if (!existsSync(path)) fail("model_not_found", `${dir} has no ${ROUTE_CONFIG_FILE}`, { param: ROUTE_CONFIG_FILE });
  const { size } = await stat(path);
  if (size > CONFIG_BYTES_MAX) fail("invalid_file", `${path} has ${size} bytes`, { param: ROUTE_CONFIG_FILE });
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch (cause) {
    return fail("invalid_file", `${path} is not JSON`, { param: ROUTE_CONFIG_FILE, cause });
  }
}

async function openRouters(dir: string): Promise<SafetensorsFile> {
  const path = join(dir, ROUTERS_FILE);
  if (existsSync(path)) return SafetensorsFile.open(path);
  return fail("model_not_found", `${dir} has no ${ROUTERS_FILE}`, { param: ROUTERS_FILE });
}
