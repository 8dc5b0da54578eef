/** What requests would get if each were alone on an instance: a bound that company never beats. */
import { chunkShape, decodeShape } from "../sim/index.ts";
import type { Evaluator } from "./evaluator.ts";
import type { DeviceChoice } from "./types.ts";

/** Shares of requests that alone would meet their targets. */
export interface LoneShares {
  readonly ttft: number;
  readonly tpot: number;
  /** Deadlines included. */
  readonly both: number;
}

const known = new WeakMap<Evaluator, Map<DeviceChoice, LoneShares>>();

/** Remembered: a search asks often. */
export function loneShares(evaluator: Evaluator, choice: DeviceChoice): LoneShares {
  let shares = known.get(evaluator);
  if (shares === undefined) known.set(evaluator, (shares = new Map()));
  let found = shares.get(choice);
  if (found === undefined) shares.set(choice, (found = compute(evaluator, choice)));
  return found;
}

/** Stages only add to a step: hand-overs between them are left out, so that this stays a bound. */
function compute({ trace, objective }: Evaluator, { deployment: { cost } }: DeviceChoice): LoneShares {
  let [ttft, tpot, both] = [0, 0, 0];
  for (const { promptTokens, outputTokens, slo = objective.slo } of trace.requests) {
    // Blocks that somebody else computed may be found in a cache: then a prompt can be as short as a token.
    const ttftMs = cost.stepMs(trace.blockTokens > 0 ? chunkShape(1) : chunkShape(promptTokens));
    const tpotMs = outputTokens > 1 ? cost.stepMs(decodeShape(1, promptTokens)) : 0;
    const inTtft = ttftMs <= (slo.ttftMs ?? Infinity);
    const inTpot = tpotMs <= (slo.tpotMs ?? Infinity);
    const inTime = ttftMs + tpotMs * (outputTokens - 1) <= (slo.deadlineMs ?? Infinity);
    if (inTtft) ttft += 1;
    if (inTpot) tpot += 1;
    if (inTtft && inTpot && inTime) both += 1;
  }
  const count = trace.requests.length;
  return { ttft: ttft / count, tpot: tpot / count, both: both / count };
}
