import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { generateTrace, publishedWorkload, writeMooncake } from "../workload/index.ts";
import { fileChunks, loadDataset, promptText, scheduleTrace, type DatasetOptions } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "bench-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const options = (more: Partial<DatasetOptions>): DatasetOptions => ({
  name: "random",
  random: { inputLen: 100, outputLen: 20, rangeRatio: 0, prefixLen: 0 },
  disableShuffle: true,
  noOversample: false,
  lengthScale: 1,
  countTokens: (text) => text.split(" ").length,
  ...more,
});
const load = (more: Partial<DatasetOptions>) => loadDataset(options(more), createRandom(1));

describe("datasets", () => {
  test("random: exact lengths, ranges, a common beginning", () => {
    const { trace, isTimed } = load({ count: 5 });
    expect(isTimed).toBe(false);
    expect(trace.requests.map(({ promptTokens, outputTokens }) => [promptTokens, outputTokens])).toEqual(
      Array.from({ length: 5 }, () => [100, 20]),
    );
    const spread = load({
      count: 2000,
      random: { inputLen: 100, outputLen: 20, rangeRatio: 0.5, prefixLen: 30 },
    }).trace;
    const prompts = spread.requests.map(({ promptTokens }) => promptTokens);
    expect([Math.min(...prompts), Math.max(...prompts)]).toEqual([80, 180]);
    expect(spread.blockTokens).toBe(30);
    const texts = spread.requests
      .slice(0, 2)
      .map((one) => promptText(one, 30, { tokensPerWord: 1, overheadTokens: 0 }, createRandom(1)));
    const [a, b] = texts.map((text) => text.split(" ")) as [string[], string[]];
    expect(a.slice(0, 30)).toEqual(b.slice(0, 30));
    expect(a.slice(30)).not.toEqual(b.slice(30));
    expect(a).toHaveLength(spread.requests[0]!.promptTokens);
  });

  test("custom: prompts of a file, repeated when there are too few", () => {
    const path = file("custom.jsonl", '{"prompt":"one two three"}\n{"prompt":"four","output_tokens":7}\n\n');
    const { requests } = load({ name: "custom", path }).trace;
    expect(requests.map(({ text, promptTokens, outputTokens }) => [text, promptTokens, outputTokens])).toEqual([
      ["one two three", 3, 256],
      ["four", 1, 7],
    ]);
    expect(load({ name: "custom", path, count: 9 }).trace.requests.map(({ id }) => id)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    expect(load({ name: "custom", path, count: 9, noOversample: true }).trace.requests).toHaveLength(2);
    expect(load({ name: "custom", path, outputLen: 5 }).trace.requests[1]!.outputTokens).toBe(5);
    expect(() => load({ name: "custom", path: file("bad.jsonl", "x\n") })).toThrow(
      "bad.jsonl line 1: expected a JSON object",
    );
    expect(() => load({ name: "custom", path: file("bad2.jsonl", '{"text":1}\n') })).toThrow(
      "prompt: expected a string",
    );
    expect(() => load({ name: "custom" })).toThrow("expected a file");
    expect(() => load({ name: "custom", path: join(folder, "none") })).toThrow("cannot be read");
  });

  test("traces keep their arrivals, whatever their format", () => {
    const made = generateTrace(publishedWorkload("mooncake-synthetic", { count: 40 }), createRandom(3));
    const path = file("trace.jsonl", [...writeMooncake(made.requests)].join(""));
    const { trace, isTimed } = load({ name: "trace", path, count: 30 });
    expect([isTimed, trace.blockTokens, trace.requests.length]).toEqual([true, 512, 30]);
    const plain = { requestRate: null, burstiness: 1 };
    const twice = scheduleTrace(trace, { ...plain, timeScale: 2 }, true, createRandom(1)).requests;
    const origin = made.requests[0]!.arrivalMs;
    for (const [i, { arrivalMs }] of twice.entries())
      expect(arrivalMs).toBeCloseTo((made.requests[i]!.arrivalMs - origin) / 2);
    const paced = scheduleTrace(trace, { ...plain, requestRate: 10 }, true, createRandom(1)).requests;
    expect(paced.at(-1)!.arrivalMs).toBeCloseTo(3000);
    expect(() => load({ name: "trace", path: file("what.txt", "hello") })).toThrow("expected a trace");
  });

  test("sharegpt, from a file", () => {
    const turns = [{ value: "a question of several words" }, { value: "an answer of several words" }];
    const path = file("share.json", JSON.stringify([{ conversations: turns }, { conversations: turns }]));
    const { trace, isTimed } = load({ name: "sharegpt", path, count: 3 });
    expect([isTimed, trace.requests.length, trace.requests[2]!.text]).toEqual([
      false,
      3,
      "a question of several words",
    ]);
  });

  test("generated ones by name, scaled down; the mix has tasks that stay together", () => {
    const full = load({ name: "like-azure-code", count: 300 }).trace.requests;
    const small = load({ name: "like-azure-code", count: 300, lengthScale: 0.1, maxTotalTokens: 400 }).trace.requests;
    expect(full.reduce((sum, one) => sum + one.promptTokens, 0)).toBeGreaterThan(
      5 * small.reduce((sum, one) => sum + one.promptTokens, 0),
    );
    expect(small.every(({ promptTokens, outputTokens }) => promptTokens + outputTokens <= 400)).toBe(true);
    const mix = load({ name: "mix", count: 60 }).trace;
    const paced = scheduleTrace(mix, { requestRate: 5, burstiness: 1 }, true, createRandom(2)).requests;
    for (const { task, arrivalMs } of paced)
      for (const id of task?.after ?? []) expect(paced[id]!.arrivalMs).toBe(arrivalMs);
    expect(() => load({ name: "like-nothing" })).toThrow("expected one of random");
    expect(() => load({ name: "azure-code" })).toThrow("expected one of random");
    expect(() => load({ name: "like-mooncake-synthetic", lengthScale: 0.5 })).toThrow("cannot be scaled");
  });

  test("a file in pieces is the file", () => {
    const text = "äöü €😀\n".repeat(500);
    const path = file("pieces.txt", text);
    expect([...fileChunks(path, 7)].join("")).toBe(text);
  });

  test("rates: all at once, bursts of an exact total, even, growing", () => {
    const { trace } = load({ count: 100 });
    const times = (load: Parameters<typeof scheduleTrace>[1]) =>
      scheduleTrace(trace, load, false, createRandom(4)).requests.map((one) => one.arrivalMs);
    expect(Math.max(...times({ requestRate: Infinity, burstiness: 1 }))).toBe(0);
    expect(times({ requestRate: 20, burstiness: 0.2 }).at(-1)).toBeCloseTo(5000);
    const even = times({ requestRate: 20, burstiness: Infinity });
    expect(even[9]).toBeCloseTo(500);
    const rampUp = { startPerSecond: 1, endPerSecond: 50, growth: "linear" } as const;
    const growing = times({ requestRate: null, burstiness: Infinity, rampUp });
    expect(growing[1]! - growing[0]!).toBeGreaterThan(20 * (growing[99]! - growing[98]!));
  });
});
