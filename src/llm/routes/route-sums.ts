/**
 * What routers said of the tokens in each page: sums that lie beside the keys and values they belong to, and live as long.
 * So a prompt whose beginning is cached is judged by all of its tokens, and it does not matter in which chunks it came:
 * a page's sum is added up token by token, a prompt's page by page.
 */
import { assert } from "../../core/index.ts";
import { sigmoid } from "./mask.ts";
import type { Router } from "./route-set.ts";

export class RouteSums {
  readonly #routers: readonly (Router | null)[];
  readonly #pageTokens: number;
  /** [pages, layers] */
  readonly #sums: Float64Array;

  constructor(routers: readonly (Router | null)[], pages: number, pageTokens: number) {
    this.#routers = routers;
    this.#pageTokens = pageTokens;
    this.#sums = new Float64Array(pages * routers.length);
  }

  /** w · x of rows that enter a layer, and where each row's keys and values went: page * pageTokens + offset. */
  add(layer: number, slots: Int32Array, products: Float32Array): void {
    const router = this.#routers[layer];
    if (router === null || router === undefined) return;
    const layers = this.#routers.length;
    const { bias } = router;
    const sums = this.#sums;
    const size = this.#pageTokens;
    let page = -1;
    let first = 0; // slot of the page's first token
    for (let row = 0; row < slots.length; row++) {
      const slot = slots[row]!;
      if (page < 0 || slot < first || slot >= first + size) {
        page = Math.floor(slot / size);
        first = page * size;
      }
      const at = page * layers + layer;
      const p = sigmoid(products[row]! + bias);
      // A page's first token begins its sum: what it held before is nobody's.
      sums[at] = slot === first ? p : sums[at]! + p;
    }
  }

  /** How likely each layer is kept, by the first `tokens` of these pages, which are all that they hold; 1 without a router. */
  probabilities(pages: Int32Array, tokens: number): Float64Array {
    assert(tokens > 0 && tokens <= pages.length * this.#pageTokens, "tokens of these pages");
    const layers = this.#routers.length;
    const used = pages.subarray(0, Math.ceil(tokens / this.#pageTokens));
    return Float64Array.from(this.#routers, (router, layer) => {
      if (router === null) return 1;
      let sum = 0;
      for (const page of used) sum += this.#sums[page * layers + layer]!;
      return sum / tokens;
    });
  }
}
