/**
 * Trains some inputs of a graph and leaves the others as they are: a whole network, or routers and low-rank weights over
 * a frozen one. One thread; the data of a step is a function of the step, so a run can stop and go on anywhere. The loop,
 * schedules and checkpoints are nn's.
 */
import { assert, present } from "../core/index.ts";
import { createSession, type GraphModel, type Session, type TensorData } from "../graph/index.ts";
import { gradientName } from "../llm/index.ts";
import { AdamW, type AdamWOptions, type Parameter, type StepOutcome, type Trainer } from "../nn/index.ts";

/** What a step feeds beside weights. */
export interface StepFeeds {
  readonly feeds: Readonly<Record<string, TensorData>>;
  /** Tokens that the step computes. */
  readonly tokens: number;
}

/** What a trainer is made of. */
export interface GraphTrainerOptions {
  /** Inputs: the parameters, the frozen tensors and what `batch` feeds. Outputs: `loss`, and each parameter's gradient by gradientName. */
  readonly graph: GraphModel;
  /** Weights to train, updated in place. */
  readonly parameters: readonly Parameter[];
  /** Inputs that stay. */
  readonly frozen: Readonly<Record<string, TensorData>>;
  readonly batch: (step: number) => StepFeeds | Promise<StepFeeds>;
  readonly adamw?: Partial<AdamWOptions>;
  readonly threads?: number;
  /** Scalar outputs to read beside the loss; `watch` gets them after every step. */
  readonly watched?: readonly string[];
  readonly watch?: (step: number, values: Readonly<Record<string, number>>) => void;
}

/** A Trainer over a graph; dispose of it. */
export class GraphTrainer implements Trainer, AsyncDisposable {
  readonly optimizer: AdamW;
  readonly #options: GraphTrainerOptions;
  readonly #session: Session;
  readonly #weights: Readonly<Record<string, TensorData>>;
  readonly #fetches: readonly string[];

  private constructor(options: GraphTrainerOptions, session: Session) {
    this.#options = options;
    this.#session = session;
    this.optimizer = new AdamW(options.parameters, options.adamw);
    const feeds = options.parameters.map(({ name, dims, data }): [string, TensorData] => [
      name,
      { dtype: "float32", dims, data },
    ]);
    this.#weights = { ...options.frozen, ...Object.fromEntries(feeds) };
    this.#fetches = ["loss", ...(options.watched ?? []), ...options.parameters.map(({ name }) => gradientName(name))];
  }

  /** Builds the session; blocks the thread meanwhile. */
  static async create(options: GraphTrainerOptions): Promise<GraphTrainer> {
    assert(options.parameters.length > 0, "something is trained");
    return new GraphTrainer(options, await createSession(options.graph, { threads: options.threads ?? 1 }));
  }

  async advance(step: number, learningRate: number): Promise<StepOutcome> {
    const { parameters, watched = [], watch, batch } = this.#options;
    const { feeds, tokens } = await batch(step);
    const results = await this.#session.run({ ...this.#weights, ...feeds }, this.#fetches);
    const scalar = (name: string): number => Number(present(results[name], name).data[0]);
    watch?.(step, Object.fromEntries(watched.map((name) => [name, scalar(name)])));
    const gradients = parameters.map(({ name }) => results[gradientName(name)]!.data as Float32Array);
    this.optimizer.stepsTaken = step;
    const gradientNorm = this.optimizer.step(gradients, learningRate);
    return { loss: scalar("loss"), gradientNorm, tokens };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

/** The weights to keep of a run: averages where the optimiser has them. */
export function keptWeights(optimizer: AdamW): Map<string, Float32Array> {
  const chosen = optimizer.averages.length > 0 ? optimizer.averages : optimizer.parameters.map(({ data }) => data);
  return new Map(optimizer.parameters.map(({ name }, i) => [name, chosen[i]!]));
}
