/**
 * claims: what we say about ourselves, each with the measurement that says so. `punctual claim` and
 * docs/claims.md are drawn from this list and nothing else.
 */
import { speedBench } from "./11-speed-bench.ts";
import { llumnix } from "./29-llumnix.ts";
import { cacheGen } from "./32-cachegen.ts";
import { liveMigration } from "./29-live.ts";
import { distServe } from "./13-distserve.ts";
import { processes } from "./13-processes.ts";
import { jitServe } from "./16-jitserve.ts";
import { first } from "./25-first.ts";
import { fastgen } from "./26-fastgen.ts";
import { geb } from "./39-geb.ts";
import { semiPd } from "./40-semi-pd.ts";
import { agreement } from "./agreement.ts";
import { eventLoop } from "./event-loop.ts";
import { fidelity } from "./fidelity.ts";
import type { Claim } from "./framework.ts";
import { kernelBandwidth } from "./kernel-bandwidth.ts";
import { planning } from "./planning.ts";
import { rivals } from "./rivals.ts";
import { simulator } from "./simulator.ts";
import { structuredOutput } from "./structured-output.ts";
import { trainingSpeed } from "./training-speed.ts";

export {
  claimHolds,
  type Claim,
  type ClaimContext,
  type ClaimMode,
  type ClaimResult,
  type Measured,
} from "./framework.ts";
export { describeMachine, type MachineInfo } from "./machine.ts";
export {
  paperOfClaim,
  paperRows,
  type ClaimState,
  type PaperRows,
  type PaperState,
  type PublishedClaim,
  type PublishedPaper,
} from "./paper-index.ts";
export { PAPERS, type Paper, type PaperVerb } from "./papers.ts";
export { claimsMarkdown, resultText } from "./report.ts";
export { exitStatus, runClaim, selectClaims, type RunOptions } from "./run.ts";

/** Every claim, in the order in which they are published. */
export const CLAIMS: readonly Claim[] = [
  speedBench,
  distServe,
  processes,
  jitServe,
  first,
  fastgen,
  llumnix,
  liveMigration,
  cacheGen,
  geb,
  semiPd,
  kernelBandwidth,
  trainingSpeed,
  eventLoop,
  planning,
  simulator,
  fidelity,
  agreement,
  rivals,
  structuredOutput,
];
