/** Layer routes as an engine's caller asks for them, and what became of a request's. */
import { join } from "node:path";
import { fail } from "../../core/index.ts";
import { holdsRoutes, type Compute, type LayerMask } from "../../llm/index.ts";
import type { EngineOptions, GenerateRequest } from "../types.ts";

/** Which layers an answer went through, counted from 0; its prompt went through all. */
export interface RouteUse {
  readonly layers: number;
  /** Those it left out, in order. */
  readonly skipped: readonly number[];
}

const FOLDER = "routes";

/** The folder of an engine's routes: the one named, or the one beside its weights; null: it has none, or wants none. */
function routesDir({ routes, model }: EngineOptions): string | null {
  if (routes !== undefined) return routes;
  if (!("dir" in model)) return null;
  const beside = join(model.dir, FOLDER);
  return holdsRoutes(beside) ? beside : null;
}

/** Routes are of colocated engines that generate. @throws PunctualError unsupported. */
export function checkRoutes(options: EngineOptions): void {
  const { routes, phases = "colocated", embedding } = options;
  if (routes === undefined || routes === null) return;
  const refuse = (why: string): never => fail("unsupported", `routes: ${why}`, { param: "routes" });
  if (phases !== "colocated") refuse(`layers are left out by colocated engines only; phases are "${phases}"`);
  if (embedding !== undefined) refuse("an embedding model leaves out no layers");
}

/** The options with the folder of routes found out. Routes beside the weights are left alone where they cannot be used. */
export function withRoutes<T extends EngineOptions>(options: T): T {
  const { routes, phases = "colocated", embedding } = options;
  const usable = phases === "colocated" && embedding === undefined;
  return routes !== undefined || usable ? { ...options, routes: routesDir(options) } : options;
}

/**
 * What a request says of its layers, checked; undefined when it asks for all of them.
 * @param layers of the model; null: the engine has no routes
 */
export function checkCompute(
  { compute = "full", keepLayers, adapter }: GenerateRequest,
  layers: number | null,
): { readonly compute: Compute } | { readonly keepLayers: readonly number[] } | undefined {
  if (typeof compute === "number" && !(compute > 0 && compute <= 1)) {
    fail("invalid_request", `compute: expected "full", "auto" or a share above 0 and up to 1, got ${compute}`, {
      param: "compute",
    });
  }
  if ((compute === "full" || compute === 1) && keepLayers === undefined) return undefined;
  if (layers === null) {
    return fail("unsupported", "compute: this model has no layer routes; it computes in full.", { param: "compute" });
  }
  if (adapter !== undefined) {
    fail("unsupported", "compute: with an adapter every layer is computed.", { param: "compute" });
  }
  if (keepLayers === undefined) return { compute };
  const strange = keepLayers.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < layers));
  if (strange !== undefined || !keepLayers.includes(0) || !keepLayers.includes(layers - 1)) {
    const expected = `expected layers from 0 to ${layers - 1}, the first and the last among them`;
    fail("invalid_request", `keepLayers: ${expected}, got ${keepLayers.join(", ")}`, { param: "keepLayers" });
  }
  return { keepLayers };
}

/** What is told of a mask. */
export function routeUse(mask: LayerMask): RouteUse {
  const skipped = Array.from(mask.keys()).filter((layer) => mask[layer] === 0);
  return { layers: mask.length, skipped };
}
