/** A catalogue: prices, colours and stock, one product a line, and questions about one product or two. */
import type { RandomStream } from "../../core/index.ts";
import { pickEntities, pickNumber } from "../entities.ts";
import { COLORS } from "../lexicon/things.ts";
import { frames } from "../templates.ts";
import type { Split } from "../types.ts";
import { dollars, type Ask, type Question } from "./question.ts";

const PRICE = frames(`
  How much is the {g}?
  What does the {g} cost?
  What is the price of the {g}?
  !Tell me the price of the {g}.
  How much does the {g} cost?
  The {g}, how much is it?
  How many dollars is the {g}?
  ~What do I pay for the {g}?
  What is the cost of the {g}?
  How much do I pay for the {g}?
  !Look up the price of the {g}.
  ~!Tell me the cost of the {g}.
  I want to know the price of the {g}.
  How many dollars do I pay for the {g}?
  ~The {g}, what does it cost?
  How much would the {g} cost me?
  What is the {g} sold for?
  ~!Look up how much the {g} is.
  How expensive is the {g}?
  What do you want for the {g}?
  What do you take for the {g}?
  Do you know the price of the {g}?
  !Check the price of the {g}.
  The {g}, what is the price?
  ~Do you know how much the {g} costs?`);
const COLOR = frames(`
  What color is the {g}?
  What is the color of the {g}?
  !Tell me the color of the {g}.
  Which color does the {g} have?
  ~Which color is the {g}?
  The {g}, what color is it?
  In which color does the {g} come?
  ~!Look up what color the {g} is.
  What color does the {g} come in?
  What color does the {g} have?
  !Look up the color of the {g}.
  I want to know the color of the {g}.
  ~I want to know what color the {g} has.
  !Tell me what color the {g} is.
  The {g} comes in which color?
  How does the {g} look, which color?
  Do you know the color of the {g}?
  What is the {g} like, what color?
  !Check the color of the {g}.
  I need to know the color of the {g}.
  Which color has the {g}?
  The {g} is which color?
  What color would the {g} be?
  ~Do you know which color the {g} has?
  ~!Check what color the {g} is.`);
const STOCK = frames(`
  How many of the {g} are in stock?
  What is the stock of the {g}?
  How many are left of the {g}?
  !Tell me how many of the {g} there are.
  How many of the {g} are left?
  ~!Look up how many of the {g} there are.
  How many of the {g} do you have?
  !Look up the stock of the {g}.
  How many of the {g} are there?
  !Tell me the stock of the {g}.
  The {g}, how many are there?
  ~The {g}, how many are left?
  !Tell me how many of the {g} are left.
  ~!Tell me how many of the {g} you have.
  I want to know how many of the {g} are in stock.
  How many are there of the {g}?
  What number of the {g} do you have?
  Do you know how many of the {g} are left?
  !Check how many of the {g} there are.
  I need to know how many of the {g} there are.
  How many of the {g} can I get?
  How many of the {g} are still there?
  The {g}, how many do you have?
  ~Do you know how many of the {g} you have?
  ~How many can I still get of the {g}?`);
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
  Is the {g} still in stock?
  ~Do you still have the {g} in stock?
  Can I still buy the {g}?
  ~Is there a {g} in stock?
  ~Can I get the {g}?
  The {g}, can I still buy it?
  Is the {g} still there?
  Could I still get the {g}?
  Have you got the {g}?
  Is the {g} there?
  The {g}, do you still have it?
  Do you still sell the {g}?
  Is there a {g} left?
  Do you sell the {g}?
  ~The {g}, is it still there?
  ~Have you still got the {g}?`);
const CHEAPER = frames(`
  Which is cheaper, the {g} or the {h}?
  What is cheaper, the {g} or the {h}?
  Is the {g} or the {h} cheaper?
  Which one costs less, the {g} or the {h}?
  Which costs less, the {g} or the {h}?
  ~Is the {g} cheaper or the {h}?
  The {g} or the {h}, which is cheaper?
  !Tell me which is cheaper, the {g} or the {h}.
  ~!Tell me which one costs less, the {g} or the {h}.
  !Tell me what is cheaper, the {g} or the {h}.
  The {g} or the {h}, which costs less?
  What costs less, the {g} or the {h}?
  ~The {g} or the {h}, what is cheaper?
  Which one is cheaper, the {g} or the {h}?
  !Tell me which costs less, the {g} or the {h}.
  Do I pay less for the {g} or the {h}?
  What is the cheaper one, the {g} or the {h}?
  Does the {g} or the {h} cost less?
  Which has the lower price, the {g} or the {h}?
  Do you know which is cheaper, the {g} or the {h}?
  For which do I pay less, the {g} or the {h}?
  I want the cheaper one, the {g} or the {h}?
  Between the {g} and the {h}, which is cheaper?
  ~Between the {g} and the {h}, which costs less?
  ~Which has the lower price, is it the {g} or the {h}?`);

interface Product {
  readonly name: string;
  readonly price: number;
  readonly color: string;
  readonly stock: number;
  /** The product's line from its name on. */
  readonly entry: string;
}

/** Layouts of a line: what stands before the name, and the line from the name on. */
const LAYOUTS: readonly {
  readonly before: string;
  readonly entry: (name: string, price: string, color: string, stock: number) => string;
}[] = [
  { before: "", entry: (n, p, c, s) => `${n}: ${p}, ${c}, ${s === 0 ? "sold out" : `${s} in stock`}` },
  { before: "", entry: (n, p, c, s) => `${n} | ${c} | ${s === 0 ? "sold out" : `${s} in stock`} | ${p}` },
  { before: "- ", entry: (n, p, c, s) => `${n} (${c}), ${s === 0 ? "sold out" : `${s} left`}, ${p}` },
  {
    before: "The ",
    entry: (n, p, c, s) => `${n} is ${c}, costs ${p} and is ${s === 0 ? "sold out" : `in stock: ${s}`}.`,
  },
];

function different(count: number, draw: () => number): number[] {
  const values = new Set<number>();
  while (values.size < count) values.add(draw());
  return [...values];
}

export function productText(split: Split, random: RandomStream): Ask {
  const count = random.int(2, 4);
  const { before, entry } = random.pick(LAYOUTS);
  const colors = random.shuffled(COLORS);
  const prices = different(count, () => pickNumber(2, 199, split, random));
  const stocks = different(count, () => pickNumber(1, 99, split, random));
  const products = pickEntities("goods", count, split, random).map((name, i): Product => {
    const [price, color, stock] = [prices[i]!, colors[i]!, random.chance(0.3) ? 0 : stocks[i]!];
    return { name, price, color, stock, entry: entry(name, dollars(price), color, stock) };
  });
  const context = products.map((product) => before + product.entry).join("\n");
  return () => productQuestion(products, context, random);
}

function productQuestion(products: readonly Product[], context: string, random: RandomStream): Question {
  const product = random.pick(products);
  const others = products.filter((other) => other !== product);
  const { name, stock } = product;
  const base = { slots: { g: name }, context, quote: product.entry };
  switch (random.int(0, 4)) {
    case 0: {
      const price = dollars(product.price);
      const rejected = others.map((other) => dollars(other.price));
      const accepted = [price, `${product.price} dollars`];
      return { ...base, kind: "price", family: PRICE, answer: `The ${name} costs ${price}.`, accepted, rejected };
    }
    case 1: {
      const rejected = others.map((other) => other.color);
      const answer = `The ${name} is ${product.color}.`;
      return { ...base, kind: "color", family: COLOR, answer, accepted: [product.color], rejected };
    }
    case 2: {
      const counts = others.map((other) => String(other.stock)).filter((value) => value !== String(stock));
      const [answer, accepted] =
        stock === 0 ? [`The ${name} is sold out.`, "sold out"] : [`There are ${stock} in stock.`, String(stock)];
      const rejected = stock === 0 ? [] : [...counts, "sold out"];
      return { ...base, kind: "stock", family: STOCK, answer, accepted: [accepted], rejected };
    }
    case 3: {
      const [yes, no] = stock > 0 ? ["yes", "no"] : ["no", "yes"];
      const answer = stock > 0 ? `Yes, the ${name} is in stock.` : `No, the ${name} is sold out.`;
      return { ...base, kind: "available", family: AVAILABLE, answer, accepted: [yes], rejected: [no] };
    }
    default:
      return cheaper(product, random.pick(others), context);
  }
}

/** Both lines are quoted, then the two prices stand side by side. */
function cheaper(product: Product, other: Product, context: string): Question {
  const less = product.price < other.price;
  const [cheap, dear] = less ? [product, other] : [other, product];
  return {
    kind: "cheaper",
    family: CHEAPER,
    slots: { g: product.name, h: other.name },
    context,
    quote: `${product.entry}\n${other.entry}\n${product.price}${less ? "<" : ">"}${other.price}`,
    answer: `The ${cheap.name} is cheaper.`,
    accepted: [cheap.name],
    rejected: [dear.name],
  };
}
