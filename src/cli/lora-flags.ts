/**
 * Flags about adapters, as vLLM has them:
 *
 *   --enable-lora --lora-modules sql=./adapters/sql --max-loras 4 --max-lora-rank 16
 *   --lora-modules '{"name": "sql", "path": "./adapters/sql", "base_model_name": "qwen"}'
 */
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { z } from "zod";
import { fail } from "../core/index.ts";
import type { EngineOptions } from "../runtime/index.ts";
import { wholeNumber } from "./arguments.ts";

/** An adapter as a flag names it. */
export interface LoraModule {
  readonly name: string;
  readonly dir: string;
  /** The served model that it is of; null: the only one. */
  readonly base: string | null;
}

/** Values of the flags that `addLoraOptions` declares. */
export interface LoraFlags {
  readonly enableLora?: boolean;
  readonly loraModules?: readonly LoraModule[];
  readonly maxLoras?: number;
  readonly maxLoraRank?: number;
}

/** Adds them to a command that serves. */
export function addLoraOptions(command: Command): Command {
  return command
    .option("--enable-lora", "let requests name low-rank adapters, loaded at start or while it runs")
    .option(
      "--lora-modules <name=folder...>",
      "adapters to load at start, in PEFT's layout; or as JSON with name, path and base_model_name",
      collectModules,
    )
    .option("--max-loras <count>", "most adapters at a time; 4 when absent", wholeNumber(1, 256))
    .option("--max-lora-rank <rank>", "largest rank of an adapter; 16 when absent", wholeNumber(1, 512));
}

const moduleSchema = z.strictObject({
  name: z.string().min(1),
  path: z.string().min(1),
  base_model_name: z.string().min(1).optional(),
});

/** Reads one value of --lora-modules. */
export function readLoraModule(text: string): LoraModule {
  if (text.trimStart().startsWith("{")) {
    const result = moduleSchema.safeParse(parseJson(text));
    if (!result.success) throw new InvalidArgumentError("Expected JSON with name, path and maybe base_model_name.");
    const { name, path, base_model_name: base = null } = result.data;
    return { name, dir: resolve(path), base };
  }
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Expected name=folder.");
  return { name: match[1]!, dir: resolve(match[2]!), base: null };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema says what was expected
  }
}

function collectModules(text: string, previous: readonly LoraModule[] | undefined): readonly LoraModule[] {
  return [...(previous ?? []), readLoraModule(text)];
}

/**
 * The engine's options for the model of that name; undefined without --enable-lora.
 * @param served the names of all models that are served
 * @throws PunctualError invalid_request for an adapter whose model cannot be told.
 */
export function loraOptions(flags: LoraFlags, name: string, served: readonly string[]): EngineOptions["lora"] {
  const { enableLora = false, loraModules = [], maxLoras, maxLoraRank } = flags;
  if (!enableLora) {
    if (loraModules.length === 0) return undefined;
    return fail("invalid_request", "--lora-modules needs --enable-lora.", { param: "--lora-modules" });
  }
  for (const { name: adapter, base } of loraModules) {
    if (served.includes(adapter)) {
      fail("invalid_request", `--lora-modules: '${adapter}' is a model's name.`, { param: "--lora-modules" });
    }
    if (base === null ? served.length === 1 : served.includes(base)) continue;
    const why = base === null ? `say base_model_name (${served.join(", ")})` : `there is no model '${base}'`;
    fail("invalid_request", `--lora-modules: '${adapter}': ${why}.`, { param: "--lora-modules" });
  }
  return {
    modules: loraModules
      .filter(({ base }) => base === null || base === name)
      .map((each) => ({ name: each.name, dir: each.dir })),
    ...(maxLoras === undefined ? {} : { maxLoras }),
    ...(maxLoraRank === undefined ? {} : { maxRank: maxLoraRank }),
  };
}
