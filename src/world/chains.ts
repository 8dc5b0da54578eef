/**
 * Chains of two operations, told one after the other ("Add 5 to 9, then double it."). A frame is composed:
 * a first clause, a connector, and a second clause that acts on the result. One pair of clauses in five is
 * held out for tests, whatever stands around it, so training knows every clause but never that pair.
 */
import { assert, type RandomStream } from "../core/index.ts";
import { pickNumber } from "./entities.ts";
import { inReadingOrder, node, type Expression } from "./steps.ts";
import { say } from "./templates.ts";
import type { Split } from "./types.ts";

type First = "add" | "subtract" | "multiply";
type Second = "add" | "subtract" | "multiply" | "double";

const lines = (packed: string): readonly string[] =>
  packed
    .trim()
    .split("\n")
    .map((line) => line.trim());

/** What to do with `{a}` and `{b}`. */
const FIRST: Readonly<Record<First, readonly string[]>> = {
  add: lines(`
    add {a} and {b}
    add {b} to {a}
    start with {a}, add {b}
    take {a}, add {b}
    take {a} plus {b}
    take the sum of {a} and {b}
    start with {a} plus {b}
    take {b} more than {a}
    put {a} and {b} together
    start at {a}, go up by {b}
    work out {a} plus {b}
    find the sum of {b} and {a}`),
  subtract: lines(`
    subtract {b} from {a}
    take {b} away from {a}
    take {a} minus {b}
    start with {a}, take away {b}
    take {a}, subtract {b}
    from {a} take away {b}
    start with {a} minus {b}
    take {b} off {a}
    take the difference of {a} and {b}
    start at {a}, go down by {b}
    work out {a} minus {b}
    start with {a}, subtract {b}`),
  multiply: lines(`
    multiply {a} by {b}
    multiply {a} and {b}
    start with {a}, multiply by {b}
    take {a}, multiply it by {b}
    take {a} times {b}
    take the product of {a} and {b}
    start with {a} times {b}
    take {a} multiplied by {b}
    start with the product of {a} and {b}
    work out {a} times {b}
    find the product of {b} and {a}
    take {b} times {a}`),
};

/** What to do with the result of the first clause. */
const SECOND: Readonly<Record<Second, readonly string[]>> = {
  add: lines(`
    add {c}
    add {c} to that
    add {c} more
    add {c} to it
    add another {c}
    add {c} to the result
    put {c} more on top
    make it {c} more`),
  subtract: lines(`
    subtract {c}
    subtract {c} from that
    take away {c}
    take {c} away from it
    take {c} off
    subtract {c} from the result
    take {c} away
    make it {c} less`),
  multiply: lines(`
    multiply by {c}
    multiply it by {c}
    multiply that by {c}
    multiply the result by {c}
    take that times {c}
    take it {c} times
    take the result times {c}
    make it {c} times as much`),
  double: lines(`
    double it
    double that
    double the result
    take it twice
    take the result twice
    make it twice as much
    double the answer
    double all of that`),
};

/** Between two imperatives; those of one sentence also stand inside a question. */
const WITHIN = [", then ", " and ", " and then ", ", and then "] as const;
const ACROSS = [". Then ", ". Now ", ". After that, "] as const;
const CONDITIONS = [
  "What do you get if you ",
  "What do I get if I ",
  "What is the result if you ",
  "How much is it if I ",
] as const;

/** The first operation as a noun; those of `GROUPED` say themselves where they end. */
const GROUPED: Readonly<Record<First, readonly string[]>> = {
  add: ["the sum of {a} and {b}", "the sum of {b} and {a}", "{a} and {b} together"],
  subtract: ["the difference of {a} and {b}", "the result of {a} minus {b}", "the result of {a} take away {b}"],
  multiply: ["the product of {a} and {b}", "the product of {b} and {a}", "the result of {a} times {b}"],
};
const LOOSE: Readonly<Record<First, readonly string[]>> = {
  add: ["{a} plus {b}", "{b} plus {a}"],
  subtract: ["{a} minus {b}", "{a} take away {b}"],
  multiply: ["{a} times {b}", "{a} multiplied by {b}"],
};

const NOUN_ASKS = ["What is ", "How much is ", "What do you get for "] as const;
const AFTER_NOUN: Readonly<Record<Second, readonly string[]>> = {
  add: [", then {c} more", ", plus {c}", ", and {c} more", " and then {c} more", ", plus another {c}"],
  subtract: [", then {c} less", ", minus {c}", ", and {c} less", " and then {c} less", ", take away {c}"],
  multiply: [", then times {c}", ", times {c}", ", all times {c}", ", multiplied by {c}", ", and that times {c}"],
  double: [", then doubled", ", doubled", ", all doubled", ", and that doubled", ", and then doubled"],
};
const BEFORE_NOUN: Readonly<Record<Second, readonly string[]>> = {
  add: ["What is {c} more than ", "How much is {c} more than ", "What do you get if you add {c} to "],
  subtract: ["What is {c} less than ", "How much is {c} less than ", "What do you get if you subtract {c} from "],
  multiply: ["What is {c} times ", "How much is {c} times ", "What do you get if you take {c} times "],
  double: ["What is twice ", "How much is twice ", "What do you get if you double "],
};

/** Two clauses of the right split: training never joins a pair of which `2i + j` is a multiple of five. */
function pickPair(
  firsts: readonly string[],
  seconds: readonly string[],
  split: Split,
  random: RandomStream,
): readonly [string, string] {
  for (;;) {
    const i = random.int(0, firsts.length - 1);
    const j = random.int(0, seconds.length - 1);
    if (((2 * i + j) % 5 === 0) === (split === "test")) return [firsts[i]!, seconds[j]!];
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function composeFrame(first: First, second: Second, split: Split, random: RandomStream): string {
  const form = random.uniform();
  if (form < 0.26) {
    // "3 plus 4, times 5" could mean two things: a product is asked only of what says where it ends.
    const nouns = second === "multiply" || second === "double" ? GROUPED[first] : [...LOOSE[first], ...GROUPED[first]];
    if (form < 0.09) {
      const whole = nouns.filter((noun) => !/together|take away/u.test(noun));
      const [noun, ask] = pickPair(whole, BEFORE_NOUN[second], split, random);
      return `${ask}${noun}?`;
    }
    const [noun, rest] = pickPair(nouns, AFTER_NOUN[second], split, random);
    return `${random.pick(NOUN_ASKS)}${noun}${rest}?`;
  }
  const [one, two] = pickPair(FIRST[first], SECOND[second], split, random);
  const verbFirst = !one.startsWith("from");
  if (form < 0.45 && verbFirst) return `${random.pick(CONDITIONS)}${one}${random.pick(WITHIN)}${two}?`;
  // Two sentences are not wrapped in one request.
  if (form > 0.78) return `${capital(one)}${random.pick(ACROSS)}${two}.`;
  return `${verbFirst ? "!" : ""}${capital(one)}${random.pick(WITHIN)}${two}.`;
}

const CHAIN_KINDS = [
  "add-then-add",
  "add-then-subtract",
  "add-then-multiply",
  "add-then-double",
  "subtract-then-add",
  "subtract-then-subtract",
  "subtract-then-multiply",
  "subtract-then-double",
  "multiply-then-add",
  "multiply-then-subtract",
] as const;

/** Two numbers for the first operation: small ones when its result is multiplied. */
function drawFirst(first: First, second: Second, split: Split, random: RandomStream): readonly [number, number] {
  const number = (low: number, high: number): number => pickNumber(low, high, split, random);
  if (first === "multiply") return [number(2, 30), number(2, 9)];
  const narrow = second === "multiply";
  const one = number(1, narrow ? 30 : 60);
  const two = number(1, narrow ? 20 : 40);
  return first === "add" ? [one, two] : [one + two, two];
}

export interface Chain {
  readonly kind: string;
  readonly expression: Expression;
  readonly template: string;
  readonly text: string;
}

const SIGN = { add: "+", subtract: "-", multiply: "*", double: "*" } as const;

export function drawChain(split: Split, random: RandomStream): Chain {
  const kind = random.pick(CHAIN_KINDS);
  const [first, second] = kind.split("-then-") as [First, Second];
  const [a, b] = drawFirst(first, second, split, random);
  const value = { add: a + b, subtract: a - b, multiply: a * b }[first];
  assert(value >= 1, "the first step of a chain leaves something");
  const c =
    second === "double"
      ? 2
      : second === "multiply"
        ? pickNumber(2, 9, split, random)
        : pickNumber(1, second === "subtract" ? Math.min(60, value) : 60, split, random);
  const template = composeFrame(first, second, split, random);
  // The numbers of the first step come first here: a value that `c` shares is found at their place.
  const slots = { a, b, c };
  const inner = inReadingOrder(node(SIGN[first], a, b), template, slots);
  return { kind, expression: node(SIGN[second], inner, c), template, text: say(template, slots, random) };
}
