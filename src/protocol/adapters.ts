/** Loading and unloading adapters, in vLLM's form. */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const name = z.string().min(1).max(LIMITS.modelNameCharacters);
const MAX_PATH = 4096;

/** The body of POST /v1/load_lora_adapter. */
export const loadAdapterRequestSchema = z.object({
  /** What requests will ask as `model`. */
  lora_name: name,
  /** A folder on the server's machine, in PEFT's layout. */
  lora_path: z.string().min(1).max(MAX_PATH),
  /** The served model it belongs to; needed where several take adapters. */
  base_model_name: name.nullish(),
});
/** The body of POST /v1/load_lora_adapter. */
export type LoadAdapterRequest = z.infer<typeof loadAdapterRequestSchema>;

/** The body of POST /v1/unload_lora_adapter. */
export const unloadAdapterRequestSchema = z.object({ lora_name: name });
/** The body of POST /v1/unload_lora_adapter. */
export type UnloadAdapterRequest = z.infer<typeof unloadAdapterRequestSchema>;

/** Errors: `invalid_request` naming the field. */
export function parseLoadAdapterRequest(body: unknown): LoadAdapterRequest {
  return parseRequest(loadAdapterRequestSchema, body);
}

/** Errors: `invalid_request` naming the field. */
export function parseUnloadAdapterRequest(body: unknown): UnloadAdapterRequest {
  return parseRequest(unloadAdapterRequestSchema, body);
}
