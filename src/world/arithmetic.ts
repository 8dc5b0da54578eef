/** Arithmetic: one to three operations in signs or words, or told as a chain ("add 5 to 9, then double it"). */
import type { RandomStream } from "../core/index.ts";
import { pickNumber, WITHHELD_NUMBERS } from "./entities.ts";
import { evaluate, inReadingOrder, node, operands, render, steps, type Expression, type Operation } from "./steps.ts";
import { frames, pickFrame, say } from "./templates.ts";
import type { Split, WorldItem } from "./types.ts";

/** Frames around a whole expression `{e}`. */
const ASK = frames(`
  What is {e}?
  !Calculate {e}.
  How much is {e}?
  {e} =
  How much do I get for {e}?
  What do you get for {e}?
  !Work out {e}.
  {e}
  !Tell me what {e} is.
  !Tell me how much {e} is.
  !Compute {e}.
  What does {e} make?
  I need the answer to {e}.
  Do you know what {e} is?
  !Work out what {e} is.
  !Find {e}.
  What is the result of {e}?
  !Give me the result of {e}.
  How much does {e} make?
  !Find the result of {e}.
  {e}?
  !Solve {e}.
  What is the answer to {e}?
  Do you know how much {e} makes?
  !Give me the answer to {e}.
  !Help me with {e}.
  {e}, how much is that?
  I want to know what {e} is.
  {e}, what is that?
  I want to know how much {e} is.`);

/** Frames of their own for a single operation. */
const SINGLE = {
  "+": frames(`
    !Add {a} and {b}.
    What is the sum of {a} and {b}?
    !Add {b} to {a}.
    How much is {a} and {b} together?
    What do you get if you add {a} and {b}?
    What do I get if I add {b} to {a}?
    {a} and {b} together?
    !Tell me the sum of {a} and {b}.
    What is {b} more than {a}?
    !Work out the sum of {a} and {b}.`),
  "-": frames(`
    !Subtract {b} from {a}.
    What is the difference of {a} and {b}?
    !Take {b} away from {a}.
    What is left if you take {b} from {a}?
    What do you get if you subtract {b} from {a}?
    What is {b} less than {a}?
    What do I get if I take {b} away from {a}?
    !Work out the difference of {a} and {b}.
    {a} take away {b}?
    !Tell me what is left if I take {b} from {a}.`),
  "*": frames(`
    !Multiply {a} by {b}.
    What is the product of {a} and {b}?
    !Multiply {a} and {b}.
    What do I get if I multiply {a} by {b}?
    !Work out the product of {a} and {b}.
    How much is {a} multiplied by {b}?
    What do you get for the product of {a} and {b}?
    !Tell me what {a} multiplied by {b} is.
    {a} multiplied by {b}?
    What do you get if you multiply {a} and {b}?`),
  "/": frames(`
    !Divide {a} by {b}.
    How often does {b} go into {a}?
    What do I get if I divide {a} by {b}?
    !Work out {a} divided by {b}.
    What do you get if you divide {a} by {b}?
    How many times does {b} go into {a}?
    !Split {a} into {b} equal parts.
    How much is each part if {a} are split into {b}?
    !Tell me how often {b} goes into {a}.
    How much is each part if I split {a} into {b} equal parts?`),
} as const satisfies Record<Operation, unknown>;

const CHAINS: readonly {
  readonly kind: string;
  readonly make: (a: number, b: number, c: number) => Expression;
  readonly family: ReturnType<typeof frames>;
}[] = [
  {
    kind: "add-then-double",
    make: (a, b) => node("*", node("+", a, b), 2),
    family: frames(`
      !Add {a} and {b}, then double it.
      Start with {a}, add {b}, then double it.
      What is {a} plus {b}, doubled?
      !Take {a}, add {b} and double the result.
      !Add {b} to {a} and double the result.`),
  },
  {
    kind: "add-then-multiply",
    make: (a, b, c) => node("*", node("+", a, b), c),
    family: frames(`
      !Add {a} and {b}, then multiply by {c}.
      Start with {a}, add {b}, then multiply by {c}.
      !Take {a}, add {b} and multiply the result by {c}.
      What is the sum of {a} and {b}, times {c}?
      !Add {b} to {a} and multiply the result by {c}.`),
  },
  {
    kind: "multiply-then-add",
    make: (a, b, c) => node("+", node("*", c, b), a),
    family: frames(`
      !Multiply {c} by {b}, then add {a}.
      Start with {c}, multiply by {b}, then add {a}.
      !Take {c} times {b} and add {a}.
      What is {a} more than {c} times {b}?
      !Take {c}, multiply it by {b} and add {a}.`),
  },
  {
    kind: "subtract-then-add",
    make: (a, b, c) => node("+", node("-", a + b, b), c),
    family: frames(`
      Start with {s}, take away {b}, then add {c}.
      !Subtract {b} from {s}, then add {c}.
      !Take {s}, subtract {b} and add {c}.
      What is {s} less {b}, then {c} more?
      !Take {b} away from {s} and add {c}.`),
  },
];

const SIGNS: readonly Readonly<Record<Operation, string>>[] = [
  { "+": " + ", "-": " - ", "*": " * ", "/": " / " },
  { "+": "+", "-": "-", "*": "*", "/": "/" },
  { "+": " + ", "-": " - ", "*": " x ", "/": " : " },
  { "+": " plus ", "-": " minus ", "*": " times ", "/": " divided by " },
];
const WORDS = SIGNS[3]!;

export const ANSWERS: readonly string[] = ["The answer is {v}.", "That is {v}.", "It is {v}."];

/** Draws one of the expression shapes; sums stay below 1000, differences are not negative. */
function drawExpression(split: Split, random: RandomStream): { kind: string; expression: Expression } {
  const number = (low: number, high: number): number => pickNumber(low, high, split, random);
  const small = (): number => number(2, 9);
  const shape = random.int(0, 19);
  if (shape <= 3) return { kind: "add", expression: drawSum(number, random) };
  if (shape <= 7) return { kind: "subtract", expression: drawDifference(number, random) };
  if (shape <= 10) return { kind: "multiply", expression: node("*", number(2, 12), number(2, 99)) };
  if (shape === 11) return { kind: "multiply", expression: node("*", number(2, 99), number(2, 12)) };
  if (shape <= 13) return { kind: "divide", expression: drawQuotient(split, random) };
  const product = (): Expression => node("*", number(2, 30), small());
  switch (shape) {
    case 14:
      return { kind: "add-product", expression: node("+", number(1, 99), product()) };
    case 15:
      return { kind: "product-add", expression: node("+", product(), number(1, 99)) };
    case 16: {
      const first = product();
      const value = evaluate(first);
      return { kind: "product-subtract", expression: node("-", first, number(1, Math.min(99, value))) };
    }
    case 17:
      return { kind: "sum-product", expression: node("*", node("+", number(1, 20), number(1, 20)), small()) };
    case 18: {
      const sum = node("+", number(1, 99), number(1, 99));
      const expression = random.chance(0.5)
        ? node("+", sum, number(1, 99))
        : node("-", sum, number(1, Math.min(99, evaluate(sum))));
      return { kind: "three-terms", expression };
    }
    default:
      return {
        kind: "two-products",
        expression: node("+", node("*", small(), small()), node("*", small(), number(2, 30))),
      };
  }
}

type Draw = (low: number, high: number) => number;

function drawSum(number: Draw, random: RandomStream): Expression {
  if (random.chance(0.3)) {
    const a = number(100, 899);
    return node("+", a, number(10, 999 - a));
  }
  return node("+", number(0, 99), number(0, 99));
}

function drawDifference(number: Draw, random: RandomStream): Expression {
  if (random.chance(0.3)) {
    const a = number(100, 999);
    return node("-", a, number(10, a));
  }
  const a = number(2, 99);
  return node("-", a, number(1, a));
}

function drawQuotient(split: Split, random: RandomStream): Expression {
  for (;;) {
    const divisor = pickNumber(2, 12, split, random);
    const dividend = divisor * random.int(1, 12);
    if (split === "test" || !WITHHELD_NUMBERS.has(dividend)) return node("/", dividend, divisor);
  }
}

interface Asked {
  readonly kind: string;
  readonly expression: Expression;
  readonly template: string;
  readonly text: string;
}

function drawChain(split: Split, random: RandomStream): Asked {
  const { kind, make, family } = random.pick(CHAINS);
  const wide = kind === "subtract-then-add";
  const a = pickNumber(1, wide ? 60 : 40, split, random);
  const b = pickNumber(kind.endsWith("multiply") || kind.startsWith("add") ? 1 : 2, wide ? 39 : 9, split, random);
  const c = pickNumber(2, kind === "multiply-then-add" || wide ? 30 : 9, split, random);
  const template = pickFrame(family, split, random);
  const slots = { a, b, c, s: a + b };
  const expression = inReadingOrder(make(a, b, c), template, slots);
  return { kind, expression, template, text: say(template, slots, random) };
}

function drawAsked(split: Split, random: RandomStream): Asked {
  if (random.chance(0.15)) return drawChain(split, random);
  const { kind, expression } = drawExpression(split, random);
  if (typeof expression !== "number" && typeof expression.left === "number" && typeof expression.right === "number") {
    if (random.chance(0.35)) {
      const template = pickFrame(SINGLE[expression.op], split, random);
      const slots = { a: expression.left, b: expression.right };
      const read = inReadingOrder(expression, template, slots);
      return { kind, expression: read, template, text: say(template, slots, random) };
    }
  }
  const template = pickFrame(ASK, split, random);
  const worded = render(expression, WORDS);
  // Words have no parentheses: a grouped expression is asked in signs.
  const signs = random.chance(0.5) && !worded.includes("(") ? WORDS : random.pick(SIGNS.slice(0, 3));
  return { kind, expression, template, text: say(template, { e: render(expression, signs) }, random) };
}

export function arithmeticItem(split: Split, random: RandomStream): WorldItem {
  for (;;) {
    const { kind, expression, template, text } = drawAsked(split, random);
    const stated = operands(expression);
    const withheld = stated.some((value) => WITHHELD_NUMBERS.has(value));
    if (withheld !== (split === "test")) continue; // chains state a sum that was not drawn itself
    const value = evaluate(expression);
    const answer = random.pick(ANSWERS).replace("{v}", String(value));
    return {
      skill: "arithmetic",
      kind,
      template,
      turns: [
        { role: "user", text },
        { role: "assistant", thinking: steps(expression), text: answer },
      ],
      expect: { kind: "number", value },
    };
  }
}

/** "Now add 5": a second exchange that needs the first one's answer. */
const FOLLOW_UPS = {
  "+": frames(`
    !Now add {b}.
    And plus {b}?
    !Add {b} to that.
    And {b} more?
    Plus {b}?`),
  "-": frames(`
    !Now subtract {b}.
    And minus {b}?
    !Subtract {b} from that.
    And {b} less?
    Minus {b}?`),
  "*": frames(`
    !Now multiply it by {b}.
    And times {b}?
    !Multiply that by {b}.
    And that times {b}?
    Times {b}?`),
} as const;

/** The item with one more exchange, or itself when its value is out of comfortable range. */
export function arithmeticFollowUp(first: WorldItem, split: Split, random: RandomStream): WorldItem {
  if (first.expect.kind !== "number" || first.expect.value > 200 || first.expect.value < 2) return first;
  const value = first.expect.value;
  const op = value <= 30 ? random.pick(["+", "-", "*"] as const) : random.pick(["+", "-"] as const);
  const b = op === "*" ? pickNumber(2, 9, split, random) : pickNumber(1, Math.min(60, value), split, random);
  const expression = node(op, value, b);
  const template = pickFrame(FOLLOW_UPS[op], split, random);
  return {
    skill: "arithmetic",
    kind: "follow-up",
    template,
    turns: [
      ...first.turns,
      { role: "user", text: say(template, { b }, random) },
      {
        role: "assistant",
        thinking: steps(expression),
        text: random.pick(ANSWERS).replace("{v}", String(evaluate(expression))),
      },
    ],
    expect: { kind: "number", value: evaluate(expression) },
  };
}
