/**
 * What every scheduling policy must satisfy, run against random views and against whole random
 * workloads that a small pure driver carries out: pages with shared prefixes, arrivals over time, a
 * linear cost of steps, guesses of lengths that are wrong.
 *
 *   policyConformance("fifo", fifo, { firstComeFirstServed: true });
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPlan, Drive, type DrivenRequest, type DriveOptions, type PlanLaws } from "./drive.conformance.ts";
import type { BatchPolicy, SchedulerView, StepPlan } from "./types.ts";
import { optionsArbitrary, requestsArbitrary, viewArbitrary } from "./views.conformance.ts";

export interface ConformanceOptions {
  /** First admissions happen in arrival order. */
  readonly firstComeFirstServed?: boolean;
  /** Decodes stand still in a step that computes prompts; otherwise they never do. */
  readonly decodesWait?: boolean;
  /** The policy with ageing short enough for a test of starvation to see it; the policy itself when absent. */
  readonly impatient?: () => BatchPolicy;
  readonly seed?: number;
  readonly numRuns?: number;
}

/** Declares the suite for one policy. */
export function policyConformance(
  name: string,
  create: () => BatchPolicy,
  {
    firstComeFirstServed = false,
    decodesWait = false,
    impatient = create,
    seed = 20_260,
    numRuns = 200,
  }: ConformanceOptions = {},
): void {
  const drive = (policy: BatchPolicy, requests: readonly DrivenRequest[], options: DriveOptions): Drive =>
    new Drive(policy, requests, options, decodesWait);

  describe(`policy ${name}`, () => {
    test("has its name", () => {
      expect(create().name).toBe(name);
    });

    test("makes a lawful plan of any view, and the same one again", () => {
      const { chunked } = create();
      const laws: PlanLaws = { decodesWait, ...(chunked === undefined ? {} : { chunked }) };
      const property = fc.property(viewArbitrary, (view) => {
        freeze(view);
        const plan = create().plan(view);
        checkPlan(view, plan, laws);
        expect(create().plan(view)).toEqual(plan);
      });
      fc.assert(property, { seed, numRuns });
    });

    test("drafts take what is left over: budget and pages that nobody else has a use for", () => {
      const property = fc.property(viewArbitrary, (view) => {
        const plan = create().plan(view);
        expect(plan).toEqual(withDrafts(view, create().plan(withoutDrafts(view)), plan));
      });
      fc.assert(property, { seed, numRuns });
    });

    test("carries every workload to its end within its pages and budget", () => {
      const scenario = optionsArbitrary.chain((options) => fc.tuple(fc.constant(options), requestsArbitrary(options)));
      const property = fc.property(scenario, fc.constantFrom(create, impatient), ([options, requests], either) => {
        const driven = drive(either(), requests, options).run(20_000);
        for (const [id, end] of driven.ends.entries()) {
          const { slo } = requests[id]!;
          if (slo.deadlineMs === undefined && slo.onMiss === "finish") expect(end).toBe("done");
          if (end === "cut") expect(slo.onMiss).toBe("cut");
          if (end === "rejected") expect(slo.onMiss).toBe("reject");
          if (end === "expired") expect(slo.deadlineMs).toBeDefined();
        }
        if (firstComeFirstServed) {
          expect(driven.firstAdmissions).toEqual(driven.firstAdmissions.toSorted((a, b) => a - b));
        }
      });
      fc.assert(property, { seed, numRuns });
    });

    test("serves a long best-effort request while a flood of short and urgent ones goes on", () => {
      const flood = floodOf(250);
      const driven = drive(impatient(), flood.requests, flood.options).run(20_000);
      expect(driven.ends[flood.victim]).toBe("done");
      const lastArrivalMs = flood.requests.at(-1)!.arrivalMs;
      // The flood is more than the engine can serve: it works on it long after the last arrival.
      expect(Math.max(...driven.endsMs)).toBeGreaterThan(1.2 * lastArrivalMs);
      expect(driven.endsMs[flood.victim]).toBeLessThan(lastArrivalMs);
    });
  });
}

function withoutDrafts(view: SchedulerView): SchedulerView {
  const running = view.running.map((sequence) => ({ ...sequence, draftTokens: 0 }));
  return { ...view, running };
}

/**
 * The plan without drafts with as many as `drafted` has for each decode, after checking that they are lawful there: a
 * decode's own, and pages beyond what begun prompts still need. The budget is what every plan is checked for.
 */
function withDrafts(view: SchedulerView, plan: StepPlan, drafted: StepPlan): StepPlan {
  const pagesFor = (tokens: number): number => Math.ceil(tokens / view.pageTokens);
  const more = new Map(drafted.advance.map(({ id, tokens }) => [id, tokens]));
  const gone = new Set([...plan.preempt, ...plan.cut]);
  let free = view.freePages;
  let extra = 0;
  for (const s of view.running) if (gone.has(s.id)) free += s.ownPages ?? s.pages;
  for (const s of view.running) {
    if (gone.has(s.id)) continue;
    const planned = more.get(s.id) ?? 0;
    const end = s.computedTokens + Math.max(planned, s.pendingTokens > 1 ? s.pendingTokens : 0);
    free -= Math.max(0, pagesFor(end) - s.pages);
    if (s.pendingTokens === 1) extra += Math.max(0, pagesFor(end) - Math.max(s.pages, pagesFor(s.computedTokens + 1)));
  }
  for (const id of plan.admit) {
    const s = view.waiting.find((one) => one.id === id)!;
    free -= pagesFor(s.pendingTokens);
  }
  const advance = plan.advance.map((one) => ({ id: one.id, tokens: Math.max(one.tokens, more.get(one.id) ?? 0) }));
  if (extra > 0) expect(free).toBeGreaterThanOrEqual(0);
  return { ...plan, advance };
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
/** One long request without an objective, and behind it a stream of requests that any policy would rather serve. */
function floodOf(count: number): {
  readonly requests: readonly DrivenRequest[];
  readonly victim: number;
  readonly options: DriveOptions;
} {
  const favoured: Omit<DrivenRequest, "arrivalMs"> = {
    promptTokens: 8,
    outputTokens: 4,
    expectedTokens: 4,
    upperTokens: 4,
    slo: { class: "latency", ttftMs: 60, tpotMs: 20, onMiss: "finish" },
    group: 0,
    sharedPages: 0,
  };
  const head = Array.from({ length: 8 }, (_, i) => ({ ...favoured, arrivalMs: i }));
  const victim: DrivenRequest = {
    arrivalMs: 9,
    promptTokens: 24,
    outputTokens: 30,
    expectedTokens: 30,
    upperTokens: 30,
    slo: { class: "best-effort", onMiss: "finish" },
    group: 1,
    sharedPages: 0,
  };
  const rest = Array.from({ length: count }, (_, i) => ({ ...favoured, arrivalMs: 10 + i * 2.5 }));
  return {
    requests: [...head, victim, ...rest],
    victim: head.length,
    options: {
      totalPages: 24,
      pageTokens: 4,
      limits: { maxRunning: 3, budgetTokens: 12, maxChunk: 12, maxStepTokens: 64 },
      stepMs: (tokens) => 2 + 0.1 * tokens,
    },
  };
}
