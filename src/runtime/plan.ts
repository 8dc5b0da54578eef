/** Options with every default filled in and every range checked, for both sides of the thread border. */
import { fail } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { BEST_EFFORT, createPolicy, kneeDecodes, OUTLOOK_KINDS, outlookOf, type OutlookKind } from "../sched/index.ts";
import type { CalibrationPlan } from "./calibrate.ts";
import { loraLimits } from "./lora/options.ts";
import { checkPhases, poolsOf } from "./phases/options.ts";
import { checkRoutes } from "./routes/options.ts";
import { checkSpeculation } from "./speculation/options.ts";
import type { EmbeddingOptions, EngineInfo, EngineOptions } from "./types.ts";

const DEFAULT_PAGE_TOKENS = 16;
const DEFAULT_MAX_RUNNING = 32;
const DEFAULT_POLICY = "fifo";
const DEFAULT_TARGET_STEP_MS = 25;
const DEFAULT_KV_BYTES = 512 * 1024 * 1024;
const DEFAULT_CONTEXTS = 16;
/** Larger steps would outgrow the executor's scratch memory. */
const LARGEST_STEP_TOKENS = 512;
/** The longest prompt that is computed in one step where a policy wants prompts whole: attention grows with its square. */
const LARGEST_WHOLE_TOKENS = 2048;
const CALIBRATION_LIMIT_MS = 350;
/** Of a predictor's own draws: a new engine learns as the one before did. */
export const PREDICTOR_SEED = 0;

export interface EnginePlan {
  readonly info: EngineInfo;
  readonly maxRunning: number;
  /** Most tokens that a step can hold. */
  readonly maxRows: number;
  /** Null: calibrate. */
  readonly budgetTokens: number | null;
  readonly calibration: CalibrationPlan;
  /** What policies are told of requests beyond themselves. */
  readonly outlook: OutlookKind;
  /** Whether a policy that rests on another outlook may come to decide. */
  readonly switchable: boolean;
}

/** @throws PunctualError invalid_request naming the option. */
export function planEngine(options: EngineOptions, config: DecoderConfig, name: string): EnginePlan {
  checkOptions(options);
  checkPhases(options);
  checkSpeculation(options);
  const pageTokens = options.pageTokens ?? DEFAULT_PAGE_TOKENS;
  const kvPages = options.kvPages ?? pagesWithin(options, config, pageTokens);
  const maxRunning = options.maxRunning ?? DEFAULT_MAX_RUNNING;
  const policy = createPolicy(options.policy ?? DEFAULT_POLICY, options.policyOptions);
  const pools = poolsOf(options.phases ?? "colocated", kvPages);
  const contextTokens = Math.min(contextOf(options, config), Math.min(pools.prefill, pools.decode) * pageTokens);
  const chunkedTokens = Math.max(LARGEST_STEP_TOKENS, options.budgetTokens ?? 0, maxRunning);
  // Beside one whole prompt every running sequence can have its token.
  const wholeTokens = policy.chunked === false ? Math.min(contextTokens, LARGEST_WHOLE_TOKENS) + maxRunning : 0;
  const maxRows = Math.max(options.maxStepTokens ?? wholeTokens, chunkedTokens);
  const info: EngineInfo = {
    name,
    dir: "dir" in options.model ? options.model.dir : null,
    vocabSize: config.vocabSize,
    contextTokens,
    weights: options.weights ?? "f32",
    threads: options.threads ?? 1,
    kvPages,
    pageTokens,
    pageBytes: kvBytesPerToken(config, options.kvFormat ?? "f32") * pageTokens,
    modelFingerprint: null,
    policy: policy.name,
    phases: options.phases ?? "colocated",
    ...fixedPolicy(options),
    defaultSlo: options.defaultSlo ?? BEST_EFFORT,
    ...((options.routes ?? null) === null ? {} : { routes: { layers: config.layers } }),
    ...(options.lora === undefined ? {} : { lora: loraLimits(options.lora) }),
    ...(options.embedding === undefined ? {} : { embedding: embeddingInfo(options.embedding, config) }),
  };
  const calibration: CalibrationPlan = {
    targetStepMs: options.targetStepMs ?? DEFAULT_TARGET_STEP_MS,
    // What is measured is one sequence's chunk.
    maxTokens: Math.min(chunkedTokens, contextTokens),
    minTokens: maxRunning,
    limitMs: CALIBRATION_LIMIT_MS,
    vocabSize: config.vocabSize,
    // Vectors of texts are prompts only; where phases are apart, prompts have steps of their own.
    decodes: options.embedding === undefined && info.phases === "colocated" ? kneeDecodes(maxRunning) : 0,
  };
  const outlook = options.outlook ?? outlookOf(policy.name);
  const switchable = info.fixedPolicy === undefined && options.outlook === undefined;
  return { info, maxRunning, maxRows, budgetTokens: options.budgetTokens ?? null, calibration, outlook, switchable };
}

function fixedPolicy({ phases = "colocated" }: EngineOptions): Pick<EngineInfo, "fixedPolicy"> {
  if (phases === "colocated") return {};
  return { fixedPolicy: `phases are "${phases}": each worker keeps the policy that it was started with` };
}

function embeddingInfo(options: EmbeddingOptions, config: DecoderConfig): NonNullable<EngineInfo["embedding"]> {
  const { dimensions = "full", before = [], after = [] } = options;
  const width = config.hidden;
  const lengths = typeof dimensions === "string" ? [] : dimensions;
  const check = (values: readonly number[], least: number, most: number, param: string): void => {
    const wrong = values.find((value) => !(Number.isInteger(value) && value >= least && value <= most));
    if (wrong === undefined) return;
    fail("invalid_request", `${param}: expected integers from ${least} to ${most}, got ${wrong}`, { param });
  };
  check(lengths, 1, width, "embedding.dimensions");
  check(before, 0, config.vocabSize - 1, "embedding.before");
  check(after, 0, config.vocabSize - 1, "embedding.after");
  return { dimensions, before, after, width };
}

/** Most tokens of a sequence that the model and the options allow. */
function contextOf(options: EngineOptions, config: DecoderConfig): number {
  return Math.min(config.maxPositions, options.contextTokens ?? Infinity);
}

/** Bytes of one token's keys and values over all layers; int8 has a scale per head. */
export function kvBytesPerToken(config: DecoderConfig, format: "f32" | "int8"): number {
  const perHead = format === "f32" ? config.headDim * 4 : config.headDim + 4;
  return 2 * config.layers * config.kvHeads * perHead;
}

function pagesWithin(options: EngineOptions, config: DecoderConfig, pageTokens: number): number {
  const perPage = kvBytesPerToken(config, options.kvFormat ?? "f32") * pageTokens;
  if (options.kvBytes !== undefined) return Math.max(1, Math.floor(options.kvBytes / perPage));
  const wanted = Math.ceil(contextOf(options, config) / pageTokens) * DEFAULT_CONTEXTS;
  return Math.max(1, Math.min(wanted, Math.floor(DEFAULT_KV_BYTES / perPage)));
}

const COUNTS = [
  "kvPages",
  "kvBytes",
  "contextTokens",
  "pageTokens",
  "maxRunning",
  "maxWaiting",
  "budgetTokens",
  "maxChunk",
  "maxStepTokens",
  "streamBuffer",
] as const;

function checkOptions(options: EngineOptions): void {
  for (const field of COUNTS) {
    const value = options[field];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      fail("invalid_request", `${field}: expected an integer of at least 1, got ${value}`, { param: field });
    }
  }
  if (options.threads !== undefined && ![1, 2].includes(options.threads)) {
    fail("invalid_request", `threads: expected 1 or 2, got ${String(options.threads)}`, { param: "threads" });
  }
  const { record, outlook } = options;
  if (outlook !== undefined && !OUTLOOK_KINDS.includes(outlook)) {
    fail("invalid_request", `outlook: expected one of ${OUTLOOK_KINDS.join(", ")}, got "${String(outlook)}"`, {
      param: "outlook",
    });
  }
  if (options.policyState !== undefined && (record !== undefined || (options.phases ?? "colocated") !== "colocated")) {
    const other =
      record === undefined
        ? `phases "${options.phases}" keep what they learn to themselves`
        : "a replay of the recording would begin with nothing learnt";
    fail("invalid_request", `policyState: ${other}`, { param: "policyState" });
  }
  checkLora(options);
  checkRoutes(options);
  if (record?.maxShare !== undefined && !(record.maxShare >= 0 && record.maxShare <= 1)) {
    fail("invalid_request", `record.maxShare: expected a share from 0 to 1, got ${record.maxShare}`, {
      param: "record.maxShare",
    });
  }
  if (record?.maxBytes !== undefined && !(record.maxBytes >= 1)) {
    fail("invalid_request", `record.maxBytes: expected at least 1, got ${record.maxBytes}`, {
      param: "record.maxBytes",
    });
  }
  if (options.handOff !== undefined && (record !== undefined || (options.phases ?? "colocated") !== "colocated")) {
    fail("invalid_request", "handOff: only colocated engines that are not recorded hand sequences over", {
      param: "handOff",
    });
  }
  for (const field of ["targetStepMs", "stallMs", "transferTimeoutMs"] as const) {
    const value = options[field];
    if (value !== undefined && !(value > 0)) {
      fail("invalid_request", `${field}: expected milliseconds above 0, got ${value}`, { param: field });
    }
  }
}

function checkLora({ lora, phases = "colocated", embedding }: EngineOptions): void {
  if (lora === undefined) return;
  const refuse = (why: string): never => fail("unsupported", `lora: ${why}`, { param: "lora" });
  if (phases !== "colocated") refuse(`adapters are of colocated engines; phases are "${phases}"`);
  if (embedding !== undefined) refuse("an embedding model takes no adapters");
}
