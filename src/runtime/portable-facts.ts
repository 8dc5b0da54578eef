/**
 * What a model's texts are read and written with, as one text that travels: configuration, vocabulary, template, end tokens.
 * Whoever has it needs no model on disk to encode prompts and to decode answers. Without weights.
 */
import { fail } from "../core/index.ts";
import {
  checkConfig,
  fromHuggingFaceConfig,
  readCheckpointFacts,
  type DecoderConfig,
  type TokenizerSource,
} from "../llm/index.ts";
import { factsOfCheckpoint, factsOfRandom, type ModelFacts } from "./load-model.ts";
import type { EngineInfo } from "./types.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The text for a model that an engine serves.
 * @throws PunctualError model_not_found, invalid_file when its files have gone or changed.
 */
export async function readPortableFacts(engine: {
  readonly info: EngineInfo;
  readonly config: DecoderConfig;
}): Promise<string> {
  const { dir } = engine.info;
  if (dir === null) return JSON.stringify({ kind: "random", config: engine.config });
  const { config, tokenizer, chatTemplate, endTokens } = await readCheckpointFacts(dir);
  if (tokenizer === null) return fail("model_not_found", `${dir} has no vocabulary`, { param: "tokenizer.json" });
  const portable = tokenizer.kind === "gguf" ? { ...tokenizer, scores: scoresAsList(tokenizer.scores) } : tokenizer;
  return JSON.stringify({ kind: "checkpoint", config, tokenizer: portable, chatTemplate, endTokens });
}

/** The facts that such a text holds. @throws PunctualError invalid_file, unsupported. */
export function openPortableFacts(text: string): ModelFacts {
  const fields = fieldsOf(parse(text), "the text");
  if (fields["kind"] === "random") return factsOfRandom(checkConfig(fields["config"] as DecoderConfig));
  if (fields["kind"] !== "checkpoint") return bad("kind", "random or checkpoint");
  const { chatTemplate } = fields;
  if (chatTemplate !== null && typeof chatTemplate !== "string") return bad("chatTemplate", "a text or null");
  return factsOfCheckpoint({
    config: fromHuggingFaceConfig(fields["config"]),
    tokenizer: tokenizerOf(fieldsOf(fields["tokenizer"], "tokenizer")),
    chatTemplate,
    endTokens: numbersOf(fields["endTokens"], "endTokens"),
  });
}

function tokenizerOf(fields: Fields): TokenizerSource {
  if (fields["kind"] === "json") {
    return { kind: "json", text: textOf(fields["text"], "tokenizer.text"), config: fields["config"] ?? null };
  }
  if (fields["kind"] !== "gguf") return bad("tokenizer.kind", "json or gguf");
  const { pre, scores, specials, addSpacePrefix } = fields;
  if (pre !== null && typeof pre !== "string") return bad("tokenizer.pre", "a text or null");
  const ids = Object.entries(fieldsOf(specials, "tokenizer.specials"));
  return {
    kind: "gguf",
    model: textOf(fields["model"], "tokenizer.model"),
    pre,
    tokens: textsOf(fields["tokens"], "tokenizer.tokens"),
    types: numbersOf(fields["types"], "tokenizer.types"),
    merges: textsOf(fields["merges"], "tokenizer.merges"),
    scores: scores === null ? null : Float32Array.from(numbersOf(scores, "tokenizer.scores")),
    specials: Object.fromEntries(ids.map(([role, id]) => [role, numbersOf([id], `tokenizer.specials.${role}`)[0]!])),
    addBos: fields["addBos"] === true,
    ...(typeof addSpacePrefix === "boolean" ? { addSpacePrefix } : {}),
  };
}

/** JSON has no infinities: a score that is none is the worst that there is. */
function scoresAsList(scores: Float32Array | null): readonly number[] | null {
  return scores === null ? null : Array.from(scores, (score) => (Number.isFinite(score) ? score : -3e38));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    return fail("invalid_file", "A model's facts are not JSON.", { cause });
  }
}

function bad(param: string, expected: string): never {
  return fail("invalid_file", `A model's facts: expected ${expected} as ${param}.`, { param });
}

function fieldsOf(value: unknown, param: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return bad(param, "an object");
}

function textOf(value: unknown, param: string): string {
  return typeof value === "string" ? value : bad(param, "a text");
}

function textsOf(value: unknown, param: string): readonly string[] {
  const isGood = Array.isArray(value) && value.every((one) => typeof one === "string");
  return isGood ? (value as readonly string[]) : bad(param, "texts");
}

function numbersOf(value: unknown, param: string): readonly number[] {
  const isGood = Array.isArray(value) && value.every((one) => typeof one === "number" && Number.isFinite(one));
  return isGood ? (value as readonly number[]) : bad(param, "numbers");
}
