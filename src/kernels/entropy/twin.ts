/** The plain twin of the entropy coder: the same rANS in arithmetic of doubles, one obvious step a symbol. */
import type { EntropyRuns } from "../entropy-coder.ts";
import { TABLE_BITS, TABLE_TOTAL, type EntropyTables } from "./tables.ts";

const LOWEST = 2 ** 16;
const LANES = 4;

/** Each symbol's table and lane, in order. */
function* steps(runs: EntropyRuns): Generator<{ readonly table: number; readonly lane: number }> {
  for (let run = 0; run < runs.tables.length; run++) {
    for (let i = 0; i < runs.lengths[run]!; i++) yield { table: runs.tables[run]!, lane: i % LANES };
  }
}

/** What EntropyCoder.encode gives, byte by byte. */
export function encodeTwin(tables: EntropyTables, symbols: Uint8Array, runs: EntropyRuns): Uint8Array {
  const states = Array.from({ length: LANES }, () => LOWEST);
  const words: number[] = [];
  const order = Array.from(steps(runs), (step, i) => ({ ...step, symbol: symbols[i]! }));
  for (const { table, lane, symbol } of order.toReversed()) {
    const size = tables.size(table, symbol);
    const start = tables.starts[table * (tables.symbols + 1) + symbol]!;
    if (states[lane]! >= size * 2 ** (32 - TABLE_BITS)) {
      words.push(states[lane]! % LOWEST);
      states[lane] = Math.floor(states[lane]! / LOWEST);
    }
    states[lane] = Math.floor(states[lane]! / size) * TABLE_TOTAL + (states[lane]! % size) + start;
  }
  const out = new Uint8Array(LANES * 4 + words.length * 2);
  const view = new DataView(out.buffer);
  states.forEach((state, lane) => view.setUint32(lane * 4, state, true));
  words.toReversed().forEach((word, i) => view.setUint16(LANES * 4 + i * 2, word, true));
  return out;
}

/** What EntropyCoder.decode gives; null where that throws. */
export function decodeTwin(tables: EntropyTables, payload: Uint8Array, runs: EntropyRuns): Uint8Array | null {
  if (payload.length < LANES * 4 || payload.length % 2 !== 0) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const states = Array.from({ length: LANES }, (_, lane) => view.getUint32(lane * 4, true));
  if (states.some((state) => state < LOWEST)) return null;
  let at = LANES * 4;
  const out: number[] = [];
  for (const { table, lane } of steps(runs)) {
    const slot = states[lane]! % TABLE_TOTAL;
    const base = table * (tables.symbols + 1);
    let symbol = 0;
    while (tables.starts[base + symbol + 1]! <= slot) symbol += 1;
    out.push(symbol);
    const quotient = Math.floor(states[lane]! / TABLE_TOTAL);
    states[lane] = tables.size(table, symbol) * quotient + slot - tables.starts[base + symbol]!;
    if (states[lane]! >= LOWEST) continue;
    if (at >= payload.length) return null;
    states[lane] = states[lane]! * LOWEST + view.getUint16(at, true);
    at += 2;
  }
  return at === payload.length && states.every((state) => state === LOWEST) ? Uint8Array.from(out) : null;
}
