/** The claim without its rival: our own engine on the other side, as it is and with faults put in. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { toErrorRecord } from "../core/index.ts";
import { liveClock } from "../runtime/index.ts";
import { agreement, measureAgreement } from "./agreement.ts";
import { compareLogits } from "./agreement/compare.ts";
import { ourLogits, randomSequences, rechunked } from "./agreement/ours.ts";
import { requireRivals, type Rival } from "./agreement/rival.ts";
import type { ClaimContext, Measured } from "./framework.ts";
import { claimsMarkdown, resultText, runClaim, type Claim } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "agreement-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context: ClaimContext = { mode: "smoke", clock: liveClock, seed: 1, progress: () => {} };

/** Our engine in the rival's place; `change` may spoil each row of logits, in place. */
const mirror =
  (change: (row: Float32Array) => void = () => {}): Rival =>
  async (tasks) => {
    const answers = [];
    for (const { path, vocab, sequences } of tasks) {
      const logits = await ourLogits(path, sequences);
      const greedy: number[] = [];
      for (let at = 0; at < logits.length; at += vocab) {
        const row = logits.subarray(at, at + vocab);
        change(row);
        greedy.push(row.indexOf(Math.max(...row)));
      }
      answers.push({ logits, greedy });
    }
    return answers;
  };

const about = (lines: readonly Measured[], words: string): Measured[] =>
  lines.filter(({ metric }) => metric.includes(words));

describe("the claim with a stand-in for its rival", () => {
  test("equal arms agree bit for bit in every family, whatever the chunks", { timeout: 300_000 }, async () => {
    const claim: Claim = { ...agreement, measure: (given) => measureAgreement(given, mirror()) };
    const result = await runClaim(claim, context);
    expect(result.error).toBeUndefined();
    expect(result.holds).toBe(true);
    const lines = result.measured;
    for (const words of ["largest difference", "safetensors against GGUF", "rounded matrices", "block formats"]) {
      expect(about(lines, words).length, words).toBeGreaterThan(0);
      for (const { ours, metric } of about(lines, words)) expect(ours, metric).toBe(0);
    }
    for (const { ours, samples } of about(lines, "greedy")) {
      expect(ours).toBe(1);
      expect(samples).toBeGreaterThan(0);
    }
    expect(about(lines, "rounded")[0]!.curve).toMatchObject([{ format: "Q8_0", "greedy tokens equal": 1 }]);
    // Gemma's is published: llama.cpp's own GELU is rounded.
    expect(about(lines, "largest difference").map(({ target }) => target)).toEqual([1e-3, 1e-3, 1e-3, 1e-3, null]);
    expect(new Set(lines.map(({ metric }) => metric)).size).toBe(lines.length);
    expect(resultText(claim, result)).toContain(claim.headline);
    expect(claimsMarkdown([claim], [result])).toContain("Q6_K");
  });

  test("one wrong logit in each distribution is a false claim", { timeout: 300_000 }, async () => {
    const lines = await measureAgreement(
      context,
      mirror((row) => {
        row[7]! += 0.01;
      }),
    );
    for (const line of about(lines, "largest difference")) {
      expect(line.holds, line.metric).toBe(line.target === null ? null : false);
    }
    for (const line of about(lines, "safetensors against GGUF")) expect(line.holds, line.metric).toBe(true);
  });
});

describe("comparing logits", () => {
  const ours = Float32Array.of(1, 3, 2, 0, 5, 5.005);

  test("a constant added to a row changes nothing", () => {
    const theirs = ours.map((value, i) => value + (i < 3 ? 4 : -2));
    const found = compareLogits(ours, theirs, 3);
    expect(found).toMatchObject({ rows: 2, values: 6, clear: 1, clearAndEqual: 1, equal: 2 });
    expect(found.largest).toBeLessThan(1e-6);
  });

  test("the largest difference is of log-probabilities", () => {
    const found = compareLogits(Float32Array.of(0, 0), Float32Array.of(0, Math.log(3)), 2);
    expect(found.largest).toBeCloseTo(Math.log(2), 6); // 1/2 against 1/4
    expect(found.mean).toBeCloseTo((Math.log(2) + Math.log(1.5)) / 2, 6);
  });

  test("their chosen token decides, and a close call is not held against anybody", () => {
    expect(compareLogits(ours, ours, 3, [2, 1])).toMatchObject({ clear: 1, clearAndEqual: 0, equal: 0 });
    expect(compareLogits(ours, ours, 3, [1, 1])).toMatchObject({ clear: 1, clearAndEqual: 1, equal: 1 });
  });

  test("NaN meets no target", () => {
    const found = compareLogits(Float32Array.of(Number.NaN, 1), Float32Array.of(0, 1), 2);
    expect(found.largest <= 1e-3).toBe(false);
  });
});

test("chunks cover their sequences, differently each time", () => {
  const sequences = randomSequences({ sequences: 5, length: 40, vocabSize: 99 }, 1);
  const again = rechunked(sequences, 2);
  for (const [i, { tokens, chunks }] of sequences.entries()) {
    for (const parts of [chunks, again[i]!.chunks]) expect(parts.reduce((a, b) => a + b, 0)).toBe(tokens.length);
    expect(Math.min(...tokens)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...tokens)).toBeLessThan(99);
  }
  expect(sequences.at(-1)!.chunks.every((length) => length === 1)).toBe(true);
  expect(again.map(({ chunks }) => chunks)).not.toEqual(sequences.map(({ chunks }) => chunks));
});

test("without rivals/ it could not run, and says what to install", () => {
  let error: unknown;
  try {
    requireRivals(folder);
  } catch (caught) {
    error = caught;
  }
  expect(toErrorRecord(error)).toMatchObject({ code: "missing_dependency", param: "node-llama-cpp" });
  expect(String(error)).toContain("npm ci");
});
