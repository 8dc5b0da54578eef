/**
 * The log of a run as JSON lines: a header that says on what machine and from what it was made, the
 * first steps one by one and then every so many, and a last line when the run ended. Step lines hold no
 * times, so a rerun on the same machine writes the same bytes.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus, totalmem } from "node:os";
import { fail } from "../core/index.ts";
import type { StepRecord } from "../nn/index.ts";

/** What decides the last bits of a run. */
export interface MachineFingerprint {
  readonly cpu: string;
  readonly arch: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  /** Version of onnxruntime-node. */
  readonly runtime: string;
  /** Compute threads of the run. */
  readonly threads: number;
}

/** The first line of a log: what was trained, by which code, on which machine. */
export interface LogHeader {
  readonly kind: "header";
  readonly recipe: string;
  /** Fingerprint of everything the recipe declares. */
  readonly identity: string;
  readonly seed: number;
  readonly parameters: number;
  readonly totalSteps: number;
  /** Version of the source that made the run, or null when not told. */
  readonly revision: string | null;
  readonly machine: MachineFingerprint;
}

export interface LogEnd {
  readonly kind: "end";
  readonly stepsTaken: number;
  readonly tokens: number;
  readonly trainingSeconds: number;
}

/** A log as read back; `end` is null while its run has not come to the end of the plan. */
export interface TrainLog {
  readonly header: LogHeader;
  readonly steps: readonly StepRecord[];
  readonly end: LogEnd | null;
}

/** Steps logged one by one, then every `LOG_EVERY`. */
export const LOG_FIRST = 200;
const LOG_EVERY = 50;

/** This machine and its libraries, for a run with so many compute threads. */
export function machineFingerprint(threads: number): MachineFingerprint {
  const processors = cpus();
  const { version: runtime } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    arch: arch(),
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    runtime,
    threads,
  };
}

/** Whether two runs may be compared bit for bit. */
export function sameMachine(a: MachineFingerprint, b: MachineFingerprint): boolean {
  return a.cpu === b.cpu && a.arch === b.arch && a.runtime === b.runtime && a.threads === b.threads;
}

/** Appends records to a log; a run that is taken up again drops those behind its checkpoint. */
export class TrainLogWriter {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** A new log, or, when `fromStep` is not 0, the old one cut back to the steps before it. */
  static open(path: string, header: LogHeader, fromStep: number): TrainLogWriter {
    const kept = fromStep > 0 && existsSync(path) ? readTrainLog(path).steps.filter(({ step }) => step < fromStep) : [];
    writeFileSync(path, [header, ...kept].map((line) => `${JSON.stringify(line)}\n`).join(""));
    return new TrainLogWriter(path);
  }

  step(record: StepRecord): void {
    if (record.step < LOG_FIRST || record.step % LOG_EVERY === 0) this.#append(record);
  }

  end(record: LogEnd): void {
    this.#append(record);
  }

  #append(record: StepRecord | LogEnd): void {
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
  }
}

/** Reads a log; `invalid_file` when its first line is not a header. */
export function readTrainLog(path: string): TrainLog {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  const records = lines.map((line) => JSON.parse(line) as LogHeader | LogEnd | StepRecord);
  const [header, ...rest] = records;
  if (header === undefined || !("kind" in header) || header.kind !== "header") {
    fail("invalid_file", `${path}: the first line is not a header`, { param: "header" });
  }
  const steps = rest.filter((record): record is StepRecord => "loss" in record);
  const end = rest.find((record): record is LogEnd => "kind" in record && record.kind === "end") ?? null;
  return { header, steps, end };
}

/**
 * Where a rerun leaves a log, or null when it does not: to the last bit on the machine that wrote it,
 * within `tolerance` (relative, of loss and norm) on another.
 */
export function firstDifference(
  log: TrainLog,
  rerun: readonly StepRecord[],
  machine: MachineFingerprint,
  tolerance = 1e-3,
): { readonly step: number; readonly logged: StepRecord; readonly rerun: StepRecord } | null {
  const exact = sameMachine(log.header.machine, machine);
  const byStep = new Map(log.steps.map((record) => [record.step, record]));
  for (const record of rerun) {
    const logged = byStep.get(record.step);
    if (logged === undefined) continue;
    const near = (a: number, b: number): boolean => (exact ? a === b : Math.abs(a - b) <= tolerance * Math.abs(a));
    const equal =
      near(logged.loss, record.loss) &&
      near(logged.gradientNorm, record.gradientNorm) &&
      logged.tokens === record.tokens &&
      logged.learningRate === record.learningRate;
    if (!equal) return { step: record.step, logged, rerun: record };
  }
  return null;
}
