/** The world as training data: items written as chats. Also the sets of items that models are scored on. */
import type { RandomStream } from "../core/index.ts";
import { encodeChat, type ThinkingForm, type Tokenizer } from "../llm/index.ts";
import { generateItem, multiTurnItem, SKILLS, type Skill, type WorldItem } from "../world/index.ts";
import type { DrawItem } from "./decoder-shard.ts";
import { drawTrainingItem } from "./draw.ts";
import type { ScoredSet } from "./evaluate.ts";
import { Renamer } from "./rename.ts";

/** How often a reply's thinking is left out or cut, so that a runtime may budget it. */
const WITHOUT_THINKING = 0.08;
const CUT_THINKING = 0.12;
/** Longest start of thinking that is kept when it is cut, tokens. */
const LONGEST_CUT = 24;

function thinkingForm(item: WorldItem, random: RandomStream): ThinkingForm {
  if (item.turns.at(-1)?.thinking === undefined) return "full";
  const choice = random.uniform();
  if (choice < WITHOUT_THINKING) return "none";
  return choice < WITHOUT_THINKING + CUT_THINKING ? { tokens: random.int(1, LONGEST_CUT) } : "full";
}

/** The data of decoder recipes. */
export function worldItems(tokenizer: Tokenizer): DrawItem {
  const renamer = new Renamer(tokenizer);
  return ({ mixture }, random) => {
    const drawn = drawTrainingItem(mixture, random);
    // No draw where nothing is renamed: such phases keep their data.
    const renames = mixture.renamed !== undefined && random.chance(mixture.renamed);
    const item = renames ? renamer.rename(drawn, random, mixture.commonNames) : drawn;
    return encodeChat(tokenizer, item.turns, { thinking: thinkingForm(item, random) });
  };
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
  "add-then-add",
  "add-then-subtract",
  "add-then-multiply",
  "add-then-double",
  "subtract-then-add",
  "subtract-then-subtract",
  "subtract-then-multiply",
  "subtract-then-double",
  "multiply-then-add",
  "multiply-then-subtract",
]);

/** What a card reports. */
export const SCORED_SETS: readonly ScoredSet[] = [
  setOf("two-step arithmetic", "arithmetic", ({ kind }) => TWO_STEPS.has(kind)),
  ...SKILLS.map((skill) => setOf(skill, skill)),
  { name: "conversation", draw: (split, random) => multiTurnItem(split, random) },
];
