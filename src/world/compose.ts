/**
 * Names made of the words of training names: two entries of a list spliced, some words exchanged, added or left
 * out. The lists are short, so a network learns which words follow each other ("living" by "room") and
 * how many a name has; on "west wing" it then stops after "west", or goes on with what it knows. What it has
 * to learn is where a name begins and ends in a sentence, and to copy what stands there.
 *
 *     "spare key", "sewing kit"   ->   "spare kit", "sewing olive key", "key"
 */
import type { RandomStream } from "../core/index.ts";

/** Words that hold a name together; they are neither exchanged nor added. */
const JOINING: ReadonlySet<string> = new Set(
  "a an the my our some of on in at to for and by up off out is are am was be been will has have i we it not no".split(
    " ",
  ),
);
/** What may stand where a name has "the" at its head. */
const FOR_THE = "my our your this that no some all one his her".split(" ");
const REPLACED_THE = 0.3;
const SPLICED = 0.4;
const EXCHANGED = 0.3;
const ADDED = 0.4;
const DROPPED = 0.15;
/** Longest composed name, words. */
const LONGEST = 7;

const wordsOf = (entry: string): string[] => entry.split(" ");
const isContent = (word: string): boolean => !JOINING.has(word.toLowerCase());

/** All words of those lists that say something, each once. */
export function contentWords(lists: Iterable<readonly string[]>): readonly string[] {
  const words = [...lists].flatMap((entries) => entries.flatMap(wordsOf));
  return [...new Set(words.filter((word) => isContent(word) && /^\p{Ll}{3,}$/u.test(word)))];
}

/** A name that looks like those of `entries`; `pool` is where other words come from. */
export function composeName(entries: readonly string[], pool: readonly string[], random: RandomStream): string {
  let words = wordsOf(random.pick(entries));
  if (random.chance(SPLICED)) {
    const other = wordsOf(random.pick(entries));
    words = [...words.slice(0, random.int(1, words.length)), ...other.slice(random.int(0, other.length - 1))];
  }
  words = words.map((word) => (isContent(word) && random.chance(EXCHANGED) ? random.pick(pool) : word));
  const content = words.flatMap((word, i) => (isContent(word) ? [i] : []));
  if (content.length > 1 && random.chance(DROPPED)) words.splice(random.pick(content), 1);
  else if (random.chance(ADDED)) words.splice(content.at(-1) ?? words.length, 0, random.pick(pool));
  if (words.length > 1 && words[0] === "the" && random.chance(REPLACED_THE)) words[0] = random.pick(FOR_THE);
  const name = words.slice(0, LONGEST).join(" ");
  return name.replaceAll(/\ba (?=[aeiou])/gu, "an ").replaceAll(/\ban (?![aeiou])/gu, "a ");
}
