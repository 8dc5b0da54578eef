/**
 * Makes the speculator that an engine's options ask for, in the engine's worker: drafters, and for a drafting model its
 * sessions, cache and what a pass costs. Nothing is made for engines that do not speculate.
 */
import { assert, type Clock } from "../../core/index.ts";
import {
  DraftModel,
  KvPages,
  NgramDrafter,
  PredictionDrafter,
  StepExecutor,
  type DecoderConfig,
  type Drafter,
  type StoredHeads,
} from "../../llm/index.ts";
import { StepCost } from "../../sched/index.ts";
import { calibrate } from "../calibrate.ts";
import { readOutline, withWeights } from "../load-model.ts";
import type { EnginePlan } from "../plan.ts";
import type { EngineOptions } from "../types.ts";
import { loadHeads } from "./heads.ts";
import { draftTokensOf, SOURCES_OF, speculates, type SpeculationOptions } from "./options.ts";
import { Speculator } from "./speculator.ts";

/** What the engine's own model says of drafts. */
export interface DraftTarget {
  readonly config: DecoderConfig;
  readonly endTokens: readonly number[];
  /** Chunks of so many tokens have other last bits: drafts stay below. */
  readonly ortRowThreshold: number;
}

/** A speculator and the sessions behind it, to be disposed of with the engine's. */
export interface LoadedSpeculator extends AsyncDisposable {
  readonly speculator: Speculator;
}

/** Tokens up to which a pass of the drafting model is measured, and how long that may take. */
const CALIBRATED_TOKENS = 128;
const CALIBRATION_LIMIT_MS = 200;
/** A drafter that never catches up never drafts. */
const LEAST_CATCH_UP_TOKENS = 32;

/** Sizes of steps that drafts make of single decodes, how often each is run, and for how long. */
const VERIFIED_TOKENS = [1, 2, 4, 8, 16] as const;
const VERIFIED_REPEATS = 3;
const VERIFIED_LIMIT_MS = 50;

/**
 * Measures what checking drafts costs, before anything else is known of steps: rows of one sequence with all their scores. A
 * slow model takes a few steps' time for that, and without it would never learn that more tokens cost it hardly more.
 * Nothing is measured for engines that do not speculate.
 */
export async function measureDraftCosts(
  options: Pick<EngineOptions, "speculation" | "embedding">,
  executor: Pick<StepExecutor, "step" | "config">,
  pages: KvPages,
  clock: Clock,
  cost: StepCost,
): Promise<void> {
  const { speculation } = options;
  if (speculation === undefined || !speculates(options)) return;
  const sequence = pages.open();
  const most = draftTokensOf(speculation) + 1;
  for (const [i, count] of VERIFIED_TOKENS.entries()) {
    if ((i > 0 && VERIFIED_TOKENS[i - 1]! >= most) || !sequence.reserve(count)) break;
    const tokens = Array.from({ length: count }, (_, at) => (at * 7919) % executor.config.vocabSize);
    // Noise only ever adds; the first run pays for allocations, which a slow one hardly notices.
    let stepMs = Infinity;
    let spentMs = 0;
    for (let repeat = 0; repeat <= VERIFIED_REPEATS && spentMs < VERIFIED_LIMIT_MS; repeat++) {
      const fromMs = clock.nowMs();
      await executor.step([{ tokens, startPosition: 0, pages: sequence.pages, wantLogits: "all" }]);
      const tookMs = clock.nowMs() - fromMs;
      spentMs += tookMs;
      if (repeat > 0 || spentMs >= VERIFIED_LIMIT_MS) stepMs = Math.min(stepMs, tookMs);
    }
    cost.observe(count, stepMs);
  }
  sequence.release();
}

/**
 * Null where the options do not ask for one.
 * @param stored the heads to draft with, where there are any: see `headsOf`
 * @throws PunctualError as loading a model does.
 */
export async function loadSpeculator(
  options: EngineOptions,
  plan: EnginePlan,
  target: DraftTarget,
  stored: StoredHeads | null,
  clock: Clock,
): Promise<LoadedSpeculator | null> {
  const { speculation } = options;
  if (speculation === undefined || !speculates(options)) return null;
  const cost = new StepCost();
  const sources = SOURCES_OF[speculation.method].filter((source) => source !== "heads" || stored !== null);
  const model = sources.includes("model")
    ? await loadDraftModel(options, speculation, plan, target, clock, cost)
    : null;
  const heads = stored === null ? null : await loadHeads(options, plan, stored, target, clock);
  const drafters = sources.map((source): Drafter => {
    if (source === "prediction") return new PredictionDrafter((id) => speculator.predictionOf(id));
    if (source === "ngram") return new NgramDrafter(speculation.ngram);
    const drafter = (source === "model" ? model : heads)?.drafter;
    assert(drafter !== undefined, "who drafts is loaded");
    return drafter;
  });
  const speculator: Speculator = new Speculator({
    drafters,
    tokens: Math.min(draftTokensOf(speculation), target.ortRowThreshold - 2),
    adaptive: speculation.adaptive ?? true,
    drawn: speculation.drafts === "drawn",
    ...(model === null ? {} : { passMs: (sequences: number) => cost.stepMs(sequences) }),
    ...(heads === null ? {} : { passMs: (sequences: number, place: number) => heads.cost.passMs(sequences, place) }),
  });
  const dispose = async (): Promise<void> => {
    await model?.executor.dispose();
    await heads?.drafter.dispose();
  };
  return { speculator, [Symbol.asyncDispose]: dispose };
}

async function loadDraftModel(
  options: EngineOptions,
  speculation: SpeculationOptions,
  { info, calibration }: EnginePlan,
  target: DraftTarget,
  clock: Clock,
  cost: StepCost,
): Promise<{ readonly executor: StepExecutor; readonly drafter: DraftModel }> {
  const { model: source } = speculation;
  assert(source !== undefined, "the options of a drafting model are checked");
  const { config } = await readOutline(source);
  const kv = { pages: info.kvPages, pageTokens: info.pageTokens };
  const executor = await withWeights(source, config, (weights) =>
    StepExecutor.create({
      config,
      weights,
      weightsFormat: speculation.weights ?? info.weights,
      threads: info.threads,
      kv: { format: options.kvFormat ?? "f32", ...kv },
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    }),
  );
  const pages = new KvPages(kv);
  const { budgetTokens } = await calibrate(executor, pages, clock, cost, {
    ...calibration,
    maxTokens: CALIBRATED_TOKENS,
    minTokens: 1,
    limitMs: CALIBRATION_LIMIT_MS,
    vocabSize: config.vocabSize,
    decodes: 0,
  });
  const drafter = new DraftModel({
    executor,
    pages,
    vocabSize: target.config.vocabSize,
    endTokens: target.endTokens,
    catchUpTokens: Math.max(LEAST_CATCH_UP_TOKENS, budgetTokens),
    clock,
    observe: (tokens, ms) => cost.observe(tokens, ms),
  });
  return { executor, drafter };
}
