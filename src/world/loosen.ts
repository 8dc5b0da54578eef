/**
 * Frames said loosely: a word left out, a word put in that says nothing. However many frames a command has, a network
 * of this size learns which words each has in which order; of frames that differ a little every time it
 * has to learn which words matter, and so it takes frames better that it has never met (docs/decisions/0006).
 *
 *     "Let me know when {span} are over."   ->   "Let know just when {span} are over."
 */
import type { RandomStream } from "../core/index.ts";
import type { Frames } from "./templates.ts";

/** What people put in without meaning anything by it. */
const FILLERS = "just now really then again quickly also maybe here there so well right kindly actually still".split(
  " ",
);
/** Words by which a command differs from its opposite or from another tool's; they stay. */
const TELLING: ReadonlySet<string> = new Set(
  `on off up down out open close closed shut lock locked unlock unlocked lower raise lift not no nobody nothing without
  enough stop start cancel canceled remove delete add order dark bright light lights blinds music play call text tell
  message alarm timer`.split(/\s+/u),
);
const LEFT_OUT = 0.1;
const PUT_IN = 0.1;

const isSlot = (word: string | undefined): boolean => word?.includes("{") === true;
const isChoice = (word: string): boolean => /[[\]|]/u.test(word);
const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}{} ]/gu, "");

/**
 * The frame said loosely. Slots keep their neighbours, so where a name begins and ends is told as in the frame itself,
 * and the first word stays. Never a frame that the family holds out: then the frame as it is.
 */
export function loosen(frame: string, family: Frames, random: RandomStream): string {
  const mark = frame.startsWith("!") ? "!" : "";
  const words = frame.slice(mark.length).split(" ");
  const said = words.flatMap((word, i) => {
    if (i === 0) return [word];
    const beside = [words[i - 1], word, words[i + 1]].some(isSlot);
    if (!beside && !isChoice(word) && !TELLING.has(plain(word)) && random.chance(LEFT_OUT)) return [];
    const apart = !isSlot(word) && !isSlot(words[i - 1]);
    return apart && random.chance(PUT_IN) ? [random.pick(FILLERS), word] : [word];
  });
  const loose = mark + said.join(" ");
  const heldOut = [...family.test, ...family.validation];
  return heldOut.some((other) => plain(other) === plain(loose)) ? frame : loose;
}
