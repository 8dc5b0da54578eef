/**
 * Six small tasks that want different things of a decoder: copying and extraction look things up, reversal and sorting
 * order them, chains of modular arithmetic compute, translation knows a dictionary and another word order. One model
 * learns them all; what it needs of its depth depends on the input. Pure: a draw is a function of its stream.
 *
 * A reply begins with a word that the request gives away, so everything that is work comes after the first token.
 * Splits are by the request's text: a request of one split is in no other.
 */
import { hashString, type RandomStream } from "../../core/index.ts";

/** The tasks, in the order of reports. */
export const ROUTED_TASKS = ["copy", "reverse", "sort", "modular", "translate", "extract"] as const;
/** Name of a task. */
export type RoutedTask = (typeof ROUTED_TASKS)[number];
/** Which part of all requests: nine tenths to train, a twentieth each to steer by and to report. */
export type RoutedSplit = "train" | "validation" | "test";

/** A request and its only right answer. */
export interface RoutedItem {
  readonly task: RoutedTask;
  readonly prompt: string;
  readonly answer: string;
}

const words = (text: string): readonly string[] => text.split(" ");

const THINGS = words(
  "sun dog map cup hat box key pen bed fan jar net oil pie rug saw tub van web yak ant bee cow fox hen owl pig ram bus car",
);
const LETTERS = words("a b c d e f g h i j k l m n o p q r s t u v w x y z");
/** English noun, adjective or verb, and the word for it in a language that nobody speaks. */
const NOUNS = words(
  "dog kadu map teno cup silo hat moru key fipa bed lugo fox rena owl biso cow dalu car zeti hen pomi bus vako",
);
const ADJECTIVES = words("red ruva old mipo big toga new selu shy nifo hot bura wet kelo sad juna");
const VERBS = words("sees osta finds elko wants irma takes unda likes apso hides ofru");
const RECORD: Readonly<Record<string, readonly string[]>> = {
  name: words("ana ben cleo dan eva finn gus hana"),
  color: words("red blue green black white pink gray gold"),
  city: words("oslo rome lima cairo paris delhi quito perth"),
  pet: words("dog cat hen fox owl yak pig cow"),
  food: words("rice soup cake plum corn fish bread beans"),
  job: words("cook nurse pilot judge clerk baker miner guard"),
};
const MODULI = [5, 7] as const;
const LEADS: Readonly<Record<RoutedTask, string>> = {
  copy: "copied:",
  reverse: "reversed:",
  sort: "sorted:",
  modular: "values:",
  translate: "said:",
  extract: "found:",
};

const pick = <T>(list: readonly T[], random: RandomStream): T => list[random.int(0, list.length - 1)]!;
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

function shuffled<T>(list: readonly T[], random: RandomStream): T[] {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/** A word of a list of pairs, and its translation. */
function pickPair(pairs: readonly string[], random: RandomStream): readonly [string, string] {
  const at = 2 * random.int(0, pairs.length / 2 - 1);
  return [pairs[at]!, pairs[at + 1]!];
}

type Draw = (random: RandomStream) => readonly [prompt: string, answer: string];

/** Both sides of a noun phrase: "the old dog" is "kadu mipo". */
function nounPhrase(random: RandomStream): readonly [string, string] {
  const noun = pickPair(NOUNS, random);
  if (random.chance(0.4)) return [`the ${noun[0]}`, noun[1]];
  const adjective = pickPair(ADJECTIVES, random);
  return [`the ${adjective[0]} ${noun[0]}`, `${noun[1]} ${adjective[1]}`];
}

/** A chain of operations from left to right, and the value after each, all modulo m. */
function chain(random: RandomStream): readonly [string, string] {
  const modulus = pick(MODULI, random);
  let value = random.int(0, modulus - 1);
  let text = `mod ${modulus}: ${value}`;
  const values: number[] = [];
  for (let left = random.int(3, 6); left > 0; left--) {
    const operation = pick(["+", "-", "*"] as const, random);
    const operand = random.int(0, modulus - 1);
    const raw = operation === "+" ? value + operand : operation === "-" ? value - operand : value * operand;
    value = ((raw % modulus) + modulus) % modulus;
    text += `${operation}${operand}`;
    values.push(value);
  }
  return [text, values.join(",")];
}

const DRAWS: Readonly<Record<RoutedTask, Draw>> = {
  copy: (random) => {
    const list = times(random.int(4, 9), () => pick(THINGS, random)).join(" ");
    return [`copy: ${list}`, list];
  },
  reverse: (random) => {
    const list = times(random.int(4, 8), () => pick(THINGS, random));
    return [`reverse: ${list.join(" ")}`, list.toReversed().join(" ")];
  },
  sort: (random) => {
    const list = times(random.int(4, 8), () => pick(LETTERS, random));
    return [`sort: ${list.join(" ")}`, list.toSorted().join(" ")];
  },
  modular: chain,
  translate: (random) => {
    const [subject, object] = [nounPhrase(random), nounPhrase(random)];
    const verb = pickPair(VERBS, random);
    return [`translate: ${subject[0]} ${verb[0]} ${object[0]}`, `${subject[1]} ${object[1]} ${verb[1]}`];
  },
  extract: (random) => {
    const fields = Object.keys(RECORD).map((key) => [key, pick(RECORD[key]!, random)] as const);
    const record = shuffled(fields, random).map(([key, value]) => `${key} ${value}`);
    const asked = shuffled(fields, random).slice(0, random.int(2, 4));
    const keys = asked.map(([key]) => key).join(" ");
    return [`extract ${keys}: ${record.join(", ")}`, asked.map(([, value]) => value).join(" ")];
  },
};

/** The split that a request belongs to. */
export function splitOfPrompt(prompt: string): RoutedSplit {
  const bucket = hashString(`routed/${prompt}`) % 20;
  return bucket === 0 ? "test" : bucket === 1 ? "validation" : "train";
}

/** An item of that task and split. */
export function routedItem(task: RoutedTask, split: RoutedSplit, random: RandomStream): RoutedItem {
  for (;;) {
    const [prompt, answer] = DRAWS[task](random);
    if (splitOfPrompt(prompt) === split) return { task, prompt, answer: `${LEADS[task]} ${answer}` };
  }
}

/** Every word that may stand in an item: what the vocabulary has whole. */
export function routedWords(): readonly string[] {
  const keys = Object.keys(RECORD);
  const leads = Object.values(LEADS).map((lead) => lead.slice(0, -1));
  const heads = ["mod", "the", ...ROUTED_TASKS];
  const all = [THINGS, LETTERS, NOUNS, ADJECTIVES, VERBS, ...Object.values(RECORD), keys, leads, heads].flat();
  return [...new Set(all)];
}
