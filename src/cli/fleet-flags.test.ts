import { expect, test } from "vitest";
import { fleetControllerOf, readAutoscale } from "./fleet-flags.ts";

test("a range of instances, with thresholds or without", () => {
  expect(readAutoscale("2..16", 4)).toEqual({ least: 2, most: 16, lowSteps: 400, highSteps: 800 });
  expect(readAutoscale("1..8,40..90", 8)).toEqual({ least: 1, most: 8, lowSteps: 40, highSteps: 90 });
});

test("what is no range, or does not contain the fleet, is refused by its flag", () => {
  for (const text of ["4", "2..", "0..4", "8..4", "2..16,90..40", "2..3"]) {
    expect(() => readAutoscale(text, 4), text).toThrow("--autoscale");
  }
});

test("a controller only when one is asked for", async () => {
  const flags = { instances: 2, link: 4, startDelay: 100 };
  expect(await fleetControllerOf(flags, 1000)).toBeNull();
  const migrating = await fleetControllerOf({ ...flags, migrate: true }, 1e6);
  expect(migrating?.name).toBe("migrate");
  const both = await fleetControllerOf({ ...flags, migrate: true, autoscale: "1..4" }, 1e6);
  expect(both?.name).toBe("migrate+autoscale");
  expect(both?.migration?.kind).toBe("staged");
});
