/** Questions about Punctual itself, answered from the table of facts. */
import type { RandomStream } from "../core/index.ts";
import { FACTS } from "./lexicon/facts.ts";
import { frames, pickFrame, say } from "./templates.ts";
import type { Split, WorldItem } from "./types.ts";

const KNOWN = FACTS.map((fact) => ({ ...fact, family: frames(fact.questions) }));

export function helpItem(split: Split, random: RandomStream): WorldItem {
  const fact = random.pick(KNOWN);
  const template = pickFrame(fact.family, split, random);
  return {
    skill: "help",
    kind: fact.key,
    template,
    turns: [
      { role: "user", text: say(template, {}, random) },
      { role: "assistant", text: fact.answer },
    ],
    expect: {
      kind: "text",
      accepted: [fact.key],
      rejected: FACTS.filter((other) => other.key !== fact.key && !fact.answer.includes(other.key)).map(
        ({ key }) => key,
      ),
    },
  };
}
