/** A list of orders, one a line, and questions by order number. */
import type { RandomStream } from "../../core/index.ts";
import { pickEntities, pickNames } from "../entities.ts";
import { DAYS, ORDER_STATES } from "../lexicon/things.ts";
import { frames } from "../templates.ts";
import type { Split } from "../types.ts";
import type { Ask, Question } from "./question.ts";

const DAY = frames(`
  When does order {o} arrive?
  On which day does order {o} arrive?
  !Tell me when order {o} arrives.
  What day does order {o} come?
  When does order {o} come?
  Order {o}, when does it arrive?
  On what day will order {o} arrive?
  When will order {o} come?
  !Tell me on which day order {o} comes.
  When will order {o} arrive?
  ~On which day will order {o} come?
  ~!Tell me on what day order {o} arrives.
  !Look up when order {o} arrives.
  ~Order {o}, on which day does it come?
  I want to know when order {o} comes.
  Which day does order {o} arrive?
  What is the day of order {o}?
  For which day is order {o}?
  Do you know when order {o} arrives?
  What is the arrival day of order {o}?
  Which day is order {o} due?
  I need to know when order {o} arrives.
  !Tell me the day order {o} arrives.
  ~Do you know on which day order {o} arrives?
  ~!Tell me the arrival day of order {o}.`);
const STATE = frames(`
  What is the status of order {o}?
  !Tell me the status of order {o}.
  Order {o}, what is the status?
  Which status does order {o} have?
  How is order {o} doing?
  !Look up the status of order {o}.
  What is going on with order {o}?
  What status does order {o} have?
  What is the status of my order {o}?
  ~Order {o}, which status does it have?
  I want to know the status of order {o}.
  ~!Look up the status of my order {o}.
  ~How is my order {o} doing?
  !Tell me how order {o} is doing.
  In which state is order {o}?
  How far is order {o}?
  What has become of order {o}?
  How are things with order {o}?
  Do you know the status of order {o}?
  What state is order {o} in?
  I need the status of order {o}.
  !Check the status of order {o}.
  What happened to order {o}?
  ~Do you know how order {o} is doing?
  ~!Check in which state order {o} is.`);
const OWNER = frames(`
  Who is order {o} for?
  Whose order is {o}?
  For whom is order {o}?
  !Tell me who order {o} is for.
  Who gets order {o}?
  Order {o}, who is it for?
  Who is waiting for order {o}?
  Who placed order {o}?
  !Tell me who gets order {o}.
  Order {o}, who gets it?
  ~!Tell me who is waiting for order {o}.
  ~Order {o}, for whom is it?
  !Look up who gets order {o}.
  ~!Look up who order {o} is for.
  I want to know who order {o} is for.
  To whom does order {o} go?
  Which person gets order {o}?
  Who is the customer of order {o}?
  Do you know who order {o} is for?
  Whom is order {o} for?
  I need to know who gets order {o}.
  Who does order {o} go to?
  !Check who order {o} is for.
  ~Do you know who gets order {o}?
  ~To which person does order {o} go?`);
const CONTENT = frames(`
  What is in order {o}?
  What did we order in {o}?
  !Tell me what is in order {o}.
  Order {o}, what is in it?
  What does order {o} contain?
  Which product is in order {o}?
  !Look up what is in order {o}.
  What was ordered in {o}?
  ~!Tell me what order {o} contains.
  Order {o}, what does it contain?
  Which product does order {o} contain?
  ~Order {o}, which product is in it?
  !Look up what order {o} contains.
  ~!Tell me which product is in order {o}.
  I want to know what is in order {o}.
  What goods are in order {o}?
  What comes with order {o}?
  What is order {o}?
  Do you know what is in order {o}?
  What is inside order {o}?
  I need to know what order {o} contains.
  !Check what is in order {o}.
  What do I get with order {o}?
  ~Do you know what order {o} contains?
  ~What product do I get with order {o}?`);

interface Order {
  readonly o: number;
  readonly name: string;
  readonly good: string;
  readonly day: string;
  readonly state: string;
  /** The order's line from its number on. */
  readonly entry: string;
}

type Entry = (order: Omit<Order, "entry">) => string;

const LAYOUTS: readonly { readonly before: string; readonly entry: Entry }[] = [
  { before: "Order ", entry: ({ o, name, good, day, state }) => `${o}: ${good} for ${name}, ${state}, ${day}` },
  {
    before: "Order ",
    entry: ({ o, name, good, day, state }) => `${o} is for ${name}. Product: ${good}. Status: ${state}. Day: ${day}.`,
  },
  { before: "", entry: ({ o, name, good, day, state }) => `${o} | ${name} | ${good} | ${state} | ${day}` },
];

export function orderText(split: Split, random: RandomStream): Ask {
  const count = random.int(2, 3);
  const { before, entry } = random.pick(LAYOUTS);
  const names = pickNames(count, split, random);
  const goods = pickEntities("goods", count, split, random);
  const days = random.shuffled(DAYS);
  const states = random.shuffled(ORDER_STATES);
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(random.int(1000, 9999));
  const orders = [...numbers].map((o, i): Order => {
    const order = { o, name: names[i]!, good: goods[i]!, day: days[i]!, state: states[i]! };
    return { ...order, entry: entry(order) };
  });
  const context = orders.map((order) => before + order.entry).join("\n");
  return () => orderQuestion(orders, context, random);
}

function orderQuestion(orders: readonly Order[], context: string, random: RandomStream): Question {
  const asked = random.pick(orders);
  const others = orders.filter((other) => other !== asked);
  const { o } = asked;
  const fields = [
    { kind: "order-day", family: DAY, key: "day", answer: `Order ${o} arrives on ${asked.day}.` },
    { kind: "order-state", family: STATE, key: "state", answer: `Order ${o} is ${asked.state}.` },
    { kind: "order-owner", family: OWNER, key: "name", answer: `Order ${o} is for ${asked.name}.` },
    { kind: "order-content", family: CONTENT, key: "good", answer: `Order ${o} contains the ${asked.good}.` },
  ] as const;
  const { kind, family, key, answer } = random.pick(fields);
  return {
    kind,
    family,
    slots: { o },
    context,
    quote: asked.entry,
    answer,
    accepted: [asked[key]],
    rejected: others.map((other) => other[key]),
  };
}
