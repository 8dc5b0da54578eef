import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, PunctualError } from "../core/index.ts";
import type { DecoderConfig, GrammarSpec } from "../llm/index.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import type { GenerateRequest } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 512 };

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 8 },
    colour: { enum: ["red", "green"] },
    sizes: { type: "array", items: { type: "integer", minimum: 0, maximum: 99 }, maxItems: 3 },
    open: { type: "boolean" },
  },
  required: ["name", "colour", "sizes", "open"],
  additionalProperties: false,
};
const JSON_SCHEMA: GrammarSpec = { kind: "json_schema", schema: SCHEMA, strict: true };

let engine: Engine;
beforeAll(async () => {
  // too few pages for all, so that sequences are preempted and computed again
  engine = await Engine.start({
    model: { random: config, seed: 3 },
    kvPages: 30,
    pageTokens: 8,
    budgetTokens: 24,
    maxRunning: 6,
    exact: true,
    checkEachStep: true,
  });
});
afterAll(() => engine.stop({ graceMs: 0 }));

function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 12 }, () => random.int(40, 200));
  return { promptTokens, maxTokens: 200, sampling: { seed }, thinkingBudget: 0, ...over };
}

test("answers of a random model validate, alone and together, sampled and greedy, preempted or not", async () => {
  const validate = new Ajv2020().compile(SCHEMA);
  const requests = Array.from({ length: 10 }, (_, seed) =>
    request(seed, {
      grammar: JSON_SCHEMA,
      sampling: { seed, temperature: seed % 3 === 0 ? 0 : 1, topP: seed % 2 === 0 ? 0.9 : 1 },
    }),
  );
  const together = await Promise.all(requests.map((one) => collect(engine.submit(one))));
  for (const { text, finish } of together) {
    expect(validate(JSON.parse(text)), text).toBe(true);
    expect([finish.reason, finish.cause]).toEqual(["stop", "end"]);
  }
  for (const [i, one] of requests.entries()) {
    if (i < 4) expect((await collect(engine.submit(one))).text).toBe(together[i]!.text);
  }
  expect(engine.stats().counters.preemptions).toBeGreaterThan(0);
});

test("choices and expressions end by themselves, whatever ignoreEos and minTokens say", async () => {
  const grammar: GrammarSpec = { kind: "choice", choices: ["red", "green", "greenish"] };
  for (let seed = 0; seed < 4; seed++) {
    const { text } = await collect(engine.submit(request(seed, { grammar, ignoreEos: seed > 1, minTokens: seed })));
    expect(["red", "green", "greenish"]).toContain(text);
  }
  const pattern = "[0-9]{4}-[0-9]{2}";
  const { text, tokens } = await collect(
    engine.submit(request(9, { grammar: { kind: "regex", pattern }, sampling: { seed: 9, logprobs: 2 } })),
  );
  expect(text).toMatch(/^\d{4}-\d\d$/);
  expect(tokens).toHaveLength(7);
});

test("thinking is free of the grammar and closed before it; a budget of 0 leaves none", async () => {
  const think = engine.tokenizer.specialId("<|think|>");
  const grammar: GrammarSpec = { kind: "choice", choices: ["yes", "no"] };
  const base = request(5, { grammar, thinkingBudget: 6 });
  const opened = await collect(engine.submit({ ...base, promptTokens: [...base.promptTokens, think] }));
  expect(["yes", "no"]).toContain(opened.text);
  expect(opened.finish.usage.reasoningTokens).toBe(6);
  const own = await collect(engine.submit({ ...base, sampling: { seed: 5, logitBias: { [think]: 100 } } }));
  expect(["yes", "no"]).toContain(own.text);
  expect(own.finish.usage.reasoningTokens).toBe(6);
  const none = await collect(
    engine.submit({ ...base, thinkingBudget: 0, sampling: { seed: 5, logitBias: { [think]: 100 } } }),
  );
  expect(["yes", "no"]).toContain(none.text);
  expect(none.finish.usage.reasoningTokens).toBe(0);
});

test("a call that the prompt opens is governed as well", async () => {
  const call = engine.tokenizer.specialId("<|call|>");
  const base = request(6, { grammar: JSON_SCHEMA });
  let text = "";
  for await (const event of engine.submit({ ...base, promptTokens: [...base.promptTokens, call] })) {
    if (event.kind === "token" && event.section === "call") text += event.text;
  }
  expect(Object.keys(JSON.parse(text) as object)).toEqual(["name", "colour", "sizes", "open"]);
});

test("a bad grammar is refused at submit, naming the field; one too hard to follow ends alone", async () => {
  const bad: GrammarSpec = { kind: "json_schema", schema: { type: "object", not: {} } };
  try {
    engine.submit(request(1, { grammar: bad }));
    expect.unreachable("it was accepted");
  } catch (error) {
    expect(error).toBeInstanceOf(PunctualError);
    expect([(error as PunctualError).code, (error as PunctualError).param]).toEqual(["invalid_request", "grammar"]);
    expect((error as PunctualError).message).toContain('"not"');
  }
  const branches = Array.from({ length: 3000 }, (_, i) => ({ enum: [{ a: i }] }));
  const hard = collect(engine.submit(request(2, { grammar: { kind: "json_schema", schema: { anyOf: branches } } })));
  const fine = collect(engine.submit(request(3, { grammar: { kind: "choice", choices: ["ok"] } })));
  await expect(hard).rejects.toMatchObject({ code: "unsupported", param: "grammar" });
  expect((await fine).text).toBe("ok");
});
