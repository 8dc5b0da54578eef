/**
 * Frequencies of rotary positions under each scaling, and their cosines and sines.
 *
 *   linear   every pair turns `factor` times slower (Chen et al. 2023)
 *   llama3   slow pairs turn `factor` times slower, fast ones stay, those between are blended (Llama 3.1)
 *   yarn     the same idea with a ramp over pairs, and scores a little sharper (Peng et al. 2023)
 *
 * The fields and formulas are those of Hugging Face's modeling_rope_utils.py. Here they are in double precision: at
 * position 30,000 its float32 angles are off by up to 1e-3. The turning itself is nn's applyRotary (half-split
 * pairs; weights stored for interleaved pairs are reordered when they are read).
 */
import type { RotaryTables } from "../nn/index.ts";
import type { DecoderConfig, LayerRope, RopeScaling } from "./config.ts";

/** Angles per position, and what cosines and sines are multiplied with. */
export interface RopeFrequencies {
  /** One per pair of a head, radians per position; headDim / 2 of them. */
  readonly perPosition: Float64Array;
  /** 1 but for yarn. */
  readonly factor: number;
}

/** The frequencies of the layers that turn in this way. */
export function ropeFrequencies(config: DecoderConfig, rope: Exclude<LayerRope, "none">): RopeFrequencies {
  const { headDim, ropeTheta, ropeThetaLocal = ropeTheta, ropeScaling } = config;
  const theta = rope === "local" ? ropeThetaLocal : ropeTheta;
  const plain = Float64Array.from({ length: headDim / 2 }, (_, pair) => theta ** ((-2 * pair) / headDim));
  if (rope === "local" || ropeScaling === undefined) return { perPosition: plain, factor: 1 };
  switch (ropeScaling.type) {
    case "linear":
      return { perPosition: plain.map((frequency) => frequency / ropeScaling.factor), factor: 1 };
    case "llama3":
      return { perPosition: plain.map((frequency) => llama3Frequency(frequency, ropeScaling)), factor: 1 };
    case "yarn":
      return { perPosition: yarnFrequencies(plain, theta, ropeScaling), factor: ropeScaling.attentionFactor };
  }
}

type Scaling<Type extends RopeScaling["type"]> = Extract<RopeScaling, { readonly type: Type }>;

function llama3Frequency(frequency: number, scaling: Scaling<"llama3">): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const kept = (turns - low) / (high - low);
  return (1 - kept) * (frequency / factor) + kept * frequency;
}

function yarnFrequencies(plain: Float64Array, theta: number, scaling: Scaling<"yarn">): Float64Array {
  const { factor, betaFast, betaSlow, originalMaxPositions, truncate } = scaling;
  const headDim = 2 * plain.length;
  // The pair, as a fraction, that turns so often within the original positions.
  const pairOf = (turns: number): number =>
    (headDim * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(betaFast), pairOf(betaSlow)];
  const from = Math.max(truncate ? Math.floor(first) : first, 0);
  const end = Math.min(truncate ? Math.ceil(last) : last, headDim - 1);
  const to = from === end ? end + 0.001 : end;
  return plain.map((frequency, pair) => {
    const stretched = Math.min(1, Math.max(0, (pair - from) / (to - from)));
    return stretched * (frequency / factor) + (1 - stretched) * frequency;
  });
}

/** The attention factor that yarn has when a config names none: 0.1 ln(factor) + 1, with `weight` on the logarithm. */
export function yarnAttentionFactor(factor: number, weight = 1): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
}

/** Tables in the layout of nn's rotaryTables for positions from..from+count-1. */
export function ropeTables({ perPosition, factor }: RopeFrequencies, count: number, from = 0): RotaryTables {
  const half = perPosition.length;
  const cos = new Float32Array(count * half * 2);
  const sin = new Float32Array(cos.length);
  for (let pair = 0; pair < half; pair++) {
    const frequency = perPosition[pair]!;
    for (let row = 0; row < count; row++) {
      const angle = (from + row) * frequency;
      const at = row * half * 2 + pair;
      cos[at] = cos[at + half] = factor * Math.cos(angle);
      sin[at + half] = factor * Math.sin(angle);
      sin[at] = -sin[at + half]!;
    }
  }
  return { cos, sin };
}

/** Positions computed at a time: a model for 131,072 positions would need 134 MB and half a second for all of them. */
const BLOCK_POSITIONS = 256;

/** The same tables, computed as positions are first reached. */
export class RopeRows {
  readonly #frequencies: RopeFrequencies;
  readonly #width: number;
  readonly #blocks: (RotaryTables | undefined)[] = [];

  constructor(frequencies: RopeFrequencies) {
    this.#frequencies = frequencies;
    this.#width = 2 * frequencies.perPosition.length;
  }

  /** Copies the rows of positions from..from+count-1 to `cos` and `sin`, [rows, headDim], from `row` on. */
  copy(from: number, count: number, cos: Float32Array, sin: Float32Array, row: number): void {
    for (let done = 0; done < count;) {
      const position = from + done;
      const offset = position % BLOCK_POSITIONS;
      const rows = Math.min(count - done, BLOCK_POSITIONS - offset);
      const block = this.#block((position - offset) / BLOCK_POSITIONS);
      const [start, end] = [offset * this.#width, (offset + rows) * this.#width];
      cos.set(block.cos.subarray(start, end), (row + done) * this.#width);
      sin.set(block.sin.subarray(start, end), (row + done) * this.#width);
      done += rows;
    }
  }

  #block(index: number): RotaryTables {
    return (this.#blocks[index] ??= ropeTables(this.#frequencies, BLOCK_POSITIONS, index * BLOCK_POSITIONS));
  }
}
