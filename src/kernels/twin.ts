/**
 * The plain twins of the kernels: obvious code in doubles, the oracle of the tests and the fallback for a
 * reader. They copy no layout and no order of operations, so they agree with the kernels to rounding only.
 */
import { windowOf, type AttentionOptions } from "./geometry.ts";
import type { AttentionSequence } from "./schedule.ts";

/** Symmetric int8 round trip of one row of one head: what a key or value looks like after an int8 page. */
export function quantiseTwin(row: Float32Array): Float32Array {
  const largest = row.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
  if (largest === 0) return new Float32Array(row.length);
  const scale = Math.fround(largest / 127);
  // + 0: an integer has no -0
  return row.map((x) => (roundHalfEven(Math.fround(x * Math.fround(127 / largest))) + 0) * scale);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** A paged cache as a map from slot to rows, per layer, with attention over it. */
export class AttentionTwin {
  readonly #options: AttentionOptions;
  readonly #rows = new Map<string, { k: Float32Array; v: Float32Array }>();

  constructor(options: AttentionOptions) {
    this.#options = options;
  }

  writeKv(layer: number, k: Float32Array, v: Float32Array, slots: Int32Array): void {
    const width = this.#options.layout.kvHeads * this.#options.layout.headDim;
    slots.forEach((slot, r) => {
      const row = {
        k: this.#stored(k.slice(r * width, (r + 1) * width)),
        v: this.#stored(v.slice(r * width, (r + 1) * width)),
      };
      this.#rows.set(`${layer}/${slot}`, row);
    });
  }

  #stored(row: Float32Array): Float32Array {
    const { format, headDim, kvHeads } = this.#options.layout;
    if (format === "f32") return row;
    for (let h = 0; h < kvHeads; h++) row.set(quantiseTwin(row.slice(h * headDim, (h + 1) * headDim)), h * headDim);
    return row;
  }

  attend(layer: number, q: Float32Array, sequences: readonly AttentionSequence[], out: Float32Array): void {
    const { heads, layout } = this.#options;
    for (const sequence of sequences) {
      for (let r = 0; r < sequence.queryRows; r++) {
        const position = sequence.contextLength - sequence.queryRows + r;
        for (let head = 0; head < heads; head++) {
          const at = ((sequence.queryStart + r) * heads + head) * layout.headDim;
          out.set(this.#attendOne(layer, q.subarray(at, at + layout.headDim), sequence.pages, position, head), at);
        }
      }
    }
  }

  /** One query vector at one position: softmax over the keys it sees, in the textbook form. */
  #attendOne(layer: number, q: Float32Array, pages: Int32Array, position: number, head: number): number[] {
    const { layout, heads, scale = 1 / Math.sqrt(layout.headDim) } = this.#options;
    const { headDim, pageTokens } = layout;
    const window = windowOf(this.#options, layer);
    const from = Math.floor(head / (heads / layout.kvHeads)) * headDim;
    const lowest = window === 0 ? 0 : Math.max(0, position - window + 1);
    const seen = Array.from({ length: position + 1 - lowest }, (_, i) => {
      const token = lowest + i;
      const slot = pages[Math.floor(token / pageTokens)]! * pageTokens + (token % pageTokens);
      return this.#rows.get(`${layer}/${slot}`)!;
    });
    const scores = seen.map(({ k }) => scale * q.reduce((sum, x, d) => sum + x * k[from + d]!, 0));
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from(
      { length: headDim },
      (_, d) => seen.reduce((sum, { v }, i) => sum + weights[i]! * v[from + d]!, 0) / total,
    );
  }
}
