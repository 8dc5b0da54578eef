/** Requests outside the world, and the polite refusal of all of them. */
import type { RandomStream } from "../core/index.ts";
import { divide, type Entities } from "./entities.ts";
import { ACTIVITIES, NOISE, QUESTIONS, SUBJECTS } from "./lexicon/topics.ts";
import { frames, pickFrame, say } from "./templates.ts";
import type { Split, WorldItem } from "./types.ts";

/** Every refusal starts with these words: graders and callers can tell it by them. */
export const REFUSAL_PREFIX = "I'm sorry, I can only help with";

/** The wordings a refusal is drawn from. Graders look at their common start only, so any continuation counts. */
export const REFUSALS: readonly string[] = [
  `${REFUSAL_PREFIX} the house and the shop.`,
  `${REFUSAL_PREFIX} home, shopping and sums.`,
  `${REFUSAL_PREFIX} your home, orders and simple math.`,
];

const ABOUT = frames(`
  !Tell me about {t}.
  ~What do you know about {t}?
  !Explain {t}.
  ~I want to learn about {t}.
  What can you tell me about {t}?
  Can we talk about {t}?
  I have a question about {t}.
  ~!Tell me something about {t}.
  Do you know anything about {t}?
  I want to know something about {t}.
  ~!Give me some facts about {t}.
  ~!Write a text about {t}.
  What is special about {t}?
  ~What do you think about {t}?
  !Give me a text about {t}.
  !Write a poem about {t}.
  Do you like {t}?
  !Explain {t} to a child.
  !Teach me about {t}.
  !Write me some facts about {t}.
  !Tell me the history of {t}.
  I need help with {t}.
  !Help me understand {t}.
  !Make a list of facts about {t}.
  !Help me learn about {t}.
  What is the best book about {t}?
  !Give me advice about {t}.
  !Compare {t} and other things.
  Where can I learn about {t}?
  I need advice about {t}.
  What is new about {t}?
  !Write a story about {t}.
  Why is everybody talking about {t}?
  !Summarize what you know about {t}.
  !Write a list of facts about {t}.
  Are you an expert on {t}?
  I am writing about {t}, any ideas?
  !Describe {t}.
  What is the truth about {t}?
  Do you know the truth about {t}?
  What is your opinion on {t}?
  !Write an essay on {t}.
  !Give me a quiz about {t}.
  Is it true what they say about {t}?
  What is your opinion about {t}?
  !Tell me everything about {t}.
  !Tell me a fun fact about {t}.
  !Talk to me about {t}.
  I want to talk about {t}.
  ~I want to read a story about {t}.
  I would like to read about {t}.
  ~What can I know about {t}?
  ~What can I read about {t}?
  I know nothing about {t}.
  What is interesting about {t}?
  ~What is interesting to know about {t}?
  My friend asked me about {t}.
  My teacher asked me about {t}, any advice?
  ~My friend is writing about {t}, any advice?
  I do not understand {t}.
  Can you help me understand {t}?
  ~Can you explain {t} to me?
  Could you explain {t} in simple words?
  !Explain {t} in simple words for me.
  ~!Describe {t} in simple words.
  I read a book about {t}, what do you think?
  Have you heard about {t}?
  ~Have you heard the truth about {t}?`);

const DO = frames(`
  !{t}.
  Can you {t}?
  I want you to {t}.
  ~Please {t}.
  Could you please {t}?
  I need you to {t}.
  Would you {t}?
  Will you {t} for me?
  Are you able to {t}?
  I would like you to {t}.
  How do I {t}?
  ~!Help me to {t}.
  !Show me how to {t}.
  Could you {t}?
  !Show me how you {t}.
  I need to {t}.
  What is the best way to {t}?
  ~Do you know how to {t}?
  Can you show me how to {t}?
  Do you know the best way to {t}?
  I want to {t}, can you help me?
  ~I need to {t}, can you show me how?
  Is it possible to {t}?
  How can I {t}?
  ~How can you {t}?
  What do I need to {t}?
  I would love to {t}.
  !Teach me how to {t}.
  ~Would you please {t} for me?
  ~Could you help me to {t}?
  My friend wants you to {t}.
  I am trying to {t}.`);

const PLAIN = frames(`
  {t}
  ~Do you know this? {t}
  I wonder: {t}
  A question: {t}
  I want to know this: {t}
  ~Tell me: {t}
  Here is a question: {t}
  My question is: {t}
  Please tell me: {t}
  Do you know? {t}
  {t} I would like to know.
  {t} I always wanted to know that.
  {t} What do you think?
  {t} Any idea?
  {t} Do you know?
  ~{t} Do you know that?
  I have a question. {t}
  I have a question for you: {t}
  Let me ask you something: {t}
  Let me ask you this. {t}
  My son asks: {t}
  My son wants to know: {t}
  My friend asks me this: {t}
  ~My friend wants to know this: {t}
  Can you answer this? {t}
  ~Can you answer my question? {t}
  ~Can you tell me? {t}
  {t} Please answer.
  ~{t} Please tell me.
  ~{t} Please answer my question.
  I do not know this: {t}
  What do you think? {t}
  Something I always ask: {t}
  {t} That is my question.
  {t} I have no idea.
  I have no idea: {t}
  ~Something I wonder: {t}
  {t} My son asked me that.
  So tell me this: {t}`);

const NOISE_FRAMES = frames(`
  {t}
  {t} {t}
  {t}!
  {t}?
  {t}, {t}
  ~{t} {t} {t}
  {t} ok
  ~well {t}
  {t}...
  ok {t}
  hm {t}
  {t} {t}!
  so {t}
  {t} well
  ~{t} hm`);

const SOURCES = [
  { kind: "subject", family: ABOUT, topics: divide(SUBJECTS), weight: 9 },
  { kind: "activity", family: DO, topics: divide(ACTIVITIES), weight: 6 },
  { kind: "question", family: PLAIN, topics: divide(QUESTIONS), weight: 4 },
  { kind: "noise", family: NOISE_FRAMES, topics: divide(NOISE), weight: 1 },
] as const;

/** All topics by side, for tests and statistics. */
export const TOPICS: Entities = {
  train: SOURCES.flatMap((source) => source.topics.train),
  validation: SOURCES.flatMap((source) => source.topics.validation),
  test: SOURCES.flatMap((source) => source.topics.test),
};

const DRAW = SOURCES.flatMap((source) => Array.from({ length: source.weight }, () => source));

function noise(random: RandomStream): string {
  const letters = Array.from({ length: random.int(3, 9) }, () => String.fromCharCode(random.int(97, 122)));
  return letters.join("");
}

export function refusalItem(split: Split, random: RandomStream): WorldItem {
  const { kind, family, topics } = random.pick(DRAW);
  const template = pickFrame(family, split, random);
  const topic = kind === "noise" && random.chance(0.5) ? noise(random) : random.pick(topics[split]);
  const said = say(template, { t: topic }, random);
  return {
    skill: "refusal",
    kind,
    template,
    turns: [
      { role: "user", text: said },
      { role: "assistant", text: random.pick(REFUSALS) },
    ],
    expect: { kind: "refusal" },
  };
}
