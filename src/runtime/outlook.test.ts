/** What a live engine tells its policies of requests: lengths learnt from its own log, stages of tasks, and all of it once more from a recording. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom } from "../core/index.ts";
import { createPolicy, replayDecision, type DecisionLogEntry, type SequenceView } from "../sched/index.ts";
import { compareDecisions, recordedDecisions, replay } from "../sim/index.ts";
import { readRecording } from "../workload/index.ts";
import { liveClock } from "./clock.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import type { EngineOptions, GenerateRequest } from "./types.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-outlook-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(policy: string, over: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({
    model: { random: TINY, seed: 3 },
    kvPages: 60,
    budgetTokens: 32,
    maxRunning: 4,
    exact: true,
    recordDecisions: 5000,
    policy,
    ...over,
  });
}

const MAX_TOKENS = 40;
const DEADLINE_MS = 60_000;
const SHORT = 4;
const LONG = 30;

/** Two kinds of requests: which one it is, its prompt begins with; how long the answer gets, only its grammar knows. */
function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const kind = seed % 2;
  const own = Array.from({ length: 10 + (seed % 7) }, () => random.int(60, 90));
  const letters = kind === 0 ? SHORT : LONG;
  return {
    promptTokens: [...Array.from({ length: 6 }, (_, i) => (kind === 0 ? 100 : 110) + i), ...own],
    maxTokens: MAX_TOKENS,
    grammar: { kind: "regex", pattern: `[a-z]{${letters}}` },
    sampling: { seed },
    ...over,
  };
}

const views = (entries: readonly DecisionLogEntry[]): SequenceView[] =>
  entries.flatMap(({ view }) => [...view.waiting, ...view.running]);

async function warmUp(engine: Engine, count: number): Promise<void> {
  for (let at = 0; at < count; at += 8) {
    const wave = Array.from({ length: Math.min(8, count - at) }, (_, i) => collect(engine.submit(request(at + i))));
    await Promise.all(wave);
  }
}

test("what was learnt is there again after a restart, and a damaged file is a warning and a fresh start", async () => {
  const policyState = join(folder, "learnt.json");
  const told = async (): Promise<SequenceView[]> => {
    await using engine = await start("jitserve", { policyState });
    await Promise.all([2000, 2001].map((seed) => collect(engine.submit(request(seed)))));
    return views(await engine.decisions()).filter(({ generatedTokens }) => generatedTokens === 0);
  };
  {
    await using engine = await start("jitserve", { policyState });
    await warmUp(engine, 64);
  }
  const known = await told();
  expect(Math.min(...known.map(({ expectedTokens }) => expectedTokens!))).toBeLessThan(SHORT + 4);
  expect(Math.max(...known.map(({ expectedTokens }) => expectedTokens!))).toBeLessThan(MAX_TOKENS);
  writeFileSync(policyState, readFileSync(policyState, "utf8").replace('"version":1', '"version":9'));
  expect((await told()).every(({ expectedTokens }) => expectedTokens === undefined)).toBe(true);
  await expect(start("jitserve", { policyState, record: { path: join(folder, "no.jsonl") } })).rejects.toThrow(
    /policyState/,
  );
});

test.each(["jitserve", "shortest-predicted"])("%s predicts lengths once 32 requests have finished", async (policy) => {
  await using engine = await start(policy);
  await warmUp(engine, 31);
  const before = views(await engine.decisions());
  expect(before.length).toBeGreaterThan(31);
  expect(before.every(({ expectedTokens, upperTokens }) => (expectedTokens ?? upperTokens) === undefined)).toBe(true);
  await warmUp(engine, 40);
  const from = (await engine.decisions()).length;
  await Promise.all([2000, 2001].map((seed) => collect(engine.submit(request(seed)))));
  const after = views((await engine.decisions()).slice(from)).filter(({ generatedTokens }) => generatedTokens === 0);
  const of = (parity: number): number[] =>
    after.filter(({ id }) => id % 2 === parity).map(({ expectedTokens }) => expectedTokens!);
  // Ids and seeds have the same parity up to the number of requests before.
  const [even, odd] = [of(0), of(1)].map((list) => Math.max(...list)).toSorted((a, b) => a - b);
  expect(even!).toBeLessThan(SHORT + 6);
  expect(odd!).toBeGreaterThan(LONG - 6);
  for (const { expectedTokens, upperTokens } of after) expect(upperTokens!).toBeGreaterThanOrEqual(expectedTokens!);
});

test("fifo keeps the cheap outlook unless it is told otherwise; a wrong name is refused", async () => {
  await using cheap = await start("fifo");
  await warmUp(cheap, 40);
  const seen = views(await cheap.decisions());
  expect(seen.every(({ upperTokens }) => upperTokens === undefined)).toBe(true);
  expect(seen.some(({ expectedTokens }) => expectedTokens !== undefined)).toBe(true);
  await using learning = await start("fifo", { outlook: "learning" });
  await warmUp(learning, 8);
  // A mean is told after one answer, a forest after many.
  expect(views(await learning.decisions()).every(({ expectedTokens }) => expectedTokens === undefined)).toBe(true);
  await expect(start("fifo", { outlook: "sibyl" as "mean" })).rejects.toThrow(
    /outlook: expected one of mean, learning/,
  );
});

test("stages of tasks get sub-deadlines once tasks have ended, and a recording replays into the same decisions", async () => {
  const path = join(folder, "run.jsonl");
  const policyOptions = { agingMs: 500 };
  const engine = await start("jitserve", { record: { path, maxShare: 1 }, policyOptions });
  // A tracker takes a task for ended when nothing of it has run for half a minute: the last wave comes that much later.
  const task = async (id: string, laterMs: number): Promise<void> => {
    for (let stage = 0; stage < 3; stage++) {
      const slo = { class: "compound", deadlineMs: DEADLINE_MS, onMiss: "finish" } as const;
      const seed = Number(id.slice(1)) * 10 + stage;
      const arrivalMs = liveClock.nowMs() + laterMs;
      await collect(engine.submit(request(seed, { slo, arrivalMs, task: { id, stage } })));
    }
  };
  const wave = (first: number, laterMs: number): Promise<void[]> =>
    Promise.all([0, 1, 2].map((i) => task(`t${first + i}`, laterMs)));
  for (let first = 0; first < 15; first += 3) await wave(first, 0);
  const known = (await engine.decisions()).length;
  await wave(15, 40_000);
  const late = { class: "deadline", deadlineMs: 0.01, onMiss: "finish" } as const;
  await expect(collect(engine.submit(request(7, { slo: late })))).rejects.toThrow(/deadline/);
  const entries = await engine.decisions();
  await engine.stop();
  const due = (list: readonly DecisionLogEntry[], stage: number): number[] =>
    views(list).flatMap(({ task: own }) => (own?.stage === stage ? [own.deadlineMs!] : []));
  expect(Math.min(...due(entries.slice(0, known), 0))).toBe(DEADLINE_MS);
  const first = due(entries.slice(known), 0);
  expect(Math.max(...first)).toBeLessThan(0.8 * DEADLINE_MS);
  expect(Math.min(...first)).toBeGreaterThan(0.05 * DEADLINE_MS);

  const recording = readRecording(readFileSync(path, "utf8"));
  expect(recording.head.engine).toMatchObject({ policyOptions, predictorSeed: 0 });
  expect(recording.requests.every(({ features }) => features?.length === 64)).toBe(true);
  const replayed = replay(recording, { check: true });
  const { compared, difference } = compareDecisions(recording, replayed.decisions);
  expect(difference).toBeNull();
  expect(compared).toBe(recordedDecisions(recording).length);
  expect(compared).toBeGreaterThan(100);
  for (const entry of entries.slice(-200)) {
    expect(replayDecision(createPolicy("jitserve", policyOptions), entry)).toEqual(entry.plan);
  }
});
