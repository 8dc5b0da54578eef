/**
 * Questions of our own, where no real set is at hand: the eleven categories of SPEED-Bench's qualitative split from
 * frames and word lists, and prompts of given lengths at three levels of entropy for its throughput split. The same
 * seed gives the same questions.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { CODE_LINES, FRAMES, REPORT_LINES, WORDS } from "./frames.ts";
import type { Question } from "./types.ts";

/** The categories of the qualitative split. */
export const CATEGORIES: readonly string[] = Object.keys(FRAMES);

/** How surprising an answer is: sorting and code, questions about a text, free writing. */
export const ENTROPY_TIERS = ["low_entropy", "mixed", "high_entropy"] as const;
/** One of them, by the names of SPEED-Bench's files. */
export type EntropyTier = (typeof ENTROPY_TIERS)[number];

/** Questions of every category, `perCategory` each, no two of a category alike as far as the frames allow. */
export function generateQuestions(perCategory: number, random: RandomStream): readonly Question[] {
  return CATEGORIES.flatMap((category) => generateCategory(category, perCategory, random.fork(category)));
}

/** Questions of one category. */
export function generateCategory(category: string, count: number, random: RandomStream): readonly Question[] {
  const frames = FRAMES[category];
  assert(frames !== undefined, "the category has frames");
  const seen = new Set<string>();
  return Array.from({ length: count }, (_, i): Question => {
    let turns = fillFrame(random.pick(frames), random);
    for (let tries = 0; tries < 8 && seen.has(turns[0]!); tries++) turns = fillFrame(random.pick(frames), random);
    seen.add(turns[0]!);
    return { id: `${category}-${i}`, category, subCategory: null, turns, source: "generated", difficulty: null };
  });
}

function fillFrame(frame: readonly string[], random: RandomStream): readonly string[] {
  const drawn = new Map<string, string>(); // a name means the same through all turns
  return frame.map((turn) => fill(turn, random, drawn));
}

/** Replaces what is in braces; names drawn before are kept. */
function fill(text: string, random: RandomStream, drawn: Map<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (name === "report") return lines(REPORT_LINES, random.int(4, 12), random);
    if (name === "code") return lines(CODE_LINES, random.int(3, 7), random);
    const known = drawn.get(name);
    if (known !== undefined) return known;
    const word = /^[nmk]$/.test(name)
      ? String(random.int(name === "k" ? 2 : 10, name === "k" ? 9 : 99))
      : wordOf(name, random);
    drawn.set(name, word);
    return word;
  });
}

function wordOf(name: string, random: RandomStream): string {
  const words = WORDS[name];
  assert(words !== undefined, "every name of a frame has words");
  return random.pick(words);
}

function lines(from: readonly string[], count: number, random: RandomStream): string {
  return Array.from({ length: count }, () => fill(random.pick(from), random, new Map())).join("\n");
}

/** What a prompt of the throughput split asks, before its length is set: an instruction and material to draw from. */
export interface LongPrompt {
  readonly tier: EntropyTier;
  readonly instruction: string;
  /** One more piece of material; called until the prompt is long enough. */
  readonly material: () => string;
  readonly closing: string;
}

/** A prompt of the throughput split at that level of entropy. */
export function longPrompt(tier: EntropyTier, random: RandomStream): LongPrompt {
  const number = (): string => `item ${random.int(1000, 9999)}: ${wordOf("goods", random)}`;
  const report = (): string => lines(REPORT_LINES, 3, random);
  const dialogue = (): string =>
    `${random.pick(["Ada", "Ivo", "Hana", "Kofi"])}: ${fill(random.pick(FRAMES["writing"]!)[0]!, random, new Map())}`;
  switch (tier) {
    case "low_entropy":
      return {
        tier,
        instruction: "Sort the following lines by their number and write out every line.",
        material: number,
        closing: "Write the sorted lines now.",
      };
    case "mixed":
      return {
        tier,
        instruction: "Read the minutes below; a question follows.",
        material: report,
        closing: fill("Question: what was said about {event}, and by whom? Explain.", random, new Map()),
      };
    case "high_entropy":
      return {
        tier,
        instruction: "Read the conversation below and go on with it freely, for as long as it stays interesting.",
        material: dialogue,
        closing: fill("Go on, and let {a} speak of {theme}.", random, new Map()),
      };
    default:
      return tier satisfies never;
  }
}
