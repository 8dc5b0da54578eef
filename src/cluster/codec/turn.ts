/**
 * The turn of a block's channels into components and back, plainly: what profiles are fitted with, and what the kernel that
 * codes chunks is held against (twin.ts).
 */
import { MATRIX_UNIT, type Block, type PredictionParts } from "./prediction.ts";

/** Channels of a block to components and back, one token at a time, in single precision. */
export class Turn {
  readonly #rows: Uint32Array;
  readonly #means: Float32Array;
  readonly #scales: Float32Array;
  /** [channel x component], and the other way round. */
  readonly #out: Float32Array;
  readonly #back: Float32Array;

  constructor({ rows }: Block, matrix: Int16Array, { means, scales }: Pick<PredictionParts, "means" | "scales">) {
    const n = rows.length;
    this.#rows = rows;
    this.#means = Float32Array.from(rows, (row) => means[row]!);
    this.#scales = Float32Array.from(rows, (row) => scales[row]!);
    this.#out = Float32Array.from(matrix, (entry) => entry / MATRIX_UNIT);
    this.#back = new Float32Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) this.#back[j * n + i] = this.#out[i * n + j]!;
  }

  /** Components of a token, [n]; `data` says a row's number. */
  components(data: (row: number) => number, out: Float32Array): void {
    const n = this.#rows.length;
    const matrix = this.#out;
    out.fill(0, 0, n);
    for (let i = 0; i < n; i++) {
      const x = Math.fround(Math.fround(data(this.#rows[i]!) - this.#means[i]!) / this.#scales[i]!);
      for (let j = 0, at = i * n; j < n; j++) out[j]! += Math.fround(matrix[at + j]! * x);
    }
  }

  /** Channels, in the order of the block's rows. */
  channels(components: Float32Array, out: Float32Array): void {
    const n = this.#rows.length;
    const matrix = this.#back;
    out.fill(0, 0, n);
    for (let j = 0; j < n; j++) {
      const y = components[j]!;
      // More than half of them are nothing at the levels that are used.
      if (y !== 0) for (let i = 0, at = j * n; i < n; i++) out[i]! += Math.fround(matrix[at + i]! * y);
    }
    for (let i = 0; i < n; i++) out[i] = this.#means[i]! + Math.fround(this.#scales[i]! * out[i]!);
  }
}
