/** Drafts of heads against a twin in plain numbers: places, chains beyond a run, fewer tokens, draws; and their files. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomHeads } from "../../../test/support/heads.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import type { DraftRequest } from "../drafts/index.ts";
import { EMBEDDING_NAME } from "../config.ts";
import { randomWeights } from "../weights.ts";
import { HEADS } from "./config.ts";
import { HeadsDrafter, type HeadsDrafterOptions } from "./drafter.ts";
import { hasHeads, HEADS_FILE, HEADS_WEIGHTS_FILE, weightsFingerprint, readHeads, writeHeads } from "./file.ts";

const decoderWeights = randomWeights(TINY, 3);
const heads = randomHeads(TINY, 5);
const { hidden, vocabSize } = TINY;
const { width, normEps } = heads.config;

const create = (over: Partial<HeadsDrafterOptions> = {}): Promise<HeadsDrafter> =>
  HeadsDrafter.create({
    heads: heads.config,
    decoder: TINY,
    weights: heads.weights,
    decoderWeights,
    vocabulary: null,
    format: "f32",
    threads: 1,
    endTokens: [],
    drawn: false,
    clock: { nowMs: () => 0 },
    ...over,
  });

/** Row sums of products: weight [out, in] times x. */
function times(weight: Float32Array, x: readonly number[]): number[] {
  return Array.from({ length: weight.length / x.length }, (_, row) =>
    x.reduce((sum, value, column) => sum + value * weight[row * x.length + column]!, 0),
  );
}

function normed(x: readonly number[], name: string): number[] {
  const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + normEps);
  const weight = heads.weights.get(name, [hidden]);
  return x.map((value, i) => value * scale * weight[i]!);
}

/** Logits of the place behind a token, and the state there. */
function twin(state: readonly number[], token: number): { logits: number[]; state: number[] } {
  const table = decoderWeights.get(EMBEDDING_NAME, [vocabSize, hidden]);
  const embedded = [...table.subarray(token * hidden, (token + 1) * hidden)];
  const both = [...normed(state, HEADS.stateNorm), ...normed(embedded, HEADS.tokenNorm)];
  const get = (name: string, ...dims: number[]): Float32Array => heads.weights.get(name, dims);
  const gate = times(get(HEADS.gate, width, 2 * hidden), both).map((value) => value / (1 + Math.exp(-value)));
  const up = times(get(HEADS.up, width, 2 * hidden), both);
  const fed = times(
    get(HEADS.down, hidden, width),
    gate.map((value, i) => value * up[i]!),
  );
  const next = times(get(HEADS.mix, hidden, 2 * hidden), both).map((value, i) => value + fed[i]!);
  return { logits: times(table, normed(next, HEADS.outNorm)), state: next };
}

/** The likeliest tokens of a draft, of those allowed, and how likely they are. */
function twinDraft(state: Float32Array, last: number, places: number, allowed: readonly number[]): [number, number][] {
  let at: number[] = [...state];
  let token = last;
  return Array.from({ length: places }, () => {
    const said = twin(at, token);
    at = said.state;
    token = allowed.reduce((best, id) => (said.logits[id]! > said.logits[best]! ? id : best), allowed[0]!);
    const total = allowed.reduce((sum, id) => sum + Math.exp(said.logits[id]! - said.logits[token]!), 0);
    return [token, 1 / total];
  });
}

const everyToken = Array.from({ length: vocabSize }, (_, id) => id);

function seen(drafter: HeadsDrafter, id: number): { state: Float32Array; tokens: Int32Array } {
  const random = createRandom(id, "state");
  const state = Float32Array.from({ length: hidden }, () => random.normal());
  const tokens = Int32Array.from({ length: 3 + id }, () => random.int(0, vocabSize - 1));
  drafter.see(id, tokens.length, state);
  return { state, tokens };
}

const requestOf = (id: number, tokens: Int32Array, most: number): DraftRequest => ({
  subject: { id, tokens, promptTokens: 1 },
  most,
});

describe("drafts of heads", () => {
  let plain: HeadsDrafter;
  beforeAll(async () => {
    plain = await create();
  });
  afterAll(() => plain.dispose());

  test("are the likeliest tokens of the twin, place by place, beyond one run too, whatever the batch", async () => {
    const requests: DraftRequest[] = [];
    const wanted: [number, number][][] = [];
    for (const [id, most] of [1, 3, 4, 5, 9].entries()) {
      const { state, tokens } = seen(plain, id);
      requests.push(requestOf(id, tokens, most));
      wanted.push(twinDraft(state, tokens.at(-1)!, most, everyToken));
    }
    const drafts = await plain.draft(requests);
    for (const [i, { source, tokens, confidences, proposals }] of drafts.entries()) {
      expect(source).toBe("heads");
      expect(proposals).toBeNull();
      expect(tokens).toEqual(wanted[i]!.map(([token]) => token));
      for (const [place, confidence] of confidences!.entries())
        expect(confidence).toBeCloseTo(wanted[i]![place]![1], 4);
    }
    const [alone] = await plain.draft([requests[3]!]);
    expect(alone!.tokens).toEqual(drafts[3]!.tokens);
  });

  test("come only where the state is that of the last token, and end with an answer", async () => {
    const { state, tokens } = seen(plain, 20);
    const subject = { id: 20, tokens, promptTokens: 1 };
    expect(plain.available(subject, 5)).toBe(5);
    expect(plain.available({ ...subject, tokens: Int32Array.of(...tokens, 4) }, 5)).toBe(0);
    expect(plain.available({ ...subject, id: 21 }, 5)).toBe(0);
    plain.release(20);
    expect(plain.available(subject, 5)).toBe(0);
    const wanted = twinDraft(state, tokens.at(-1)!, 6, everyToken).map(([token]) => token);
    const end = wanted[2]!;
    await using ending = await create({ endTokens: [end] });
    ending.see(20, tokens.length, state);
    const [draft] = await ending.draft([requestOf(20, tokens, 6)]);
    expect(draft!.tokens).toEqual(wanted.slice(0, wanted.indexOf(end) + 1));
  });

  test("of a smaller vocabulary are the likeliest of that, by their own names", async () => {
    const allowed = [310, 7, 41, 299, 12, 100, 256, 77];
    await using few = await create({
      heads: { ...heads.config, draftedTokens: allowed.length },
      vocabulary: Int32Array.from(allowed),
    });
    const { state, tokens } = seen(few, 2);
    const [draft] = await few.draft([requestOf(2, tokens, 5)]);
    expect(draft!.tokens).toEqual(twinDraft(state, tokens.at(-1)!, 5, allowed).map(([token]) => token));
  });

  test("with packed weights are nearly the same", async () => {
    for (const [format, least] of [
      ["int8", 0.8],
      ["int4", 0.2],
    ] as const) {
      await using packed = await create({ format });
      let same = 0;
      for (let id = 0; id < 40; id++) {
        const { state, tokens } = seen(packed, id);
        const [draft] = await packed.draft([requestOf(id, tokens, 1)]);
        if (draft!.tokens[0] === twinDraft(state, tokens.at(-1)!, 1, everyToken)[0]![0]) same += 1;
      }
      expect(same / 40).toBeGreaterThanOrEqual(least);
    }
  });

  test("are drawn as they say: counts of first tokens against their proposal, and greedy rows beside them stay greedy", async () => {
    const allowed = [310, 7, 41, 299, 12];
    await using drawing = await create({
      heads: { ...heads.config, draftedTokens: allowed.length },
      vocabulary: Int32Array.from(allowed),
      drawn: true,
    });
    const { state, tokens } = seen(drawing, 3);
    drawing.see(4, tokens.length, state);
    const temperature = 1.5;
    const random = createRandom(1, "draws");
    const counts = new Map<number, number>();
    let shares = new Map<number, number>();
    const draws = 600;
    for (let i = 0; i < draws; i++) {
      const drawn = { ...requestOf(3, tokens, 2), draw: { temperature, random: () => random } };
      const [draft, greedy] = await drawing.draft([drawn, requestOf(4, tokens, 2)]);
      const [first] = draft!.proposals!;
      shares = new Map(Array.from(first!.ids, (id, at) => [id, first!.probabilities[at]!]));
      counts.set(draft!.tokens[0]!, (counts.get(draft!.tokens[0]!) ?? 0) + 1);
      expect(greedy!.proposals).toBeNull();
      expect(greedy!.tokens).toEqual(twinDraft(state, tokens.at(-1)!, 2, allowed).map(([token]) => token));
    }
    const { logits } = twin([...state], tokens.at(-1)!);
    const total = allowed.reduce((sum, id) => sum + Math.exp(logits[id]! / temperature), 0);
    let chiSquare = 0;
    for (const id of allowed) {
      expect(shares.get(id)).toBeCloseTo(Math.exp(logits[id]! / temperature) / total, 4);
      chiSquare += ((counts.get(id) ?? 0) - shares.get(id)! * draws) ** 2 / (shares.get(id)! * draws);
    }
    expect(chiSquare).toBeLessThan(28); // 4 degrees of freedom, passed once in a hundred thousand
  });
});

describe("files of heads", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "heads-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  test("hold what was written, rounded to half precision", async () => {
    expect(await hasHeads(dir)).toBe(false);
    await expect(readHeads(dir)).rejects.toThrow("punctual fit heads");
    await writeHeads(dir, heads, { heldOutAcceptance: [0.7, 0.6], training: { seed: 1 } });
    expect(await hasHeads(dir)).toBe(true);
    const read = await readHeads(dir);
    expect(read.config).toEqual(heads.config);
    expect(read.model).toBe(heads.model);
    expect([...read.vocabulary]).toEqual(everyToken);
    const [stored, own] = [read, heads].map(({ weights }) => weights.get(HEADS.down, [hidden, width]));
    for (const [i, value] of stored!.entries()) expect(Math.abs(value - own![i]!)).toBeLessThan(1e-3);
  });

  test("say what is wrong with them", async () => {
    const json = JSON.parse(await readFile(join(dir, HEADS_FILE), "utf8")) as Record<string, unknown>;
    const rewrite = (fields: object): Promise<void> =>
      writeFile(join(dir, HEADS_FILE), JSON.stringify({ ...json, ...fields }));
    for (const [fields, message] of [
      [{ format: "other" }, "format"],
      [{ hidden_size: -1 }, "hidden"],
      [{ hidden_size: 64 }, "expected"],
      [{ drafted_tokens: 321 }, "cannot be drafted"],
      [{ drafted_tokens: 5 }, "5 int32 tokens"],
      [{ model: 7 }, "model"],
    ] as const) {
      await rewrite(fields);
      await expect(readHeads(dir)).rejects.toThrow(message);
    }
    await rewrite({});
    await readHeads(dir);
    await writeFile(join(dir, HEADS_WEIGHTS_FILE), "no tensors");
    await expect(readHeads(dir)).rejects.toMatchObject({ code: "invalid_file" });
    await rm(join(dir, HEADS_WEIGHTS_FILE));
    await expect(readHeads(dir)).rejects.toMatchObject({ code: "model_not_found" });
  });

  test("know their model by its norms", () => {
    expect(weightsFingerprint(TINY, randomWeights(TINY, 1))).toBe(weightsFingerprint(TINY, randomWeights(TINY, 2))); // all ones
    const other = { ...TINY, layers: 3 };
    expect(weightsFingerprint(other, randomWeights(other, 1))).not.toBe(heads.model);
  });
});
