/**
 * Residuals of predicted components in steps to symbols and back. The encoder takes the lower of two neighbouring symbols
 * where the bits it saves are worth the error (rate-distortion optimised quantisation); nothing is off by more than
 * ERROR_STEPS. Beyond the last symbol a number is written out (bits.ts).
 */
import { CENTROID_UNIT, ESCAPE, RESIDUAL_SYMBOLS, SIDE, SPREADS, type PredictionParts } from "./prediction.ts";

/** No component's residual comes back farther off than this many steps of the level. */
export const ERROR_STEPS = 0.75;
/** Squared steps that a bit is worth: the slope of error over rate of a fine uniform quantiser, (ln 2) / 6. */
const BIT_WORTH = Math.LN2 / 6;
const FARTHEST = 2 ** 28;

/** Residuals in steps to symbols and back. */
export class Quantiser {
  /** Bits of symbol and table; Infinity where there is no code. */
  readonly bits = new Float64Array(SPREADS * RESIDUAL_SYMBOLS);
  readonly #centroids: Uint8Array;

  constructor({ sizes, centroids }: Pick<PredictionParts, "sizes" | "centroids">) {
    for (let i = 0; i < sizes.length; i++) this.bits[i] = 14 - Math.log2(sizes[i]!);
    this.#centroids = centroids;
  }

  /** Steps that a number of steps stands for. */
  value(steps: number, table: number): number {
    if (steps === 0) return 0;
    const size = Math.abs(steps);
    const near = size - this.#centroids[2 * table + (size === 1 ? 0 : 1)]! / CENTROID_UNIT;
    return steps > 0 ? near : -near;
  }

  /** Whether a number of steps has a symbol of its own. */
  hasSymbol(steps: number, table: number): boolean {
    return Math.abs(steps) <= SIDE && this.bits[table * RESIDUAL_SYMBOLS + steps + SIDE]! < Infinity;
  }

  /** The whole number of steps to code for a residual: the nearest, or the one below it that is cheaper. */
  steps(residual: number, table: number): number {
    const size = Math.min(Math.abs(residual), FARTHEST);
    const low = Math.floor(size);
    const sign = residual < 0 ? -1 : 1;
    const [below, above] = [this.#cost(size, low, sign, table), this.#cost(size, low + 1, sign, table)];
    return below <= above ? low * sign + 0 : (low + 1) * sign;
  }

  #cost(size: number, steps: number, sign: number, table: number): number {
    const error = Math.abs(this.value(steps, table) - size);
    if (error > ERROR_STEPS) return Infinity;
    const at = table * RESIDUAL_SYMBOLS;
    const symbol = steps <= SIDE ? this.bits[at + steps * sign + SIDE]! : Infinity;
    const bits = symbol < Infinity ? symbol : this.bits[at + ESCAPE]! + (2 * (32 - Math.clz32(steps)) + 1);
    return error * error + BIT_WORTH * bits;
  }
}
