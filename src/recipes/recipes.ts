/**
 * The recipes of the built-in models. A record here decides the weights to the last bit (on one kind of
 * machine); the shipped files are what these records made, steps and all.
 */
import { fail } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import type { DecoderRecipe, Mixture, Recipe, TokenizerRecipe } from "./types.ts";

const VOCABULARY = 1536;
const CONTEXT = 512;
/**
 * Large for so short a context: all but a head's fastest pairs turn little over an item's length. Measured, it hardly
 * matters (docs/decisions/0006).
 */
const ROPE_THETA = 1_000_000;

/** What is common to the family. */
const FAMILY = {
  vocabSize: VOCABULARY,
  ropeTheta: ROPE_THETA,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: CONTEXT,
} as const satisfies Partial<DecoderConfig>;

/**
 * Single exchanges, and some conversations that are short enough for the short rows. Most items have their names
 * replaced by made-up words: a tiny model would otherwise learn the lists by heart instead of learning to copy.
 */
const MIXTURE: Mixture = {
  skills: {
    arithmetic: 22,
    "word-problem": 9,
    "tool-call": 30,
    reading: 30,
    greeting: 4,
    help: 4,
    refusal: 8,
  },
  conversations: 0.06,
  renamed: 0.7,
};
/** The last steps are for conversations and long given texts, which need the long rows. */
const LONG_MIXTURE: Mixture = { ...MIXTURE, conversations: 0.4 };

/** Sums are learned last: after all else is nearly right they still go wrong at carries. */
const SUMS_MIXTURE: Mixture = {
  ...MIXTURE,
  skills: { ...MIXTURE.skills, arithmetic: 46, "word-problem": 11, reading: 18, "tool-call": 32 },
  stressed: { kinds: ["add-product"], chance: 0.2 },
};

/**
 * Names last of all: which of the words of a command are the name. What is left after the sums are names cut short or run on,
 * most of them of words that frames use for something else ("the upper floor", "the tea house now").
 */
const NAMES_MIXTURE: Mixture = {
  ...SUMS_MIXTURE,
  skills: { ...MIXTURE.skills, arithmetic: 30, "word-problem": 10, reading: 18, "tool-call": 60 },
  renamed: 0.75,
  commonNames: 0.6,
  tails: 0.3,
};

const TOKENIZER: TokenizerRecipe = {
  kind: "tokenizer",
  name: "tokenizer",
  summary: "The vocabulary of the Punctual family: byte-level pieces learned from the world's training texts.",
  seed: 1,
  vocabSize: VOCABULARY,
  spacedWords: 200,
  items: 30_000,
  mixture: MIXTURE,
};

const SMALL: DecoderRecipe = {
  kind: "decoder",
  name: "punctual-small",
  summary: "The small model of the Punctual family, for tests, drafts and devices with little memory.",
  seed: 1,
  config: { ...FAMILY, hidden: 128, layers: 5, heads: 4, kvHeads: 2, headDim: 32, ffn: 384 },
  phases: [
    { steps: 6000, batch: 10, length: 224, mixture: MIXTURE },
    { steps: 300, batch: 4, length: 512, mixture: LONG_MIXTURE },
  ],
  schedule: { kind: "wsd", peak: 2.5e-3, floor: 1e-5, warmupSteps: 200, decaySteps: 3000, decay: "root" },
  start: "copying",
  adamw: { weightDecay: 0.1, beta2: 0.98, emaDecay: 0.998 },
  threads: 2,
};

const BASE: DecoderRecipe = {
  kind: "decoder",
  name: "punctual-base",
  summary: "The standard model of the Punctual family.",
  seed: 1,
  config: { ...FAMILY, hidden: 256, layers: 5, heads: 8, kvHeads: 4, headDim: 32, ffn: 704 },
  phases: [
    { steps: 17_000, batch: 10, length: 224, mixture: MIXTURE, givenWeight: 0.2 },
    { steps: 700, batch: 4, length: 512, mixture: LONG_MIXTURE, givenWeight: 0.2 },
  ],
  schedule: { kind: "wsd", peak: 1.5e-3, floor: 1e-5, warmupSteps: 300, decaySteps: 7500, decay: "root" },
  refinements: [
    {
      seed: 2,
      phases: [
        { steps: 3600, batch: 10, length: 224, mixture: SUMS_MIXTURE },
        { steps: 150, batch: 4, length: 512, mixture: LONG_MIXTURE },
      ],
      schedule: { kind: "wsd", peak: 8e-4, floor: 1e-5, warmupSteps: 100, decaySteps: 3000, decay: "root" },
    },
    {
      seed: 3,
      phases: [
        { steps: 4200, batch: 10, length: 224, mixture: NAMES_MIXTURE },
        { steps: 150, batch: 4, length: 512, mixture: { ...NAMES_MIXTURE, conversations: 0.4 } },
      ],
      schedule: { kind: "wsd", peak: 8e-4, floor: 1e-5, warmupSteps: 100, decaySteps: 3500, decay: "root" },
    },
  ],
  start: "copying",
  adamw: { weightDecay: 0.1, beta2: 0.98, emaDecay: 0.999 },
  threads: 2,
};

/** Every recipe there is: the tokenizer, which the decoders share, and the decoders from small to large. */
export const RECIPES: readonly Recipe[] = [TOKENIZER, SMALL, BASE];

/** The recipe of that name; `not_found` lists the names there are. */
export function findRecipe(name: string): Recipe {
  const recipe = RECIPES.find((candidate) => candidate.name === name);
  if (recipe !== undefined) return recipe;
  return fail("not_found", `no recipe ${name}; there are ${RECIPES.map((each) => each.name).join(", ")}`, {
    param: name,
  });
}
