/** Which models a command works with, and how their engines are started. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { fail } from "../core/index.ts";
import type { ModelFolder } from "../llm/index.ts";
import type { Engine, PooledModel } from "../runtime/index.ts";
import { parseSlo, POLICY_NAMES } from "../sched/index.ts";
import { byteSize, wholeNumber } from "./arguments.ts";
import { cacheHome, openStore, pullVisibly } from "./hub-settings.ts";
import { addSpeculationOptions, speculationOptions, type SpeculationFlags } from "./speculation-flags.ts";
import { startProgress } from "./terminal.ts";

/** A model as a user named it, with engine options of its own. */
export interface ChosenModel extends ModelFolder {
  /** From the configuration file; they win over those for all models. */
  readonly flags?: Partial<EngineFlags>;
}

/**
 * The model a user means: `name=` before any of: a built-in model's name (with or without its prefix), a folder, a .gguf
 * file, or `hf:org/name[@revision][:file.gguf]`, which is pulled unless it is here. `dir` is the folder or the file.
 * Errors: `not_found`; for models of the hub as the store's `pull`.
 */
export async function resolveModel(text: string, offline = false): Promise<ModelFolder> {
  const alias = existsSync(text) ? null : /^([\w][\w.:/-]*)=(.+)$/.exec(text);
  if (alias !== null) return { ...(await resolveModel(alias[2]!, offline)), name: alias[1]! };
  if (text.startsWith("hf:")) return hubModel(text, offline);
  const { builtInModels, furtherModels } = await import("../llm/index.ts");
  const builtIns = [...builtInModels(), ...furtherModels()];
  const known = builtIns.find(({ name }) => name === text || name === `punctual-${text}`);
  if (known !== undefined) return known;
  const path = resolve(text);
  if (path.toLowerCase().endsWith(".gguf") && existsSync(path)) return { name: basename(path).slice(0, -5), dir: path };
  if (existsSync(join(path, "config.json"))) return { name: basename(path), dir: path };
  const names = builtIns.map(({ name }) => name).join(", ") || "none";
  return fail(
    "not_found",
    `Expected a built-in model (${names}), a folder with a config.json, a .gguf file or hf:org/name, got '${text}'.`,
  );
}

async function hubModel(text: string, offline: boolean): Promise<ModelFolder> {
  const { parseHubReference, servedName } = await import("../runtime/index.ts");
  const reference = parseHubReference(text);
  const store = await openStore(offline);
  const { path } = (await store.find(reference)) ?? (await pullVisibly(store, reference));
  return { name: servedName(reference), dir: path };
}

/** The models named, or else the built-in ones, the default one first. Errors: `not_found`, as `resolveModel`. */
export async function chosenModels(names: readonly string[] | undefined, offline = false): Promise<ModelFolder[]> {
  const chosen: ModelFolder[] = [];
  // One after the other: pulls share the line and the terminal.
  for (const name of names ?? []) chosen.push(await resolveModel(name, offline));
  if (chosen.length > 0) return chosen;
  const { builtInModels } = await import("../llm/index.ts");
  const models = builtInModels();
  if (models.length > 0) return models;
  return fail("not_found", "No built-in models found. Name a folder with --model, or run: punctual train base");
}

/** Values of the options that `addEngineOptions` declares. */
export interface EngineFlags extends SpeculationFlags {
  readonly weights?: "f32" | "int8" | "int4";
  readonly threads?: number;
  readonly kvCacheMemory?: number;
  readonly kvCacheDtype: "auto" | "f32" | "int8";
  readonly maxModelLen?: number;
  readonly maxNumSeqs?: number;
  readonly maxNumBatchedTokens?: number;
  readonly maxWaiting?: number;
  readonly enablePrefixCaching: boolean;
  readonly policy?: string;
  readonly phases?: "colocated" | "disaggregated" | "semi-pd";
  readonly slo?: string;
  readonly exact?: boolean;
  readonly routes?: string | false;
}

/** An oracle is told how long answers will be, which nobody who serves knows: it is for benchmarks. */
const OFFERED_POLICIES = POLICY_NAMES.filter((name) => !name.endsWith("-oracle"));

/** Options of an engine, under vLLM's names where it has them. */
export function addEngineOptions(command: Command): Command {
  command
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
    .option("--max-model-len <tokens>", "most tokens of prompt and answer together", wholeNumber(2, 10_000_000))
    .option("--max-num-seqs <count>", "most requests computed at once", wholeNumber(1, 1024))
    .option(
      "--max-num-batched-tokens <count>",
      "most tokens in one step; measured at start when absent",
      wholeNumber(1, 65536),
    )
    .option("--max-waiting <count>", "most requests queued before they are refused", wholeNumber(1, 100_000))
    .option("--no-enable-prefix-caching", "compute equal prompt beginnings again")
    .addOption(new Option("--policy <name>", "scheduling policy; fifo when absent").choices(OFFERED_POLICIES))
    .addOption(
      new Option("--phases <mode>", "where prompts and decodes are computed; colocated when absent").choices([
        "colocated",
        "disaggregated",
        "semi-pd",
      ]),
    )
    .option("--exact", "the same seed gives the same text bit by bit, whatever else runs; long prompts take longer")
    .option("--routes <folder>", "layer routes of 'punctual fit route'; those beside the weights when absent")
    .option("--no-routes", "leave no layers out, whatever lies beside the weights")
    .option("--slo <targets>", "objective of requests that bring none, for example ttft=200ms,tpot=50ms");
  return addSpeculationOptions(command);
}

/** The engine options that the flags stand for. Errors: `invalid_request` for an objective that does not parse. */
export function engineOptions(model: ChosenModel, given: EngineFlags): PooledModel {
  const flags = { ...given, ...model.flags };
  const options: { -readonly [K in keyof PooledModel]: PooledModel[K] } = {
    model: { dir: model.dir },
    name: model.name,
    prefixCache: flags.enablePrefixCaching,
    weightCacheDir: weightCacheDir(),
  };
  if (flags.weights !== undefined) options.weights = flags.weights;
  if (flags.threads !== undefined) options.threads = flags.threads === 2 ? 2 : 1;
  if (flags.kvCacheMemory !== undefined) options.kvBytes = flags.kvCacheMemory;
  if (flags.kvCacheDtype !== "auto") options.kvFormat = flags.kvCacheDtype;
  if (flags.maxModelLen !== undefined) options.contextTokens = flags.maxModelLen;
  if (flags.maxNumSeqs !== undefined) options.maxRunning = flags.maxNumSeqs;
  if (flags.maxNumBatchedTokens !== undefined) options.budgetTokens = flags.maxNumBatchedTokens;
  if (flags.maxWaiting !== undefined) options.maxWaiting = flags.maxWaiting;
  if (flags.policy !== undefined) options.policy = flags.policy;
  if (flags.phases !== undefined) options.phases = flags.phases;
  if (flags.exact === true) options.exact = true;
  if (flags.routes === false) options.routes = null;
  else if (typeof flags.routes === "string") options.routes = resolve(flags.routes);
  if (flags.slo !== undefined) options.defaultSlo = parseSlo(flags.slo, "--slo");
  return options;
}

/**
 * The same with what the flags say of speculation, which may name a model. Errors: as `engineOptions` and `resolveModel`.
 * @param fallback where they say nothing
 */
export async function engineOptionsWithDrafts(
  model: ChosenModel,
  given: EngineFlags & { readonly offline?: boolean },
  fallback?: PooledModel["speculation"],
): Promise<PooledModel> {
  const flags = { ...given, ...model.flags };
  const resolve = (text: string): Promise<ModelFolder> => resolveModel(text, given.offline);
  const speculation = (await speculationOptions(flags, model.dir, resolve)) ?? fallback;
  return { ...engineOptions(model, given), ...(speculation === undefined ? {} : { speculation }) };
}

/** Packed weights, shared by processes and starts. */
export function weightCacheDir(): string {
  return join(cacheHome(), "punctual", "weights");
}

/** Starts one engine per model, one after the other; what has started is stopped when a later one fails. */
export async function startEngines(models: readonly ModelFolder[], flags: EngineFlags): Promise<Engine[]> {
  const { Engine: EngineClass } = await import("../runtime/index.ts");
  const progress = startProgress("Loading", models.length, models[0]?.name);
  const engines: Engine[] = [];
  try {
    for (const [i, model] of models.entries()) {
      progress.update(i, model.name);
      engines.push(await EngineClass.start(await engineOptionsWithDrafts(model, flags)));
    }
    return engines;
  } catch (error) {
    await Promise.allSettled(engines.map((engine) => engine.stop()));
    throw error;
  } finally {
    progress.stop();
  }
}
