/** What a request is promised, from wherever it says so; and how long its task has left. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { BEST_EFFORT, checkSlo, type Slo } from "../sched/index.ts";
import { DEFAULT_TIERS, readTiers, requestObjective } from "./objective.ts";
import { remainingObjective, TaskBook } from "./tasks.ts";

type Headers = Readonly<Record<string, string>>;
type Fields = Parameters<typeof requestObjective>[0];
const objective = (fields: Fields, headers: Headers = {}) =>
  requestObjective(fields, (name) => headers[name], DEFAULT_TIERS);

function failure(work: () => unknown): PunctualError {
  try {
    work();
  } catch (error) {
    if (error instanceof PunctualError) return error;
  }
  throw new Error("expected a PunctualError");
}

describe("the objective of a request", () => {
  test("body, headers, tier, in that order; without any the default stays", () => {
    const headers = { "x-slo-ttft-ms": "200", "x-slo-tpot-ms": "40" };
    const all = objective({ slo: { ttft_ms: 100 }, service_tier: "priority" }, headers);
    expect(all).toEqual({ slo: { class: "latency", ttftMs: 100, tpotMs: 40, onMiss: "finish" }, tier: "default" });
    const byHeader = objective({ service_tier: "flex" }, headers);
    expect(byHeader).toEqual({ slo: { class: "latency", ttftMs: 200, tpotMs: 40, onMiss: "finish" }, tier: "default" });
    expect(objective({ service_tier: "flex" })).toEqual({ slo: BEST_EFFORT, tier: "flex" });
    for (const tier of ["priority", "scale"] as const) {
      expect(objective({ service_tier: tier })).toEqual({ slo: DEFAULT_TIERS[tier], tier });
    }
    for (const tier of ["auto", "default"] as const)
      expect(objective({ service_tier: tier })).toEqual({ tier: "default" });
    expect(objective({})).toEqual({ tier: null });
    expect(objective({ slo: null, service_tier: null })).toEqual({ tier: null });
  });

  test("an empty objective names nothing; a task is none", () => {
    expect(objective({ slo: {} })).toEqual({ tier: null });
    expect(objective({}, { "x-task-id": "t" })).toEqual({ task: { id: "t", stage: 0 }, tier: null });
    expect(objective({ slo: { task_id: "t", task_stage: 3 }, service_tier: "priority" })).toEqual({
      slo: DEFAULT_TIERS.priority,
      task: { id: "t", stage: 3 },
      tier: "priority",
    });
  });

  test.each([
    [{ "x-slo-class": "latency" }, {}, "x-slo-ttft-ms"],
    [{ "x-slo-class": "compound" }, {}, "x-slo-deadline-ms"],
    [{ "x-slo-on-miss": "cut" }, {}, "x-slo-deadline-ms"],
    [{ "x-slo-ttft-ms": "500", "x-deadline-ms": "100" }, {}, "x-slo-ttft-ms"],
    [{ "x-slo-ttft-ms": "500" }, { slo: { deadline_ms: 100 } }, "x-slo-ttft-ms"],
    [{ "x-deadline-ms": "100" }, { slo: { ttft_ms: 500 } }, "slo.ttft_ms"],
    [{ "x-slo-ttft-ms": "500" }, { slo: { class: "deadline" as const } }, "slo.deadline_ms"],
    [{}, { slo: { class: "deadline" as const } }, "slo.deadline_ms"],
  ])("headers %j and body %j contradict themselves: the complaint names %s", (headers, fields, param) => {
    const error = failure(() => objective(fields, headers as Headers));
    expect([error.code, error.param]).toEqual(["invalid_request", param]);
  });

  test("tiers can be set", () => {
    const tiers = readTiers(["priority=ttft=200ms,tpot=30ms", "flex=deadline=60s"]);
    expect(tiers.priority).toEqual({ class: "latency", ttftMs: 200, tpotMs: 30, onMiss: "finish" });
    expect(tiers.flex).toMatchObject({ class: "deadline", deadlineMs: 60_000 });
    expect(tiers.scale).toEqual(DEFAULT_TIERS.scale);
    expect(failure(() => readTiers(["gold=ttft=1s"])).message).toMatch(/priority, scale, flex/);
    expect(failure(() => readTiers(["priority"])).param).toBe("tier");
    expect(failure(() => readTiers(["priority=soon"])).code).toBe("invalid_request");
  });
});

describe("compound tasks", () => {
  const whole: Slo = { class: "compound", deadlineMs: 10_000, ttftMs: 3000, onMiss: "finish" };

  test("the deadline counts from the task's first request, the rest of an objective from its own", () => {
    const book = new TaskBook();
    expect(book.startOf("t", 1000)).toBe(1000);
    expect(book.startOf("other", 2500)).toBe(2500);
    const elapsedMs = 4000 - book.startOf("t", 4000);
    expect(elapsedMs).toBe(3000);
    expect(remainingObjective(whole, elapsedMs)).toEqual({ ...whole, deadlineMs: 7000 });
    expect(remainingObjective(whole, 8000)).toEqual({ ...whole, deadlineMs: 2000, ttftMs: 2000 });
    const late = remainingObjective(whole, 20_000);
    expect(late.deadlineMs).toBeGreaterThan(0);
    expect(late.deadlineMs).toBeLessThan(1);
    expect(checkSlo(late)).toBe(late);
    const own: Slo = { class: "deadline", deadlineMs: 100, onMiss: "cut" };
    expect(remainingObjective(own, 5000)).toBe(own);
  });

  test("a request that was longer on its way does not move the beginning forward", () => {
    const book = new TaskBook();
    book.startOf("t", 500);
    expect(book.startOf("t", 400)).toBe(400);
    expect(book.startOf("t", 600)).toBe(400);
  });

  test("remembers so many, so long: what is forgotten begins anew", () => {
    const book = new TaskBook(2, 1000);
    book.startOf("a", 0);
    book.startOf("b", 1);
    book.startOf("a", 2);
    book.startOf("c", 3); // b was unheard of longest
    expect(book.startOf("a", 4)).toBe(0);
    expect(book.startOf("b", 5)).toBe(5);
    expect(book.startOf("b", 1005)).toBe(5);
    expect(book.startOf("b", 2006)).toBe(2006);
    expect(book.size).toBe(2);
  });

  test("whatever happens, a beginning is no later than the arrival, and the book stays within its bound", () => {
    const arrival = fc.record({ task: fc.constantFrom("a", "b", "c", "d", "e"), atMs: fc.nat(5000) });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        const book = new TaskBook(3, 2000);
        for (const { task, atMs } of arrivals) {
          expect(book.startOf(task, atMs)).toBeLessThanOrEqual(atMs);
          expect(book.size).toBeLessThanOrEqual(3);
        }
      }),
    );
  });
});
