/** Terms of a shop, one sentence a line, and questions in other words than the text's. */
import type { RandomStream } from "../../core/index.ts";
import { pickName, pickNumber } from "../entities.ts";
import { DAYS } from "../lexicon/things.ts";
import { fill, frames, type Frames } from "../templates.ts";
import type { Split } from "../types.ts";
import { abstention, dollars, type Ask, type Question } from "./question.ts";

/** Policies: what is asked, how it stands in the text, how it is answered. `{v}` is the value. */
const POLICIES: readonly {
  readonly kind: string;
  /** What is looked for, as a step names it. */
  readonly topic: string;
  readonly family: Frames;
  readonly fact: string;
  readonly answer: string;
  readonly draw: (split: Split, random: RandomStream) => string;
}[] = [
  {
    kind: "returns",
    topic: "returns",
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
      How many days do I have for a return?
      ~How many days do I have for the return of goods?
      ~Within how many days can I return goods?
      How long is a return possible?
      ~!Tell me how many days I have to return something.
      I want to know how long I can return something.
      How much time do I have to return something?
      What if I want to return something, how many days do I have?
      For how many days can I return goods?
      How long may I wait with a return?
      Do you know how long I can return goods?
      How many days is the return window?
      By when must I return goods?
      When is it too late for a return?
      ~How much time do I have for a return?
      ~For how long can I return something?`),
  },
  {
    kind: "shipping-time",
    topic: "delivery",
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
      !Tell me how many days delivery takes.
      ~How long does it take until I get my goods?
      ~How many days is the delivery time?
      Until I get my goods, how long does it take?
      ~!Tell me how fast shipping is.
      I want to know how many days shipping takes.
      How soon will my goods be here?
      How long do I wait for my goods?
      How many days do I wait for a delivery?
      How long is the shipping time?
      Do you know how long delivery takes?
      In how many days will I get my goods?
      How long must I wait for the delivery?
      What is the delivery time?
      ~How many days do I wait for my goods?
      ~In how many days is the delivery here?`),
  },
  {
    kind: "shipping-cost",
    topic: "shipping fee",
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
      How much do I pay for shipping?
      ~!Tell me what shipping costs.
      ~How much do I pay as a shipping fee?
      What do I pay as a fee for shipping?
      ~What is the price of shipping?
      I want to know the price of shipping.
      ~!Tell me how much shipping costs.
      What do you take for shipping?
      How high is the shipping fee?
      How many dollars is shipping?
      Do you know what shipping costs?
      How expensive is shipping?
      What must I pay for shipping?
      What does it cost to ship something?
      ~How many dollars do I pay for shipping?`),
  },
  {
    kind: "opening",
    topic: "opening time",
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
      At what time can I come?
      ~From when on are you open?
      ~!Tell me at what time you open.
      I want to know when you open.
      ~How early does the shop open?
      How early are you open?
      What time do you open?
      What time does the shop open?
      How early does it open?
      Do you know when the shop opens?
      When can I come at the earliest?
      From what time on are you open?
      When is the shop open in the morning?
      When do you start?
      ~Do you know when you open?
      ~From what time on is the shop open?`),
  },
  {
    kind: "closing",
    topic: "closing time",
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
      Until when are you open?
      ~!Tell me until when you are open.
      ~Until when can I come?
      I want to know when you close.
      ~How long is the shop open?
      Until what time can I come?
      What time do you close?
      What time does the shop close?
      How late can I come?
      Do you know when the shop closes?
      When must I be there at the latest?
      Up to what time are you open?
      Until how late are you open?
      When do you stop?
      ~Do you know when you close?
      ~Up to what time is the shop open?`),
  },
  {
    kind: "warranty",
    topic: "warranty",
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
      !Tell me how long the warranty is.
      ~How many months of warranty are there?
      ~!Tell me what warranty I get.
      I want to know how long the warranty is.
      ~How long is the warranty I get?
      How many months are there on the warranty?
      For how many months is there a warranty?
      Do you know how long the warranty is?
      For how long do I have a warranty?
      How many months of warranty do you give?
      When does the warranty end?
      What is the time of the warranty?
      Is there a warranty, and how long is it?
      How long will the warranty last?
      ~Do you know how long the warranty lasts?
      ~For how many months do I have a warranty?`),
  },
  {
    kind: "contact",
    topic: "contact",
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
      I need help, who can I ask?
      ~Who can I ask if I have a question?
      ~I need help, who can help me?
      !Tell me who can help.
      ~I have a question, whom can I ask?
      I have a question, whom do I ask?
      Who will help me?
      Who helps with questions?
      To whom can I talk?
      Who knows the answer to my question?
      Where do I go with a question?
      Who is there to help?
      Do you know who can help me?
      Who takes questions?
      ~Who helps me if I have a question?
      ~Do you know whom I can ask?`),
  },
  {
    kind: "closed-day",
    topic: "closed day",
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
      Which day are you closed?
      ~On which day are you not open?
      ~!Tell me what day the shop is closed.
      I want to know when you are closed.
      ~Which day is it that you are closed?
      What day is it that the shop is closed?
      When are you closed?
      When can I not come?
      Which day is the shop not open?
      On what day can I not come?
      Do you know when the shop is closed?
      Which day do you not open?
      Which day should I not come?
      On which day do you not work?
      ~Do you know on which day you are closed?
      ~What day should I not come?`),
  },
];

/** A draw of policies with their values, each told in one of its two wordings. */
interface Terms {
  readonly chosen: readonly (typeof POLICIES)[number][];
  readonly values: readonly string[];
  readonly facts: readonly string[];
}

function drawTerms(chosen: Terms["chosen"], split: Split, random: RandomStream): Terms {
  const values = chosen.map((policy) => policy.draw(split, random));
  return { chosen, values, facts: chosen.map((policy, i) => fill(policy.fact, { v: values[i]! }, random)) };
}

export function policyText(split: Split, random: RandomStream): Ask {
  const { chosen, values, facts } = drawTerms(random.shuffled(POLICIES).slice(0, random.int(3, 5)), split, random);
  return () => {
    const at = random.int(0, chosen.length - 1);
    const { kind, topic, family, answer: form } = chosen[at]!;
    const value = values[at]!;
    const answer = fill(form, { v: value }, random);
    const rejected = values.filter((other, i) => i !== at && other !== value);
    // What is looked for comes first: the text says it in other words than the question, or not at all.
    const quote = `${topic}? ${facts[at]!}`;
    const asked = { kind, family, slots: {}, context: facts.join("\n"), quote };
    return { ...asked, answer, accepted: [value], rejected };
  };
}

/** The question over a text without that policy. */
export function withoutPolicy(question: Question, split: Split, random: RandomStream): Question {
  const policy = POLICIES.find(({ kind }) => kind === question.kind)!;
  const others = random.shuffled(POLICIES.filter((other) => other !== policy));
  const { facts } = drawTerms(others.slice(0, random.int(3, 5)), split, random);
  return { ...question, context: facts.join("\n"), ...abstention(policy.topic) };
}
