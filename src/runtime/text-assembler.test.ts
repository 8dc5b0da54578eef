import { expect, test } from "vitest";
import type { DecoderConfig, TextTokenizer } from "../llm/index.ts";
import { collect } from "./collect.ts";
import { loadFacts } from "./load-model.ts";
import { createVocabulary, TextAssembler, type Piece, type Vocabulary } from "./text-assembler.ts";
import type { GenerateEvent } from "./types.ts";

const shape = { hidden: 8, layers: 1, heads: 1, kvHeads: 1, headDim: 8, ffn: 8, ropeTheta: 1e4, normEps: 1e-5 };
const random: DecoderConfig = { ...shape, vocabSize: 300, tiedEmbeddings: true, maxPositions: 64 };

async function vocabularyOf(): Promise<Vocabulary & { readonly tokenizer: TextTokenizer }> {
  const { tokenizer, endTokens } = await loadFacts({ random, seed: 0 });
  return { ...createVocabulary(tokenizer, endTokens, random.vocabSize), tokenizer };
}

interface Run {
  readonly prompt?: string;
  readonly stop?: string[];
  readonly thinkingBudget?: number;
}

async function run(text: string, { prompt = "?", stop = [], thinkingBudget }: Run = {}) {
  const vocabulary = await vocabularyOf();
  const encode = (part: string): number[] => vocabulary.tokenizer.encode(part, { special: true });
  const options = { promptTokens: encode(prompt), stop, thinkingBudget: thinkingBudget ?? null };
  const assembler = new TextAssembler(options, vocabulary);
  const pieces: Piece[] = encode(text).map((id) => assembler.push(id));
  return { pieces, end: assembler.end(), assembler };
}

test("marks open and close sections, and carry no text", async () => {
  const { pieces } = await run("<|think|>ab<|/think|><|call|>{}<|/call|>c");
  expect(pieces.map(({ text, section, mark }) => [text, section, mark])).toEqual([
    ["", "thinking", "open"],
    ["a", "thinking", null],
    ["b", "thinking", null],
    ["", "thinking", "close"],
    ["", "call", "open"],
    ["{", "call", null],
    ["}", "call", null],
    ["", "call", "close"],
    ["c", "text", null],
  ]);
});

test("a prompt may end inside a section", async () => {
  const { pieces, assembler } = await run("ab<|/think|>c", { prompt: "?<|think|>" });
  expect(pieces.map((piece) => piece.section)).toEqual(["thinking", "thinking", "thinking", "text"]);
  expect(assembler.thinkingTokens).toBe(2);
});

test("the end of thinking is forced when the budget is used up, and never elsewhere", async () => {
  const vocabulary = await vocabularyOf();
  expect((await run("<|think|>ab", { thinkingBudget: 2 })).assembler.forcedToken()).toBe(vocabulary.thinkEnd);
  expect((await run("<|think|>a", { thinkingBudget: 2 })).assembler.forcedToken()).toBeNull();
  expect((await run("ab", { thinkingBudget: 0 })).assembler.forcedToken()).toBeNull();
});

test("bytes of one character come out together", async () => {
  const { pieces, end } = await run("é€");
  expect(pieces.map((piece) => piece.text)).toEqual(["", "é", "", "", "€"]);
  expect(end.text).toBe("");
});

test("stop strings hold back, match in the visible text only, and end it", async () => {
  const held = await run("abX", { stop: ["XY"] });
  expect(held.pieces.map((piece) => piece.text)).toEqual(["a", "b", ""]);
  expect(held.end.text).toBe("X");
  const met = await run("abXYc", { stop: ["XY"] });
  expect(met.pieces.map((piece) => piece.text)).toEqual(["a", "b", "", "", ""]);
  expect(met.pieces[3]!.stop).toBe("XY");
  const hidden = await run("<|think|>XY<|/think|>a", { stop: ["XY"] });
  expect(hidden.pieces.every((piece) => piece.stop === null)).toBe(true);
});

test("collect tells sections and neighbouring calls apart", async () => {
  const { pieces } = await run("<|think|>t<|/think|><|call|>1<|/call|><|call|>2<|/call|>ok");
  const tokens = pieces.map(({ text, section, mark }, index): GenerateEvent => ({
    kind: "token",
    id: index,
    index,
    text,
    section,
    ...(mark === null ? {} : { mark }),
    atMs: 0,
  }));
  const usage = {} as never;
  const finish: GenerateEvent = {
    kind: "finish",
    reason: "stop",
    cause: "end",
    text: "!",
    section: "text",
    usage,
    atMs: 0,
  };
  async function* stream(): AsyncGenerator<GenerateEvent> {
    yield* [...tokens, finish];
  }
  expect(await collect(stream())).toMatchObject({ text: "ok!", thinking: "t", calls: ["1", "2"] });
});
