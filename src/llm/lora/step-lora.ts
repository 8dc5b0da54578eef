/** The adapters of one step as inputs of its graphs: a mask for the step's rows, and the matrices of each boundary. */
import type { TensorData } from "../../graph/index.ts";
import type { LoraTarget } from "./adapter.ts";
import { LORA_MASK, type LoraBank } from "./bank.ts";

type Feeds = Readonly<Record<string, TensorData>>;

/** A row and its adapter; null: none. */
export interface AdaptedRow {
  readonly row: number;
  readonly adapter: number | null;
}

const FIRST_HALF: readonly LoraTarget[] = ["q_proj", "k_proj", "v_proj"];
const SECOND_HALF: readonly LoraTarget[] = ["o_proj", "gate_proj", "up_proj", "down_proj"];
const NONE: Feeds = {};

/** Inputs for graphs with adapters; of an executor without a bank there are none. */
export class StepLora {
  readonly #bank: LoraBank | null;
  #used = false;
  #mask: Feeds = NONE;

  constructor(bank: LoraBank | null) {
    this.#bank = bank;
  }

  /** For the graphs to come, which run on so many rows, padding included. */
  begin(rows: number, adapted: readonly AdaptedRow[]): void {
    if (this.#bank === null) return;
    this.#used = adapted.some(({ adapter }) => adapter !== null);
    // Where nobody has an adapter one column of zeros is enough: it adds the same nothing.
    const columns = this.#used ? this.#bank.columns : 1;
    const mask = new Float32Array(rows * columns);
    for (const { row, adapter } of adapted) this.#bank.mark(mask, row, adapter);
    this.#mask = { [LORA_MASK]: { dtype: "float32", dims: [rows, columns], data: mask } };
  }

  /** Of the boundary's two halves: the end of layer `boundary` - 1 and the start of layer `boundary`. */
  feeds(boundary: number, layers: number): Feeds {
    const bank = this.#bank;
    if (bank === null) return NONE;
    let feeds: Feeds = this.#mask;
    const take = (layer: number, targets: readonly LoraTarget[]): void => {
      for (const target of targets) {
        feeds = { ...feeds, ...(this.#used ? bank.feeds(layer, target) : bank.idleFeeds(target)) };
      }
    };
    if (boundary > 0) take(boundary - 1, SECOND_HALF);
    if (boundary < layers) take(boundary, FIRST_HALF);
    return feeds;
  }
}
