/**
 * Items of every skill, and mixtures of them as models are trained on. Deterministic: the same stream
 * gives the same items.
 */
import { assert, hashString, type RandomStream } from "../core/index.ts";
import { arithmeticFollowUp, arithmeticItem } from "./arithmetic.ts";
import { helpItem } from "./help.ts";
import { readingItem } from "./reading/index.ts";
import { refusalItem } from "./refusal.ts";
import { greetingItem } from "./social.ts";
import { elsewhere, toolCallItem } from "./tool-call.ts";
import { SKILLS, type Skill, type Split, type Turn, type WorldItem } from "./types.ts";
import { wordProblemItem } from "./word-problem.ts";

const GENERATORS: { readonly [K in Skill]: (split: Split, random: RandomStream) => WorldItem } = {
  arithmetic: arithmeticItem,
  "word-problem": wordProblemItem,
  "tool-call": toolCallItem,
  reading: readingItem,
  greeting: greetingItem,
  help: helpItem,
  refusal: refusalItem,
};

/** Relative frequency of skills among single items. */
export type MixtureWeights = { readonly [K in Skill]: number };

/** The mixture of callers that bring none, in hundredths; recipes state their own. */
export const DEFAULT_WEIGHTS: MixtureWeights = {
  arithmetic: 26,
  "word-problem": 15,
  "tool-call": 22,
  reading: 18,
  greeting: 5,
  help: 6,
  refusal: 8,
};

/** Share of a mixture's items that hold two or three exchanges. */
export const MULTI_TURN_SHARE = 0.12;

const VALIDATION_ONE_IN = 32;

/**
 * Skills whose frames are whole questions. Taking some of those away would take frames away, so their
 * validation is training's distribution under another seed; their tests are held-out frames all the same.
 */
const FEW_TEXTS: ReadonlySet<Skill> = new Set<Skill>(["greeting", "help"]);

/** Skills whose validation has frames and names of its own, so that its questions are none of training's anyway. */
const OWN_FRAMES: ReadonlySet<Skill> = new Set<Skill>(["tool-call"]);

/** Marks that may be left out without changing the question. */
const IDLE_MARKS = /[^\p{L}\p{N}+*/:$-]/gu;

/** Validation owns the questions of one hash class, whatever their case and marks; training never asks them. */
function ownedByValidation(item: WorldItem): boolean {
  const asked = item.turns.map((turn) => (turn.role === "assistant" ? "" : `${turn.text}|${turn.context ?? ""}`));
  const hash = hashString(asked.join("|").toLowerCase().replaceAll(IDLE_MARKS, ""));
  // The low bits of FNV-1a are weak for short texts: multiply and take the high ones.
  const mixed = Math.imul(hash, 0x9e3779b1) >>> 0;
  return Math.floor((mixed / 2 ** 32) * VALIDATION_ONE_IN) === 0;
}

/** One exchange of the skill. */
export function generateItem(skill: Skill, split: Split, random: RandomStream): WorldItem {
  for (;;) {
    const item = GENERATORS[skill](split, random);
    if (split === "test" || FEW_TEXTS.has(skill) || OWN_FRAMES.has(skill)) return item;
    if (ownedByValidation(item) === (split === "validation")) return item;
  }
}

function pickSkill(weights: MixtureWeights, random: RandomStream): Skill {
  const total = SKILLS.reduce((sum, skill) => sum + weights[skill], 0);
  assert(total > 0, "some skill has weight");
  let left = random.uniform() * total;
  for (const skill of SKILLS) {
    left -= weights[skill];
    if (left < 0) return skill;
  }
  return "arithmetic";
}

/** An item of two or three exchanges: unrelated ones, or a follow-up that needs what came before. */
export function multiTurnItem(
  split: Split,
  random: RandomStream,
  weights: MixtureWeights = DEFAULT_WEIGHTS,
): WorldItem {
  const style = random.uniform();
  if (style < 0.2) return arithmeticFollowUp(generateItem("arithmetic", split, random), split, random);
  if (style < 0.4) {
    const first = generateItem("tool-call", split, random);
    const again = elsewhere(first, split, random);
    if (again !== null) return again;
  }
  const count = random.chance(0.75) ? 2 : 3;
  const items = Array.from({ length: count }, () => generateItem(pickSkill(weights, random), split, random));
  const last = items.at(-1)!;
  // A system turn stands only at the head, so a later exchange carries its context in the user turn.
  const turns = items.flatMap((item, i) => (i === 0 ? item.turns : contextInUserTurn(item.turns)));
  return { ...last, turns };
}

function contextInUserTurn(turns: readonly Turn[]): readonly Turn[] {
  const [system, ...rest] = turns;
  if (system?.role !== "system" || system.context === undefined) return turns;
  const { context } = system;
  return rest.map((turn, i) => (i === 0 ? { ...turn, context } : turn));
}

/** An item as training sees them: a skill by weight, sometimes several exchanges. */
export function generateMixture(
  split: Split,
  random: RandomStream,
  weights: MixtureWeights = DEFAULT_WEIGHTS,
): WorldItem {
  if (random.chance(MULTI_TURN_SHARE)) return multiTurnItem(split, random, weights);
  return generateItem(pickSkill(weights, random), split, random);
}
