/**
 * The papers with what was measured of each: the state of a row is that of its claims and nothing else, so a page that
 * shows it cannot disagree with docs/claims.json. Pure: results in, rows out.
 *
 * A claim belongs to the paper whose number its id begins with ("29", "29-live"); one without a number is our own.
 */
import type { Claim, ClaimMode, ClaimResult, Measured } from "./framework.ts";
import type { MachineInfo } from "./machine.ts";
import { PAPERS, type Paper } from "./papers.ts";

/** What is known of a claim; a claim whose interval decides nothing, or that nobody has measured, is undecided. */
export type ClaimState = "holds" | "does-not-hold" | "undecided";
/** A paper without a claim is not built. */
export type PaperState = ClaimState | "not-built";

/** A claim with what was measured; `mode`, `seconds` and `machine` are null where nothing was. */
export interface PublishedClaim {
  readonly id: string;
  readonly name: string;
  readonly headline: string;
  readonly baseline: string;
  readonly source: string;
  readonly targets: string;
  readonly state: ClaimState;
  readonly mode: ClaimMode | null;
  readonly seconds: number | null;
  readonly machine: MachineInfo | null;
  readonly measured: readonly Measured[];
  /** The command that measures it again. */
  readonly repeat: string;
}

/** A row. */
export interface PublishedPaper extends Paper {
  readonly state: PaperState;
  /** Of the first line whose target is on a ratio; null when there is none. Above 1 is better. */
  readonly ratio: { readonly value: number; readonly target: number | null; readonly metric: string } | null;
  readonly claims: readonly PublishedClaim[];
}

/** Every paper, and the claims that come from none. */
export interface PaperRows {
  readonly papers: readonly PublishedPaper[];
  readonly own: readonly PublishedClaim[];
}

/** The number of the paper that a claim belongs to; null for a claim of our own. */
export function paperOfClaim(id: string): string | null {
  return /^(\d\d)(?:-|$)/.exec(id)?.[1] ?? null;
}

/** The rows. Results of claims that nobody makes any more are left out. */
export function paperRows(
  claims: readonly Claim[],
  results: readonly ClaimResult[],
  papers: readonly Paper[] = PAPERS,
): PaperRows {
  const published = claims.map((claim) =>
    publish(
      claim,
      results.find((result) => result.claim === claim.id),
    ),
  );
  return {
    papers: papers.map((paper) => {
      const own = published.filter(({ id }) => paperOfClaim(id) === paper.number);
      return { ...paper, state: stateOf(own), ratio: leadingRatio(own), claims: own };
    }),
    own: published.filter(({ id }) => paperOfClaim(id) === null),
  };
}

function publish(claim: Claim, result: ClaimResult | undefined): PublishedClaim {
  const holds = result?.error === undefined ? (result?.holds ?? null) : null;
  const quick = result?.mode === "quick" ? " --quick" : "";
  return {
    id: claim.id,
    name: claim.name,
    headline: claim.headline,
    baseline: claim.baseline,
    source: claim.source,
    targets: claim.targets,
    state: holds === null ? "undecided" : holds ? "holds" : "does-not-hold",
    mode: result?.mode ?? null,
    seconds: result?.seconds ?? null,
    machine: result?.machine ?? null,
    measured: result?.measured ?? [],
    repeat: `npm run -s claim -- ${claim.id}${quick}`,
  };
}

/** One claim that does not hold decides; all must hold. */
function stateOf(claims: readonly PublishedClaim[]): PaperState {
  if (claims.length === 0) return "not-built";
  if (claims.some(({ state }) => state === "does-not-hold")) return "does-not-hold";
  return claims.every(({ state }) => state === "holds") ? "holds" : "undecided";
}

/** Lines are in the order in which a claim says them: the first that a target is set on is what it is about. */
function leadingRatio(claims: readonly PublishedClaim[]): PublishedPaper["ratio"] {
  const lines = claims.flatMap(({ measured }) => measured.filter(({ ratio }) => ratio !== null));
  const line = lines.find(({ target, target_on: on }) => target !== null && on === "ratio") ?? lines[0];
  if (line === undefined) return null;
  return { value: line.ratio!, target: line.target_on === "ratio" ? line.target : null, metric: line.metric };
}
