/** Draft heads fitted to small models: what is learnt, that runs go on where they were, what files of texts may say. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../core/index.ts";
import { HEADS_FILE, HEADS_WEIGHTS_FILE, weightsFingerprint, readHeads } from "../llm/index.ts";
import { collect, Engine } from "../runtime/index.ts";
import { ownAnswers } from "./answers.ts";
import { readExample, textExamples, type ExampleSource, type PromptedText } from "./examples.ts";
import { fitHeads, HEADS_CHECKPOINT_FILE, HEADS_LOG_FILE } from "./heads/fit-heads.ts";
import { AcceptanceCount, draftPlaces } from "./heads/places.ts";
import { headsPlan } from "./heads/plan.ts";
import { openModel, type OpenedModel } from "./model.ts";
import { StateReader } from "./states.ts";

const config = { ...TINY, maxPositions: 512 };
const root = mkdtempSync(join(tmpdir(), "punctual-fit-"));
const dir = join(root, "model");
let model: OpenedModel;
/** Texts that the model has said itself, so that there is something to guess. */
let texts: readonly PromptedText[];

beforeAll(async () => {
  writeRandomModel(dir, config, 3);
  model = await openModel(dir);
  const random = createRandom(1, "prompts");
  const prompts = Array.from({ length: 40 }, () => ({
    prompt: Array.from({ length: 6 }, () => random.int(30, 300)),
    answer: null,
  }));
  texts = (await ownAnswers(prompts, answering(join(root, "answers.jsonl"))))!;
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const answering = (path: string): Parameters<typeof ownAnswers>[1] => ({
  engine: { model: { dir }, weights: "f32", threads: 1, budgetTokens: 64, exact: true },
  fingerprint: weightsFingerprint(model.config, model.weights),
  maxTokens: 24,
  path,
});

const plan = headsPlan({ steps: 40, drafts: 64, places: 3, width: 48, weights: "f32" });
const clock = new FakeClock();

function fit(outDir: string, source: ExampleSource, over: object = {}): ReturnType<typeof fitHeads> {
  const { config: shape, weights, endTokens } = model;
  return fitHeads({ name: "tiny", config: shape, weights, endTokens }, source, plan, {
    outDir,
    clock,
    threads: 1,
    ...over,
  });
}

describe("fitted heads", () => {
  test("learn what the model will say; a run that is broken off ends with the weights of one that is not", async () => {
    const source = textExamples(texts, "test", 128);
    const whole = join(root, "whole");
    const { finished, acceptance } = await fit(whole, source);
    expect(finished).toBe(true);
    expect(acceptance!.drafts).toBeGreaterThan(20);
    const log = readFileSync(join(whole, HEADS_LOG_FILE), "utf8").trim().split("\n");
    const losses = log.slice(1, -1).map((line) => (JSON.parse(line) as { loss: number }).loss);
    expect(losses).toHaveLength(plan.steps);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.4);
    expect(readFileSync(join(whole, "heads.md"), "utf8")).toContain("| 3 |");
    expect(existsSync(join(whole, HEADS_CHECKPOINT_FILE))).toBe(false);
    const parts = join(root, "parts");
    expect(await fit(parts, source, { maxSteps: 13 })).toMatchObject({ finished: false, stepsTaken: 13 });
    expect(await fit(parts, source)).toMatchObject({ finished: true, acceptance });
    for (const name of [HEADS_WEIGHTS_FILE, HEADS_LOG_FILE, HEADS_FILE]) {
      expect(readFileSync(join(parts, name)).equals(readFileSync(join(whole, name)))).toBe(true);
    }
    await expect(fit(parts, textExamples(texts, "other", 128), { maxSteps: 2 })).resolves.toMatchObject({
      stepsTaken: 2,
    });
    await expect(fit(parts, source, { maxSteps: 3 })).rejects.toThrow("another run");
  });

  test("are drafted from by an engine: the same answers, in fewer steps", async () => {
    const heads = join(root, "whole");
    const common = { model: { dir }, weights: "f32", threads: 1, budgetTokens: 64, exact: true } as const;
    const speculation = { method: "heads", heads: { dir: heads }, tokens: 3, adaptive: false } as const;
    await using engine = await Engine.start({ ...common, speculation, checkEachStep: true });
    let accepted = 0;
    for (const { prompt, answer } of texts.slice(0, 12)) {
      const said = await collect(engine.submit({ promptTokens: prompt, maxTokens: 24, sampling: { temperature: 0 } }));
      expect(said.tokens).toEqual(answer);
      accepted += said.finish.usage.drafts?.acceptedTokens ?? 0;
    }
    expect(accepted).toBeGreaterThan(10);
    expect(engine.stats().speculation?.map(({ source }) => source)).toEqual(["heads"]);
    // Beside the model there are none, and those of other weights are refused.
    await expect(Engine.start({ ...common, speculation: { method: "heads" } })).rejects.toThrow("punctual fit heads");
    const other = join(root, "other");
    writeRandomModel(other, { ...config, layers: 3 }, 4);
    await expect(Engine.start({ ...common, model: { dir: other }, speculation })).rejects.toThrow("other weights");
    await using auto = await Engine.start({ ...common, model: { dir: other }, speculation: { method: "auto" } });
    expect(auto.info.name).toBe("model");
  });

  test("of fewer tokens draft only those", async () => {
    const few = join(root, "few");
    const source = textExamples(texts, "test", 128);
    const { config: shape, weights, endTokens } = model;
    const small = { ...plan, steps: 4, vocabularyTokens: 20 };
    await fitHeads({ name: "tiny", config: shape, weights, endTokens }, source, small, {
      outDir: few,
      clock,
      threads: 1,
    });
    const heads = await readHeads(few);
    expect(heads.config.draftedTokens).toBe(20);
    const counts = new Map<number, number>();
    for (const { answer } of texts) for (const id of answer!) counts.set(id, (counts.get(id) ?? 0) + 1);
    const least = Math.min(...Array.from(heads.vocabulary.subarray(0, 5), (id) => counts.get(id) ?? 0));
    expect(least).toBeGreaterThan(2);
  });
});

describe("what heads learn from", () => {
  test("states and next tokens are those of a plain reading, whatever else is read beside", async () => {
    const source = textExamples(texts, "test", 128);
    const random = createRandom(4, "draw");
    const examples = Array.from({ length: 21 }, () => source.draw(random));
    await using reader = await StateReader.create({
      config: model.config,
      weights: model.weights,
      format: "f32",
      threads: 1,
    });
    const together = await reader.read(examples);
    for (const [i, example] of examples.entries()) {
      if (i % 5 !== 0) continue;
      const [alone] = await reader.read([example]);
      expect(together[i]!.first).toBe(5);
      expect([...together[i]!.states]).toEqual([...alone!.states]);
      // The model said these texts itself: what it says along them is what stands there.
      expect([...together[i]!.said]).toEqual(example.tokens.slice(6));
    }
  });

  test("a later place counts only behind right ones, and nothing is drafted behind an end or what was not said", () => {
    const hidden = 2;
    const tokens = [9, 8, 10, 11, 12, 13, 1];
    const text = {
      tokens,
      lossMask: [0, 0, 1, 1, 1, 1, 1],
      first: 1,
      states: Float32Array.from({ length: 5 * hidden }, (_, i) => i),
      said: Int32Array.of(10, 11, 99, 13, 1),
    };
    const shape = { count: 6, places: 2, hidden };
    const { used, tokens: fed, targets, states } = draftPlaces([text], shape, new Set([1]), (id) => id);
    expect(used).toBe(4);
    // Behind 10 comes 11, then the model would have said 99; behind 12 comes 13, then the end.
    expect([...fed].map(Number)).toEqual([10, 11, 12, 13, 0, 0, 11, 0, 13, 0, 0, 0]);
    expect([...targets].map(Number)).toEqual([11, 99, 13, 1, -100, -100, 99, -100, 1, -100, -100, -100]);
    expect([...states.subarray(0, 4)]).toEqual([0, 1, 2, 3]);
    const count = new AcceptanceCount(2);
    count.add({ count: 6, states, tokens: fed, targets }, [11, 99, 5, 1, 0, 0, 99, 0, 1, 0, 0, 0]);
    expect(count.result).toEqual({ byPlace: [0.75, 1], acceptanceLength: 2, drafts: 4 });
  });

  test("answers are kept, and gone on with behind a line that was cut", async () => {
    const prompts = texts.map(({ prompt }) => ({ prompt, answer: null }));
    const path = join(root, "answers.jsonl");
    const written = readFileSync(path, "utf8");
    const lines = written.split("\n");
    writeFileSync(path, `${lines.slice(0, 36).join("\n")}\n[1,2`);
    expect(await ownAnswers(prompts, answering(path))).toEqual(texts);
    expect(readFileSync(path, "utf8")).toBe(written);
    const stopped = join(root, "stopped.jsonl");
    expect(await ownAnswers(prompts, { ...answering(stopped), signal: AbortSignal.abort() })).toBeNull();
  });

  test("lines are chats, prompts, questions or texts, and what is none is said", () => {
    const read = (json: unknown): PromptedText => readExample(JSON.stringify(json), "line 1", model);
    const { dialect, tokenizer, endTokens } = model;
    const end = endTokens.slice(0, 1);
    const asked = dialect.prompt([{ role: "user", content: "Hello" }]);
    const chat = [
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Yes" },
    ];
    expect(read({ messages: chat })).toEqual({ prompt: asked, answer: [...tokenizer.encode("Yes"), ...end] });
    expect(read({ messages: chat.slice(0, 1) })).toEqual({ prompt: asked, answer: null });
    expect(read({ prompt: "Hello", completion: "Yes" })).toEqual(read({ messages: chat }));
    expect(read({ question_id: 81, category: "writing", turns: ["Hello", "More"] })).toEqual({
      prompt: asked,
      answer: null,
    });
    expect(read({ text: "Yes" }).answer).toEqual(tokenizer.encode("Yes"));
    for (const [bad, message] of [
      [{ other: 1 }, "expected messages"],
      [{ messages: [] }, "messages must be"],
      [{ messages: [{ role: "robot", content: "" }] }, "role must be"],
      [{ prompt: 7 }, "must be a string"],
      [[], "expected an object"],
    ] as const) {
      expect(() => read(bad)).toThrow(message);
    }
    expect(() => readExample("{", "line 2", model)).toThrow("line 2 is not JSON");
    expect(() => textExamples([{ prompt: [1], answer: null }], "none", 64)).toThrow("at least two");
  });
});
