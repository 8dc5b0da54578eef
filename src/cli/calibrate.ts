/** `punctual doctor --calibrate`: what steps of a model cost on this machine, as a file that simulations are fitted to. */
import { accessSync, constants, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { dirname, resolve } from "node:path";
import { fail, type ErrorCode } from "../core/index.ts";
import type { MeasuredSteps } from "../runtime/index.ts";
import type { CalibrationFile, Fit, StepPoint } from "../sim/index.ts";
import { chosenModels, engineOptions, type EngineFlags } from "./models.ts";
import { bold, dim, formatMs, startProgress } from "./terminal.ts";

export interface CalibrateFlags extends EngineFlags {
  /** True: a file of the model's name in the current folder. */
  readonly calibrate?: string | true;
  readonly model?: string;
  readonly seconds: number;
  readonly json?: boolean;
}

/** What `--json` prints. Errors of the fit are shares of the measured time. */
interface CalibrationReport {
  readonly file: string;
  readonly machine: string;
  readonly model: string;
  /** Runnable processes over the last minute before it began; 0 where the system does not tell. */
  readonly load: number;
  readonly seconds: number;
  readonly steps: number;
  readonly fit: Omit<Fit, "form"> | null;
}

/**
 * Measures and writes. Errors: `not_found` for a model or a folder that is not there, `invalid_request` when there was no
 * time for a single step.
 */
export async function calibrate(flags: CalibrateFlags): Promise<void> {
  const startMs = performance.now();
  const load = Math.round(loadavg()[0]! * 10) / 10;
  const [model] = await chosenModels(flags.model === undefined ? undefined : [flags.model]);
  const file = resolve(typeof flags.calibrate === "string" ? flags.calibrate : `${model!.name}.calibration.json`);
  checkWritable(file);
  const options = engineOptions(model!, flags);
  const { measured, points } = await measure(options, flags.seconds * 1000);
  if (points.length === 0) {
    refuse("invalid_request", `${flags.seconds} seconds were not enough to measure a step.`);
  }
  const { writeCalibration } = await import("../sim/index.ts");
  const content = await describe(measured, points, flags);
  writeFileSync(file, writeCalibration(content));
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const { machine } = content;
  const report: CalibrationReport = {
    file,
    machine,
    model: model!.name,
    load,
    seconds,
    steps: points.length,
    fit: await fitOf(points),
  };
  console.log(flags.json === true ? JSON.stringify(report) : summary(report));
}

async function measure(
  engine: ReturnType<typeof engineOptions>,
  limitMs: number,
): Promise<{ measured: MeasuredSteps; points: StepPoint[] }> {
  const [{ measureSteps }, { stepPoints }] = await Promise.all([
    import("../runtime/index.ts"),
    import("../sim/index.ts"),
  ]);
  const points: StepPoint[] = [];
  const progress = startProgress("Measuring steps", Math.ceil(limitMs / 1000), "loading");
  try {
    const measured = await measureSteps({
      engine,
      limitMs,
      onEntries: (entries) => points.push(...stepPoints(entries)),
      onProgress: (elapsedMs, what) => progress.update(Math.floor(elapsedMs / 1000), what),
    });
    return { measured, points };
  } finally {
    progress.stop();
  }
}

async function describe(
  measured: MeasuredSteps,
  points: readonly StepPoint[],
  flags: CalibrateFlags,
): Promise<Omit<CalibrationFile, "kind" | "version">> {
  const { describeMachine } = await import("../claims/index.ts");
  const { cpu, cores, node, ort } = describeMachine();
  const { info, kvBytesPerToken, maxRunning, budgetTokens } = measured;
  return {
    machine: `${cpu}, ${cores} ${cores === 1 ? "core" : "cores"}`,
    model: info.name,
    settings: {
      weights: info.weights,
      threads: info.threads,
      kvCacheDtype: flags.kvCacheDtype === "auto" ? "f32" : flags.kvCacheDtype,
      pageTokens: info.pageTokens,
      contextTokens: info.contextTokens,
      maxRunning,
      budgetTokens,
      node,
      onnxruntime: ort,
    },
    kvTokens: info.kvPages * info.pageTokens,
    kvBytesPerToken,
    points,
  };
}

/** Null where a fit says nothing: too few different steps. */
async function fitOf(points: readonly StepPoint[]): Promise<CalibrationReport["fit"]> {
  const { fitCost } = await import("../sim/index.ts");
  try {
    const { form: _, ...rest } = fitCost(points);
    return rest;
  } catch {
    return null;
  }
}

function checkWritable(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch {
    refuse("not_found", `'${dirname(file)}' is no folder that can be written to.`);
  }
}

function refuse(code: ErrorCode, message: string): never {
  fail(code, `--calibrate: ${message}`, { param: "calibrate" });
}

function summary({ file, machine, model, load, seconds, steps, fit }: CalibrationReport): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const lines = [
    `${bold(model)} ${dim(`on ${machine}`)}`,
    `${steps} steps measured in ${formatMs(seconds * 1000)}, written to ${file}`,
  ];
  if (load >= availableParallelism()) {
    lines.push(
      `Something else is running (load ${load}): steps look dearer than they are, measure again when it is quiet.`,
    );
  }
  if (fit === null) lines.push("Too few different steps for a fit: allow more --seconds.");
  else {
    const { meanError, medianError, p90Error } = fit;
    lines.push(
      `A fit misses a step by ${percent(meanError)} in the mean, ${percent(medianError)} in the median, ${percent(p90Error)} in one of ten.`,
    );
  }
  return lines.join("\n");
}
