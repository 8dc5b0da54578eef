/** How well answers come out by given layers: teacher-forced, which for greedy answers is the same as letting them run. */
import { createSession, type Session, type TensorData } from "../../graph/index.ts";
import { routeForwardGraph, type DecoderConfig, type PackedShape } from "../../llm/index.ts";
import type { Example } from "../examples.ts";
import { promptTokens, routeBatch } from "./batches.ts";

type Weights = Readonly<Record<string, TensorData>>;

/** Low-rank weights by the names of their inputs. */
export interface AdapterWeights {
  readonly rank: number;
  readonly alpha: number;
  readonly tensors: Weights;
}

/** What came of a set of examples. */
export interface RouteScore {
  readonly examples: number;
  /** Share of examples whose whole answer is the likeliest, token by token. */
  readonly exact: number;
  /** Mean negative log-likelihood of an answer's token, nats. */
  readonly loss: number;
  /** Right or not, by example. */
  readonly right: readonly boolean[];
}

/** Gates of an example, one a layer: 0 and 1, or between them. */
export type GatesOf = (index: number) => ArrayLike<number>;

export class RouteEvaluator implements AsyncDisposable {
  readonly #config: DecoderConfig;
  readonly #weights: Weights;
  readonly #shape: PackedShape;
  readonly #session: Session;

  private constructor(config: DecoderConfig, weights: Weights, shape: PackedShape, session: Session) {
    this.#config = config;
    this.#weights = weights;
    this.#shape = shape;
    this.#session = session;
  }

  /** @param adapter null: the weights as they are */
  static async create(
    config: DecoderConfig,
    weights: Weights,
    shape: PackedShape,
    adapter: AdapterWeights | null,
    threads: number,
  ): Promise<RouteEvaluator> {
    const session = await createSession(routeForwardGraph(config, shape, adapter), { threads });
    return new RouteEvaluator(config, { ...weights, ...adapter?.tensors }, shape, session);
  }

  async score(examples: readonly Example[], gatesOf: GatesOf): Promise<RouteScore> {
    const { batch } = this.#shape;
    const right: boolean[] = [];
    let loss = 0;
    let tokens = 0;
    for (let first = 0; first < examples.length; first += batch) {
      const part = examples.slice(first, first + batch);
      const logits = await this.#logits(
        part,
        part.map((_, i) => gatesOf(first + i)),
      );
      for (const [row, example] of part.entries()) {
        const outcome = this.#outcome(logits, row, example);
        right.push(outcome.right);
        loss += outcome.loss;
        tokens += outcome.tokens;
      }
    }
    const exact = right.filter(Boolean).length / Math.max(1, right.length);
    return { examples: right.length, exact, loss: loss / Math.max(1, tokens), right };
  }

  async #logits(examples: readonly Example[], gates: readonly ArrayLike<number>[]): Promise<Float32Array> {
    const { batch } = this.#shape;
    const feeds = Object.fromEntries(
      Array.from({ length: this.#config.layers }, (_, layer): [string, TensorData] => {
        const data = Float32Array.from({ length: batch }, (_each, row) => gates[row]?.[layer] ?? 1);
        return [`gates/${layer}`, { dtype: "float32", dims: [batch, 1], data }];
      }),
    );
    const { rows } = routeBatch(this.#shape, examples);
    const { logits } = await this.#session.run({ ...this.#weights, ...rows, ...feeds }, ["logits"]);
    return logits!.data as Float32Array;
  }

  #outcome(logits: Float32Array, row: number, example: Example): { right: boolean; loss: number; tokens: number } {
    const { vocabSize } = this.#config;
    const { length } = this.#shape;
    const outcome = { right: true, loss: 0, tokens: 0 };
    const last = Math.min(length, example.tokens.length - 1);
    for (let i = promptTokens(example) - 1; i < last; i++) {
      if (example.lossMask[i + 1] !== 1) continue;
      const scores = logits.subarray((row * length + i) * vocabSize, (row * length + i + 1) * vocabSize);
      const goal = example.tokens[i + 1]!;
      let best = 0;
      let largest = -Infinity;
      for (let id = 0; id < vocabSize; id++) {
        if (scores[id]! <= largest) continue;
        largest = scores[id]!;
        best = id;
      }
      let sum = 0;
      for (let id = 0; id < vocabSize; id++) sum += Math.exp(scores[id]! - largest);
      outcome.right &&= best === goal;
      outcome.loss += largest + Math.log(sum) - scores[goal]!;
      outcome.tokens += 1;
    }
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}
