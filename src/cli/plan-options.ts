/** From what is asked of a plan, by flags or over HTTP, to the planner's options: one place, so that both mean the same. */
import { fail } from "../core/index.ts";
import { catalogue, PLACEMENT_MODES, type PlanOptions, type PricedGpu } from "../plan/index.ts";
import { parseSlo } from "../sched/index.ts";

/** What is asked, with files as their text. */
export interface PlanInputs {
  readonly slo: string;
  readonly attain: number;
  readonly gpus: readonly [least: number, most: number];
  readonly prices: readonly PricedGpu[];
  readonly model?: string;
  readonly modes?: readonly string[];
  readonly calibration?: string;
  readonly link?: number;
  readonly maxParallel: number;
  readonly maxStages: number;
  readonly seed: number;
}

/** Everything but the trace. @throws PunctualError invalid_request naming what is unknown or does not fit. */
export function planOptionsOf(inputs: PlanInputs): Omit<PlanOptions, "trace"> {
  const { slo, attain, gpus, prices, model, modes, calibration, link, maxParallel, maxStages, seed } = inputs;
  const objective = { slo: parseSlo(slo), attain };
  const wanted = modes === undefined ? PLACEMENT_MODES : PLACEMENT_MODES.filter((mode) => modes.includes(mode));
  const unknown = modes?.find((mode) => !PLACEMENT_MODES.some((known) => known === mode));
  if (unknown !== undefined || wanted.length === 0) {
    fail("invalid_request", `--modes: expected some of ${PLACEMENT_MODES.join(", ")}, got "${unknown ?? ""}"`, {
      param: "modes",
    });
  }
  const choices = catalogue({
    prices,
    mostParallel: Math.min(maxParallel, gpus[1]),
    mostStages: maxStages,
    ...(model === undefined ? {} : { model }),
    ...(calibration === undefined ? {} : { calibration }),
    ...(link === undefined ? {} : { linkBytesPerSecond: link }),
  });
  return { objective, choices, modes: wanted, devices: gpus, seed };
}
