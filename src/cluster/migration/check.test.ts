/** Every order of messages, losses, duplicates and deaths of a migration, on small cases. */
import { describe, expect, test } from "vitest";
import { explore } from "./explore.conformance.ts";
import type { Case } from "./model.conformance.ts";

const QUIET: Case = {
  mode: "live",
  tokens: 2,
  promptPages: 2,
  maxStages: 3,
  lastStagePages: 1,
  unbounded: false,
  drops: 0,
  duplicates: 0,
  crashes: 0,
  mayCrash: [],
  suspicions: 0,
  refusals: 0,
  cancels: 0,
  spare: true,
};

describe("exhaustive", () => {
  test("quiet", () => {
    const seen = explore(QUIET);
    console.log(seen);
    expect(seen.worlds).toBeGreaterThan(100);
  });
});
