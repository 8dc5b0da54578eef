import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PunctualError } from "../core/index.ts";
import { addPlan } from "./plan.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let output = "";
beforeEach(() => {
  output = "";
  vi.spyOn(console, "log").mockImplementation((text: string) => void (output += `${text}\n`));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function punctualPlan(...args: readonly string[]): Promise<typeof process.exitCode> {
  const program = new Command("punctual").exitOverride().configureOutput({ writeErr: () => {} });
  addPlan(program);
  for (const command of program.commands) command.exitOverride();
  const common = ["--prices", "a100=2.0", "--model", "opt-13b", "--max-stages", "1"];
  await program.parseAsync(["plan", ...common, ...args], { from: "user" });
  return process.exitCode;
}

const few = ["--generate", "azure-code,count=40,rate=3,max-total=2048", "--gpus", "1..3"] as const;

test("a plan is a table, a curve and what they rest on; the curve is also a file", async () => {
  const curve = join(folder, "curve.csv");
  expect(await punctualPlan(...few, "--slo", "ttft=1s,tpot=60ms", "--curve", curve)).toBe(0);
  expect(output).toContain("▸");
  expect(output).toContain("◂ the trace");
  expect(output).toMatch(/attains up to [\d.]+x the rate/);
  expect(output).toContain("costs: DistServe's fitted profiles of opt-13b on A100-80G");
  const [head, ...lines] = readFileSync(curve, "utf8").trimEnd().split("\n");
  expect(head).toBe(
    "placement,load,slo_scale,requests,share,ttft_share,tpot_share,ttft_p90_ms,tpot_p90_ms,e2e_mean_ms,utilization,preemptions",
  );
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) expect(line.split(",").length).toBeGreaterThanOrEqual(12);
});

test("when nothing attains it says what is nearest, and the exit code is 1", async () => {
  expect(await punctualPlan(...few, "--slo", "ttft=30ms,tpot=21ms", "--json")).toBe(1);
  const said = JSON.parse(output) as { chosen: unknown; nearest: { placement: string; mostLoad: number }[] };
  expect(said.chosen).toBeNull();
  expect(said.nearest.map(({ placement }) => placement).join()).toContain("colocated");
});

test("as JSON it names placements and modes", async () => {
  const only = ["--modes", "chunked,colocated", "--attain", "0.8", "--json"] as const;
  expect(await punctualPlan(...few, ...only, "--slo", "ttft=1s,tpot=60ms")).toBe(0);
  const said = JSON.parse(output) as {
    chosen: { placement: string; mode: string; devices: number; point: { share: number } };
    curves: { points: unknown[] }[];
    simulations: number;
  };
  expect(["chunked", "colocated"]).toContain(said.chosen.mode);
  expect(said.chosen.placement).toContain("a100 opt-13b");
  expect(said.chosen.point.share).toBeGreaterThanOrEqual(0.8);
  expect(said.curves[0]!.points.length).toBeGreaterThan(3);
});

describe("wrong usage is refused before anything is simulated", () => {
  test.each([
    [["--slo", "ttft=1s", "--gpus", "0"], CommanderError, "range"],
    [["--slo", "ttft=1s", "--gpus", "4..2"], CommanderError, "range"],
    [["--slo", "ttft=1s", "--prices", "a100"], CommanderError, "GPU=PRICE"],
    [["--slo", "ttft=1s", "--prices", "tpu=1"], PunctualError, "h100"],
    [["--slo", "ttft=1s", "--modes", "magic"], PunctualError, "semi-pd"],
    [["--slo", "ttft=1s", "--prices", "local=1"], PunctualError, "calibration"],
    [["--slo", "ttft=1s", "--calibration", "/nowhere", "--prices", "local=1"], PunctualError, "cannot be read"],
    [["--slo", "on-miss=finish"], PunctualError, "target"],
  ])("%s", async (args, kind, message) => {
    const failure = await punctualPlan(...few, ...args).then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(kind);
    expect((failure as Error).message).toContain(message);
    expect(output).toBe("");
  });
});
