/**
 * A command's options as a JSON file: the same names as the flags, without their dashes, and `models`. A flag on the command
 * line wins over the file. The schema is made from the command itself, so that a new flag is a new field.
 *
 *   { "port": 9000, "memory-budget": "6GiB", "weights": "int4",
 *     "models": ["punctual-base", { "name": "qwen", "model": "hf:Qwen/Qwen3-0.6B", "max-model-len": 4096 }] }
 */
import { readFileSync } from "node:fs";
import { InvalidArgumentError, type Command, type Option } from "commander";
import { z } from "zod";
import { fail } from "../core/index.ts";
import { collectValues } from "./arguments.ts";
import { addEngineOptions, chosenModels, resolveModel, type ChosenModel, type EngineFlags } from "./models.ts";

/** A configuration file that has been applied to its command. */
export interface ConfigFile {
  readonly namesModels: boolean;
  /** The models it names, or the built-in ones. Errors: as `resolveModel`. */
  models(offline?: boolean): Promise<ChosenModel[]>;
}

/** Fields that are no options of the file: itself, and what `models` says. */
const NOT_IN_FILE = new Set(["config", "model", "help", "version"]);

/**
 * Reads a configuration file and gives its options to the command where the command line has none.
 * Errors: `not_found`; `invalid_file` naming the field.
 */
export function readConfigFile(path: string, command: Command): ConfigFile {
  const fields = optionFields(command.options);
  const schema = z.strictObject({
    ...Object.fromEntries(fields.map(({ key, schema: field }) => [key, field.optional()])),
    models: z.array(modelSchema(command)).min(1).optional(),
  });
  const result = schema.safeParse(readJson(path));
  if (!result.success) return refuse(path, result.error);
  const { models, ...values } = result.data as Record<string, unknown> & { models?: (string | ConfigModel)[] };
  for (const { key, attribute } of fields) {
    const isFree = !["cli", "env"].includes(command.getOptionValueSource(attribute) ?? "default");
    if (values[key] !== undefined && isFree) command.setOptionValueWithSource(attribute, values[key], "config");
  }
  return {
    namesModels: models !== undefined,
    models: async (offline) => {
      if (models === undefined) return chosenModels(undefined, offline);
      const chosen: ChosenModel[] = [];
      for (const model of models) chosen.push(await choose(model, offline));
      return chosen;
    },
  };
}

interface ConfigModel {
  readonly model: string;
  readonly name?: string;
  readonly [option: string]: unknown;
}

interface Field {
  /** In the file: "kv-cache-memory". */
  readonly key: string;
  /** In the flags: "kvCacheMemory". */
  readonly attribute: string;
  readonly schema: z.ZodType;
}

async function choose(model: string | ConfigModel, offline: boolean | undefined): Promise<ChosenModel> {
  if (typeof model === "string") return resolveModel(model, offline);
  const { model: source, name, ...options } = model;
  const flags = Object.fromEntries(Object.entries(options).map(([key, value]) => [camelCase(key), value]));
  const found = await resolveModel(source, offline);
  return { ...found, ...(name === undefined ? {} : { name }), flags: flags as Partial<EngineFlags> };
}

/** A model as text, or with a name and engine options of its own. */
function modelSchema(command: Command): z.ZodType {
  const engine = addEngineOptions(command.createCommand()).options;
  const fields = optionFields(engine).map(({ key, schema }) => [key, schema.optional()]);
  const own = z.strictObject({
    ...Object.fromEntries(fields),
    model: z.string().min(1),
    name: z.string().min(1).max(200).optional(),
  });
  // Not a union, whose errors would name no field.
  return z.unknown().transform((value, context) => {
    if (typeof value === "string" && value !== "") return value;
    const result = own.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) context.issues.push({ ...issue, input: value } as never);
    return z.NEVER;
  });
}

function optionFields(options: readonly Option[]): Field[] {
  const fields = new Map<string, Field>();
  for (const option of options) {
    const key = option.name().replace(/^no-/, "");
    if (NOT_IN_FILE.has(key)) continue;
    fields.set(key, { key, attribute: option.attributeName(), schema: optionSchema(option) });
  }
  return [...fields.values()];
}

function optionSchema(option: Option): z.ZodType {
  if (option.negate || option.isBoolean()) return z.boolean();
  if (option.argChoices !== undefined) return z.enum(option.argChoices as [string, ...string[]]);
  const parse = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined;
  if (parse === undefined) return z.string();
  if (parse === collectValues) return z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
  return z.union([z.string(), z.number()], "Expected a string or a number.").transform((value, context) => {
    try {
      return parse(String(value), undefined);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    return fail("not_found", `The configuration file '${path}' cannot be read.`, { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return fail("invalid_file", `${path} is not JSON: ${why}`, { cause });
  }
}

function refuse(path: string, error: z.ZodError): never {
  const issue = error.issues[0]!;
  const unknown = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = [...issue.path, ...unknown].map(String).join(".");
  const what = unknown.length > 0 ? "there is no such option" : issue.message;
  return fail("invalid_file", `${path}: ${field === "" ? "" : `${field}: `}${what}`, { param: field });
}

function camelCase(key: string): string {
  return key.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
