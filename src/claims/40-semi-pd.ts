/**
 * Claim 40: semi-PD (arXiv 2504.19867): two workers over one cache, one for prompts and one for decodes, with shares of
 * the compute that follow the objectives, serve more within them than one worker that does both, or than two halves with
 * caches of their own. Simulated on measured tables of an A100.
 */
import type { Claim } from "./framework.ts";
import { measureSimulated } from "./semi-pd/simulated.ts";

export const semiPd: Claim = {
  id: "40",
  name: "semi-pd",
  headline:
    "Phases with workers of their own over one cache finish sooner and serve more than one worker that does both.",
  baseline:
    "unified instances under prefill-first and splitfuse (the best of three steps), and separate prefill and decode instances, on the same requests and as many devices",
  source: "semi-PD, arXiv 2504.19867; costs from DistServe's A100 tables",
  targets:
    "rate at 90 % attainment at least 1.55 times splitfuse, 1.72 times prefill-first and 1.6 times disaggregated; mean end-to-end latency at high load at least 1.27 times lower than the better unified arm",
  measure: measureSimulated,
};
