/**
 * What a Hugging Face folder says beside its weights: configuration, vocabulary, chat template, tokens that end an
 * answer. Small files, read whole within limits.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, PunctualError } from "../../core/index.ts";
import type { Checkpoint } from "./types.ts";

const CONFIG_BYTES_MAX = 2 ** 20;
const TOKENIZER_BYTES_MAX = 64 * 2 ** 20;
/** tokenizer_config.json lists added tokens one by one. */
const TOKENIZER_CONFIG_BYTES_MAX = 8 * 2 ** 20;

/** Everything of a checkpoint that is no weight. */
export type CheckpointFacts = Omit<Checkpoint, "weights" | "bytes" | "close">;

/** @throws PunctualError model_not_found without a config.json, invalid_file naming the file or field. */
export async function readFolderFacts(dir: string): Promise<CheckpointFacts> {
  const config = await readJson(dir, "config.json", CONFIG_BYTES_MAX);
  if (config === null) fail("model_not_found", `${join(dir, "config.json")} cannot be read`, { param: "config.json" });
  const generation = await readJson(dir, "generation_config.json", CONFIG_BYTES_MAX);
  const text = await readText(dir, "tokenizer.json", TOKENIZER_BYTES_MAX);
  const tokenizerConfig = await readJson(dir, "tokenizer_config.json", TOKENIZER_CONFIG_BYTES_MAX);
  const template = await readText(dir, "chat_template.jinja", CONFIG_BYTES_MAX);
  return {
    format: "safetensors",
    config,
    tokenizer: text === null ? null : { kind: "json", text, config: tokenizerConfig },
    chatTemplate: template ?? templateOf(tokenizerConfig),
    endTokens: endTokensOf(config, generation ?? {}),
  };
}

/** The file as text, or null when there is none. @throws PunctualError invalid_file. */
export async function readText(dir: string, name: string, bytesMax: number): Promise<string | null> {
  const path = join(dir, name);
  let bytes: Buffer;
  try {
    const stats = await stat(path);
    const { size } = stats;
    if (!stats.isFile()) fail("invalid_file", `${path} is not a regular file`, { param: name });
    if (size > bytesMax)
      fail("invalid_file", `${path} has ${size} bytes, at most ${bytesMax} are read`, { param: name });
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof PunctualError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    fail("model_not_found", `${path} cannot be read`, { param: name, cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    fail("invalid_file", `${name} is not UTF-8`, { param: name, cause });
  }
}

/** A file that holds one JSON object, or null when there is none. @throws PunctualError invalid_file. */
export async function readJson(dir: string, name: string, bytesMax: number): Promise<object | null> {
  const text = await readText(dir, name, bytesMax);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    fail("invalid_file", `${name} is not JSON`, { param: name, cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  return fail("invalid_file", `${name} is not a JSON object`, { param: name });
}

/** `chat_template`: a string, or a list of named ones of which "default" is meant. */
function templateOf(tokenizerConfig: object | null): string | null {
  const value = (tokenizerConfig as { readonly chat_template?: unknown } | null)?.chat_template ?? null;
  if (value === null || typeof value === "string") return value;
  const param = "tokenizer_config.json: chat_template";
  if (!Array.isArray(value)) fail("invalid_file", `${param} is neither text nor a list`, { param: "chat_template" });
  for (const entry of value as readonly { readonly name?: unknown; readonly template?: unknown }[]) {
    if (entry?.name === "default" && typeof entry.template === "string") return entry.template;
  }
  return fail("invalid_file", `${param} has no template named default`, { param: "chat_template" });
}

/** eos_token_id of both files: one id, a list, or none. generation_config.json knows the end of a turn, config.json that of a text. */
function endTokensOf(config: object, generation: object): number[] {
  const { vocab_size: size, eos_token_id: own } = config as {
    readonly vocab_size?: unknown;
    readonly eos_token_id?: unknown;
  };
  const more = (generation as { readonly eos_token_id?: unknown }).eos_token_id;
  const ids = [own ?? [], more ?? []].flat(2).map((id) => {
    const isToken = typeof id === "number" && Number.isInteger(id) && id >= 0;
    if (isToken && (typeof size !== "number" || id < size)) return id;
    return fail("invalid_file", `config: eos_token_id ${JSON.stringify(id)} is not a token`, { param: "eos_token_id" });
  });
  return [...new Set(ids)];
}
