/**
 * Fits layer routes to a model (FiRST, arXiv 2410.12513) in a folder: routers, then low-rank weights for the gaps, both by
 * distillation from the model at full depth and from the answers. Routers have low-rank weights beside them in their training
 * too, thrown away after it, so that they choose layers for a model whose gaps are made up for (the paper's choose for the bare
 * one). Each stage checkpoints and goes on where it stopped; the end is a folder that an engine reads. Asked for, the baselines
 * are trained as long and on the same examples: the low-rank weights alone at full depth, and layers left out at intervals, by
 * lot, and by influence.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, fail, type Clock } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import {
  decideMask,
  isRoutable,
  LORA_TARGETS,
  loraNames,
  loraWeightName,
  parameterSpecs,
  writeAdapter,
  writeRoutes,
  type DecoderConfig,
  type LayerMask,
  type Router,
  type TrainedAdapter,
} from "../../llm/index.ts";
import { loadCheckpoint, runTraining, saveCheckpoint, type Schedule, type TrainingProgress } from "../../nn/index.ts";
import type { Example, ExampleSource } from "../examples.ts";
import { keptWeights, type GraphTrainer } from "../graph-trainer.ts";
import type { FittedModel } from "../heads/fit-heads.ts";
import { routeBatch } from "./batches.ts";
import { calibrateRouters } from "./calibrate.ts";
import { scoreRoutes, type RouteScores } from "./scores.ts";
import { bestMask, randomMask, ROUTE_BASELINES, unifiedMask, type RouteBaseline } from "./masks.ts";
import { routesIdentity, type RoutesPlan } from "./plan.ts";
import { RouteProber } from "./prober.ts";
import { adapterTrainer, routersOf, routerTrainer, type StageParts } from "./stages.ts";

/** Where a run writes and how it is watched and stopped. None of it has an influence on the finished weights. */
export interface RoutesOptions {
  /** Folder of the finished routes, and of checkpoints meanwhile; made when missing. */
  readonly outDir: string;
  readonly clock: Clock;
  readonly threads: number;
  /** Go on from checkpoints in `outDir` when there are any (default true). */
  readonly resume?: boolean;
  /** Train the baselines too, each into a folder below `baselines`. */
  readonly baselines?: boolean;
  readonly progress?: (stage: string, progress: TrainingProgress) => void;
  /** Hears what begins: "routers", "routes", the baselines by name, "scores". */
  readonly begins?: (stage: string) => void;
  readonly signal?: AbortSignal;
  readonly checkpointEveryMs?: number;
  /** Most held-out examples that are scored; 400 when absent. */
  readonly heldOut?: number;
  /** Store low-rank weights in half precision. */
  readonly half?: boolean;
}

/** What a run came to. */
export interface FittedRoutes {
  /** False when a signal ended it; it goes on from its checkpoints. */
  readonly finished: boolean;
  /** On examples that were not trained on; null when not finished. */
  readonly scores: RouteScores | null;
}

const HELD_OUT = 400;
const LENGTH_SAMPLE = 256;
const CALIBRATION = 256;
/** Of the examples, how many are taught by exactly the share of layers; the others by what routers keep, which is asked for most. */
const BY_SHARE = 0.25;

/** Masks of a batch's examples, by what routers say of them. */
type Masks = (probabilities: readonly Float64Array[], step: number) => readonly LayerMask[];

/**
 * Runs the plan. The model must be readable throughout.
 * @throws PunctualError training_diverged when a loss is no longer finite, invalid_file for a checkpoint of another run.
 */
export async function fitRoutes(
  model: FittedModel,
  source: ExampleSource,
  plan: RoutesPlan,
  options: RoutesOptions,
): Promise<FittedRoutes> {
  const { config } = model;
  checkCompute(config, plan);
  await mkdir(options.outDir, { recursive: true });
  const weights = Object.fromEntries(
    parameterSpecs(config).map(({ name, dims }): [string, TensorData] => [
      name,
      { dtype: "float32", dims, data: model.weights.get(name, dims) },
    ]),
  );
  const shape = { batch: plan.batch, length: lengthOf(source, plan) };
  const parts: StageParts = { config, weights, shape, source, plan, threads: options.threads };
  const run = new RoutesRun(model.name, parts, options);
  const trained = await run.train("routers", plan.routerSchedule, plan.routerSteps, () => routerTrainer(parts));
  if (trained === null) return { finished: false, scores: null };
  await using prober = await RouteProber.create(config, weights, shape, options.threads);
  const routers = await calibrateRouters(parts, prober, routersOf(config, plan, trained));
  const adapters = new Map<"routes" | RouteBaseline, ReadonlyMap<string, Float32Array>>();
  const arms = await run.arms(routers, prober);
  for (const [name, masks] of arms) {
    const adapter = await run.train(name, plan.adapterSchedule, plan.adapterSteps, () =>
      adapterTrainer(parts, async (batch, step) => masks(await prober.probabilities(batch, routers), step)),
    );
    if (adapter === null) return { finished: false, scores: null };
    adapters.set(name, adapter);
  }
  const heldOut = source.heldOut(options.heldOut ?? HELD_OUT);
  options.begins?.("scores");
  const scores = await scoreRoutes(parts, { routers, prober, adapters, arms, heldOut });
  await run.write(routers, adapters, scores);
  return { finished: true, scores };
}

/** Before hours of training: whether so many layers can be left out at all. @throws PunctualError invalid_request. */
function checkCompute(config: DecoderConfig, { compute, protected: kept }: RoutesPlan): void {
  const { layers } = config;
  const routable = Array.from({ length: layers }, (_, layer) => isRoutable(config, kept, layer)).filter(Boolean).length;
  const always = `the first ${kept.first} and the last ${kept.last} are always computed`;
  if (routable === 0) {
    fail("invalid_request", `a model of ${layers} layers has none that could be left out: ${always}`, {
      param: "model",
    });
  }
  const least = (layers - routable) / layers;
  if (compute >= least) return;
  fail(
    "invalid_request",
    `compute: expected at least ${least.toFixed(2)} with ${layers} layers, got ${compute}: ${always}`,
    {
      param: "compute",
    },
  );
}

/** Long enough for what the source gives, within the plan. */
function lengthOf(source: ExampleSource, plan: RoutesPlan): number {
  const random = createRandom(plan.seed, "routes/lengths");
  const drawn = Array.from({ length: LENGTH_SAMPLE }, (): Example => source.draw(random));
  return Math.min(plan.length, Math.max(...drawn.map(({ tokens }) => tokens.length)));
}

class RoutesRun {
  readonly #model: string;
  readonly #parts: StageParts;
  readonly #options: RoutesOptions;
  readonly #files: string[] = [];
  /** Layers that a baseline keeps for every prompt. */
  readonly #fixed = new Map<string, readonly number[]>();

  constructor(model: string, parts: StageParts, options: RoutesOptions) {
    this.#model = model;
    this.#parts = parts;
    this.#options = options;
  }

  /** Runs one stage to its end, from its checkpoint if there is one; null when it was stopped. */
  async train(
    stage: string,
    schedule: Schedule,
    totalSteps: number,
    open: () => Promise<GraphTrainer>,
  ): Promise<ReadonlyMap<string, Float32Array> | null> {
    const { outDir, clock, signal, checkpointEveryMs, progress, begins } = this.#options;
    begins?.(stage);
    const { plan, source } = this.#parts;
    const path = join(outDir, `${stage}-checkpoint.safetensors`);
    const identity = routesIdentity(plan, this.#model, source.identity, stage);
    this.#files.push(path);
    await using trainer = await open();
    const goesOn = this.#options.resume !== false && existsSync(path);
    const counters = goesOn ? await loadCheckpoint(path, trainer.optimizer, identity) : { tokens: 0, elapsedMs: 0 };
    const { finished } = await runTraining(
      trainer,
      { totalSteps, schedule },
      {
        clock,
        ...(signal === undefined ? {} : { signal }),
        ...(checkpointEveryMs === undefined ? {} : { checkpointEveryMs }),
        progress: (state) => progress?.(stage, state),
        checkpoint: (optimizer, at) => saveCheckpoint(path, optimizer, identity, at),
      },
      counters,
    );
    return finished ? new Map([...keptWeights(trainer.optimizer)].map(([name, data]) => [name, data.slice()])) : null;
  }

  /** Whose low-rank weights are trained, and by which masks. */
  async arms(routers: readonly (Router | null)[], prober: RouteProber): Promise<Map<"routes" | RouteBaseline, Masks>> {
    const { config, plan } = this.#parts;
    const kept = Math.max(2, Math.ceil(plan.compute * config.layers - 1e-9));
    const routes: Masks = (probabilities, step) => {
      const random = createRandom(plan.seed, `routes/masks/${step}`);
      return probabilities.map((p) => decideMask(p, routers, random.chance(BY_SHARE) ? plan.compute : "auto"));
    };
    const arms = new Map<"routes" | RouteBaseline, Masks>([["routes", routes]]);
    if (this.#options.baselines !== true) return arms;
    const always: Readonly<Record<Exclude<RouteBaseline, "random">, LayerMask>> = {
      "lora-only": new Uint8Array(config.layers).fill(1),
      unified: unifiedMask(config.layers, kept),
      shortgpt: bestMask(config, plan.protected, kept, await this.#influences(prober)),
    };
    for (const [name, mask] of Object.entries(always)) {
      this.#fixed.set(
        name,
        Array.from(mask.keys()).filter((layer) => mask[layer] === 1),
      );
    }
    for (const name of ROUTE_BASELINES) {
      arms.set(name, (probabilities, step) => {
        if (name !== "random") return probabilities.map(() => always[name]);
        const random = createRandom(plan.seed, `routes/random/${step}`);
        return probabilities.map(() => randomMask(config, plan.protected, kept, random));
      });
    }
    return arms;
  }

  async #influences(prober: RouteProber): Promise<Float64Array> {
    const { config, source, plan, shape } = this.#parts;
    const random = createRandom(plan.seed, "routes/influence");
    const total = new Float64Array(config.layers);
    for (let drawn = 0; drawn < CALIBRATION; drawn += shape.batch) {
      const batch = routeBatch(
        shape,
        Array.from({ length: shape.batch }, (): Example => source.draw(random)),
      );
      (await prober.influences(batch)).forEach((value, layer) => (total[layer]! += value));
    }
    return total;
  }

  /** The finished folder; checkpoints go. */
  async write(
    routers: readonly (Router | null)[],
    adapters: ReadonlyMap<"routes" | RouteBaseline, ReadonlyMap<string, Float32Array>>,
    scores: RouteScores,
  ): Promise<void> {
    const { outDir, half } = this.#options;
    const { plan, source, config } = this.#parts;
    for (const [name, tensors] of adapters) {
      const dir = name === "routes" ? outDir : join(outDir, "baselines", name);
      await mkdir(dir, { recursive: true });
      const identity = routesIdentity(plan, this.#model, source.identity, name);
      const layers = this.#fixed.get(name);
      const about = {
        model: this.#model,
        data: source.identity,
        plan,
        ...(name === "routes" ? { scores } : {}),
        ...(layers === undefined ? {} : { layers }),
      };
      await writeRoutes(dir, { routers, protected: plan.protected, identity, about });
      await writeAdapter(
        dir,
        trainedAdapter(config.layers, plan, tensors),
        this.#model,
        half === true ? "float16" : "float32",
      );
    }
    for (const path of this.#files) rmSync(path, { force: true });
  }
}

function trainedAdapter(
  layers: number,
  { rank, alpha }: RoutesPlan,
  tensors: ReadonlyMap<string, Float32Array>,
): TrainedAdapter {
  const modules = new Map(
    Array.from({ length: layers }).flatMap((_, layer) =>
      LORA_TARGETS.map((target) => {
        const weight = loraWeightName(layer, target);
        const { a, b } = loraNames(weight);
        return [weight, { a: tensors.get(a)!, b: tensors.get(b)! }] as const;
      }),
    ),
  );
  return { rank, alpha, modules };
}
