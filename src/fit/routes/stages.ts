/** The two stages of fitting routes, each a trainer over a frozen model: routers, and low-rank weights by given masks. */
import { createRandom, present } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import {
  isRoutable,
  loraSpecs,
  routerName,
  routerSpecs,
  routeTrainingGraph,
  type DecoderConfig,
  type LayerMask,
  type PackedShape,
  type Router,
  type TrainableSpec,
} from "../../llm/index.ts";
import type { Parameter } from "../../nn/index.ts";
import type { Example, ExampleSource } from "../examples.ts";
import { GraphTrainer } from "../graph-trainer.ts";
import { gateFeeds, routeBatch, type RouteBatch } from "./batches.ts";
import { sharpnessOf, targetOf, type RoutesPlan } from "./plan.ts";

/** What both stages work with. */
export interface StageParts {
  readonly config: DecoderConfig;
  readonly weights: Readonly<Record<string, TensorData>>;
  readonly shape: PackedShape;
  readonly source: ExampleSource;
  readonly plan: RoutesPlan;
  readonly threads: number;
}

/** A gate is open at first: its router's bias, at a temperature of one. */
const FIRST_BIAS = 1.5;

function parametersOf(
  specs: readonly TrainableSpec[],
  fill: (spec: TrainableSpec) => (i: number) => number,
): Parameter[] {
  return specs.map((spec) => {
    const { name, dims } = spec;
    const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
    const value = fill(spec);
    for (let i = 0; i < data.length; i++) data[i] = value(i);
    return { name, dims, decays: false, data };
  });
}

/** The examples of a step: a function of the step. */
function drawBatch({ source, plan, shape }: StageParts, stage: string, step: number): RouteBatch {
  const random = createRandom(plan.seed, `routes/${stage}/${step}`);
  return routeBatch(
    shape,
    Array.from({ length: shape.batch }, (): Example => source.draw(random)),
  );
}

/**
 * Trains the routers, and low-rank weights beside them that nobody keeps.
 * @param watch the mean gate and the loss on answers, after every step
 */
export function routerTrainer(
  parts: StageParts,
  watch: (step: number, values: Readonly<Record<string, number>>) => void = () => undefined,
): Promise<GraphTrainer> {
  const { config, weights, shape, plan } = parts;
  const { rank, alpha, loss } = plan;
  const stage = { kind: "routers", protected: plan.protected, rank, alpha, loss } as const;
  const isBias = ({ dims }: TrainableSpec): boolean => dims[0] === 1;
  const scalar = (value: number): TensorData => ({ dtype: "float32", dims: [1], data: Float32Array.of(value) });
  return GraphTrainer.create({
    graph: routeTrainingGraph(config, shape, stage),
    parameters: [
      ...parametersOf(routerSpecs(config, plan.protected), (spec) => () => (isBias(spec) ? FIRST_BIAS : 0)),
      ...adapterParameters(parts),
    ],
    frozen: weights,
    adamw: plan.adamw,
    threads: parts.threads,
    watched: ["kept", "answerLoss"],
    watch,
    batch: (step) => {
      const { rows, goals } = drawBatch(parts, "routers", step);
      const asked = { sharpness: scalar(sharpnessOf(plan, step)), target: scalar(targetOf(plan, step)) };
      return { feeds: { ...rows, ...goals, ...asked }, tokens: shape.batch * shape.length };
    },
  });
}

/** Trained routers as they are used. */
export function routersOf(
  config: DecoderConfig,
  plan: RoutesPlan,
  trained: ReadonlyMap<string, Float32Array>,
): (Router | null)[] {
  return Array.from({ length: config.layers }, (_, layer) => {
    if (!isRoutable(config, plan.protected, layer)) return null;
    const weight = present(trained.get(routerName(layer, "weight")), "a router's weight");
    const [bias] = present(trained.get(routerName(layer, "bias")), "a router's bias");
    return { weight, bias: bias! };
  });
}

/** Low-rank weights as they begin: the same for every arm, and no change at all. */
function adapterParameters({ config, plan }: StageParts): Parameter[] {
  const random = createRandom(plan.seed, "routes/adapter-start");
  return parametersOf(loraSpecs(config, plan.rank), ({ name, dims }) => {
    const deviation = name.endsWith("/lora_A") ? 1 / Math.sqrt(dims[1]!) : 0; // B begins at zero
    return () => (deviation === 0 ? 0 : random.normal() * deviation);
  });
}

/** Trains low-rank weights by these masks. @param stage names its data: equal names, equal examples */
export function adapterTrainer(
  parts: StageParts,
  masksOf: (batch: RouteBatch, step: number) => Promise<readonly LayerMask[]>,
): Promise<GraphTrainer> {
  const { config, weights, shape, plan } = parts;
  const { rank, alpha, loss } = plan;
  return GraphTrainer.create({
    graph: routeTrainingGraph(config, shape, { kind: "adapter", rank, alpha, loss }),
    parameters: adapterParameters(parts),
    frozen: weights,
    adamw: plan.adamw,
    threads: parts.threads,
    batch: async (step) => {
      const batch = drawBatch(parts, "adapter", step);
      const gates = gateFeeds(shape, config.layers, await masksOf(batch, step));
      return { feeds: { ...batch.rows, ...batch.goals, ...gates }, tokens: shape.batch * shape.length };
    },
  });
}
