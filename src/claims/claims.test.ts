import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { liveClock } from "../runtime/index.ts";
import { claimHolds, type ClaimResult, type Measured } from "./framework.ts";
import { CLAIMS, claimsMarkdown, exitStatus, resultText, runClaim, selectClaims } from "./index.ts";
import { absolute, compare, decide, medianInterval95 } from "./statistics.ts";

const text = { metric: "m", unit: "ms", better: "lower", kind: "live", note: "" } as const;

describe("statistics", () => {
  test("a ratio above one is an improvement, whichever way is better", () => {
    expect(compare(text, [2, 2, 2], [4, 4, 4], 1.5)).toMatchObject({ ratio: 2, holds: true, target_on: "ratio" });
    expect(compare({ ...text, better: "higher" }, [2, 2, 2], [4, 4, 4], 1.5)).toMatchObject({
      ratio: 0.5,
      holds: false,
    });
  });

  test("an absolute target follows its direction", () => {
    expect(absolute(text, [3, 3, 3], 4).holds).toBe(true);
    expect(absolute({ ...text, better: "higher" }, [3, 3, 3], 4).holds).toBe(false);
    expect(absolute(text, [3], null).holds).toBeNull();
  });

  test("an interval that straddles the target decides nothing", () => {
    expect(decide([0.9, 1.1], 1, "higher")).toBeNull();
    expect(decide([1, 1.1], 1, "higher")).toBe(true);
    expect(decide([0.8, 0.99], 1, "higher")).toBe(false);
    expect(decide([0.9, 1.1], 1, "lower")).toBeNull();
  });

  test("the bootstrap interval covers the median at about its rate", () => {
    const random = createRandom(4, "coverage");
    let covered = 0;
    for (let trial = 0; trial < 60; trial++) {
      const sample = Array.from({ length: 25 }, () => random.normal());
      const [low, high] = medianInterval95(sample, trial);
      if (low <= 0 && high >= 0) covered += 1;
    }
    expect(covered).toBeGreaterThanOrEqual(51);
  });
});

describe("verdicts", () => {
  const line = (target: number | null, holds: boolean | null): Measured => ({ ...absolute(text, [1], target), holds });
  const result = (holds: boolean | null, error?: string): ClaimResult =>
    ({ holds, measured: [], ...(error === undefined ? {} : { error }) }) as unknown as ClaimResult;

  test("one false line decides, one open line leaves it open", () => {
    expect(claimHolds([line(1, true), line(1, false)])).toBe(false);
    expect(claimHolds([line(1, true), line(1, null)])).toBeNull();
    expect(claimHolds([line(1, true), line(null, null)])).toBe(true);
    expect(claimHolds([line(null, null)])).toBeNull();
  });

  test("exit statuses", () => {
    expect(exitStatus([result(true)])).toBe(0);
    expect(exitStatus([result(true), result(false)])).toBe(1);
    expect(exitStatus([result(false), result(null, "no")])).toBe(2);
    expect(exitStatus([result(true), result(null)])).toBe(3);
  });

  test("an unknown id names those there are", () => {
    expect(() => selectClaims(CLAIMS, ["nothing"])).toThrow("39");
  });
});

describe("smoke: every claim runs all its arms", () => {
  // Those against rivals have tests of their own: rivals/ is not installed with punctual.
  const alone = CLAIMS.filter(({ needsRivals }) => needsRivals !== true);
  test.each(alone.map((claim) => [claim.id, claim] as const))("%s", { timeout: 180_000 }, async (_id, claim) => {
    const result = await runClaim(claim, { mode: "smoke", clock: liveClock, progress: () => {} });
    expect(result.error).toBeUndefined();
    expect(result.measured.length).toBeGreaterThan(0);
    for (const line of result.measured) {
      expect(Number.isFinite(line.ours), line.metric).toBe(true);
      expect(line.samples).toBeGreaterThan(0);
      if (line.baseline !== null) expect(line.ratio).toBeGreaterThan(0);
      if (line.target !== null) expect(line.interval95).not.toBeNull();
    }
    const metrics = result.measured.map(({ metric }) => metric);
    expect(new Set(metrics).size).toBe(metrics.length);
    expect(resultText(claim, result)).toContain(claim.headline);
    const markdown = claimsMarkdown(CLAIMS, [result]);
    for (const metric of metrics) expect(markdown).toContain(metric);
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ claim: claim.id, mode: "smoke" });
  });
});
