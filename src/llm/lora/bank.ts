/**
 * The adapters that an executor can compute with, side by side in matrices that all rows of a step share:
 *
 *   h = x A        A [in, R]    every adapter's A^T, slot after slot
 *   h = h * mask   [rows, R]    1 where a column belongs to the row's adapter, else 0
 *   y + h B        B [R, out]   every adapter's B^T
 *
 * A row sees its own adapter and nothing else: the other terms are zeros, added. Slots have one width, a power of two, so
 * that where a slot lies does not change how its sum is grouped: a row's bits do not depend on what else is loaded. A row
 * without an adapter has a mask of zeros, and adds zero.
 *
 * Not here: who may use an adapter and when it goes (the engine counts), and the graphs (lora/graph.ts).
 */
import { assert, fail } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import type { DecoderConfig } from "../config.ts";
import { loraShape, LORA_TARGETS, loraWeightName, type LoraAdapter, type LoraTarget } from "./adapter.ts";

/** How many adapters at once, and how large. */
export interface LoraLimits {
  /** Adapters loaded at the same time, at least 1. */
  readonly maxLoras: number;
  /** Largest rank; slots are as wide as the next power of two. */
  readonly maxRank: number;
}

/** Names of the graph inputs of one projection. */
export function loraInputs(target: LoraTarget): { readonly a: string; readonly b: string } {
  return { a: `lora/${target}/a`, b: `lora/${target}/b` };
}
/** Name of the mask's graph input. */
export const LORA_MASK = "lora/mask";
/** The same for the rows that start a layer, where those are not the ones that have ended the layer before (step-graphs.ts). */
export const LORA_GOING_MASK = "lora/mask/going";

interface Slot {
  readonly id: number;
  readonly adapter: LoraAdapter;
}

/** Matrices of one projection of one layer. */
interface Pair {
  readonly a: TensorData;
  readonly b: TensorData;
}

export class LoraBank {
  readonly limits: LoraLimits;
  readonly #config: DecoderConfig;
  readonly #width: number;
  readonly #slots: (Slot | null)[];
  /** Columns in use: up to the last slot that is taken, at least one slot. */
  #columns: number;
  #pairs: readonly ReadonlyMap<LoraTarget, Pair>[] = [];
  readonly #idle: ReadonlyMap<LoraTarget, Pair>;

  constructor(config: DecoderConfig, limits: LoraLimits) {
    const { maxLoras, maxRank } = limits;
    assert(maxLoras >= 1 && maxRank >= 1, "room for an adapter");
    this.#config = config;
    this.limits = limits;
    this.#width = 2 ** Math.ceil(Math.log2(maxRank));
    this.#slots = Array.from({ length: maxLoras }, () => null);
    this.#columns = this.#width;
    this.#idle = new Map(LORA_TARGETS.map((target) => [target, this.#zeros(target)]));
    this.#rebuild();
  }

  /** Columns of the masks of steps from now on. */
  get columns(): number {
    return this.#columns;
  }

  /** Adapters loaded. */
  get size(): number {
    return this.#slots.filter((slot) => slot !== null).length;
  }

  has(id: number): boolean {
    return this.#slots.some((slot) => slot?.id === id);
  }

  /** Takes a slot. Between steps only. @throws PunctualError invalid_request when none is left or the rank is too large. */
  add(id: number, adapter: LoraAdapter): void {
    assert(!this.has(id), "an adapter is loaded once");
    const { maxLoras, maxRank } = this.limits;
    if (adapter.rank > maxRank) {
      fail("invalid_request", `the adapter has rank ${adapter.rank}, this engine takes ${maxRank}`, { param: "r" });
    }
    const at = this.#slots.indexOf(null);
    if (at < 0) fail("invalid_request", `${maxLoras} adapters are loaded already`, { param: "maxLoras" });
    this.#slots[at] = { id, adapter };
    this.#rebuild();
  }

  /** Gives the slot back. Between steps, and when no sequence has it any more. */
  remove(id: number): void {
    const at = this.#slots.findIndex((slot) => slot?.id === id);
    assert(at >= 0, "only a loaded adapter is removed");
    this.#slots[at] = null;
    this.#rebuild();
  }

  /** Sets the mask of one row, zeros before. @param id null: without an adapter */
  mark(mask: Float32Array, row: number, id: number | null): void {
    if (id === null) return;
    const at = this.#slots.findIndex((slot) => slot?.id === id);
    assert(at >= 0, "a row's adapter is loaded");
    const from = row * this.#columns + at * this.#width;
    mask.fill(1, from, from + this.#width);
  }

  /** The matrices of one projection, as inputs of the graph of a boundary. */
  feeds(layer: number, target: LoraTarget): Readonly<Record<string, TensorData>> {
    const { a, b } = this.#pairs[layer]!.get(target)!;
    const names = loraInputs(target);
    return { [names.a]: a, [names.b]: b };
  }

  /** The same for a step without any adapter: one column of zeros. */
  idleFeeds(target: LoraTarget): Readonly<Record<string, TensorData>> {
    const { a, b } = this.#idle.get(target)!;
    const names = loraInputs(target);
    return { [names.a]: a, [names.b]: b };
  }

  #zeros(target: LoraTarget): Pair {
    const shape = loraShape(this.#config, target);
    return {
      a: { dtype: "float32", dims: [shape.in, 1], data: new Float32Array(shape.in) },
      b: { dtype: "float32", dims: [1, shape.out], data: new Float32Array(shape.out) },
    };
  }

  #rebuild(): void {
    const last = this.#slots.findLastIndex((slot) => slot !== null);
    this.#columns = Math.max(1, last + 1) * this.#width;
    this.#pairs = Array.from({ length: this.#config.layers }, (_, layer) => {
      return new Map(LORA_TARGETS.map((target) => [target, this.#pairOf(layer, target)]));
    });
  }

  #pairOf(layer: number, target: LoraTarget): Pair {
    const shape = loraShape(this.#config, target);
    const columns = this.#columns;
    const a = new Float32Array(shape.in * columns);
    const b = new Float32Array(columns * shape.out);
    for (const [at, slot] of this.#slots.entries()) {
      const module = slot?.adapter.modules.get(loraWeightName(layer, target));
      if (module === undefined) continue;
      const from = at * this.#width;
      for (let r = 0; r < module.rank; r++) {
        for (let i = 0; i < shape.in; i++) a[i * columns + from + r] = module.a[r * shape.in + i]!;
        for (let o = 0; o < shape.out; o++) b[(from + r) * shape.out + o] = module.b[o * module.rank + r]!;
      }
    }
    const tensor = (data: Float32Array, dims: readonly number[]): TensorData => ({ dtype: "float32", dims, data });
    return { a: tensor(a, [shape.in, columns]), b: tensor(b, [columns, shape.out]) };
  }
}
