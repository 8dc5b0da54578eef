/**
 * The low-rank weights of routes as inputs of graphs that sequences with full depth use too: all rows of a routed step have
 * them. Not here: those that are merged into weights of their own (routed-parts.ts says which it is).
 */
import type { TensorData } from "../../graph/index.ts";
import { boundaryTargets, LORA_GOING_MASK, LORA_MASK, type LoraBank } from "../lora/index.ts";

type Feeds = Readonly<Record<string, TensorData>>;

/** A bank with nothing in it but the weights of routes, or nothing at all. */
export class RouteLora {
  readonly #bank: LoraBank;
  /** The number that rows have them by; null: routes have none. */
  readonly adapter: number | null;

  constructor(bank: LoraBank, adapter: number | null) {
    this.#bank = bank;
    this.adapter = adapter;
  }

  get bank(): LoraBank {
    return this.#bank;
  }

  /**
   * For one boundary.
   * @param coming rows that end the layer before, padding included; all rows of a boundary that is not forked
   * @param going rows that start this one, padding included; null where it is not forked
   */
  feeds(boundary: number, layers: number, coming: number, going: number | null): Feeds {
    const feeds: Record<string, TensorData> = { [LORA_MASK]: this.#mask(coming) };
    if (going !== null) feeds[LORA_GOING_MASK] = this.#mask(going);
    for (const { layer, target } of boundaryTargets(boundary, layers)) {
      Object.assign(feeds, this.adapter === null ? this.#bank.idleFeeds(target) : this.#bank.feeds(layer, target));
    }
    return feeds;
  }

  /** [rows, columns]: every column of the bank is theirs. */
  #mask(rows: number): TensorData {
    const columns = this.adapter === null ? 1 : this.#bank.columns;
    const data = new Float32Array(rows * columns);
    if (this.adapter !== null) data.fill(1);
    return { dtype: "float32", dims: [rows, columns], data };
  }
}
