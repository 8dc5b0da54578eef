/** Model folders: the built-in ones of the package, and those a user names. */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Option, type Command } from "commander";
import { fail } from "../core/index.ts";
import type { Engine, EngineOptions } from "../runtime/index.ts";
import { parseSlo } from "../sched/index.ts";
import { byteSize, wholeNumber } from "./arguments.ts";
import { startProgress } from "./terminal.ts";

/** A model folder and the name it is served under. */
export interface ModelFolder {
  readonly name: string;
  readonly dir: string;
}

const BUILT_IN_FOLDER = fileURLToPath(new URL("../../models", import.meta.url));

function isModelFolder(dir: string): boolean {
  return existsSync(join(dir, "config.json"));
}

function builtInName(folder: string): string {
  return folder.startsWith("punctual-") ? folder : `punctual-${folder}`;
}

/** The built-in models, the largest first: it is the one that is asked when none is named. */
export function builtInModels(): ModelFolder[] {
  if (!existsSync(BUILT_IN_FOLDER)) return [];
  const folders = readdirSync(BUILT_IN_FOLDER).filter((folder) => isModelFolder(join(BUILT_IN_FOLDER, folder)));
  const models = folders.map((folder) => ({ name: builtInName(folder), dir: join(BUILT_IN_FOLDER, folder) }));
  const rank = (name: string): number => (name === "punctual-base" ? 0 : 1);
  return models.toSorted((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
}

/**
 * The folder a user means: a built-in model's name (with or without its prefix), or a path.
 * Errors: `not_found`.
 */
export function resolveModel(nameOrDir: string): ModelFolder {
  const builtIns = builtInModels();
  const known = builtIns.find(({ name }) => name === nameOrDir || name === `punctual-${nameOrDir}`);
  if (known !== undefined) return known;
  const dir = resolve(nameOrDir);
  if (isModelFolder(dir)) return { name: basename(dir), dir };
  const names = builtIns.map(({ name }) => name).join(", ");
  const choices = names === "" ? "none are built in yet: punctual train base makes one" : `built in: ${names}`;
  return fail(
    "not_found",
    `Expected the name of a built-in model or a folder with a config.json, got '${nameOrDir}' (${choices}).`,
  );
}

/** The models named, or the built-in ones. Errors: `not_found`. */
export function chosenModels(names: readonly string[] | undefined): ModelFolder[] {
  const models = names === undefined || names.length === 0 ? builtInModels() : names.map(resolveModel);
  if (models.length === 0)
    fail("not_found", "No built-in models found; name a folder with --model, or run: punctual train base");
  return models;
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
