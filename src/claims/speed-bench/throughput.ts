/** Many answers at a time: tokens a second by arm and batch, round by round, arms in turn within a round. */
import type { Clock, RandomStream } from "../../core/index.ts";
import { closedLoop } from "../live-load.ts";
import type { SpeedArm, SpeedEngines } from "./arms.ts";
import type { AskedIds } from "./questions.ts";

/** What is asked of every cell. */
export interface ThroughputOptions {
  readonly arms: readonly SpeedArm[];
  readonly batches: readonly number[];
  readonly rounds: number;
  /** Milliseconds of a cell that count, at least, from when every client has had an answer. */
  readonly windowMs: number;
  /** Answers that end within it at least, however long that takes; one per client when absent. */
  readonly leastAnswers?: number;
  readonly maxTokens: number;
  readonly prompts: readonly AskedIds[];
  /** Answers are as long as they may be. */
  readonly ignoreEos?: boolean;
  readonly clock: Clock;
  readonly random: RandomStream;
}

/** Tokens a second by arm, batch and round, and what one reader saw. */
export interface ThroughputCell {
  readonly arm: string;
  readonly batch: number;
  readonly round: number;
  readonly outputTps: number;
  readonly userTps: number;
}

/** Measures all cells. Every arm of a round and batch gets the prompts in the same order. */
export async function measureThroughput(
  engines: SpeedEngines,
  options: ThroughputOptions,
): Promise<readonly ThroughputCell[]> {
  const {
    arms,
    batches,
    rounds,
    windowMs,
    leastAnswers,
    maxTokens,
    prompts,
    clock,
    random,
    ignoreEos = false,
  } = options;
  const cells: ThroughputCell[] = [];
  let turn = 0;
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      const from = random.int(0, prompts.length - 1);
      for (let i = 0; i < arms.length; i++) {
        const arm = arms[(i + turn) % arms.length]!;
        let next = from;
        const { requests, fromMs, toMs } = await closedLoop(await engines.of(arm), {
          clients: batch,
          windowMs,
          clock,
          ...(leastAnswers === undefined ? {} : { leastAnswers }),
          request: () => {
            const { promptIds, prediction } = prompts[next++ % prompts.length]!;
            return {
              promptTokens: promptIds,
              maxTokens,
              ignoreEos,
              sampling: { temperature: 0 },
              ...(prediction === undefined ? {} : { prediction }),
            };
          },
        });
        const within = requests.map(({ tokenMs }) => tokenMs.filter((ms) => ms > fromMs && ms <= toMs));
        const tokens = within.reduce((sum, times) => sum + times.length, 0);
        // Tokens of a single step have no pace.
        const paces = within.flatMap((times) => {
          const ms = times.length < 2 ? 0 : times.at(-1)! - times[0]!;
          return ms > 0 ? [((times.length - 1) / ms) * 1000] : [];
        });
        cells.push({
          arm: arm.name,
          batch,
          round,
          outputTps: (tokens / (toMs - fromMs)) * 1000,
          userTps: paces.length === 0 ? 0 : paces.reduce((sum, pace) => sum + pace, 0) / paces.length,
        });
      }
      turn += 1;
    }
  }
  return cells;
}

/** How rounds begin. */
export interface RoundsOptions extends ThroughputOptions {
  /** The number of the first. */
  readonly first: number;
  /** Milliseconds of the cells of an unmeasured round before it: what is learnt of costs is learnt before anything counts. */
  readonly learntMs: number;
  readonly progress?: (round: number) => void;
}

/** Rounds in which every engine meets every load, another arm first in each, behind one that does not count. */
export async function measureRounds(
  engines: SpeedEngines,
  { first, learntMs, progress, ...options }: RoundsOptions,
): Promise<readonly ThroughputCell[]> {
  const { arms, rounds } = options;
  await measureThroughput(engines, { ...options, rounds: 1, windowMs: learntMs });
  const cells: ThroughputCell[] = [];
  for (let round = first; round < first + rounds; round++) {
    progress?.(round);
    const turned = arms.map((_, i) => arms[(i + round) % arms.length]!);
    const measured = await measureThroughput(engines, { ...options, arms: turned, rounds: 1 });
    cells.push(...measured.map((cell) => ({ ...cell, round })));
  }
  return cells;
}

/** Of one arm and batch, by round. */
export function roundsOf(cells: readonly ThroughputCell[], { name }: SpeedArm, batch: number): number[] {
  return cells
    .filter((cell) => cell.arm === name && cell.batch === batch)
    .toSorted((a, b) => a.round - b.round)
    .map(({ outputTps }) => outputTps);
}

/** The geometric mean over batches of one arm's throughput, by round: a mix of loads that gives each the same weight. */
export function mixOf(cells: readonly ThroughputCell[], arm: SpeedArm, batches: readonly number[]): number[] {
  const by = batches.map((batch) => roundsOf(cells, arm, batch));
  return by[0]!.map((_, round) =>
    Math.exp(by.reduce((sum, rounds) => sum + Math.log(rounds[round]!), 0) / batches.length),
  );
}
