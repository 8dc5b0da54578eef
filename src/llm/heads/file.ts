/**
 * Draft heads in a folder, beside a model's own files or apart from them:
 *
 *   heads.json          shape, which model they are for, what they got right when they were made
 *   heads.safetensors   weights in half precision, and the tokens they draft, the most frequent first
 *
 * A model is known by its norms: they change with any training and are small to read.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { decodeSafetensors, encodeSafetensors, float32ToHalf, writeFileAtomically } from "../../nn/index.ts";
import { readJson } from "../checkpoint/folder-facts.ts";
import { FINAL_NORM_NAME, layerName, type DecoderConfig } from "../config.ts";
import { JsonFields } from "../json-fields.ts";
import type { WeightSource } from "../types.ts";
import { weightsOf } from "../weights.ts";
import { checkHeadsConfig, headsParameterSpecs, type HeadsConfig } from "./config.ts";

export const HEADS_FILE = "heads.json";
export const HEADS_WEIGHTS_FILE = "heads.safetensors";

const FORMAT = "punctual-heads-1";
const VOCABULARY = "vocabulary";
const JSON_BYTES_MAX = 2 ** 20;
const WEIGHTS_BYTES_MAX = 2 ** 30;

/** Heads as they are stored. */
export interface StoredHeads {
  readonly config: HeadsConfig;
  /** Of the model that they are for: `weightsFingerprint`. */
  readonly model: string;
  readonly weights: WeightSource;
  /** Tokens that they can draft, the most frequent of their training data first, [draftedTokens]. */
  readonly vocabulary: Int32Array;
}

/** What is written about heads beside their shape. */
export interface HeadsNotes {
  /** Share accepted at each place of those before it were accepted, on texts that were not trained on. */
  readonly heldOutAcceptance: readonly number[];
  /** How they were made, for readers. */
  readonly training: Readonly<Record<string, string | number>>;
}

/** Says which model these are the weights of: equal for equal norms. @throws PunctualError as `weights.get` does. */
export function weightsFingerprint(config: DecoderConfig, weights: WeightSource): string {
  const hash = createHash("sha256");
  const { hidden, layers, vocabSize } = config;
  hash.update(JSON.stringify({ hidden, layers, vocabSize }));
  const names = [FINAL_NORM_NAME, ...Array.from({ length: layers }, (_, i) => layerName(i, "input_layernorm"))];
  for (const name of names) {
    const data = weights.get(name, [hidden]);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 32);
}

/** Whether the folder says that it has heads. */
export async function hasHeads(dir: string): Promise<boolean> {
  try {
    return (await stat(join(dir, HEADS_FILE))).isFile();
  } catch {
    return false; // a GGUF file is no folder, and most folders have none
  }
}

/** Reads both files. @throws PunctualError model_not_found when one is missing, invalid_file naming what is wrong. */
export async function readHeads(dir: string): Promise<StoredHeads> {
  const json = await readJson(dir, HEADS_FILE, JSON_BYTES_MAX);
  if (json === null) {
    fail("model_not_found", `${dir} has no draft heads: punctual fit heads makes them`, { param: HEADS_FILE });
  }
  const fields = JsonFields.of(json, HEADS_FILE);
  const format = fields.raw("format");
  if (format !== FORMAT) {
    fail("invalid_file", `${HEADS_FILE}: expected format "${FORMAT}", got ${JSON.stringify(format)}`, {
      param: "format",
    });
  }
  const config = checkHeadsConfig({
    hidden: fields.number("hidden_size"),
    width: fields.number("intermediate_size"),
    vocabSize: fields.number("vocab_size"),
    draftedTokens: fields.number("drafted_tokens"),
    trainedDepth: fields.number("trained_depth"),
    normEps: fields.number("rms_norm_eps"),
  });
  const model = fields.raw("model");
  if (typeof model !== "string") fail("invalid_file", `${HEADS_FILE}: model must be a string`, { param: "model" });
  const tensors = await readTensors(join(dir, HEADS_WEIGHTS_FILE));
  const weights = weightsOf(tensors);
  for (const { name, dims } of headsParameterSpecs(config)) weights.get(name, dims);
  return { config, model, weights, vocabulary: vocabularyOf(tensors.get(VOCABULARY), config) };
}

async function readTensors(path: string): Promise<ReadonlyMap<string, TensorData>> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > WEIGHTS_BYTES_MAX) {
      return fail("invalid_file", `${path} has ${size} bytes, at most ${WEIGHTS_BYTES_MAX} are read`, {
        param: HEADS_WEIGHTS_FILE,
      });
    }
    bytes = await readFile(path);
  } catch (cause) {
    return fail("model_not_found", `${path} cannot be read`, { param: HEADS_WEIGHTS_FILE, cause });
  }
  return decodeSafetensors(bytes).tensors;
}

function vocabularyOf(tensor: TensorData | undefined, { draftedTokens, vocabSize }: HeadsConfig): Int32Array {
  const refuse = (message: string): never =>
    fail("invalid_file", `${HEADS_WEIGHTS_FILE}: ${VOCABULARY} ${message}`, { param: VOCABULARY });
  if (!(tensor?.data instanceof Int32Array) || tensor.data.length !== draftedTokens) {
    return refuse(`must be ${draftedTokens} int32 tokens`);
  }
  if (new Set(tensor.data).size !== draftedTokens) return refuse("names a token twice");
  for (const id of tensor.data) if (id < 0 || id >= vocabSize) return refuse(`names token ${id}, there is none`);
  return tensor.data;
}

/** Writes both files, the weights first: a folder with heads.json has all of them. */
export async function writeHeads(
  dir: string,
  { config, model, weights, vocabulary }: StoredHeads,
  notes: HeadsNotes,
): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of headsParameterSpecs(config)) {
    tensors.set(name, { dtype: "float16", dims, data: float32ToHalf(weights.get(name, dims)) });
  }
  tensors.set(VOCABULARY, { dtype: "int32", dims: [vocabulary.length], data: vocabulary });
  await writeFileAtomically(join(dir, HEADS_WEIGHTS_FILE), encodeSafetensors(tensors, { format: "pt" }));
  const json = {
    format: FORMAT,
    hidden_size: config.hidden,
    intermediate_size: config.width,
    vocab_size: config.vocabSize,
    drafted_tokens: config.draftedTokens,
    trained_depth: config.trainedDepth,
    rms_norm_eps: config.normEps,
    model,
    held_out_acceptance: notes.heldOutAcceptance,
    training: notes.training,
  };
  await writeFileAtomically(join(dir, HEADS_FILE), `${JSON.stringify(json, null, 2)}\n`);
}
