/**
 * Items with their rare words replaced by made-up ones, the same everywhere in the item. The world's
 * lists are short: a network of this size learns what its few hundred rooms, goods and names look like
 * in a reply instead of copying them, and fails on a word it has not met. A made-up word can only be
 * copied.
 *
 *     "Dim the kitchen light."   -> set room kitchen   becomes   "Dim the vomler light." -> set room vomler
 */
import type { RandomStream } from "../core/index.ts";
import type { Tokenizer } from "../llm/index.ts";
import type { Turn, WorldItem } from "../world/index.ts";

const WORD = /\p{L}{3,}/gu;
/** Skills whose replies are fixed sentences, as greetings are that give no name: nothing in them is copied. */
const FIXED: ReadonlySet<string> = new Set(["help", "refusal"]);
const MOST_PIECES = 3;

const wordsOf = (text: string): string[] => text.match(WORD) ?? [];

function stringsOf({ text, call }: Turn): string[] {
  return [text, ...Object.values(call?.arguments ?? {}).filter((value) => typeof value === "string")];
}

/** Renames items with the pieces of one vocabulary; its frequent words stay. */
export class Renamer {
  readonly #pieces: readonly string[];
  readonly #frequent: ReadonlySet<string>;

  constructor(tokenizer: Tokenizer) {
    const texts = tokenizer.data.pieces.map((bytes) => Buffer.from(bytes).toString());
    this.#pieces = texts.filter((text) => /^[a-z]{1,4}$/u.test(text));
    const spaced = texts.filter((text) => /^ \p{L}+$/u.test(text)).map((text) => text.slice(1));
    this.#frequent = new Set(spaced.map((word) => word.toLowerCase()));
  }

  rename(item: WorldItem, random: RandomStream): WorldItem {
    if (FIXED.has(item.skill) || (item.skill === "greeting" && item.kind !== "name")) return item;
    const given = new Set(
      item.turns
        .filter(({ role }) => role !== "assistant")
        .flatMap((turn) => wordsOf(`${turn.text} ${turn.context ?? ""}`)),
    );
    const names = new Map<string, string>();
    for (const turn of item.turns) {
      if (turn.role !== "assistant") continue;
      for (const word of stringsOf(turn).flatMap(wordsOf)) {
        const isRare = given.has(word) && !this.#frequent.has(word.toLowerCase());
        if (isRare && !names.has(word)) names.set(word, this.#madeUp(word, random));
      }
    }
    if (names.size === 0) return item;
    const replace = (text: string): string => text.replaceAll(WORD, (word) => names.get(word) ?? word);
    return { ...item, turns: item.turns.map((turn) => renamedTurn(turn, replace)) };
  }

  /** One to three pieces, capital where the word had one. */
  #madeUp(word: string, random: RandomStream): string {
    const made = Array.from({ length: random.int(1, MOST_PIECES) }, () => random.pick(this.#pieces)).join("");
    return /^\p{Lu}/u.test(word) ? made.charAt(0).toUpperCase() + made.slice(1) : made;
  }
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
