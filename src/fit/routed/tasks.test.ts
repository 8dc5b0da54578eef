import { expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { routedItems } from "./examples.ts";
import { ROUTED_TASKS, routedItem, splitOfPrompt } from "./tasks.ts";
import { routedTokenizer, ROUTED_VOCABULARY } from "./vocabulary.ts";

test("items belong to their split, are the same for the same stream, and come back from tokens", () => {
  const tokenizer = routedTokenizer();
  expect(tokenizer.vocabSize).toBeLessThanOrEqual(ROUTED_VOCABULARY);
  for (const task of ROUTED_TASKS) {
    for (const split of ["train", "validation", "test"] as const) {
      const item = routedItem(task, split, createRandom(7, `${task}/${split}`));
      expect(routedItem(task, split, createRandom(7, `${task}/${split}`))).toEqual(item);
      expect(splitOfPrompt(item.prompt)).toBe(split);
      const text = `${item.prompt} ${item.answer}`;
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      expect(tokenizer.encode(text).length).toBeLessThan(48);
    }
  }
});

test("answers are right", () => {
  const of = (task: string): string[] => {
    const item = routedItems("train", 3, 5).find((each) => each.task === task)!;
    return [item.prompt.split(": ")[1]!, item.answer.split(": ")[1]!];
  };
  const [copied, copy] = of("copy");
  expect(copy).toBe(copied);
  const [forward, backward] = of("reverse");
  expect(backward!.split(" ").toReversed().join(" ")).toBe(forward);
  const [letters, sorted] = of("sort");
  expect(sorted).toBe(letters!.split(" ").toSorted().join(" "));
  const item = routedItems("train", 3, 5).find((each) => each.task === "modular")!;
  const [, modulus, chain] = /^mod (\d): (.+)$/u.exec(item.prompt)!;
  const parts = chain!.match(/[+*-]?\d/gu)!;
  let value = Number(parts[0]);
  const values = parts.slice(1).map((part) => {
    const operand = Number(part[1]);
    value = part[0] === "+" ? value + operand : part[0] === "-" ? value - operand : value * operand;
    value = ((value % Number(modulus)) + Number(modulus)) % Number(modulus);
    return value;
  });
  expect(item.answer).toBe(`values: ${values.join(",")}`);
});
