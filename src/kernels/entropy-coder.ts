/**
 * A table-driven entropy coder: bytes to and from a payload, in WebAssembly (assembly/rans.ts has the
 * method). Which symbol is coded with which table is the caller's to know on both sides; the payload says nothing about
 * itself, not even its length. entropy/twin.ts is the plain form that tests hold it against.
 *
 *   const coder = await EntropyCoder.create();
 *   const tables = coder.load(EntropyTables.fromCounts(counts, 16, { coverAll: true }));
 *   const payload = coder.encode(tables, symbols, runs);
 *   coder.decode(tables, payload, runs);   // equal to symbols
 */
import { assert, fail } from "../core/index.ts";
import { layTables, tableSizes, type EntropyTables } from "./entropy/tables.ts";
import { loadBuilt } from "./kernel-module.ts";

/** Stretches of consecutive symbols that share a table: run r codes lengths[r] symbols with table tables[r]. */
export interface EntropyRuns {
  readonly tables: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
}

/** Tables that lie in a coder's memory. Only good for the coder that loaded them. */
export interface LoadedTables {
  readonly tables: EntropyTables;
  readonly owner: EntropyCoder;
  /** Address of table 0. */
  readonly at: number;
  readonly startsBytes: number;
  readonly strideBytes: number;
}

interface Kernel {
  encode(symbols: number, total: number, runs: number, count: number, top: number): number;
  decode(payload: number, bytes: number, runs: number, count: number, symbols: number): number;
}

/** Most symbols of one call: 64 Mi, so that addresses stay far from their end. */
const SYMBOLS_PER_CALL_MAX = 2 ** 26;
const MEMORY_PAGES_MAX = 16384; // 1 GiB
const STATES_BYTES = 16;

const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** An instance with a memory of its own: tables below, scratch of one call above. One call at a time, like all code. */
export class EntropyCoder {
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Kernel;
  /** Where the next table goes; scratch begins here. */
  #top = 64;

  private constructor(module: WebAssembly.Module) {
    this.#memory = new WebAssembly.Memory({ initial: 4, maximum: MEMORY_PAGES_MAX, shared: true });
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#kernel = instance.exports as unknown as Kernel;
  }

  /** @throws PunctualError missing_dependency when the package is not built. */
  static async create(): Promise<EntropyCoder> {
    return new EntropyCoder(await loadBuilt("entropy-coder.wasm"));
  }

  /** Bytes of its memory that tables take. */
  get tableBytes(): number {
    return this.#top - 64;
  }

  /**
   * Puts tables where coding is fast. They stay until the coder is gone or `unload` takes them, last loaded first.
   * @throws PunctualError out_of_memory beyond 1 GiB.
   */
  load(tables: EntropyTables): LoadedTables {
    const { startsBytes, strideBytes } = tableSizes(tables);
    const at = this.#top;
    const end = at + tables.count * strideBytes;
    this.#reserve(end);
    layTables(this.#bytes(), at, tables);
    this.#top = end;
    return { tables, owner: this, at, startsBytes, strideBytes };
  }

  /** Forgets tables and all that were loaded after them. */
  unload(loaded: LoadedTables): void {
    assert(loaded.owner === this, "tables are unloaded by the coder that loaded them");
    this.#top = Math.min(this.#top, loaded.at);
  }

  /**
   * Symbols to a payload of their own memory; runs cover them exactly.
   * @throws PunctualError invalid_request for a symbol that its table has no code for, or runs that do not fit.
   */
  encode(loaded: LoadedTables, symbols: Uint8Array, runs: EntropyRuns): Uint8Array<ArrayBuffer> {
    const total = this.#checkRuns(loaded, runs);
    if (total !== symbols.length) {
      fail("invalid_request", `expected runs over ${symbols.length} symbols, got ${total}`, { param: "runs" });
    }
    checkSymbols(loaded.tables, symbols, runs);
    const count = runs.tables.length;
    const runsAt = aligned(this.#top);
    const symbolsAt = aligned(runsAt + count * 8);
    const end = aligned(symbolsAt + total) + 2 * total + STATES_BYTES;
    this.#reserve(end);
    const bytes = this.#bytes();
    const entries = new Uint32Array(bytes.buffer, runsAt, count * 2);
    for (let run = 0; run < count; run++) {
      entries[run * 2] = loaded.at + runs.tables[run]! * loaded.strideBytes;
      entries[run * 2 + 1] = runs.lengths[run]!;
    }
    bytes.set(symbols, symbolsAt);
    const from = this.#kernel.encode(symbolsAt, total, runsAt, count, end);
    const out = new Uint8Array(end - from); // not shared, as callers expect
    out.set(bytes.subarray(from, end));
    return out;
  }

  /**
   * A payload back to its symbols, with the very tables and runs that made it.
   * @throws PunctualError invalid_file when it cannot have been made with them. Most damage is noticed, not all: whoever
   * stores payloads adds a checksum.
   */
  decode(loaded: LoadedTables, payload: Uint8Array, runs: EntropyRuns): Uint8Array<ArrayBuffer> {
    const total = this.#checkRuns(loaded, runs);
    const count = runs.tables.length;
    const runsAt = aligned(this.#top);
    const symbolsAt = aligned(runsAt + count * 12);
    const payloadAt = aligned(symbolsAt + total);
    this.#reserve(payloadAt + payload.length);
    const bytes = this.#bytes();
    const entries = new Uint32Array(bytes.buffer, runsAt, count * 3);
    for (let run = 0; run < count; run++) {
      const at = loaded.at + runs.tables[run]! * loaded.strideBytes;
      entries[run * 3] = at;
      entries[run * 3 + 1] = runs.lengths[run]!;
      entries[run * 3 + 2] = at + loaded.startsBytes;
    }
    bytes.set(payload, payloadAt);
    if (this.#kernel.decode(payloadAt, payload.length, runsAt, count, symbolsAt) !== 0) {
      fail("invalid_file", `expected a payload of ${total} symbols, these ${payload.length} bytes are not one`);
    }
    const out = new Uint8Array(total);
    out.set(bytes.subarray(symbolsAt, symbolsAt + total));
    return out;
  }

  #checkRuns(loaded: LoadedTables, { tables, lengths }: EntropyRuns): number {
    assert(loaded.owner === this, "tables are used by the coder that loaded them");
    assert(
      loaded.at + loaded.tables.count * loaded.strideBytes <= this.#top,
      "tables are used before they are unloaded",
    );
    if (tables.length !== lengths.length) {
      fail("invalid_request", `expected a length for each of ${tables.length} runs, got ${lengths.length}`);
    }
    let total = 0;
    for (let run = 0; run < tables.length; run++) {
      const [table, length] = [tables[run]!, lengths[run]!];
      if (!(table >= 0 && table < loaded.tables.count && Number.isInteger(table))) {
        fail("invalid_request", `run ${run}: expected a table below ${loaded.tables.count}, got ${table}`);
      }
      if (!(length >= 0 && Number.isInteger(length))) {
        fail("invalid_request", `run ${run}: expected a length of at least 0, got ${length}`);
      }
      total += length;
    }
    if (total > SYMBOLS_PER_CALL_MAX) {
      fail("payload_too_large", `expected up to ${SYMBOLS_PER_CALL_MAX} symbols in a call, got ${total}`);
    }
    return total;
  }

  #bytes(): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(this.#memory.buffer);
  }

  #reserve(bytes: number): void {
    const missing = Math.ceil((bytes + 64) / 65536) - this.#memory.buffer.byteLength / 65536;
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      fail("out_of_memory", `expected ${bytes} bytes for tables and one call, the system refused`, { cause });
    }
  }
}

/** The kernel divides by a symbol's size: none may be without. */
function checkSymbols(tables: EntropyTables, symbols: Uint8Array, runs: EntropyRuns): void {
  const { starts, symbols: alphabet } = tables;
  let at = 0;
  for (let run = 0; run < runs.tables.length; run++) {
    const base = runs.tables[run]! * (alphabet + 1);
    for (const end = at + runs.lengths[run]!; at < end; at++) {
      const symbol = symbols[at]!;
      if (symbol < alphabet && starts[base + symbol + 1]! > starts[base + symbol]!) continue;
      fail("invalid_request", `symbol ${at}: table ${runs.tables[run]} has no code for ${symbol}`, {
        param: `symbols[${at}]`,
      });
    }
  }
}
