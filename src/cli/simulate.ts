/**
 * `punctual simulate`: a trace on instances that do not exist, decided by the policies of the engine. Prints what came
 * of it and what the numbers rest on.
 *
 * Exit codes: 0 done, 1 a replay that decided otherwise or an attainment below `--attain`, 2 wrong usage.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { fail } from "../core/index.ts";
import type { Slo } from "../sched/index.ts";
import type {
  Fidelity,
  NamedDeployment,
  RowKind,
  SimulationObserver,
  SimulationOptions,
  SimulationReport,
} from "../sim/index.ts";
import type { Recording } from "../workload/index.ts";
import { decimal, wholeNumber } from "./arguments.ts";
import { fleetControllerOf, type FleetFlags } from "./fleet-flags.ts";
import { bold, dim, formatMs, startProgress, type Progress } from "./terminal.ts";
import { openTrace, type TraceSourceFlags } from "./trace-source.ts";

interface SimulateFlags extends TraceSourceFlags, FleetFlags {
  readonly policy: string;
  readonly cost?: string;
  readonly costFile?: string;
  readonly dispatch: string;
  readonly slo?: string;
  readonly attain?: number;
  readonly pageTokens: number;
  readonly kvTokens?: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens?: number;
  readonly maxAnswerTokens?: number;
  readonly prefixCache: boolean;
  readonly loadRefresh?: number;
  readonly check?: boolean;
  readonly replay?: boolean;
  readonly predict?: boolean;
  readonly json?: boolean;
  readonly csv?: string;
  readonly chromeTrace?: string;
}

const MAX_COUNT = 100_000_000;

export function addSimulate(program: Command): void {
  program
    .command("simulate")
    .description("run a trace on virtual instances; exit code 1 when a replay differs or --attain is missed")
    .option("--trace <file>", "Azure, Mooncake, BurstGPT, ShareGPT or our own trace, or a recording of a server")
    .option("--generate <spec>", "made requests: azure-code,count=5000,rate=8,cv=3 (see docs for names)")
    .option("--rate <per second>", "arrivals per second instead of the trace's own", decimal(1e-6, 1e9))
    .option("--limit <n>", "at most so many requests", wholeNumber(1, MAX_COUNT))
    .option("--policy <name>", "batching policy", "splitfuse")
    .option("--instances <n>", "how many", wholeNumber(1, 100_000), 1)
    .option(
      "--dispatch <name>",
      "who gets a request: round-robin, least-queue, infaas, llumnix, kv-aware, lmetric or deadline-aware",
      "least-queue",
    )
    .option("--migrate", "move requests from full instances to free ones while they decode, as Llumnix does")
    .option("--link <GB/s>", "how fast keys and values move", decimal(1e-3, 1e6), 4)
    .option("--autoscale <range>", "2..16 or 2..16,400..800: instances, and decode steps of freeness to keep to")
    .option("--start-delay <ms>", "from the decision until a new instance serves", decimal(0, 1e9), 20_000)
    .option(
      "--cost <model>",
      "opt-13b, opt-66b:tp4, roofline:h100:llama3-8b:tp1, splitwise:MODEL:GPU:tpN, a calibration file, or a recording",
    )
    .option("--cost-file <csv>", "Splitwise's perf_model.csv, for --cost splitwise:…")
    .option("--slo <slo>", "objective of requests that bring none: ttft=200ms,tpot=50ms")
    .option("--attain <share>", "exit code 1 unless this share attains", decimal(0, 1))
    .option("--page-tokens <n>", "tokens per KV page", wholeNumber(1, 4096), 16)
    .option(
      "--kv-tokens <n>",
      "tokens of KV per instance instead of what the model leaves room for",
      wholeNumber(1, 1e12),
    )
    .option("--max-num-seqs <n>", "most sequences in a step", wholeNumber(1, 100_000), 256)
    .option(
      "--max-num-batched-tokens <n>",
      "most tokens in a step; found from the cost model when absent",
      wholeNumber(1, 1e9),
    )
    .option("--max-answer-tokens <n>", "what requests allow themselves; policies see it", wholeNumber(1, 1e9))
    .option("--no-prefix-cache", "compute equal prefixes again")
    .option("--load-refresh <ms>", "dispatch by loads that are up to so old", decimal(0, 1e9))
    .option("--seed <n>", "of generators and dispatchers", wholeNumber(0, 2 ** 32), 0)
    .option("--check", "check every invariant after each event (slow)")
    .option("--replay", "replay a recording decision by decision and compare")
    .option("--predict", "compare with the recording's own latencies")
    .option("--json", "the report as JSON")
    .option("--csv <file>", "one line per request")
    .option("--chrome-trace <file>", "steps and requests for chrome://tracing and Perfetto")
    .action(async (flags: SimulateFlags) => {
      process.exitCode = await simulate(flags);
    });
}

async function simulate(flags: SimulateFlags): Promise<number> {
  const { trace, count, recording, note } = openTrace(flags);
  if (note !== null) console.error(dim(note, process.stderr));
  if (flags.replay === true) return replayRecording(needRecording(recording, "--replay"), flags);
  const cost = await readCost(flags);
  if (flags.predict === true) return predictRecording(needRecording(recording, "--predict"), cost, flags);
  const options = await simulationOptions(flags, trace, cost);
  const outputs = await openOutputs(flags);
  const startMs = performance.now();
  const { report, events, notKnown } = await run({ ...options, observer: outputs.observer }, count);
  outputs.close();
  const seconds = (performance.now() - startMs) / 1000;
  const { name, source } = trace;
  if (flags.json === true) {
    const { basis, fitError } = cost;
    const head = {
      trace: { name, source },
      policy: flags.policy,
      dispatch: flags.dispatch,
      instances: flags.instances,
    };
    console.log(
      JSON.stringify({
        ...head,
        cost: { name: cost.deployment.cost.name, basis, fitError, notKnown },
        seconds,
        events,
        report,
      }),
    );
  } else {
    console.log(
      describe(report, {
        title: `${source}, ${flags.instances} x ${cost.deployment.name}, ${flags.policy}`,
        cost,
        notKnown,
        seconds,
        events,
      }),
    );
  }
  const share = report.attainment.all.share;
  return flags.attain !== undefined && (share ?? 0) < flags.attain ? 1 : 0;
}

function needRecording(recording: Recording | null, flag: string): Recording {
  if (recording !== null) return recording;
  return fail("invalid_request", `${flag}: expected --trace to name a recording (serve --record).`, { param: "trace" });
}

async function readCost(flags: SimulateFlags): Promise<NamedDeployment> {
  const { createDeployment } = await import("../sim/index.ts");
  const { cost, costFile, kvTokens } = flags;
  if (cost === undefined) {
    return fail(
      "invalid_request",
      "Expected --cost: opt-13b, roofline:h100:llama3-8b, a file of doctor --calibrate, or a recording (.jsonl).",
      {
        param: "cost",
      },
    );
  }
  const kind = cost.endsWith(".json") ? "calibration" : cost.endsWith(".jsonl") ? "recording" : null;
  const text =
    kind !== null ? readText(cost, "cost") : costFile === undefined ? undefined : readText(costFile, "cost-file");
  const named = createDeployment(kind ?? cost, text);
  return kvTokens === undefined ? named : { ...named, deployment: { ...named.deployment, kvTokens } };
}

function readText(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return fail(
      "not_found",
      `--${flag}: '${path}' cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        param: flag,
        cause: error,
      },
    );
  }
}

async function simulationOptions(
  flags: SimulateFlags,
  trace: SimulationOptions["trace"],
  { deployment }: NamedDeployment,
): Promise<SimulationOptions> {
  const { createDispatch, createPolicy, parseSlo } = await import("../sched/index.ts");
  createPolicy(flags.policy); // refused before anything starts
  const defaultSlo: Slo | undefined = flags.slo === undefined ? undefined : parseSlo(flags.slo);
  const { maxNumBatchedTokens, maxAnswerTokens, loadRefresh } = flags;
  const controller = await fleetControllerOf(flags, deployment.kvBytesPerToken);
  const spec = {
    deployment,
    policy: () => createPolicy(flags.policy),
    pageTokens: flags.pageTokens,
    maxRunning: flags.maxNumSeqs,
    ...(flags.prefixCache ? {} : { prefixCache: false }),
    ...(maxNumBatchedTokens === undefined ? {} : { budgetTokens: maxNumBatchedTokens }),
  };
  return {
    trace,
    instances: Array.from({ length: flags.instances }, () => spec),
    dispatch: createDispatch(flags.dispatch),
    seed: flags.seed,
    ...(defaultSlo === undefined ? {} : { defaultSlo }),
    ...(maxAnswerTokens === undefined ? {} : { maxAnswerTokens }),
    ...(loadRefresh === undefined ? {} : { loadRefreshMs: loadRefresh }),
    ...(controller === null ? {} : { controller }),
    ...(flags.check === true ? { check: true } : {}),
  };
}

/** Events between two looks at the terminal. */
const SLICE = 20_000;

async function run(
  options: SimulationOptions,
  count: number | null,
): Promise<{ readonly report: SimulationReport; readonly events: number; readonly notKnown: readonly RowKind[] }> {
  const { Simulation } = await import("../sim/index.ts");
  const simulation = new Simulation(options);
  const progress: Progress = startProgress("Simulating", count ?? 0, "");
  try {
    let going = true;
    while (going) {
      for (let i = 0; i < SLICE && going; i++) going = simulation.step();
      progress.update(simulation.requestsOver, `${formatMs(simulation.nowMs)} of its time`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    progress.stop();
  }
  return { report: simulation.report(), events: simulation.events, notKnown: simulation.notKnown };
}

interface Outputs {
  readonly observer: SimulationObserver;
  close(): void;
}

/** Text that is written at once when there is enough of it. */
const BUFFER_CHARACTERS = 1 << 16;

function openFile(path: string, flag: string): { write(text: string): void; close(): void } {
  let file: number;
  try {
    file = openSync(path, "w");
  } catch (error) {
    return fail("invalid_request", `--${flag}: '${path}' cannot be written: ${String(error)}`, {
      param: flag,
      cause: error,
    });
  }
  let text = "";
  const flush = (): void => {
    writeSync(file, text);
    text = "";
  };
  return {
    write: (more) => {
      text += more;
      if (text.length >= BUFFER_CHARACTERS) flush();
    },
    close: () => {
      flush();
      closeSync(file);
    },
  };
}

async function openOutputs({ csv, chromeTrace }: SimulateFlags): Promise<Outputs> {
  const { ChromeTrace, CSV_HEADER, csvLine } = await import("../sim/index.ts");
  const table = csv === undefined ? null : openFile(csv, "csv");
  const events = chromeTrace === undefined ? null : openFile(chromeTrace, "chrome-trace");
  table?.write(CSV_HEADER);
  const chart = events === null ? null : new ChromeTrace((text) => events.write(text));
  return {
    observer: {
      ...(table === null && chart === null
        ? {}
        : {
            request: (record) => {
              table?.write(csvLine(record));
              chart?.request(record);
            },
          }),
      ...(chart === null ? {} : { step: (...step) => chart.step(...step) }),
    },
    close: () => {
      chart?.end();
      if (chart?.full === true) console.error(dim("The Chrome trace was cut at its limit of events.", process.stderr));
      table?.close();
      events?.close();
    },
  };
}

async function replayRecording(recording: Recording, { check, json }: SimulateFlags): Promise<number> {
  const { compareDecisions, replay } = await import("../sim/index.ts");
  const replayed = replay(recording, { check: check === true });
  const { compared, difference } = compareDecisions(recording, replayed.decisions);
  if (json === true) {
    console.log(
      JSON.stringify({ steps: replayed.decisions.length, compared, identical: difference === null, difference }),
    );
  } else if (difference === null) {
    console.log(`${replayed.decisions.length} steps replayed, ${compared} recorded decisions, all identical.`);
  } else {
    const { entry, field, recorded, replayed: other } = difference;
    console.log(
      `Step ${entry} differs in ${field}: recorded ${JSON.stringify(recorded)}, replayed ${JSON.stringify(other)}`,
    );
  }
  return difference === null ? 0 : 1;
}

async function predictRecording(recording: Recording, cost: NamedDeployment, { json }: SimulateFlags): Promise<number> {
  const { predict } = await import("../sim/index.ts");
  const fidelity = predict(recording, cost.deployment.cost);
  const { report: _, ...rest } = fidelity;
  console.log(json === true ? JSON.stringify({ ...rest, cost: cost.basis }) : describeFidelity(fidelity, cost));
  return 0;
}

function describeFidelity(
  { measured, predicted, error, requests, notKnown }: Fidelity,
  { basis }: NamedDeployment,
): string {
  const row = (metric: "ttftMs" | "tpotMs" | "e2eMs", label: string): string => {
    const side = (key: "mean" | "p90"): string =>
      `${formatMs(measured[metric][key])} → ${formatMs(predicted[metric][key])} (${signed(error[metric][key])})`;
    return `${label.padEnd(22)}mean ${side("mean").padEnd(34)} P90 ${side("p90")}`;
  };
  return [
    bold(`${requests} requests measured → predicted`),
    row("ttftMs", "time to first token"),
    row("tpotMs", "time per output token"),
    row("e2eMs", "end to end"),
    dim(`costs: ${basis}`),
    ...notKnown.map(describeNotKnown),
  ].join("\n");
}

/** What a prediction leaves out, said beside it. */
function describeNotKnown(kind: RowKind): string {
  return dim(
    kind === "routes"
      ? "not in the costs: what leaving layers out saves (a recording as --cost knows it)"
      : "not in the costs: what adapters add (a recording as --cost knows it)",
  );
}

const signed = (share: number): string => `${share >= 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
const percent = (share: number | null): string => (share === null ? "-" : `${(share * 100).toFixed(1)} %`);
const time = (ms: number | null): string => (ms === null ? "-" : formatMs(ms));

interface Run {
  readonly title: string;
  readonly cost: NamedDeployment;
  readonly notKnown: readonly RowKind[];
  readonly seconds: number;
  readonly events: number;
}

function describe(report: SimulationReport, { title, cost, notKnown, seconds, events }: Run): string {
  const { requests, throughput, goodput, attainment, queue, migrations } = report;
  const { arrived, done, ...others } = requests;
  const other = Object.entries(others).filter(([, count]) => count > 0);
  const latency = (label: string, of: SimulationReport["ttftMs"]): string =>
    `${label.padEnd(28)}${[of.mean, of.p50, of.p90, of.p99].map((ms) => time(ms).padStart(9)).join(" ")}`;
  const classes = Object.entries(attainment.byClass).filter(([, { all }]) => all.requests > 0);
  return [
    bold(title),
    `${arrived} requests in ${time(report.spanMs)}: ${done} done${other.map(([end, count]) => `, ${count} ${end}`).join("")}`,
    `${"".padEnd(28)}${["mean", "P50", "P90", "P99"].map((word) => word.padStart(9)).join(" ")}`,
    latency("time to first token", report.ttftMs),
    latency("time per output token", report.tpotMs),
    latency("  with the first one", report.tpotWithFirstMs),
    latency("gap between tokens", report.gapMs),
    latency("end to end", report.e2eMs),
    latency("in the queue", report.queueMs),
    `throughput ${throughput.requestsPerSecond.toFixed(2)} requests/s, ${throughput.tokensPerSecond.toFixed(1)} tokens/s`,
    `goodput    ${goodput.requestsPerSecond.toFixed(2)} requests/s, ${goodput.tokensPerSecond.toFixed(1)} tokens/s`,
    ...classes.map(([kind, { all, ttft, tpot, deadline }]) => {
      const targets = Object.entries({ ttft, tpot, deadline }).filter(([, { requests: count }]) => count > 0);
      const detail = targets.map(([name, { share }]) => `${name} ${percent(share)}`).join(", ");
      return `attained   ${kind}: ${percent(all.share)} of ${all.requests} (${detail})`;
    }),
    ...(migrations.started === 0
      ? []
      : [
          `moved      ${migrations.completed} of ${migrations.started} migrations, ${time(migrations.downtimeMs.p99)} of downtime at P99`,
        ]),
    `instances  ${percent(report.utilization)} busy, ${report.instanceSeconds.toFixed(0)} instance-seconds, ${report.steps} steps, ${report.preemptions} preemptions`,
    `queue      ${queue.meanWaiting.toFixed(2)} waiting and ${queue.meanRunning.toFixed(2)} running on average, at most ${queue.mostWaiting} waiting`,
    dim(`costs: ${cost.basis}`),
    ...notKnown.map(describeNotKnown),
    dim(
      `simulated in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)} events/s, ${Math.round(report.steps / seconds)} steps/s`,
    ),
  ].join("\n");
}
