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
 * A second plan that begins where the first ended: from its finished weights, as a file would hold them, with an optimiser
 * of its own. For what the first plan's mixture has left behind.
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
  readonly refinement?: Refinement;
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

/** The first plan of a recipe: the same record without its refinement, and so the same identity whatever follows. */
export function firstPlan(recipe: DecoderRecipe): DecoderRecipe {
  const { refinement: _, ...plan } = recipe;
  return plan;
}

/** The second plan of a recipe as one of its own, or null. */
export function secondPlan(recipe: DecoderRecipe): DecoderRecipe | null {
  return recipe.refinement === undefined ? null : { ...firstPlan(recipe), ...recipe.refinement };
}

/** Optimiser steps of all phases together: the length that the schedule spans. */
export function totalSteps(recipe: DecoderRecipe): number {
  return recipe.phases.reduce((sum, { steps }) => sum + steps, 0);
}
