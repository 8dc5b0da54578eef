import type { RequestTraceBody } from "@protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  draftAt,
  skippedBlocks,
  skippedStripes,
  gapsOf,
  nearestStem,
  timelineFacts,
  timelineOfPage,
  timelineOfTrace,
  timelineShape,
  verdictOf,
  type Timeline,
} from "./timeline.ts";

const TRACE: RequestTraceBody = {
  id: "r",
  model: "m",
  class: "latency",
  state: "finished",
  arrivalMs: 1000,
  endMs: 1100,
  targets: { ttftMs: 50, tpotMs: 10, deadlineMs: 200, onMiss: "finish" },
  promptTokens: 40,
  cachedTokens: 16,
  answerTokens: 5,
  maxTokens: 10,
  queue: { startMs: 1000, endMs: 1004 },
  chunks: [
    { startMs: 1004, durationMs: 10, tokens: 16 },
    { startMs: 1016, durationMs: 4, tokens: 8 },
  ],
  omittedChunks: 0,
  tokenMs: [1020, 1028, 1036, 1060, 1068],
  omittedTokens: 0,
  interruptions: [{ kind: "preempted", atMs: 1040, resumedMs: 1052 }],
  outcome: { attained: true, ttftMs: 20, tpotMs: 12, e2eMs: 68, slackMs: 30 },
};

const timeline = timelineOfTrace(TRACE);

describe("a timeline", () => {
  test("of a trace begins at its arrival", () => {
    expect(timeline).toMatchObject({
      source: "server",
      queueEndMs: 4,
      endMs: 100,
      tokenMs: [20, 28, 36, 60, 68],
      attained: true,
      slackMs: 30,
    });
    expect(timeline.interruptions).toEqual([{ kind: "preempted", fromMs: 40, toMs: 52 }]);
    expect(gapsOf(timeline.tokenMs)).toEqual([8, 8, 24, 8]);
  });

  test("tells drafts by what became of them, accepted and rejected, one by one and together", () => {
    expect([timeline.drafts, timeline.drafted]).toEqual([[], null]);
    const drafts = [
      { atMs: 1028, tokens: 4, accepted: 1 },
      { atMs: 1060, tokens: 3, accepted: 3 },
      { atMs: 1060.02, tokens: 2, accepted: 0 },
    ];
    const drafted = timelineOfTrace({ ...TRACE, drafts, omittedDrafts: 0 });
    expect(drafted.drafts[0]).toEqual({ atMs: 28, accepted: 1, rejected: 3 });
    expect(drafted.drafted).toEqual({ accepted: 4, rejected: 5 });
    const shape = timelineShape(drafted)!;
    expect(shape.drafts.map(({ accepted, rejected }) => [accepted, rejected])).toEqual([
      [1, 3],
      [3, 2],
    ]);
    for (const { at, up, down } of shape.drafts)
      for (const share of [at, up, down]) expect(share).toBeLessThanOrEqual(1);
    expect(Math.max(...shape.drafts.flatMap(({ up, down }) => [up, down]))).toBe(1);
    const stem = shape.stems.find(({ token }) => token === 2)!;
    expect(draftAt(shape.drafts, stem)).toBe(shape.drafts[0]);
    expect(
      draftAt(
        shape.drafts,
        shape.stems.find(({ token }) => token === 3)!,
      ),
    ).toBeNull();
  });

  test("shows the layers that were left out as stripes of the bar, neighbours as one", () => {
    expect(skippedStripes(timeline)).toEqual([]);
    const routed = timelineOfTrace({ ...TRACE, route: { layers: 8, skipped: [2, 3, 6] } });
    expect(skippedStripes(routed)).toEqual([
      { from: 2 / 8, height: 2 / 8 },
      { from: 6 / 8, height: 1 / 8 },
    ]);
    // Along the answer only: its prompt went through all of them.
    const shape = timelineShape(routed)!;
    const { from, to } = shape.spans.find(({ kind }) => kind === "decode")!;
    expect(shape.spans.some(({ kind }) => kind === "prefill")).toBe(true);
    expect(skippedBlocks(shape, routed)).toEqual([
      { from, to, top: 2 / 8, height: 2 / 8 },
      { from, to, top: 6 / 8, height: 1 / 8 },
    ]);
    expect(skippedBlocks(shape, timeline)).toEqual([]);
  });

  test("has its figures", () => {
    expect(timelineFacts(timeline)).toEqual({
      queueMs: 4,
      prefillMs: 14,
      firstTokenMs: 20,
      medianGapMs: 8,
      longestGapMs: 24,
      lateGaps: 1,
      totalMs: 100,
    });
  });

  test("lies between 0 and 1, deadline included", () => {
    const shape = timelineShape(timeline)!;
    expect(shape.lengthMs).toBeCloseTo(206);
    expect(shape.deadline).toBeCloseTo(200 / 206);
    expect(shape.ttftTarget).toBeCloseTo(50 / 206);
    expect(shape.firstToken).toBeCloseTo(20 / 206);
    expect(shape.spans.map(({ kind }) => kind)).toEqual(["queue", "prefill", "prefill", "decode", "preempted"]);
    expect(shape.stems.map(({ token, gapMs, isLate }) => [token, gapMs, isLate])).toEqual([
      [2, 8, false],
      [3, 8, false],
      [4, 24, true],
      [5, 8, false],
    ]);
    expect(shape.tpotTarget).toBeCloseTo(10 / (24 * 1.1));
    expect(nearestStem(shape.stems, 60 / 206)).toMatchObject({ token: 4 });
    expect(nearestStem([], 0.5)).toBeNull();
  });

  test("a deadline far beyond the end is told in words, not drawn", () => {
    const far = timelineShape({ ...timeline, targets: { deadlineMs: 10_000, onMiss: "finish" } })!;
    expect(far.deadline).toBeNull();
    expect(far.lengthMs).toBeCloseTo(103);
  });

  test("of a refused request is its queue; of nothing is nothing", () => {
    const waited = timelineOfTrace({
      ...TRACE,
      state: "expired",
      queue: { startMs: 1000, endMs: null },
      chunks: [],
      tokenMs: [],
      interruptions: [],
      outcome: null,
    });
    expect(timelineShape(waited)!.spans).toEqual([expect.objectContaining({ kind: "queue", from: 0 })]);
    expect(timelineShape(timelineOfPage([], null, null))).toBeNull();
  });

  test("thousands of tokens become a bounded number of stems, and the longest gap is among them", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: 2, maxLength: 4000 }), (gaps) => {
        let ms = 5;
        const tokenMs = gaps.map((gap) => (ms += gap));
        const shape = timelineShape({ ...timelineOfPage(tokenMs, ms, null) })!;
        const longest = Math.max(...gapsOf(timelineOfPage(tokenMs, ms, null).tokenMs));
        expect(shape.stems.length).toBeLessThanOrEqual(361);
        expect(Math.max(...shape.stems.map(({ gapMs }) => gapMs))).toBe(longest);
        for (const { at, height } of shape.stems) {
          expect(at).toBeGreaterThanOrEqual(0);
          expect(at).toBeLessThanOrEqual(1);
          expect(height).toBeLessThanOrEqual(1);
        }
        for (const { from, to } of shape.spans) expect(from <= to && from >= 0 && to <= 1).toBe(true);
      }),
      { seed: 8, numRuns: 30 },
    );
  });
});

test("verdicts are plain", () => {
  const verdict = (changed: Partial<Timeline>): string | undefined => verdictOf({ ...timeline, ...changed })?.text;
  expect(verdict({})).toBe("In time, 30 ms to spare");
  expect(verdict({ attained: false, slackMs: -40 })).toBe("Missed by 40 ms");
  expect(verdict({ attained: false, slackMs: null })).toBe("Missed");
  expect(verdict({ state: "cut" })).toBe("Cut at its deadline");
  expect(verdict({ state: "rejected" })).toMatch(/^Refused/);
  expect(verdict({ state: "expired" })).toMatch(/waited/);
  expect(verdict({ state: "cancelled" })).toBe("Stopped");
  expect(verdict({ targets: {}, slackMs: null })).toBe("No deadline");
  expect(verdictOf(timelineOfPage([1], null, null))).toBeNull();
});
