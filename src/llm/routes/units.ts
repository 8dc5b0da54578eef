/**
 * A paged cache whose pages can be shared out by layer. The kernel's page is a *unit* here: one block of tokens of one layer;
 * a page of KvPages is as many units as the model has layers.
 *
 *   whole     page p, layer l                  -> unit p * layers + l
 *   packed    block b, r-th kept of m layers   -> the (b * m + r)-th unit of the sequence's pages, counted through
 *
 * So a sequence that leaves out a quarter of the layers needs three pages where others need four.
 */
import { assert } from "../../core/index.ts";
import type { AttentionSequence, PagedAttention } from "../../kernels/index.ts";
import { keptLayers, type LayerMask } from "./mask.ts";

/** What attention and steps use of a cache. */
export type LayeredCache = Pick<PagedAttention, "writeKv" | "attend" | "gather">;

/** Pages by layer, as everybody else knows them, over a cache of units. */
export function layeredView(cache: PagedAttention, layers: number, pageTokens: number): LayeredCache {
  const unitsOf = (layer: number, pages: Int32Array): Int32Array => pages.map((page) => page * layers + layer);
  return {
    writeKv(layer, k, v, slots) {
      // A loop: for a prompt, `map` is a good part of what a step costs beside its graphs.
      const units = new Int32Array(slots.length);
      for (let i = 0; i < units.length; i++) {
        const slot = slots[i]!;
        const page = Math.floor(slot / pageTokens);
        units[i] = slot + (page * (layers - 1) + layer) * pageTokens;
      }
      cache.writeKv(0, k, v, units);
    },
    attend(layer, q, sequences, out) {
      const moved = sequences.map((each): AttentionSequence => ({ ...each, pages: unitsOf(layer, each.pages) }));
      cache.attend(0, q, moved, out);
    },
    gather(layer, pages, length, k, v) {
      cache.gather(0, unitsOf(layer, pages), length, k, v);
    },
  };
}

/** Where a sequence's keys and values are. */
export interface RowPlace {
  readonly mask: LayerMask;
  /** Whether its pages hold kept layers only. */
  readonly packed: boolean;
}

/** Unit of every block of one kept layer. */
export function layerUnits(pages: Int32Array, blocks: number, { mask, packed }: RowPlace, layer: number): Int32Array {
  assert(mask[layer] === 1, "a layer that is left out has no keys and values");
  const layers = mask.length;
  const units = new Int32Array(blocks);
  if (!packed) {
    for (let block = 0; block < blocks; block++) units[block] = pages[block]! * layers + layer;
    return units;
  }
  const kept = keptLayers(mask);
  let rank = 0;
  for (let before = 0; before < layer; before++) rank += mask[before]!;
  for (let block = 0; block < blocks; block++) {
    const at = block * kept + rank;
    units[block] = pages[Math.floor(at / layers)]! * layers + (at % layers);
  }
  return units;
}

/** Pages that hold so many blocks of tokens. */
export function pagesFor(blocks: number, { mask, packed }: RowPlace): number {
  return packed ? Math.ceil((blocks * keptLayers(mask)) / mask.length) : blocks;
}

/** Copies the kept layers of whole pages into packed ones. @param from one page a block @param to as many as `pagesFor` says */
export function packPages(cache: PagedAttention, from: Int32Array, to: Int32Array, mask: LayerMask): void {
  const whole = { mask, packed: false };
  const packed = { mask, packed: true };
  for (let layer = 0; layer < mask.length; layer++) {
    if (mask[layer] === 0) continue;
    const sources = layerUnits(from, from.length, whole, layer);
    const targets = layerUnits(to, from.length, packed, layer);
    for (const [i, source] of sources.entries()) cache.copyPage(source, targets[i]!);
  }
}
