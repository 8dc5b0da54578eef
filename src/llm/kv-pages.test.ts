import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashBlock, rootHash, type BlockHash } from "./block-hash.ts";
import { KvPages, type SequencePages } from "./kv-pages.ts";

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("block hash", () => {
  it("depends on parent, salt and every token", () => {
    const root = rootHash("");
    const tokens = range(0, 16);
    const seen = new Set<string>([hashBlock(root, tokens, 0, 16), hashBlock(rootHash("mask"), tokens, 0, 16)]);
    seen.add(hashBlock(hashBlock(root, tokens, 0, 16), tokens, 0, 16));
    for (let i = 0; i < 16; i++) {
      seen.add(hashBlock(root, tokens.with(i, 99), 0, 16));
      seen.add(hashBlock(root, tokens.with(i, tokens[(i + 4) % 16]!), 0, 16));
    }
    expect(seen.size).toBe(3 + 32);
    expect([...seen].every((hash) => /^[0-9a-f]{32}$/.test(hash))).toBe(true);
  });

  it("spreads: 20,000 neighbouring blocks, no collision in either half", () => {
    const root = rootHash("");
    const hashes = range(0, 20_000).map((i) => hashBlock(root, [i & 127, i >> 7, 0, 0], 0, 4));
    expect(new Set(hashes.map((hash) => hash.slice(0, 16))).size).toBe(20_000);
    expect(new Set(hashes.map((hash) => hash.slice(16))).size).toBe(20_000);
  });
});

describe("KvPages", () => {
  it("shares full pages of a common prefix, and always leaves the last token to compute", () => {
    const pages = new KvPages({ pages: 8, pageTokens: 4 });
    const tokens = range(0, 12);
    const first = pages.open(tokens);
    expect(first.reserve(12)).toBe(true);
    first.commit(tokens);
    expect(pages.cachedTokens(tokens)).toBe(8);
    expect(pages.cachedTokens([...tokens, 12])).toBe(12);
    expect(pages.cachedTokens(tokens, "other model")).toBe(0);
    const second = pages.open([...tokens.slice(0, 8), 99, 100]);
    expect(second.cachedTokens).toBe(8);
    expect(Array.from(second.pages)).toEqual(Array.from(first.pages.subarray(0, 2)));
    first.release();
    second.release();
    expect(pages.availablePages).toBe(8);
    expect(pages.cachedTokens([...tokens, 12])).toBe(12);
    pages.checkIntegrity();
  });

  it("takes blank pages first, then the longest unused prefix from its end", () => {
    const pages = new KvPages({ pages: 4, pageTokens: 2 });
    const old = pages.open();
    old.reserve(4);
    old.commit([1, 2, 3, 4]);
    old.release();
    const other = pages.open();
    expect(other.reserve(4)).toBe(true); // the two blank ones
    expect(pages.cachedTokens([1, 2, 3, 4, 5])).toBe(4);
    expect(other.reserve(6)).toBe(true);
    expect(pages.cachedTokens([1, 2, 3, 4, 5])).toBe(2);
    expect(pages.evictions).toBe(1);
    expect(other.reserve(10)).toBe(false);
    pages.checkIntegrity();
  });

  it("goes on with the registered page when two sequences compute the same one", () => {
    const pages = new KvPages({ pages: 6, pageTokens: 2 });
    const [a, b] = [pages.open(), pages.open()];
    a.reserve(2);
    b.reserve(4);
    a.commit([1, 2]);
    const own = b.pages[0];
    b.commit([1, 2, 3, 4]);
    expect(b.pages[0]).toBe(a.pages[0]);
    expect(b.pages[0]).not.toBe(own);
    expect(pages.usedPages).toBe(2);
    a.release();
    pages.checkIntegrity();
    expect(pages.cachedTokens([1, 2, 3, 4, 5])).toBe(4);
  });

  it("treats a hash collision as a miss", () => {
    const collide = (): BlockHash => "0".repeat(32) as BlockHash;
    const pages = new KvPages({ pages: 6, pageTokens: 2, hasher: collide });
    const a = pages.open();
    a.reserve(4);
    a.commit([1, 2, 3, 4]);
    expect(pages.cachedTokens([1, 2, 3, 4, 5])).toBe(2); // the second page collided with the first
    expect(pages.cachedTokens([7, 8, 9])).toBe(0);
    pages.checkIntegrity();
    a.release();
    pages.checkIntegrity();
    expect(pages.availablePages).toBe(6);
  });
});

/** What the model knows: the token list behind each open sequence, and how many tokens are committed. */
interface Model {
  readonly open: { tokens: number[]; sequence: SequencePages }[];
}

interface Real {
  readonly pages: KvPages;
  /** What was last "written" to each page, as the kernel would. */
  readonly contents: string[];
}

const PAGE = 2;

/** Every page of every open sequence must hold that sequence's tokens, shared or not. */
function check(model: Model, real: Real): void {
  real.pages.checkIntegrity();
  const used = new Set<number>();
  for (const { tokens, sequence } of model.open) {
    const held = Array.from(sequence.pages);
    expect(held).toHaveLength(Math.ceil(tokens.length / PAGE));
    held.forEach((page, i) => {
      used.add(page);
      expect(real.contents[page]).toBe(tokens.slice(0, (i + 1) * PAGE).join());
    });
  }
  expect(real.pages.usedPages).toBe(used.size);
}

function write(real: Real, tokens: readonly number[], sequence: SequencePages, from: number): void {
  for (let i = Math.floor(from / PAGE); i < sequence.pages.length; i++) {
    real.contents[sequence.pages[i]!] = tokens.slice(0, (i + 1) * PAGE).join();
  }
}

/** A command for fast-check: all of them always run, picking a sequence by index modulo the open ones. */
class Action implements fc.Command<Model, Real> {
  readonly #name: string;
  readonly #run: (model: Model, real: Real) => void;
  constructor(name: string, run: (model: Model, real: Real) => void) {
    this.#name = name;
    this.#run = run;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    this.#run(model, real);
    check(model, real);
  }
  toString(): string {
    return this.#name;
  }
}

const tokenList = (minLength: number) => fc.array(fc.nat(1), { minLength, maxLength: 9 });

const commands = [
  tokenList(1).map(
    (tokens) =>
      new Action(`open ${tokens.join()}`, (model, real) => {
        const cached = real.pages.cachedTokens(tokens);
        const before = real.pages.availablePages;
        const free = real.pages.cachedFreePages(tokens);
        const sequence = real.pages.open(tokens);
        expect(before - real.pages.availablePages).toBe(free);
        expect(sequence.cachedTokens).toBe(cached);
        const missing = sequence.missingPages(tokens.length);
        const fits = missing <= real.pages.availablePages;
        expect(sequence.reserve(tokens.length)).toBe(fits);
        if (!fits) return sequence.release();
        write(real, tokens, sequence, cached);
        sequence.commit(tokens);
        model.open.push({ tokens, sequence });
      }),
  ),
  fc.tuple(fc.nat(), tokenList(1)).map(
    ([pick, more]) =>
      new Action(`extend ${pick} ${more.join()}`, (model, real) => {
        const entry = model.open[pick % Math.max(1, model.open.length)];
        if (entry === undefined) return;
        const tokens = [...entry.tokens, ...more];
        if (!entry.sequence.reserve(tokens.length)) return;
        write(real, tokens, entry.sequence, entry.tokens.length);
        entry.tokens = tokens;
        entry.sequence.commit(tokens);
      }),
  ),
  fc.tuple(fc.nat(), fc.nat(5)).map(
    ([pick, drafted]) =>
      new Action(`draft ${drafted} and reject ${pick}`, (model, real) => {
        const entry = model.open[pick % Math.max(1, model.open.length)];
        if (entry === undefined || !entry.sequence.reserve(entry.tokens.length + drafted)) return;
        entry.sequence.truncate(entry.tokens.length);
        expect(entry.sequence.reserve(entry.tokens.length)).toBe(true);
        write(real, entry.tokens, entry.sequence, entry.tokens.length);
      }),
  ),
  fc.nat().map(
    (pick) =>
      new Action(`release ${pick}`, (model) => {
        const [entry] = model.open.splice(pick % Math.max(1, model.open.length), 1);
        entry?.sequence.release();
      }),
  ),
  fc.constant(new Action("drop cache", (_, real) => real.pages.dropCache())),
];

describe("KvPages against a model", () => {
  const run = (hasher?: (parent: BlockHash, tokens: ArrayLike<number>, start: number, end: number) => BlockHash) =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.commands(commands, { maxCommands: 40 }), (pages, actions) => {
        const real = { pages: new KvPages({ pages, pageTokens: PAGE, hasher }), contents: [] };
        fc.modelRun(() => ({ model: { open: [] }, real }), actions);
      }),
      { seed: 20261120, numRuns: 300 },
    );

  it("keeps its invariants, and pages hold what sequences put there", () => run());

  it("does so with a hash of two bits, which collides all the time", () =>
    run((parent, tokens, start, end) => {
      let sum = Number.parseInt(parent.at(-1)!, 16);
      for (let i = start; i < end; i++) sum += tokens[i]! + 1;
      return (sum % 4).toString(16).padStart(32, "0") as BlockHash;
    }));
});
