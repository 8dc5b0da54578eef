/** The adapters of one step as inputs of its graphs: a mask for the step's rows, and the matrices of each boundary. */
import type { TensorData } from "../../graph/index.ts";
import type { LoraTarget } from "./adapter.ts";
import { LORA_GOING_MASK, LORA_MASK, type LoraBank } from "./bank.ts";

type Feeds = Readonly<Record<string, TensorData>>;

/** A row and its adapter; null: none. */
export interface AdaptedRow {
  readonly row: number;
  readonly adapter: number | null;
}

const FIRST_HALF: readonly LoraTarget[] = ["q_proj", "k_proj", "v_proj"];
const SECOND_HALF: readonly LoraTarget[] = ["o_proj", "gate_proj", "up_proj", "down_proj"];
const NONE: Feeds = {};

/** Projections of a boundary's two halves, each with its layer: the end of layer `boundary` - 1 and the start of layer `boundary`. */
export function boundaryTargets(
  boundary: number,
  layers: number,
): readonly { readonly layer: number; readonly target: LoraTarget }[] {
  const ends = boundary > 0 ? SECOND_HALF.map((target) => ({ layer: boundary - 1, target })) : [];
  const starts = boundary < layers ? FIRST_HALF.map((target) => ({ layer: boundary, target })) : [];
  return [...ends, ...starts];
}

/** Inputs for graphs with adapters; of an executor without a bank there are none. */
export class StepLora {
  readonly #bank: LoraBank | null;
  #used = false;
  #mask: Feeds = NONE;
  #goingMask: Feeds = NONE;

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
    const tensor: TensorData = { dtype: "float32", dims: [rows, columns], data: mask };
    this.#mask = { [LORA_MASK]: tensor };
    this.#goingMask = { [LORA_GOING_MASK]: tensor };
  }

  /** What forked boundaries take besides, where all rows go on. */
  get goingMask(): Feeds {
    return this.#goingMask;
  }

  /** For one boundary. */
  feeds(boundary: number, layers: number): Feeds {
    const bank = this.#bank;
    if (bank === null) return NONE;
    const feeds: Record<string, TensorData> = { ...this.#mask };
    for (const { layer, target } of boundaryTargets(boundary, layers)) {
      Object.assign(feeds, this.#used ? bank.feeds(layer, target) : bank.idleFeeds(target));
    }
    return feeds;
  }
}
