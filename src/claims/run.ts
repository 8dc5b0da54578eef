/** Runs claims by id and turns what they measured into results and an exit status. */
import { inspect } from "node:util";
import { fail, type Clock } from "../core/index.ts";
import { claimHolds, type Claim, type ClaimMode, type ClaimResult } from "./framework.ts";
import { describeMachine } from "./machine.ts";

/**
 * How to run a claim: `clock` times the arms and the run as a whole, `seed` is 1 when absent, `progress` gets lines
 * for people.
 */
export interface RunOptions {
  readonly mode: ClaimMode;
  readonly clock: Clock;
  readonly seed?: number;
  readonly progress: (message: string) => void;
}

/** Measures one claim; a failure to run becomes a result with `error`, never an exception. */
export async function runClaim(claim: Claim, options: RunOptions): Promise<ClaimResult> {
  const { mode, clock, progress } = options;
  const startMs = clock.nowMs();
  const head = { claim: claim.id, name: claim.name, mode };
  const seconds = (): number => Math.round((clock.nowMs() - startMs) / 100) / 10;
  try {
    const measured = await claim.measure({ mode, clock, progress, seed: options.seed ?? 1 });
    return { ...head, holds: claimHolds(measured), seconds: seconds(), machine: describeMachine(), measured };
  } catch (error) {
    const text = inspect(error); // with its causes: why a worker died is what there is to know
    return { ...head, holds: null, seconds: seconds(), machine: describeMachine(), measured: [], error: text };
  }
}

/** The claims of those ids, in that order. */
export function selectClaims(all: readonly Claim[], ids: readonly string[]): Claim[] {
  return ids.map((id) => {
    const claim = all.find((candidate) => candidate.id === id || candidate.name === id);
    const known = all.map((candidate) => candidate.id).join(", ");
    return claim ?? fail("not_found", `expected a claim id out of ${known}, got ${id}`, { param: "id" });
  });
}

/** 0 all hold, 1 one is false, 2 one could not run, 3 undecided. */
export function exitStatus(results: readonly ClaimResult[]): number {
  if (results.some((result) => result.error !== undefined)) return 2;
  if (results.some((result) => result.holds === false)) return 1;
  return results.every((result) => result.holds === true) ? 0 : 3;
}
