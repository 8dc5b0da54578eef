/**
 * Who and what the world is made of, divided once: every fifth entry of a list is held out for tests, and
 * validation has names of its own. Also the withheld number bands. Names of training are mixed with composed and
 * made-up ones, so that models learn to copy.
 */
import type { RandomStream } from "../core/index.ts";
import { composeName, contentWords } from "./compose.ts";
import { PEOPLE } from "./lexicon/people.ts";
import {
  BELONGINGS,
  CHORES,
  COUNTABLE,
  ERRANDS,
  GOODS,
  GROCERIES,
  MUSIC,
  NEWS,
  ROOMS,
  SPOTS,
} from "./lexicon/things.ts";
import { VALIDATION } from "./lexicon/validation.ts";
import type { Split } from "./types.ts";

/** One list, divided. */
export interface Entities {
  readonly train: readonly string[];
  /** The training side's where there is nothing else to be had. */
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

/** Which entry of each five is held out; another one for each generation of models. */
const HELD_OUT = 4;

export function divide(all: readonly string[], validation?: readonly string[]): Entities {
  const train = all.filter((_, i) => i % 5 !== HELD_OUT);
  return { train, validation: validation ?? train, test: all.filter((_, i) => i % 5 === HELD_OUT) };
}

/** Everything that items name, by kind, each entry as it stands inside a sentence. */
export const ENTITIES = {
  people: divide(PEOPLE, VALIDATION.people),
  countable: divide(COUNTABLE, VALIDATION.countable),
  goods: divide(GOODS, VALIDATION.goods),
  groceries: divide(GROCERIES, VALIDATION.groceries),
  rooms: divide(ROOMS, VALIDATION.rooms),
  music: divide(MUSIC, VALIDATION.music),
  spots: divide(SPOTS, VALIDATION.spots),
  belongings: divide(BELONGINGS, VALIDATION.belongings),
  chores: divide(CHORES, VALIDATION.chores),
  errands: divide(ERRANDS, VALIDATION.errands),
  news: divide(NEWS, VALIDATION.news),
} as const satisfies Record<string, Entities>;

/** The name of a list of ENTITIES. */
export type EntityKind = keyof typeof ENTITIES;

/** Numbers that training never states in a question: two neighbours around each of four places. */
export const WITHHELD_NUMBERS: ReadonlySet<number> = new Set([23, 24, 47, 48, 71, 72, 86, 87]);

/** Share of training's names, people apart, that are composed. */
const COMPOSED = 0.6;
const POOL = contentWords(Object.entries(ENTITIES).flatMap(([kind, { train }]) => (kind === "people" ? [] : [train])));
/** What no training item may name, composed or not. */
const RESERVED: ReadonlySet<string> = new Set(
  Object.values(ENTITIES).flatMap(({ validation, test }) => [...validation, ...test]),
);

export function pickEntity(kind: EntityKind, split: Split, random: RandomStream): string {
  const entities: Entities = ENTITIES[kind];
  if (split !== "train" || kind === "people" || !random.chance(COMPOSED)) return random.pick(entities[split]);
  const name = composeName(entities.train, POOL, random);
  return RESERVED.has(name) ? random.pick(entities.train) : name;
}

/** `count` different entities. */
export function pickEntities(kind: EntityKind, count: number, split: Split, random: RandomStream): string[] {
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(pickEntity(kind, split, random));
  return [...chosen];
}

const ONSETS = "b br c ch d dr f g gr h j k l m n p r s sh st t tr v w z".split(" ");
const VOWELS = "a e i o u ai ea oo".split(" ");
const TRAIN_ENDINGS = "n l r s t m nd rn x la ra mo lo ri st lf".split(" ");
const TEST_ENDINGS = "na vi ke so".split(" ");

/** A first name; one in six is made up. Made-up test names end as no made-up training name does. */
export function pickName(split: Split, random: RandomStream): string {
  if (!random.chance(1 / 6)) return pickEntity("people", split, random);
  const endings = split === "test" ? TEST_ENDINGS : TRAIN_ENDINGS;
  const start = random.pick(ONSETS) + random.pick(VOWELS);
  const middle = random.chance(0.4) ? random.pick(ONSETS) + random.pick(VOWELS) : "";
  const name = start + middle + random.pick(endings);
  const capital = name.charAt(0).toUpperCase() + name.slice(1);
  // A made-up name that is also a real one of the other side would cross the split.
  return PEOPLE.includes(capital) ? pickEntity("people", split, random) : capital;
}

export function pickNames(count: number, split: Split, random: RandomStream): string[] {
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(pickName(split, random));
  return [...chosen];
}

/** A uniform integer in [low, high]; training and validation never draw a withheld one. */
export function pickNumber(low: number, high: number, split: Split, random: RandomStream): number {
  for (;;) {
    const value = random.int(low, high);
    if (split === "test" || !WITHHELD_NUMBERS.has(value)) return value;
  }
}
