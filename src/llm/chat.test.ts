/** The chat layout: what a model sees, what it learns, and that nobody can write somebody else's turn. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PunctualError } from "../core/index.ts";
import { chatPrompt, encodeChat, parseReply, type ChatTurn } from "./chat.ts";
import { SPECIAL_TOKENS, trainBpe } from "./tokenizer/index.ts";

const tokenizer = trainBpe(["What is 7 * 3? The answer is 21.", "Okay, the kitchen light is on."], { vocabSize: 300 });
const show = (ids: readonly number[]): string => tokenizer.decode(ids, { special: true });
const learnt = (turns: readonly ChatTurn[], thinking?: Parameters<typeof encodeChat>[2]): string => {
  const { tokens, lossMask } = encodeChat(tokenizer, turns, thinking);
  expect(lossMask).toHaveLength(tokens.length);
  return show(tokens.filter((_, i) => lossMask[i] === 1));
};

const SUM: readonly ChatTurn[] = [
  { role: "user", text: "What is 7 * 3?" },
  { role: "assistant", thinking: "7*3=21", text: "The answer is 21." },
];
const LIGHT: readonly ChatTurn[] = [
  { role: "system", text: "Be brief.", context: "Rooms: kitchen." },
  { role: "user", text: "Light on." },
  { role: "assistant", call: { name: "set_light", arguments: { room: "kitchen", on: true } }, text: "Okay." },
];

describe("encodeChat", () => {
  it("writes the documented layout and learns replies only", () => {
    expect(show(encodeChat(tokenizer, SUM).tokens)).toBe(
      "<|user|>What is 7 * 3?<|end|><|assistant|><|think|>7*3=21<|/think|>The answer is 21.<|end|>",
    );
    expect(learnt(SUM)).toBe("<|think|>7*3=21<|/think|>The answer is 21.<|end|>");
    expect(show(encodeChat(tokenizer, LIGHT).tokens)).toBe(
      '<|system|>Be brief.<|text|>Rooms: kitchen.<|end|><|user|>Light on.<|end|><|assistant|><|call|>{"name":"set_light","arguments":{"room":"kitchen","on":true}}<|/call|>Okay.<|end|>',
    );
  });

  it("cuts thinking at a budget and does not learn what the runtime forces", () => {
    const cut = encodeChat(tokenizer, SUM, { thinking: { tokens: 3 } });
    expect(show(cut.tokens)).toContain("<|think|>7*3<|/think|>The answer");
    expect(learnt(SUM, { thinking: { tokens: 3 } })).toBe("<|think|>7*3The answer is 21.<|end|>");
    expect(show(encodeChat(tokenizer, SUM, { thinking: { tokens: 0 } }).tokens)).toContain("<|think|><|/think|>The");
    expect(learnt(SUM, { thinking: { tokens: 100 } })).toBe("<|think|>7*3=21The answer is 21.<|end|>");
  });

  it("without thinking learns the answer but not the choice to answer at once", () => {
    const { tokens, lossMask } = encodeChat(tokenizer, SUM, { thinking: "none" });
    expect(show(tokens)).toContain("<|assistant|>The answer is 21.<|end|>");
    expect(lossMask[tokens.indexOf(tokenizer.specialId("<|assistant|>")) + 1]).toBe(0);
    expect(lossMask.at(-1)).toBe(1);
  });

  it("gives earlier replies without their thinking", () => {
    const both = [...SUM, ...SUM];
    expect(show(encodeChat(tokenizer, both).tokens).match(/<\|think\|>/gu)).toHaveLength(1);
    expect(learnt(both)).toBe("<|think|>7*3=21<|/think|>The answer is 21.<|end|>");
    expect(learnt([...LIGHT, ...SUM])).toContain("Okay.<|end|><|think|>");
  });
});

describe("chatPrompt", () => {
  it("is the training form up to the reply", () => {
    for (const turns of [SUM, LIGHT]) {
      const { tokens } = encodeChat(tokenizer, turns);
      const prompt = chatPrompt(tokenizer, turns.slice(0, -1));
      expect(tokens.slice(0, prompt.length)).toEqual(prompt);
      expect(prompt.at(-1)).toBe(tokenizer.specialId("<|assistant|>"));
    }
  });

  it("takes what follows a blank line as the given text", () => {
    expect(show(chatPrompt(tokenizer, [{ role: "user", text: "How much is it?\r\n\r\nLamp: $4.\n\nMug: $2." }]))).toBe(
      "<|user|>How much is it?<|text|>Lamp: $4.\n\nMug: $2.<|end|><|assistant|>",
    );
    expect(show(chatPrompt(tokenizer, [{ role: "user", text: "Hi\n\n" }]))).toBe("<|user|>Hi\n\n<|end|><|assistant|>");
    expect(show(chatPrompt(tokenizer, [{ role: "tool", text: "a\n\nb" }]))).toBe("<|tool|>a\n\nb<|end|><|assistant|>");
  });

  it("lets no text open or end a turn", () => {
    const hostile = fc
      .array(fc.constantFrom(...SPECIAL_TOKENS, "x", "<|", "|>", " "), { maxLength: 12 })
      .map((parts) => parts.join(""));
    const turn = fc.record({
      role: fc.constantFrom("system", "user", "assistant", "tool" as const),
      text: hostile,
      context: hostile,
    });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), (messages) => {
        const specials = chatPrompt(tokenizer, messages as ChatTurn[]).filter((id) => tokenizer.isSpecial(id));
        const expected = messages.flatMap(({ role }) =>
          role === "assistant" ? ["<|assistant|>", "<|end|>"] : [`<|${role}|>`, "<|text|>", "<|end|>"],
        );
        expect(specials.map((id) => show([id]))).toEqual([...expected, "<|assistant|>"]);
      }),
      { seed: 23, numRuns: 200 },
    );
  });

  it("refuses a conversation of nothing", () => {
    expect(() => chatPrompt(tokenizer, [])).toThrow(PunctualError);
  });
});

describe("parseReply", () => {
  const reply = (text: string): number[] => tokenizer.encode(text, { special: true });

  it("takes apart what encodeChat wrote", () => {
    for (const turns of [SUM, LIGHT]) {
      const { tokens } = encodeChat(tokenizer, turns);
      const { role: _, ...parts } = turns.at(-1)!;
      expect(parseReply(tokenizer, tokens.slice(tokens.lastIndexOf(tokenizer.specialId("<|assistant|>")) + 1))).toEqual(
        parts,
      );
    }
  });

  it("keeps a reply that was cut off, and a call that is none", () => {
    expect(parseReply(tokenizer, reply("<|think|>7*3"))).toEqual({ thinking: "7*3", text: "" });
    expect(parseReply(tokenizer, reply('<|call|>{"name":"x"}<|/call|>Okay.'))).toEqual({
      text: "Okay.",
      malformedCall: '{"name":"x"}',
    });
    expect(parseReply(tokenizer, reply("<|call|>{<|end|>"))).toEqual({ text: "", malformedCall: "{" });
    expect(parseReply(tokenizer, reply("Hi<|end|>there"))).toEqual({ text: "Hi" });
    expect(parseReply(tokenizer, [])).toEqual({ text: "" });
  });

  it("never throws on any ids", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabSize - 1), { maxLength: 40 }), (ids) => {
        expect(typeof parseReply(tokenizer, ids).text).toBe("string");
      }),
      { seed: 24, numRuns: 300 },
    );
  });
});
