/**
 * AdamW (Loshchilov and Hutter 2019) over plain typed arrays. The weight arrays are the very buffers a
 * training session reads as inputs, so an update is in place and nothing is copied. Clipping by the
 * global norm is a factor on the gradients, applied in the same pass, as is the moving average (EMA).
 *
 * Everything is deterministic: same gradients, same weights, bit for bit.
 */
import { assert } from "../core/index.ts";

/** One named weight array as the optimiser sees it. */
export interface Parameter {
  readonly name: string;
  readonly dims: readonly number[];
  /** Row-major weights, updated in place. */
  readonly data: Float32Array;
  /** False for norms and biases. */
  readonly decays: boolean;
}

/** Constants of the update; the learning rate comes with each step. */
export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Per step and unit of learning rate, decoupled from the gradient. */
  readonly weightDecay: number;
  /** Gradients are scaled so that their global norm is at most this; Infinity leaves them. */
  readonly clipNorm: number;
  /** Decay of the weights' moving average; 0 keeps none. */
  readonly emaDecay: number;
}

/** The constants of GPT-3's training (Brown et al. 2020), without a moving average. */
export const DEFAULT_ADAMW: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  emaDecay: 0,
};

/** Arrays of an optimiser, each in the parameters' order. */
export interface AdamWState {
  readonly first: readonly Float32Array[];
  readonly second: readonly Float32Array[];
  readonly average: readonly Float32Array[];
}

/** What a step of one parameter is made of: one constant each, so that the loop below is straight. */
interface StepFactors {
  readonly gradientScale: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Learning rate over the first moment's bias correction. */
  readonly rate: number;
  /** One over the square root of the second moment's bias correction. */
  readonly rootScale: number;
  readonly epsilon: number;
  /** 1 - learning rate * decay, or 1. */
  readonly keep: number;
}

/**
 * The optimiser and its state. Weights stay the caller's arrays, changed in place; a checkpoint holds them, both
 * moments, the averages and `stepsTaken`.
 */
export class AdamW {
  readonly options: AdamWOptions;
  readonly parameters: readonly Parameter[];
  readonly firstMoments: readonly Float32Array[];
  readonly secondMoments: readonly Float32Array[];
  /** The moving average of the weights, or empty when emaDecay is 0. */
  readonly averages: readonly Float32Array[];
  /** Steps taken; part of a checkpoint. */
  stepsTaken = 0;

  /** @param state arrays to keep moments and averages in, which may lie in shared memory; own ones by default */
  constructor(parameters: readonly Parameter[], options: Partial<AdamWOptions> = {}, state?: AdamWState) {
    this.options = { ...DEFAULT_ADAMW, ...options };
    this.parameters = parameters;
    this.firstMoments = state?.first ?? parameters.map(({ data }) => new Float32Array(data.length));
    this.secondMoments = state?.second ?? parameters.map(({ data }) => new Float32Array(data.length));
    this.averages = state?.average ?? parameters.map(({ data }) => data.slice());
    if (this.options.emaDecay === 0) this.averages = [];
  }

  /**
   * One update; gradients in the parameters' order. `norm` is the norm to clip by, when these are only a
   * part of all parameters. Returns the norm, before clipping.
   */
  step(gradients: readonly Float32Array[], learningRate: number, norm = globalNorm(gradients)): number {
    assert(gradients.length === this.parameters.length, "one gradient for each parameter");
    const { beta1, beta2, epsilon, weightDecay, clipNorm } = this.options;
    this.stepsTaken += 1;
    const factors: StepFactors = {
      gradientScale: norm > clipNorm ? clipNorm / norm : 1,
      beta1,
      beta2,
      rate: learningRate / (1 - beta1 ** this.stepsTaken),
      rootScale: 1 / Math.sqrt(1 - beta2 ** this.stepsTaken),
      epsilon,
      keep: 1,
    };
    const decaying: StepFactors = { ...factors, keep: 1 - learningRate * weightDecay };
    for (let i = 0; i < this.parameters.length; i++) {
      const { data, decays } = this.parameters[i]!;
      updateWeights(data, gradients[i]!, this.firstMoments[i]!, this.secondMoments[i]!, decays ? decaying : factors);
    }
    this.#updateAverages();
    return norm;
  }

  /** The average follows fast at first: min(decay, (1 + t) / (10 + t)). */
  #updateAverages(): void {
    if (this.averages.length === 0) return;
    const decay = Math.min(this.options.emaDecay, (1 + this.stepsTaken) / (10 + this.stepsTaken));
    for (let i = 0; i < this.parameters.length; i++) {
      moveTowards(this.averages[i]!, this.parameters[i]!.data, 1 - decay);
    }
  }
}

/** The Euclidean norm over all arrays, summed in float64 in a fixed order. */
export function globalNorm(arrays: readonly Float32Array[]): number {
  let total = 0;
  for (const array of arrays) total += sumOfSquares(array);
  return Math.sqrt(total);
}

function sumOfSquares(array: Float32Array): number {
  // Four independent sums keep the floating-point adder busy.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = array.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const p = array[i]!;
    const q = array[i + 1]!;
    const r = array[i + 2]!;
    const s = array[i + 3]!;
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (let i = whole; i < array.length; i++) a += array[i]! * array[i]!;
  return a + b + (c + d);
}

function updateWeights(
  weights: Float32Array,
  gradients: Float32Array,
  first: Float32Array,
  second: Float32Array,
  factors: StepFactors,
): void {
  assert(gradients.length === weights.length, "a gradient has its parameter's size");
  const { gradientScale, beta1, beta2, rate, rootScale, epsilon, keep } = factors;
  const gain1 = 1 - beta1;
  const gain2 = 1 - beta2;
  for (let i = 0; i < weights.length; i++) {
    const g = gradients[i]! * gradientScale;
    const m = first[i]! * beta1 + g * gain1;
    const v = second[i]! * beta2 + g * g * gain2;
    first[i] = m;
    second[i] = v;
    weights[i] = weights[i]! * keep - (rate * m) / (Math.sqrt(v) * rootScale + epsilon);
  }
}

function moveTowards(average: Float32Array, target: Float32Array, fraction: number): void {
  for (let i = 0; i < average.length; i++) average[i]! += (target[i]! - average[i]!) * fraction;
}
