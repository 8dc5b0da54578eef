/**
 * The recipes of the built-in models. A record here decides the weights to the last bit (on one kind of
 * machine); the shipped files are what these records made, steps and all.
 */
import { fail } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import type { DecoderRecipe, Mixture, Recipe, TokenizerRecipe } from "./types.ts";

const VOCABULARY = 1536;
const CONTEXT = 512;

/** What is common to the family. */
const FAMILY = {
  vocabSize: VOCABULARY,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: CONTEXT,
} as const satisfies Partial<DecoderConfig>;

/** Single exchanges, and some conversations that are short enough for the short rows. */
const MIXTURE: Mixture = {
  skills: {
    arithmetic: 28,
    "word-problem": 15,
    "tool-call": 20,
    reading: 22,
    greeting: 3,
    help: 4,
    refusal: 8,
  },
  conversations: 0.06,
};
/** More of what takes longest to learn: finding things in a given text, and names. */
const READING_MIXTURE: Mixture = {
  skills: {
    arithmetic: 22,
    "word-problem": 12,
    "tool-call": 20,
    reading: 36,
    greeting: 5,
    help: 2,
    refusal: 3,
  },
  conversations: 0.06,
};
/** Mostly reading: which of several things is asked for is a circuit that forms late, and then at once. */
const FINDING_MIXTURE: Mixture = {
  skills: {
    arithmetic: 14,
    "word-problem": 4,
    "tool-call": 9,
    reading: 66,
    greeting: 4,
    help: 1,
    refusal: 2,
  },
  conversations: 0.04,
};
/** For the stretch in which rare words are renamed, so that they can only be copied. */
const COPYING_MIXTURE: Mixture = {
  skills: {
    arithmetic: 16,
    "word-problem": 16,
    "tool-call": 32,
    reading: 22,
    greeting: 8,
    help: 2,
    refusal: 4,
  },
  conversations: 0.06,
};
/** The last steps are for conversations and long given texts, which need the long rows. */
const LONG_MIXTURE: Mixture = { skills: { ...READING_MIXTURE.skills, help: 4, refusal: 6 }, conversations: 0.4 };

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
    { steps: 4400, batch: 16, length: 128, mixture: MIXTURE },
    { steps: 300, batch: 4, length: 512, mixture: LONG_MIXTURE },
  ],
  schedule: { kind: "wsd", peak: 2.5e-3, floor: 1e-5, warmupSteps: 200, decaySteps: 3600, decay: "root" },
  adamw: { weightDecay: 0.1, emaDecay: 0.998 },
  threads: 2,
};

const BASE: DecoderRecipe = {
  kind: "decoder",
  name: "punctual-base",
  summary: "The standard model of the Punctual family.",
  seed: 1,
  config: { ...FAMILY, hidden: 256, layers: 5, heads: 8, kvHeads: 2, headDim: 32, ffn: 704 },
  phases: [
    { steps: 4008, batch: 16, length: 128, mixture: MIXTURE },
    { steps: 2836, batch: 16, length: 128, mixture: READING_MIXTURE },
    { steps: 4515, batch: 16, length: 128, mixture: FINDING_MIXTURE },
    { steps: 2900, batch: 16, length: 128, mixture: { ...COPYING_MIXTURE, renamed: 0.6 } },
    { steps: 400, batch: 4, length: 512, mixture: { ...LONG_MIXTURE, renamed: 0.4 } },
  ],
  schedule: {
    kind: "revised",
    first: { kind: "wsd", peak: 2e-3, floor: 2e-5, warmupSteps: 200, decaySteps: 7300, decay: "root" },
    plannedSteps: 11_308,
    steps: 6844,
    lines: [
      { steps: 2718, from: 1e-3, to: 1e-3 },
      { steps: 4800, from: 5e-4, to: 1e-5, left: 1797 },
      { steps: 1100, from: 1e-3, to: 1e-3 },
      { steps: 2200, from: 1e-3, to: 1e-5 },
    ],
  },
  adamw: { weightDecay: 0.1, emaDecay: 0.999 },
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
