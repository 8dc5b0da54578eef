/** The machine a claim ran on: a figure without it means nothing. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { PunctualError } from "../core/index.ts";
import { ortVersion } from "../graph/index.ts";

/**
 * The machine under a result, in the field names of the printed JSON: usable cores, memory in whole GiB, the flags of
 * `cpuFlags`, versions of Node and ONNX Runtime.
 */
export interface MachineInfo {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly flags: readonly string[];
  readonly os: string;
  readonly node: string;
  readonly ort: string;
}

const INTERESTING_FLAGS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8"];

/** The vector extensions that decide which matrix kernels run; empty where the system does not tell. */
export function cpuFlags(): string[] {
  try {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    const line = text.split("\n").find((entry) => entry.startsWith("flags"));
    const present = new Set((line ?? "").split(/[\s:]+/));
    return INTERESTING_FLAGS.filter((flag) => present.has(flag));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return []; // not Linux
  }
}

/** A claim that could not run still says on which machine. */
function installedOrt(): string {
  try {
    return ortVersion();
  } catch (error) {
    if (!(error instanceof PunctualError)) throw error;
    return "not installed";
  }
}

/** This machine, now. */
export function describeMachine(): MachineInfo {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    flags: cpuFlags(),
    os: `${platform()} ${release()}`,
    node: process.versions.node,
    ort: installedOrt(),
  };
}
