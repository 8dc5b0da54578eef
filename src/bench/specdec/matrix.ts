/**
 * Arms × groups of questions × concurrencies × rounds, in an order that treats arms alike: round by round, and within a
 * round every arm in turn, another one first each time, so that what drifts hits all of them. Servers that cannot stand
 * side by side are measured arm by arm instead, which reports say.
 */
import type { Asked } from "./conversations.ts";
import { measureCell, type Cell, type Session } from "./cell.ts";
import type { Arm } from "./types.ts";

/** Whoever starts and stops what arms run on. */
export interface ArmHost {
  /** The arm with its server's address, ready. */
  open(arm: Arm): Promise<Arm>;
  /** The arm is not measured next. */
  release(arm: Arm): Promise<void>;
}

/** Servers that are just there. */
export const STANDING_SERVERS: ArmHost = {
  open: (arm) => Promise.resolve(arm),
  release: () => Promise.resolve(),
};

/** A matrix. */
export interface MatrixOptions {
  readonly arms: readonly Arm[];
  readonly groups: ReadonlyMap<string, readonly Asked[]>;
  readonly concurrencies: readonly number[];
  readonly rounds: number;
  readonly order: "interleaved" | "arm by arm";
  readonly host: ArmHost;
  readonly session: Session;
  readonly onCell?: (cell: Cell) => void;
}

interface Job {
  readonly arm: Arm;
  readonly group: string;
  readonly asked: readonly Asked[];
  readonly concurrency: number;
  readonly round: number;
}

/** Turns that a matrix will ask, warm-up left out. */
export function matrixTurns({ arms, groups, concurrencies, rounds }: MatrixOptions): number {
  let turns = 0;
  for (const asked of groups.values()) {
    for (const { question, promptIds } of asked) turns += promptIds === undefined ? question.turns.length : 1;
  }
  return turns * arms.length * concurrencies.length * rounds;
}

/** Measures all cells; ends early, with what there is, when the session is stopped. */
export async function measureMatrix(options: MatrixOptions): Promise<readonly Cell[]> {
  const jobs = options.order === "interleaved" ? interleaved(options) : armByArm(options);
  const cells: Cell[] = [];
  for (const [i, { arm, asked, ...key }] of jobs.entries()) {
    if (options.session.signal?.aborted === true) break;
    const live = await options.host.open(arm);
    const cell = await measureCell(options.session, live, asked, key);
    cells.push(cell);
    options.onCell?.(cell);
    if (jobs[i + 1]?.arm !== arm) await options.host.release(arm);
  }
  return cells;
}

function interleaved({ arms, groups, concurrencies, rounds }: MatrixOptions): readonly Job[] {
  const jobs: Job[] = [];
  let turn = 0;
  for (let round = 0; round < rounds; round++) {
    for (const concurrency of concurrencies) {
      for (const [group, asked] of groups) {
        for (let i = 0; i < arms.length; i++) {
          jobs.push({ arm: arms[(i + turn) % arms.length]!, group, asked, concurrency, round });
        }
        turn += 1;
      }
    }
  }
  // The first arm of all answers first: later turns refer to its answers.
  return jobs;
}

function armByArm({ arms, groups, concurrencies, rounds }: MatrixOptions): readonly Job[] {
  return arms.flatMap((arm) =>
    Array.from({ length: rounds }, (_, round) => round).flatMap((round) =>
      concurrencies.flatMap((concurrency) =>
        [...groups].map(([group, asked]): Job => ({ arm, group, asked, concurrency, round })),
      ),
    ),
  );
}
