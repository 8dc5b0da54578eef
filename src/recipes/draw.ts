/** Items of the world's training split, drawn by a mixture. */
import { assert, type RandomStream } from "../core/index.ts";
import { generateItem, multiTurnItem, SKILLS, withTail, type Skill, type WorldItem } from "../world/index.ts";
import type { Mixture } from "./types.ts";

/** Kinds of arithmetic come in every few dozen items: one that has not come in so many does not exist. */
const MOST_DRAWS = 10_000;

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
  const skill = drawSkill(mixture, random);
  const { stressed } = mixture;
  const first = generateItem(skill, "train", random);
  // No draw where there are no tails: plans without them keep their data.
  if (skill === "tool-call" && mixture.tails !== undefined && random.chance(mixture.tails))
    return withTail(first, random);
  if (skill !== "arithmetic" || stressed === undefined || !random.chance(stressed.chance)) return first;
  let item = first;
  for (let draws = 0; !stressed.kinds.includes(item.kind); draws++) {
    assert(draws < MOST_DRAWS, `arithmetic has none of the stressed kinds: ${stressed.kinds.join(", ")}`);
    item = generateItem(skill, "train", random);
  }
  return item;
}
