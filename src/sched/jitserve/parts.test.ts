import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SchedulerView, SequenceView, Slo } from "../types.ts";
import { decode, schedulerView, sequence, viewArbitrary } from "../views.conformance.ts";
import { admissible, DemandList } from "./admissible.ts";
import { addDemands, Bid, minimumBandwidth } from "./bid.ts";
import { gmax, type BatchCandidate } from "./gmax.ts";
import { nextTokenDueMs, pacedBudgetTokens } from "./pace.ts";
import { promptMs, serviceRates } from "./rates.ts";

interface Job {
  readonly workMs: number;
  readonly dueMs: number;
  readonly reward: number;
}

function keptOf(jobs: readonly Job[]): readonly Job[] {
  const demands = new DemandList();
  for (const [claim, { dueMs, workMs }] of jobs.entries()) demands.add(claim, dueMs, workMs);
  const kept = admissible(
    jobs.map(({ reward, workMs }) => reward / workMs),
    demands,
  );
  return jobs.filter((_, i) => kept[i] === 1);
}

/** On one machine, one after the other: by deadline if at all. */
function fits(jobs: readonly Job[]): boolean {
  let atMs = 0;
  return jobs
    .toSorted((a, b) => a.dueMs - b.dueMs)
    .every(({ workMs, dueMs }) => {
      atMs += workMs;
      return atMs <= dueMs;
    });
}

function best(jobs: readonly Job[], worth: (job: Job) => number): number {
  let most = 0;
  for (let set = 0; set < 1 << jobs.length; set++) {
    const chosen = jobs.filter((_, i) => (set >> i) & 1);
    if (fits(chosen))
      most = Math.max(
        most,
        chosen.reduce((sum, job) => sum + worth(job), 0),
      );
  }
  return most;
}

describe("what is admissible together", () => {
  const job = fc.record({
    workMs: fc.integer({ min: 1, max: 12 }),
    dueMs: fc.integer({ min: 1, max: 40 }),
    reward: fc.integer({ min: 1, max: 12 }),
  });
  const jobs = fc.array(job, { minLength: 1, maxLength: 8 });

  test("fits, always", () => {
    const property = fc.property(jobs, (list) => {
      expect(fits(keptOf(list))).toBe(true);
    });
    fc.assert(property, { seed: 61, numRuns: 400 });
  });

  test("is as many as any choice could keep, when all earn the same; so more slack never keeps fewer", () => {
    const property = fc.property(jobs, fc.nat(), fc.integer({ min: 1, max: 30 }), (list, which, slackMs) => {
      const equal = list.map((one) => ({ ...one, reward: 1 }));
      const count = keptOf(equal).length;
      expect(count).toBe(best(equal, () => 1));
      const later = equal.map((one, i) => (i === which % list.length ? { ...one, dueMs: one.dueMs + slackMs } : one));
      expect(keptOf(later).length).toBeGreaterThanOrEqual(count);
    });
    fc.assert(property, { seed: 62, numRuns: 300 });
  });

  test("earns, with the best that could be alone, at least half of the best choice", () => {
    const property = fc.property(jobs, (list) => {
      const earned = keptOf(list).reduce((sum, { reward }) => sum + reward, 0);
      const alone = Math.max(0, ...list.filter((one) => fits([one])).map(({ reward }) => reward));
      // By density alone one large job may be lost to a small dense one.
      expect(earned + alone).toBeGreaterThanOrEqual(best(list, ({ reward }) => reward) / 2);
    });
    fc.assert(property, { seed: 63, numRuns: 300 });
  });

  test("leaves out a claim with all its demands", () => {
    const demands = new DemandList();
    demands.add(0, 10, 5);
    demands.add(0, 100, 90);
    demands.add(1, 20, 10);
    demands.add(1, 21, 10);
    expect([...admissible([1, 2], demands)]).toEqual([0, 1]);
  });
});

describe("gmax", () => {
  const candidate = (worth: number, lengthTokens: number, task?: string): BatchCandidate => ({
    worth,
    lengthTokens,
    task,
  });

  test("takes the best, or similar lengths when they are worth nearly as much", () => {
    const mixed = [candidate(1, 10), candidate(1, 900), candidate(0.99, 20), candidate(0.5, 880)];
    expect(gmax(mixed, { slots: 2, groups: 2, lossAllowed: 0.02 })).toEqual([0, 2]);
    expect(gmax(mixed, { slots: 2, groups: 1, lossAllowed: 0.02 })).toEqual([0, 1]);
    expect(gmax(mixed, { slots: 2, groups: 2, lossAllowed: 0 })).toEqual([0, 1]);
    expect(gmax(mixed, { slots: 5, groups: 2, lossAllowed: 0 })).toEqual([0, 1, 2, 3]);
  });

  test("pulls siblings in, in place of the last without any", () => {
    const list = [candidate(1, 10, "a"), candidate(1, 10), candidate(1, 10), candidate(0.4, 10, "a")];
    expect(gmax(list, { slots: 3, groups: 2, lossAllowed: 0 })).toEqual([0, 1, 3]);
    expect(gmax(list, { slots: 3, groups: 1, lossAllowed: 0 })).toEqual([0, 1, 2]);
  });

  test("fills the slots with different candidates, and loses no more than allowed", () => {
    const candidates = fc.array(
      fc.record({
        worth: fc.double({ min: 0.01, max: 1, noNaN: true }),
        lengthTokens: fc.integer({ min: 1, max: 99 }),
      }),
      { minLength: 1, maxLength: 20 },
    );
    const options = fc.record({
      slots: fc.integer({ min: 1, max: 8 }),
      groups: fc.integer({ min: 1, max: 4 }),
      lossAllowed: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const property = fc.property(candidates, options, (list, chosen) => {
      const sorted = list.toSorted((a, b) => b.worth - a.worth).map((c) => ({ ...c, task: undefined }));
      const batch = gmax(sorted, chosen);
      const size = Math.min(chosen.slots, sorted.length);
      expect(new Set(batch).size).toBe(size);
      expect(batch.length).toBe(size);
      const worth = batch.reduce((sum, i) => sum + sorted[i]!.worth, 0);
      const most = sorted.slice(0, size).reduce((sum, c) => sum + c.worth, 0);
      expect(worth).toBeGreaterThanOrEqual(most * (1 - chosen.lossAllowed) - 1e-9);
    });
    fc.assert(property, { seed: 64, numRuns: 300 });
  });
});

describe("a bid", () => {
  const rates = { tokenMs: 10, answerTokenMs: 5, promptTokenMs: 1, fullStepMs: 20, chunkTokens: 50 };
  const deadline = (deadlineMs: number): Slo => ({ class: "deadline", deadlineMs, onMiss: "finish" });
  const waiting = (over: Partial<SequenceView>): SequenceView =>
    sequence(0, { promptTokens: 100, pendingTokens: 100, maxTokens: 50, expectedTokens: 10, upperTokens: 20, ...over });
  const bid = (s: SequenceView, nowMs = 0): Bid => new Bid(s, false, nowMs, rates);

  test("of a deadline: laxity by the bound, standing by the expectation, reward by the chance between", () => {
    // Two steps of 20 ms make the first token, nineteen more of 10 ms the rest of the bound.
    expect(bid(waiting({ slo: deadline(1000) }))).toMatchObject({ standing: "in-time", laxityMs: 770, reward: 180 });
    expect(minimumBandwidth(waiting({ slo: deadline(1000) }), 30)).toBeCloseTo(20 / 970);
    expect(bid(waiting({ slo: deadline(180) }))).toMatchObject({ standing: "in-time", reward: 180 * 0.75 });
    expect(bid(waiting({ slo: deadline(105) }))).toMatchObject({ standing: "in-time", reward: 180 * 0.5 * 0.5 });
    expect(bid(waiting({ slo: deadline(70) }))).toMatchObject({ standing: "late", reward: 0 });
    expect(bid(waiting({ slo: deadline(125), upperTokens: 10 }))).toMatchObject({ standing: "late" });
  });

  test("of a stage: urgent by its share of the time, late only by the whole", () => {
    const slo: Slo = { class: "compound", deadlineMs: 1000, onMiss: "finish" };
    const stage = (deadlineMs: number): Bid =>
      bid(waiting({ slo, task: { id: "t", stage: 1, deadlineMs }, attainedTokens: 100 }));
    expect(stage(500)).toMatchObject({ standing: "in-time", laxityMs: 270 });
    expect(stage(-20)).toMatchObject({ standing: "in-time", laxityMs: 0 });
    // A hundred tokens of the task, a tenth of them answers as here, are lost with it.
    expect(stage(500).taskReward).toBeCloseTo((100 * 180) / 110);
  });

  test("of a pace: first token by its target; behind the line, what can still be caught up", () => {
    const slo: Slo = { class: "latency", ttftMs: 100, tpotMs: 30, onMiss: "finish" };
    expect(bid(waiting({ slo }))).toMatchObject({ standing: "in-time", laxityMs: 60, reward: 180 });
    // 60 ms late and 20 ms a token faster than the line: three tokens are lost.
    expect(bid(waiting({ slo }), 120)).toMatchObject({ standing: "late", laxityMs: -60, reward: 8 * 7 });
    const begun = { slo, pendingTokens: 1, generatedTokens: 2, expectedTokens: 12, firstTokenMs: 50 };
    expect(bid(waiting(begun), 120)).toMatchObject({ standing: "in-time", laxityMs: 40, reward: 80 });
    expect(bid(waiting({ ...begun, firstTokenMs: 150 }), 200)).toMatchObject({ standing: "late" });
    expect(bid(waiting(begun), 400)).toMatchObject({ standing: "late", reward: 0 });
  });

  test("of any view is finite in what is compared, and alone its demands can be met", () => {
    const property = fc.property(viewArbitrary, (seen) => {
      const known = serviceRates(seen);
      for (const s of [...seen.running, ...seen.waiting]) {
        const own = new Bid(s, false, seen.nowMs, known);
        expect(own.density).toBeGreaterThanOrEqual(0);
        expect(own.density).toBeLessThan(Infinity);
        expect(own.workMs).toBeGreaterThan(0);
        expect(Number.isNaN(own.laxityMs)).toBe(false);
        if (own.standing !== "in-time") continue;
        const demands = new DemandList();
        addDemands(own, 0, demands, seen.nowMs, known);
        demands.inOrder((_, leftMs, workMs) => {
          expect(leftMs).toBeGreaterThan(0);
          expect(workMs).toBeGreaterThanOrEqual(0);
        });
      }
    });
    fc.assert(property, { seed: 65, numRuns: 200 });
  });
});

describe("rates", () => {
  const limits = { maxRunning: 4, budgetTokens: 64, maxChunk: 64 };
  const cost = { stepMs: (tokens: number): number => 10 + tokens };

  test("with few prompts slots are scarce: a prompt token costs what it adds to a step", () => {
    const running = [0, 1, 2, 3].map((id) => decode(id, { expectedTokens: 103, maxTokens: 200 }));
    const rates = serviceRates(schedulerView({ running, limits, cost }));
    expect(rates).toMatchObject({ tokenMs: 14, answerTokenMs: 3.5, promptTokenMs: 1, fullStepMs: 74 });
    expect(promptMs(rates, 61)).toBe(2 * 74);
  });

  test("with long prompts the budget is: every token costs the same", () => {
    const waiting = [0, 1, 2, 3].map((id) => sequence(id, { pendingTokens: 4000, promptTokens: 4000 }));
    const rates = serviceRates(schedulerView({ waiting, limits, cost }));
    expect(rates.tokenMs).toBe(74);
    expect(rates.answerTokenMs).toBeCloseTo(74 / 64);
    expect(rates.promptTokenMs).toBe(rates.answerTokenMs);
  });

  test("without measurements there is something to reckon with", () => {
    const rates = serviceRates(schedulerView({ waiting: [sequence(0)], limits, cost: { stepMs: () => 0 } }));
    expect(rates).toMatchObject({ tokenMs: 20, fullStepMs: 20, answerTokenMs: 20, promptTokenMs: 0 });
  });
});

describe("the pace line", () => {
  const slo: Slo = { class: "latency", ttftMs: 100, tpotMs: 20, onMiss: "finish" };
  const early = decode(0, { arrivalMs: 0, slo, firstTokenMs: 60, generatedTokens: 3, maxTokens: 50 });

  test("begins at the promised first token, or where that came later", () => {
    expect(nextTokenDueMs(early)).toBe(160);
    expect(nextTokenDueMs({ ...early, firstTokenMs: 130 })).toBe(190);
    expect(nextTokenDueMs({ ...early, slo: { class: "best-effort", onMiss: "finish" } })).toBe(Infinity);
  });

  test("limits a step, never below a sixteenth for prompts nor above the budget", () => {
    const limits = { maxRunning: 4, budgetTokens: 64, maxChunk: 64 };
    const at = (nowMs: number, over: Partial<SchedulerView> = {}): number =>
      pacedBudgetTokens(schedulerView({ nowMs, running: [early], limits, cost: { stepMs: (t) => 5 + t }, ...over }));
    expect(at(100)).toBe(55);
    expect(at(155)).toBe(15);
    expect(at(155, { cost: { stepMs: (t) => 50 + t } })).toBe(5);
    expect(at(90)).toBe(64);
    expect(at(155, { running: [] })).toBe(64);
  });
});
