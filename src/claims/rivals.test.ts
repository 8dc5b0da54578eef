/** The claim without its rivals: our own arm in the place of each, and the pieces that need no process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PunctualError, toErrorRecord } from "../core/index.ts";
import { liveClock } from "../runtime/index.ts";
import type { ClaimContext } from "./framework.ts";
import { claimsMarkdown, resultText, runClaim, type Claim } from "./index.ts";
import { measureRivals, rivals } from "./rivals.ts";
import { steadyRate } from "./rivals/arm.ts";
import { ArmProcess, OUR_ARM, parseMemory, requireRivalArms, type ArmScripts } from "./rivals/arm-process.ts";
import { bytesPerToken, httpLines } from "./rivals/lines.ts";
import { shapesOf } from "./rivals/shapes.ts";

const folder = mkdtempSync(join(tmpdir(), "rivals-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context: ClaimContext = { mode: "smoke", clock: liveClock, seed: 1, progress: () => {} };

const STAND_INS: ArmScripts = { punctual: OUR_ARM, "node-llama-cpp": OUR_ARM, "transformers.js": OUR_ARM };

test("all arms run, and every figure is there", { timeout: 300_000 }, async () => {
  const claim: Claim = { ...rivals, measure: (given) => measureRivals(given, STAND_INS) };
  const result = await runClaim(claim, context);
  expect(result.error).toBeUndefined();
  const lines = result.measured;
  const [shape] = shapesOf("smoke");
  const pairs = shape!.streams.length + shape!.prompts.length + 4; // load, twice memory, event loop
  expect(lines.filter(({ baseline }) => baseline !== null)).toHaveLength(2 * pairs);
  for (const { metric, ours, baseline, ratio, samples } of lines) {
    expect(Number.isFinite(ours), metric).toBe(true);
    expect(samples, metric).toBeGreaterThan(0);
    if (baseline !== null && !metric.includes("event loop")) expect(ratio, metric).toBeGreaterThan(0);
  }
  // One arm three times chooses the same tokens.
  for (const { ours } of lines.filter(({ metric }) => metric.includes("first tokens as"))) expect(ours).toBe(1);
  const targets = lines.filter(({ target }) => target !== null).map(({ metric, target }) => [metric, target]);
  expect(targets).toEqual([
    ["tiny: decode of 1 stream, against node-llama-cpp", 1],
    ["tiny: decode of 8 streams, against node-llama-cpp", 5],
    ["tiny: decode of 8 streams, against transformers.js", 3],
    ["tiny: first token after 24 tokens, against node-llama-cpp", 1],
    ["tiny: load, against node-llama-cpp", 0.5],
    ["HTTP adds to the first token", 3],
  ]);
  // Whoever misses a target says why.
  for (const { metric, target, holds, note } of lines) {
    if (target !== null && holds !== true) expect(note.split(". ").length, metric).toBeGreaterThan(1);
  }
  expect(new Set(lines.map(({ metric }) => metric)).size).toBe(lines.length);
  expect(resultText(claim, result)).toContain(claim.headline);
  expect(claimsMarkdown([claim], [result])).toContain("memory (PSS)");
});

describe("an arm's process", () => {
  const failure = async (work: Promise<unknown>): Promise<unknown> => {
    try {
      await work;
      return null;
    } catch (error) {
      return error instanceof PunctualError ? toErrorRecord(error) : error;
    }
  };
  const options = { streams: 1, streamTokens: 8, contextTokens: 8, threads: 1, dtype: "q4" } as const;

  test("says what went wrong in it", { timeout: 60_000 }, async () => {
    await using arm = new ArmProcess(OUR_ARM);
    const paths = { gguf: join(folder, "missing.gguf"), onnxFolder: folder, weightCacheDir: folder };
    const record = await failure(arm.ask<"load">({ kind: "load", options: { ...options, ...paths } }));
    expect(record).toMatchObject({ code: "engine_failed" });
    expect(JSON.stringify(record)).toContain("missing.gguf");
  });

  test("one that dies is an error, not a wait", { timeout: 60_000 }, async () => {
    const script = join(folder, "dies.mjs");
    writeFileSync(script, 'process.on("message", () => { console.error("out of luck"); process.exit(3); });');
    await using arm = new ArmProcess(script);
    const record = await failure(arm.ask<"firstToken">({ kind: "firstToken", prompt: [1] }));
    expect(record).toMatchObject({ code: "engine_failed" });
    expect(JSON.stringify(record)).toMatch(/ended with 3|out of luck/);
  });
});

test("without rivals/ it could not run, and says what to install", () => {
  let error: unknown;
  try {
    requireRivalArms(folder);
  } catch (caught) {
    error = caught;
  }
  expect(toErrorRecord(error)).toMatchObject({ code: "missing_dependency", param: "node-llama-cpp" });
  expect(String(error)).toContain("npm ci");
});

describe("figures", () => {
  test("the rate counts what comes while all streams decode", () => {
    expect(steadyRate([[0, 10, 20, 30, 40]])).toBe(100);
    // The second stream starts at 15 and the first ends at 40: 20, 30, 40 of one, 25, 35 of the other.
    expect(
      steadyRate([
        [0, 10, 20, 30, 40],
        [15, 25, 35, 45],
      ]),
    ).toBe((5 * 1000) / 25);
    expect(
      steadyRate([
        [0, 10],
        [50, 60],
      ]),
    ).toBeCloseTo((2 * 1000) / 60);
  });

  test("memory is read from smaps_rollup", () => {
    const text =
      "5581 r---p 0000 00:00 0 [rollup]\nRss:               51200 kB\nPss:               40960 kB\nPss_Anon: 3 kB\n";
    expect(parseMemory(text)).toEqual({ pssBytes: 40 * 2 ** 20, rssBytes: 50 * 2 ** 20 });
  });

  test("a token reads every matrix once, the embedding table only where it is the head", () => {
    const { config } = shapesOf("quick")[0]!;
    const { hidden, layers, ffn, vocabSize, kvHeads, headDim } = config!;
    const layer = 2 * hidden * hidden + 2 * hidden * kvHeads * headDim + 3 * hidden * ffn;
    const weights = layers * layer + vocabSize * hidden;
    expect(bytesPerToken(config!, "Q4_0")).toBe((weights / 32) * 18);
    expect(bytesPerToken({ ...config!, tiedEmbeddings: true }, "F16")).toBe(weights * 2);
  });

  test("HTTP's share is the difference within a pair", () => {
    const pairs = Array.from({ length: 9 }, (_, i) => ({ inProcessMs: i, httpMs: i + 2 }));
    const [added] = httpLines(pairs);
    expect(added).toMatchObject({ ours: 2, target: 3, holds: true, samples: 9 });
  });
});
