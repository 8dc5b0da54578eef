/**
 * How long will this answer be? One port, two implementations: a quantile forest that learns from the
 * requests a server has finished, and an oracle for benches that has been told.
 *
 * Who asks passes a request's features and how far it has got, nothing else: what has not happened yet
 * cannot reach a predictor that learns. Bounds never fall as an answer grows.
 */
import { assert } from "../../core/index.ts";
import type { LengthFeatures } from "./features.ts";
import { survivingQuantile, type LengthDistribution } from "./length-distribution.ts";
import { QuantileForest, type LoggedLength, type QuantileForestOptions } from "./quantile-forest.ts";

/** Final numbers of generated tokens, above what has been generated and at most maxTokens. */
export interface LengthPrediction {
  /** The median. */
  readonly expectedTokens: number;
  /** What is hardly exceeded: the 0.95 quantile. */
  readonly upperTokens: number;
}

/** The port. One request is one `features` object, from its arrival to its end. */
export interface LengthPredictor {
  /** False while it has learnt too little to say anything but maxTokens. */
  readonly ready: boolean;
  /** A request ended by itself or at its maxTokens with that many tokens; not one that was cut, cancelled or failed. */
  observe(features: LengthFeatures, generatedTokens: number): void;
  /** Its final length, given that it has come to `generatedSoFar` tokens and goes on. */
  predict(features: LengthFeatures, generatedSoFar: number, maxTokens: number): LengthPrediction;
  /** A moment for work that finishes have left: between steps. Nothing that it says depends on being given any. @param pause nobody waits */
  settle?(pause: boolean): void;
  /** What it has learnt from, the oldest first. */
  log?(): readonly LoggedLength[];
}

/** A forest and the quantile that bounds. */
export interface ForestPredictorOptions extends QuantileForestOptions {
  /** The quantile of the upper bound, in (0.5, 1]; 0.95 when absent. */
  readonly upperQuantile?: number;
}

/**
 * Learns from a server's own finished requests. A request keeps the distribution it was first given, so
 * that its bounds only grow; until enough requests have finished it expects maxTokens of everybody.
 */
export class ForestLengthPredictor implements LengthPredictor {
  readonly #forest: QuantileForest;
  readonly #upperQuantile: number;
  readonly #distributions = new WeakMap<LengthFeatures, LengthDistribution>();
  /** Of all lengths in the log, for answers longer than any that resembles them. Null: the log has changed. */
  #marginal: LengthDistribution | null = null;

  constructor({ upperQuantile = 0.95, ...forest }: ForestPredictorOptions) {
    assert(upperQuantile > 0.5 && upperQuantile <= 1, "the upper bound is a quantile above the median");
    this.#forest = new QuantileForest(forest);
    this.#upperQuantile = upperQuantile;
  }

  get ready(): boolean {
    return this.#forest.ready;
  }

  settle(pause: boolean): void {
    if (pause) this.#forest.catchUp();
    else this.#forest.settle();
  }

  log(): LoggedLength[] {
    return this.#forest.log();
  }

  /** Learns from the log of another. Before the first finish. */
  restore(log: readonly LoggedLength[]): void {
    this.#forest.restore(log);
  }

  observe(features: LengthFeatures, generatedTokens: number): void {
    this.#forest.observe(features, generatedTokens);
    this.#distributions.delete(features);
    this.#marginal = null;
  }

  predict(features: LengthFeatures, generatedSoFar: number, maxTokens: number): LengthPrediction {
    if (!this.#forest.ready) return { expectedTokens: maxTokens, upperTokens: maxTokens };
    let own = this.#distributions.get(features);
    if (own === undefined) {
      own = this.#forest.distribution(features);
      this.#distributions.set(features, own);
    }
    return {
      expectedTokens: this.#quantile(own, 0.5, generatedSoFar, maxTokens),
      upperTokens: this.#quantile(own, this.#upperQuantile, generatedSoFar, maxTokens),
    };
  }

  #quantile(own: LengthDistribution, level: number, reached: number, maxTokens: number): number {
    const known = survivingQuantile(own, reached, level);
    if (known !== null) return Math.min(known, maxTokens);
    // Longer than anything like it: what is left is maxTokens, unless the whole log knows such answers.
    this.#marginal ??= this.#forest.marginal();
    return Math.min(survivingQuantile(this.#marginal, reached, level) ?? maxTokens, maxTokens);
  }
}

/** For benches and simulations only: repeats what it has been told. Nothing that serves may use it. */
export class OracleLengthPredictor implements LengthPredictor {
  readonly ready = true;
  readonly #truth = new WeakMap<LengthFeatures, number>();

  /** The true length of the request that these features stand for. Before it is asked about. */
  tell(features: LengthFeatures, generatedTokens: number): void {
    this.#truth.set(features, generatedTokens);
  }

  observe(): void {
    // It knows already.
  }

  predict(features: LengthFeatures, generatedSoFar: number, maxTokens: number): LengthPrediction {
    const told = this.#truth.get(features);
    assert(told !== undefined, "an oracle has been told about every request");
    const tokens = Math.min(maxTokens, Math.max(told, generatedSoFar));
    return { expectedTokens: tokens, upperTokens: tokens };
  }
}
