/** What a recipe declares: everything that decides the weights, as plain data. */
import type { DecoderConfig } from "../llm/index.ts";
import type { AdamWOptions, Schedule } from "../nn/index.ts";
import type { MixtureWeights } from "../world/index.ts";

/** What is drawn for training. */
export interface Mixture {
  /** Relative weights of the skills. */
  readonly skills: MixtureWeights;
  /** Share of items that hold two or three exchanges, 0..1. */
  readonly conversations: number;
  /** Share of items whose list words (names, goods, rooms, topics) are replaced by made-up ones, 0..1; default none. */
  readonly renamed?: number;
  /** Share of those words that get a common word instead of a made-up one, 0..1; default 0.25. */
  readonly commonNames?: number;
  /** Share of commands that end with a name and get words behind it that say nothing, 0..1; default none. */
  readonly tails?: number;
  /** Kinds of arithmetic that come more often: a share `chance` of its items is drawn from them, the rest as ever. */
  readonly stressed?: { readonly kinds: readonly string[]; readonly chance: number };
}

/** A stretch of steps with one shape of batch. */
export interface Phase {
  readonly steps: number;
  /** Rows of a batch, a multiple of the recipe's threads. */
  readonly batch: number;
  /** Tokens of a row. */
  readonly length: number;
  readonly mixture: Mixture;
  /**
   * Weight in the loss of predicting what the user says, beside 1 for the reply; default 0. Learning how requests are worded
   * helps with wordings that training does not have.
   */
  readonly givenWeight?: number;
}

/**
 * A plan that begins where the one before it ended: from its finished weights, as a file would hold them, with an optimiser
 * of its own. For what the mixtures before it have left behind.
 */
export interface Refinement {
  /** Of its data; another than the recipe's, or it would see the same items again. */
  readonly seed: number;
  readonly phases: readonly Phase[];
  readonly schedule: Schedule;
}

/** First weights: all random, or random with a circuit for copying (see `initial.ts`). */
export type Start = "normal" | "copying";

/**
 * How a decoder is made. All of it goes into the recipe's identity, the summary too, so after any change old
 * checkpoints are refused.
 */
export interface DecoderRecipe {
  readonly kind: "decoder";
  readonly name: string;
  readonly summary: string;
  readonly seed: number;
  readonly config: DecoderConfig;
  readonly phases: readonly Phase[];
  readonly schedule: Schedule;
  readonly start: Start;
  readonly adamw: Partial<AdamWOptions>;
  /** What follows the first plan, in order. */
  readonly refinements?: readonly Refinement[];
  /** Training threads, each with its share of a batch's rows; part of the recipe because it decides the data. */
  readonly threads: number;
}

/** How the family's vocabulary is learned; the same record gives the same file. */
export interface TokenizerRecipe {
  readonly kind: "tokenizer";
  readonly name: string;
  readonly summary: string;
  readonly seed: number;
  readonly vocabSize: number;
  /** Pieces of the vocabulary that are a space and a frequent word. */
  readonly spacedWords: number;
  /** Training items whose texts are counted. */
  readonly items: number;
  readonly mixture: Mixture;
}

/** A built-in model or its vocabulary, told apart by `kind`. */
export type Recipe = DecoderRecipe | TokenizerRecipe;

/** The first plan of a recipe: the same record without its refinements, and so the same identity whatever follows. */
export function firstPlan(recipe: DecoderRecipe): DecoderRecipe {
  const { refinements: _, ...plan } = recipe;
  return plan;
}

/** All plans of a recipe, each as a recipe of its own; the last one's weights are the model's. */
export function plansOf(recipe: DecoderRecipe): readonly DecoderRecipe[] {
  const first = firstPlan(recipe);
  return [first, ...(recipe.refinements ?? []).map((refinement) => ({ ...first, ...refinement }))];
}

/** Optimiser steps of all phases together: the length that the schedule spans. */
export function totalSteps(recipe: DecoderRecipe): number {
  return recipe.phases.reduce((sum, { steps }) => sum + steps, 0);
}
