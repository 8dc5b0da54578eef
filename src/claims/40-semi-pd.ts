/**
 * Claim 40: semi-PD (arXiv 2504.19867): two workers over one cache, one for prompts and one for decodes, with shares of
 * the compute that follow the objectives, serve more within them than one worker that does both, or than two halves with
 * caches of their own. Live on two cores, and simulated on measured tables of an A100.
 */
import type { Claim } from "./framework.ts";
import { measureLive } from "./semi-pd/live.ts";
import { measureSimulated } from "./semi-pd/simulated.ts";

export const semiPd: Claim = {
  id: "40",
  name: "semi-pd",
  headline:
    "Phases with workers of their own over one cache finish sooner and serve more than one worker that does both.",
  baseline:
    "unified instances under prefill-first and splitfuse (the best of three steps), and separate prefill and decode instances, on the same requests and as many devices; live under a mix that shifts, the better of one worker for each phase and sharing left to the operating system",
  source: "semi-PD, arXiv 2504.19867; costs from DistServe's A100 tables",
  targets:
    "rate at 90 % attainment at least 1.55 times splitfuse, 1.72 times prefill-first and 1.6 times disaggregated; mean end-to-end latency at high load at least 1.27 times lower than the better unified arm, live than each unified arm and than disaggregated at the better unified arm's throughput; live under a mix that shifts, 1.1 times lower than uncontrolled, and in neither half above the best static split / 0.97; second tokens at most 1.5 times as late as others; a move of the share stalls by at most one iteration",
  measure: async (context) => [...(await measureSimulated(context)), ...(await measureLive(context))],
};
