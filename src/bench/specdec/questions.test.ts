import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PunctualError } from "../../core/index.ts";
import { QUESTION_LIMITS, readQuestions } from "./questions.ts";

const read = (text: string) => readQuestions([text], "q.jsonl");

describe("files of questions", () => {
  test("Spec-Bench's and SPEED-Bench's fields, turns or messages", () => {
    const lines = [
      { question_id: 81, category: "writing", turns: ["Write.", "Again."], reference: ["x"] },
      {
        question_id: "abc",
        category: "coding",
        sub_category: "python",
        turns: ["Code."],
        source: "here",
        src_id: 5,
        difficulty: "hard",
        multiturn: false,
      },
      {
        question_id: 81,
        category: "rag",
        messages: [
          { role: "user", content: "Ask." },
          { role: "user", content: "More." },
        ],
      },
      { turns: ["bare"] },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join("\r\n\n");
    expect(read(text)).toEqual([
      { id: "81", category: "writing", subCategory: null, turns: ["Write.", "Again."], source: null, difficulty: null },
      { id: "abc", category: "coding", subCategory: "python", turns: ["Code."], source: "here", difficulty: "hard" },
      { id: "81#5", category: "rag", subCategory: null, turns: ["Ask.", "More."], source: null, difficulty: null },
      { id: "7", category: "all", subCategory: null, turns: ["bare"], source: null, difficulty: null },
    ]);
  });

  test.each([
    ["", "expected questions, got none"],
    ["x", 'q.jsonl line 1: expected a JSON object, got "x"'],
    ["[1]", "expected a JSON object"],
    ["{}", 'expected "turns" or "messages"'],
    ['{"turns":[]}', "expected from 1 to 64 turns, got 0"],
    ['{"turns":[1]}', "turn 1: expected text, got number"],
    ['{"turns":[""]}', "turn 1: expected text, got none"],
    ['{"messages":[{"role":"assistant","content":"x"}]}', 'messages of the role "user"'],
    ["PAR1\u0000", "got Parquet"],
    [
      JSON.stringify({
        turns: ["FULL BENCHMARK DATA SHOULD BE FETCHED FROM THE SOURCE USING SPECDEC_BENCH\n\n{article}"],
      }),
      "placeholder",
    ],
  ])("%j is refused", (text, said) => {
    expect(() => read(text)).toThrow(said);
  });

  test("bounds hold", () => {
    const limits = { ...QUESTION_LIMITS, questions: 2, lineCharacters: 40 };
    const line = '{"turns":["a"]}\n';
    expect(readQuestions([line, line], "q", limits)).toHaveLength(2);
    expect(() => readQuestions([line.repeat(3)], "q", limits)).toThrow("at most 2 questions");
    const endless = function* (): Generator<string> {
      for (;;) yield "x".repeat(30);
    };
    expect(() => readQuestions(endless(), "q", limits)).toThrow("at most 40 characters");
  });

  test("pieces do not matter, and whatever comes is questions or one typed refusal", () => {
    const question = fc.record({
      question_id: fc.oneof(fc.integer(), fc.string()),
      category: fc.oneof(fc.string(), fc.constant(null)),
      turns: fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(question, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 9 }), (rows, size) => {
        const text = rows.map((row) => JSON.stringify(row)).join("\n");
        const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
          text.slice(i * size, (i + 1) * size),
        );
        const whole = read(text);
        expect(readQuestions(pieces, "q.jsonl")).toEqual(whole);
        expect(whole.map(({ turns }) => turns)).toEqual(rows.map(({ turns }) => turns));
        expect(new Set(whole.map(({ id }) => id)).size).toBe(rows.length);
      }),
      { numRuns: 40 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json({ maxDepth: 2 }),
          fc.json({ maxDepth: 2 }).map((turns) => `{"turns":${turns}}`),
        ),
        (text) => {
          try {
            expect(read(text).length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(PunctualError);
          }
        },
      ),
    );
  });
});
