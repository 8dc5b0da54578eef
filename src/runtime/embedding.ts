/**
 * What an engine knows about embedding: which model folders are made for it, and what becomes of the last token's
 * state. Nothing is computed by the model here.
 *
 * A folder says that it embeds in the files that sentence-transformers writes: modules.json lists the stages, and the
 * pooling stage's config.json says which states are pooled. Only last-token pooling is served.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../core/index.ts";
import type { WeightSource } from "../llm/index.ts";
import type {
  EmbeddingOptions,
  EmbedOptions,
  EngineInfo,
  EngineOptions,
  GenerateRequest,
  SubmitOptions,
  TokenStream,
} from "./types.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * How the model of a folder embeds; null for one that generates.
 * @throws PunctualError unsupported for another pooling than the last token's, invalid_file for files that are not JSON.
 */
export async function readEmbeddingOptions(source: EngineOptions["model"]): Promise<EmbeddingOptions | null> {
  if (!("dir" in source)) return null;
  const modules = await readJson(source.dir, "modules.json");
  if (!Array.isArray(modules)) return null;
  const pooling = (modules as readonly Json[]).find((stage) => lastWord(stage?.["type"]) === "Pooling");
  if (pooling === undefined) return null;
  const path = typeof pooling["path"] === "string" ? pooling["path"] : "";
  checkPooling(asObject(await readJson(source.dir, join(path, "config.json"))));
  const config = asObject(await readJson(source.dir, "config.json"));
  const tokenizer = asObject(await readJson(source.dir, "tokenizer.json"));
  return { dimensions: dimensionsOf(config), ...surroundings(tokenizer["post_processor"]) };
}

async function readJson(dir: string, name: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(join(dir, name), "utf8");
  } catch {
    return null; // most folders have none of these files
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail("invalid_file", `${name} in ${dir} is not JSON`, { param: name, cause });
  }
}

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function lastWord(type: unknown): string | undefined {
  return typeof type === "string" ? type.split(".").at(-1) : undefined;
}

/** The pooling stage's switches: exactly the last token's may be on. */
function checkPooling(config: Json): void {
  const on = Object.keys(config).filter((key) => key.startsWith("pooling_mode_") && config[key] === true);
  if (on.length === 1 && on[0] === "pooling_mode_lasttoken") return;
  fail("unsupported", `embedding models are served with last-token pooling only, this one has ${on.join(", ")}`, {
    param: on[0] ?? "pooling_mode_lasttoken",
  });
}

/** vLLM's words for models trained to be cut: `is_matryoshka`, and `matryoshka_dimensions` for the lengths. */
function dimensionsOf(config: Json): NonNullable<EmbeddingOptions["dimensions"]> {
  const lengths = config["matryoshka_dimensions"];
  if (Array.isArray(lengths)) return lengths.filter((length): length is number => Number.isInteger(length));
  return config["is_matryoshka"] === true ? "any" : "full";
}

/** Special tokens that a tokenizer.json's template puts around a single text. */
function surroundings(postProcessor: unknown): { readonly before: number[]; readonly after: number[] } {
  const steps = [postProcessor, ...asList(asObject(postProcessor)["processors"])].map(asObject);
  const template = steps.find((step) => step["type"] === "TemplateProcessing");
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  const specials = asObject(template?.["special_tokens"]);
  for (const piece of asList(template?.["single"]).map(asObject)) {
    if (piece["Sequence"] !== undefined) side = after;
    const name = asObject(piece["SpecialToken"])["id"];
    const ids = typeof name === "string" ? asList(asObject(specials[name])["ids"]) : [];
    side.push(...ids.filter((id): id is number => Number.isInteger(id)));
  }
  return { before, after };
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Checkpoints saved from the bare network lack the "model." that begins every name of a network with a head. */
export function withBareNames(weights: WeightSource): WeightSource {
  const packed = weights.packed?.bind(weights);
  const identity = weights.identity?.bind(weights);
  return {
    get: (name, dims) => underEither(name, (known) => weights.get(known, dims)),
    ...(packed === undefined ? {} : { packed: (name, dims) => underEither(name, (known) => packed(known, dims)) }),
    ...(identity === undefined
      ? {}
      : { identity: (name, dims) => underEither(name, (known) => identity(known, dims)) }),
  };
}

/** What a weight is read as under its name or its bare name; the failure is that of the name everybody knows. */
function underEither<T>(name: string, read: (name: string) => T): T {
  try {
    return read(name);
  } catch (error) {
    if (!name.startsWith("model.")) throw error;
    try {
      return read(name.slice("model.".length));
    } catch {
      throw error;
    }
  }
}

/** Refuses what the model was not trained to be cut to. @throws PunctualError invalid_request naming `dimensions`. */
export function checkDimensions(info: NonNullable<EngineInfo["embedding"]>, asked: number): void {
  const { dimensions, width } = info;
  if (asked === width) return;
  const refuse = (expected: string): never =>
    fail("invalid_request", `Invalid 'dimensions': expected ${expected}, got ${asked}.`, { param: "dimensions" });
  if (dimensions === "full") refuse(`${width}, because this model's vectors cannot be cut`);
  if (dimensions === "any" && !(Number.isInteger(asked) && asked >= 1 && asked < width)) refuse(`1 to ${width}`);
  if (typeof dimensions !== "string" && !dimensions.includes(asked)) {
    refuse(`one of ${[...dimensions, width].join(", ")}`);
  }
}

/** The first `dimensions` numbers of a state at unit length (all zeros stay zeros), summed in double precision. */
export function unitVector(state: Float32Array, dimensions: number): Float32Array {
  const cut = state.subarray(0, dimensions);
  let sum = 0;
  for (const value of cut) sum += value * value;
  const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
  return cut.map((value) => value * scale);
}

/** What an embedding is asked of. */
interface Embedder {
  readonly info: EngineInfo;
  submit(request: GenerateRequest, options?: SubmitOptions): TokenStream;
}

/** `Engine.embed`, by a request like any other; its errors are said there. */
export async function embedBy(
  engine: Embedder,
  tokens: readonly number[],
  options: EmbedOptions,
): Promise<Float32Array> {
  const { embedding, name } = engine.info;
  if (embedding === undefined) {
    return fail("unsupported", `the model '${name}' generates text and embeds none`, { param: "model" });
  }
  const { dimensions = embedding.width, signal, ...rest } = options;
  checkDimensions(embedding, dimensions);
  const request = { ...rest, promptTokens: tokens, maxTokens: 1, embedding: true as const };
  const stream = engine.submit(request, signal === undefined ? {} : { signal });
  let state: Float32Array | undefined;
  for await (const event of stream) if (event.kind === "finish") state = event.embedding;
  if (state === undefined) return fail("deadline_expired", "the deadline passed before the text was embedded");
  return unitVector(state, dimensions);
}
