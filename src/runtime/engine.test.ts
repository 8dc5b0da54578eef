import { describe, expect, test } from "vitest";
import { codeOf, engineSuite, startChecked as start } from "./engine.conformance.ts";
import { Engine } from "./engine.ts";

describe("colocated", () => engineSuite({}));

test("a model that cannot be loaded is an error of start, with its reason", async () => {
  expect(await codeOf(() => Engine.start({ model: { dir: "/nonexistent" } }))).toBe("model_not_found");
  expect(await codeOf(() => start({ threads: 3 as 2 }))).toBe("invalid_request");
  expect(await codeOf(() => start({ policy: "lifo" }))).toBe("invalid_request");
  expect(await codeOf(() => start({ pageTokens: 5 }))).not.toBeNull();
});

test("the budget is calibrated to the target within half a second", async () => {
  await using engine = await start({ budgetTokens: undefined, targetStepMs: 2 });
  const { calibration, limits } = engine.stats();
  expect(calibration?.tookMs).toBeLessThan(2000);
  expect(calibration?.points.length).toBeGreaterThan(2);
  expect(limits.budgetTokens).toBe(calibration?.budgetTokens);
  expect(limits.budgetTokens).toBeGreaterThanOrEqual(8);
});
