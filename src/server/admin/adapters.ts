/**
 * POST /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM has them: an adapter comes and goes while the server
 * runs, and is asked by its name as `model`. Only of models that were started to take adapters.
 */
import { fail } from "../../core/index.ts";
import { parseLoadAdapterRequest, parseUnloadAdapterRequest } from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type ServerContext } from "../context.ts";

/** Loads an adapter and answers when requests may name it. */
export async function loadAdapter(context: ServerContext, incoming: Request): Promise<Response> {
  const body = parseLoadAdapterRequest(await readJson(incoming, context.bodyLimitBytes));
  const { lora_name: name, lora_path: dir } = body;
  const taken = [...context.engines.values()].some((engine) => answersTo(engine, name));
  if (taken || context.expected.has(name)) {
    fail("invalid_request", `There is a model named '${name}' already.`, { param: "lora_name" });
  }
  const engine = baseOf(context, body.base_model_name ?? null);
  await engine.loadAdapter({ name, dir });
  context.log.info({ model: engine.info.name, adapter: name }, "adapter loaded");
  return text(`Success: LoRA adapter '${name}' added successfully.`);
}

/** Takes no more requests for an adapter; those under way end as they would have. */
export async function unloadAdapter(context: ServerContext, incoming: Request): Promise<Response> {
  const { lora_name: name } = parseUnloadAdapterRequest(await readJson(incoming, context.bodyLimitBytes));
  const engine = [...context.engines.values()].find(({ adapters }) => adapters.some((each) => each.name === name));
  if (engine === undefined) {
    return fail("model_not_found", `The adapter '${name}' is not loaded.`, { param: "lora_name" });
  }
  await engine.unloadAdapter(name);
  context.log.info({ model: engine.info.name, adapter: name }, "adapter unloaded");
  return text(`Success: LoRA adapter '${name}' removed successfully.`);
}

function answersTo(engine: Engine, name: string): boolean {
  return engine.info.name === name || engine.adapters.some((adapter) => adapter.name === name);
}

/** The model named, or the only one that takes adapters. */
function baseOf(context: ServerContext, name: string | null): Engine {
  if (name !== null) return findEngine(context, name);
  const able = [...context.engines.values()].filter(({ info }) => info.lora !== undefined);
  if (able.length === 1) return able[0]!;
  const why = able.length === 0 ? "no model of this server takes adapters (--enable-lora)" : "several models do";
  const code = able.length === 0 ? "unsupported" : "invalid_request";
  return fail(code, `Expected the model that the adapter is of: ${why}.`, { param: "base_model_name" });
}

function text(message: string): Response {
  return new Response(message, { headers: { "content-type": "text/plain; charset=utf-8" } });
}
