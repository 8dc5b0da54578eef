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
  Do you know where the {b} is?
  Where should I look for the {b}?
  In which place is the {b}?
  Where does the {b} lie?
  !Look up where the {b} is.
  What is the place of the {b}?
  I need the {b}, where is it?
  Who knows where the {b} is?
  Where was the {b} put?
  ~I need to know where the {b} is.
  ~In which place can I find the {b}?`);
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
  !Tell me the name of the person who {c}.
  Who is the one who {c}?
  Whose job is it: {c}?
  !Look up who {c}.
  Someone {c}, who is it?
  I need to know who {c}.
  Can you see who {c}?
  Which one of them {c}?
  What is the name of the one who {c}?
  ~Someone {c}, do you know who?
  ~I need the name of the person who {c}.`);
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
  {n}, what is the job?
  What is {n} there for?
  What has {n} to do?
  !Look up what {n} does.
  Do you know what {n} does?
  Do you know the job of {n}?
  What work does {n} do?
  What does {n} take care of?
  I need to know what {n} does.
  ~Do you know which job {n} does?
  ~!Look up the job of {n}.`);

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
  const places = split === "train" ? PLACES_IN_TRAINING : PLACES;
  return () => notesQuestion({ things, spots, names, chores, layout }, { context, places, random });
}

/** Share of questions about places; training has more of the other kinds, which are harder. */
const PLACES = 0.5;
const PLACES_IN_TRAINING = 0.3;

function notesQuestion(
  { things, spots, names, chores, layout }: Notes,
  { context, places, random }: { readonly context: string; readonly places: number; readonly random: RandomStream },
): Question {
  const at = random.int(0, things.length - 1);
  const except = (values: readonly string[]): string[] => values.filter((_, i) => i !== at);
  const [thing, spot, name, chore] = [things[at]!, spots[at]!, names[at]!, chores[at]!];
  const line = layout.chore(name, chore);
  const read = context.slice(0, context.indexOf(line) + line.length);
  const told = { context, answer: `${name} ${chore}.` };
  if (random.chance(places)) {
    const asked = { kind: "where", family: WHERE, slots: { b: thing }, quote: layout.thing(thing, spot) };
    return { ...asked, context, answer: `The ${thing} is ${spot}.`, accepted: [spot], rejected: except(spots) };
  }
  // Name and chore stand in either order: the step says what it looks for and reads on from the top to the line that tells.
  if (random.chance(0.5)) {
    const asked = { kind: "who", family: WHO, slots: { c: chore }, quote: `${chore}?\n${read}` };
    return { ...told, ...asked, accepted: [name], rejected: except(names) };
  }
  const asked = { kind: "chore", family: CHORE_OF, slots: { n: name }, quote: `${name}?\n${read}` };
  return { ...told, ...asked, accepted: [chore], rejected: except(chores) };
}
