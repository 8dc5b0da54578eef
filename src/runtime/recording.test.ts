/** A recording of a real engine: complete, within its bounds, readable, and replayed to the identical decisions. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRandomAdapter } from "../../test/support/adapters.ts";
import { codeOf } from "../../test/support/error-code.ts";
import { writeRandomRoutes } from "../../test/support/routes.ts";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../core/index.ts";
import { createPolicy, replayDecision, type DecisionLogEntry } from "../sched/index.ts";
import { compareDecisions, recordedDecisions, replay } from "../sim/index.ts";
import { readRecording, recordingTrace, type Recording } from "../workload/index.ts";
import { sleep } from "./clock.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import { RecordingFile } from "./recording-file.ts";
import { RecordingSink } from "./recording-sink.ts";
import type { EngineOptions, GenerateRequest } from "./types.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-recording-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const fresh = (): string => join(folder, `run-${files++}.jsonl`);
const read = (path: string): Recording => readRecording(readFileSync(path, "utf8"));

function start(path: string, over: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({
    model: { random: { ...TINY, maxPositions: 1024 }, seed: 3 },
    name: "tiny",
    kvPages: 40,
    budgetTokens: 32,
    maxRunning: 6,
    exact: true,
    record: { path, maxShare: 1 },
    ...over,
  });
}

function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const shared = Array.from({ length: 20 }, (_, i) => 50 + i);
  const own = Array.from({ length: 10 + (seed % 30) }, () => random.int(30, 300));
  return {
    promptTokens: [...shared, ...own],
    maxTokens: 8 + (seed % 40),
    ignoreEos: true,
    sampling: { seed },
    ...over,
  };
}

/** Requests of which some are left, until all have ended; then the recording. */
async function recordedRun(over: Partial<EngineOptions>, between: (engine: Engine, i: number) => Promise<void>) {
  const path = fresh();
  const engine = await start(path, { record: { path, maxShare: 1 }, ...over });
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < 14; i++) {
    const leaving = new AbortController();
    const sampling = i % 2 === 0 ? { temperature: 0 } : { seed: i };
    const stream = engine.submit(request(i, { sampling }), { signal: leaving.signal });
    answers.push(codeOf(collect(stream)));
    if (i % 5 === 4) setTimeout(() => leaving.abort(), 3);
    await between(engine, i);
  }
  await Promise.all(answers);
  await engine.stop();
  const recording = read(path);
  expect(recording.ends).toHaveLength(14);
  return recording;
}

/** As `punctual simulate --replay` does it. */
function expectIdentical(recording: Recording): readonly DecisionLogEntry[] {
  const { decisions } = replay(recording, { check: true });
  const { compared, difference } = compareDecisions(recording, decisions);
  expect(difference).toBeNull();
  expect(compared).toBeGreaterThan(20);
  return decisions;
}

test("requests, steps, ends, cancellations and tasks are all there, and a replay decides the same", async () => {
  const path = fresh();
  const engine = await start(path);
  const leaving = new AbortController();
  const streams = Array.from({ length: 16 }, (_, i) =>
    engine.submit(
      request(
        i,
        i % 3 === 0
          ? { task: { id: `t${i % 2}`, stage: i }, slo: { class: "compound", deadlineMs: 9e5, onMiss: "finish" } }
          : {},
      ),
    ),
  );
  const left = engine.submit(request(3, { maxTokens: 900 }), { signal: leaving.signal });
  await left.next();
  leaving.abort();
  const late = { class: "deadline", deadlineMs: 0.01, onMiss: "finish" } as const;
  expect(await codeOf(collect(engine.submit(request(5, { slo: late }))))).toBe("deadline_expired");
  const answers = await Promise.all(streams.map((stream) => collect(stream)));
  expect(engine.stats().recording).toMatchObject({ path, state: "recording", problem: null });
  await engine.stop();
  expect(engine.stats().recording).toMatchObject({ path, state: "closed", problem: null });

  const text = readFileSync(path, "utf8");
  const recording = read(path);
  expect(recording.head).toMatchObject({ model: "tiny", policy: "fifo", blockTokens: 16 });
  expect(recording.head.engine).toMatchObject({
    pages: 40,
    prefixCache: true,
    limits: { budgetTokens: 32, maxRunning: 6 },
  });
  expect(Date.parse(recording.head.startedAt!)).toBeGreaterThan(0);
  expect(recording.requests.map(({ promptTokens }) => promptTokens).slice(0, 16)).toEqual(
    Array.from({ length: 16 }, (_, i) => request(i).promptTokens.length),
  );
  // All prompts begin with the same page, and no page of one's own is another's.
  expect(new Set(recording.requests.map(({ hashIds }) => hashIds![0])).size).toBe(1);
  expect(recording.requests[0]).toMatchObject({ task: { id: "t0", stage: 0 }, slo: { class: "compound" } });
  expect(recording.ends).toHaveLength(18);
  const reasons = recording.ends.map(({ reason }) => reason);
  expect(reasons.filter((reason) => reason === "length")).toHaveLength(16);
  expect(reasons).toContain("cancelled");
  expect(reasons).toContain("expired");
  expect(recording.cancels).toHaveLength(1);
  const lengths = new Map(recording.ends.map(({ id, outputTokens }) => [id, outputTokens]));
  expect(Array.from({ length: 16 }, (_, i) => lengths.get(i))).toEqual(answers.map(({ tokens }) => tokens.length));

  // Neither text nor token ids.
  expect(text).not.toMatch(/promptIds|outputIds|"text"|"tokens":\[/);
  const { promptTokens } = request(1);
  expect(text).not.toContain(promptTokens.slice(0, 6).join(","));

  const decisions = recordedDecisions(recording);
  expectIdentical(recording);
  for (const entry of decisions) expect(replayDecision(createPolicy("fifo"), entry)).toEqual(entry.plan);
  expect(recordingTrace(recording).requests).toHaveLength(18);
});

test.each(["semi-pd", "disaggregated"] as const)("phases apart (%s) are recorded lane by lane", async (phases) => {
  const recording = await recordedRun({ phases, kvPages: 60 }, () => sleep(1));
  expectIdentical(recording);
  expect(new Set(recording.steps.map(({ lane }) => lane)).size).toBeGreaterThan(1);
  expect(recordingTrace(recording).requests).toHaveLength(14);
});

test("drafts are recorded with what was accepted of them", async () => {
  const speculation = { method: "ngram", adaptive: false, ngram: { minMatch: 1, maxMatch: 3 } } as const;
  const recording = await recordedRun({ speculation }, () => sleep(1));
  expectIdentical(recording);
  const drafts = recording.steps.flatMap((step) => step.drafts ?? []);
  expect(drafts.some(([, , drafted, taken]) => drafted > 0 && taken > 1)).toBe(true);
  expect(drafts.some(([, , drafted, taken]) => taken <= drafted && drafted > 0)).toBe(true);
});

test("adapters and layers that are left out are recorded", async () => {
  const config = { ...TINY, layers: 5, maxPositions: 1024 };
  const routes = await writeRandomRoutes(join(folder, "routes"), config, 3);
  const adapters = ["polite", "terse"];
  for (const [i, name] of adapters.entries()) await writeRandomAdapter(join(folder, name), config, i + 1, 4);
  const module = (name: string) => ({ name, dir: join(folder, name) });
  const path = fresh();
  const lora = { modules: [module("polite")], maxLoras: 2, maxRank: 4 };
  const model = { random: config, seed: 3 };
  const engine = await start(path, { model, routes, lora, kvPages: 24, checkEachStep: true });
  await engine.loadAdapter(module("terse"));
  const kinds: readonly Partial<GenerateRequest>[] = [
    { compute: 0.6 },
    { adapter: "polite" },
    {},
    { adapter: "terse" },
  ];
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, i) => collect(engine.submit(request(i, kinds[i % 4])))),
  );
  await engine.stop();
  const recording = read(path);
  expectIdentical(recording);
  const named = recording.requests.map(({ adapter, compute }) => adapter ?? compute ?? null);
  expect(named.slice(0, 4)).toEqual([0.6, "polite", null, "terse"]);
  const skipped = new Map(recording.routes.map((route) => [route.id, route.skipped]));
  expect([...skipped.keys()].toSorted((a, b) => a - b)).toEqual([0, 4, 8, 12]);
  expect(skipped.get(0)).toEqual(answers[0]!.finish.usage.route!.skipped);
  // The same beginning of a prompt under another adapter is another block.
  const firsts = recording.requests.map(({ hashIds }) => hashIds![0]);
  expect(new Set(firsts).size).toBe(3);
  expect(firsts[0]).toBe(firsts[2]);
});

test("a switch of the policy is recorded, also to one that learns lengths", async () => {
  const policies = ["jitserve", "splitfuse", "shortest-predicted", "fifo"];
  const recording = await recordedRun({}, async (engine, i) => {
    await sleep(2);
    if (i % 3 === 2) await engine.setPolicy(policies[(i - 2) / 3]!);
  });
  const decisions = expectIdentical(recording);
  expect(recording.lines.filter(({ kind }) => kind === "policy")).toHaveLength(4);
  expect(new Set(decisions.map(({ policy }) => policy)).size).toBeGreaterThan(2);
});

test("two recordings of the same prompts have no block id in common", async () => {
  const paths = [fresh(), fresh()];
  for (const path of paths) {
    await using engine = await start(path);
    await collect(engine.submit(request(1)));
  }
  const [a, b] = paths.map((path) => new Set(read(path).requests.flatMap(({ hashIds }) => hashIds!)));
  expect([...a!].filter((id) => b!.has(id))).toEqual([]);
});

test.each(["throw", "exit"] as const)(
  "a worker that dies (%s) leaves whole lines, and the next one has its own file",
  async (how) => {
    const path = fresh();
    const engine = await start(path);
    await collect(engine.submit(request(1)));
    const open = engine.submit(request(2, { maxTokens: 900 }));
    await open.next();
    engine.crashWorker(how);
    expect(await codeOf(collect(open))).toBe("engine_failed");
    while (engine.state !== "ready") await sleep(10);
    await collect(engine.submit(request(3)));
    await engine.stop();
    const first = read(path);
    expect(first.requests.map(({ id }) => id)).toEqual([0, 1]);
    expect(first.ends.map(({ id }) => id)).toEqual([0]);
    expect(first.steps.length).toBeGreaterThan(8);
    const second = read(path.replace(".jsonl", "-2.jsonl"));
    expect(second.requests.map(({ id }) => id)).toEqual([2]);
    expect(second.ends).toHaveLength(1);
    expect(second.steps[0]!.step).toBe(0);
  },
);

test("at its limit a recording ends with a whole line, and serving goes on", async () => {
  const path = fresh();
  const engine = await start(path, { record: { path, maxBytes: 20_000, maxShare: 1 } });
  for (let i = 0; i < 6; i++) expect((await collect(engine.submit(request(i)))).tokens.length).toBeGreaterThan(0);
  await engine.stop();
  expect(engine.stats().recording).toMatchObject({ state: "full" });
  const text = readFileSync(path, "utf8");
  expect(text.length).toBeLessThanOrEqual(20_000);
  expect(text.length).toBeGreaterThan(10_000);
  expect(read(path).requests.length).toBeGreaterThan(0);
});

test("a file that cannot be made, or a share that is none, is an error of start", async () => {
  expect(await codeOf(start(join(folder, "no", "such", "folder.jsonl")))).toBe("invalid_request");
  expect(await codeOf(start(fresh(), { record: { path: fresh(), maxShare: 2 } }))).toBe("invalid_request");
  expect(readdirSync(folder)).not.toContain("no");
});

describe("the file", () => {
  test("never overwrites, and keeps to itself what it may not write", async () => {
    const path = fresh();
    writeFileSync(path, "mine\n");
    const file = new RecordingFile({ path });
    expect(file.path).toBe(path.replace(".jsonl", "-2.jsonl"));
    file.write("a\n");
    await file.close();
    file.write("late\n");
    await file.close();
    expect(readFileSync(file.path, "utf8")).toBe("a\n");
    expect(readFileSync(path, "utf8")).toBe("mine\n");
    expect(file.status).toMatchObject({ state: "closed", bytes: 2 });
  });

  test("a limit within a batch keeps the lines that fit whole", async () => {
    const file = new RecordingFile({ path: fresh(), maxBytes: 7 });
    file.write("ab\n");
    file.write("é\ncdef\n");
    file.write("x\n");
    await file.close();
    expect(readFileSync(file.path, "utf8")).toBe("ab\né\n");
    expect(file.status).toMatchObject({
      state: "full",
      bytes: 6,
      problem: expect.stringContaining("7 bytes") as string,
    });
  });
});

describe("the sink", () => {
  const entry = (step: number): DecisionLogEntry =>
    ({
      step,
      policy: "fifo",
      view: { waiting: Array.from({ length: 50 }, (_, id) => ({ id })) },
      plan: {},
      stepMs: 1,
    }) as never;

  test("writes decisions only within its share of the time of steps, and everything else always", () => {
    // A clock that takes a millisecond between any two looks: each line costs a millisecond to write.
    let nowMs = 0;
    const texts: string[] = [];
    const sink = new RecordingSink({
      clock: { nowMs: () => nowMs++ },
      post: (text) => texts.push(text),
      maxShare: 0.1,
    });
    let written = 0;
    for (let step = 0; step < 1000; step++) {
      const wanted = sink.wantsDecision;
      if (wanted) written += 1;
      sink.write({ kind: "step", step, atMs: step, stepMs: 2, ...(wanted ? { decision: entry(step) } : {}) });
    }
    sink.flush();
    const lines = texts.join("").trimEnd().split("\n");
    expect(lines).toHaveLength(1000);
    // 2000 ms of steps allow 200 ms of writing at a millisecond each, and a burst of 20 at the beginning.
    expect(written).toBeGreaterThan(180);
    expect(written).toBeLessThanOrEqual(222);
  });

  test("posts in batches, by size and by age", () => {
    const clock = new FakeClock(0);
    const texts: string[] = [];
    const sink = new RecordingSink({ clock, post: (text) => texts.push(text) });
    sink.write({ kind: "pause", id: 1, atMs: 0 });
    sink.tick();
    expect(texts).toHaveLength(0);
    clock.advance(250);
    sink.tick();
    expect(texts).toHaveLength(1);
    for (let id = 0; id < 2000; id++) sink.write({ kind: "resume", id, atMs: id });
    expect(texts.length).toBeGreaterThan(1);
    for (const text of texts) expect(text.length).toBeLessThan(70_000);
    sink.flush();
    sink.flush();
    expect(texts.join("").split("\n")).toHaveLength(2002);
  });
});
