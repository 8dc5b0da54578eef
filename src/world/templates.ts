/**
 * Sentence frames and the two things done with them: choosing one of the right split, and filling it.
 *
 * A family of frames is a packed string, one frame a line. A frame that begins with `~` is held out for
 * tests, one that begins with `?` for validation; together they are at least a fifth of each family, and training
 * sees neither. In a frame `{name}` is a slot, `[a|b]` a free choice, and a leading `!` (after `~` or `?`) marks an
 * imperative, which may be wrapped ("Can you …", "… please").
 */
import { assert, type RandomStream } from "../core/index.ts";
import type { Split } from "./types.ts";

export interface Frames {
  readonly train: readonly string[];
  /** Training's, in families that hold out none for validation. */
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

/** Unpacks a family; at least five frames, at least a fifth of them held out, some of those for tests. */
export function frames(packed: string): Frames {
  const lines = packed
    .trim()
    .split("\n")
    .map((line) => line.trim());
  assert(lines.length >= 5, `a family has at least five frames: ${lines[0]}`);
  const marked = (mark: string): string[] =>
    lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length));
  const [test, validation] = [marked("~"), marked("?")];
  const train = lines.filter((line) => !/^[~?]/u.test(line));
  assert(test.length > 0, `a family holds out frames for tests: ${lines[0]}`);
  assert(
    (test.length + validation.length) * 5 >= lines.length,
    `a family holds out a fifth of its frames: ${lines[0]}`,
  );
  assert(train.length >= 3, `a family keeps three frames for training: ${lines[0]}`);
  return { train, validation: validation.length > 0 ? validation : train, test };
}

export function pickFrame(family: Frames, split: Split, random: RandomStream): string {
  return random.pick(family[split]);
}

/** Fills a frame's choices and slots; the imperative mark is dropped. */
export function fill(frame: string, slots: Readonly<Record<string, string | number>>, random: RandomStream): string {
  const text = frame.startsWith("!") ? frame.slice(1) : frame;
  return text
    .replaceAll(/\[([^\]]*)\]/gu, (_, choices: string) => random.pick(choices.split("|")))
    .replaceAll(/\{(\w+)\}/gu, (_, name: string) => {
      const value = slots[name];
      assert(value !== undefined, `the frame ${JSON.stringify(frame)} needs a slot ${name}`);
      return String(value);
    })
    .replaceAll(/\b([Aa]) (?=[aeiou](?!kulele))/gu, "$1n ");
}

const OPENERS = "Hey, |Hi, |Okay, |Hello, |So, |Well, |Punctual, |Hey Punctual, |Quick question: |Now, ".split("|");
const WRAPPERS =
  "Can you |Could you |Please |Would you |Will you please |I want you to |I need you to |Can you please ".split("|");
const CLOSERS = " please|, please|, thanks".split("|");

/** A frame filled and said the way people say it: sometimes polite, sloppy, or in lower case. */
export function say(frame: string, slots: Readonly<Record<string, string | number>>, random: RandomStream): string {
  let text = fill(frame, slots, random);
  // A name at the start keeps its capital: only a frame's own first word may lose it.
  const lowerable = /^!?[\p{L}[]/u.test(frame) && !/^I\b/u.test(text);
  const lower = (): string => (lowerable ? text.charAt(0).toLowerCase() + text.slice(1) : text);
  const style = random.uniform();
  if (frame.startsWith("!") && style < 0.3) {
    const wrapper = random.pick(WRAPPERS);
    text = wrapper + lower().replace(/\.$/u, /^(?:Can|Could|Would|Will)/u.test(wrapper) ? "?" : ".");
  } else if (frame.startsWith("!") && style < 0.42) {
    text = text.replace(/\.$/u, `${random.pick(CLOSERS)}.`);
  } else if (style > 0.85) {
    text = random.pick(OPENERS) + lower();
  }
  const finish = random.uniform();
  if (finish < 0.15) text = lowerable ? text.charAt(0).toLowerCase() + text.slice(1) : text;
  else if (finish < 0.3) text = text.replace(/[.?!]$/u, "");
  else if (finish < 0.42)
    text = (lowerable ? text.charAt(0).toLowerCase() + text.slice(1) : text).replace(/[.?!]$/u, "");
  return text;
}
