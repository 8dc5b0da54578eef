/** The live engine carries out the plans of every policy, and none of them changes a word of what is said. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { createPolicy, POLICY_NAMES, replayDecision, type DecisionLogEntry, type Slo } from "../sched/index.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import type { EngineOptions, GenerateRequest } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 1024 };
const BUDGET_TOKENS = 16;
const MAX_STEP_TOKENS = 512;

function start(policy: string, over: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({
    model: { random: config, seed: 3 },
    kvPages: 44,
    budgetTokens: BUDGET_TOKENS,
    maxStepTokens: MAX_STEP_TOKENS,
    maxRunning: 4,
    exact: true,
    checkEachStep: true,
    recordDecisions: 2000,
    policy,
    ...over,
  });
}

const SLOS: readonly Slo[] = [
  { class: "best-effort", onMiss: "finish" },
  { class: "latency", ttftMs: 20, tpotMs: 5, onMiss: "finish" },
  { class: "deadline", deadlineMs: 60_000, onMiss: "finish" },
  { class: "compound", deadlineMs: 60_000, onMiss: "finish" },
];

/**
 * Prompts up to several budgets long and one that no step can hold, some beginning alike, together more than the cache
 * holds.
 */
const REQUESTS: readonly GenerateRequest[] = Array.from({ length: 14 }, (_, i) => {
  const random = createRandom(i, "prompt");
  const shared = Array.from({ length: i % 3 === 0 ? 36 : 0 }, (_unused, at) => 40 + at);
  const length = i === 8 ? 600 : 3 + ((i * 29) % 80);
  const own = Array.from({ length }, () => random.int(30, 300));
  return {
    promptTokens: [...shared, ...own],
    maxTokens: 6 + ((i * 5) % 20),
    ignoreEos: true,
    sampling: { temperature: 0 },
    slo: SLOS[i % SLOS.length]!,
    ...(i % 4 === 3 ? { task: { id: "task", stage: i >> 2 } } : {}),
  };
});

let expected: readonly (readonly number[])[];

beforeAll(async () => {
  await using engine = await start("fifo");
  const alone = [];
  for (const request of REQUESTS) alone.push((await collect(engine.submit(request))).tokens);
  expected = alone;
});

describe.each(POLICY_NAMES)("%s", (name) => {
  let engine: Engine;
  let entries: readonly DecisionLogEntry[];

  beforeAll(async () => {
    engine = await start(name);
  });
  afterAll(() => engine.stop({ graceMs: 0 }));

  test("says what fifo says one request after the other, and gives every page back", async () => {
    const answers = await Promise.all(REQUESTS.map((request) => collect(engine.submit(request))));
    expect(answers.map(({ tokens }) => tokens)).toEqual(expected);
    entries = await engine.decisions();
    const stats = engine.stats();
    expect(stats).toMatchObject({ running: 0, waiting: 0, state: "ready", kv: { pagesUsed: 0 } });
    expect(engine.info.policy).toBe(name);
  });

  test("decides the same again from what was recorded", () => {
    expect(entries.length).toBeGreaterThan(10);
    for (const entry of entries) {
      expect(entry.policy).toBe(name);
      expect(replayDecision(createPolicy(name), entry)).toEqual(entry.plan);
    }
  });

  test("computes prompts in chunks within the budget, or whole", () => {
    const sizes = entries.flatMap(({ plan }) => plan.advance.map(({ tokens }) => tokens));
    const steps = entries.map(({ plan }) => plan.advance.reduce((sum, { tokens }) => sum + tokens, 0));
    if (createPolicy(name).chunked === false) {
      expect(Math.max(...sizes)).toBeGreaterThan(MAX_STEP_TOKENS - 4); // of the longest, beside decodes
      expect(Math.max(...steps)).toBe(MAX_STEP_TOKENS);
    } else {
      expect(Math.max(...steps)).toBe(BUDGET_TOKENS);
    }
  });
});

test("options of a policy reach it; wrong ones are refused before a thread exists", async () => {
  await using engine = await start("splitfuse", { policyOptions: { stepTokens: 7 } });
  await Promise.all(REQUESTS.slice(0, 5).map((request) => collect(engine.submit(request))));
  const steps = (await engine.decisions()).map(({ plan }) => plan.advance.reduce((sum, { tokens }) => sum + tokens, 0));
  expect(Math.max(...steps)).toBe(7);
  await expect(start("splitfuse", { policyOptions: { quantumTokens: 7 } })).rejects.toThrow(/takes stepTokens/);
  await expect(start("splitfuse", { maxStepTokens: 0 })).rejects.toThrow(/maxStepTokens/);
});
