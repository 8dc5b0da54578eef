import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { codeThrown, valueOrCode } from "../../test/support/error-code.ts";
import { createRandom, FakeClock, type RandomStream } from "../core/index.ts";
import { EntropyCoder, type EntropyRuns } from "./entropy-coder.ts";
import { EntropyTables, TABLE_TOTAL } from "./entropy/tables.ts";
import { decodeTwin, encodeTwin } from "./entropy/twin.ts";
import { measureEntropyCoder } from "./measure-entropy.ts";

const SEED = 20261126;
let coder: EntropyCoder;

beforeAll(async () => {
  coder = await EntropyCoder.create();
});

/** Tables with some symbols that never come, and symbols drawn from them. */
interface Case {
  readonly tables: EntropyTables;
  readonly symbols: Uint8Array;
  readonly runs: EntropyRuns;
}

function drawCase(random: RandomStream, alphabet: number, tableCount: number, runCount: number, skew: number): Case {
  const counts = Float64Array.from({ length: tableCount * alphabet }, () =>
    random.chance(0.2) ? 0 : Math.min(2 ** 32 - 1, Math.floor(random.exponential(1) ** skew * 50)),
  );
  const tables = EntropyTables.fromCounts(counts, alphabet, { coverAll: random.chance(0.5) });
  const runs = {
    tables: Array.from({ length: runCount }, () => random.int(0, tableCount - 1)),
    lengths: Array.from({ length: runCount }, () => random.int(0, 37)),
  };
  const symbols: number[] = [];
  runs.tables.forEach((table, run) => {
    for (let i = 0; i < runs.lengths[run]!; i++) symbols.push(drawSymbol(random, tables, table));
  });
  return { tables, symbols: Uint8Array.from(symbols), runs };
}

/** Half by the table, half any symbol that has a code, so that rare ones come too. */
function drawSymbol(random: RandomStream, tables: EntropyTables, table: number): number {
  if (random.chance(0.5)) {
    const slot = random.int(0, TABLE_TOTAL - 1);
    let symbol = 0;
    while (tables.starts[table * (tables.symbols + 1) + symbol + 1]! <= slot) symbol += 1;
    return symbol;
  }
  for (;;) {
    const symbol = random.int(0, tables.symbols - 1);
    if (tables.size(table, symbol) > 0) return symbol;
  }
}

const anyCase = fc
  .record({
    seed: fc.nat(),
    alphabet: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256)),
    skew: fc.constantFrom(0.3, 1, 3, 8),
  })
  .map(({ seed, alphabet, skew }) => {
    const random = createRandom(seed, "entropy-case");
    return drawCase(random, alphabet, random.int(1, 6), random.int(0, 12), skew);
  });

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a !== null && b !== null && Buffer.from(a).equals(b);
}

describe("tables", () => {
  it("sum to 16,384, keep the order of counts and cover what they are told to", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 256 }), fc.boolean(), (counts, coverAll) => {
        const tables = EntropyTables.fromCounts(counts, counts.length, { coverAll });
        const sizes = counts.map((_, s) => tables.size(0, s));
        expect(sizes.reduce((a, b) => a + b)).toBe(TABLE_TOTAL);
        const isEmpty = counts.every((count) => count === 0);
        expect(counts.every((count, s) => sizes[s]! > 0 === (coverAll || isEmpty || count > 0))).toBe(true);
        const again = EntropyTables.fromSizes(sizes, sizes.length);
        expect(again.starts).toEqual(tables.starts);
        const coarse = tables.coarse(0);
        const owns = (symbol: number, slot: number): boolean =>
          tables.starts[symbol]! <= slot && tables.starts[symbol + 1]! > slot;
        expect(coarse.every((symbol, i) => owns(symbol, i * 128))).toBe(true);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("refuse what is no distribution", () => {
    expect(codeThrown(() => EntropyTables.fromCounts([1.5], 1, { coverAll: true }))).toBe("invalid_request");
    expect(codeThrown(() => EntropyTables.fromCounts([-1], 1, { coverAll: true }))).toBe("invalid_request");
    expect(codeThrown(() => EntropyTables.fromCounts([1, 2, 3], 2, { coverAll: true }))).toBe("invalid_request");
    expect(codeThrown(() => EntropyTables.fromCounts([], 0, { coverAll: true }))).toBe("invalid_request");
    expect(codeThrown(() => EntropyTables.fromSizes([TABLE_TOTAL, 1], 2))).toBe("invalid_file");
    expect(codeThrown(() => EntropyTables.fromSizes([TABLE_TOTAL + 1, -1], 2))).toBe("invalid_file");
  });

  it("say what a symbol costs", () => {
    const tables = EntropyTables.fromCounts([1, 1, 2, 0], 4, { coverAll: false });
    expect([0, 1, 2, 3].map((symbol) => tables.bits(0, symbol))).toEqual([2, 2, 1, Infinity]);
  });
});

describe("coder", () => {
  it("gives the twin's bytes and back, for any tables, runs and symbols", () => {
    fc.assert(
      fc.property(anyCase, ({ tables, symbols, runs }) => {
        const loaded = coder.load(tables);
        const payload = coder.encode(loaded, symbols, runs);
        expect(equal(payload, encodeTwin(tables, symbols, runs))).toBe(true);
        expect(equal(coder.decode(loaded, payload, runs), symbols)).toBe(true);
        expect(equal(decodeTwin(tables, payload, runs), symbols)).toBe(true);
        coder.unload(loaded);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("needs what the tables say, and nothing for what is certain", () => {
    const random = createRandom(SEED, "rate");
    const counts = Array.from({ length: 33 }, (_, s) => Math.round(1e6 * Math.exp(-((s - 16) ** 2) / 18)));
    const tables = EntropyTables.fromCounts([...counts, ...counts.slice(1).fill(0), 9], 33, { coverAll: false });
    const loaded = coder.load(tables);
    const symbols = Uint8Array.from({ length: 40_000 }, () => drawSymbol(random, tables, 0));
    const bits = symbols.reduce((sum, symbol) => sum + tables.bits(0, symbol), 0);
    const payload = coder.encode(loaded, symbols, { tables: [0], lengths: [symbols.length] });
    expect(payload.length).toBeLessThan(bits / 8 + 40);
    expect(payload.length).toBeGreaterThan(bits / 8 - 1);
    const certain = new Uint8Array(10_000).fill(32);
    expect(coder.encode(loaded, certain, { tables: [1], lengths: [certain.length] }).length).toBe(16);
  });

  it("refuses symbols without a code, runs that do not fit, and unknown tables", () => {
    const loaded = coder.load(EntropyTables.fromCounts([3, 0, 1], 3, { coverAll: false }));
    const encode = (symbols: number[], runs: EntropyRuns) =>
      valueOrCode(() => coder.encode(loaded, Uint8Array.from(symbols), runs));
    expect(encode([1], { tables: [0], lengths: [1] })).toBe("invalid_request");
    expect(encode([3], { tables: [0], lengths: [1] })).toBe("invalid_request");
    expect(encode([0], { tables: [0], lengths: [2] })).toBe("invalid_request");
    expect(encode([0], { tables: [1], lengths: [1] })).toBe("invalid_request");
    expect(encode([0], { tables: [0, 0], lengths: [1] })).toBe("invalid_request");
    expect(encode([], { tables: [0], lengths: [-1] })).toBe("invalid_request");
    expect(encode([], { tables: [0], lengths: [2 ** 27] })).toBe("payload_too_large");
  });

  it("never believes a payload: damaged, cut, lengthened or random ones end in an error or in as many symbols", () => {
    fc.assert(
      fc.property(anyCase, fc.nat(), ({ tables, symbols, runs }, seed) => {
        const random = createRandom(seed, "damage");
        const loaded = coder.load(tables);
        const payload = coder.encode(loaded, symbols, runs);
        const damaged = [
          payload.slice(0, random.int(0, payload.length - 1)),
          Uint8Array.from([...payload, 0, 0]),
          payload.map((byte) => (random.chance(0.05) ? random.int(0, 255) : byte)),
          Uint8Array.from({ length: random.int(0, 200) }, () => random.int(0, 255)),
        ];
        for (const bytes of damaged) {
          const got = valueOrCode(() => coder.decode(loaded, bytes, runs));
          const twin = decodeTwin(tables, bytes, runs);
          if (got === "invalid_file") expect(twin).toBeNull();
          else expect(equal(got as Uint8Array, twin)).toBe(true);
        }
        coder.unload(loaded);
      }),
      { seed: SEED, numRuns: 40 },
    );
  });

  it("is measured in bytes of symbols per second", async () => {
    const measured = await measureEntropyCoder({ clock: new FakeClock(), symbols: 40_000, passes: 1 });
    expect(measured.encodeMegabytesPerSecond).toBeGreaterThan(0);
    expect(measured.decodeMegabytesPerSecond).toBeGreaterThan(0);
    expect(measured.bitsPerSymbol).toBeGreaterThan(1);
    expect(measured.bitsPerSymbol).toBeLessThan(measured.entropyBitsPerSymbol + 0.05);
  });
});
