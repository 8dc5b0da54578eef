/**
 * One thread's part of training a decoder: its rows of every batch, and the update of its parameters.
 * The data of a step is a function of seed, step and shard alone, so nothing carries over from step to
 * step but the weights, and a run can stop and go on anywhere.
 */
import { createRandom, present, type RandomStream } from "../core/index.ts";
import { createSession, type Session, type TensorData } from "../graph/index.ts";
import { gradientName, parameterSpecs, trainingGraph, type DecoderConfig } from "../llm/index.ts";
import { AdamW, type StepOutcome } from "../nn/index.ts";
import type { Crew, ParameterShape } from "./crew.ts";
import { packBatch, type PackedBatch, type TokenItem } from "./packing.ts";
import type { DecoderRecipe, Phase } from "./types.ts";

/** Parameters of a decoder in file order; norms do not decay. */
export function parameterShapes(config: DecoderConfig): ParameterShape[] {
  return parameterSpecs(config).map(({ name, dims }) => ({ name, dims, decays: dims.length > 1 }));
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
export type DrawItem = (phase: Phase, random: RandomStream) => TokenItem;

/** The rows of a step that belong to shard `shard` of `recipe.threads`. */
export function shardOf(recipe: DecoderRecipe, step: number, shard: number, draw: DrawItem): PackedBatch {
  const phase = phaseOf(recipe.phases, step);
  const random = createRandom(recipe.seed, `data/${step}/${shard}`);
  return packBatch(
    { batch: phase.batch / recipe.threads, length: phase.length },
    () => draw(phase, random),
    phase.givenWeight,
  );
}

export class DecoderShard implements AsyncDisposable {
  readonly #recipe: DecoderRecipe;
  readonly #crew: Crew;
  readonly #shard: number;
  readonly #draw: DrawItem;
  /** Whose update each parameter is. */
  readonly #owners: Int32Array;
  readonly #optimizer: AdamW;
  /** Private copies of the weights: the runtime does not read shared memory. */
  readonly #weights: Record<string, TensorData>;
  readonly #fetches: readonly string[];
  #session: Session | null = null;
  #sessionPhase: Phase | null = null;

  constructor(recipe: DecoderRecipe, crew: Crew, shard: number, draw: DrawItem) {
    this.#recipe = recipe;
    this.#crew = crew;
    this.#shard = shard;
    this.#draw = draw;
    this.#owners = crew.owners();
    const own = <T>(all: readonly T[]): T[] => all.filter((_, i) => this.#owners[i] === shard);
    const { first, second, average } = crew.state;
    const state = { first: own(first), second: own(second), average: own(average) };
    this.#optimizer = new AdamW(own(crew.parameters), recipe.adamw, state);
    const feed = ({ name, dims }: ParameterShape, i: number): [string, TensorData] => {
      const data = new Float32Array(crew.parameters[i]!.data.length);
      return [name, { dtype: "float32", dims, data }];
    };
    this.#weights = Object.fromEntries(crew.shapes.map(feed));
    this.#fetches = ["loss", ...crew.shapes.map(({ name }) => gradientName(name))];
  }

  /** This thread's part of a step. All shards of the crew must do the same step. */
  async advance(step: number, learningRate: number): Promise<void> {
    const crew = this.#crew;
    const gradients = await this.#gradients(step);
    crew.meet();
    const squares = this.#sumOwn(gradients);
    crew.report(this.#shard, { ...crew.partial(this.#shard), squares });
    crew.meet();
    const own = gradients.filter((_, i) => this.#owners[i] === this.#shard);
    this.#optimizer.stepsTaken = step;
    this.#optimizer.step(own, learningRate, Math.sqrt(crew.totals().squares));
  }

  /** Runs the graph on this shard's rows and hands over the gradients that other threads update. */
  async #gradients(step: number): Promise<Float32Array[]> {
    const crew = this.#crew;
    const batch = shardOf(this.#recipe, step, this.#shard, this.#draw);
    const session = await this.#sessionOf(phaseOf(this.#recipe.phases, step));
    for (const { name, data } of crew.parameters) (this.#weights[name]!.data as Float32Array).set(data);
    const results = await session.run({ ...this.#weights, ...batch.feeds() }, this.#fetches);
    const gradients = crew.shapes.map(({ name }) => results[gradientName(name)]!.data as Float32Array);
    const targets = batch.targetWeight;
    const loss = Number(results["loss"]!.data[0]) * targets;
    crew.report(this.#shard, { squares: 0, loss, targets, tokens: batch.shape.batch * batch.shape.length });
    gradients.forEach((gradient, i) => {
      if (this.#owners[i] !== this.#shard) crew.exchange[this.#shard]![i]!.set(gradient);
    });
    return gradients;
  }

  /** Turns own gradients into means over all shards' targets, in place; returns their sum of squares. */
  #sumOwn(gradients: readonly Float32Array[]): number {
    const crew = this.#crew;
    const targets = Math.max(1, crew.totals().targets);
    const shareOf = (shard: number): number => crew.partial(shard).targets / targets;
    let squares = 0;
    gradients.forEach((gradient, i) => {
      if (this.#owners[i] !== this.#shard) return;
      scale(gradient, shareOf(this.#shard));
      for (let shard = 0; shard < crew.memory.size; shard++) {
        if (shard !== this.#shard) addScaled(gradient, crew.exchange[shard]![i]!, shareOf(shard));
      }
      squares += sumOfSquares(gradient);
    });
    return squares;
  }

  /** The session for a phase; only the current one is kept. */
  async #sessionOf(phase: Phase): Promise<Session> {
    if (this.#session !== null && this.#sessionPhase === phase) return this.#session;
    await this[Symbol.asyncDispose]();
    const shape = { batch: phase.batch / this.#recipe.threads, length: phase.length };
    this.#session = await createSession(trainingGraph(this.#recipe.config, shape), { threads: 1 });
    this.#sessionPhase = phase;
    return this.#session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.release();
    this.#session = null;
  }
}

/** What the whole crew did in the step that has just ended. */
export function outcomeOf(crew: Crew): StepOutcome {
  const { squares, loss, targets, tokens } = crew.totals();
  return { loss: Math.fround(loss / Math.max(1, targets)), gradientNorm: Math.sqrt(squares), tokens };
}

function scale(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
}

function addScaled(values: Float32Array, other: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! += other[i]! * factor;
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}
