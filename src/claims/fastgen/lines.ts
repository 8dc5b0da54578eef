/** Claim `26`: from samples to published lines. Targets are here and nowhere else. */
import { median } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, compare, exact } from "../statistics.ts";
import type { DeploymentRun } from "./deployments.ts";
import type { RunSummary } from "./effective.ts";
import type { LiveSamples, PerArm, SweepPoint } from "./live.ts";
import {
  ANSWER_TOKENS,
  ARMS,
  BASELINE,
  CLIENTS,
  LOAD_SHARE,
  LONG_ANSWER_TOKENS,
  PAPER_DEPLOYMENT,
  PAPER_PROMPT_TOKENS,
  PROMPT_STEPS,
  TARGET_RATE,
  type Arm,
} from "./setup.ts";
import type { SimulatedSamples } from "./simulated.ts";

const GAP_RATIO = 3.7;
const LATENCY_RATIO = 2;
const EFFECTIVE_RATIO = 2.3;
const STEP_VARIATION = 0.15;
const THROUGHPUT_RATIO = 0.95;

type Text = Pick<Measured, "kind" | "note">;
type Row = Readonly<Record<string, number | string>>;

/** What is said of closed loops at one setting; `where` distinguishes it from the others. */
function closedLines(where: string, text: Text, rounds: readonly PerArm<RunSummary>[], steady: boolean): Measured[] {
  const of = (arm: Arm, field: keyof RunSummary): number[] => rounds.map((round) => round[arm][field]);
  const line = { ...text, better: "lower", unit: "ms" } as const;
  const curve = ARMS.map((arm): Row => ({
    arm,
    ...Object.fromEntries(
      Object.keys(rounds[0]![arm]).map((field) => [field, median(of(arm, field as keyof RunSummary))]),
    ),
  }));
  const versus = (metric: string, field: keyof RunSummary, target: number | null, arm: Arm = BASELINE) =>
    compare({ ...line, metric: `${metric}, ${where}` }, of("splitfuse", field), of(arm, field), target);
  const lines = [
    {
      ...compare(
        { ...line, metric: `P95 inter-token gap, ${where}`, curve, paper_says: "3.7x" },
        of("splitfuse", "gapP95Ms"),
        of(BASELINE, "gapP95Ms"),
        GAP_RATIO,
      ),
    },
    versus("P95 inter-token gap against orca-mixed", "gapP95Ms", null, "orca-mixed"),
    versus("first token", "ttftMs", null),
    compare(
      { ...text, metric: `tokens computed, ${where}`, unit: "tokens/s", better: "higher" },
      of("splitfuse", "tokensPerSecond"),
      of(BASELINE, "tokensPerSecond"),
      THROUGHPUT_RATIO,
    ),
  ];
  const variation = { ...text, metric: `variation of step times, ${where}`, unit: "", better: "lower" } as const;
  // Where answers are long, clients cannot fill every step and steps are of two kinds.
  lines.push(absolute(variation, of("splitfuse", "stepVariation"), steady ? STEP_VARIATION : null));
  return lines;
}

/** Means of latency at the same offered load. */
function openLine(where: string, text: Text, rounds: readonly PerArm<number>[]): Measured {
  const note = `${text.note}; orca-mixed ${median(rounds.map((round) => round["orca-mixed"])).toFixed(0)} ms`;
  return compare(
    { ...text, note, metric: `mean latency, open loop, ${where}`, unit: "ms", better: "lower", paper_says: "2x" },
    rounds.map((round) => round.splitfuse),
    rounds.map((round) => round[BASELINE]),
    LATENCY_RATIO,
  );
}

/** The best load of an arm under an agreement; at least one request of the run, so that a ratio is a number. */
function peak(points: readonly SweepPoint[], rate: number, arm: Arm): number {
  return Math.max(
    ...points
      .filter((point) => point.rate === rate)
      .map(({ perSecond, resolution }) => Math.max(perSecond[arm], resolution)),
  );
}

/** Effective throughput at the target's agreement, with all agreements and loads as its curve. */
function sweepLine(where: string, text: Text, sweeps: readonly (readonly SweepPoint[])[]): Measured {
  const peaks = (rate: number, arm: Arm): number[] => sweeps.map((points) => peak(points, rate, arm));
  const [first = []] = sweeps;
  const rates = [...new Set(first.map(({ rate }) => rate))];
  const curve = rates.flatMap((rate): Row[] => {
    const row = (clients: number | string, of: (arm: Arm) => number): Row => ({
      "tokens/s": rate,
      clients,
      ...Object.fromEntries(ARMS.map((arm) => [arm, of(arm)])),
    });
    const best = row("best", (arm) => median(peaks(rate, arm)));
    return [...first.filter((p) => p.rate === rate).map((p) => row(p.clients, (arm) => p.perSecond[arm])), best];
  });
  return compare(
    {
      ...text,
      metric: `effective throughput at ${TARGET_RATE} tokens/s, ${where}`,
      unit: "requests/s",
      better: "higher",
      curve,
      paper_says: "2.3x at 4 tokens/s, with kernels of its own",
    },
    peaks(TARGET_RATE, "splitfuse"),
    peaks(TARGET_RATE, BASELINE),
    EFFECTIVE_RATIO,
  );
}

/** Ratios by mean prompt. */
function curveLine(
  where: string,
  text: Text,
  curve: readonly { readonly promptSteps: number; readonly runs: PerArm<RunSummary> }[],
): Measured {
  const rows = curve.map(({ promptSteps, runs }): Row => ({
    "mean prompt, steps": promptSteps,
    "P95 gap, ours": runs.splitfuse.gapP95Ms,
    "P95 gap, prefill-first": runs[BASELINE].gapP95Ms,
    "P95 gap, orca-mixed": runs["orca-mixed"].gapP95Ms,
    "first token, ours": runs.splitfuse.ttftMs,
    "first token, prefill-first": runs[BASELINE].ttftMs,
    "tokens/s, ours": runs.splitfuse.tokensPerSecond,
    "tokens/s, prefill-first": runs[BASELINE].tokensPerSecond,
  }));
  const last = curve.at(-1)!;
  const metric = `P95 inter-token gap, prompts of ${last.promptSteps} steps, ${where}`;
  const line = { ...text, metric, unit: "ms", better: "lower", curve: rows } as const;
  return compare(line, [last.runs.splitfuse.gapP95Ms], [last.runs[BASELINE].gapP95Ms], null);
}

/** One set-up of the live engine. */
export function liveLines({ setUp, step, closed, open, offeredPerSecond, sweep, curve }: LiveSamples, model: string) {
  const { name } = setUp;
  const sized = `${model}, full step ${step.tokens} tokens in ${step.stepMs.toFixed(1)} ms`;
  const note = `${sized}; ${CLIENTS} clients, prompts of ${PROMPT_STEPS} full steps, answers of ${ANSWER_TOKENS}, 30 % off`;
  const text = { kind: "live", note } as const;
  const load = `${sized}; ${offeredPerSecond.toFixed(1)} requests/s, ${LOAD_SHARE * 100} % of what prefill-first reached`;
  const lines = [...closedLines(name, text, closed, true), openLine(name, { ...text, note: load }, open)];
  if (sweep.length > 0) {
    const swept = `${sized}; answers of ${LONG_ANSWER_TOKENS}, each arm at its best number of clients, agreements in the pace of a full step`;
    lines.push(sweepLine(name, { ...text, note: swept }, [sweep]));
  }
  if (curve.length > 0) lines.push(curveLine(name, text, curve));
  return lines;
}

/** The paper's scale, a sample per seed. */
export function simulatedLines(samples: readonly SimulatedSamples[]): Measured[] {
  const where = (answer: number): string => `${PAPER_PROMPT_TOKENS}/${answer} simulated`;
  const note = `${PAPER_DEPLOYMENT} on A100, step of 512 tokens, ${CLIENTS} clients, the same kernels for all`;
  const text = { kind: "simulated", note } as const;
  const [first] = samples;
  const of = (mix: "short" | "long") => samples.map(({ closed }) => closed[mix]);
  const load = `${note}; ${first!.offeredPerSecond.toFixed(2)} requests/s, ${LOAD_SHARE * 100} % of what prefill-first reached`;
  const swept = `${note}; each arm at its best number of clients`;
  return [
    ...closedLines(where(ANSWER_TOKENS), text, of("short"), true),
    ...closedLines(where(LONG_ANSWER_TOKENS), text, of("long"), false),
    openLine(
      where(ANSWER_TOKENS),
      { ...text, note: load },
      samples.map(({ openMs }) => openMs),
    ),
    sweepLine(
      where(LONG_ANSWER_TOKENS),
      { ...text, note: swept },
      samples.map((sample) => sample.sweep),
    ),
    curveLine(`${ANSWER_TOKENS} tokens simulated`, text, first!.curve),
  ];
}

/** Library and server; runs in pairs. */
export function deploymentLines(
  pairs: readonly { readonly library: DeploymentRun; readonly server: DeploymentRun }[],
): Measured[] {
  const answers = pairs.flatMap(({ library, server }) =>
    library.answers.map(
      ({ text, tokens }, i) => text === server.answers[i]?.text && tokens === server.answers[i].tokens,
    ),
  );
  const share = answers.filter(Boolean).length / answers.length;
  const note = "built-in model, 1 thread; ours is the library (gone with its process), baseline the server (stays)";
  const text = { kind: "live", note, better: "lower" } as const;
  const lines = [
    exact(
      {
        kind: "live",
        better: "higher",
        unit: "share",
        metric: "answers of library and server alike",
        note: "same prompts and seeds, sampled at temperature 0.8, text and number of tokens compared",
      },
      share,
      1,
      answers.length,
    ),
    compare(
      { ...text, metric: "from process start until it can be asked, library against server", unit: "ms" },
      pairs.map(({ library }) => library.startMs),
      pairs.map(({ server }) => server.startMs),
      null,
    ),
  ];
  const memory = pairs.flatMap(({ library, server }) =>
    library.memoryMiB === null || server.memoryMiB === null ? [] : [[library.memoryMiB, server.memoryMiB] as const],
  );
  if (memory.length === 0) return lines;
  const metric = "memory after the answers (PSS), library against server";
  const [ours, theirs] = [memory.map(([a]) => a), memory.map(([, b]) => b)];
  return [...lines, compare({ ...text, metric, unit: "MiB" }, ours, theirs, null)];
}
