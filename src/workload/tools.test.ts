import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  concatenateTraces,
  cutTrace,
  generateTrace,
  mergeTraces,
  promptTokenIds,
  publishedWorkload,
  quantileOfSorted,
  resampleTrace,
  scaleLengths,
  scaleRate,
  spreadTies,
  threeClassMix,
  traceStatistics,
  withArrivals,
  withSlo,
  type Trace,
} from "./index.ts";

const mix = generateTrace(
  threeClassMix({ arrivals: { kind: "poisson", ratePerSecond: 3 }, count: 300 }),
  createRandom(1),
);
const chats = generateTrace(publishedWorkload("mooncake-synthetic", { count: 200 }), createRandom(2));

/** What every trace promises. */
const checkTrace = ({ requests, blockTokens }: Trace): void => {
  const seen = new Set<number>();
  for (const [i, { id, arrivalMs, promptTokens, outputTokens, hashIds, task }] of requests.entries()) {
    expect(id).toBe(i);
    expect(arrivalMs).toBeGreaterThanOrEqual(i === 0 ? 0 : requests[i - 1]!.arrivalMs);
    expect(Math.min(promptTokens, outputTokens)).toBeGreaterThanOrEqual(1);
    if (hashIds !== undefined) expect(hashIds.length).toBeLessThanOrEqual(Math.ceil(promptTokens / blockTokens));
    for (const other of task?.after ?? []) {
      expect(seen.has(other)).toBe(true);
      expect(requests[other]!.task!.id).toBe(task!.id);
    }
    seen.add(id);
  }
};

describe("tools", () => {
  test("scaling the rate moves arrivals only", () => {
    const fast = scaleRate(mix, 4);
    checkTrace(fast);
    expect(traceStatistics(fast).ratePerSecond).toBeCloseTo(traceStatistics(mix).ratePerSecond * 4);
    expect(traceStatistics(fast).gaps.cv).toBeCloseTo(traceStatistics(mix).gaps.cv);
    expect(fast.requests[7]!.task).toEqual(mix.requests[7]!.task);
  });

  test("a cut keeps tasks whole", () => {
    for (const count of [50, 51, 52, 53, 54]) {
      const part = cutTrace(mix, { fromMs: 10_000, toMs: 60_000, count });
      checkTrace(part);
      expect(part.requests.length).toBeLessThanOrEqual(count);
      expect(part.requests.length).toBeGreaterThan(count - 16);
      expect(part.requests[0]!.arrivalMs).toBeLessThan(2000);
      const calls = (trace: Trace) => trace.requests.filter(({ task }) => task !== undefined);
      for (const { task } of calls(part)) {
        const size = (trace: Trace) => calls(trace).filter((other) => other.task!.id === task!.id).length;
        expect(size(part)).toBe(size(mix));
      }
    }
  });

  test("resampling keeps the lengths and takes the arrivals asked for", () => {
    const sample = resampleTrace(mix, 5000, { kind: "gamma", ratePerSecond: 20, cv: 2 }, createRandom(3));
    checkTrace(sample);
    const [before, after] = [traceStatistics(mix), traceStatistics(sample)];
    expect(Math.abs(after.promptTokens.mean / before.promptTokens.mean - 1)).toBeLessThan(0.08);
    expect(Math.abs(after.gaps.cv - 2)).toBeLessThan(0.3);
    expect(after.tasks).toBe(0);
    expect(() => resampleTrace({ ...mix, requests: [] }, 1, { kind: "all-at-once" }, createRandom(1))).toThrow(
      "nothing",
    );
  });

  test("other arrivals keep order and the calls of a task together", () => {
    const moved = withArrivals(mix, { kind: "constant", ratePerSecond: 1 }, createRandom(1));
    checkTrace(moved);
    expect(moved.requests[0]!.arrivalMs).toBe(1000);
    for (const { task, arrivalMs } of moved.requests) {
      for (const other of task?.after ?? []) expect(moved.requests[other]!.arrivalMs).toBe(arrivalMs);
    }
  });

  test("ties are spread until the next timestamp", () => {
    const at = (...times: number[]): Trace => ({
      name: "t",
      source: "t",
      blockTokens: 0,
      requests: times.map((arrivalMs, id) => ({ id, arrivalMs, promptTokens: 1, outputTokens: 1 })),
    });
    expect(spreadTies(at(0, 0, 0, 3000, 6000, 6000)).requests.map(({ arrivalMs }) => arrivalMs)).toEqual([
      0, 1000, 2000, 3000, 6000, 7500,
    ]);
    expect(spreadTies(at(5, 5)).requests.map(({ arrivalMs }) => arrivalMs)).toEqual([5, 5]);
    expect(spreadTies(at()).requests).toEqual([]);
  });

  test("lengths are scaled within limits, and hash ids follow", () => {
    const small = scaleLengths(chats, { prompt: 0.1, output: 0.5, maxPromptTokens: 2000, maxTotalTokens: 2100 });
    checkTrace(small);
    for (const { promptTokens, outputTokens } of small.requests) {
      expect(promptTokens).toBeLessThanOrEqual(2000);
      expect(promptTokens + outputTokens).toBeLessThanOrEqual(2100);
    }
    expect(traceStatistics(small).prefixHitBlocks).toBeGreaterThan(0.2);
    expect(scaleLengths(chats, { prompt: 3 }).requests[0]!.hashIds).toBeUndefined();
    expect(scaleLengths(chats, {})).toEqual(chats);
  });

  test("objectives by request", () => {
    const slo = { class: "latency", ttftMs: 100, onMiss: "finish" } as const;
    const marked = withSlo(chats, ({ id }) => (id % 2 === 0 ? slo : null));
    expect(marked.requests[0]!.slo).toEqual(slo);
    expect(marked.requests[1]!.slo).toBeUndefined();
    expect(traceStatistics(marked).classes).toEqual({ latency: 100, none: 100 });
  });

  test("merged traces stay apart in sessions, tasks and blocks", () => {
    const both = mergeTraces("both", [mix, chats, chats]);
    checkTrace(both);
    const [one, two, all] = [traceStatistics(mix), traceStatistics(chats), traceStatistics(both)];
    expect(all.requests).toBe(one.requests + 2 * two.requests);
    expect(all.sessions).toBe(2 * two.sessions);
    expect(all.tasks).toBe(one.tasks);
    expect(all.prefixHitBlocks).toBeCloseTo(two.prefixHitBlocks, 10);
    expect(() => mergeTraces("x", [chats, { ...chats, blockTokens: 16 }])).toThrow("block sizes");
  });

  test("one after the other", () => {
    const line = concatenateTraces("line", [{ trace: mix, lengthMs: 500_000 }, { trace: chats }]);
    checkTrace(line);
    expect(line.requests[mix.requests.length]!.arrivalMs).toBeCloseTo(500_000 + chats.requests[0]!.arrivalMs);
  });
});

describe("statistics", () => {
  test("of a small trace by hand", () => {
    const requests = [0, 10, 40].map((arrivalMs, id) => ({
      id,
      arrivalMs,
      promptTokens: [4, 4, 10][id]!,
      outputTokens: id + 1,
      hashIds: [[1], [1], [1, 2, 3]][id]!,
    }));
    const statistics = traceStatistics({ name: "t", source: "t", blockTokens: 4, requests });
    expect(statistics).toMatchObject({
      requests: 3,
      durationMs: 40,
      ratePerSecond: 75,
      gaps: { count: 2, mean: 20, cv: 0.5, min: 10, p50: 20, max: 30 },
      promptTokens: { mean: 6, p50: 4, max: 10 },
      totalPromptTokens: 18,
      totalOutputTokens: 6,
      prefixHitBlocks: 2 / 5,
      prefixHitTokens: 8 / 18,
      classes: { none: 3 },
    });
    expect(traceStatistics({ name: "e", source: "t", blockTokens: 0, requests: [] }).promptTokens.mean).toBeNaN();
  });

  test("quantiles are those of a sorted list", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 40 }), (values) => {
        const sorted = Float64Array.from(values).sort();
        expect(quantileOfSorted(sorted, 0)).toBe(sorted[0]);
        expect(quantileOfSorted(sorted, 1)).toBe(sorted.at(-1));
        const below = sorted.filter((value) => value <= quantileOfSorted(sorted, 0.5)).length;
        expect(below).toBeGreaterThanOrEqual(values.length / 2);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe("prompts", () => {
  const tokens = { low: 100, size: 900 };
  const random = createRandom(5);

  test("equal hash ids give equal blocks, different ones different", () => {
    const base = { arrivalMs: 0, outputTokens: 1 };
    const one = promptTokenIds({ ...base, id: 0, promptTokens: 40, hashIds: [7, 8, 9] }, 16, tokens, random);
    const two = promptTokenIds({ ...base, id: 1, promptTokens: 30, hashIds: [7, 4] }, 16, tokens, random);
    expect(one).toHaveLength(40);
    expect(two).toHaveLength(30);
    expect(two.slice(0, 16)).toEqual(one.slice(0, 16));
    expect(two.slice(16)).not.toEqual(one.slice(16, 30));
    expect([...one, ...two].every((id) => id >= 100 && id < 1000)).toBe(true);
  });

  test("over a whole trace, shared leading ids are exactly shared leading tokens", () => {
    const small = scaleLengths(chats, { prompt: 0.02 });
    const prompts = small.requests.map((request) => promptTokenIds(request, small.blockTokens, tokens, random));
    for (const [i, { promptTokens, hashIds }] of small.requests.entries()) {
      expect(prompts[i]).toHaveLength(promptTokens);
      const j = (i * 7 + 1) % i || 0;
      const other = small.requests[j]!;
      let shared = 0;
      while (shared < hashIds!.length && hashIds![shared] === other.hashIds![shared]) shared += 1;
      const size = Math.min(shared * small.blockTokens, promptTokens, other.promptTokens);
      expect(prompts[i]!.slice(0, size)).toEqual(prompts[j]!.slice(0, size));
      if (shared === 0 && i !== j) expect(prompts[i]!.slice(0, 8)).not.toEqual(prompts[j]!.slice(0, 8));
    }
  });

  test("without hash ids the request's own, beyond them too; a recorded prompt as it was", () => {
    const request = { id: 3, arrivalMs: 0, outputTokens: 1, promptTokens: 5 };
    const ids = promptTokenIds(request, 0, tokens, random);
    expect(promptTokenIds({ ...request, outputTokens: 9 }, 0, tokens, random)).toEqual(ids);
    expect(promptTokenIds({ ...request, id: 4 }, 0, tokens, random)).not.toEqual(ids);
    expect(promptTokenIds({ ...request, promptTokens: 21, hashIds: [1] }, 16, tokens, random).slice(16)).toEqual(ids);
    expect(promptTokenIds({ ...request, promptIds: [1, 2, 3, 4, 5] }, 0, tokens, random)).toEqual([1, 2, 3, 4, 5]);
  });
});
