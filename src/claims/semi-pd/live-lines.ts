/** What the live requests of claim `40` come to: samples to lines. Nothing here runs. */
import { quantile } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import type { RequestTimes } from "../live-load.ts";
import { attainmentOf, endToEndOf, maxRate, mean, tpotOf, ttftOf, type Unloaded } from "./live-arms.ts";
import { absolute, compare } from "../statistics.ts";
import {
  DISAGGREGATED,
  DYNAMIC,
  FIXED,
  SHIFTING_ARMS,
  STEADY_ARMS,
  UNCONTROLLED,
  UNIFIED,
  TPOT_SCALE,
  TTFT_SCALE,
  type Extent,
} from "./live-setup.ts";

const TARGET = 1.27;
const SHIFTING_TARGET = 1.1;
const LEAST_OF_STATIC = 0.97;
/** A second token waits for the step under way, half a step on average, and then for its own. */
const SECOND_TOKEN_TARGET = 1.5;
const STALL_TARGET = 1;

/** What an arm made of the requests, in no particular order. */
export interface Answered {
  readonly name: string;
  readonly requests: readonly RequestTimes[];
}

/** One pass of all arms over the mix that shifts. */
export interface ShiftingRound {
  readonly answered: readonly Answered[];
  /** So many requests, by arrival, are of the first half. */
  readonly firstCount: number;
  /** When the controller moved the share. */
  readonly switchMs: readonly number[];
}

/** All that was measured live. */
export interface LiveSamples {
  readonly objective: Unloaded;
  /** Requests per second of the better unified arm, never without work. */
  readonly peak: number;
  /** By round, load and arm. */
  readonly steady: readonly (readonly (readonly Answered[])[])[];
  /** Requests per second of the two halves. */
  readonly rates: readonly [number, number];
  readonly shifting: readonly ShiftingRound[];
}

const find = (answered: readonly Answered[], name: string): readonly RequestTimes[] =>
  answered.find((each) => each.name === name)!.requests;

const meanMs = (answered: readonly Answered[], name: string): number => mean(find(answered, name).map(endToEndOf));

const least = (answered: readonly Answered[], names: readonly string[]): number =>
  Math.min(...names.map((name) => meanMs(answered, name)));

/** Steady loads: the target is on the last of them. */
export function steadyLines(extent: Extent, samples: LiveSamples, attain: number): Measured[] {
  const { steady, peak, objective } = samples;
  const high = steady.map((byLoad) => byLoad.at(-1)!);
  const { lengths, loads } = extent;
  const note =
    `${extent.modelName}, prompts of ${lengths.prompt} and answers of ${lengths.answer} tokens on average, two cores; ` +
    `${peak.toFixed(1)} requests/s is the better unified arm's throughput, and the load that the target is on is ${loads.at(-1)!} of it; ` +
    `TTFT ${objective.ttftMs.toFixed(1)} ms (${TTFT_SCALE} times a request alone), TPOT ${objective.tpotMs.toFixed(2)} ms (${TPOT_SCALE} times); ` +
    `weights are mapped once for all arms, so that ${extent.kvPages} pages are the same bytes for each`;
  const line = { kind: "live", better: "lower", unit: "ms", note } as const;
  const ours = high.map((answered) => meanMs(answered, DYNAMIC));
  const against = (name: string, curve?: Measured["curve"]): Measured =>
    compare(
      {
        ...line,
        metric: `mean end-to-end at high load, live, against ${name}`,
        ...(curve === undefined ? {} : { curve }),
      },
      ours,
      high.map((answered) => meanMs(answered, name)),
      TARGET,
    );
  const rateOf = (name: string): number[] =>
    steady.map((byLoad) =>
      maxRate(
        byLoad.map((answered, i) => ({
          rate: loads[i]! * peak,
          attainment: attainmentOf(find(answered, name), objective),
        })),
        attain,
      ),
    );
  const unified = UNIFIED.map(rateOf);
  const bestUnified = steady.map((_, round) => Math.max(...unified.map((rates) => rates[round]!)));
  return [
    against(UNIFIED[0], steadyCurve(extent, samples)),
    against(UNIFIED[1]),
    against(DISAGGREGATED),
    compare(
      {
        ...line,
        better: "higher",
        unit: "requests/s",
        metric: `rate at ${attain * 100} % within both targets, live, against the better unified arm`,
      },
      rateOf(DYNAMIC),
      bestUnified,
      null,
    ),
    absolute(
      { ...line, unit: "", metric: "second token over other tokens, live" },
      high.map(secondToken),
      SECOND_TOKEN_TARGET,
    ),
  ];
}

function steadyCurve({ loads }: Extent, { steady, peak, objective }: LiveSamples): Measured["curve"] {
  return loads.map((load, at) => {
    const arms = STEADY_ARMS.map((name) => {
      const rounds = steady.map((byLoad) => find(byLoad[at]!, name));
      const ms = mean(rounds.map((requests) => mean(requests.map(endToEndOf))));
      const attained = mean(rounds.map((requests) => attainmentOf(requests, objective)));
      return [name, `${ms.toFixed(0)} ms, ${(100 * attained).toFixed(0)} %`] as const;
    });
    return { "requests/s": (load * peak).toFixed(1), ...Object.fromEntries(arms) };
  });
}

/** Mean gap before second tokens over the mean of all later gaps. */
function secondToken(answered: readonly Answered[]): number {
  const gaps = find(answered, DYNAMIC).map(gapsOf);
  return mean(gaps.flatMap((each) => each.slice(0, 1))) / mean(gaps.flatMap((each) => each.slice(1)));
}

const gapsOf = ({ tokenMs }: RequestTimes): number[] => tokenMs.slice(1).map((ms, i) => ms - tokenMs[i]!);

/** The mix that shifts: as a whole against the better uncontrolled arm, by halves against every static split. */
export function shiftingLines(extent: Extent, samples: LiveSamples): Measured[] {
  const { shifting, rates } = samples;
  const { promptHeavy, answerHeavy, shiftingLoad } = extent;
  const says = ({ prompt, answer }: Extent["lengths"], rate: number): string =>
    `${prompt}/${answer} tokens at ${rate.toFixed(1)} requests/s`;
  const note =
    `${extent.modelName}, two cores, prompts/answers of ${says(promptHeavy, rates[0])}, then of ${says(answerHeavy, rates[1])}, ` +
    `${shiftingLoad} of the better unified arm's throughput on each`;
  const line = { kind: "live", better: "lower", unit: "ms", note } as const;
  const whole = shifting.map(({ answered }) => answered);
  const halves = shifting.flatMap((round) => [halfOf(round, 0), halfOf(round, 1)]);
  const ours = whole.map((answered) => meanMs(answered, DYNAMIC));
  const uncontrolled = whole.map((answered) => least(answered, UNCONTROLLED));
  const oneOne = UNCONTROLLED.slice(0, 1);
  const splits = [...oneOne, ...FIXED];
  return [
    compare(
      {
        ...line,
        metric: "mean end-to-end under a shifting mix, live, against uncontrolled",
        curve: shiftingCurve(samples),
      },
      ours,
      uncontrolled,
      SHIFTING_TARGET,
    ),
    compare(
      { ...line, metric: "mean end-to-end in each half, live, against the best static split of that half" },
      halves.map((answered) => meanMs(answered, DYNAMIC)),
      halves.map((answered) => least(answered, splits)),
      LEAST_OF_STATIC,
    ),
    stallLine(shifting, note),
  ];
}

/** The requests of one half, by arrival. */
function halfOf({ answered, firstCount }: ShiftingRound, half: 0 | 1): readonly Answered[] {
  return answered.map(({ name, requests }) => {
    const sorted = requests.toSorted((a, b) => a.arrivalMs - b.arrivalMs);
    return { name, requests: half === 0 ? sorted.slice(0, firstCount) : sorted.slice(firstCount) };
  });
}

function shiftingCurve({ shifting, objective }: LiveSamples): Measured["curve"] {
  return SHIFTING_ARMS.map((arm) => {
    const of = (half: 0 | 1) => shifting.flatMap((round) => find(halfOf(round, half), arm));
    const text = (requests: readonly RequestTimes[]): string => {
      const p90 = (values: readonly number[]): string => quantile(values, 0.9).toFixed(1);
      return (
        `${mean(requests.map(endToEndOf)).toFixed(0)} ms, P90 TTFT ${p90(requests.map(ttftOf))} ms, ` +
        `P90 TPOT ${p90(requests.map(tpotOf))} ms, ${(100 * attainmentOf(requests, objective)).toFixed(0)} %`
      );
    };
    return { arm, "long prompts": text(of(0)), "long answers": text(of(1)) };
  });
}

/**
 * By how many iterations a gap in which the share moved is longer than those beside it. No line is decided when no stream
 * was under way at any move.
 */
function stallLine(shifting: readonly ShiftingRound[], note: string): Measured {
  const stalls: number[] = [];
  for (const { answered, switchMs } of shifting) {
    for (const moveMs of switchMs) {
      const here = find(answered, DYNAMIC).flatMap((request) => stallAt(request, moveMs));
      if (here.length > 0) stalls.push(mean(here));
    }
  }
  const text = {
    kind: "live",
    better: "lower",
    unit: "iterations",
    metric: "stall when the share moves, live",
  } as const;
  if (stalls.length === 0) {
    return { ...absolute({ ...text, note: `${note}; no move met a stream` }, [0], STALL_TARGET), holds: null };
  }
  return absolute({ ...text, note: `${note}; ${stalls.length} moves` }, stalls, STALL_TARGET);
}

function stallAt({ tokenMs }: RequestTimes, moveMs: number): number[] {
  const next = tokenMs.findIndex((ms) => ms > moveMs);
  // A gap on either side is needed to compare with.
  if (next < 2 || next > tokenMs.length - 2) return [];
  const gap = tokenMs[next]! - tokenMs[next - 1]!;
  const beside = (tokenMs[next - 1]! - tokenMs[next - 2]! + tokenMs[next + 1]! - tokenMs[next]!) / 2;
  return [Math.max(0, gap / beside - 1)];
}
