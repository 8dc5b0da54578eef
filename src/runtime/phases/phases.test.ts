import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { collect } from "../collect.ts";
import { Engine } from "../engine.ts";
import type { EngineOptions, GenerateRequest } from "../types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 1024 };

function start(over: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({
    model: { random: config, seed: 3 },
    kvPages: 96,
    budgetTokens: 32,
    maxRunning: 8,
    exact: true,
    checkEachStep: true,
    ...over,
  });
}

function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + random.int(0, 60) }, () => random.int(30, 300));
  return {
    promptTokens,
    maxTokens: 24,
    ignoreEos: true,
    sampling: { seed, temperature: seed % 3 === 0 ? 0 : 1 },
    ...over,
  };
}

const ARMS: readonly (readonly [string, Partial<EngineOptions>])[] = [
  ["semi-pd", { phases: "semi-pd" }],
  ["disaggregated", { phases: "disaggregated" }],
];

let colocated: Engine;
beforeAll(async () => {
  colocated = await start();
});
afterAll(() => colocated.stop({ graceMs: 0 }));

describe.each(ARMS)("%s", (_, options) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await start(options);
  });
  afterAll(() => engine.stop({ graceMs: 0 }));

  test("says what a colocated engine says, token by token", async () => {
    const requests = Array.from({ length: 24 }, (_unused, i) => request(i, { maxTokens: 8 + (i % 17) }));
    const expected = await Promise.all(requests.map((one) => collect(colocated.submit(one))));
    const got = await Promise.all(requests.map((one) => collect(engine.submit(one))));
    expect(got.map((c) => c.tokens)).toEqual(expected.map((c) => c.tokens));
    expect(got.map((c) => c.text)).toEqual(expected.map((c) => c.text));
  });
});
