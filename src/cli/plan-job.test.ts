import { Command } from "commander";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { planCommand, worldCommand, type PlanRequest, type WorldRequest } from "../protocol/index.ts";
import { runJob, type PlanJobEvent } from "./plan-job.ts";
import { addPlan } from "./plan.ts";
import { addSimulate } from "./simulate.ts";

let output = "";
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** What a shell makes of a command's words. */
function wordsOf(command: string): string[] {
  return Array.from(command.matchAll(/'((?:[^']|'\\'')*)'|\S+/g), ([word, quoted]) =>
    (quoted ?? word).replaceAll(String.raw`'\''`, "'"),
  );
}

async function inTerminal(command: string): Promise<unknown> {
  output = "";
  vi.spyOn(console, "log").mockImplementation((text: string) => void (output += text));
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const program = new Command("punctual").exitOverride();
  addPlan(program);
  addSimulate(program);
  const [name, ...words] = wordsOf(command);
  expect(name).toBe("punctual");
  await program.parseAsync([...words, "--json"], { from: "user" });
  return JSON.parse(output);
}

async function lastOf(job: Parameters<typeof runJob>[0]): Promise<PlanJobEvent> {
  const events: PlanJobEvent[] = [];
  await runJob(
    job,
    (event) => void events.push(event),
    () => 0,
  );
  return events.at(-1)!;
}

const workload = { kind: "generate", spec: "azure-code,max-total=2048,cv=2" } as const;

test("the command of a plan makes the same plan in a terminal", async () => {
  const request: PlanRequest = {
    workload,
    rate: 4,
    limit: 30,
    seed: 3,
    slo: { ttftMs: 800, tpotMs: 55.5 },
    attain: 0.85,
    gpus: [1, 2],
    prices: [{ gpu: "a100", pricePerHour: 1.75 }],
    model: "opt-13b",
    modes: ["chunked", "colocated"],
    maxParallel: 2,
    maxStages: 1,
  };
  const done = await lastOf({ kind: "plan", request, trace: null });
  if (done.kind !== "done" || !("plan" in done)) throw new Error(JSON.stringify(done));
  const said = (await inTerminal(done.command)) as {
    readonly chosen: {
      readonly placement: string;
      readonly pricePerHour: number;
      readonly point: { readonly share: number };
    };
    readonly trace: { readonly requests: number };
    readonly sensitivity: { readonly mostLoad: number };
  };
  const { chosen, trace, sensitivity } = done.plan;
  expect(said.chosen.placement).toBe(chosen!.placement.name);
  expect(said.chosen.pricePerHour).toBe(chosen!.placement.pricePerHour);
  expect(said.chosen.point.share).toBe(chosen!.point.share);
  expect(said.trace.requests).toBe(trace.requests);
  expect(said.sensitivity.mostLoad).toBe(sensitivity!.mostLoad);
});

test("the command of a world makes the same world in a terminal", async () => {
  const request: WorldRequest = {
    workload,
    rate: 3,
    limit: 50,
    seed: 9,
    slo: { deadlineMs: 4000 },
    cost: "opt-13b",
    policy: "edf",
    dispatch: "llumnix",
    instances: 2,
    migrate: true,
  };
  const done = await lastOf({ kind: "world", request, trace: null });
  if (done.kind !== "done" || !("world" in done)) throw new Error(JSON.stringify(done));
  const said = (await inTerminal(done.command)) as {
    readonly report: { readonly steps: number; readonly ttftMs: { readonly p90: number }; readonly spanMs: number };
  };
  expect(said.report.steps).toBe(done.world.steps);
  expect(said.report.ttftMs.p90).toBe(done.world.ttftMs.p90);
  expect(said.report.spanMs).toBe(done.world.spanMs);
});

test("a shell reads the name of a file as it was brought, whatever it is", () => {
  const request: WorldRequest = { workload: { kind: "trace", id: "x" }, cost: "opt-13b" };
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: "grapheme" }), (name) => {
      fc.pre(!/[\p{Cc}]/u.test(name));
      expect(wordsOf(worldCommand(request, { trace: name }))[3]).toBe(name);
    }),
    { seed: 11, numRuns: 200 },
  );
  const local: PlanRequest = {
    workload: request.workload,
    slo: { ttftMs: 1 },
    attain: 0.9,
    gpus: [1, 1],
    prices: [{ gpu: "local", pricePerHour: 1 }],
    calibration: "{}",
  };
  expect(planCommand(local, { trace: "my day.csv" })).toBe(
    "punctual plan --trace 'my day.csv' --slo ttft=1ms --attain 0.9 --gpus 1 --prices local=1 --calibration calibration.json",
  );
});
