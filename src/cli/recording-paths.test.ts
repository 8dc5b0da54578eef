import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordingPaths } from "./recording-paths.ts";

test("one model records where it was told, several beside it, none over another or over what is there", () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-paths-"));
  const at = (name: string): string => join(folder, name);
  try {
    expect([...recordingPaths(at("run.jsonl"), ["base"])]).toEqual([["base", at("run.jsonl")]]);
    expect([...recordingPaths(at("run.jsonl"), ["base", "org/small:v1"]).values()]).toEqual([
      at("run-base.jsonl"),
      at("run-org_small_v1.jsonl"),
    ]);
    expect([...recordingPaths(at("v1.2"), ["a", "b"]).values()]).toEqual([at("v1-a.2"), at("v1-b.2")]);
    expect(() => recordingPaths(at("run"), ["a/b", "a_b"])).toThrow(/other names/);
    writeFileSync(at("run-b.jsonl"), "");
    expect(() => recordingPaths(at("run.jsonl"), ["a", "b"])).toThrow(/exists already/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
