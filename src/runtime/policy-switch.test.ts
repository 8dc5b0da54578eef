/** Another policy in the middle of the work: nothing is lost, nothing said differently, and the log says when. */
import { describe, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { createPolicy, POLICY_NAMES, replayDecision, type Slo } from "../sched/index.ts";
import { sleep } from "./clock.ts";
import { collect } from "./collect.ts";
import { codeOf, endless, request, startChecked, until } from "./engine.conformance.ts";
import type { Engine } from "./engine.ts";
import { ModelPool } from "./model-pool.ts";
import type { EngineOptions, GenerateRequest, PolicySwitch } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 1024 };

/** Short of pages and of places, so that policies differ in what they do. */
const start = (over: Partial<EngineOptions> = {}): Promise<Engine> =>
  startChecked({ model: { random: config, seed: 3 }, kvPages: 44, maxRunning: 4, budgetTokens: 16, ...over });

const SLOS: readonly Slo[] = [
  { class: "best-effort", onMiss: "finish" },
  { class: "latency", ttftMs: 20, tpotMs: 5, onMiss: "finish" },
  { class: "deadline", deadlineMs: 60_000, onMiss: "finish" },
  { class: "compound", deadlineMs: 60_000, onMiss: "finish" },
];

function workload(seed: number): GenerateRequest[] {
  const random = createRandom(seed, "workload");
  return Array.from({ length: 16 }, (_, i) => {
    const shared = Array.from({ length: i % 3 === 0 ? 36 : 0 }, (_unused, at) => 40 + at);
    const own = Array.from({ length: i === 8 ? 500 : random.int(3, 80) }, () => random.int(30, 300));
    return {
      promptTokens: [...shared, ...own],
      maxTokens: random.int(6, 40),
      ignoreEos: true,
      sampling: { seed: i, ...(i % 2 === 0 ? { temperature: 0 } : {}) },
      slo: SLOS[i % SLOS.length]!,
      ...(i % 4 === 3 ? { task: { id: "task", stage: i >> 2 } } : {}),
    };
  });
}

describe("switching at random moments among all policies", () => {
  test.each([1, 2, 3])("says what never switching says (seed %i)", async (seed) => {
    const requests = workload(seed);
    await using plain = await start();
    const expected = [];
    for (const one of requests) expected.push((await collect(plain.submit(one))).tokens);
    await using engine = await start({ recordDecisions: 20_000 });
    const random = createRandom(seed, "switches");
    const switches: PolicySwitch[] = [];
    let working = true;
    const switching = (async () => {
      while (working) {
        const policy = POLICY_NAMES[random.int(0, POLICY_NAMES.length - 1)]!;
        switches.push(await engine.setPolicy(policy));
        await sleep(random.int(0, 4));
      }
    })();
    const answers = [];
    for (const one of requests) {
      answers.push(collect(engine.submit(one)));
      if (random.uniform() < 0.4) await sleep(random.int(0, 5));
    }
    expect((await Promise.all(answers)).map(({ tokens }) => tokens)).toEqual(expected);
    working = false;
    await switching;
    expect(await until(engine, (s) => s.running === 0 && s.kv.pagesUsed === 0)).toMatchObject({ waiting: 0 });
    expect(engine.info.policy).toBe(switches.at(-1)!.policy);
    expect(new Set(switches.map(({ policy }) => policy)).size).toBeGreaterThan(2);
    for (const [i, { previous }] of switches.entries()) expect(previous).toBe(switches[i - 1]?.policy ?? "fifo");
    // Each step was decided by the one in force when it began, and the log says so.
    const entries = await engine.decisions();
    for (const entry of entries) {
      const since = switches.findLast(({ atMs }) => atMs <= entry.view.nowMs);
      expect(entry.policy).toBe(since?.policy ?? "fifo");
      expect(replayDecision(createPolicy(entry.policy), entry)).toEqual(entry.plan);
    }
    expect(new Set(entries.map(({ policy }) => policy)).size).toBeGreaterThan(1);
  });
});

test("it holds over the death of a worker, and an unknown one changes nothing", async () => {
  await using engine = await start({ recordDecisions: 100 });
  expect(await engine.setPolicy("edf")).toMatchObject({ policy: "edf", previous: "fifo" });
  expect(await codeOf(() => engine.setPolicy("edff"))).toBe("invalid_request");
  const stream = engine.submit(endless(1));
  await stream.next();
  engine.crashWorker("exit");
  expect(await codeOf(() => collect(stream))).toBe("engine_failed");
  await until(engine, (s) => s.state === "ready");
  expect(engine.info.policy).toBe("edf");
  await collect(engine.submit(request(1)));
  expect(new Set((await engine.decisions()).map(({ policy }) => policy))).toEqual(new Set(["edf"]));
  await engine.stop({ graceMs: 0 });
  expect(await codeOf(() => engine.setPolicy("fifo"))).toBe("shutting_down");
});

test.each(["semi-pd", "disaggregated"] as const)("phases apart (%s) keep theirs, and say why", async (phases) => {
  await using engine = await startChecked({ phases });
  await expect(engine.setPolicy("edf")).rejects.toMatchObject({ code: "policy_fixed", status: 409 });
  expect(engine.info).toMatchObject({ policy: "fifo", phases });
  expect(engine.info.fixedPolicy).toMatch(phases);
  expect((await collect(engine.submit(request(1)))).tokens).toHaveLength(24);
});

test("a model of a pool takes it before, during and after it is loaded", async () => {
  const model = { model: { random: config, seed: 3 }, name: "a", kvPages: 96, budgetTokens: 32, recordDecisions: 100 };
  await using pool = await ModelPool.create([model]);
  const engine = pool.engine("a");
  const policies = async (): Promise<Set<string>> => new Set((await engine.decisions()).map(({ policy }) => policy));
  expect(await engine.setPolicy("edf")).toMatchObject({ previous: "fifo" });
  expect(await codeOf(() => engine.setPolicy("none"))).toBe("invalid_request");
  expect(engine.info.policy).toBe("edf");
  const loading = pool.load("a");
  await sleep(1);
  await engine.setPolicy("splitfuse");
  await loading;
  await collect(engine.submit(request(1)));
  expect(await policies()).toEqual(new Set(["splitfuse"]));
  expect(await engine.setPolicy("least-attained")).toMatchObject({ previous: "splitfuse" });
  await pool.unload("a");
  expect(engine.info.policy).toBe("least-attained");
  await collect(engine.submit(request(1)));
  expect(await policies()).toEqual(new Set(["least-attained"]));
});
