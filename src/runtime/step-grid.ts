/**
 * Which steps to measure so that a cost model can be fitted: decodes alone by number and context, chunks of prompts by
 * size and context, and both in one step. Pure; measure-steps.ts carries it out on a live engine.
 */

/** What bounds a grid. */
export interface GridLimits {
  readonly maxRunning: number;
  /** Most tokens of a step. */
  readonly budgetTokens: number;
  /** Most tokens of prompt and answer. */
  readonly contextTokens: number;
  /** Tokens that the KV cache holds. */
  readonly kvTokens: number;
}

/** So many sequences decode together, each with about that many tokens in place; then chunks join them. */
export interface DecodeExperiment {
  readonly kind: "decodes";
  readonly decodes: number;
  readonly contextTokens: number;
  /** Sizes of the chunks that are computed beside them, one after the other. */
  readonly chunks: readonly number[];
}

/** A chunk of a prompt of which the beginning is in place already. */
export interface ChunkExperiment {
  readonly kind: "chunk";
  readonly chunkTokens: number;
  readonly contextTokens: number;
}

/** One experiment; repeated with other tokens in every pass. */
export type GridExperiment = DecodeExperiment | ChunkExperiment;

/** Steps of all decodes together that an experiment waits for. */
export const DECODE_STEPS = 12;
/** How often a chunk is measured in a row. */
export const CHUNK_REPEATS = 3;

const CONTEXTS = [16, 128, 512, 2048, 8192, 32_768];
/** Prompts of one experiment together: more would take longer than they tell. */
const MOST_TOKENS = 16_384;

/** Every experiment that fits, the quickest first. */
export function stepGrid(limits: GridLimits): GridExperiment[] {
  const { maxRunning, budgetTokens, contextTokens, kvTokens } = limits;
  const fits = (context: number, tokens: number): boolean => context + tokens <= contextTokens;
  const grid: GridExperiment[] = [];
  for (const decodes of powersUpTo(maxRunning)) {
    for (const context of CONTEXTS) {
      const all = decodes * (context + 2 * DECODE_STEPS);
      if (!fits(context, 4 * DECODE_STEPS) || all > Math.min(MOST_TOKENS, kvTokens * 0.8)) continue;
      const beside = decodes < maxRunning ? [8, 32, 128, 512] : [];
      const chunks = beside.filter((size) => size + decodes <= budgetTokens && fits(0, size + 1));
      grid.push({ kind: "decodes", decodes, contextTokens: context, chunks });
    }
  }
  for (const chunkTokens of powersUpTo(budgetTokens)) {
    for (const context of [0, ...CONTEXTS]) {
      const total = context + chunkTokens;
      if (fits(total, 1) && total <= Math.min(MOST_TOKENS, kvTokens * 0.8)) {
        grid.push({ kind: "chunk", chunkTokens, contextTokens: context });
      }
    }
  }
  return grid.toSorted((a, b) => computedTokens(a) - computedTokens(b));
}

/** Chunks that only a policy without chunking computes in one step: above the budget, up to `mostTokens`. */
export function wholePrompts(limits: GridLimits, mostTokens: number): ChunkExperiment[] {
  const largest = Math.min(mostTokens, limits.contextTokens - 1, Math.floor(limits.kvTokens * 0.8));
  return powersUpTo(largest)
    .filter((tokens) => tokens > limits.budgetTokens)
    .map((chunkTokens) => ({ kind: "chunk", chunkTokens, contextTokens: 0 }));
}

/** Tokens that an experiment computes, roughly: what it takes in time. */
export function computedTokens(experiment: GridExperiment): number {
  if (experiment.kind === "chunk") return experiment.contextTokens + CHUNK_REPEATS * experiment.chunkTokens;
  const { decodes, contextTokens, chunks } = experiment;
  return decodes * (contextTokens + 2 * DECODE_STEPS) + chunks.reduce((sum, size) => sum + size, 0);
}

/** 1, 2, 4, … and the last number itself. */
function powersUpTo(last: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power < last; power *= 2) powers.push(power);
  return last >= 1 ? [...powers, last] : [];
}
