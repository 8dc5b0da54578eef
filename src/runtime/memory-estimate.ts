/**
 * What an engine of a model will hold in memory, from its shape and options alone: enough to decide whether another model
 * fits, before a byte of it is read. An estimate on the high side, not a measurement: packed weights are mapped from a file that
 * engines of the same model share, and the system may drop what is not in use.
 */
import {
  EMBEDDING_NAME,
  LORA_TARGETS,
  loraShape,
  mergesRoutes,
  parameterSpecs,
  type DecoderConfig,
  type LoraLimits,
  type WeightsFormat,
} from "../llm/index.ts";
import { kvBytesPerToken, planEngine } from "./plan.ts";
import type { EngineOptions } from "./types.ts";

/** Bytes by what they are for. */
export interface MemoryEstimate {
  readonly weightBytes: number;
  readonly kvBytes: number;
  /** Activations of the largest step, sampler rows, the worker itself. */
  readonly workBytes: number;
  readonly totalBytes: number;
}

/** What one step of one sequence moves. */
export interface TokenCost {
  /** Weights read for each generated token: what decoding speed is bound by. */
  readonly weightBytes: number;
  /** Keys and values of one position. */
  readonly kvBytes: number;
}

/** A worker thread with its native runtime and an empty heap. */
const WORKER_BYTES = 64 * 1024 * 1024;
/** Widths of a row that are alive at once, beside the feed-forward: residual, norm, queries, keys, values, attended. */
const ROW_WIDTHS = 6;
/** Blocks of 32: the finest that is packed, so the most scales. */
const BLOCK = 32;

const LINEAR_BYTES: Readonly<Record<WeightsFormat, number>> = { f32: 4, int8: 1 + 4 / BLOCK, int4: 0.5 + 4 / BLOCK };
/** A table that its file has in 4 bits takes less. */
const TABLE_BYTES: Readonly<Record<WeightsFormat, number>> = { f32: 4, int8: 1 + 4 / BLOCK, int4: 1 + 4 / BLOCK };

/**
 * @param draft the model that drafts, where there is one: its weights and its cache count, its work is the same thread's
 * @throws PunctualError invalid_request for options that contradict themselves.
 */
export function estimateMemory(options: EngineOptions, config: DecoderConfig, draft?: DecoderConfig): MemoryEstimate {
  const { info, maxRows, maxRunning } = planEngine(options, config, options.name ?? "model");
  const { weights } = info;
  const weightBytes = weightBytesOf(config, weights);
  const kvBytes = kvBytesPerToken(config, options.kvFormat ?? "f32") * info.kvPages * info.pageTokens;
  const rowFloats = ROW_WIDTHS * Math.max(config.hidden, config.heads * config.headDim) + 2 * config.ffn;
  // Two workers, where the phases are apart, share the weights but not their work.
  const workers = (options.phases ?? "colocated") === "colocated" ? 1 : 2;
  const workBytes = workers * (WORKER_BYTES + 4 * (maxRows * rowFloats + maxRunning * config.vocabSize));
  const routes = info.routes === undefined ? 0 : routeBytes(config, weights, info.lora);
  const allWeights = weightBytes + routes + loraBytes(config, info.lora);
  const own = { weightBytes: allWeights, kvBytes, workBytes, totalBytes: allWeights + kvBytes + workBytes };
  if (draft === undefined) return own;
  const tokens = info.kvPages * info.pageTokens;
  const second = {
    weightBytes: weightBytesOf(draft, options.speculation?.weights ?? weights),
    kvBytes: kvBytesPerToken(draft, options.kvFormat ?? "f32") * tokens,
  };
  return {
    weightBytes: own.weightBytes + second.weightBytes,
    kvBytes: own.kvBytes + second.kvBytes,
    workBytes,
    totalBytes: own.totalBytes + second.weightBytes + second.kvBytes,
  };
}

/** Of the low-rank weights of routes, whose files are not read here. */
const ROUTE_RANK = 64;

/** What routes hold beside the model, at most: all of it once more, changed by low-rank weights, or those by themselves. */
function routeBytes(config: DecoderConfig, weights: WeightsFormat, lora: LoraLimits | undefined): number {
  if (mergesRoutes(config, weights, lora !== undefined)) return weightBytesOf(config, weights);
  return loraBytes(config, { maxLoras: 1, maxRank: ROUTE_RANK });
}

/** Of all slots, filled: adapters are kept in float32. */
function loraBytes(config: DecoderConfig, limits: LoraLimits | undefined): number {
  if (limits === undefined) return 0;
  const widths = LORA_TARGETS.map((target) => loraShape(config, target));
  const perColumn = widths.reduce((sum, shape) => sum + shape.in + shape.out, 0);
  return 4 * config.layers * perColumn * limits.maxLoras * 2 ** Math.ceil(Math.log2(limits.maxRank));
}

function weightBytesOf(config: DecoderConfig, weights: WeightsFormat): number {
  const { linear, table, rest } = parameterCounts(config);
  return Math.ceil(linear * LINEAR_BYTES[weights] + table * TABLE_BYTES[weights]) + rest * 4;
}

/** What a generated token costs in memory traffic, per sequence position for the cache. */
export function tokenCost(config: DecoderConfig, weights: WeightsFormat, kvFormat: "f32" | "int8" = "f32"): TokenCost {
  const { linear, rest } = parameterCounts(config);
  const embedded = Math.ceil(config.hidden * TABLE_BYTES[weights]); // one row of the table
  const weightBytes = Math.ceil(linear * LINEAR_BYTES[weights]) + rest * 4 + embedded;
  return { weightBytes, kvBytes: kvBytesPerToken(config, kvFormat) };
}

/** Weights in matrices, in the embedding table, in norms. A tied head is a matrix of its own: another session holds it. */
function parameterCounts(config: DecoderConfig): { linear: number; table: number; rest: number } {
  const counts = { linear: config.tiedEmbeddings ? config.vocabSize * config.hidden : 0, table: 0, rest: 0 };
  for (const { name, dims } of parameterSpecs(config)) {
    const size = dims.reduce((product, dim) => product * dim, 1);
    if (name === EMBEDDING_NAME) counts.table += size;
    else if (dims.length === 2) counts.linear += size;
    else counts.rest += size;
  }
  return counts;
}
