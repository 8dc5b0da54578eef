/** `punctual doctor`: what this machine can do, measured, and what to set because of it. */
import { freemem, loadavg, totalmem } from "node:os";
import type { Command } from "commander";
import type { Clock } from "../core/index.ts";
import { median } from "../core/index.ts";
import type { Calibration } from "../runtime/index.ts";
import { decimal } from "./arguments.ts";
import type { CalibrateFlags } from "./calibrate.ts";
import { addEngineOptions, startEngines } from "./models.ts";
import { bold, dim, formatBytes, formatMs, startProgress } from "./terminal.ts";

/** What `--json` prints. Speeds are medians; null where the machine has no second core. */
interface Diagnosis {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly flags: readonly string[];
    readonly os: string;
  };
  /** Runnable processes over the last minute, this one included; 0 where the system does not tell. */
  readonly load: number;
  readonly memory_bytes: { readonly total: number; readonly free: number };
  readonly node: string;
  readonly onnxruntime: string;
  readonly matmul_gflops: readonly PerThread[];
  readonly stream_gb_per_s: readonly PerThread[];
  readonly kv_gb_per_s: readonly PerThread[];
  readonly models: readonly ModelDiagnosis[];
  readonly advice: readonly string[];
}

interface PerThread {
  readonly threads: 1 | 2;
  readonly value: number;
}

interface ModelDiagnosis {
  readonly name: string;
  readonly load_ms: number;
  readonly context_tokens: number;
  readonly kv_tokens: number;
  readonly budget_tokens: number;
  readonly calibration: Calibration | null;
}

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description("check this machine: instruction sets, memory, speeds, budgets, and what to set")
    .option("--json", "one JSON object")
    .option("--calibrate [file]", "instead, measure what steps of a model cost and write that down for simulations")
    .option("--model <model>", "which model to calibrate, as in serve; the built-in base model when absent")
    .option("--seconds <count>", "how long to measure when calibrating; loading comes on top", decimal(1, 3600), 45);
  addEngineOptions(command).action(async (flags: CalibrateFlags) => {
    if (flags.calibrate === undefined) return doctor(flags);
    const { calibrate } = await import("./calibrate.ts");
    return calibrate(flags);
  });
}

async function doctor(flags: Pick<CalibrateFlags, "json">): Promise<void> {
  const diagnosis = await diagnose();
  if (flags.json === true) console.log(JSON.stringify(diagnosis));
  else console.log(report(diagnosis));
}

async function diagnose(): Promise<Diagnosis> {
  const [{ describeMachine }, { liveClock }, kernels] = await Promise.all([
    import("../claims/index.ts"),
    import("../runtime/index.ts"),
    import("../kernels/index.ts"),
  ]);
  const { cpu, cores, flags, os, node, ort } = describeMachine();
  const threads: readonly (1 | 2)[] = cores >= 2 ? [1, 2] : [1];
  const clock = liveClock;
  const load = round(loadavg()[0]!); // before we add to it
  const progress = startProgress("Measuring", 4, "matrix multiplication");
  try {
    const matmul = await perThread(threads, (count) => measureMatmul(clock, count));
    progress.update(1, "memory");
    const stream = await perThread(
      threads,
      async (count) => (await kernels.measureStreamBandwidth({ clock, threads: count, ...BRIEF })).gigabytesPerSecond,
    );
    progress.update(2, "attention over the KV cache");
    const kv = await perThread(
      threads,
      async (count) => (await kernels.measureKvBandwidth({ clock, threads: count, ...BRIEF })).gigabytesPerSecond,
    );
    progress.update(3, "built-in models");
    const models = await diagnoseModels(clock);
    const measured = { matmul_gflops: matmul, stream_gb_per_s: stream, kv_gb_per_s: kv, models };
    const memory = { total: totalmem(), free: freemem() };
    const head = { machine: { cpu, cores, flags, os }, load, memory_bytes: memory, node, onnxruntime: ort };
    return { ...head, ...measured, advice: advise({ ...head, ...measured }) };
  } finally {
    progress.stop();
  }
}

async function perThread(
  threads: readonly (1 | 2)[],
  measure: (count: 1 | 2) => Promise<number>,
): Promise<PerThread[]> {
  const results: PerThread[] = [];
  for (const count of threads) results.push({ threads: count, value: round(await measure(count)) });
  return results;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Still far beyond any last-level cache we know of, and over in a second. */
const BRIEF = { workingSetBytes: 128 * 2 ** 20, passes: 3 } as const;

const ROWS = 256;
const WIDTH = 1024;
const CHAIN = 4;
const REPEATS = 9;

/** Billions of f32 operations per second of a chain of products; only a small sum leaves the runtime. */
async function measureMatmul(clock: Clock, threads: number): Promise<number> {
  const { createSession, GraphBuilder, matmul, reduceMean } = await import("../graph/index.ts");
  const builder = new GraphBuilder("doctor");
  let x = builder.input("x", "float32", [ROWS, WIDTH]);
  const w = builder.input("w", "float32", [WIDTH, WIDTH]);
  for (let i = 0; i < CHAIN; i++) x = matmul(x, w);
  builder.output("y", reduceMean(x, { axes: [0, 1], keepDims: false }));
  const session = await createSession(builder.build(), { threads });
  try {
    const feeds = {
      x: { dtype: "float32", dims: [ROWS, WIDTH], data: new Float32Array(ROWS * WIDTH).fill(0.01) },
      w: { dtype: "float32", dims: [WIDTH, WIDTH], data: new Float32Array(WIDTH * WIDTH).fill(0.001) },
    } as const;
    await session.run(feeds);
    const timesMs: number[] = [];
    for (let i = 0; i < REPEATS; i++) {
      const startMs = clock.nowMs();
      await session.run(feeds);
      timesMs.push(clock.nowMs() - startMs);
    }
    return (2 * ROWS * WIDTH * WIDTH * CHAIN) / (median(timesMs) * 1e6);
  } finally {
    await session.release();
  }
}

async function diagnoseModels(clock: Clock): Promise<ModelDiagnosis[]> {
  const { builtInModels } = await import("../llm/index.ts");
  const diagnoses: ModelDiagnosis[] = [];
  for (const model of builtInModels()) {
    const startMs = clock.nowMs();
    const [engine] = await startEngines([model], { kvCacheDtype: "auto", enablePrefixCaching: true });
    const { name, contextTokens, kvPages, pageTokens } = engine!.info;
    const { limits, calibration } = engine!.stats();
    diagnoses.push({
      name,
      load_ms: Math.round(clock.nowMs() - startMs),
      context_tokens: contextTokens,
      kv_tokens: kvPages * pageTokens,
      budget_tokens: limits.budgetTokens,
      calibration,
    });
    await engine!.stop({ graceMs: 0 });
  }
  return diagnoses;
}

/** A second thread must be this much faster to be worth its core. */
const WORTH_A_THREAD = 1.4;

function advise(diagnosis: Omit<Diagnosis, "advice">): string[] {
  const { machine, load, matmul_gflops: matmul, models } = diagnosis;
  const advice: string[] = [];
  if (load >= machine.cores) {
    advice.push(
      `Something else is running (load ${load} on ${machine.cores} cores): the figures above are low, measure again when it is quiet.`,
    );
  }
  const [one, two] = matmul;
  if (two === undefined) advice.push("One core: keep --threads 1; the server and the model share it.");
  else if (two.value >= WORTH_A_THREAD * one!.value) {
    advice.push(
      "For one model with few users set --threads 2; with two models or more keep 1 each, so that threads do not outnumber cores.",
    );
  } else advice.push("A second thread gains little here (busy or shared cores): keep --threads 1.");
  if (!machine.flags.some((flag) => flag.endsWith("vnni"))) {
    advice.push("No VNNI instructions: --weights f32 may be as fast as int8 and int4; measure before choosing.");
  } else advice.push("VNNI is present: --weights int4 saves memory and time on large models.");
  for (const { name, budget_tokens } of models) {
    advice.push(
      `${name}: steps of up to ${budget_tokens} tokens keep their pace here; --max-num-batched-tokens fixes a value and saves the measurement at start.`,
    );
  }
  if (models.length === 0)
    advice.push("No built-in models found: punctual train base makes one, or name a folder with --model.");
  advice.push(
    "Installing elsewhere: npm install --onnxruntime-node-install=skip punctual. Without the flag the native runtime's install script downloads GPU files that are not used, and fails where it cannot.",
  );
  return advice;
}

function report(diagnosis: Diagnosis): string {
  const { machine, memory_bytes: memory, models } = diagnosis;
  const rows: [string, string][] = [
    ["Processor", `${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}`],
    ["Instructions", machine.flags.join(" ") || "unknown"],
    ["Memory", `${formatBytes(memory.free)} free of ${formatBytes(memory.total)}`],
    ["Software", `${machine.os}, Node ${diagnosis.node}, ONNX Runtime ${diagnosis.onnxruntime}`],
    ["f32 MatMul", threadText(diagnosis.matmul_gflops, "GFLOP/s")],
    ["Memory stream", threadText(diagnosis.stream_gb_per_s, "GB/s")],
    ["KV attention", threadText(diagnosis.kv_gb_per_s, "GB/s")],
    ...models.map((model): [string, string] => [model.name, modelText(model)]),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `${dim(label.padEnd(width))}  ${text}`);
  return [...lines, "", bold("What to set"), ...diagnosis.advice.map((line) => `- ${line}`)].join("\n");
}

function threadText(values: readonly PerThread[], unit: string): string {
  return values
    .map(({ threads, value }) => `${value} ${unit} on ${threads} ${threads === 1 ? "thread" : "threads"}`)
    .join(", ");
}

function modelText(model: ModelDiagnosis): string {
  const parts = [
    `loads in ${formatMs(model.load_ms)}`,
    `context ${model.context_tokens}`,
    `KV cache ${model.kv_tokens} tokens`,
  ];
  parts.push(`budget ${model.budget_tokens} tokens a step`);
  const points = model.calibration?.points ?? [];
  if (points.length > 0) parts.push(points.map(({ tokens, stepMs }) => `${tokens} in ${formatMs(stepMs)}`).join(", "));
  return parts.join(", ");
}
