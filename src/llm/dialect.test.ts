/** Dialects: our layout as before, templates that nobody can write into, and the marks that sections are tracked by. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createVocabulary, TextAssembler } from "../runtime/text-assembler.ts";
import { chatPrompt } from "./chat.ts";
import { openDialect, sectionMarks, type DialectMessage } from "./dialect.ts";
import { openTokenizer, trainBpe, writeTokenizer, type TextTokenizer } from "./tokenizer/index.ts";

const SEED = 32;
const MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"];
const TEXTS = ["Turn on the light, please. What is 2+2? It is 4.", "user assistant system tool"];

const tokenizerWith = (specials: readonly string[]): TextTokenizer =>
  openTokenizer({
    kind: "json",
    text: writeTokenizer(trainBpe(TEXTS, { vocabSize: 340, minCount: 1, specials })),
    config: { eos_token: "<|im_end|>" },
  });
const qwen = tokenizerWith(MARKS);
const wallMs = (): number => 0;

const TEMPLATE = `{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}
{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content | trim }}
{%- if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}
{%- for c in m.tool_calls or [] %}{{ '<tool_call>' + c.function | tojson + '</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}
{%- endfor %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking %}{{ '<think>\\n' }}{% endif %}`;
const dialect = openDialect({ tokenizer: qwen, template: TEMPLATE, wallMs });
const text = (ids: readonly number[]): string => qwen.decode(ids, { special: true });

describe("a template's dialect", () => {
  it("writes messages, calls and tools with the template's own marks", () => {
    const ids = dialect.prompt(
      [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "", calls: [{ name: "add", arguments: { a: 1 } }] },
        { role: "tool", content: "2", callId: "c" },
      ],
      { tools: [{ name: "add" }] },
    );
    expect(text(ids)).toBe(
      '{"type": "function", "function": {"name": "add"}}<|im_start|>user\nHi<|im_end|>\n' +
        '<|im_start|>assistant\n<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call><|im_end|>\n' +
        "<|im_start|>tool\n2<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(ids.filter((id) => qwen.isSpecial(id))).toHaveLength(9);
  });

  it("lets no string of a message become a mark, and loses none of it", () => {
    const any = fc
      .array(fc.constantFrom(...MARKS, "<|im_", "end|>", "Hi", " ", "é", "{", '"', "<", "<<think>"), { maxLength: 8 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(any, any, any, (content, value, name) => {
        const messages: DialectMessage[] = [
          { role: "user", content: `a${content}b` },
          { role: "assistant", content: "", calls: [{ name, arguments: { [name]: value } }] },
          { role: "tool", content: `c${value}d` },
        ];
        const ids = dialect.prompt(messages, { tools: [{ name, description: content, parameters: { const: value } }] });
        expect(ids.filter((id) => qwen.isSpecial(id)).map((id) => text([id]))).toEqual(
          "<|im_start|> <|im_end|> <|im_start|> <tool_call> </tool_call> <|im_end|> <|im_start|> <|im_end|> <|im_start|>".split(
            " ",
          ),
        );
        expect(text(ids)).toContain(`user\na${content}b<|im_end|>`);
        expect(text(ids)).toContain(`tool\nc${value}d<|im_end|>`);
        expect(text(ids)).not.toContain("\uFDD0");
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("cuts thinking out of an answer that a client sends back", () => {
    const ids = dialect.prompt([{ role: "assistant", content: "<think>\nhm\n</think>\n\nYes" }]);
    expect(text(ids)).toContain("assistant\nYes<think>hm</think><|im_end|>");
  });

  it("opens a section that the runtime follows from the first token on", () => {
    const promptTokens = dialect.prompt([{ role: "user", content: "Hi" }], { thinking: true });
    const vocabulary = createVocabulary(qwen, [qwen.specialId("<|im_end|>")], qwen.vocabSize);
    const run = (prompt: readonly number[], answer: string): string[] => {
      const assembler = new TextAssembler({ promptTokens: prompt, stop: [], thinkingBudget: null }, vocabulary);
      const pieces = qwen.encode(answer, { special: true }).map((id) => assembler.push(id));
      return [...new Set(pieces.filter((piece) => piece.mark === null).map((piece) => piece.section))];
    };
    expect(run(promptTokens, "hm</think>4<tool_call>{}</tool_call>")).toEqual(["thinking", "text", "call"]);
    const plain = dialect.prompt([{ role: "user", content: "Hi" }]);
    expect(run(plain, "4<think>x</think>")).toEqual(["text", "thinking"]);
    const closed = dialect.prompt([{ role: "assistant", content: "Hi", reasoning: "so" }]);
    expect(run(closed, "4")).toEqual(["text"]);
  });

  it("throws what is wrong with its template when it is used, and refuses an empty conversation", () => {
    const broken = openDialect({ tokenizer: qwen, template: "{% if %}", wallMs });
    for (let i = 0; i < 2; i++) {
      expect(() => broken.prompt([{ role: "user", content: "Hi" }])).toThrow(
        expect.objectContaining({ code: "invalid_file", param: "chat_template" }),
      );
    }
    expect(() => dialect.prompt([])).toThrow(expect.objectContaining({ param: "messages" }));
  });
});

describe("marks", () => {
  it("are those of the vocabulary, in pairs", () => {
    const id = (name: string): number => qwen.specialId(name);
    expect(dialect.marks).toEqual({
      think: id("<think>"),
      thinkEnd: id("</think>"),
      call: id("<tool_call>"),
      callEnd: id("</tool_call>"),
    });
    const none = { think: null, thinkEnd: null, call: null, callEnd: null };
    expect(sectionMarks(tokenizerWith(["<|im_end|>", "<think>"]))).toEqual(none);
  });
});

describe("other dialects", () => {
  it("our own layout is chatPrompt's, and splits several calls into turns", () => {
    const tokenizer = trainBpe(TEXTS, { vocabSize: 320, minCount: 1 });
    const own = openDialect({ tokenizer, template: null, wallMs });
    expect(own.kind).toBe("own");
    expect(own.prompt([{ role: "user", content: "Hi\n\nthere" }])).toEqual(
      chatPrompt(tokenizer, [{ role: "user", text: "Hi\n\nthere" }]),
    );
    const calls = ["a", "b"].map((name) => ({ name, arguments: {} }));
    expect(own.prompt([{ role: "assistant", content: "ok", calls }])).toEqual(
      chatPrompt(tokenizer, [
        { role: "assistant", text: "", call: calls[0]! },
        { role: "assistant", text: "ok", call: calls[1]! },
      ]),
    );
    expect(own.marks.call).toBe(tokenizer.specialId("<|call|>"));
  });

  it("a model with neither is told from the others, and says so when asked", () => {
    const none = openDialect({ tokenizer: qwen, template: null, wallMs });
    expect(none.kind).toBe("none");
    expect(() => none.prompt([{ role: "user", content: "Hi" }])).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining("no chat_template") as string }),
    );
  });
});
