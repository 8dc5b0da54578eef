/** Made-up sequences, views and workloads for tests of policies: single ones by hand, random ones by fast-check. */
import * as fc from "fast-check";
import type { DrivenRequest, DriveOptions } from "./drive.conformance.ts";
import type { SchedulerView, SequenceView, Slo, TaskStage } from "./types.ts";

/** The objective of who wants none. */
const BEST: Slo = { class: "best-effort", onMiss: "finish" };

/** A waiting sequence of 10 prompt tokens that arrived at 0. */
export function sequence(id: number, over: Partial<SequenceView> = {}): SequenceView {
  return {
    id,
    arrivalMs: 0,
    promptTokens: 10,
    computedTokens: 0,
    pendingTokens: 10,
    generatedTokens: 0,
    maxTokens: 16,
    firstTokenMs: null,
    slo: BEST,
    pages: 0,
    order: id,
    ...over,
  };
}

/** A running sequence after its third token, with room for four more in its pages. */
export function decode(id: number, over: Partial<SequenceView> = {}): SequenceView {
  const tokens = { computedTokens: 12, pendingTokens: 1, generatedTokens: 3 };
  return sequence(id, { ...tokens, pages: 4, firstTokenMs: 1, ...over });
}

/** 100 ms after the start, with 100 free pages of 4 tokens, 16 tokens a step and 8 a chunk. */
export function schedulerView(over: Partial<SchedulerView>): SchedulerView {
  return {
    nowMs: 100,
    waiting: [],
    running: [],
    freePages: 100,
    pageTokens: 4,
    totalPages: 100,
    limits: { maxRunning: 8, budgetTokens: 16, maxChunk: 8 },
    cachedTokens: () => 0,
    ...over,
  };
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

/** Beside a true length: nothing, or guesses of any quality. */
const guessArbitrary = fc.record({
  expectedTokens: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  upperTokens: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
});

const taskArbitrary: fc.Arbitrary<TaskStage | undefined> = fc.option(
  fc.record({
    id: fc.constantFrom("a", "b"),
    stage: fc.integer({ min: 0, max: 3 }),
    deadlineMs: fc.option(fc.integer({ min: -50, max: 500 }), { nil: undefined }),
  }),
  { nil: undefined },
);

/** What a request offers of guesses, and how many of them are right; mostly nothing. */
const draftsArbitrary: fc.Arbitrary<DrivenRequest["drafts"]> = fc.option(
  fc.record({ tokens: fc.integer({ min: 1, max: 8 }), right: fc.integer({ min: 0, max: 8 }) }),
  { nil: undefined },
);

export const optionsArbitrary: fc.Arbitrary<DriveOptions> = fc
  .record({
    maxRunning: fc.integer({ min: 1, max: 6 }),
    extraBudget: fc.integer({ min: 0, max: 40 }),
    maxChunk: fc.integer({ min: 1, max: 40 }),
    extraStep: fc.integer({ min: 0, max: 150 }),
    extraPrompt: fc.option(fc.integer({ min: 0, max: 80 }), { nil: undefined }),
    kneeTokens: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    pageTokens: fc.constantFrom(1, 4, 16),
    totalPages: fc.integer({ min: 4, max: 40 }),
    baseMs: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ maxRunning, extraBudget, maxChunk, extraStep, extraPrompt, kneeTokens, pageTokens, totalPages, baseMs }) => ({
    totalPages,
    pageTokens,
    limits: {
      maxRunning,
      budgetTokens: maxRunning + extraBudget,
      maxChunk,
      maxStepTokens: maxRunning + extraBudget + extraStep,
      ...(extraPrompt === undefined ? {} : { promptStepTokens: maxRunning + extraBudget + extraPrompt }),
      ...(kneeTokens === undefined ? {} : { kneeTokens }),
    },
    stepMs: (tokens: number) => baseMs + tokens * 0.1,
  }));

/** Requests that fit alone, as the runtime guarantees. */
export function requestsArbitrary(options: DriveOptions): fc.Arbitrary<DrivenRequest[]> {
  const capacity = options.totalPages * options.pageTokens;
  const request = fc
    .record({
      gapMs: fc.integer({ min: 0, max: 60 }),
      promptTokens: fc.integer({ min: 1, max: Math.max(1, Math.min(120, capacity - 1)) }),
      outputTokens: fc.integer({ min: 1, max: 30 }),
      slo: sloArbitrary,
      task: taskArbitrary,
      guess: guessArbitrary,
      group: fc.integer({ min: 0, max: 2 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      drafts: draftsArbitrary,
    })
    .map(({ promptTokens, outputTokens, share, guess, drafts, ...rest }) => ({
      ...rest,
      ...guess,
      ...(drafts === undefined ? {} : { drafts }),
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
export const viewArbitrary: fc.Arbitrary<SchedulerView> = optionsArbitrary.chain((options) => {
  const { pageTokens, limits } = options;
  const base = fc.record({
    arrivalMs: fc.integer({ min: 0, max: 1000 }),
    promptTokens: fc.integer({ min: 1, max: 100 }),
    generated: fc.integer({ min: 0, max: 20 }),
    computedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    slo: sloArbitrary,
    task: taskArbitrary,
    guess: guessArbitrary,
    attainedTokens: fc.option(fc.integer({ min: 0, max: 2000 }), { nil: undefined }),
    ownShare: fc.double({ min: 0, max: 1, noNaN: true }),
    cachedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    drafts: draftsArbitrary,
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
      ...(running && b.generated > 0 && b.drafts !== undefined ? { draftTokens: b.drafts.tokens } : {}),
      generatedTokens: b.generated,
      maxTokens: b.generated + 10,
      ...(b.guess.expectedTokens === undefined
        ? {}
        : { expectedTokens: b.generated + Math.min(10, b.guess.expectedTokens) }),
      ...(b.guess.upperTokens === undefined ? {} : { upperTokens: b.generated + Math.min(10, b.guess.upperTokens) }),
      ...(b.task === undefined ? {} : { task: b.task }),
      ...(b.attainedTokens === undefined ? {} : { attainedTokens: b.attainedTokens }),
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
