/**
 * What every scheduling policy must satisfy, run against random views and against whole random
 * workloads that a small pure driver carries out: pages with shared prefixes, arrivals over time, a
 * linear cost of steps.
 *
 *   policyConformance("fifo", fifo, { firstComeFirstServed: true });
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assert, FakeClock } from "../core/index.ts";
import { deadlineAtMs } from "./slo.ts";
import type { BatchPolicy, SchedulerLimits, SchedulerView, SequenceView, Slo, StepPlan } from "./types.ts";

export interface ConformanceOptions {
  /** First admissions happen in arrival order. */
  readonly firstComeFirstServed?: boolean;
  readonly seed?: number;
  readonly numRuns?: number;
}

/** One request of a driven workload. */
export interface DrivenRequest {
  readonly arrivalMs: number;
  readonly promptTokens: number;
  /** What it will generate if nothing stops it; also its maxTokens. */
  readonly outputTokens: number;
  readonly slo: Slo;
  /** Requests of one group share their first `sharedPages` full pages of prompt. */
  readonly group: number;
  readonly sharedPages: number;
}

export interface DriveOptions {
  readonly totalPages: number;
  readonly pageTokens: number;
  readonly limits: SchedulerLimits;
  readonly stepMs: (tokens: number) => number;
}

export type DrivenEnd = "done" | "expired" | "rejected" | "cut";

export interface Driven {
  readonly ends: readonly (DrivenEnd | null)[];
  readonly firstAdmissions: readonly number[];
  readonly steps: number;
  readonly preemptions: number;
  readonly tokens: number;
}

/** Checks one plan against the view it was made of. @throws AssertionError naming the broken rule. */
export function checkPlan(view: SchedulerView, plan: StepPlan): void {
  const waiting = new Map(view.waiting.map((s) => [s.id, s]));
  const running = new Map(view.running.map((s) => [s.id, s]));
  const gone = new Set([...plan.expire, ...plan.cut, ...plan.preempt, ...plan.reject.map((r) => r.id)]);
  assert(
    gone.size === plan.expire.length + plan.cut.length + plan.preempt.length + plan.reject.length,
    "a sequence leaves for one reason",
  );
  checkLeaving(view, plan, waiting, running);
  const admitted = new Set(plan.admit);
  assert(admitted.size === plan.admit.length, "a sequence is admitted once");
  for (const id of admitted) assert(waiting.has(id) && !gone.has(id), "only waiting sequences are admitted");

  let budget = view.limits.budgetTokens;
  let free = view.freePages;
  for (const id of [...plan.preempt, ...plan.cut]) {
    const sequence = running.get(id);
    free += sequence === undefined ? 0 : (sequence.ownPages ?? sequence.pages);
  }
  const cachedPages = (id: number): number => view.cachedTokens(id) / view.pageTokens;
  for (const id of admitted) free -= view.cachedFreePages?.(id) ?? cachedPages(id);
  const seen = new Set<number>();
  for (const { id, tokens } of plan.advance) {
    assert(!seen.has(id), "a sequence advances once");
    seen.add(id);
    const sequence = running.get(id) ?? (admitted.has(id) ? waiting.get(id) : undefined);
    assert(sequence !== undefined && !gone.has(id), "only running or admitted sequences advance");
    const cached = admitted.has(id) ? view.cachedTokens(id) : 0;
    assert(Number.isInteger(tokens) && tokens >= 1, "an advance is a positive number of tokens");
    assert(tokens <= sequence.pendingTokens - cached, "an advance stays within the pending tokens");
    assert(tokens <= view.limits.maxChunk, "an advance stays within the chunk limit");
    budget -= tokens;
    const before = admitted.has(id) ? cached / view.pageTokens : sequence.pages;
    const after = Math.ceil((sequence.computedTokens + cached + tokens) / view.pageTokens);
    free -= Math.max(0, after - before);
  }
  assert(budget >= 0, "a step stays within the token budget");
  assert(free >= 0, "a step stays within the free pages");
  const stay = view.running.filter((s) => !gone.has(s.id)).length;
  assert(
    plan.admit.length === 0 || stay + plan.admit.length <= view.limits.maxRunning,
    "running sequences are limited",
  );
  for (const sequence of view.running) {
    if (sequence.pendingTokens !== 1 || gone.has(sequence.id)) continue;
    assert(seen.has(sequence.id) || budget === 0, "a running decode advances unless the budget is spent");
  }
}

function checkLeaving(
  view: SchedulerView,
  plan: StepPlan,
  waiting: ReadonlyMap<number, SequenceView>,
  running: ReadonlyMap<number, SequenceView>,
): void {
  for (const id of plan.preempt) assert(running.has(id), "only running sequences are preempted");
  for (const id of plan.expire) {
    const sequence = waiting.get(id);
    assert(sequence?.generatedTokens === 0, "only sequences without output expire");
    assert(view.nowMs >= deadlineAtMs(sequence), "nothing expires before its deadline");
  }
  for (const { id, reason } of plan.reject) {
    const sequence = waiting.get(id);
    assert(sequence?.generatedTokens === 0, "only sequences without output are rejected");
    assert(sequence.slo.onMiss === "reject", "only those who asked for it are rejected");
    assert(reason.length > 0, "a rejection says why");
  }
  const stepMs = view.cost?.stepMs(Math.max(1, view.running.length)) ?? 0;
  for (const id of plan.cut) {
    const sequence = waiting.get(id) ?? running.get(id);
    assert(sequence?.slo.onMiss === "cut", "only those who asked for it are cut");
    assert(view.nowMs + stepMs >= deadlineAtMs(sequence), "nothing is cut more than a step before its deadline");
  }
}

interface DrivenState {
  readonly id: number;
  readonly request: DrivenRequest;
  generated: number;
  computed: number;
  pages: number;
  /** Of `pages`, those taken from the group's shared prefix. */
  borrowed: number;
  firstTokenMs: number | null;
  where: "future" | "waiting" | "running" | "ended";
  end: DrivenEnd | null;
  admitted: boolean;
}

/** Carries a policy's plans out on counted pages, checking every plan. Ends when every request has. */
export class Drive {
  readonly #policy: BatchPolicy;
  readonly #options: DriveOptions;
  readonly #clock = new FakeClock();
  readonly #states: DrivenState[];
  /** Computed pages of each group's shared prefix; what nobody holds counts as free. */
  readonly #groups = new Map<number, number>();
  readonly #firstAdmissions: number[] = [];
  #steps = 0;
  #preemptions = 0;
  #tokens = 0;

  constructor(policy: BatchPolicy, requests: readonly DrivenRequest[], options: DriveOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#states = requests.map((request, id) => ({
      id,
      request,
      generated: 0,
      computed: 0,
      pages: 0,
      borrowed: 0,
      firstTokenMs: null,
      where: "future",
      end: null,
      admitted: false,
    }));
  }

  run(maxSteps: number): Driven {
    while (this.#states.some((s) => s.where !== "ended")) {
      assert(this.#steps < maxSteps, `the workload ends within ${maxSteps} steps`);
      this.#arrive();
      const view = this.view();
      const plan = this.#policy.plan(view);
      checkPlan(view, plan);
      this.#carryOut(plan);
      this.#steps += 1;
    }
    return {
      ends: this.#states.map((s) => s.end),
      firstAdmissions: this.#firstAdmissions,
      steps: this.#steps,
      preemptions: this.#preemptions,
      tokens: this.#tokens,
    };
  }

  view(): SchedulerView {
    const { totalPages, pageTokens, limits, stepMs } = this.#options;
    const views = (where: DrivenState["where"]): SequenceView[] =>
      this.#states.filter((s) => s.where === where).map((s) => this.#viewOf(s));
    return {
      nowMs: this.#clock.nowMs(),
      waiting: views("waiting"),
      running: views("running"),
      freePages: totalPages - this.#usedPages(),
      pageTokens,
      totalPages,
      limits,
      cachedTokens: (id) => this.#cachedPages(this.#states[id]!) * pageTokens,
      cachedFreePages: (id) => {
        const state = this.#states[id]!;
        return Math.max(0, this.#cachedPages(state) - this.#held(state.request.group, state));
      },
      cost: { stepMs },
    };
  }

  #viewOf(s: DrivenState): SequenceView {
    const shared = Math.min(s.borrowed, this.#held(s.request.group, s));
    return {
      id: s.id,
      arrivalMs: s.request.arrivalMs,
      promptTokens: s.request.promptTokens,
      computedTokens: s.computed,
      pendingTokens: s.request.promptTokens + s.generated - s.computed,
      generatedTokens: s.generated,
      maxTokens: s.request.outputTokens,
      firstTokenMs: s.firstTokenMs,
      slo: s.request.slo,
      pages: s.pages,
      ownPages: s.pages - shared,
      order: s.id,
    };
  }

  /** The last token is always computed, as in the page manager. */
  #cachedPages(s: DrivenState): number {
    const pages = this.#groups.get(s.request.group) ?? 0;
    const usable = Math.floor((s.request.promptTokens + s.generated - 1) / this.#options.pageTokens);
    return Math.min(pages, s.request.sharedPages, usable);
  }

  #usedPages(): number {
    let used = 0;
    for (const s of this.#states) if (s.where === "running") used += s.pages - s.borrowed;
    for (const group of this.#groups.keys()) used += this.#held(group, null);
    return used;
  }

  /** Pages of a group's prefix that running sequences other than `except` hold. */
  #held(group: number, except: DrivenState | null): number {
    const holders = this.#states.filter((s) => s.where === "running" && s.request.group === group && s !== except);
    return Math.max(0, ...holders.map((s) => s.borrowed));
  }

  #arrive(): void {
    const live = this.#states.some((s) => s.where === "waiting" || s.where === "running");
    const next = this.#states.find((s) => s.where === "future");
    if (!live && next !== undefined) this.#clock.advance(Math.max(0, next.request.arrivalMs - this.#clock.nowMs()));
    for (const s of this.#states) {
      if (s.where === "future" && s.request.arrivalMs <= this.#clock.nowMs()) s.where = "waiting";
    }
  }

  #carryOut(plan: StepPlan): void {
    for (const id of plan.expire) this.#end(this.#states[id]!, "expired");
    for (const { id } of plan.reject) this.#end(this.#states[id]!, "rejected");
    for (const id of plan.cut) this.#end(this.#states[id]!, "cut");
    for (const id of plan.preempt) {
      this.#release(this.#states[id]!);
      this.#states[id]!.where = "waiting";
      this.#preemptions += 1;
    }
    for (const id of plan.admit) this.#admit(this.#states[id]!);
    let tokens = 0;
    for (const advance of plan.advance) {
      const s = this.#states[advance.id]!;
      s.computed += advance.tokens;
      s.pages = Math.max(s.pages, Math.ceil(s.computed / this.#options.pageTokens));
      tokens += advance.tokens;
    }
    assert(this.#usedPages() <= this.#options.totalPages, "used pages exist");
    const left = plan.expire.length + plan.reject.length + plan.cut.length;
    assert(tokens + left + plan.preempt.length > 0, "a step with work does something");
    this.#clock.advance(this.#options.stepMs(tokens));
    this.#tokens += tokens;
    for (const { id } of plan.advance) this.#sample(this.#states[id]!);
  }

  #admit(s: DrivenState): void {
    const pages = this.#cachedPages(s);
    s.borrowed = pages;
    s.pages = pages;
    s.computed = pages * this.#options.pageTokens;
    s.where = "running";
    if (!s.admitted) this.#firstAdmissions.push(s.id);
    s.admitted = true;
  }

  #sample(s: DrivenState): void {
    if (s.computed < s.request.promptTokens + s.generated) return;
    s.generated += 1;
    s.firstTokenMs ??= this.#clock.nowMs();
    if (s.generated >= s.request.outputTokens) this.#end(s, "done");
  }

  #end(s: DrivenState, end: DrivenEnd): void {
    this.#release(s);
    s.where = "ended";
    s.end = end;
  }

  /** Gives the pages back; a computed shared prefix becomes the group's, if it has none. */
  #release(s: DrivenState): void {
    const { group, sharedPages } = s.request;
    const complete = Math.floor(s.computed / this.#options.pageTokens) >= sharedPages && sharedPages > 0;
    if (complete && !this.#groups.has(group)) this.#groups.set(group, sharedPages);
    s.pages = 0;
    s.borrowed = 0;
    s.computed = 0;
  }
}

const sloArbitrary: fc.Arbitrary<Slo> = fc.oneof(
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

const optionsArbitrary: fc.Arbitrary<DriveOptions> = fc
  .record({
    maxRunning: fc.integer({ min: 1, max: 6 }),
    extraBudget: fc.integer({ min: 0, max: 40 }),
    maxChunk: fc.integer({ min: 1, max: 40 }),
    pageTokens: fc.constantFrom(1, 4, 16),
    totalPages: fc.integer({ min: 4, max: 40 }),
    baseMs: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ maxRunning, extraBudget, maxChunk, pageTokens, totalPages, baseMs }) => ({
    totalPages,
    pageTokens,
    limits: { maxRunning, budgetTokens: maxRunning + extraBudget, maxChunk },
    stepMs: (tokens: number) => baseMs + tokens * 0.1,
  }));

/** Requests that fit alone, as the runtime guarantees. */
function requestsArbitrary(options: DriveOptions): fc.Arbitrary<DrivenRequest[]> {
  const capacity = options.totalPages * options.pageTokens;
  const request = fc
    .record({
      gapMs: fc.integer({ min: 0, max: 60 }),
      promptTokens: fc.integer({ min: 1, max: Math.max(1, Math.min(120, capacity - 1)) }),
      outputTokens: fc.integer({ min: 1, max: 30 }),
      slo: sloArbitrary,
      group: fc.integer({ min: 0, max: 2 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ promptTokens, outputTokens, share, ...rest }) => ({
      ...rest,
      promptTokens,
      outputTokens: Math.min(outputTokens, capacity - promptTokens + 1),
      sharedPages: Math.floor((promptTokens * share) / options.pageTokens),
    }));
  return fc.array(request, { minLength: 1, maxLength: 14 }).map((list) => {
    let arrivalMs = 0;
    return list.map(({ gapMs, ...rest }) => ({ ...rest, arrivalMs: (arrivalMs += gapMs) }));
  });
}

/** Any consistent view, reachable or not. */
const viewArbitrary: fc.Arbitrary<SchedulerView> = optionsArbitrary.chain((options) => {
  const { pageTokens, limits } = options;
  const base = fc.record({
    arrivalMs: fc.integer({ min: 0, max: 1000 }),
    promptTokens: fc.integer({ min: 1, max: 100 }),
    generated: fc.integer({ min: 0, max: 20 }),
    computedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    slo: sloArbitrary,
    ownShare: fc.double({ min: 0, max: 1, noNaN: true }),
    cachedShare: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  type Base = typeof base extends fc.Arbitrary<infer T> ? T : never;
  const build = (b: Base, id: number, running: boolean): SequenceView => {
    const known = b.promptTokens + b.generated;
    const computed = running ? (b.generated > 0 ? known - 1 : Math.floor((known - 1) * b.computedShare)) : 0;
    const pages = Math.ceil(computed / pageTokens);
    return {
      id,
      arrivalMs: b.arrivalMs,
      promptTokens: b.promptTokens,
      computedTokens: computed,
      pendingTokens: known - computed,
      generatedTokens: b.generated,
      maxTokens: b.generated + 10,
      firstTokenMs: b.generated > 0 ? b.arrivalMs + 5 : null,
      slo: b.slo,
      pages,
      ownPages: Math.floor(pages * b.ownShare),
      order: id,
    };
  };
  return fc
    .record({
      running: fc.array(base, { maxLength: limits.maxRunning }),
      waiting: fc.array(base, { maxLength: 6 }),
      freePages: fc.integer({ min: 0, max: 30 }),
      nowMs: fc.integer({ min: 1000, max: 2500 }),
    })
    .map(({ running, waiting, freePages, nowMs }) => {
      const cached = waiting.map(
        (b) => Math.floor(((b.promptTokens + b.generated - 1) * b.cachedShare) / pageTokens) * pageTokens,
      );
      const at = (id: number): number => Math.min(cached[id - running.length] ?? 0, freePages * pageTokens);
      return {
        nowMs,
        running: running.map((b, i) => build(b, i, true)),
        waiting: waiting.map((b, i) => build(b, running.length + i, false)),
        freePages,
        pageTokens,
        totalPages: 1000,
        limits,
        cachedTokens: at,
        cost: { stepMs: options.stepMs },
      };
    });
});

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}

/** Declares the suite for one policy. */
export function policyConformance(
  name: string,
  create: () => BatchPolicy,
  { firstComeFirstServed = false, seed = 20_260, numRuns = 300 }: ConformanceOptions = {},
): void {
  describe(`policy ${name}`, () => {
    test("makes a lawful plan of any view, and the same one again", () => {
      const property = fc.property(viewArbitrary, (view) => {
        freeze(view);
        const plan = create().plan(view);
        checkPlan(view, plan);
        expect(create().plan(view)).toEqual(plan);
      });
      fc.assert(property, { seed, numRuns });
    });

    test("carries every workload to its end within its pages and budget", () => {
      const scenario = optionsArbitrary.chain((options) => fc.tuple(fc.constant(options), requestsArbitrary(options)));
      const property = fc.property(scenario, ([options, requests]) => {
        const driven = new Drive(create(), requests, options).run(20_000);
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
  });
}
