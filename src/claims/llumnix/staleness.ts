/** Old news, for claim `29`: what is left of the gain when dispatchers and the watcher see loads of some time ago. */
import { median } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { INFAAS, LLUMNIX, MIXES, runArm, traceOf, type Arm } from "./setup.ts";

/** How much is run. */
export interface StaleSize {
  /** Milliseconds between two looks at the loads, ascending; 0 is always fresh. */
  readonly ages: readonly number[];
  readonly seeds: number;
  readonly durationMs: number;
}

const MIX = "M-M";
const CV = 4;
const LOAD = 0.7;

/** One line, at the oldest news, with the ages as its curve. */
export function staleLines(size: StaleSize, seed: number, progress: (message: string) => void): Measured[] {
  const mix = MIXES.find(({ name }) => name === MIX)!;
  const traces = Array.from({ length: size.seeds }, (_, repeat) =>
    traceOf(mix, LOAD, CV, size.durationMs, `stale ${seed} ${repeat}`),
  );
  const rows = size.ages.map((ageMs) => {
    progress(`llumnix, loads ${ageMs} ms old`);
    const p99 = (arm: Arm): number[] =>
      traces.map((trace) => runArm(arm, trace, ageMs === 0 ? {} : { staleMs: ageMs }).ttftMs.p99 ?? 0);
    return { ageMs, ours: p99(LLUMNIX), theirs: p99(INFAAS) };
  });
  const { ageMs, ours, theirs } = rows.at(-1)!;
  return [
    compare(
      {
        metric: "P99 to the first token against infaas, by old loads",
        unit: "ms",
        better: "lower",
        kind: "simulated",
        note: `${MIX}, gamma of CV ${CV}, load ${LOAD}, loads up to ${ageMs} ms old; both count what they have sent since`,
        curve: rows.map((row) => ({
          age_ms: row.ageMs,
          llumnix_ms: median(row.ours),
          infaas_ms: median(row.theirs),
          ratio: median(row.theirs) / median(row.ours),
        })),
      },
      ours,
      theirs,
      null,
    ),
  ];
}
