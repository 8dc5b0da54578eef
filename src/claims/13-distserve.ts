/**
 * Claim 13: DistServe (arXiv 2401.09670): prompts and decodes on instances of their own serve more requests per device
 * within limits on both the first token and the pace. We let a planner choose between that and the alternatives.
 */
import { measureLive } from "./distserve/live.ts";
import { measureSimulated } from "./distserve/simulated.ts";
import type { Claim } from "./framework.ts";

export const distServe: Claim = {
  id: "13",
  name: "distserve",
  headline: "A planned placement serves 4.48 times as many requests per device within TTFT and TPOT as prefill-first.",
  baseline:
    "colocated instances under prefill-first (vLLM of 2023), and under splitfuse, on the same requests and at most as many devices, each with its own best number",
  source: "DistServe, OSDI'24 (arXiv 2401.09670); A100 tables of its authors; lengths of the Azure code trace",
  targets:
    "goodput per device at least 4.48 times prefill-first at TTFT 1 s and TPOT 32 ms on code prompts, against as many devices and against one instance as the paper counts; objectives at least 10.2 times as tight at 5 requests/s per device; live on two cores at least 1.5 times the rate, and keys and values handed over in at most 1 % of the time; the whole grid and the paper's objectives published",
  measure: async (context) => [...(await measureSimulated(context)), ...(await measureLive(context))],
};
