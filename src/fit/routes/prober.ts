/** What routers say of examples' prompts, and how much each layer changes its input: one pass at full depth. */
import { createSession, type Session, type TensorData } from "../../graph/index.ts";
import { routeStatesGraph, type DecoderConfig, type PackedShape, type Router } from "../../llm/index.ts";
import { promptTokens, type RouteBatch } from "./batches.ts";
import { influence } from "./masks.ts";

type Weights = Readonly<Record<string, TensorData>>;

export class RouteProber implements AsyncDisposable {
  readonly #config: DecoderConfig;
  readonly #weights: Weights;
  readonly #session: Session;

  private constructor(config: DecoderConfig, weights: Weights, session: Session) {
    this.#config = config;
    this.#weights = weights;
    this.#session = session;
  }

  static async create(
    config: DecoderConfig,
    weights: Weights,
    shape: PackedShape,
    threads: number,
  ): Promise<RouteProber> {
    return new RouteProber(config, weights, await createSession(routeStatesGraph(config, shape), { threads }));
  }

  /** For each example, how likely each layer is kept. */
  async probabilities(batch: RouteBatch, routers: readonly (Router | null)[]): Promise<Float64Array[]> {
    const states = await this.#states(batch);
    const { hidden } = this.#config;
    const { length } = batch.shape;
    return batch.examples.map((example, row) => {
      const prompt = Math.min(length, promptTokens(example));
      return Float64Array.from(routers, (router, layer) => {
        if (router === null) return 1;
        let sum = 0;
        for (let i = 0; i < prompt; i++) {
          const from = (row * length + i) * hidden;
          let product = router.bias;
          for (let j = 0; j < hidden; j++) product += states[layer]![from + j]! * router.weight[j]!;
          sum += 1 / (1 + Math.exp(-product));
        }
        return sum / prompt;
      });
    });
  }

  /** Mean influence of each layer over all tokens of the examples. */
  async influences(batch: RouteBatch): Promise<Float64Array> {
    const states = await this.#states(batch);
    const { hidden, layers } = this.#config;
    const { length } = batch.shape;
    const rows = batch.examples.flatMap(({ tokens }, row) =>
      Array.from({ length: Math.min(length, tokens.length) }, (_, i) => (row * length + i) * hidden),
    );
    return Float64Array.from({ length: layers }, (_, layer) => {
      const part = (at: number, from: number): Float32Array => states[at]!.subarray(from, from + hidden);
      return rows.reduce((sum, from) => sum + influence(part(layer, from), part(layer + 1, from)), 0) / rows.length;
    });
  }

  async #states(batch: RouteBatch): Promise<Float32Array[]> {
    const { layers } = this.#config;
    const names = Array.from({ length: layers + 1 }, (_, layer) => `entering/${layer}`);
    const results = await this.#session.run({ ...this.#weights, ...batch.rows }, names);
    return names.map((name) => results[name]!.data as Float32Array);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}
