/**
 * Questions over a short given text: a catalogue, orders, terms, or notes about the house, one fact a line. The answer is
 * always in the text, or the right answer is that it is not. The visible step quotes the line that tells: a
 * small network copies far more surely than it looks two things up at once, and a reader sees the source.
 *
 *     How much is the lamp?  lamp: $12, red, 3 in stock    ->  think lamp: $12, red, 3 in stock   The lamp costs $12.
 *                            desk: $80, black, sold out
 */
import type { RandomStream } from "../../core/index.ts";
import { pickEntity, pickName } from "../entities.ts";
import { pickFrame, say } from "../templates.ts";
import type { Split, Turn, WorldItem } from "../types.ts";
import { notesText } from "./notes.ts";
import { orderText } from "./orders.ts";
import { policyText, withoutPolicy } from "./policies.ts";
import { productText } from "./products.ts";
import { abstention, type Question } from "./question.ts";

const TEXTS = [productText, productText, orderText, policyText, notesText] as const;
/** Training has more of the texts that are harder to read. */
const TRAINING_TEXTS = [productText, productText, orderText, policyText, policyText, notesText, notesText] as const;

/** Kinds whose step reads on from the top of the text. */
const READ_FROM_TOP: ReadonlySet<string> = new Set(["who", "chore"]);

/** What a question asks about instead, by slot, when its text is not to tell. */
const ABSENT: Readonly<Record<string, (split: Split, random: RandomStream) => string | number>> = {
  g: (split, random) => pickEntity("goods", split, random),
  o: (_split, random) => random.int(1000, 9999),
  b: (split, random) => pickEntity("belongings", split, random),
  c: (split, random) => pickEntity("chores", split, random),
  n: (split, random) => pickName(split, random),
};

/** The same question with what it asks about replaced by something the text does not have; null where that is not possible. */
function notMentioned(question: Question, split: Split, random: RandomStream): Question | null {
  const slots = Object.keys(question.slots);
  if (slots.length === 0) return withoutPolicy(question, split, random);
  const [slot = ""] = slots;
  if (slots.length > 1 || question.kind === "available") return null;
  const key = ABSENT[slot]!(split, random);
  if (question.context.toLowerCase().includes(String(key).toLowerCase())) return null;
  const absent = { ...question, slots: { [slot]: key }, ...abstention(key) };
  // Where a step reads on from the top, it finds nothing down to the end.
  return READ_FROM_TOP.has(question.kind) ? { ...absent, quote: `${absent.quote}\n${question.context}` } : absent;
}

const SYSTEM_TEXTS = ["Answer from the text.", "Use the text to answer.", "Here is what you know."];

/** Share of items with a second question about the same text. */
const TWO_QUESTIONS = 0.25;
/** Share of other items whose text does not tell; training has more of them. */
const UNANSWERABLE = 0.12;
const UNANSWERABLE_IN_TRAINING = 0.22;

export function readingItem(split: Split, random: RandomStream): WorldItem {
  const training = split === "train";
  const ask = random.pick(training ? TRAINING_TEXTS : TEXTS)(split, random);
  const first = ask();
  let question = random.chance(TWO_QUESTIONS) ? ask() : first;
  const two = question.answer !== first.answer;
  if (!two && random.chance(training ? UNANSWERABLE_IN_TRAINING : UNANSWERABLE))
    question = notMentioned(question, split, random) ?? question;
  const { context } = question;
  const template = pickFrame(question.family, split, random);
  const turns: Turn[] = [];
  if (two) {
    const opening = say(pickFrame(first.family, split, random), first.slots, random);
    turns.push({ role: "user", text: opening }, { role: "assistant", thinking: first.quote, text: first.answer });
  }
  turns.push(
    { role: "user", text: say(template, question.slots, random) },
    { role: "assistant", thinking: question.quote, text: question.answer },
  );
  if (random.chance(0.2)) turns.unshift({ role: "system", text: random.pick(SYSTEM_TEXTS), context });
  else turns[0] = { ...turns[0]!, context };
  const expect = { kind: "text", accepted: question.accepted, rejected: question.rejected } as const;
  return { skill: "reading", kind: question.kind, template, turns, expect };
}
