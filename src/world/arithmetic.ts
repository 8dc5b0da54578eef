/** Arithmetic: one to three operations in signs or words, or told as a chain ("add 5 to 9, then double it"). */
import type { RandomStream } from "../core/index.ts";
import { drawChain, type Chain } from "./chains.ts";
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
  I want to know how much {e} is.
  What do I get if I work out {e}?
  {e} makes what?
  !Solve this: {e}
  What would {e} be?
  ~Do you know the answer to {e}?
  ~!Tell me the result of {e}.
  ~I need to know how much {e} makes.
  ~{e}, how much does that make?
  ~What do I get for {e}?
  ~!Find out what {e} makes.
  ~I want the result of {e}.
  ~!Compute this: {e}
  ~!Help me find the answer to {e}.
  ~What is the result if I calculate {e}?
  I need to find out what {e} is.`);

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
    !Work out the sum of {a} and {b}.
    How much do {a} and {b} make together?
    !Put {a} and {b} together.
    !Start with {a} and add {b}.
    I have {a} and get {b} more. How much is that?
    ~How much is the sum of {a} and {b}?
    ~What do you get if you start with {a} and add {b}?
    ~!Tell me how much {a} and {b} make together.
    ~How much is {b} more than {a}?
    What do I get if I put {a} and {b} together?`),
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
    !Tell me what is left if I take {b} from {a}.
    How much is left of {a} without {b}?
    !Start with {a} and subtract {b}.
    I have {a} and take away {b}. How much is left?
    What is {a} without {b}?
    ~How much is the difference of {a} and {b}?
    ~What is left if I subtract {b} from {a}?
    ~!Start with {a} and take away {b}.
    ~How much is {b} less than {a}?
    !Take {b} off {a}.`),
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
    What do you get if you multiply {a} and {b}?
    !Find the product of {a} and {b}.
    How much do {a} groups of {b} make?
    !Take {a} and multiply it by {b}.
    What is {a} times as much as {b}?
    ~!Tell me the product of {a} and {b}.
    ~How much do I get if I multiply {a} and {b}?
    ~What do you get if you take {a} and multiply it by {b}?
    ~How much is {a} times as much as {b}?
    !Start with {a} and multiply by {b}.`),
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
    How much is each part if I split {a} into {b} equal parts?
    !Share {a} among {b}.
    How many groups of {b} are in {a}?
    What number times {b} makes {a}?
    !Take {a} and divide it by {b}.
    ~!Work out how often {b} goes into {a}.
    ~What do you get if you split {a} into {b} equal parts?
    ~How many times is {b} in {a}?
    ~!Tell me how many groups of {b} are in {a}.
    How much is {a} divided by {b}?`),
} as const satisfies Record<Operation, unknown>;

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
  const product = (): Expression => node("*", number(2, 30), small());
  const shape = random.int(0, 99);
  if (shape < 15) return { kind: "add", expression: drawSum(number, random) };
  if (shape < 30) return { kind: "subtract", expression: drawDifference(number, random) };
  if (shape < 42) return { kind: "multiply", expression: node("*", number(2, 12), number(2, 99)) };
  if (shape < 46) return { kind: "multiply", expression: node("*", number(2, 99), number(2, 12)) };
  if (shape < 64) return { kind: "divide", expression: drawQuotient(split, random) };
  if (shape < 70) return { kind: "add-product", expression: node("+", number(1, 99), product()) };
  if (shape < 76) return { kind: "product-add", expression: node("+", product(), number(1, 99)) };
  if (shape < 82) {
    const first = product();
    const value = evaluate(first);
    return { kind: "product-subtract", expression: node("-", first, number(1, Math.min(99, value))) };
  }
  if (shape < 88) {
    return { kind: "sum-product", expression: node("*", node("+", number(1, 20), number(1, 20)), small()) };
  }
  if (shape < 94) {
    const sum = node("+", number(1, 99), number(1, 99));
    const expression = random.chance(0.5)
      ? node("+", sum, number(1, 99))
      : node("-", sum, number(1, Math.min(99, evaluate(sum))));
    return { kind: "three-terms", expression };
  }
  return {
    kind: "two-products",
    expression: node("+", node("*", small(), small()), node("*", small(), number(2, 30))),
  };
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

function drawAsked(split: Split, random: RandomStream): Chain {
  if (random.chance(0.22)) return drawChain(split, random);
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
    Plus {b}?
    !Add another {b}.
    What is that plus {b}?
    And if I add {b} to it?
    How much is it with {b} more?
    ~!Now add {b} to it.
    ~And if I add another {b}?
    ~How much is that plus {b}?`),
  "-": frames(`
    !Now subtract {b}.
    And minus {b}?
    !Subtract {b} from that.
    And {b} less?
    Minus {b}?
    !Take away {b}.
    What is that minus {b}?
    And if I take {b} away from it?
    How much is left without {b}?
    ~!Now take away {b}.
    ~And if I subtract {b} from it?
    ~How much is that minus {b}?`),
  "*": frames(`
    !Now multiply it by {b}.
    And times {b}?
    !Multiply that by {b}.
    And that times {b}?
    Times {b}?
    !Take that times {b}.
    What is that multiplied by {b}?
    And if I multiply it by {b}?
    How much is {b} times that?
    ~!Now take it times {b}.
    ~And if I take that times {b}?
    ~What is {b} times that?`),
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
