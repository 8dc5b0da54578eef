/** Claim `structured-output`: the lines about a decoding step, ours and the rival's in turn. */
import { median, quantile } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, compare, mean } from "../statistics.ts";
import type { Run } from "./run.ts";
import { StepShare, type RoundCost } from "./step-share.ts";
import { answersOf, SERVICES } from "./workload.ts";

const TARGET_SHARE = 0.05;
/** Steps of a round whose scores know nothing: each choice fetches a row. */
const UNKNOWN_STEPS = 16;
const UNKNOWN_EVERY = 3;
/** Answers that a stream has at hand for a round: most have more tokens. */
const TOKENS_OF_SHORTEST = 32;

/** What the rounds measured; a time of a step is the mean over the steps of a round. */
interface Rounds {
  readonly cold: RoundCost[];
  readonly warm: RoundCost[];
  readonly theirMasksMs: number[];
  readonly theirMovesMs: number[];
  readonly unknownMs: number[];
  readonly unknownPlainMs: number[];
}

async function sample({ context, size, vocabulary, rival }: Run): Promise<Rounds> {
  const { steps } = size;
  const rounds: Rounds = { cold: [], warm: [], theirMasksMs: [], theirMovesMs: [], unknownMs: [], unknownPlainMs: [] };
  context.progress("structured output: loading the model");
  const config = { ...size.shape, vocabSize: size.vocabSize };
  const share = await StepShare.start(config, vocabulary, context.clock, steps);
  try {
    let next = 1;
    const answers = (): string[][] => answersOf(Math.ceil(steps / TOKENS_OF_SHORTEST), context.seed, next++);
    await share.round(answers(), steps); // compiled code and sessions of ours are warm then; theirs is compiled ahead
    for (let i = 0; i < size.coldRounds; i++) {
      context.progress(`structured output: schemas never seen, round ${i + 1} of ${size.coldRounds}`);
      share.forget();
      rounds.cold.push(await share.round(answers(), steps));
    }
    const streams = (texts: readonly (readonly string[])[]) =>
      SERVICES.map(({ schema, strict }, at) => ({
        schema,
        strict,
        answers: texts[at]!.map((text) => vocabulary.encode(text)),
      }));
    for (let i = 0; i < size.rounds; i++) {
      context.progress(`structured output: round ${i + 1} of ${size.rounds}`);
      const texts = answers();
      rounds.warm.push(await share.round(texts, steps));
      rounds.theirMasksMs.push(mean((await rival.steps(streams(texts), steps, "masks")).times));
      rounds.theirMovesMs.push(mean((await rival.steps(streams(texts), steps, "moves")).times));
      if (i % UNKNOWN_EVERY !== 0) continue;
      const few = Math.min(UNKNOWN_STEPS, steps);
      rounds.unknownMs.push((await share.unknown(texts, few, true)) / few);
      rounds.unknownPlainMs.push((await share.unknown(texts, few, false)) / few);
    }
    return rounds;
  } finally {
    await share.dispose();
  }
}

/** Milliseconds of a round as a share of its steps without grammars: executor and plain choice. */
function shareOf({ executorMs, choosingMs }: RoundCost, ms: number, plain: "plainGreedy" | "plainSampled"): number {
  return ms / (executorMs + choosingMs[plain]);
}

const greedyMs = ({ choosingMs }: RoundCost): number => choosingMs.greedy - choosingMs.plainGreedy;
const sampledMs = ({ choosingMs }: RoundCost): number => choosingMs.sampled - choosingMs.plainSampled;
const greedyShare = (round: RoundCost): number => shareOf(round, greedyMs(round), "plainGreedy");
const sampledShare = (round: RoundCost): number => shareOf(round, sampledMs(round), "plainSampled");
const masksShare = (round: RoundCost): number => shareOf(round, round.masksMs, "plainGreedy");

/** Costs of a step by way of working, for the curve. */
function curveOf({ cold, warm, theirMasksMs, theirMovesMs }: Rounds): NonNullable<Measured["curve"]> {
  const p99 = (all: readonly RoundCost[]): number =>
    quantile(
      all.flatMap(({ maskStepMs }) => [...maskStepMs]),
      0.99,
    );
  const line = (work: string, perStepMs: readonly number[], shares: readonly number[], dearest: number | "") => ({
    work,
    "ms a step": median(perStepMs),
    "of a step": median(shares),
    "p99 of a step, ms": dearest,
  });
  const perStep = (rounds: readonly RoundCost[], ms: (round: RoundCost) => number): number[] =>
    rounds.map((round) => ms(round) / round.steps);
  const masksMs = (round: RoundCost): number => round.masksMs;
  const theirShares = (ms: readonly number[]): number[] =>
    warm.map((round, i) => shareOf(round, ms[i]! * round.steps, "plainGreedy"));
  return [
    line("ours: whole masks and moves", perStep(warm, masksMs), warm.map(masksShare), p99(warm)),
    line("ours: what greedy choice adds, moves included", perStep(warm, greedyMs), warm.map(greedyShare), ""),
    line("ours: what choice at temperature 1 adds", perStep(warm, sampledMs), warm.map(sampledShare), ""),
    line("web-xgrammar: whole masks and moves", theirMasksMs, theirShares(theirMasksMs), ""),
    line("web-xgrammar: moves alone", theirMovesMs, theirShares(theirMovesMs), ""),
    line("ours, schemas never seen: whole masks and moves", perStep(cold, masksMs), cold.map(masksShare), p99(cold)),
    line("ours, schemas never seen: what greedy choice adds", perStep(cold, greedyMs), cold.map(greedyShare), ""),
  ];
}

/** How often the best tokens did not decide, with grammars and without, in words. */
function rowsOf(
  rounds: readonly RoundCost[],
  guided: "greedy" | "sampled",
  plain: "plainGreedy" | "plainSampled",
): string {
  const [own, without] = [guided, plain].map((name) => 100 * mean(rounds.map(({ rowShare }) => rowShare[name])));
  return `${own!.toFixed(1)} % of choices need the whole row, without grammars ${without!.toFixed(1)} %`;
}

/** What grammars cost a step, and what the rival would. */
export async function stepLines(run: Run): Promise<Measured[]> {
  const { size } = run;
  const rounds = await sample(run);
  const { cold, warm, theirMasksMs, unknownMs, unknownPlainMs } = rounds;
  const stepMs = median(warm.map(({ executorMs, steps }) => executorMs / steps));
  const setting =
    `${SERVICES.length} streams, hidden ${size.shape.hidden} × ${size.shape.layers} layers, int4, 2 threads, ` +
    `${size.vocabSize} pieces: a step of ${stepMs.toFixed(2)} ms`;
  const share = { unit: "of 1", better: "lower", kind: "live" } as const;
  const ms = { unit: "ms", better: "lower", kind: "live" } as const;
  return [
    absolute(
      {
        ...share,
        metric: "what grammars add to a step, greedy",
        note: `${setting}; schemas seen before, answers new, the wanted token among the best; ${rowsOf(warm, "greedy", "plainGreedy")}`,
      },
      warm.map(greedyShare),
      TARGET_SHARE,
    ),
    absolute(
      {
        ...share,
        metric: "what grammars add to a step, temperature 1",
        note: `the same steps; ${rowsOf(warm, "sampled", "plainSampled")}`,
      },
      warm.map(sampledShare),
      TARGET_SHARE,
    ),
    absolute(
      {
        ...share,
        metric: "whole masks of every stream, every step",
        note: "the same steps; what samplers would pay that always want the mask",
      },
      warm.map(masksShare),
      TARGET_SHARE,
    ),
    absolute(
      {
        ...share,
        metric: "whole masks when the schemas were never seen",
        note: `the first ${size.steps} steps of an engine that was just started: masks are found as states are met`,
      },
      cold.map(masksShare),
      null,
    ),
    compare(
      {
        ...ms,
        metric: "a step whose scores know nothing of the schemas, with grammars against without",
        note: "random scores as they are: most choices need the whole row, which is what this costs",
      },
      unknownMs,
      unknownPlainMs,
      null,
    ),
    compare(
      {
        ...ms,
        metric: "whole masks and moves of a step, against web-xgrammar",
        note: "same vocabulary, schemas and tokens, in turn; schemas compiled and seen before",
        curve: curveOf(rounds),
      },
      warm.map(({ masksMs, steps }) => masksMs / steps),
      theirMasksMs,
      null,
    ),
  ];
}
