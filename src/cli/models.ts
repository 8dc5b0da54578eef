/** Model folders: the built-in ones of the package, and those a user names. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { fail } from "../core/index.ts";
import type { ModelFolder } from "../llm/index.ts";
import type { Engine, EngineOptions } from "../runtime/index.ts";
import { parseSlo } from "../sched/index.ts";
import { byteSize, wholeNumber } from "./arguments.ts";
import { startProgress } from "./terminal.ts";

/**
 * The folder a user means: a built-in model's name (with or without its prefix), or a path.
 * Errors: `not_found`.
 */
async function resolveModel(nameOrDir: string): Promise<ModelFolder> {
  const { builtInModels } = await import("../llm/index.ts");
  const builtIns = builtInModels();
  const known = builtIns.find(({ name }) => name === nameOrDir || name === `punctual-${nameOrDir}`);
  if (known !== undefined) return known;
  const dir = resolve(nameOrDir);
  if (existsSync(join(dir, "config.json"))) return { name: basename(dir), dir };
  const names = builtIns.map(({ name }) => name).join(", ") || "none";
  return fail("not_found", `Expected a built-in model (${names}) or a folder with a config.json, got '${nameOrDir}'.`);
}

/** The models named, or else the built-in ones, the default one first. Errors: `not_found`. */
export async function chosenModels(names: readonly string[] | undefined): Promise<ModelFolder[]> {
  if (names !== undefined && names.length > 0) return Promise.all(names.map(resolveModel));
  const { builtInModels } = await import("../llm/index.ts");
  const models = builtInModels();
  if (models.length > 0) return models;
  return fail("not_found", "No built-in models found. Name a folder with --model, or run: punctual train base");
}

/** Values of the options that `addEngineOptions` declares. */
export interface EngineFlags {
  readonly weights?: "f32" | "int8" | "int4";
  readonly threads?: number;
  readonly kvCacheMemory?: number;
  readonly kvCacheDtype: "auto" | "f32" | "int8";
  readonly maxNumSeqs?: number;
  readonly maxNumBatchedTokens?: number;
  readonly maxWaiting?: number;
  readonly enablePrefixCaching: boolean;
  readonly policy?: string;
  readonly slo?: string;
}

/** Options of an engine, under vLLM's names where it has them. */
export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--weights <format>", "how linear layers are stored and computed").choices(["f32", "int8", "int4"]),
    )
    .option("--threads <count>", "compute threads per model", wholeNumber(1, 2))
    .option("--kv-cache-memory <size>", "KV cache per model, for example 512MiB", byteSize)
    .addOption(
      new Option("--kv-cache-dtype <format>", "format of the KV cache")
        .choices(["auto", "f32", "int8"])
        .default("auto"),
    )
    .option("--max-num-seqs <count>", "most requests computed at once", wholeNumber(1, 1024))
    .option(
      "--max-num-batched-tokens <count>",
      "most tokens in one step; measured at start when absent",
      wholeNumber(1, 65536),
    )
    .option("--max-waiting <count>", "most requests queued before they are refused", wholeNumber(1, 100_000))
    .option("--no-enable-prefix-caching", "compute equal prompt beginnings again")
    .option("--policy <name>", "scheduling policy")
    .option("--slo <targets>", "objective of requests that bring none, for example ttft=200ms,tpot=50ms");
}

/** The engine options that the flags stand for. Errors: `invalid_request` for an objective that does not parse. */
export function engineOptions(model: ModelFolder, flags: EngineFlags): EngineOptions {
  const options: { -readonly [K in keyof EngineOptions]: EngineOptions[K] } = {
    model: { dir: model.dir },
    name: model.name,
    prefixCache: flags.enablePrefixCaching,
    weightCacheDir: weightCacheDir(),
  };
  if (flags.weights !== undefined) options.weights = flags.weights;
  if (flags.threads !== undefined) options.threads = flags.threads === 2 ? 2 : 1;
  if (flags.kvCacheMemory !== undefined) options.kvBytes = flags.kvCacheMemory;
  if (flags.kvCacheDtype !== "auto") options.kvFormat = flags.kvCacheDtype;
  if (flags.maxNumSeqs !== undefined) options.maxRunning = flags.maxNumSeqs;
  if (flags.maxNumBatchedTokens !== undefined) options.budgetTokens = flags.maxNumBatchedTokens;
  if (flags.maxWaiting !== undefined) options.maxWaiting = flags.maxWaiting;
  if (flags.policy !== undefined) options.policy = flags.policy;
  if (flags.slo !== undefined) options.defaultSlo = parseSlo(flags.slo, "--slo");
  return options;
}

/** Packed weights, shared by processes and starts. */
function weightCacheDir(): string {
  const base = process.env["XDG_CACHE_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : resolve(base), "punctual", "weights");
}

/** Starts one engine per model, one after the other; what has started is stopped when a later one fails. */
export async function startEngines(models: readonly ModelFolder[], flags: EngineFlags): Promise<Engine[]> {
  const { Engine: EngineClass } = await import("../runtime/index.ts");
  const progress = startProgress("Loading", models.length, models[0]?.name);
  const engines: Engine[] = [];
  try {
    for (const [i, model] of models.entries()) {
      progress.update(i, model.name);
      engines.push(await EngineClass.start(engineOptions(model, flags)));
    }
    return engines;
  } catch (error) {
    await Promise.allSettled(engines.map((engine) => engine.stop()));
    throw error;
  } finally {
    progress.stop();
  }
}
