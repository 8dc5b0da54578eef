/** Fitted routes and their baselines on held-out examples, side by side. */
import type { TensorData } from "../../graph/index.ts";
import { decideMask, loraSpecs, type LayerMask, type Router } from "../../llm/index.ts";
import type { Example } from "../examples.ts";
import { routeBatch } from "./batches.ts";
import { RouteEvaluator, type AdapterWeights, type GatesOf } from "./evaluate.ts";
import type { RouteBaseline } from "./masks.ts";
import type { RouteProber } from "./prober.ts";
import { softGates } from "./plan.ts";
import type { StageParts } from "./stages.ts";

/** One way to compute the held-out answers. */
export interface ScoredArm {
  readonly name: string;
  /** Share of examples whose whole answer is right. */
  readonly exact: number;
  /** Mean negative log-likelihood of an answer's token, nats. */
  readonly loss: number;
  /** Mean share of layers that answers went through. */
  readonly layers: number;
}

/** What held-out examples came to. */
export interface RouteScores {
  readonly examples: number;
  readonly arms: readonly ScoredArm[];
}

type Arm = "routes" | RouteBaseline;
type Masks = (probabilities: readonly Float64Array[], step: number) => readonly LayerMask[];

/** What is scored. */
export interface ScoredRoutes {
  readonly routers: readonly (Router | null)[];
  readonly prober: RouteProber;
  readonly adapters: ReadonlyMap<Arm, ReadonlyMap<string, Float32Array>>;
  readonly arms: ReadonlyMap<Arm, Masks>;
  readonly heldOut: readonly Example[];
}

/** The model itself, routes by their share and as they please, what soft gates would give, and every baseline. */
export async function scoreRoutes(parts: StageParts, scored: ScoredRoutes): Promise<RouteScores> {
  const { config, plan, weights, shape, threads } = parts;
  const { routers, prober, adapters, arms, heldOut } = scored;
  const probabilities: Float64Array[] = [];
  for (let first = 0; first < heldOut.length; first += shape.batch) {
    const batch = routeBatch(shape, heldOut.slice(first, first + shape.batch));
    probabilities.push(...(await prober.probabilities(batch, routers)));
  }
  const found: ScoredArm[] = [];
  const score = async (name: string, evaluator: RouteEvaluator, gatesOf: GatesOf): Promise<void> => {
    const { exact, loss } = await evaluator.score(heldOut, gatesOf);
    const shares = heldOut.map((_, i) => {
      const gates = gatesOf(i);
      return Array.from(gates).reduce((sum, gate) => sum + gate, 0) / gates.length;
    });
    found.push({ name, exact, loss, layers: shares.reduce((sum, share) => sum + share, 0) / shares.length });
  };
  const every = new Uint8Array(config.layers).fill(1);
  const by = (compute: "auto" | number): LayerMask[] => probabilities.map((p) => decideMask(p, routers, compute));
  const [shared, free] = [by(plan.compute), by("auto")];
  await using plain = await RouteEvaluator.create(config, weights, shape, null, threads);
  await score("full", plain, () => every);
  await score("routers alone", plain, (i) => shared[i]!);
  await score("routers alone, soft", plain, (i) => softGates(probabilities[i]!, 1 / plan.temperature.last));
  for (const [name, tensors] of adapters) {
    const adapter = adapterOf(parts, tensors);
    await using evaluator = await RouteEvaluator.create(config, weights, shape, adapter, threads);
    if (name === "routes") {
      await score("routes", evaluator, (i) => shared[i]!);
      await score("routes, auto", evaluator, (i) => free[i]!);
      continue;
    }
    const masks = arms.get(name)!(probabilities, -1);
    await score(name, evaluator, (i) => masks[i]!);
  }
  return { examples: heldOut.length, arms: found };
}

function adapterOf({ config, plan }: StageParts, trained: ReadonlyMap<string, Float32Array>): AdapterWeights {
  const { rank, alpha } = plan;
  const tensors = Object.fromEntries(
    loraSpecs(config, rank).map(({ name, dims }): [string, TensorData] => [
      name,
      { dtype: "float32", dims, data: trained.get(name)! },
    ]),
  );
  return { rank, alpha, tensors };
}
