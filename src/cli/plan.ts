/**
 * `punctual plan`: the cheapest placement that serves a trace within an objective, by simulation, what else would, and
 * how near the edge it stands.
 *
 * Exit codes: 0 something attains, 1 nothing does, 2 wrong usage, 130 interrupted.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { InvalidArgumentError, type Command } from "commander";
import { fail, PunctualError } from "../core/index.ts";
import type { Plan, PlanOptions, PricedGpu } from "../plan/index.ts";
import type { Trace } from "../workload/index.ts";
import { decimal, wholeNumber } from "./arguments.ts";
import type { PlanInputs } from "./plan-options.ts";
import { curveCsv, planJson, planText } from "./plan-report.ts";
import { dim, startProgress } from "./terminal.ts";
import { openTrace, type TraceSourceFlags } from "./trace-source.ts";

/** As the planner takes them, but that `calibration` is a file. */
interface PlanFlags extends TraceSourceFlags, Omit<PlanInputs, "seed"> {
  readonly check?: boolean;
  readonly json?: boolean;
  readonly curve?: string;
}

/** Enough to tell 90 % from 88 %, few enough for hundreds of simulations. */
const DEFAULT_LIMIT = 1000;
const INTERRUPTED = 130;

export function addPlan(program: Command): void {
  program
    .command("plan")
    .description("find the cheapest placement that serves a trace within an objective; exit code 1 when nothing does")
    .option("--trace <file>", "Azure, Mooncake, BurstGPT, ShareGPT or our own trace, or a recording of a server")
    .option("--generate <spec>", "made requests: azure-code,count=2000,rate=8 (as in simulate)")
    .option("--rate <per second>", "arrivals per second instead of the trace's own", decimal(1e-6, 1e9))
    .option("--limit <n>", "at most so many requests", wholeNumber(2, 1_000_000), DEFAULT_LIMIT)
    .requiredOption("--slo <slo>", "objective of requests that bring none: ttft=0.4s,tpot=40ms")
    .option("--attain <share>", "share of requests that shall meet it", decimal(0.01, 1), 0.9)
    .option("--gpus <range>", "how many devices: 8, or 1..32", deviceRange, [1, 32] as const)
    .requiredOption("--prices <list>", "per device and hour: a100=2.0,h100=4.5; local needs --calibration", readPrices)
    .option("--model <name>", "opt-13b, opt-66b (measured on a100), llama3-8b, … (roofline)")
    .option("--modes <list>", "of colocated,chunked,semi-pd,disaggregated; all when absent", splitList)
    .option("--calibration <file>", "steps of this machine from doctor --calibrate, priced as local")
    .option("--link <bytes per second>", "between instances, instead of the devices' own", decimal(1, 1e15))
    .option("--max-parallel <n>", "most devices of one instance", wholeNumber(1, 64), 8)
    .option("--max-stages <n>", "most pipeline stages of one instance", wholeNumber(1, 8), 2)
    .option("--seed <n>", "of generators and dispatchers", wholeNumber(0, 2 ** 32), 0)
    .option("--check", "check every invariant after each event (slow)")
    .option("--json", "the plan as JSON")
    .option("--curve <csv>", "attainment over load and over the scale of the objective, as CSV")
    .action(async (flags: PlanFlags) => {
      process.exitCode = await runPlan(flags);
    });
}

async function runPlan(flags: PlanFlags): Promise<number> {
  const options = await planOptions(flags);
  const startMs = performance.now();
  const result = await interruptible(options);
  if (result === null) return INTERRUPTED;
  const seconds = (performance.now() - startMs) / 1000;
  if (flags.curve !== undefined) writeText(flags.curve, curveCsv(result));
  console.log(flags.json === true ? JSON.stringify(planJson(result, seconds)) : planText(result, seconds));
  return result.chosen === null ? 1 : 0;
}

async function planOptions(flags: PlanFlags): Promise<PlanOptions> {
  const { planOptionsOf } = await import("./plan-options.ts");
  const { calibration, modes, check } = flags;
  const options = planOptionsOf({
    ...flags,
    calibration: calibration === undefined ? undefined : readText(calibration),
    modes,
  });
  return { ...options, trace: heldTrace(flags), ...(check === true ? { check: true } : {}) };
}

/** The trace in memory, and a word on stderr when it was cut. */
function heldTrace(flags: PlanFlags): Trace {
  const { trace, note } = openTrace(flags);
  if (note !== null) console.error(dim(note, process.stderr));
  const requests = [...trace.requests];
  if (requests.length === flags.limit) {
    console.error(dim(`Planned on ${requests.length} requests; --limit asks for more.`, process.stderr));
  }
  return { ...trace, requests };
}

/** Null when interrupted. */
async function interruptible(options: PlanOptions): Promise<Plan | null> {
  const { plan } = await import("../plan/index.ts");
  const controller = new AbortController();
  const interrupt = (): void => controller.abort();
  process.once("SIGINT", interrupt);
  const bar = startProgress("Simulations", 0, "");
  try {
    return await plan({
      ...options,
      signal: controller.signal,
      progress: ({ simulations, placement, load }) => bar.update(simulations, `${placement}, load ${load.toFixed(2)}`),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    });
  } catch (error) {
    if (error instanceof PunctualError && error.code === "cancelled") return null;
    throw error;
  } finally {
    bar.stop();
    process.off("SIGINT", interrupt);
  }
}

/** "8" or "1..32". */
function deviceRange(text: string): readonly [number, number] {
  const match = /^(\d{1,6})(?:\.\.(\d{1,6}))?$/.exec(text);
  const least = Number(match?.[1]);
  const most = Number(match?.[2] ?? match?.[1]);
  if (least >= 1 && most >= least) return [match?.[2] === undefined ? 1 : least, most];
  throw new InvalidArgumentError("Expected a number of devices such as 8, or a range such as 1..32.");
}

/** "a100=2.0,h100=4.5". */
function readPrices(text: string): readonly PricedGpu[] {
  return splitList(text).map((pair) => {
    const [gpu = "", price = ""] = pair.split("=", 2);
    const pricePerHour = price.trim() === "" ? Number.NaN : Number(price);
    if (gpu.trim() !== "" && pricePerHour > 0 && pricePerHour < Infinity) {
      return { gpu: gpu.trim().toLowerCase(), pricePerHour };
    }
    throw new InvalidArgumentError("Expected GPU=PRICE,… such as a100=2.0,h100=4.5.");
  });
}

const splitList = (text: string): readonly string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return fail("not_found", `--calibration: '${path}' cannot be read: ${String(error)}`, {
      param: "calibration",
      cause: error,
    });
  }
}

function writeText(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    fail("invalid_request", `--curve: '${path}' cannot be written: ${String(error)}`, { param: "curve", cause: error });
  }
}
