/** The virtual instance against the naive driver of the policy suite: the same views, plans, ends and times, step by step. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createPolicy, POLICY_NAMES, StepCost, type BatchPolicy, type Outlook, type Slo } from "../sched/index.ts";
import { Drive, type DrivenRequest, type DriveOptions } from "../sched/drive.conformance.ts";
import { VirtualInstance } from "./instance.ts";
import { CountedPages } from "./page-pool.ts";
import { snapshot } from "./sequence.ts";
import { SharedPages } from "./shared-pages.ts";
import type { SimEnd } from "./types.ts";

/** What the driver says of costs and lengths: the truth, and nothing. */
class KnownCost extends StepCost {
  readonly #stepMs: (tokens: number) => number;

  constructor(stepMs: (tokens: number) => number) {
    super();
    this.#stepMs = stepMs;
  }

  override stepMs(tokens: number): number {
    return this.#stepMs(tokens);
  }
}

const NO_OUTLOOK: Outlook = {
  arrived: () => undefined,
  computed: () => undefined,
  ended: () => undefined,
  of: () => ({}),
};

/** Notes every view and plan of a policy. */
function noted(policy: BatchPolicy, log: string[]): BatchPolicy {
  return {
    ...policy,
    plan: (view) => {
      const { nowMs, waiting, running, freePages } = view;
      const plan = policy.plan(view);
      log.push(
        JSON.stringify({ nowMs, waiting: waiting.map(snapshot), running: running.map(snapshot), freePages, plan }),
      );
      return plan;
    },
  };
}

interface Outcome {
  readonly ends: (SimEnd | null)[];
  readonly steps: number;
  readonly preemptions: number;
  readonly log: readonly string[];
}

/** Drives an instance as the driver drives itself. */
function simulate(
  policy: BatchPolicy,
  requests: readonly DrivenRequest[],
  options: DriveOptions,
  shared: boolean,
): Outcome {
  const { totalPages, pageTokens, limits, stepMs } = options;
  const ends: (SimEnd | null)[] = requests.map(() => null);
  const log: string[] = [];
  const instance = new VirtualInstance({
    policy: noted(policy, log),
    limits,
    pages: shared ? new SharedPages(totalPages, pageTokens) : new CountedPages(totalPages, pageTokens),
    cost: new KnownCost(stepMs),
    outlook: NO_OUTLOOK,
    listener: { ended: ({ id }, end) => (ends[id] = end) },
  });
  let nowMs = 0;
  let next = 0;
  while (ends.includes(null)) {
    expect(log.length).toBeLessThan(20_000);
    if (!instance.hasWork) nowMs += Math.max(0, requests[next]!.arrivalMs - nowMs);
    for (; next < requests.length && requests[next]!.arrivalMs <= nowMs; next++) {
      const { outputTokens, ...request } = requests[next]!;
      instance.submit({ ...request, id: next, outputTokens, maxTokens: outputTokens }, nowMs);
    }
    instance.begin(nowMs);
    nowMs += stepMs(instance.shape.tokens);
    instance.finish(nowMs, nowMs);
    instance.checkIntegrity();
  }
  return { ends, steps: instance.steps, preemptions: instance.preemptions, log };
}

const slo: fc.Arbitrary<Slo> = fc.oneof(
  fc.constant<Slo>({ class: "best-effort", onMiss: "finish" }),
  fc.record({
    class: fc.constant("deadline" as const),
    deadlineMs: fc.integer({ min: 1, max: 2000 }),
    onMiss: fc.constantFrom("finish" as const, "cut" as const, "reject" as const),
  }),
  fc.record({
    class: fc.constant("latency" as const),
    ttftMs: fc.integer({ min: 1, max: 500 }),
    tpotMs: fc.integer({ min: 1, max: 50 }),
    onMiss: fc.constantFrom("finish" as const, "reject" as const),
  }),
);

const scenario = fc
  .record({
    maxRunning: fc.integer({ min: 1, max: 6 }),
    extra: fc.integer({ min: 0, max: 40 }),
    maxChunk: fc.integer({ min: 1, max: 40 }),
    pageTokens: fc.constantFrom(1, 4, 16),
    totalPages: fc.integer({ min: 4, max: 40 }),
    baseMs: fc.integer({ min: 1, max: 5 }),
    drawn: fc.array(
      fc.record({
        gapMs: fc.integer({ min: 0, max: 60 }),
        prompt: fc.integer({ min: 1, max: 120 }),
        output: fc.integer({ min: 1, max: 30 }),
        slo,
      }),
      { minLength: 1, maxLength: 14 },
    ),
  })
  .map(({ maxRunning, extra, maxChunk, pageTokens, totalPages, baseMs, drawn }) => {
    const capacity = totalPages * pageTokens;
    const budgetTokens = maxRunning + extra;
    const options: DriveOptions = {
      totalPages,
      pageTokens,
      limits: { maxRunning, budgetTokens, maxChunk, maxStepTokens: budgetTokens },
      stepMs: (tokens) => baseMs + tokens * 0.1,
    };
    let arrivalMs = 0;
    const requests = drawn.map(({ gapMs, prompt, output, ...rest }): DrivenRequest => {
      const promptTokens = Math.min(prompt, Math.max(1, capacity - 1));
      const outputTokens = Math.min(output, capacity - promptTokens + 1);
      return { ...rest, arrivalMs: (arrivalMs += gapMs), promptTokens, outputTokens, group: 0, sharedPages: 0 };
    });
    return { options, requests };
  });

test.each(POLICY_NAMES)("under %s", (name) => {
  const property = fc.property(scenario, ({ options, requests }) => {
    const log: string[] = [];
    const decodesWait = name === "prefill-first";
    const driven = new Drive(noted(createPolicy(name), log), requests, options, decodesWait).run(20_000);
    const counted = simulate(createPolicy(name), requests, options, false);
    expect(counted.log).toEqual(log);
    expect(counted).toMatchObject({ ends: driven.ends, steps: driven.steps, preemptions: driven.preemptions });
  });
  fc.assert(property, { seed: 4_031, numRuns: 60 });
});

test("a prefix cache without anything shared still counts every page", () => {
  const property = fc.property(scenario, ({ options, requests }) => {
    const { ends } = simulate(createPolicy("fifo"), requests, options, true);
    expect(ends).not.toContain(null);
  });
  fc.assert(property, { seed: 4_032, numRuns: 60 });
});
