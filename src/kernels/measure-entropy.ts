/** How fast the entropy coder is on this machine, in MB of symbols (10^6 bytes, one a symbol) per second and core. */
import { createRandom, median, type Clock } from "../core/index.ts";
import { EntropyCoder } from "./entropy-coder.ts";
import { EntropyTables, TABLE_TOTAL } from "./entropy/tables.ts";

/** What to code and how often. */
export interface EntropySpeedOptions {
  readonly clock: Clock;
  /** Symbols of a pass: 4 Mi if absent. */
  readonly symbols?: number;
  /** Alphabet: 33 if absent, as of deltas in 33 bins. */
  readonly alphabet?: number;
  /** Different tables, one per channel: 1,024 if absent. */
  readonly tables?: number;
  /** Timed passes, 5 if absent, after one that is not. */
  readonly passes?: number;
}

/** Medians over the passes. */
export interface EntropySpeed {
  readonly encodeMegabytesPerSecond: number;
  readonly decodeMegabytesPerSecond: number;
  /** What the payload takes. */
  readonly bitsPerSymbol: number;
  /** What the tables say it must take. */
  readonly entropyBitsPerSymbol: number;
  readonly symbols: number;
}

/** Times both directions over symbols of bell-shaped tables of many widths, as channels of a cache have. */
export async function measureEntropyCoder(options: EntropySpeedOptions): Promise<EntropySpeed> {
  const { clock, symbols: count = 2 ** 22, alphabet = 33, tables: tableCount = 1024, passes = 5 } = options;
  const random = createRandom(1, "entropy-speed");
  const middle = (alphabet - 1) / 2;
  const counts = Float64Array.from({ length: alphabet * tableCount }, (_, i) => {
    const width = 1 + (Math.floor(i / alphabet) % 8) / 2;
    return Math.round(1e6 * Math.exp(-(((i % alphabet) - middle) ** 2) / (2 * width * width)));
  });
  const tables = EntropyTables.fromCounts(counts, alphabet, { coverAll: true });
  const length = Math.floor(count / tableCount);
  const runs = { tables: Array.from({ length: tableCount }, (_, t) => t), lengths: Array(tableCount).fill(length) };
  const symbols = new Uint8Array(length * tableCount);
  for (let i = 0; i < symbols.length; i++) {
    const base = Math.floor(i / length) * (alphabet + 1);
    const slot = random.uint32() % TABLE_TOTAL;
    let symbol = 0;
    while (tables.starts[base + symbol + 1]! <= slot) symbol += 1;
    symbols[i] = symbol;
  }
  const coder = await EntropyCoder.create();
  const loaded = coder.load(tables);
  const payload = coder.encode(loaded, symbols, runs);
  const time = (pass: () => void): number => {
    pass();
    const timesMs = Array.from({ length: passes }, () => {
      const startMs = clock.nowMs();
      pass();
      return clock.nowMs() - startMs;
    });
    return symbols.length / 1000 / Math.max(1e-3, median(timesMs));
  };
  const entropy = symbols.reduce((sum, symbol, i) => sum + tables.bits(Math.floor(i / length), symbol), 0);
  return {
    encodeMegabytesPerSecond: time(() => coder.encode(loaded, symbols, runs)),
    decodeMegabytesPerSecond: time(() => coder.decode(loaded, payload, runs)),
    bitsPerSymbol: (payload.length * 8) / symbols.length,
    entropyBitsPerSymbol: entropy / symbols.length,
    symbols: symbols.length,
  };
}
