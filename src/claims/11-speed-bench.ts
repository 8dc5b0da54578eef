/**
 * Claim `11`: what speculative decoding brings, measured as SPEED-Bench does (arXiv 2604.09557), on the built-in model with
 * every drafter that there is. Not a speed-up is claimed but that the benchmark's findings are found here: random tokens
 * flatter, long drafts stop paying with the batch, rare words cost a pruned drafter, n-grams slow a full batch down; and that
 * our controller of draft lengths is never far from the best fixed length and above each of them over all loads.
 *
 * The controller is measured in rounds: each has every load, no drafts, every fixed length and the controller one after the other,
 * on the same mixed prompts. Ratios are of one round; the best fixed length of a load is chosen on all other rounds (lengths.ts).
 * An unmeasured round goes before, in which every engine meets every load. The same is done again with a model that does not fit
 * the caches (bound.ts): there drafts pay, and a crossover of long and short ones is to be seen.
 *
 * Two engines of one model and the same options differ by up to a tenth, whoever they are, for as long as they live: which
 * pages of memory they were given decides what is in whose way in the caches. So engines are started anew between rounds.
 */
import { trapGroups, type Question } from "../bench/index.ts";
import { createRandom } from "../core/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { answerAll } from "./speed-bench/answers.ts";
import {
  armsOf,
  drafterArms,
  HEADS_LENGTHS,
  PLAIN,
  prunedArm,
  requireHeads,
  SpeedEngines,
} from "./speed-bench/arms.ts";
import { lengthLines } from "./speed-bench/lengths.ts";
import { boundLines } from "./speed-bench/bound.ts";
import { drafterLines, slowdownLine, trapLines, vocabularyLine } from "./speed-bench/lines.ts";
import {
  asIds,
  specBenchQuestions,
  speedQuestions,
  tokensOf,
  worldQuestions,
  type AskedIds,
} from "./speed-bench/questions.ts";
import { biasLine, selectionLine } from "./speed-bench/selection.ts";
import {
  measureRounds,
  measureThroughput,
  type ThroughputCell,
  type ThroughputOptions,
} from "./speed-bench/throughput.ts";

interface Size {
  /** Questions of each category that are answered one at a time, and of Spec-Bench altogether. */
  readonly perCategory: number;
  /** Most categories of each set of questions that are answered one at a time. */
  readonly categories: number;
  /** Questions that every arm answers before anything counts. */
  readonly warmUps: number;
  readonly specBench: number;
  readonly maxTokens: number;
  readonly batches: readonly number[];
  readonly rounds: number;
  readonly windowMs: number;
  /** Of draft lengths by batch, which take most of the time: engines that are started anew, and rounds with each. */
  readonly lengthSets: number;
  readonly lengthRounds: number;
  readonly lengthWindowMs: number;
  readonly trapBatch: number;
  readonly trapRounds: number;
  /** Candidates of each category, and how many are chosen. */
  readonly candidates: number;
  readonly chosen: number;
  readonly biased: number;
}

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: {
    perCategory: 1,
    categories: 2,
    warmUps: 1,
    specBench: 0,
    maxTokens: 8,
    batches: [1, 2],
    rounds: 1,
    windowMs: 5,
    lengthSets: 1,
    lengthRounds: 1,
    lengthWindowMs: 5,
    trapBatch: 1,
    trapRounds: 1,
    candidates: 8,
    chosen: 2,
    biased: 2,
  },
  quick: {
    perCategory: 3,
    categories: Infinity,
    warmUps: 3,
    specBench: 12,
    maxTokens: 64,
    batches: [1, 2, 4, 8, 16],
    rounds: 2,
    windowMs: 200,
    lengthSets: 2,
    lengthRounds: 2,
    lengthWindowMs: 100,
    trapBatch: 8,
    trapRounds: 2,
    candidates: 32,
    chosen: 8,
    biased: 3,
  },
  full: {
    perCategory: 12,
    categories: Infinity,
    warmUps: 3,
    specBench: 120,
    maxTokens: 96,
    batches: [1, 2, 4, 8, 16],
    rounds: 12,
    windowMs: 600,
    lengthSets: 6,
    lengthRounds: 4,
    lengthWindowMs: 400,
    trapBatch: 8,
    trapRounds: 8,
    candidates: 128,
    chosen: 32,
    biased: 12,
  },
};

/** The whole vocabulary's share that the pruned heads keep. */
const KEPT_SHARE = 1 / 3;
const BUDGET_TOKENS = 256;

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const { mode, seed } = context;
  const size = SIZES[mode];
  await requireHeads();
  const arms = drafterArms();
  const drafters = [arms.ngram, arms.draft, arms.heads];
  await using engines = new SpeedEngines(BUDGET_TOKENS, mode === "smoke");
  context.progress("starting engines");
  const plain = await engines.of(PLAIN);
  const world = worldQuestions(size.candidates, seed);
  const speed = speedQuestions(size.candidates, seed);
  const real = specBenchQuestions().slice(0, size.specBench);
  const first = [...firstOfEach(world, size), ...firstOfEach(speed, size), ...real];
  const asked = await asIds(first, plain, size.maxTokens);
  await warmUp(engines, [PLAIN, ...drafters], asked, size);
  context.progress(`${asked.length} questions, one at a time`);
  const answers = await answerAll(engines, [PLAIN, ...drafters], asked, size.maxTokens);
  const { vocabSize } = plain.info;
  const kept = Math.round(vocabSize * KEPT_SHARE);
  context.progress("heads of fewer tokens");
  const pruned = await answerAll(engines, [prunedArm(kept)], asked, size.maxTokens);
  context.progress("unlike questions and like ones");
  const both = [...world, ...speed];
  const bias = await biasLine(engines, [arms.heads, arms.draft], {
    questions: mode === "smoke" ? firstOfEach(world, { ...size, perCategory: size.candidates }) : both,
    perCategory: size.biased,
    maxTokens: size.maxTokens,
    seed,
  });
  const loads = await measureLoads(context, size, engines, await asIds(world, plain, size.maxTokens));
  return [
    ...drafterLines(answers, drafters),
    ...loads,
    vocabularyLine(answers, pruned, arms.heads, kept, vocabSize),
    selectionLine(both, size.chosen, seed),
    bias,
  ];
}

/** Batches: random tokens against real prompts, draft length by batch, n-grams in a full batch. */
async function measureLoads(
  context: ClaimContext,
  size: Size,
  engines: SpeedEngines,
  prompts: readonly AskedIds[],
): Promise<Measured[]> {
  const { seed, clock } = context;
  const { batches, rounds, windowMs, maxTokens, trapBatch } = size;
  const { ngram, draft, heads } = drafterArms();
  const drafters = [ngram, draft, heads];
  const random = createRandom(seed, "speed-bench/loads");
  const common = { windowMs, maxTokens, clock, random, rounds };
  const trap = await measureTrap(context, size, engines, [PLAIN, ...drafters]);
  const pareto = await measureLengths(context, size, prompts);
  const full = batches.at(-1)!;
  const ngrams = await measureThroughput(engines, { ...common, arms: [PLAIN, ngram], batches: [full], prompts });
  return [
    ...trapLines(trap.real, trap.random, drafters, trapBatch),
    ...lengthLines(pareto, batches),
    ...(await boundLines(context)),
    slowdownLine(ngrams, ngram, full),
  ];
}

/** No drafts, every fixed length and the controller, by batch. */
async function measureLengths(
  context: ClaimContext,
  size: Size,
  prompts: readonly AskedIds[],
): Promise<readonly ThroughputCell[]> {
  const { mode } = context;
  const { lengthSets } = size;
  const cells: ThroughputCell[] = [];
  for (let set = 0; set < lengthSets; set++) {
    context.progress(`draft length by batch: engines ${set + 1} of ${lengthSets} meet every load`);
    await using engines = new SpeedEngines(BUDGET_TOKENS, mode === "smoke");
    cells.push(...(await measureSet(context, size, engines, prompts, set)));
  }
  return cells;
}

/** The same by engines of one start. */
async function measureSet(
  context: ClaimContext,
  size: Size,
  engines: SpeedEngines,
  prompts: readonly AskedIds[],
  set: number,
): Promise<readonly ThroughputCell[]> {
  const { seed, clock } = context;
  const { batches, maxTokens, lengthSets, lengthRounds, lengthWindowMs } = size;
  const arms = armsOf(HEADS_LENGTHS);
  // Kinds of questions lie in a row: mixed, so that a short round is no round of one kind.
  const mixed = createRandom(seed, "speed-bench/mixed").shuffled(prompts);
  await warmUp(engines, arms, mixed, size);
  return measureRounds(engines, {
    arms,
    batches,
    rounds: lengthRounds,
    windowMs: lengthWindowMs,
    maxTokens,
    leastAnswers: 1,
    prompts: mixed,
    clock,
    random: createRandom(seed, set === 0 ? "speed-bench/lengths" : `speed-bench/lengths/${set}`),
    first: set * lengthRounds,
    learntMs: lengthWindowMs,
    progress: (round) => context.progress(`draft length by batch, round ${round + 1} of ${lengthSets * lengthRounds}`),
  });
}

/** Real prompts and random tokens in turn. */
async function measureTrap(
  context: ClaimContext,
  size: Size,
  engines: SpeedEngines,
  arms: ThroughputOptions["arms"],
): Promise<Readonly<Record<"real" | "random", readonly ThroughputCell[]>>> {
  const { clock, seed } = context;
  const { windowMs, maxTokens, trapBatch, trapRounds } = size;
  const prompts = await trapPrompts(engines, size, seed);
  const cells: Record<"real" | "random", ThroughputCell[]> = { real: [], random: [] };
  for (let round = 0; round < trapRounds; round++) {
    context.progress(`real prompts and random tokens, round ${round + 1} of ${trapRounds}`);
    for (const group of ["real", "random"] as const) {
      const measured = await measureThroughput(engines, {
        arms,
        batches: [trapBatch],
        rounds: 1,
        windowMs,
        maxTokens,
        prompts: prompts[group],
        clock,
        random: createRandom(seed, `speed-bench/trap/${round}`),
      });
      cells[group].push(...measured.map((cell) => ({ ...cell, round })));
    }
  }
  return cells;
}

/** The first questions of every category, or of the first categories. */
function firstOfEach(
  questions: readonly Question[],
  { perCategory, categories }: Pick<Size, "perCategory" | "categories">,
): readonly Question[] {
  const taken = new Map<string, number>();
  return questions.filter(({ category }) => {
    if (!taken.has(category) && taken.size >= categories) return false;
    const before = taken.get(category) ?? 0;
    taken.set(category, before + 1);
    return before < perCategory;
  });
}

/** A few answers of each, so that what is learnt of costs and acceptance is learnt before anything counts. */
async function warmUp(
  engines: SpeedEngines,
  arms: readonly (typeof PLAIN)[],
  prompts: readonly AskedIds[],
  { warmUps, maxTokens }: Pick<Size, "warmUps" | "maxTokens">,
): Promise<void> {
  await answerAll(engines, arms, prompts.slice(0, warmUps), maxTokens);
}

/** Real prompts, and noise of the same lengths from the tokens that they are made of. */
async function trapPrompts(
  engines: SpeedEngines,
  size: Size,
  seed: number,
): Promise<Readonly<Record<"real" | "random", readonly AskedIds[]>>> {
  const engine = await engines.of(PLAIN);
  const questions = worldQuestions(Math.max(2, size.perCategory * 2), seed + 1);
  const groups = await trapGroups(questions, tokensOf(engine), createRandom(seed, "speed-bench/noise"));
  const [real, random] = Array.from(groups.values(), (group) =>
    group.map(({ question, promptIds }): AskedIds => ({
      id: question.id,
      category: question.category,
      promptIds: promptIds!,
    })),
  );
  return { real: real!, random: random! };
}

export const speedBench: Claim = {
  id: "11",
  name: "speed-bench",
  headline:
    "Drafts never change a greedy answer, and as many as pay are drafted: within 3 % of the best fixed length at every load, above each of them over all loads; where speculation only seems to pay, the benchmark says so.",
  baseline:
    "the same engine without drafts on the same prompts in turn; for the controller every fixed draft length of 1, 2, 3, 5 and 7 in turn, the best of a load chosen on other rounds than the one it is compared in, and no drafts; the same again with a model whose steps are bound by memory, drafted for by answers predicted with errors",
  source: "SPEED-Bench (arXiv 2604.09557): metrics, diversity selection, splits, traps",
  targets:
    "greedy answers identical; random tokens found to flatter drafters by at least 10 % on average; a crossover of long against short drafts; adaptive at least 0.97 of the best fixed length, and of no drafts, at every load, and above each fixed one over all; chosen questions at most 0.75 times as alike as by chance; n-grams found to slow a full batch down; the best drafter faster than none",
  measure,
};
