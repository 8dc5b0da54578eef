/**
 * Items with the words of the world's lists replaced by made-up ones, the same everywhere in the item. The world's
 * lists are short: a network of this size learns what its few hundred rooms, goods and names look like
 * in a reply instead of copying them, and fails on a word it has not met. A made-up word can only be
 * copied.
 *
 *     "Dim the kitchen light."   -> set room kitchen   becomes   "Dim the vomler light." -> set room vomler
 *
 * Some get common words instead: where a name begins and ends must not hang on what its words mean elsewhere
 * ("the floor light"), and such words are other pieces at the head of a value than behind a space.
 */
import { createRandom, type RandomStream } from "../core/index.ts";
import type { Tokenizer } from "../llm/index.ts";
import { ENTITIES, generateItem, SKILLS, TOPICS, type Turn, type WorldItem } from "../world/index.ts";

const WORD = /\p{L}{3,}/gu;
const MOST_PIECES = 3;
/** Share of renamed items that keep no name's word, and the share of words that the others lose. */
const ALL_WORDS = 0.5;
const SOME_WORDS = 0.5;
/** Share of replacements that are common words, unless the caller says. */
const COMMON_WORDS = 0.25;
/** Common words that say where something begins or ends, in commands or in given texts. */
const MARKING: ReadonlySet<string> = new Set(
  `and are ask can costs could contains days dollars for from have has how hours if into is left many minutes months not
  number one order percent please plus minus sold stock sums than thanks that the then they times to was what when where
  which who will with within would you your`.split(/\s+/u),
);

const wordsOf = (text: string): string[] => text.match(WORD) ?? [];

function stringsOf({ text, thinking = "", call }: Turn): string[] {
  return [text, thinking, ...Object.values(call?.arguments ?? {}).filter((value) => typeof value === "string")];
}

/** Items of each skill that are looked through for the words of frames. */
const LOOKED_THROUGH = 500;

/** Words that make a question what it is, so they keep their spelling. */
function frameWords(): ReadonlySet<string> {
  const random = createRandom(1, "frame words");
  const items = SKILLS.flatMap((skill) =>
    Array.from({ length: LOOKED_THROUGH }, () => generateItem(skill, "train", random)),
  );
  return new Set(items.flatMap(({ template }) => wordsOf(template.replaceAll(/\{\w+\}/gu, " ").toLowerCase())));
}

/** Renames items with the pieces of one vocabulary: the words of the world's training lists, unless frames use them too. */
export class Renamer {
  readonly #pieces: readonly string[];
  readonly #names: ReadonlySet<string>;
  readonly #common: readonly string[];

  constructor(tokenizer: Tokenizer) {
    const texts = tokenizer.data.pieces.map((bytes) => Buffer.from(bytes).toString());
    this.#pieces = texts.filter((text) => /^[a-z]{1,6}$/u.test(text));
    const spaced = texts.filter((text) => /^ \p{L}+$/u.test(text)).map((text) => text.slice(1).toLowerCase());
    const kept = new Set([...spaced, ...frameWords()]);
    const listed = [...Object.values(ENTITIES), TOPICS].flatMap(({ train }) => train.flatMap(wordsOf));
    this.#common = [...kept].filter((word) => /^[a-z]{2,}$/u.test(word) && !MARKING.has(word)).toSorted();
    this.#names = new Set(listed.map((word) => word.toLowerCase()).filter((word) => !kept.has(word)));
  }

  /** @param common share of replacements that are common words, 0..1 */
  rename(item: WorldItem, random: RandomStream, common = COMMON_WORDS): WorldItem {
    // Help and most greetings are fixed sentences both ways.
    if (item.skill === "help" || (item.skill === "greeting" && item.kind !== "name")) return item;
    const given = item.turns
      .filter(({ role }) => role !== "assistant")
      .flatMap((turn) => wordsOf(`${turn.text} ${turn.context ?? ""}`));
    // What is refused is not copied, but must be refused whatever it is called.
    const replaced = item.skill === "refusal" ? given : repeated(given, item.turns);
    const known = new Set(replaced.filter((word) => this.#names.has(word.toLowerCase())));
    if (known.size === 0) return item;
    // A name of which one word is known and one is not asks for more than a name that is wholly new.
    const share = random.chance(ALL_WORDS) ? 1 : SOME_WORDS;
    const names = new Map<string, string>();
    for (const word of known) if (random.chance(share)) names.set(word, this.#madeUp(word, random, common));
    const replace = (text: string): string => text.replaceAll(WORD, (word) => names.get(word) ?? word);
    return { ...item, turns: item.turns.map((turn) => renamedTurn(turn, replace)) };
  }

  /** One to three pieces or a common word, capital where the word had one. */
  #madeUp(word: string, random: RandomStream, common: number): string {
    const made = random.chance(common)
      ? random.pick(this.#common)
      : Array.from({ length: random.int(1, MOST_PIECES) }, () => random.pick(this.#pieces)).join("");
    return /^\p{Lu}/u.test(word) ? made.charAt(0).toUpperCase() + made.slice(1) : made;
  }
}

/** The given words that a reply says again. */
function repeated(given: readonly string[], turns: readonly Turn[]): string[] {
  const known = new Set(given);
  const replies = turns.filter(({ role }) => role === "assistant");
  return replies.flatMap((turn) => stringsOf(turn).flatMap(wordsOf)).filter((word) => known.has(word));
}

function renamedTurn(turn: Turn, replace: (text: string) => string): Turn {
  const { text, context, thinking, call } = turn;
  const renamed = (value: string | number | boolean): string | number | boolean =>
    typeof value === "string" ? replace(value) : value;
  return {
    ...turn,
    text: replace(text),
    ...(context === undefined ? {} : { context: replace(context) }),
    ...(thinking === undefined ? {} : { thinking: replace(thinking) }),
    ...(call === undefined
      ? {}
      : {
          call: {
            name: call.name,
            arguments: Object.fromEntries(Object.entries(call.arguments).map(([key, value]) => [key, renamed(value)])),
          },
        }),
  };
}
