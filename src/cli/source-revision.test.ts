import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sourceRevision } from "./source-revision.ts";

let folder: string;

function git(...args: string[]): string {
  const who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
  return execFileSync("git", [...who, ...args], { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-revision-"));
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "src/a.ts"), "1");
});
afterAll(() => rmSync(folder, { recursive: true }));

it("is the commit, and says when the source differs from it", async () => {
  expect(await sourceRevision(folder)).toBeNull();
  git("init", "--quiet");
  expect(await sourceRevision(folder)).toBeNull();
  git("add", ".");
  git("commit", "--quiet", "--message", "first");
  const commit = git("rev-parse", "HEAD");
  expect(commit).toMatch(/^[0-9a-f]{40}$/);
  expect(await sourceRevision(folder)).toBe(commit);
  writeFileSync(join(folder, "notes.txt"), "not source");
  expect(await sourceRevision(folder)).toBe(commit);
  writeFileSync(join(folder, "src/b.ts"), "2");
  expect(await sourceRevision(folder)).toBe(`${commit} and changes`);
  expect(await sourceRevision(join(folder, "src"))).toBeNull();
});
