/** What the flags of a scaling router say, and a command that is really run. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { launchBy, scalingOf } from "./scale-flags.ts";

test("a range, its thresholds, and whose", () => {
  expect(scalingOf({}, {})).toBeNull();
  expect(scalingOf({ scale: "1..4", scaleCommand: "x" }, {})).toMatchObject({
    policy: { least: 1, most: 4, lowSteps: 400, highSteps: 800, everyMs: 10_000 },
  });
  const named = scalingOf({ scale: "a=b=2..3,10..30", scaleCommand: "x", scaleEvery: 1.5 }, {});
  expect(named).toMatchObject({
    model: "a=b",
    policy: { least: 2, most: 3, lowSteps: 10, highSteps: 30, everyMs: 1500 },
  });
});

test("what is wrong is said by the flag's name", () => {
  for (const scale of ["", "4", "4..2", "0..1", "=1..2", "1..2,30..10", "m=1..", "1..2;3"]) {
    expect(() => scalingOf({ scale, scaleCommand: "x" }, {}), scale).toThrow("--scale");
  }
  expect(() => scalingOf({ scale: "1..2" }, {})).toThrow("--scale-command");
  expect(() => scalingOf({ scaleCommand: "x" }, {})).toThrow("--scale");
});

test("the command is a shell's, knows id and bus, and its end is told", async () => {
  const dir = mkdtempSync(join(tmpdir(), "punctual-scale-"));
  try {
    const file = join(dir, "said");
    const good = launchBy(`echo {id} "$PUNCTUAL_BUS" > '${file}'`, "s-1", { PUNCTUAL_BUS: "nats://x:1" });
    expect(await good.ended).toBeNull();
    expect(readFileSync(file, "utf8")).toBe("s-1 nats://x:1\n");
    expect(await launchBy("exit 3", "s-2", {}).ended).toContain("status 3");
    expect(await launchBy("kill -9 $$", "s-3", {}).ended).toContain("SIGKILL");
    expect(await launchBy("/no/such/command", "s-4", {}).ended).toContain("127");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
