/**
 * A decoder as a training task: initial weights, one session per shape of batch, and the data of a
 * step as a function of seed and step number alone. Nothing carries over from step to step but the
 * weights, so a run can stop and go on anywhere.
 */
import { createRandom, present } from "../core/index.ts";
import { createSession, type Session, type TensorData } from "../graph/index.ts";
import { gradientName, parameterSpecs, trainingGraph, type DecoderConfig } from "../llm/index.ts";
import type { Parameter, StepOutcome, TrainingTask } from "../nn/index.ts";
import { packBatch, type PackedBatch, type TokenItem } from "./packing.ts";
import type { DecoderRecipe, Phase } from "./types.ts";

const INITIAL_DEVIATION = 0.02;

/**
 * Normal weights of deviation 0.02; projections that end a residual branch are smaller by the root of
 * their number (Radford et al. 2019), norms start at one.
 */
export function initialParameters(config: DecoderConfig, seed: number): Parameter[] {
  const residual = INITIAL_DEVIATION / Math.sqrt(2 * config.layers);
  return parameterSpecs(config).map(({ name, dims }) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const random = createRandom(seed, `initial/${name}`);
    const isNorm = dims.length === 1;
    const deviation = /\.(?:o_proj|down_proj)\./u.test(name) ? residual : INITIAL_DEVIATION;
    const data = Float32Array.from({ length: size }, () => (isNorm ? 1 : random.normal() * deviation));
    return { name, dims, data, decays: !isNorm };
  });
}

/** The phase that a step belongs to. */
export function phaseOf(phases: readonly Phase[], step: number): Phase {
  let first = 0;
  for (const phase of phases) {
    if (step < first + phase.steps) return phase;
    first += phase.steps;
  }
  return present(phases.at(-1), "a phase");
}

/** Draws one item for a phase. */
export type DrawItem = (phase: Phase, random: ReturnType<typeof createRandom>) => TokenItem;

/** The batch of a step. */
export function batchOf(recipe: DecoderRecipe, step: number, draw: DrawItem): PackedBatch {
  const phase = phaseOf(recipe.phases, step);
  const random = createRandom(recipe.seed, `data/${step}`);
  return packBatch(phase, () => draw(phase, random));
}

export class DecoderTask implements TrainingTask, AsyncDisposable {
  readonly parameters: readonly Parameter[];
  readonly #recipe: DecoderRecipe;
  readonly #draw: DrawItem;
  readonly #weights: Record<string, TensorData>;
  readonly #sessions = new Map<string, Session>();
  readonly #fetches: readonly string[];

  constructor(recipe: DecoderRecipe, draw: DrawItem) {
    this.#recipe = recipe;
    this.#draw = draw;
    this.parameters = initialParameters(recipe.config, recipe.seed);
    const feed = ({ name, dims, data }: Parameter): [string, TensorData] => [name, { dtype: "float32", dims, data }];
    this.#weights = Object.fromEntries(this.parameters.map(feed));
    this.#fetches = ["loss", ...this.parameters.map(({ name }) => gradientName(name))];
  }

  async run(step: number): Promise<StepOutcome> {
    const batch = batchOf(this.#recipe, step, this.#draw);
    const session = await this.#session(phaseOf(this.#recipe.phases, step));
    const results = await session.run({ ...this.#weights, ...batch.feeds() }, this.#fetches);
    const gradients = this.parameters.map(({ name }) => results[gradientName(name)]!.data as Float32Array);
    return {
      loss: Number(results["loss"]!.data[0]),
      gradients,
      tokens: batch.shape.batch * batch.shape.length,
    };
  }

  /** One session per shape; only the current phase's is kept. */
  async #session({ batch, length }: Phase): Promise<Session> {
    const key = `${batch}x${length}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    await this[Symbol.asyncDispose]();
    const created = await createSession(trainingGraph(this.#recipe.config, { batch, length }), {
      threads: this.#recipe.threads,
    });
    this.#sessions.set(key, created);
    return created;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await session.release();
    this.#sessions.clear();
  }
}
