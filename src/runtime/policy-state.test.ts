import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FakeClock } from "../core/index.ts";
import { createOutlook, type LearningOutlook } from "../sched/index.ts";
import { PolicyStateKeeper, readPolicyState } from "./policy-state.ts";

const dir = mkdtempSync(join(tmpdir(), "policy-state-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const BY = { model: "m", vocabSize: 300 };

function taught(count: number): LearningOutlook {
  const outlook = createOutlook("learning", 0) as LearningOutlook;
  for (let id = 0; id < count; id++) {
    outlook.arrived({
      id,
      arrivalMs: id,
      prompt: [id % 3],
      maxTokens: 90,
      slo: { class: "best-effort", onMiss: "finish" },
    });
    outlook.ended(id, 10 + (id % 3), true, id);
  }
  return outlook;
}

function keeperOf(path: string, outlook: LearningOutlook | null, clock = new FakeClock()) {
  const warnings: string[] = [];
  const keeper = new PolicyStateKeeper({
    path,
    by: BY,
    clock,
    learnt: () => outlook?.learnt() ?? null,
    warn: (problem) => warnings.push(problem),
  });
  return { keeper, clock, warnings };
}

describe("the file of what a policy has learnt", () => {
  test("is written whole, for its owner only, and read again", () => {
    const path = join(dir, "a.json");
    const outlook = taught(50);
    keeperOf(path, outlook).keeper.save();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(["a.json"]);
    expect(readPolicyState(path, BY)).toEqual({ learnt: outlook.learnt(), problem: null });
  });

  test("is missing at first, which is no problem, and stays so while nothing learns", () => {
    const path = join(dir, "none.json");
    keeperOf(path, null).keeper.save();
    expect(existsSync(path)).toBe(false);
    expect(readPolicyState(path, BY)).toEqual({ learnt: null, problem: null });
  });

  test("damaged, foreign or unreadable it is a problem that names the file and the fault", () => {
    const path = join(dir, "b.json");
    keeperOf(path, taught(40)).keeper.save();
    expect(readPolicyState(path, { ...BY, model: "n" })).toMatchObject({ learnt: null });
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 200));
    const { learnt, problem } = readPolicyState(path, BY);
    expect(learnt).toBeNull();
    expect(problem).toContain(path);
    expect(problem).toContain("not JSON");
    expect(readPolicyState(dir, BY).problem).toContain(dir);
    // The next engine to stop writes it anew.
    keeperOf(path, taught(40)).keeper.save();
    expect(readPolicyState(path, BY).problem).toBeNull();
  });

  test("under lasting load it is written every ten minutes, and what did not change is not", () => {
    const path = join(dir, "c.json");
    const { keeper, clock } = keeperOf(path, taught(40));
    keeper.tick();
    clock.advance(599_000);
    keeper.tick();
    expect(existsSync(path)).toBe(false);
    clock.advance(2000);
    keeper.tick();
    expect(existsSync(path)).toBe(true);
    rmSync(path);
    keeper.save();
    expect(existsSync(path)).toBe(false);
  });

  test("in a pause it is written when the last time is minutes ago", () => {
    const path = join(dir, "d.json");
    const { keeper, clock } = keeperOf(path, taught(40));
    keeper.pause();
    expect(existsSync(path)).toBe(false);
    clock.advance(181_000);
    keeper.pause();
    expect(existsSync(path)).toBe(true);
  });

  test("where it cannot be written one warning says so, and nothing stops", () => {
    const { keeper, warnings } = keeperOf(join(dir, "no", "such", "folder.json"), taught(40));
    keeper.save();
    keeper.save();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("folder.json");
  });
});
