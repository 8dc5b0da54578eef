/** Notes of a household: where things are, and who does what. */
import type { RandomStream } from "../../core/index.ts";
import { pickEntities, pickNames } from "../entities.ts";
import { frames } from "../templates.ts";
import type { Split } from "../types.ts";
import type { Ask, Question } from "./question.ts";

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
  !Tell me where I can find the {b}.
  ~I cannot find the {b}, where is it?
  ~!Tell me where we put the {b}.
  I want to know where the {b} is.
  ~The {b}, where can I find it?
  Do you know where the {b} is?`);
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
  !Tell me which person {c}.
  ~I want to know which person {c}.
  ~Do you know which of them {c}?
  Who is it that {c}?
  ~!Tell me which of them {c}.
  !Tell me the name of the person who {c}.`);
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
  !Tell me which job {n} has.
  ~What job does {n} do?
  ~!Tell me what {n} does at home.
  I want to know what {n} does.
  ~I want to know which job {n} has.
  {n}, what is the job?`);

interface Notes {
  readonly things: readonly string[];
  readonly spots: readonly string[];
  readonly names: readonly string[];
  readonly chores: readonly string[];
  readonly layout: Layout;
}

/** How a thing and a chore are noted, each from its key on. */
interface Layout {
  readonly before: string;
  readonly thing: (thing: string, spot: string) => string;
  readonly chore: (name: string, chore: string) => string;
}

const LAYOUTS: readonly Layout[] = [
  {
    before: "The ",
    thing: (thing, spot) => `${thing} is ${spot}.`,
    chore: (name, chore) => `${name} ${chore}.`,
  },
  {
    before: "",
    thing: (thing, spot) => `${thing}: ${spot}`,
    chore: (name, chore) => `${name}: ${chore}`,
  },
  {
    before: "",
    thing: (thing, spot) => `${thing}: ${spot}`,
    chore: (name, chore) => `${chore}: ${name}`,
  },
];

export function notesText(split: Split, random: RandomStream): Ask {
  const count = random.int(2, 3);
  const layout = random.pick(LAYOUTS);
  const things = pickEntities("belongings", count, split, random);
  const spots = pickEntities("spots", count, split, random);
  const names = pickNames(count, split, random);
  const chores = pickEntities("chores", count, split, random);
  const facts = [
    ...things.map((thing, i) => layout.before + layout.thing(thing, spots[i]!)),
    ...names.map((name, i) => layout.chore(name, chores[i]!)),
  ];
  const context = random.shuffled(facts).join("\n");
  return () => notesQuestion({ things, spots, names, chores, layout }, context, random);
}

function notesQuestion(
  { things, spots, names, chores, layout }: Notes,
  context: string,
  random: RandomStream,
): Question {
  const at = random.int(0, things.length - 1);
  const except = (values: readonly string[]): string[] => values.filter((_, i) => i !== at);
  const [thing, spot, name, chore] = [things[at]!, spots[at]!, names[at]!, chores[at]!];
  const line = layout.chore(name, chore);
  // Name and chore stand in either order: the step reads on from the top until the line that tells.
  const quote = context.slice(0, context.indexOf(line) + line.length);
  const told = { context, answer: `${name} ${chore}.` };
  switch (random.int(0, 3)) {
    case 0:
    case 1: {
      const asked = { kind: "where", family: WHERE, slots: { b: thing }, quote: layout.thing(thing, spot) };
      return { ...asked, context, answer: `The ${thing} is ${spot}.`, accepted: [spot], rejected: except(spots) };
    }
    case 2: {
      const asked = { kind: "who", family: WHO, slots: { c: chore }, quote };
      return { ...told, ...asked, accepted: [name], rejected: except(names) };
    }
    default: {
      const asked = { kind: "chore", family: CHORE_OF, slots: { n: name }, quote };
      return { ...told, ...asked, accepted: [chore], rejected: except(chores) };
    }
  }
}
