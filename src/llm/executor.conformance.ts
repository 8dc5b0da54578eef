/** What tests of the executor share: small executors that are exact, and sequences run alone or in any mix. */
import { expect } from "vitest";
import type { RandomStream } from "../core/index.ts";
import type { DecoderConfig } from "./config.ts";
import { StepExecutor } from "./executor.ts";
import { KvPages, type SequencePages } from "./kv-pages.ts";
import type { StepExecutorOptions, StepRow } from "./types.ts";
import { randomWeights } from "./weights.ts";

export const PAGE_TOKENS = 8;
export const PAGES = 40;
export const ROW = { row: true } as const;

/** Random f32 weights of seed 1 on one thread, the kernel attending everything. */
export function createExact(config: DecoderConfig, options: Partial<StepExecutorOptions> = {}): Promise<StepExecutor> {
  return StepExecutor.create({
    weights: randomWeights(config, 1),
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS },
    maxRows: 128,
    attention: { ortRowThreshold: Infinity },
    ...options,
    config,
  });
}

/** Ids below 101. */
export function randomTokens(random: RandomStream, length: number): number[] {
  return Array.from({ length }, () => random.int(0, 100));
}

export function kvPages(): KvPages {
  return new KvPages({ pages: PAGES, pageTokens: PAGE_TOKENS });
}

/** Logits after each of the tokens, the sequence run alone and in one chunk. */
export async function alone(executor: StepExecutor, tokens: readonly number[]): Promise<Float32Array[]> {
  const sequence = kvPages().open();
  sequence.reserve(tokens.length);
  const row: StepRow = { tokens, startPosition: 0, pages: sequence.pages, wantLogits: "all", scores: ROW };
  const { scores } = await executor.step([row]);
  return scores[0]!.map(({ logits }) => logits.slice());
}

export interface Running {
  readonly tokens: readonly number[];
  readonly sequence: SequencePages;
  readonly logits: Float32Array[];
  done: number;
}

/** Runs all sequences together, each step a random subset in random order with random chunk lengths. */
export async function together(
  executor: StepExecutor,
  pages: KvPages,
  prompts: readonly (readonly number[])[],
  random: RandomStream,
): Promise<Running[]> {
  const running = prompts.map((tokens): Running => {
    const sequence = pages.open(tokens);
    return { tokens, sequence, logits: [], done: sequence.cachedTokens };
  });
  for (;;) {
    const active = random.shuffled(running.filter(({ done, tokens }) => done < tokens.length));
    if (active.length === 0) return running;
    const batch = active.slice(0, random.int(1, active.length)).map((entry) => {
      const rows = Math.min(random.int(1, 12), entry.tokens.length - entry.done);
      expect(entry.sequence.reserve(entry.done + rows)).toBe(true);
      const tokens = entry.tokens.slice(entry.done, entry.done + rows);
      return { entry, tokens, startPosition: entry.done, wantLogits: "all", scores: ROW } as const;
    });
    const { scores } = await executor.step(batch.map(({ entry, ...row }) => ({ ...row, pages: entry.sequence.pages })));
    for (const [i, { entry, tokens }] of batch.entries()) {
      entry.logits.push(...scores[i]!.map(({ logits }) => logits.slice()));
      entry.done += tokens.length;
      entry.sequence.commit(entry.tokens.slice(0, entry.done));
    }
    pages.checkIntegrity();
  }
}

/** Bit for bit, without printing thousands of numbers when it is not so. */
export function expectSame(actual: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(actual.length).toBe(expected.length);
  const differing = actual.flatMap((row, i) => (row.every((value, j) => value === expected[i]![j]) ? [] : [i]));
  expect(differing).toEqual([]);
}

export function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((row, i) => Math.max(...row.map((value, j) => Math.abs(value - b[i]![j]!)))));
}
