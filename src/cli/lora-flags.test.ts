import { resolve } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { addLoraOptions, loraOptions, type LoraFlags } from "./lora-flags.ts";

function flagsOf(...words: string[]): LoraFlags {
  const command = addLoraOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  return command.parse(words, { from: "user" }).opts<LoraFlags>();
}

test("adapters of one model, with their limits", () => {
  expect(loraOptions(flagsOf(), "m", ["m"])).toBeUndefined();
  const flags = flagsOf("--enable-lora", "--lora-modules", "a=x", "b=y/z", "--max-loras", "3", "--max-lora-rank", "8");
  expect(loraOptions(flags, "m", ["m"])).toEqual({
    modules: [
      { name: "a", dir: resolve("x") },
      { name: "b", dir: resolve("y/z") },
    ],
    maxLoras: 3,
    maxRank: 8,
  });
});

test("of several models each has its own", () => {
  const module = JSON.stringify({ name: "a", path: "x", base_model_name: "two" });
  const flags = flagsOf("--enable-lora", "--lora-modules", module);
  expect(loraOptions(flags, "one", ["one", "two"])).toEqual({ modules: [] });
  expect(loraOptions(flags, "two", ["one", "two"])?.modules).toEqual([{ name: "a", dir: resolve("x") }]);
});

test.each([
  [["--lora-modules", "a=x"], ["m"], /enable-lora/],
  [["--enable-lora", "--lora-modules", "a=x"], ["m", "n"], /base_model_name/],
  [["--enable-lora", "--lora-modules", "m=x"], ["m"], /model's name/],
  [["--enable-lora", "--lora-modules", '{"name":"a","path":"x","base_model_name":"z"}'], ["m"], /no model 'z'/],
])("%j over %j is refused", (words, served, message) => {
  expect(() => loraOptions(flagsOf(...words), served[0]!, served)).toThrow(message);
});

test("what is no adapter is said", () => {
  expect(() => flagsOf("--lora-modules", "plain")).toThrow(/name=folder/);
  expect(() => flagsOf("--lora-modules", '{"name": 1}')).toThrow(/JSON/);
});
