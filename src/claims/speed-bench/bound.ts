/**
 * Draft length by batch in claim `11` where a step of few tokens is bound by memory: that is where longer drafts pay, and where a
 * crossover is to be seen. A step of the built-in model is not, its weights lie in the caches.
 *
 * A decoder with random weights says nothing, so nothing can learn to foretell it. Instead every request predicts its own
 * answer, as OpenAI's `prediction` does, and is wrong now and then: its answer without drafts with other tokens at
 * random places. How often drafted tokens are accepted is thereby given; what they cost, and who drafts how far, is measured.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { collect, type Engine } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { armsOf, PLAIN, PREDICTION_LENGTHS, SpeedEngines } from "./arms.ts";
import { lengthLines } from "./lengths.ts";
import type { AskedIds } from "./questions.ts";
import { measureRounds, type ThroughputCell } from "./throughput.ts";

interface Size {
  readonly model: DecoderConfig;
  readonly prompts: number;
  readonly maxTokens: number;
  readonly batches: readonly number[];
  readonly sets: number;
  readonly rounds: number;
  readonly windowMs: number;
}

const shape = (hidden: number, layers: number): DecoderConfig => ({
  vocabSize: 1024,
  hidden,
  layers,
  heads: hidden / 64,
  kvHeads: hidden / 64,
  headDim: 64,
  ffn: 2.75 * hidden,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 256,
});

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: { model: shape(64, 2), prompts: 4, maxTokens: 8, batches: [1, 2], sets: 1, rounds: 1, windowMs: 5 },
  quick: { model: shape(512, 8), prompts: 16, maxTokens: 32, batches: [1, 4, 16], sets: 1, rounds: 2, windowMs: 100 },
  full: {
    model: shape(512, 8),
    prompts: 32,
    maxTokens: 48,
    batches: [1, 2, 4, 8, 16],
    sets: 2,
    rounds: 3,
    windowMs: 400,
  },
};

/** Ids above the marks of a model without vocabulary. */
const FIRST_ID = 32;
const PROMPT_TOKENS = 24;
/** Of a predicted answer's tokens, those that are others. */
const WRONG_SHARE = 0.1;
const BUDGET_TOKENS = 256;
/** An unmeasured round goes before, of that many windows. */
const LEARNT_WINDOWS = 2;

/** The lines of that shape. */
export async function boundLines(context: ClaimContext): Promise<Measured[]> {
  const size = SIZES[context.mode];
  const { model, batches, sets, rounds, windowMs, maxTokens } = size;
  const random = createRandom(context.seed, "speed-bench/bound");
  const cells: ThroughputCell[] = [];
  let prompts: readonly AskedIds[] | null = null;
  for (let set = 0; set < sets; set++) {
    context.progress(`draft length by batch, ${nameOf(model)}, engines ${set + 1} of ${sets}`);
    await using engines = new SpeedEngines(BUDGET_TOKENS, true, { random: model, seed: context.seed });
    prompts ??= await predictedPrompts(await engines.of(PLAIN), size, random);
    const measured = await measureRounds(engines, {
      arms: armsOf(PREDICTION_LENGTHS),
      batches,
      rounds,
      windowMs,
      maxTokens,
      leastAnswers: 1,
      ignoreEos: true,
      prompts,
      clock: context.clock,
      random,
      first: set * rounds,
      learntMs: LEARNT_WINDOWS * windowMs,
    });
    cells.push(...measured);
  }
  const suffix = `, ${nameOf(model)}, answers predicted but for ${100 * WRONG_SHARE} % of their tokens`;
  return lengthLines(cells, batches, { arms: PREDICTION_LENGTHS, suffix });
}

function nameOf({ hidden, layers }: DecoderConfig): string {
  return `${hidden}x${layers}`;
}

/** Random prompts with their answers, wrong in places. */
async function predictedPrompts(
  engine: Engine,
  { model, prompts, maxTokens }: Size,
  random: RandomStream,
): Promise<readonly AskedIds[]> {
  const drawn = (): number => random.int(FIRST_ID, model.vocabSize - 1);
  return Promise.all(
    Array.from({ length: prompts }, async (_, i): Promise<AskedIds> => {
      const promptIds = Array.from({ length: PROMPT_TOKENS }, drawn);
      const request = { promptTokens: promptIds, maxTokens, ignoreEos: true, sampling: { temperature: 0 } };
      const errors = random.fork(`errors/${i}`);
      const { tokens } = await collect(engine.submit(request));
      const prediction = tokens.map((token) =>
        errors.chance(WRONG_SHARE) ? errors.int(FIRST_ID, model.vocabSize - 1) : token,
      );
      return { id: `predicted-${i}`, category: "predicted", promptIds, prediction };
    }),
  );
}
