import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomAdapter } from "../../../test/support/adapters.ts";
import { createRandom } from "../../core/index.ts";
import type { DecoderConfig } from "../config.ts";
import { StepExecutor } from "../executor.ts";
import { KvPages, type SequencePages } from "../kv-pages.ts";
import { mergedWeights, type LoraLimits } from "../lora/index.ts";
import type { KvFormat, StepRow, TokenScores, WeightsFormat, WeightSource } from "../types.ts";
import { randomWeights } from "../weights.ts";
import {
  decideMask,
  keptLayers,
  layerUnits,
  maskOf,
  pagesFor,
  readRoutes,
  writeRoutes,
  type LayerMask,
  type Router,
  type RouteSet,
} from "./index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 300,
  hidden: 64,
  layers: 6,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};
const PAGES = { pages: 96, pageTokens: 8 };
const BASE = randomWeights(CONFIG, 7);

function routersOf(seed: number): (Router | null)[] {
  const random = createRandom(seed, "routers");
  return Array.from({ length: CONFIG.layers }, (_, layer) => {
    if (layer < 2 || layer === CONFIG.layers - 1) return null;
    const weight = Float32Array.from({ length: CONFIG.hidden }, () => random.normal() * 0.3);
    return { weight, bias: Math.fround(random.normal() * 0.2) };
  });
}
const ROUTES: RouteSet = { routers: routersOf(1), adapter: null, identity: "test" };

function executorOf(
  format: WeightsFormat,
  routes: RouteSet | null,
  more: {
    readonly kv?: KvFormat;
    readonly weights?: WeightSource;
    readonly routeWeights?: "merged" | "inputs";
    readonly lora?: LoraLimits;
  } = {},
): Promise<StepExecutor> {
  const { kv = "f32", weights = BASE, ...others } = more;
  return StepExecutor.create({
    config: CONFIG,
    weights,
    weightsFormat: format,
    threads: 1,
    kv: { format: kv, ...PAGES },
    topK: 300,
    attention: { ortRowThreshold: Infinity },
    ...(routes === null ? {} : { routes }),
    ...others,
  });
}

const rowOf = (scores: TokenScores): Float32Array =>
  scores.kind === "row" ? scores.logits.slice() : Float32Array.of();

/** A sequence that computes its prompt whole and its answer by a mask, as an engine does. */
class Walker {
  readonly pages: SequencePages;
  readonly #executor: StepExecutor;
  readonly #mask: LayerMask;
  #done = 0;

  constructor(executor: StepExecutor, owner: KvPages, mask: LayerMask) {
    this.#executor = executor;
    this.#mask = mask;
    this.pages = owner.open();
  }

  row(tokens: readonly number[], whole = false): StepRow {
    expect(this.pages.reserve(this.#done + tokens.length)).toBe(true);
    const startPosition = this.#done;
    this.#done += tokens.length;
    return {
      tokens,
      startPosition,
      pages: this.pages.pages,
      wantLogits: "all",
      scores: { row: true },
      ...(whole ? {} : { route: { mask: this.#mask, packed: this.pages.packed } }),
    };
  }

  pack(): boolean {
    const kept = keptLayers(this.#mask);
    return this.pages.pack(kept, CONFIG.layers, this.#done, (from, to) =>
      this.#executor.packPages(from, to, this.#mask),
    );
  }
}

const PROMPT = [5, 17, 260, 33, 8, 91, 12, 44, 3, 70, 9, 150];
const ANSWER = [61, 7, 230, 18, 99, 4, 15, 27, 33];
const MASK = maskOf(CONFIG.layers, [0, 1, 3, 5]);

/** Scores of the answer, in chunks of these sizes. */
async function answerOf(
  executor: StepExecutor,
  mask: LayerMask,
  chunks: readonly number[],
  packs: boolean,
): Promise<Float32Array[]> {
  const walker = new Walker(executor, new KvPages(PAGES), mask);
  await executor.step([walker.row(PROMPT, true)]);
  if (packs) expect(walker.pack()).toBe(true);
  const scores: Float32Array[] = [];
  let at = 0;
  for (const size of chunks) {
    const { scores: groups } = await executor.step([walker.row(ANSWER.slice(at, at + size))]);
    scores.push(...groups[0]!.map(rowOf));
    at += size;
  }
  return scores;
}

describe("steps that leave layers out", () => {
  /** How routes may come by their weights. */
  const KINDS = [
    { name: "as they are", routes: ROUTES, more: {} },
    { name: "merged", routes: { ...ROUTES, adapter: randomAdapter(CONFIG, 4, 4) }, more: {} },
    { name: "inputs", routes: { ...ROUTES, adapter: randomAdapter(CONFIG, 4, 3) }, more: { routeWeights: "inputs" } },
    { name: "beside adapters", routes: ROUTES, more: { lora: { maxLoras: 2, maxRank: 4 } } },
  ] as const;

  it.each(["f32", "int4"] as const)("%s: cached, chunked, packed or not: the same bits", async (format) => {
    await using executor = await executorOf(format, ROUTES);
    const oneByOne = ANSWER.map(() => 1);
    const expected = await answerOf(executor, MASK, [ANSWER.length], false);
    expect(await answerOf(executor, MASK, oneByOne, false)).toEqual(expected);
    expect(await answerOf(executor, MASK, oneByOne, true)).toEqual(expected);
    expect(await answerOf(executor, MASK, [3, 1, 5], true)).toEqual(expected);
    const other = await answerOf(executor, maskOf(CONFIG.layers, [0, 1, 2, 5]), oneByOne, true);
    expect(other[0]).not.toEqual(expected[0]);
  });

  it.each(KINDS.flatMap((kind) => (["f32", "int8", "int4"] as const).map((format) => ({ ...kind, format }))))(
    "$format, weights $name: beside routes the model is what it was",
    async ({ routes, more, format }) => {
      await using plain = await executorOf(format, null);
      await using routed = await executorOf(format, routes, more);
      const [expected, found] = [plain, routed].map(async (executor) => {
        const walker = new Walker(executor, new KvPages(PAGES), MASK);
        await executor.step([walker.row(PROMPT, true)]);
        const scores: Float32Array[] = [];
        for (const token of ANSWER.slice(0, 3)) {
          scores.push(rowOf((await executor.step([walker.row([token], true)])).scores[0]![0]!));
        }
        return scores;
      });
      expect(await found).toEqual(await expected);
    },
  );

  it("with every layer kept it is the model itself", async () => {
    await using plain = await executorOf("f32", null);
    await using routed = await executorOf("f32", ROUTES);
    const every = new Uint8Array(CONFIG.layers).fill(1);
    const expected = await answerOf(routed, every, [ANSWER.length], false);
    for (const executor of [plain, routed]) {
      const sequence = new KvPages(PAGES).open();
      sequence.reserve(PROMPT.length + ANSWER.length);
      const all = [...PROMPT, ...ANSWER];
      const row = {
        tokens: all,
        startPosition: 0,
        pages: sequence.pages,
        wantLogits: "all",
        scores: { row: true },
      } as const;
      const { scores } = await executor.step([row]);
      expect(scores[0]!.slice(PROMPT.length).map(rowOf)).toEqual(expected);
    }
  });

  it.each(KINDS)(
    "weights $name: sequences of different masks in one step, and one of none, give what each gives alone",
    async ({ routes, more }) => {
      await using executor = await executorOf("f32", routes, { kv: "int8", ...more });
      const random = createRandom(3, "masks");
      for (let round = 0; round < 4; round++) {
        const owner = new KvPages(PAGES);
        const masks = Array.from({ length: 5 }, () =>
          Uint8Array.from({ length: CONFIG.layers }, (_, i) => (i < 2 || i === 5 || random.chance(0.5) ? 1 : 0)),
        );
        const alone: Float32Array[][] = [];
        for (const mask of masks)
          alone.push(
            await answerOf(
              executor,
              mask,
              ANSWER.map(() => 1),
              false,
            ),
          );
        const walkers = masks.map((mask) => new Walker(executor, owner, mask));
        await executor.step(walkers.map((walker) => walker.row(PROMPT, true)));
        walkers.forEach((walker, i) => keptLayers(masks[i]!) < CONFIG.layers && i % 2 === 0 && walker.pack());
        const beside = new Walker(executor, owner, masks[0]!);
        const together: Float32Array[][] = masks.map(() => []);
        for (const token of ANSWER) {
          const { scores } = await executor.step([
            beside.row([token], true),
            ...walkers.map((walker) => walker.row([token])),
          ]);
          scores.slice(1).forEach(([first], i) => together[i]!.push(rowOf(first!)));
        }
        expect(together).toEqual(alone);
        owner.checkIntegrity();
      }
    },
    60_000,
  );

  it("computes what the merged weights do where the routes have an adapter", async () => {
    const adapter = randomAdapter(CONFIG, 4, 4);
    await using routed = await executorOf("f32", { ...ROUTES, adapter });
    await using merged = await executorOf("f32", ROUTES, { weights: mergedWeights(BASE, adapter, "x") });
    const owner = new KvPages(PAGES);
    const [a, b] = [new Walker(routed, owner, MASK), new Walker(merged, owner, MASK)];
    // Without a prompt of full depth both are the merged model.
    const first = await routed.step([a.row(ANSWER)]);
    const second = await merged.step([b.row(ANSWER)]);
    expect(first.scores[0]!.map(rowOf)).toEqual(second.scores[0]!.map(rowOf));
  });

  it("computes nearly that where low-rank weights are inputs, also beside adapters", async () => {
    const adapter = randomAdapter(CONFIG, 4, 4);
    await using merged = await executorOf("f32", { ...ROUTES, adapter });
    const scoresOf = async (executor: StepExecutor): Promise<Float32Array[]> =>
      answerOf(
        executor,
        MASK,
        ANSWER.map(() => 1),
        true,
      );
    const expected = await scoresOf(merged);
    for (const more of [{ routeWeights: "inputs" }, { lora: { maxLoras: 1, maxRank: 2 } }] as const) {
      await using inputs = await executorOf("f32", { ...ROUTES, adapter }, more);
      const found = await scoresOf(inputs);
      const gaps = found.map((row, i) => Math.max(...row.map((x, at) => Math.abs(x - expected[i]![at]!))));
      expect(Math.max(...gaps)).toBeLessThan(1e-4);
    }
  });

  it("every weight is read for one session, or for two where low-rank weights are merged into it", async () => {
    const counting = (): { readonly weights: WeightSource; readonly counts: Map<string, number> } => {
      const counts = new Map<string, number>();
      const get: WeightSource["get"] = (name, dims) => {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        return BASE.get(name, dims);
      };
      return { weights: { ...BASE, get }, counts };
    };
    const all = randomAdapter(CONFIG, 4, 4);
    const some = randomAdapter(CONFIG, 4, 4, ["v_proj"]);
    const readsOf = async (routes: RouteSet | null, more: Parameters<typeof executorOf>[2] = {}) => {
      const { weights, counts } = counting();
      await using _ = await executorOf("f32", routes, { ...more, weights });
      return counts;
    };
    const once = await readsOf(null);
    expect(await readsOf(ROUTES)).toEqual(once);
    expect(await readsOf({ ...ROUTES, adapter: all }, { routeWeights: "inputs" })).toEqual(once);
    expect(await readsOf({ ...ROUTES, adapter: all }, { lora: { maxLoras: 1, maxRank: 4 } })).toEqual(once);
    for (const adapter of [all, some]) {
      const twice = await readsOf({ ...ROUTES, adapter });
      for (const [name, count] of once) expect(twice.get(name)).toBeLessThanOrEqual(2 * count);
    }
  });

  it.each(KINDS)("weights $name: gives the whole row of a scored token, of either kind", async ({ routes, more }) => {
    await using executor = await executorOf("f32", routes, more);
    const owner = new KvPages(PAGES);
    const walkers = [MASK, MASK].map((mask) => new Walker(executor, owner, mask));
    const rows = walkers.map((walker, i) => walker.row(PROMPT, i === 0));
    const { scores } = await executor.step(rows);
    for (const i of [0, 1]) expect(rowOf(await executor.wholeRow(i, 4))).toEqual(rowOf(scores[i]![4]!));
  });
});

describe("routers", () => {
  it("say the same of a prompt however it is chunked, and of one whose beginning is cached", async () => {
    await using executor = await executorOf("f32", ROUTES);
    const owner = new KvPages(PAGES);
    const probabilitiesOf = async (chunks: readonly number[]): Promise<Float64Array> => {
      const sequence = owner.open(PROMPT);
      sequence.reserve(PROMPT.length);
      let at = sequence.cachedTokens;
      for (const size of chunks) {
        const tokens = PROMPT.slice(at, at + size);
        await executor.step([{ tokens, startPosition: at, pages: sequence.pages, wantLogits: "none" }]);
        at += size;
        sequence.commit(PROMPT.slice(0, at));
      }
      const found = executor.routeProbabilities(sequence.pages, PROMPT.length);
      sequence.release();
      return found;
    };
    const expected = await probabilitiesOf([12]);
    expect(expected[0]).toBe(1);
    expect(expected.slice(2, 5).every((p) => p > 0 && p < 1)).toBe(true);
    expect(await probabilitiesOf([4])).toEqual(expected); // 8 of 12 are cached
    owner.dropCache();
    expect(await probabilitiesOf([3, 1, 6, 2])).toEqual(expected);
  });

  it("keep what they would rather keep, as many as are asked for", () => {
    const routers = routersOf(1);
    const p = [1, 1, 0.2, 0.7, 0.5, 1];
    expect([...decideMask(p, routers, "auto")]).toEqual([1, 1, 0, 1, 1, 1]);
    expect([...decideMask(p, routers, "full")]).toEqual([1, 1, 1, 1, 1, 1]);
    expect([...decideMask(p, routers, 4 / 6)]).toEqual([1, 1, 0, 1, 0, 1]);
    expect(keptLayers(decideMask(p, routers, 0.01))).toBe(3); // the protected ones
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 }),
        fc.integer({ min: 1, max: 60 }),
        (q, tenth) => {
          const mask = decideMask(q, routers, tenth / 60);
          expect(keptLayers(mask)).toBe(Math.max(3, Math.ceil((tenth / 60) * 6 - 1e-9)));
          for (const kept of [2, 3, 4])
            for (const left of [2, 3, 4])
              if (mask[kept]! > mask[left]!) expect(q[kept]).toBeGreaterThanOrEqual(q[left]!);
        },
      ),
      { seed: 25, numRuns: 200 },
    );
  });

  it("are written and read back; what does not fit the model is refused by name", async () => {
    const dir = await mkdtemp(join(tmpdir(), "routes-"));
    try {
      const routers = routersOf(2);
      await writeRoutes(dir, { routers, protected: { first: 2, last: 1 }, identity: "abc" });
      expect(await readRoutes(dir, CONFIG)).toEqual({ routers, adapter: null, identity: "abc" });
      await expect(readRoutes(dir, { ...CONFIG, layers: 7 })).rejects.toMatchObject({
        code: "invalid_file",
        param: "layers",
      });
      await expect(readRoutes(dir, { ...CONFIG, hidden: 32 })).rejects.toMatchObject({
        code: "invalid_file",
        param: "routers.2.weight",
      });
      await expect(readRoutes(join(dir, "none"), CONFIG)).rejects.toMatchObject({ code: "model_not_found" });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe("pages", () => {
  it("hold as many blocks as fit, each unit once", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.boolean(), { minLength: 2, maxLength: 16 }),
        (blocks, bits) => {
          const mask = Uint8Array.from(bits, (bit, i) => (bit || i === 0 ? 1 : 0));
          for (const packed of [false, true]) {
            const place = { mask, packed };
            const pages = Int32Array.from({ length: pagesFor(blocks, place) }, (_, i) => i * 3 + 1);
            const units = [...mask].flatMap((bit, layer) =>
              bit === 1 ? [...layerUnits(pages, blocks, place, layer)] : [],
            );
            expect(new Set(units).size).toBe(blocks * keptLayers(mask));
            expect(units.every((unit) => pages.includes(Math.floor(unit / mask.length)))).toBe(true);
          }
        },
      ),
      { seed: 25, numRuns: 60 },
    );
  });

  it("a sequence that keeps four of six layers takes two thirds of the pages, and gives the rest back", () => {
    const owner = new KvPages({ pages: 40, pageTokens: 4 });
    const tokens = Array.from({ length: 60 }, (_, i) => i);
    const sequence = owner.open(tokens);
    sequence.reserve(60);
    sequence.commit(tokens);
    const other = owner.open([...tokens, 99]);
    expect(other.cachedTokens).toBe(60);
    const before = sequence.pages.slice();
    expect(
      sequence.pack(4, 6, 60, (from, to) => {
        expect(from).toEqual(before);
        expect(to.length).toBe(10);
      }),
    ).toBe(true);
    expect(sequence.pages.length).toBe(10);
    expect(sequence.capacityTokens).toBe(60);
    expect(owner.usedPages).toBe(25); // the other still holds the whole ones
    sequence.reserve(61);
    expect(sequence.pages.length).toBe(11);
    sequence.truncate(60);
    expect(sequence.pages.length).toBe(10);
    sequence.commit(tokens); // of no effect
    owner.checkIntegrity();
    other.release();
    sequence.release();
    owner.checkIntegrity();
    expect(owner.usedPages).toBe(0);
  });

  it("without room for the copy nothing is done", () => {
    const owner = new KvPages({ pages: 8, pageTokens: 4 });
    const sequence = owner.open();
    sequence.reserve(24);
    expect(sequence.pack(3, 6, 24, () => expect.unreachable())).toBe(false);
    expect(sequence.packed).toBe(false);
    owner.checkIntegrity();
  });
});
