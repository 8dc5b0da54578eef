/**
 * Distributions of an entropy coder as whole numbers: what is coded and decoded with must be equal to the last bit on
 * every machine, so a table is made of counts by exact integer arithmetic and nothing else. The coder is
 * ../entropy-coder.ts.
 */
import { assert, fail } from "../../core/index.ts";

/** Frequencies of a table sum to 2^14: one part in 16,384 is the least that a symbol can have. */
export const TABLE_BITS = 14;
export const TABLE_TOTAL = 1 << TABLE_BITS;

/** Most symbols of a table: a symbol is a byte. */
export const SYMBOLS_MAX = 256;

/** Slots per entry of the coarse index. */
const COARSE_SLOTS = 128;
const COARSE_ENTRIES = TABLE_TOTAL / COARSE_SLOTS;

/** What `EntropyTables.fromCounts` takes beside the counts. */
export interface TableOptions {
  /**
   * True: every symbol keeps at least one part, so that what a profile never saw can still be coded (at 14 bits). False:
   * symbols with a count of 0 have no code, for tables that are made of the very data they code.
   */
  readonly coverAll: boolean;
}

/** A number of tables over one alphabet: table t, symbol s has `size(t, s)` of 16,384 parts. Immutable. */
export class EntropyTables {
  readonly count: number;
  /** Symbols of the alphabet, 1 to 256. */
  readonly symbols: number;
  /** Per table symbols + 1 ascending starts, the last one 16,384. */
  readonly starts: Uint16Array;

  private constructor(symbols: number, starts: Uint16Array) {
    this.symbols = symbols;
    this.starts = starts;
    this.count = starts.length / (symbols + 1);
  }

  /**
   * Tables out of counts, [tables x symbols], each a whole number below 2^32. A table without any count is flat.
   * @throws PunctualError invalid_request for shapes and counts out of range.
   */
  static fromCounts(counts: ArrayLike<number>, symbols: number, options: TableOptions): EntropyTables {
    checkShape(counts.length, symbols);
    const tables = counts.length / symbols;
    const starts = new Uint16Array(tables * (symbols + 1));
    const row = new Float64Array(symbols);
    for (let table = 0; table < tables; table++) {
      for (let s = 0; s < symbols; s++) row[s] = counts[table * symbols + s]!;
      const sizes = normalise(row, options.coverAll);
      let at = 0;
      const base = table * (symbols + 1);
      for (let s = 0; s < symbols; s++) {
        starts[base + s] = at;
        at += sizes[s]!;
      }
      starts[base + symbols] = at;
    }
    return new EntropyTables(symbols, starts);
  }

  /**
   * Tables out of sizes that were read from elsewhere, [tables x symbols].
   * @throws PunctualError invalid_file when a table does not sum to 16,384.
   */
  static fromSizes(sizes: ArrayLike<number>, symbols: number): EntropyTables {
    checkShape(sizes.length, symbols);
    const tables = sizes.length / symbols;
    const starts = new Uint16Array(tables * (symbols + 1));
    for (let table = 0; table < tables; table++) {
      let at = 0;
      for (let s = 0; s < symbols; s++) {
        starts[table * (symbols + 1) + s] = at;
        const size = sizes[table * symbols + s]!;
        if (!Number.isInteger(size) || size < 0 || size > TABLE_TOTAL) {
          fail("invalid_file", `table ${table}: expected sizes from 0 to ${TABLE_TOTAL}, got ${size}`);
        }
        at += size;
      }
      if (at !== TABLE_TOTAL) fail("invalid_file", `table ${table}: expected a sum of ${TABLE_TOTAL}, got ${at}`);
      starts[table * (symbols + 1) + symbols] = at;
    }
    return new EntropyTables(symbols, starts);
  }

  /** Parts of a symbol, of 16,384; 0 when it has no code. */
  size(table: number, symbol: number): number {
    const at = table * (this.symbols + 1) + symbol;
    return this.starts[at + 1]! - this.starts[at]!;
  }

  /** What coding a symbol costs, in bits; Infinity when it has no code. */
  bits(table: number, symbol: number): number {
    return TABLE_BITS - Math.log2(this.size(table, symbol));
  }

  /** The symbol that owns each 128th slot of a table, [128]. */
  coarse(table: number): Uint8Array {
    const out = new Uint8Array(COARSE_ENTRIES);
    const base = table * (this.symbols + 1);
    let symbol = 0;
    for (let i = 0; i < COARSE_ENTRIES; i++) {
      while (this.starts[base + symbol + 1]! <= i * COARSE_SLOTS) symbol += 1;
      out[i] = symbol;
    }
    return out;
  }
}

/** Bytes that a table takes in a kernel's memory: its starts, and with its coarse index. */
export function tableSizes({ symbols }: EntropyTables): { readonly startsBytes: number; readonly strideBytes: number } {
  // Eight starts are read from any symbol on: seven more than there are must be beyond every slot.
  const startsBytes = Math.ceil(((symbols + 1 + 8) * 2) / 16) * 16;
  return { startsBytes, strideBytes: startsBytes + COARSE_ENTRIES };
}

/** Writes tables one behind the other, as the kernels read them (assembly/rans.ts). */
export function layTables(memory: Uint8Array<ArrayBufferLike>, at: number, tables: EntropyTables): void {
  const { startsBytes, strideBytes } = tableSizes(tables);
  const width = tables.symbols + 1;
  for (let table = 0; table < tables.count; table++) {
    const address = at + table * strideBytes;
    const starts = new Uint16Array(memory.buffer, address, startsBytes / 2).fill(TABLE_TOTAL);
    starts.set(tables.starts.subarray(table * width, (table + 1) * width));
    memory.set(tables.coarse(table), address + startsBytes);
  }
}

function checkShape(length: number, symbols: number): void {
  if (!Number.isInteger(symbols) || symbols < 1 || symbols > SYMBOLS_MAX) {
    fail("invalid_request", `expected 1 to ${SYMBOLS_MAX} symbols, got ${symbols}`, { param: "symbols" });
  }
  if (length % symbols !== 0) {
    fail("invalid_request", `expected whole tables of ${symbols} symbols, got ${length} numbers`, { param: "counts" });
  }
}

/** Shares of 16,384 in proportion to the counts: rounded down, at least 1 where wanted, the rest where most is. */
function normalise(counts: Float64Array, coverAll: boolean): Uint16Array {
  let total = 0;
  for (const count of counts) {
    if (!Number.isInteger(count) || count < 0 || count >= 2 ** 32) {
      fail("invalid_request", `expected counts that are whole numbers below 2^32, got ${count}`, { param: "counts" });
    }
    total += count;
  }
  const sizes = new Uint16Array(counts.length);
  if (total === 0) {
    counts.fill(1);
    total = counts.length;
  }
  let left = TABLE_TOTAL;
  for (let s = 0; s < counts.length; s++) {
    // Exact: both factors are whole and their product is below 2^53.
    const share = Math.floor((counts[s]! * TABLE_TOTAL) / total);
    sizes[s] = coverAll || counts[s]! > 0 ? Math.max(1, share) : 0;
    left -= sizes[s]!;
  }
  settle(sizes, left);
  return sizes;
}

/** Brings a sum to 16,384: what is missing goes to the largest; what is too much is taken from the largest, again and again. */
function settle(sizes: Uint16Array, missing: number): void {
  let left = missing;
  while (left !== 0) {
    let largest = 0;
    for (let s = 1; s < sizes.length; s++) if (sizes[s]! > sizes[largest]!) largest = s;
    // Never below half, so that taking from one does not make another the victim of all.
    const change = left > 0 ? left : -Math.min(-left, sizes[largest]! >> 1);
    assert(change !== 0, "there are fewer symbols than parts");
    sizes[largest]! += change;
    left -= change;
  }
}
