import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { createRandom, median } from "../../core/index.ts";
import { Drive, type DrivenRequest, type DriveOptions } from "../drive.conformance.ts";
import { edf } from "../edf.ts";
import { fifo } from "../fifo.ts";
import { policyConformance } from "../policy.conformance.ts";
import { shortestPredicted } from "../shortest-predicted.ts";
import type { BatchPolicy, SchedulerView, SequenceView, Slo } from "../types.ts";
import { optionsArbitrary, requestsArbitrary } from "../views.conformance.ts";
import { Bid } from "./bid.ts";
import { jitserve } from "./jitserve.ts";
import { serviceRates } from "./rates.ts";

policyConformance("jitserve", jitserve, { impatient: () => jitserve({ agingMs: 100 }), numRuns: 120 });

const BEST: Slo = { class: "best-effort", onMiss: "finish" };

function sequence(id: number, over: Partial<SequenceView> = {}): SequenceView {
  return {
    id,
    arrivalMs: 0,
    promptTokens: 10,
    computedTokens: 0,
    pendingTokens: over.promptTokens ?? 10,
    generatedTokens: 0,
    maxTokens: 100,
    expectedTokens: 20,
    upperTokens: 20,
    firstTokenMs: null,
    slo: BEST,
    pages: 0,
    order: id,
    ...over,
  };
}

const decode = (id: number, over: Partial<SequenceView> = {}): SequenceView =>
  sequence(id, { computedTokens: 12, pendingTokens: 1, generatedTokens: 3, pages: 3, firstTokenMs: 1, ...over });

const deadline = (deadlineMs: number, onMiss: Slo["onMiss"] = "finish"): Slo => ({
  class: "deadline",
  deadlineMs,
  onMiss,
});
const latency = (ttftMs: number, tpotMs: number): Slo => ({ class: "latency", ttftMs, tpotMs, onMiss: "finish" });

function view(over: Partial<SchedulerView>): SchedulerView {
  return {
    nowMs: 100,
    waiting: [],
    running: [],
    freePages: 1000,
    pageTokens: 4,
    totalPages: 1000,
    limits: { maxRunning: 1, budgetTokens: 64, maxChunk: 64 },
    cachedTokens: () => 0,
    cost: { stepMs: (tokens) => 5 + 0.1 * tokens },
    ...over,
  };
}

describe("who is served first", () => {
  test("with time for both, the more urgent; without, the one that earns more for its work", () => {
    const urgent = sequence(1, { slo: deadline(480), expectedTokens: 60, upperTokens: 60 });
    const patient = sequence(2, { slo: deadline(3000), promptTokens: 200, expectedTokens: 20, upperTokens: 20 });
    expect(jitserve().plan(view({ waiting: [urgent, patient] })).admit).toEqual([1]);
    // The prompt costs little, so its reward makes this one denser; both would take 430 of the 400 ms left.
    const dense = sequence(3, { slo: deadline(500), promptTokens: 200, expectedTokens: 20, upperTokens: 20 });
    expect(jitserve().plan(view({ waiting: [urgent, dense] })).admit).toEqual([3]);
  });

  test("nobody late before anybody in time, nor those without objective", () => {
    const late = sequence(1, { slo: deadline(110) });
    const best = sequence(2);
    const inTime = sequence(3, { slo: deadline(5000) });
    expect(jitserve().plan(view({ waiting: [late, best, inTime] })).admit).toEqual([3]);
    const property = fc.property(
      optionsArbitrary.chain((options) => fc.tuple(fc.constant(options), requestsArbitrary(options))),
      ([options, requests]) => {
        const alone = requests.filter(({ task }) => task === undefined);
        new Drive(jitserve({ agingMs: 1e9 }), alone, options).run(20_000, checkLateLast);
      },
    );
    fc.assert(property, { seed: 51, numRuns: 100 });
  });

  function checkLateLast(seen: SchedulerView, plan: ReturnType<BatchPolicy["plan"]>): void {
    const rates = serviceRates(seen);
    const standing = (s: SequenceView): string => new Bid(s, false, seen.nowMs, rates).standing;
    const gone = new Set([...plan.admit, ...plan.expire, ...plan.cut, ...plan.reject.map(({ id }) => id)]);
    const passedOver = seen.waiting.some((s) => !gone.has(s.id) && standing(s) === "in-time");
    const late = seen.waiting.filter((s) => plan.admit.includes(s.id) && standing(s) === "late");
    if (passedOver) expect(late).toEqual([]);
  }

  test("an urgent request takes the slot of one without an objective, not of one in time", () => {
    const urgent = sequence(5, { slo: latency(30, 50), arrivalMs: 95 });
    const swapped = jitserve().plan(view({ running: [decode(0)], waiting: [urgent] }));
    expect(swapped.preempt).toEqual([0]);
    expect(swapped.admit).toEqual([5]);
    const kept = jitserve().plan(view({ running: [decode(0, { slo: deadline(5000) })], waiting: [urgent] }));
    expect(kept.preempt).toEqual([]);
    expect(kept.admit).toEqual([]);
  });

  test("who has waited too long comes first, one at a time, and keeps the slot", () => {
    const policy = jitserve({ agingMs: 50 });
    const old = [sequence(1), sequence(2)];
    const urgent = sequence(3, { slo: latency(30, 50), arrivalMs: 95 });
    const limits = { maxRunning: 2, budgetTokens: 64, maxChunk: 64 };
    expect(policy.plan(view({ waiting: [...old, urgent], limits })).admit).toEqual([1, 3]);
    const full = policy.plan(view({ running: [decode(0)], waiting: [...old, urgent] }));
    expect(full.preempt).toEqual([]);
  });

  test("refuses early what nothing can save", () => {
    const running = [decode(0, { slo: deadline(5000), expectedTokens: 90, upperTokens: 90 })];
    const hopeless = sequence(1, { slo: deadline(200, "reject"), arrivalMs: 90 });
    const [refused] = jitserve().plan(view({ running, waiting: [hopeless] })).reject;
    expect(refused?.id).toBe(1);
    const patient = sequence(1, { slo: deadline(2000, "reject"), arrivalMs: 90 });
    expect(jitserve().plan(view({ running, waiting: [patient] })).reject).toEqual([]);
  });

  test("siblings of a task are served together, and fall late together", () => {
    const slo: Slo = { class: "compound", deadlineMs: 4000, onMiss: "finish" };
    const limits = { maxRunning: 2, budgetTokens: 64, maxChunk: 64 };
    const task = { id: "t", stage: 1 };
    const siblings = [
      sequence(1, { slo, task, attainedTokens: 300 }),
      sequence(2, { slo, task, attainedTokens: 300, expectedTokens: 50, upperTokens: 50 }),
    ];
    const alone = sequence(0, { slo: deadline(4000), expectedTokens: 40, upperTokens: 40 });
    const together = jitserve().plan(view({ waiting: [alone, ...siblings], limits }));
    expect(new Set(together.admit)).toEqual(new Set([1, 2]));
    const hopeless = sequence(2, { slo, task, expectedTokens: 90, upperTokens: 90, arrivalMs: -3600 });
    const plan = jitserve().plan(view({ waiting: [alone, siblings[0]!, hopeless], limits }));
    expect(plan.admit[0]).toBe(0);
  });
});

test("steps are as long as the tightest pace allows, and longer while it is ahead of its line", () => {
  const running = [decode(0, { slo: latency(50, 8), firstTokenMs: 90, generatedTokens: 3 })];
  const waiting = [sequence(1, { slo: deadline(5000), promptTokens: 200, pendingTokens: 200 })];
  const limits = { maxRunning: 4, budgetTokens: 64, maxChunk: 64 };
  const tokens = (nowMs: number): number =>
    jitserve()
      .plan(view({ running, waiting, limits, nowMs }))
      .advance.reduce((sum, a) => sum + a.tokens, 0);
  expect(tokens(108)).toBe(30); // due at 90 + 3 * 8 = 114, but never less than one pace: 8 ms
  expect(tokens(104)).toBe(50); // 10 ms
  expect(tokens(95)).toBe(64);
});

describe("against the best that can be done", () => {
  const STEP_MS = 10;

  interface Instance {
    readonly slots: number;
    readonly requests: readonly DrivenRequest[];
  }

  /** Everybody arrives at once; a step always lasts the same, so a request is so many steps in a slot. */
  function instance(seed: number): Instance {
    const random = createRandom(seed, "small");
    const slots = random.int(1, 2);
    const count = random.int(3, 8);
    const requests = Array.from({ length: count }, () => {
      const outputTokens = random.int(1, 12);
      const deadlineMs = STEP_MS * (outputTokens + random.int(0, Math.ceil((6 * count) / slots)));
      return {
        arrivalMs: 0,
        promptTokens: random.int(1, 12),
        outputTokens,
        expectedTokens: outputTokens,
        upperTokens: outputTokens,
        slo: deadline(deadlineMs),
        group: 0,
        sharedPages: 0,
      };
    });
    return { slots, requests };
  }

  function served({ slots, requests }: Instance, policy: BatchPolicy): { tokens: number; count: number } {
    const options: DriveOptions = {
      totalPages: 1000,
      pageTokens: 4,
      limits: { maxRunning: slots, budgetTokens: 100, maxChunk: 100 },
      stepMs: () => STEP_MS,
    };
    const { ends, endsMs } = new Drive(policy, requests, options).run(2000);
    const good = requests.filter(({ slo }, i) => ends[i] === "done" && endsMs[i]! <= slo.deadlineMs!);
    return { tokens: good.reduce((sum, { outputTokens }) => sum + outputTokens, 0), count: good.length };
  }

  /** The most tokens in time over all orders of all choices. */
  function optimum({ slots, requests }: Instance, worth: (r: DrivenRequest) => number): number {
    let best = 0;
    const visit = (left: readonly DrivenRequest[], freeMs: readonly number[], earned: number): void => {
      best = Math.max(best, earned);
      if (earned + left.reduce((sum, r) => sum + worth(r), 0) <= best) return;
      const [startMs, ...others] = freeMs.toSorted((a, b) => a - b);
      for (const [i, request] of left.entries()) {
        const endMs = startMs! + request.outputTokens * STEP_MS;
        if (endMs > request.slo.deadlineMs!) continue;
        visit(left.toSpliced(i, 1), [...others, endMs], earned + worth(request));
      }
    };
    visit(
      requests,
      Array.from({ length: slots }, () => 0),
      0,
    );
    return best;
  }

  const instances = Array.from({ length: 60 }, (_, seed) => instance(seed));

  function ratios(create: () => BatchPolicy): number[] {
    return instances.map((small) => {
      const most = optimum(small, ({ outputTokens }) => outputTokens);
      return most === 0 ? 1 : served(small, create()).tokens / most;
    });
  }

  test("serves most of the tokens that the best order of all could, more than its rivals", () => {
    const own = ratios(jitserve);
    const rivals = [fifo, edf, shortestPredicted].map((create) => ratios(create));
    const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
    const line = [own, ...rivals].map((r) => `min ${Math.min(...r).toFixed(2)} median ${median(r).toFixed(2)}`);
    process.stdout.write(
      `tokens in time over the optimum: jitserve ${line[0]}; fifo, edf, shortest: ${line.slice(1).join(", ")}\n`,
    );
    expect(median(own)).toBeGreaterThan(0.9);
    expect(Math.min(...own)).toBeGreaterThan(0.4);
    for (const rival of rivals) expect(mean(own)).toBeGreaterThan(mean(rival));
  });
});

test("planning sorts as often for a thousand requests as for a hundred", () => {
  const crowd = (count: number): SchedulerView => {
    const random = createRandom(count, "crowd");
    const kinds = [latency(3000, 100), deadline(20_000), BEST, deadline(300)];
    const waiting = Array.from({ length: count }, (_, id) =>
      sequence(id, { slo: random.pick(kinds), expectedTokens: random.int(5, 90), arrivalMs: random.int(0, 100) }),
    );
    return view({
      waiting,
      running: [decode(count), decode(count + 1)],
      limits: { maxRunning: 8, budgetTokens: 64, maxChunk: 64 },
    });
  };
  const sorts = (count: number): number => {
    const spies = [
      vi.spyOn(Array.prototype, "sort"),
      vi.spyOn(Array.prototype, "toSorted"),
      vi.spyOn(Float64Array.prototype, "sort"),
    ];
    jitserve().plan(crowd(count));
    const calls = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    for (const spy of spies) spy.mockRestore();
    return calls;
  };
  expect(sorts(1000)).toBe(sorts(100));
  expect(sorts(1000)).toBeLessThanOrEqual(9);
});
