import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { publicData } from "../../../test/support/public-data.ts";
import { createRandom } from "../../core/index.ts";
import { embedTexts, similarities, type Embeddings } from "./embed.ts";
import { generateQuestions } from "./generate.ts";
import { biasGroups, selectQuestions } from "./groups.ts";
import { byCategory, readQuestions } from "./questions.ts";
import { averageSimilarity, randomSimilarity, selectDiverse } from "./select.ts";

/** Random unit vectors with a few places each, so that some are alike. */
function randomEmbeddings(count: number, seed: number): Embeddings {
  const random = createRandom(seed, "vectors");
  const dimensions = 12;
  const rows = Array.from({ length: count }, () => {
    const places = random.shuffled(Array.from({ length: dimensions }, (_, d) => d)).slice(0, 4);
    const weights = places.map(() => random.uniform() + 0.05);
    const norm = Math.hypot(...weights);
    return { places, weights: weights.map((weight) => weight / norm) };
  });
  return {
    count,
    dimensions,
    offsets: Uint32Array.from({ length: count + 1 }, (_, i) => 4 * i),
    places: Uint32Array.from(rows.flatMap((row) => row.places)),
    weights: Float32Array.from(rows.flatMap((row) => row.weights)),
  };
}

function* subsets(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) yield [];
  else
    for (let i = from; i <= count - size; i++) for (const rest of subsets(count, size - 1, i + 1)) yield [i, ...rest];
}

/** L(S) by its definition. */
function pairSum(embeddings: Embeddings, members: readonly number[]): number {
  let sum = 0;
  for (const i of members) {
    const row = similarities(embeddings, i);
    for (const j of members) if (j !== i) sum += row[j]!;
  }
  return sum;
}

describe("diversity selection", () => {
  test("against brute force on small sets: no swap improves it, nearly always the optimum, both ways", () => {
    let [optimal, cases] = [0, 0];
    for (let seed = 0; seed < 24; seed++) {
      const count = 7 + (seed % 4);
      const size = 2 + (seed % 4);
      const embeddings = randomEmbeddings(count, seed);
      const sums = [...subsets(count, size)].map((members) => pairSum(embeddings, members));
      for (const [sense, sign] of [
        ["diverse", 1],
        ["alike", -1],
      ] as const) {
        const members = selectDiverse(embeddings, { count: size, sense, starts: 3 }, createRandom(seed));
        expect(new Set(members).size).toBe(size);
        const own = pairSum(embeddings, members);
        expect(averageSimilarity(embeddings, members)).toBeCloseTo(own / (size * (size - 1)), 5);
        for (const out of members) {
          for (let candidate = 0; candidate < count; candidate++) {
            if (members.includes(candidate)) continue;
            const swapped = members.map((member) => (member === out ? candidate : member));
            expect(sign * (pairSum(embeddings, swapped) - own)).toBeGreaterThan(-1e-4);
          }
        }
        const best = sign === 1 ? Math.min(...sums) : Math.max(...sums);
        cases += 1;
        if (Math.abs(own - best) < 1e-4) optimal += 1;
      }
    }
    expect(optimal / cases).toBeGreaterThan(0.8);
  });

  test("quotas are kept, whichever way", () => {
    for (let seed = 0; seed < 20; seed++) {
      const embeddings = randomEmbeddings(12, 100 + seed);
      const groups = Array.from({ length: 12 }, (_, i) => i % 3);
      const quotas = new Map([
        [0, 3],
        [1, 0],
        [2, 2],
      ]);
      const members = selectDiverse(embeddings, { count: 5, sense: "alike", groups, quotas }, createRandom(seed));
      expect([0, 1, 2].map((group) => members.filter((member) => groups[member] === group).length)).toEqual([3, 0, 2]);
      const best = [...subsets(12, 5)]
        .filter((subset) => subset.filter((i) => i % 3 === 0).length === 3 && subset.every((i) => i % 3 !== 1))
        .reduce((most, subset) => Math.max(most, pairSum(embeddings, subset)), 0);
      expect(pairSum(embeddings, members)).toBeGreaterThan(0.8 * best);
    }
  });

  test("equal seeds select equally; all candidates are all of them", () => {
    const embeddings = randomEmbeddings(10, 3);
    const select = (count: number) => selectDiverse(embeddings, { count, sense: "diverse" }, createRandom(9));
    expect(select(4)).toEqual(select(4));
    expect(select(10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("embeddings: equal texts are alike, unlike ones are not, empty ones stand alone", () => {
    const embeddings = embedTexts([
      "the cat sat on the mat",
      "the cat sat on the mat",
      "quantum flux of a dense plasma",
      "",
      "12",
    ]);
    const row = similarities(embeddings, 0);
    expect(row[0]).toBeCloseTo(1, 5);
    expect(row[1]).toBeCloseTo(1, 5);
    expect(row[2]).toBeLessThan(0.1);
    for (let i = 0; i < 5; i++) expect(similarities(embeddings, i)[i]).toBeCloseTo(1, 5);
  });
});

describe("on real questions", () => {
  // Where Spec-Bench is not at hand, generated questions take its place: the property is the same.
  const path = publicData("spec_bench/question.jsonl");
  const questions =
    path === null
      ? generateQuestions(60, createRandom(1))
      : readQuestions([readFileSync(path, "utf8")], "question.jsonl");

  test("a quarter of each category has at most 0.75 of the similarity of random choices", () => {
    const some = questions.filter((_, i) => i % 2 === 0);
    const sizes = [...byCategory(some).values()].filter((list) => list.length >= 30).map((list) => list.length);
    const perCategory = Math.floor(Math.min(...sizes) / 4);
    const { reports, questions: chosen } = selectQuestions(some, perCategory, createRandom(1));
    const large = reports.filter(({ candidates }) => candidates >= 30);
    expect(large.length).toBeGreaterThanOrEqual(5);
    for (const { category, ratio } of large)
      expect({ category, isLow: ratio! <= 0.75 }).toEqual({ category, isLow: true });
    for (const list of byCategory(chosen).values()) expect(list.length).toBeLessThanOrEqual(perCategory);
  });

  test("across categories, and backwards", () => {
    const some = questions.filter((_, i) => i % 4 === 0);
    const embeddings = embedTexts(some.map(({ turns }) => turns.join("\n")));
    const random = createRandom(2);
    const byChance = randomSimilarity(embeddings, 24, 16, random);
    const diverse = selectDiverse(embeddings, { count: 24, sense: "diverse", starts: 1 }, random);
    const alike = selectDiverse(embeddings, { count: 24, sense: "alike", starts: 1 }, random);
    expect(averageSimilarity(embeddings, diverse) / byChance).toBeLessThan(0.75);
    expect(averageSimilarity(embeddings, alike) / byChance).toBeGreaterThan(2);
  });

  test("sets that differ in nothing but likeness: equal categories, equal classes of length", () => {
    const { groups, similarity } = biasGroups(
      questions.filter((_, i) => i % 3 === 0),
      4,
      createRandom(3),
    );
    const [diverse, alike] = [...groups.values()] as [readonly { question: (typeof questions)[number] }[], never[]];
    const counts = (list: typeof diverse) =>
      [...byCategory(list.map(({ question }) => question))].map(([category, own]) => [category, own.length]);
    expect(counts(diverse)).toEqual(counts(alike));
    expect(similarity["alike"]! / similarity["diverse"]!).toBeGreaterThan(1.5);
  });
});
