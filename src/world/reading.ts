/**
 * Questions over a short given text: a catalogue, an order, a policy, or notes about the house. The
 * answer is always in the text, or the right answer is that it is not.
 */
import type { RandomStream } from "../core/index.ts";
import { pickEntities, pickEntity, pickName, pickNames, pickNumber } from "./entities.ts";
import { COLORS, DAYS, ORDER_STATES } from "./lexicon/things.ts";
import { fill, frames, pickFrame, say, type Frames } from "./templates.ts";
import type { Split, Turn, WorldItem } from "./types.ts";

/** A question about a text that is drawn already; each call asks another one. */
type Ask = () => Question;

/** A question before it is put into a turn. */
interface Question {
  readonly kind: string;
  readonly family: Frames;
  readonly slots: Readonly<Record<string, string | number>>;
  readonly context: string;
  readonly answer: string;
  readonly accepted: readonly string[];
  /** Values of the same sort elsewhere in the text: naming one is wrong. */
  readonly rejected: readonly string[];
}

/** The right answer when the given text does not tell. Graders accept any reply with the words "not mentioned". */
export const NOT_MENTIONED = "That is not mentioned.";

const PRICE = frames(`
  How much is the {g}?
  What does the {g} cost?
  What is the price of the {g}?
  !Tell me the price of the {g}.
  How much does the {g} cost?
  The {g}, how much is it?
  How many dollars is the {g}?
  What do I pay for the {g}?
  What is the cost of the {g}?
  How much do I pay for the {g}?`);
const COLOR = frames(`
  What color is the {g}?
  What is the color of the {g}?
  !Tell me the color of the {g}.
  Which color does the {g} have?
  Which color is the {g}?
  The {g}, what color is it?
  In which color does the {g} come?
  !Look up the color of the {g}.
  What color does the {g} come in?
  What color does the {g} have?`);
const STOCK = frames(`
  How many of the {g} are in stock?
  What is the stock of the {g}?
  How many are left of the {g}?
  !Tell me how many of the {g} there are.
  How many of the {g} are left?
  The {g}, how many are there?
  How many of the {g} do you have?
  !Look up the stock of the {g}.
  How many of the {g} are there?
  !Tell me the stock of the {g}.`);
const AVAILABLE = frames(`
  Is the {g} in stock?
  Can I still get the {g}?
  Do you still have the {g}?
  Is the {g} sold out or in stock?
  Do you have the {g} in stock?
  Can I buy the {g}?
  Are there any left of the {g}?
  Is there still a {g}?
  The {g}, is it in stock?
  Is the {g} still in stock?`);
const CHEAPER = frames(`
  Which is cheaper, the {g} or the {h}?
  What is cheaper, the {g} or the {h}?
  Is the {g} or the {h} cheaper?
  Which one costs less, the {g} or the {h}?
  Which costs less, the {g} or the {h}?
  The {g} or the {h}, which is cheaper?
  !Tell me which is cheaper, the {g} or the {h}.
  What costs less, the {g} or the {h}?
  !Tell me what is cheaper, the {g} or the {h}.
  The {g} or the {h}, which costs less?`);

const dollars = (value: number): string => `$${value}`;
const counts = (value: number): string => (value === 0 ? "sold out" : `${value} in stock`);

interface Product {
  readonly name: string;
  readonly price: number;
  readonly color: string;
  readonly stock: number;
}

function drawProducts(count: number, split: Split, random: RandomStream): Product[] {
  const prices = new Set<number>();
  while (prices.size < count) prices.add(pickNumber(2, 199, split, random));
  const colors = random.shuffled(COLORS);
  const stocks = new Set<number>();
  while (stocks.size < count) stocks.add(pickNumber(1, 99, split, random));
  const [price, stock] = [[...prices], [...stocks]];
  return pickEntities("goods", count, split, random).map((name, i) => ({
    name,
    price: price[i]!,
    color: colors[i]!,
    stock: random.chance(0.3) ? 0 : stock[i]!,
  }));
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function catalogue(random: RandomStream, products: readonly Product[]): string {
  const style = random.int(0, 2);
  return products
    .map(({ name, price, color, stock }) => {
      if (style === 0) return `${capital(name)}: ${dollars(price)}, ${color}, ${counts(stock)}.`;
      if (style === 1) return `${name}, ${color}, ${counts(stock)}, ${dollars(price)};`;
      return `The ${name} is ${color}, costs ${dollars(price)} and is ${stock === 0 ? "sold out" : `in stock: ${stock}`}.`;
    })
    .join(" ");
}

function productText(split: Split, random: RandomStream): Ask {
  const products = drawProducts(random.int(3, 4), split, random);
  const context = catalogue(random, products);
  return () => productQuestion(products, context, random);
}

function productQuestion(products: readonly Product[], context: string, random: RandomStream): Question {
  const product = random.pick(products);
  const others = products.filter((other) => other !== product);
  const slots = { g: product.name };
  const base = { slots, context };
  switch (random.int(0, 4)) {
    case 0: {
      const price = dollars(product.price);
      const rejected = others.map((other) => dollars(other.price));
      const answer = `The ${product.name} costs ${price}.`;
      return { ...base, kind: "price", family: PRICE, answer, accepted: [price, `${product.price} dollars`], rejected };
    }
    case 1: {
      const rejected = others.map((other) => other.color);
      const answer = `The ${product.name} is ${product.color}.`;
      return { ...base, kind: "color", family: COLOR, answer, accepted: [product.color], rejected };
    }
    case 2: {
      const { stock } = product;
      const rejected = others.map((other) => String(other.stock)).filter((value) => value !== String(stock));
      const answer = stock === 0 ? `The ${product.name} is sold out.` : `There are ${stock} in stock.`;
      const accepted = stock === 0 ? ["sold out"] : [String(stock)];
      return {
        ...base,
        kind: "stock",
        family: STOCK,
        answer,
        accepted,
        rejected: stock === 0 ? [] : [...rejected, "sold out"],
      };
    }
    case 3: {
      const yes = product.stock > 0;
      const answer = yes ? `Yes, the ${product.name} is in stock.` : `No, the ${product.name} is sold out.`;
      return {
        ...base,
        kind: "available",
        family: AVAILABLE,
        answer,
        accepted: [yes ? "yes" : "no"],
        rejected: [yes ? "no" : "yes"],
      };
    }
    default: {
      const other = random.pick(others);
      const [cheap, dear] = product.price < other.price ? [product, other] : [other, product];
      const answer = `The ${cheap.name} is cheaper.`;
      const words = { g: product.name, h: other.name };
      return {
        kind: "cheaper",
        family: CHEAPER,
        slots: words,
        context,
        answer,
        accepted: [cheap.name],
        rejected: [dear.name],
      };
    }
  }
}

const ORDER_DAY = frames(`
  When does order {o} arrive?
  On which day does order {o} arrive?
  !Tell me when order {o} arrives.
  What day does order {o} come?
  When does order {o} come?
  Order {o}, when does it arrive?
  On what day will order {o} arrive?
  When will order {o} come?
  !Tell me on which day order {o} comes.
  When will order {o} arrive?`);
const ORDER_STATE = frames(`
  What is the status of order {o}?
  What about order {o}?
  !Tell me the status of order {o}.
  Order {o}, what is the status?
  Which status does order {o} have?
  How is order {o} doing?
  !Look up the status of order {o}.
  What is going on with order {o}?
  What status does order {o} have?
  What is the status of my order {o}?`);
const ORDER_OWNER = frames(`
  Who is order {o} for?
  Whose order is {o}?
  For whom is order {o}?
  !Tell me who order {o} is for.
  Who gets order {o}?
  Order {o}, who is it for?
  Who is waiting for order {o}?
  Who placed order {o}?
  !Tell me who gets order {o}.
  Order {o}, who gets it?`);
const ORDER_CONTENT = frames(`
  What is in order {o}?
  What did we order in {o}?
  !Tell me what is in order {o}.
  Order {o}, what is in it?
  What does order {o} contain?
  Which product is in order {o}?
  !Look up what is in order {o}.
  What was ordered in {o}?
  Order {o}, what does it contain?
  Which product does order {o} contain?`);

function orderText(split: Split, random: RandomStream): Ask {
  const count = random.int(2, 3);
  const names = pickNames(count, split, random);
  const goods = pickEntities("goods", count, split, random);
  const days = random.shuffled(DAYS);
  const states = random.shuffled(ORDER_STATES);
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(random.int(1000, 9999));
  const orders = [...numbers].map((o, i) => ({
    o,
    name: names[i]!,
    good: goods[i]!,
    day: days[i]!,
    state: states[i]!,
  }));
  const style = random.int(0, 1);
  const context = orders
    .map(({ o, name, good, day, state }) =>
      style === 0
        ? `Order ${o}: ${good} for ${name}, ${state}, arrives on ${day}.`
        : `Order ${o} is for ${name}. Product: ${good}. Status: ${state}. Day: ${day}.`,
    )
    .join(" ");
  return () => orderQuestion(orders, context, random);
}

interface Order {
  readonly o: number;
  readonly name: string;
  readonly good: string;
  readonly day: string;
  readonly state: string;
}

function orderQuestion(orders: readonly Order[], context: string, random: RandomStream): Question {
  const asked = random.pick(orders);
  const others = orders.filter((other) => other !== asked);
  const { o } = asked;
  const fields = [
    { kind: "order-day", family: ORDER_DAY, key: "day", answer: `Order ${o} arrives on ${asked.day}.` },
    { kind: "order-state", family: ORDER_STATE, key: "state", answer: `Order ${o} is ${asked.state}.` },
    { kind: "order-owner", family: ORDER_OWNER, key: "name", answer: `Order ${o} is for ${asked.name}.` },
    { kind: "order-content", family: ORDER_CONTENT, key: "good", answer: `Order ${o} contains the ${asked.good}.` },
  ] as const;
  const { kind, family, key, answer } = random.pick(fields);
  return {
    kind,
    family,
    slots: { o },
    context,
    answer,
    accepted: [asked[key]],
    rejected: others.map((other) => other[key]),
  };
}

/** Policies: what is asked, how it stands in the text, how it is answered. `{v}` is the value. */
const POLICIES: readonly {
  readonly kind: string;
  readonly family: Frames;
  readonly fact: string;
  readonly answer: string;
  readonly draw: (split: Split, random: RandomStream) => string;
}[] = [
  {
    kind: "returns",
    fact: "[You can return goods|Returns are possible] within {v} days.",
    answer: "You have {v} days.",
    draw: (split, random) => String(pickNumber(7, 90, split, random)),
    family: frames(`
      How long can I return goods?
      How many days do I have to return something?
      What is the return window?
      Within how many days can I return something?
      How many days can I return goods?
      How long do I have for a return?
      Until when can I return something?
      How long is the return window?
      !Tell me how long I can return goods.
      How many days do I have for a return?`),
  },
  {
    kind: "shipping-time",
    fact: "[Shipping takes|Delivery takes] {v} days.",
    answer: "It takes {v} days.",
    draw: (split, random) => String(pickNumber(2, 30, split, random)),
    family: frames(`
      How long does shipping take?
      How many days does delivery take?
      How fast is shipping?
      When will I get my goods?
      How long does delivery take?
      !Tell me how long shipping takes.
      How long is the delivery time?
      How fast is delivery?
      How many days does shipping take?
      !Tell me how many days delivery takes.`),
  },
  {
    kind: "shipping-cost",
    fact: "[Shipping costs|The shipping fee is] {v}.",
    answer: "Shipping costs {v}.",
    draw: (split, random) => dollars(pickNumber(2, 40, split, random)),
    family: frames(`
      What does shipping cost?
      How much is shipping?
      How much is the shipping fee?
      What do I pay for shipping?
      How much does shipping cost?
      !Tell me the shipping fee.
      What is the fee for shipping?
      What is the shipping cost?
      What is the shipping fee?
      How much do I pay for shipping?`),
  },
  {
    kind: "opening",
    fact: "[The shop opens at|We open at] {v}.",
    answer: "The shop opens at {v}.",
    draw: (_split, random) => `${random.int(5, 11)}:${random.pick(["00", "15", "30", "45"])}`,
    family: frames(`
      When do you open?
      When does the shop open?
      At what time do you open?
      What is the opening time?
      At what time does the shop open?
      !Tell me when you open.
      From when on is the shop open?
      How early can I come?
      !Tell me when the shop opens.
      At what time can I come?`),
  },
  {
    kind: "closing",
    fact: "[The shop closes at|We close at] {v}.",
    answer: "The shop closes at {v}.",
    draw: (_split, random) => `${random.int(15, 22)}:${random.pick(["00", "15", "30", "45"])}`,
    family: frames(`
      When do you close?
      When does the shop close?
      At what time do you close?
      Until when is the shop open?
      At what time does the shop close?
      !Tell me when you close.
      How long are you open?
      What is the closing time?
      !Tell me when the shop closes.
      Until when are you open?`),
  },
  {
    kind: "warranty",
    fact: "[The warranty is|The warranty lasts] {v} months.",
    answer: "The warranty is {v} months.",
    draw: (split, random) => String(pickNumber(6, 60, split, random)),
    family: frames(`
      How long is the warranty?
      How many months of warranty do I get?
      How long does the warranty last?
      What is the warranty?
      How many months does the warranty last?
      !Tell me how long the warranty lasts.
      What warranty do I get?
      How much warranty is there?
      How many months is the warranty?
      !Tell me how long the warranty is.`),
  },
  {
    kind: "contact",
    fact: "[For help ask|Questions go to] {v}.",
    answer: "You can ask {v}.",
    draw: (split, random) => pickName(split, random),
    family: frames(`
      Who can help me?
      Whom can I ask for help?
      Who can I ask?
      I have a question, who can help?
      Who can I ask for help?
      I need help, whom do I ask?
      Who answers questions?
      Whom do I ask if I have a question?
      Whom can I ask if I need help?
      I need help, who can I ask?`),
  },
  {
    kind: "closed-day",
    fact: "[We are closed on|The shop is closed on] {v}.",
    answer: "The shop is closed on {v}.",
    draw: (_split, random) => random.pick(DAYS),
    family: frames(`
      On which day are you closed?
      When is the shop closed?
      Which day is the shop closed?
      On what day are you not open?
      On which day is the shop closed?
      !Tell me on which day you are closed.
      What day is the shop closed?
      Is there a day when you are closed?
      On what day is the shop closed?
      Which day are you closed?`),
  },
];

function policyText(split: Split, random: RandomStream): Ask {
  const chosen = random.shuffled(POLICIES).slice(0, random.int(3, 5));
  const values = chosen.map((policy) => policy.draw(split, random));
  const facts = chosen.map((policy, i) => fill(policy.fact, { v: values[i]! }, random));
  const context = facts.join(" ");
  return () => {
    const at = random.int(0, chosen.length - 1);
    const { kind, family, answer: form } = chosen[at]!;
    const value = values[at]!;
    const answer = fill(form, { v: value }, random);
    const rejected = values.filter((other, i) => i !== at && other !== value);
    return { kind, family, slots: {}, context, answer, accepted: [value], rejected };
  };
}

const WHERE = frames(`
  Where is the {b}?
  !Tell me where the {b} is.
  Where can I find the {b}?
  Where did we put the {b}?
  Where do I find the {b}?
  I cannot find the {b}.
  I am looking for the {b}.
  The {b}, where is it?
  I am looking for the {b}, where is it?
  !Tell me where I can find the {b}.`);
const WHO = frames(`
  Who {c}?
  !Tell me who {c}.
  Which person {c}?
  I want to know who {c}.
  Which of them {c}?
  Do you know who {c}?
  Who of them {c}?
  What is the name of the person who {c}?
  Do you know which person {c}?
  !Tell me which person {c}.`);
const CHORE_OF = frames(`
  What does {n} do?
  What is the job of {n}?
  !Tell me what {n} does.
  Which job does {n} have?
  What job does {n} have?
  What does {n} do at home?
  {n} has which job?
  !Tell me the job of {n}.
  Which job does {n} do?
  !Tell me which job {n} has.`);

function notesText(split: Split, random: RandomStream): Ask {
  const count = random.int(2, 3);
  const things = pickEntities("belongings", count, split, random);
  const spots = pickEntities("spots", count, split, random);
  const names = pickNames(count, split, random);
  const chores = pickEntities("chores", count, split, random);
  const facts = [
    ...things.map((thing, i) => `The ${thing} is ${spots[i]}.`),
    ...names.map((name, i) => `${name} ${chores[i]}.`),
  ];
  const context = random.shuffled(facts).join(" ");
  return () => notesQuestion({ things, spots, names, chores }, context, random);
}

type Notes = Readonly<Record<"things" | "spots" | "names" | "chores", readonly string[]>>;

function notesQuestion({ things, spots, names, chores }: Notes, context: string, random: RandomStream): Question {
  const at = random.int(0, things.length - 1);
  const except = (values: readonly string[]): string[] => values.filter((_, i) => i !== at);
  switch (random.int(0, 3)) {
    case 0:
    case 1: {
      const answer = `The ${things[at]!} is ${spots[at]!}.`;
      const slots = { b: things[at]! };
      return { kind: "where", family: WHERE, slots, context, answer, accepted: [spots[at]!], rejected: except(spots) };
    }
    case 2: {
      const answer = `${names[at]!} ${chores[at]!}.`;
      const slots = { c: chores[at]! };
      return { kind: "who", family: WHO, slots, context, answer, accepted: [names[at]!], rejected: except(names) };
    }
    default: {
      const answer = `${names[at]!} ${chores[at]!}.`;
      const slots = { n: names[at]! };
      return {
        kind: "chore",
        family: CHORE_OF,
        slots,
        context,
        answer,
        accepted: [chores[at]!],
        rejected: except(chores),
      };
    }
  }
}

const TEXTS = [productText, productText, orderText, policyText, notesText] as const;

/** The same question with what it asks about replaced by something the text does not have. */
function notMentioned(question: Question, split: Split, random: RandomStream): Question | null {
  const absent: Record<string, string | number> = { ...question.slots };
  if ("h" in absent || question.kind === "available") return null;
  if ("g" in absent) absent["g"] = pickEntity("goods", split, random);
  else if ("o" in absent) absent["o"] = random.int(1000, 9999);
  else if ("b" in absent) absent["b"] = pickEntity("belongings", split, random);
  else if ("c" in absent) absent["c"] = pickEntity("chores", split, random);
  else if ("n" in absent) absent["n"] = pickName(split, random);
  else return withoutPolicy(question, split, random);
  const lower = question.context.toLowerCase();
  if (Object.values(absent).some((value) => lower.includes(String(value).toLowerCase()))) return null;
  return { ...question, kind: "not-mentioned", slots: absent, ...ABSTAIN, rejected: [] };
}

const ABSTAIN = { answer: NOT_MENTIONED, accepted: ["not mentioned"] } as const;

/** A policy question over a text without that policy. */
function withoutPolicy(question: Question, split: Split, random: RandomStream): Question | null {
  const other = policyText(split, random)();
  const policy = POLICIES.find((candidate) => candidate.kind === question.kind)!;
  const opening = policy.fact.slice(1).split("]")[0]!.split("|");
  if (opening.some((phrase) => other.context.includes(phrase))) return null;
  return { ...question, kind: "not-mentioned", context: other.context, ...ABSTAIN, rejected: [] };
}

const SYSTEM_TEXTS = ["Answer from the text.", "Use the text to answer.", "Here is what you know."];

/** Share of items with a second question about the same text. */
const TWO_QUESTIONS = 0.3;

export function readingItem(split: Split, random: RandomStream): WorldItem {
  const ask = random.pick(TEXTS)(split, random);
  const first = ask();
  let question = random.chance(TWO_QUESTIONS) ? ask() : first;
  const two = question.answer !== first.answer;
  if (!two && random.chance(0.12)) question = notMentioned(question, split, random) ?? question;
  const { context } = question;
  const template = pickFrame(question.family, split, random);
  const turns: Turn[] = [];
  if (two) {
    const opening = say(pickFrame(first.family, split, random), first.slots, random);
    turns.push({ role: "user", text: opening }, { role: "assistant", text: first.answer });
  }
  turns.push(
    { role: "user", text: say(template, question.slots, random) },
    { role: "assistant", text: question.answer },
  );
  if (random.chance(0.2)) turns.unshift({ role: "system", text: random.pick(SYSTEM_TEXTS), context });
  else turns[0] = { ...turns[0]!, context };
  const expect = { kind: "text", accepted: question.accepted, rejected: question.rejected } as const;
  return { skill: "reading", kind: question.kind, template, turns, expect };
}
