/**
 * Where everything lies in the one shared memory: an arithmetic plan, made once, never changed.
 *
 *     control | queries | outputs | sequences | table | items | staged page | scratch x 2 | pages ...
 *
 * Page-major: a page holds all layers, so that copying or sending a page is one contiguous piece.
 *
 *     page -> layer -> [ K: kvHeads x pageTokens x headDim ][ V: same ][ K scales, V scales: kvHeads x pageTokens f32 ]
 *
 * (scales only in int8). Key and value rows on their way into pages use the queries' and outputs' space.
 */
import { fail } from "../core/index.ts";
import {
  CONTROL,
  CONTROL_BYTES,
  HEAD_DIM_MAX,
  ITEM_BYTES,
  ITEM_VECTORS,
  ITEMS_MAX,
  SEQUENCE_BYTES,
} from "./assembly/control.ts";

/** Sizes of the paged cache. */
export interface KvLayout {
  readonly layers: number;
  readonly kvHeads: number;
  /** A multiple of 4, at most 256. */
  readonly headDim: number;
  /** Tokens a page holds: a multiple of 8 (16 is the usual choice). */
  readonly pageTokens: number;
  readonly pages: number;
  /** int8 has one f32 scale per token and kv head, for K and for V. */
  readonly format: "f32" | "int8";
}

/**
 * Shapes and room of one memory, fixed for its life. At most ITEM_VECTORS query heads share a kv head, and maxRows x
 * kvHeads is at most ITEMS_MAX; `checkOptions` says which number is out of range.
 */
export interface AttentionOptions {
  readonly layout: KvLayout;
  /** Query heads, a multiple of kvHeads. */
  readonly heads: number;
  /** Factor on q.k; 1 / sqrt(headDim) if absent. */
  readonly scale?: number;
  /** Each row sees the last `window` keys, itself included; absent or 0: all. */
  readonly window?: number;
  /** One window per layer, 0: all keys; stands in for `window`. */
  readonly windows?: readonly number[];
  /** Most query rows (and most rows of one writeKv) in a call. */
  readonly maxRows: number;
  /** Most pages of one sequence; layout.pages if absent. */
  readonly maxPagesPerSequence?: number;
  /** Threads of JavaScript that attend over the memory, each through a view with scratch of its own; 1 if absent. */
  readonly views?: number;
}

/** Byte addresses and sizes; everything in bytes unless it says otherwise. */
export interface Geometry {
  readonly group: number;
  readonly controlAt: number;
  readonly blockTokens: number;
  readonly tokenBytes: number;
  readonly valuesAt: number;
  readonly keyScalesAt: number;
  readonly valueScalesAt: number;
  readonly layerBytes: number;
  readonly pageBytes: number;
  readonly queriesAt: number;
  readonly outputsAt: number;
  readonly sequencesAt: number;
  readonly tableAt: number;
  readonly tableEntries: number;
  readonly itemsAt: number;
  readonly itemCount: number;
  readonly stagedAt: number;
  readonly scratchAt: number;
  readonly scratchBytes: number;
  readonly pagesAt: number;
  readonly totalBytes: number;
}

/** Page ids of one kernel call; attend() makes several calls when its sequences have more. */
const TABLE_ENTRIES = 1 << 18;
/** One WebAssembly page short of 4 GiB, so that the end of an address range never wraps to 0. */
const MEMORY_BYTES_MAX = 65535 * 65536;

/** More threads than a small machine has cores for would only wait for one another. */
const VIEWS_MAX = 16;

/** Room behind the last page for a look-ahead that reads past its end. */
const TAIL_BYTES = 256;

const aligned = (bytes: number, to = 64): number => Math.ceil(bytes / to) * to;

function checkCount(value: number, param: string, low = 1, high = 2 ** 31 - 1): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  fail("invalid_request", `${param}: expected an integer from ${low} to ${high}, got ${value}`, { param });
}

/** Throws invalid_request (a number out of range) or unsupported (a shape the kernel has no code for). */
export function checkOptions(options: AttentionOptions): void {
  const { layout, heads, maxRows } = options;
  for (const name of ["layers", "kvHeads", "headDim", "pageTokens", "pages"] as const)
    checkCount(layout[name], `layout.${name}`);
  checkCount(heads, "heads");
  checkCount(maxRows, "maxRows");
  checkCount(options.window ?? 0, "window", 0);
  if (options.windows !== undefined) {
    checkCount(options.windows.length, "windows", layout.layers, layout.layers);
    for (const [layer, window] of options.windows.entries()) checkCount(window, `windows[${layer}]`, 0);
  }
  checkCount(options.maxPagesPerSequence ?? layout.pages, "maxPagesPerSequence");
  checkCount(options.views ?? 1, "views", 1, VIEWS_MAX);
  if (layout.format !== "f32" && layout.format !== "int8") {
    fail("unsupported", `expected pages of f32 or int8, got ${String(layout.format)}`, { param: "layout.format" });
  }
  if (layout.headDim % 4 !== 0 || layout.headDim > HEAD_DIM_MAX) {
    fail(
      "unsupported",
      `expected a head dimension that is a multiple of 4 up to ${HEAD_DIM_MAX}, got ${layout.headDim}`,
      {
        param: "layout.headDim",
      },
    );
  }
  if (layout.pageTokens % 8 !== 0) {
    fail("unsupported", `expected a multiple of 8 tokens per page, got ${layout.pageTokens}`, {
      param: "layout.pageTokens",
    });
  }
  if (heads % layout.kvHeads !== 0 || heads / layout.kvHeads > ITEM_VECTORS) {
    fail(
      "unsupported",
      `expected heads to be 1 to ${ITEM_VECTORS} times the ${layout.kvHeads} kv heads, got ${heads}`,
      {
        param: "heads",
      },
    );
  }
  if (maxRows * layout.kvHeads > ITEMS_MAX) {
    fail("unsupported", `expected maxRows x kvHeads up to ${ITEMS_MAX}, got ${maxRows} x ${layout.kvHeads}`, {
      param: "maxRows",
    });
  }
}

/** The window of one layer in tokens; 0: every earlier key is visible. */
export function windowOf(options: AttentionOptions, layer: number): number {
  return options.windows?.[layer] ?? options.window ?? 0;
}

/** The first of the layers that see the most keys. */
export function widestLayer(options: AttentionOptions): number {
  const { windows } = options;
  if (windows === undefined) return 0;
  const all = windows.indexOf(0);
  return all >= 0 ? all : windows.indexOf(Math.max(...windows));
}

/** Bytes of one page, all layers. */
export function kvPageBytes(layout: KvLayout): number {
  return kvLayerPlan(layout).layerBytes * layout.layers;
}

/** Byte offsets within one layer of a page: values, scales (of int8), and where the next layer begins. Keys are at 0. */
export function kvLayerPlan(
  layout: Omit<KvLayout, "pages" | "layers">,
): Pick<Geometry, "tokenBytes" | "valuesAt" | "keyScalesAt" | "valueScalesAt" | "layerBytes"> {
  const tokens = layout.kvHeads * layout.pageTokens;
  const tokenBytes = layout.headDim * (layout.format === "int8" ? 1 : 4);
  const valuesAt = tokens * tokenBytes;
  const keyScalesAt = 2 * valuesAt;
  const valueScalesAt = keyScalesAt + tokens * 4;
  const end = layout.format === "int8" ? valueScalesAt + tokens * 4 : keyScalesAt;
  return { tokenBytes, valuesAt, keyScalesAt, valueScalesAt, layerBytes: aligned(end) };
}

/** Lays the memory out as view `view` sees it; throws out_of_memory when it would not fit 4 GiB. */
export function planGeometry(options: AttentionOptions, view = 0): Geometry {
  const { layout } = options;
  const layer = kvLayerPlan(layout);
  const pageBytes = layer.layerBytes * layout.layers;
  let end: number = CONTROL;
  const region = (bytes: number, to?: number): number => {
    const at = aligned(end, to);
    end = at + bytes;
    return at;
  };
  // Other threads write to the other views: pages of memory apart, so that no cache line is shared.
  const views = Array.from({ length: options.views ?? 1 }, () => viewRegions(options, region));
  const own = views[view];
  if (own === undefined)
    fail("invalid_request", `expected a view below ${views.length}, got ${view}`, { param: "view" });
  const pagesAt = region(layout.pages * pageBytes + TAIL_BYTES, 4096);
  if (end > MEMORY_BYTES_MAX) {
    fail("out_of_memory", `expected up to ${MEMORY_BYTES_MAX} bytes of cache and scratch, got ${end}`, {
      param: "layout.pages",
    });
  }
  return {
    ...layer,
    ...own,
    pageBytes,
    group: options.heads / layout.kvHeads,
    blockTokens: layout.pageTokens % 16 === 0 ? 16 : 8,
    pagesAt,
    totalBytes: aligned(end, 65536),
  };
}

type ViewRegions = Pick<
  Geometry,
  | "controlAt"
  | "queriesAt"
  | "outputsAt"
  | "sequencesAt"
  | "tableEntries"
  | "tableAt"
  | "itemCount"
  | "itemsAt"
  | "stagedAt"
  | "scratchBytes"
  | "scratchAt"
>;

/** What a view has for itself: its control block and scratch for its calls. */
function viewRegions(options: AttentionOptions, region: (bytes: number, to?: number) => number): ViewRegions {
  const { layout, heads, maxRows } = options;
  const perSequence = options.maxPagesPerSequence ?? layout.pages;
  const tableEntries = Math.max(perSequence, Math.min(maxRows * perSequence, TABLE_ENTRIES), maxRows);
  const headBytes = layout.headDim * 4;
  const scratchBytes = aligned(ITEM_VECTORS * (2 * headBytes + 4 + 16 + 64) + 64 + 16 * headBytes, 4096);
  return {
    controlAt: region(CONTROL_BYTES, 4096),
    queriesAt: region(maxRows * heads * headBytes),
    outputsAt: region(maxRows * heads * headBytes),
    sequencesAt: region(maxRows * SEQUENCE_BYTES),
    tableEntries,
    tableAt: region(tableEntries * 4),
    itemCount: maxRows * layout.kvHeads,
    itemsAt: region(maxRows * layout.kvHeads * ITEM_BYTES),
    stagedAt: region(layout.format === "int8" ? 2 * layout.kvHeads * layout.pageTokens * headBytes : 0),
    scratchBytes,
    scratchAt: region(2 * scratchBytes, 4096),
  };
}
