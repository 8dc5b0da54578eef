/**
 * Routers after their training, moved so that they keep as much as was asked for. The loss pulls the mean of soft gates to the
 * share; how many of them are above one half is another number, off by some tenths of a layer either way. All biases
 * move together, so which layer a prompt would rather keep stays as it was learnt.
 */
import { createRandom } from "../../core/index.ts";
import { decideMask, keptLayers, type Router } from "../../llm/index.ts";
import { routeBatch } from "./batches.ts";
import type { RouteProber } from "./prober.ts";
import type { StageParts } from "./stages.ts";

type Routers = readonly (Router | null)[];

/** Training examples that are asked. */
const EXAMPLES = 256;
/** The furthest that biases move, and in how many halvings it is found how far. */
const FURTHEST = 8;
const HALVINGS = 12;

/** The routers with the largest common shift by which "auto" keeps at most the plan's share of the layers on average. */
export async function calibrateRouters(parts: StageParts, prober: RouteProber, routers: Routers): Promise<Routers> {
  const { config, plan, shape, source } = parts;
  const random = createRandom(plan.seed, "routes/calibration");
  const batches = Array.from({ length: Math.ceil(EXAMPLES / shape.batch) }, () =>
    routeBatch(
      shape,
      Array.from({ length: shape.batch }, () => source.draw(random)),
    ),
  );
  const meanKept = async (moved: Routers): Promise<number> => {
    const kept: number[] = [];
    for (const batch of batches) {
      for (const p of await prober.probabilities(batch, moved)) kept.push(keptLayers(decideMask(p, moved, "auto")));
    }
    return kept.reduce((sum, layers) => sum + layers, 0) / kept.length / config.layers;
  };
  let [low, high] = [-FURTHEST, FURTHEST];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if ((await meanKept(shifted(routers, middle))) <= plan.compute) low = middle;
    else high = middle;
  }
  return shifted(routers, low);
}

function shifted(routers: Routers, by: number): Routers {
  return routers.map((router) => (router === null ? null : { ...router, bias: Math.fround(router.bias + by) }));
}
