import { Command } from "commander";
import { expect, test } from "vitest";
import { addSpeculationOptions, speculationOptions, type SpeculationFlags } from "./speculation-flags.ts";

function flagsOf(...words: string[]): SpeculationFlags {
  const command = addSpeculationOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  return command.parse(words, { from: "user" }).opts<SpeculationFlags>();
}
const resolve = async (text: string): Promise<{ name: string; dir: string }> => ({
  name: text,
  dir: `/models/${text}`,
});
const optionsOf = (...words: string[]): ReturnType<typeof speculationOptions> =>
  speculationOptions(flagsOf(...words), "/models/base", resolve);

test("methods, their length and how they draft", async () => {
  expect(await optionsOf()).toBeUndefined();
  expect(await optionsOf("--speculate", "off")).toEqual({ method: "off" });
  expect(await optionsOf("--speculate", "ngram", "--speculative-tokens", "5")).toEqual({ method: "ngram", tokens: 5 });
  expect(await optionsOf("--speculate", "draft:small", "--speculative-drafts", "drawn")).toEqual({
    method: "draft",
    model: { dir: "/models/small" },
    drafts: "drawn",
  });
  expect(await optionsOf("--speculate", "heads", "--speculative-vocabulary", "500")).toEqual({
    method: "heads",
    vocabularyTokens: 500,
  });
  expect(await optionsOf("--speculate", "heads:/some/folder")).toEqual({
    method: "heads",
    heads: { dir: "/some/folder" },
  });
  // No model drafts for itself, where a flag is meant for several.
  expect(await optionsOf("--speculate", "draft:base")).toEqual({ method: "prediction" });
});

test("vLLM's configuration means the same", async () => {
  const config = (fields: object): string => JSON.stringify(fields);
  const ngram = config({ method: "ngram", num_speculative_tokens: 4, prompt_lookup_min: 2, prompt_lookup_max: 5 });
  expect(await optionsOf("--speculative-config", ngram)).toEqual({
    method: "ngram",
    tokens: 4,
    ngram: { minMatch: 2, maxMatch: 5 },
  });
  const draft = config({ model: "small", num_speculative_tokens: 3 });
  expect(await optionsOf("--speculative-config", draft)).toEqual({
    method: "draft",
    model: { dir: "/models/small" },
    tokens: 3,
  });
  expect(await optionsOf("--speculative-config", config({ method: "mtp", num_speculative_tokens: 3 }))).toEqual({
    method: "heads",
    tokens: 3,
  });
  expect(await optionsOf("--speculative-config", config({ method: "mlp_speculator", model: "/heads" }))).toEqual({
    method: "heads",
    heads: { dir: "/heads" },
  });
  expect(await optionsOf("--speculative-config", config({ prompt_lookup_max: 4 }))).toMatchObject({
    ngram: { minMatch: 4, maxMatch: 4 },
  });
});

test("what is not meant is said", async () => {
  expect(() => flagsOf("--speculate", "eagle")).toThrow("Expected one of");
  expect(() => flagsOf("--speculate", "draft:")).toThrow("Expected one of");
  expect(() => flagsOf("--speculative-tokens", "15")).toThrow("from 1 to 14");
  expect(() => flagsOf("--speculative-config", "{")).toThrow("JSON");
  expect(() => flagsOf("--speculative-config", '{"method":"eagle"}')).toThrow("method");
  expect(() => flagsOf("--speculative-config", '{"draft_tensor_parallel_size":1}')).toThrow(
    "draft_tensor_parallel_size",
  );
  await expect(optionsOf("--speculate", "ngram", "--speculative-config", "{}")).rejects.toThrow("not both");
  await expect(optionsOf("--speculative-config", '{"method":"draft_model"}')).rejects.toThrow("a model goes with");
  await expect(optionsOf("--speculative-config", '{"prompt_lookup_min":5,"prompt_lookup_max":2}')).rejects.toThrow(
    "prompt_lookup_min",
  );
});
