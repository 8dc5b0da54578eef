/** What a server says about itself: its models, its health, whether it takes requests, its version. */
import { readFileSync } from "node:fs";
import type { Health, ModelList, ModelObject } from "../../protocol/index.ts";
import type { Engine } from "../../runtime/index.ts";
import type { ServerContext } from "../context.ts";

/** The package's version. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
}

/**
 * 200 only when every model is ready, those that are still to come included, and the server is not on its way out: what
 * routes requests here must be able to ask for any of them.
 */
export function health(context: ServerContext, draining: boolean): [Health, 200 | 503] {
  const expected = [...context.expected].map((name) => [name, "starting"] as const);
  const models = Object.fromEntries([
    ...expected,
    ...Array.from(context.engines, ([name, engine]) => [name, engine.state] as const),
  ]);
  const states = Object.values(models);
  const worst = (["stopped", "stopping", "restarting", "starting"] as const).find((state) => states.includes(state));
  // Without any model, one that may come makes it worth asking again.
  const awaited = states.length === 0 && context.pending(null) !== null ? ("starting" as const) : undefined;
  const status = draining ? "stopping" : (worst ?? awaited ?? "ready");
  const policies = Object.fromEntries(Array.from(context.engines, ([name, engine]) => [name, engine.info.policy]));
  return [{ status, models, policies }, status === "ready" ? 200 : 503];
}

/** @param created Unix seconds. */
export function modelList(context: ServerContext, created: number): ModelList {
  const data = [...context.engines.values()].flatMap((engine) => {
    const names = [engine.info.name, ...engine.adapters.map(({ name }) => name)];
    return names.map((name) => modelObject(context, engine, name, created));
  });
  return { object: "list", data };
}

/** @param id the engine's name, or that of one of its adapters. @param created Unix seconds. */
export function modelObject(context: ServerContext, engine: Engine, id: string, created: number): ModelObject {
  const { name, contextTokens } = engine.info;
  const parent = engine.adapters.some((adapter) => adapter.name === id) ? { parent: name } : {};
  return {
    id,
    object: "model",
    created,
    owned_by: "punctual",
    max_model_len: Math.min(contextTokens, context.contextTokens),
    ...parent,
  };
}
