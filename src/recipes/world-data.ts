/**
 * The world as training data: items drawn from its training split by a mixture, written as chats, and
 * the vocabulary learned from the same texts. Also the sets of items that models are scored on.
 */
import type { RandomStream } from "../core/index.ts";
import { encodeChat, trainBpe, type ThinkingForm, type Tokenizer } from "../llm/index.ts";
import { createRandom } from "../core/index.ts";
import {
  generateItem,
  multiTurnItem,
  SKILLS,
  writeCall,
  type Skill,
  type Turn,
  type WorldItem,
} from "../world/index.ts";
import type { DrawItem } from "./decoder-task.ts";
import type { ScoredSet } from "./evaluate.ts";
import type { Mixture, TokenizerRecipe } from "./types.ts";

/** How often a reply's thinking is left out or cut, so that a runtime may budget it. */
const WITHOUT_THINKING = 0.08;
const CUT_THINKING = 0.12;
/** Longest start of thinking that is kept when it is cut, tokens. */
const LONGEST_CUT = 24;

function drawSkill({ skills }: Mixture, random: RandomStream): Skill {
  let left = random.uniform() * SKILLS.reduce((sum, skill) => sum + skills[skill], 0);
  for (const skill of SKILLS) {
    left -= skills[skill];
    if (left < 0) return skill;
  }
  return SKILLS[0]!;
}

/** One item of the training split. */
export function drawTrainingItem(mixture: Mixture, random: RandomStream): WorldItem {
  if (random.chance(mixture.conversations)) return multiTurnItem("train", random, mixture.skills);
  return generateItem(drawSkill(mixture, random), "train", random);
}

function thinkingForm(item: WorldItem, random: RandomStream): ThinkingForm {
  if (item.turns.at(-1)?.thinking === undefined) return "full";
  const choice = random.uniform();
  if (choice < WITHOUT_THINKING) return "none";
  return choice < WITHOUT_THINKING + CUT_THINKING ? { tokens: random.int(1, LONGEST_CUT) } : "full";
}

/** The data of decoder recipes. */
export function worldItems(tokenizer: Tokenizer): DrawItem {
  return ({ mixture }, random) => {
    const item = drawTrainingItem(mixture, random);
    return encodeChat(tokenizer, item.turns, { thinking: thinkingForm(item, random) });
  };
}

function* textsOf(turns: readonly Turn[]): Generator<string> {
  for (const { text, thinking, call, context } of turns) {
    yield text;
    if (context !== undefined) yield context;
    if (thinking !== undefined) yield thinking;
    if (call !== undefined) yield writeCall(call);
  }
}

/** Learns the vocabulary of a tokenizer recipe: a pure function of the record, some seconds of work. */
export function trainTokenizer(recipe: TokenizerRecipe): Tokenizer {
  const random = createRandom(recipe.seed, "tokenizer");
  function* texts(): Generator<string> {
    for (let i = 0; i < recipe.items; i++) yield* textsOf(drawTrainingItem(recipe.mixture, random).turns);
  }
  return trainBpe(texts(), { vocabSize: recipe.vocabSize });
}

const setOf = (name: string, skill: Skill, accept: (item: WorldItem) => boolean = () => true): ScoredSet => ({
  name,
  draw: (split, random) => {
    for (;;) {
      const item = generateItem(skill, split, random);
      if (accept(item)) return item;
    }
  },
});

/** Kinds of arithmetic items with two operations. */
const TWO_STEPS: ReadonlySet<string> = new Set([
  "add-product",
  "product-add",
  "product-subtract",
  "sum-product",
  "three-terms",
  "add-then-double",
  "add-then-multiply",
  "multiply-then-add",
  "subtract-then-add",
]);

/** What a card reports. */
export const SCORED_SETS: readonly ScoredSet[] = [
  setOf("two-step arithmetic", "arithmetic", ({ kind }) => TWO_STEPS.has(kind)),
  ...SKILLS.map((skill) => setOf(skill, skill)),
  { name: "conversation", draw: (split, random) => multiTurnItem(split, random) },
];
