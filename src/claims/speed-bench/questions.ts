/**
 * What claim `11` asks: held-out questions of the world that the built-in model knows, by skill; the eleven categories of
 * SPEED-Bench from our own generator, which it does not know; and Spec-Bench's questions where somebody has put them beside
 * this package (data/spec_bench/question.jsonl). All single turns, as token ids, so that every arm gets the same sequence.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "../../core/index.ts";
import { generateQuestions, readQuestions, type Question, type TokenSource } from "../../bench/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { generateItem, SKILLS } from "../../world/index.ts";

/** A question as tokens. */
export interface AskedIds {
  readonly id: string;
  readonly category: string;
  readonly promptIds: readonly number[];
  /** What it predicts of its answer. */
  readonly prediction?: readonly number[];
}

/** Held-out questions of the world, so many of each skill; the skill is the category. */
export function worldQuestions(perSkill: number, seed: number): readonly Question[] {
  return SKILLS.flatMap((category) => {
    const random = createRandom(seed, `speed-bench/${category}`);
    return Array.from({ length: perSkill }, (_, i): Question => {
      const item = generateItem(category, "test", random);
      const turns = item.turns
        .filter(({ role }) => role === "user")
        .map(({ text, context }) => (context === undefined ? text : `${text}\n\n${context}`));
      return {
        id: `${category}-${i}`,
        category,
        subCategory: item.kind,
        turns: turns.slice(0, 1),
        source: "world",
        difficulty: null,
      };
    });
  });
}

/** Questions of SPEED-Bench's categories, from our generator. */
export function speedQuestions(perCategory: number, seed: number): readonly Question[] {
  return generateQuestions(perCategory, createRandom(seed, "speed-bench/generated")).map((question) => ({
    ...question,
    turns: question.turns.slice(0, 1),
  }));
}

/** Spec-Bench's questions where they are at hand, else none. */
export function specBenchQuestions(): readonly Question[] {
  const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
  const above = dirname(root);
  const beside = readdirSync(above, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(above, name, "data"));
  const folders = [join(root, "data"), join(above, "data"), ...beside];
  const path = folders.map((folder) => join(folder, "spec_bench", "question.jsonl")).find((file) => existsSync(file));
  if (path === undefined) return [];
  return readQuestions([readFileSync(path, "utf8")], path).map((question) => ({
    ...question,
    category: `Spec-Bench ${question.category}`,
    turns: question.turns.slice(0, 1),
  }));
}

/** The model's own tokens, without a server in between. */
export function tokensOf(engine: Engine): TokenSource {
  const textIds = (text: string): Promise<readonly number[]> => Promise.resolve(engine.tokenizer.encode(text));
  return {
    kind: "server",
    count: async (text) => (await textIds(text)).length,
    promptIds: ({ turns }) => Promise.resolve(engine.dialect.prompt([{ role: "user", content: turns[0]! }])),
    textIds,
  };
}

/** As token ids; questions that leave no room for an answer of so many tokens are left out. */
export async function asIds(questions: readonly Question[], engine: Engine, answerTokens: number): Promise<AskedIds[]> {
  const tokens = tokensOf(engine);
  const room = engine.info.contextTokens - answerTokens;
  const asked: AskedIds[] = [];
  for (const question of questions) {
    const promptIds = (await tokens.promptIds(question))!;
    if (promptIds.length < room) asked.push({ id: question.id, category: question.category, promptIds });
  }
  return asked;
}
