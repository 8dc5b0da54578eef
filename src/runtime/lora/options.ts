/** Adapters as an engine's caller names them. */
import { fail } from "../../core/index.ts";
import { RANK_MAX, type LoraLimits } from "../../llm/index.ts";

/** An adapter on disk. */
export interface AdapterSource {
  /** The name that requests ask it by. */
  readonly name: string;
  /** A folder in PEFT's layout: adapter_config.json and adapter_model.safetensors. */
  readonly dir: string;
}

/** Low-rank adapters, each request with one or none; requests of all of them are computed in the same steps. */
export interface LoraOptions {
  /** Loaded at start; none when absent. */
  readonly modules?: readonly AdapterSource[];
  /** Most adapters at a time; 4 when absent, never fewer than `modules`. */
  readonly maxLoras?: number;
  /** Largest rank; 16 when absent. */
  readonly maxRank?: number;
}

const DEFAULT_MAX_LORAS = 4;
const DEFAULT_MAX_RANK = 16;
const MAX_LORAS = 256;
const MAX_NAME = 256;

/** A name that can be told and asked. */
export function checkAdapterName(name: string): string {
  if (name.length >= 1 && name.length <= MAX_NAME) return name;
  return fail("invalid_request", `an adapter's name has 1 to ${MAX_NAME} characters, got ${name.length}`, {
    param: "lora_name",
  });
}

/** Limits with defaults. @throws PunctualError invalid_request naming the option. */
export function loraLimits(options: LoraOptions): LoraLimits {
  const { modules = [], maxRank = DEFAULT_MAX_RANK } = options;
  const maxLoras = options.maxLoras ?? Math.max(DEFAULT_MAX_LORAS, modules.length);
  const check = (value: number, most: number, param: string): void => {
    if (Number.isInteger(value) && value >= 1 && value <= most) return;
    fail("invalid_request", `${param}: expected an integer from 1 to ${most}, got ${value}`, { param });
  };
  check(maxLoras, MAX_LORAS, "lora.maxLoras");
  check(maxRank, RANK_MAX, "lora.maxRank");
  if (modules.length > maxLoras) {
    fail("invalid_request", `lora.modules: ${modules.length} adapters, room for ${maxLoras}`, {
      param: "lora.modules",
    });
  }
  const names = new Set(modules.map(({ name }) => checkAdapterName(name)));
  if (names.size < modules.length) {
    fail("invalid_request", "lora.modules: two adapters have the same name", { param: "lora.modules" });
  }
  return { maxLoras, maxRank };
}
