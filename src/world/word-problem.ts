/** Short stories with one or two operations: people, goods, counting and money. */
import type { RandomStream } from "../core/index.ts";
import { pickEntity, pickNames, pickNumber, WITHHELD_NUMBERS } from "./entities.ts";
import { evaluate, inReadingOrder, node, steps, type Expression } from "./steps.ts";
import { fill, frames, pickFrame, type Frames } from "./templates.ts";
import type { Split, WorldItem } from "./types.ts";

type Draw = (low: number, high: number) => number;

interface Story {
  readonly kind: string;
  readonly family: Frames;
  /** What the answer counts: the story's things, dollars, or minutes. */
  readonly unit: "things" | "dollars" | "minutes";
  /** Numbers of the story by slot, and what to compute. */
  readonly draw: (number: Draw) => {
    readonly slots: Readonly<Record<string, number>>;
    readonly expression: Expression;
  };
}

const STORIES: readonly Story[] = [
  {
    kind: "gain",
    unit: "things",
    draw: (number) => {
      const a = number(2, 99);
      const b = number(2, 99);
      return { slots: { a, b }, expression: node("+", a, b) };
    },
    family: frames(`
      {N} has {a} {x} and buys {b} more. How many {x} does {N} have now?
      {N} has {a} {x}. {M} gives {N} {b} more. How many {x} does {N} have?
      There are {a} {x} on the table. {N} puts down {b} more. How many {x} are there now?
      {N} finds {a} {x} and {M} finds {b}. How many {x} do they have together?
      {N} finds {b} {x} and has {a} already. How many {x} does {N} have now?
      {N} sells {a} {x} on Monday and {b} on Tuesday. How many {x} is that?
      How many {x} does {N} have after buying {b}, if there were {a} already?
      {N} has {a} {x} and {M} has {b} {x}. How many is that together?
      {N} had {a} {x} and got {b} more. How many are there now?
      {N} puts {a} {x} on the table and {M} puts down {b} more. How many {x} are there together?
      {N} has {a} {x} and gets {b} more from {M}. How many {x} does {N} have now?
      {a} {x} are in the bag. {N} puts in {b} more. How many {x} are in the bag now?
      {M} gives {N} {a} {x} on Monday and {b} on Tuesday. How many {x} does {N} get in all?
      {N} packs {a} {x} and then {b} more. How many {x} are packed in all?
      {N} had {a} {x} in a box and {b} in a bag. How many {x} is that together?
      ~{N} had {a} {x} and found {b} more. How many {x} does {N} have now?
      ~{N} has {a} {x} and {M} brings {b} more. How many {x} are there now?
      ~There are {a} {x} in the shop and {b} more come in. How many {x} are there in all?
      ~How many {x} does {N} have now after finding {b}, if there were {a} already?
      {N} found {a} {x}. After finding {b} more, how many {x} does {N} have?`),
  },
  {
    kind: "loss",
    unit: "things",
    draw: (number) => {
      const a = number(5, 99);
      const b = number(2, a - 1);
      return { slots: { a, b }, expression: node("-", a, b) };
    },
    family: frames(`
      {N} has {a} {x} and gives away {b}. How many {x} are left?
      There were {a} {x} in the shop. {N} bought {b}. How many {x} are left?
      {N} had {a} {x} but lost {b}. How many does {N} have now?
      {N} has {a} {x} and sells {b}. How many {x} does {N} have left?
      {N} had {a} {x} and gave {b} to {M}. How many {x} are left?
      {N} needs {a} {x} and has {b}. How many more {x} does {N} need?
      {N} gives {M} {b} of {a} {x}. How many are left?
      {N} has {a} {x}. {M} has {b} fewer. How many {x} does {M} have?
      How many {x} are left after selling {b} of {a}?
      How many {x} does {N} have left after selling {b} of {a}?
      There are {a} {x} on the table. {N} takes away {b}. How many {x} are left?
      {N} packs {b} of {a} {x}. How many {x} are not packed?
      {N} found {a} {x} and lost {b} of them. How many {x} does {N} have left?
      Of {a} {x} in the box, {N} takes {b}. How many {x} are left in the box?
      {M} takes {b} of the {a} {x} that {N} has. How many {x} does {N} have left?
      ~{N} had {a} {x} and sold {b} of them. How many {x} are left?
      ~There were {a} {x} on the table. {N} takes {b}. How many {x} are left?
      ~{N} has {a} {x} but gives {b} to {M}. How many {x} does {N} have left?
      ~How many {x} are left if {N} had {a} and lost {b}?
      How many {x} does {N} have left if {M} takes {b} of {a}?`),
  },
  {
    kind: "groups",
    unit: "things",
    draw: (number) => {
      const a = number(2, 12);
      const b = number(2, 40);
      return { slots: { a, b }, expression: node("*", a, b) };
    },
    family: frames(`
      There are {a} boxes with {b} {x} each. How many {x} are there?
      {N} buys {a} bags of {b} {x}. How many {x} is that?
      {N} fills {a} boxes with {b} {x} each. How many {x} is that in all?
      Each of {a} friends brings {b} {x}. How many {x} are there in all?
      {N} has {a} bags with {b} {x} each. How many {x} are there in all?
      {N} makes {a} rows of {b} {x}. How many {x} is that?
      How many {x} are in {a} boxes if each box holds {b}?
      {N} packs {b} {x} into each of {a} bags. How many {x} are packed?
      On each of {a} tables there are {b} {x}. How many {x} are there?
      How many {x} are in {a} bags if {N} packs {b} into each bag?
      {a} boxes hold {b} {x} each. How many {x} do they hold in all?
      {N} gives {b} {x} to each of {a} friends. How many {x} does {N} give away?
      Every day {N} makes {b} {x}. How many {x} does {N} make in {a} days?
      In a bag there are {b} {x}. {N} has {a} bags. How many {x} does {N} have?
      {N} sells {b} {x} a day for {a} days. How many {x} are sold?
      {a} people bring {b} {x} each. How many {x} do they bring together?
      ~There are {a} tables with {b} {x} each. How many {x} are there in all?
      ~{N} packs {a} bags with {b} {x} each. How many {x} are packed?
      ~Each of {a} boxes holds {b} {x}. How many {x} is that in all?
      ~{N} finds {b} {x} a day. How many {x} does {N} find in {a} days?
      ~How many {x} does {N} have if there are {b} in each of {a} bags?
      One box holds {b} {x}. How many {x} do {a} boxes hold?`),
  },
  {
    kind: "share",
    unit: "things",
    draw: (number) => {
      const b = number(2, 12);
      const a = b * number(2, 12);
      return { slots: { a, b }, expression: node("/", a, b) };
    },
    family: frames(`
      {N} shares {a} {x} among {b} friends. How many {x} does each get?
      {a} {x} are packed into {b} equal boxes. How many {x} are in each box?
      {N} puts {a} {x} into {b} bags, the same number in each. How many {x} are in a bag?
      {b} people share {a} {x} equally. How many {x} does each person get?
      {N} shares {a} {x} equally among {b} people. How many {x} does each person get?
      How many {x} are in each of {b} equal bags if {N} packs {a}?
      {N} has {a} {x} for {b} tables. How many {x} go on each table?
      {N} and friends, {b} people in all, share {a} {x}. How many does each get?
      {N} splits {a} {x} into {b} equal rows. How many {x} are in a row?
      How many {x} does each get if {b} friends share {a} {x}?
      {N} packs {a} {x} into {b} boxes, the same number in each. How many {x} are in a box?
      {N} gives {a} {x} to {b} friends, and each gets the same. How many {x} does a friend get?
      {a} {x} are shared by {b} people. How many {x} are there for each person?
      {b} friends find {a} {x} and share them equally. How many {x} does each friend get?
      {a} {x} fill {b} equal bags. How many {x} does one bag hold?
      If {N} splits {a} {x} among {b} people, how many {x} does each person get?
      There are {a} {x} in {b} equal rows. How many {x} are in each row?
      ~{N} splits {a} {x} equally among {b} friends. How many {x} does each friend get?
      ~{a} {x} are shared equally among {b} tables. How many {x} are there for each table?
      ~{b} people find {a} {x} and share them equally. How many does each get?
      ~How many {x} are in a box if {N} packs {a} {x} into {b} equal boxes?
      ~There are {a} {x} for {b} friends, the same number for each. How many {x} does a friend get?
      {N} wants to give the same number of {a} {x} to each of {b} friends. How many {x} does each get?`),
  },
  {
    kind: "price",
    unit: "dollars",
    draw: (number) => {
      const a = number(2, 12);
      const b = number(2, 60);
      return { slots: { a, b }, expression: node("*", a, b) };
    },
    family: frames(`
      A {g} costs {b} dollars. How much do {a} of them cost?
      {N} buys {a} tickets for {b} dollars each. How much does {N} pay?
      One {g} is {b} dollars. {N} buys {a}. How much is that?
      {N} earns {b} dollars a day. How much is that in {a} days?
      {N} buys {a} of them. One {g} costs {b} dollars. How much does {N} pay?
      How much does {N} pay for {a} tickets at {b} dollars each?
      {N} saves {b} dollars a week for {a} weeks. How many dollars is that?
      Each {g} is sold for {b} dollars. {N} sells {a}. How many dollars does {N} get?
      {N} works {a} days for {b} dollars a day. How much does {N} earn?
      {N} sells {a} tickets at {b} dollars each. How much does {N} get?
      A ticket costs {b} dollars. {N} buys {a} tickets. How much does {N} pay in all?
      {N} pays {b} dollars for each {g} and buys {a}. How much is that in all?
      At {b} dollars a ticket, how much do {a} tickets cost?
      If one {g} costs {b} dollars, how much does {N} pay for {a} of them?
      {a} friends pay {b} dollars each. How many dollars is that together?
      ~{N} sells {a} tickets for {b} dollars each. How many dollars does {N} get?
      ~If {N} earns {b} dollars a day, how much is that in {a} days?
      ~A {g} costs {b} dollars. {N} buys {a} of them. How much does {N} pay in all?
      ~How much do {a} tickets cost at {b} dollars each?
      {N} saves {b} dollars each week. How many dollars is that in {a} weeks?`),
  },
  {
    kind: "change",
    unit: "dollars",
    draw: (number) => {
      const a = number(20, 100);
      const b = number(3, a - 1);
      return { slots: { a, b }, expression: node("-", a, b) };
    },
    family: frames(`
      {N} pays with {a} dollars for a {g} that costs {b}. How much change is that?
      {N} has {a} dollars and spends {b} on a {g}. How much money is left?
      A {g} costs {a} dollars. {N} has {b}. How much more does {N} need?
      A {g} costs {b} dollars. {N} gives {a}. How much does {N} get back?
      {N} gives {a} dollars for a {g} that costs {b}. How much money does {N} get back?
      A {g} was {a} dollars and is now {b} dollars cheaper. What does it cost?
      {N} had {a} dollars and bought a {g} for {b}. How many dollars are left?
      How much change does {N} get from {a} dollars for a {g} at {b}?
      {N} saved {a} dollars and pays {b} for a {g}. What is left?
      How many dollars are left if {N} had {a} and spends {b} on a {g}?
      A {g} costs {b} dollars and {N} pays with {a} dollars. How much change does {N} get?
      {N} spends {b} of {a} dollars on a {g}. How many dollars does {N} have left?
      If {N} has {a} dollars and pays {b} for a {g}, how much money is left?
      {N} wants a {g} for {a} dollars but has only {b}. How many dollars does {N} need?
      From {a} dollars {N} spends {b}. What is left?
      ~{N} has {a} dollars and pays {b} for a {g}. How many dollars are left?
      ~A {g} costs {b} dollars. {N} pays with {a} dollars. How much change is that?
      ~{N} saved {a} dollars and spends {b} on a {g}. How much money is left?
      ~How much money does {N} get back from {a} dollars for a {g} at {b}?
      {N} spends {b} dollars on a {g} and had {a}. How much money does {N} have now?`),
  },
  {
    kind: "two-step-groups",
    unit: "things",
    draw: (number) => {
      const a = number(2, 9);
      const b = number(2, 20);
      const c = number(1, 60);
      return { slots: { a, b, c }, expression: node("+", node("*", a, b), c) };
    },
    family: frames(`
      {N} has {a} boxes with {b} {x} each and {c} more. How many {x} does {N} have?
      {N} buys {a} bags of {b} {x} and finds {c} more. How many {x} is that in all?
      There are {a} rows of {b} {x} and {c} extra. How many {x} are there?
      {N} packs {a} bags with {b} {x} each. {c} {x} are left. How many were there?
      {N} fills {a} bags with {b} {x} each and has {c} extra. How many {x} is that in all?
      There are {a} boxes with {b} {x} each and {c} {x} on the table. How many {x} are there in all?
      {N} has {c} {x} and buys {a} bags with {b} {x} each. How many {x} does {N} have now?
      Each of {a} friends brings {b} {x}, and {N} brings {c}. How many {x} are there together?
      {N} makes {b} {x} a day for {a} days and then {c} more. How many {x} does {N} make in all?
      {a} bags hold {b} {x} each. {M} gives {N} {c} more. How many {x} is that together?
      There were {c} {x} in the shop. {a} boxes of {b} come in. How many {x} are there now?
      {N} puts {b} {x} on each of {a} tables and has {c} left. How many {x} were there?
      How many {x} are in {a} boxes of {b} and a bag of {c}?
      If {N} has {a} boxes of {b} {x} and gets {c} more, how many {x} is that?
      {N} found {c} {x}. {M} brings {a} bags of {b} {x}. How many {x} do they have together?
      ~{N} buys {a} boxes with {b} {x} each and gets {c} more. How many {x} does {N} have?
      ~There are {a} tables with {b} {x} each and {c} extra. How many {x} are there in all?
      ~{N} has {c} {x}. {M} gives {N} {a} bags of {b} {x}. How many {x} does {N} have now?
      ~Each of {a} bags holds {b} {x}, and {c} {x} are on the table. How many {x} is that in all?
      How many {x} does {N} have with {a} rows of {b} and {c} extra?`),
  },
  {
    kind: "two-step-spend",
    unit: "dollars",
    draw: (number) => {
      const a = number(2, 9);
      const b = number(2, 12);
      const c = number(a * b, 150);
      return { slots: { a, b, c }, expression: node("-", c, node("*", a, b)) };
    },
    family: frames(`
      {N} has {c} dollars and buys {a} {x} for {b} dollars each. How much money is left?
      {N} pays with {c} dollars for {a} tickets at {b} dollars each. How much change is that?
      {a} {x} cost {b} dollars each. {N} gives {c} dollars. How much does {N} get back?
      {N} saved {c} dollars. {N} buys {a} {x} at {b} dollars each. How many dollars are left?
      {N} gives {c} dollars for {a} {x} at {b} dollars each. How much does {N} get back?
      {N} buys {a} tickets for {b} dollars each and pays with {c} dollars. How much change does {N} get?
      {N} had {c} dollars and bought {a} {x} at {b} dollars each. What is left?
      One {g} costs {b} dollars. {N} has {c} dollars and buys {a}. How many dollars are left?
      {N} wants to buy {a} tickets at {b} dollars each from {c} dollars. How much money is left?
      How much money does {N} have left from {c} dollars after buying {a} {x} for {b} dollars each?
      A ticket is {b} dollars. {N} buys {a} and gives {c} dollars. How much change is that?
      {N} spends {b} dollars a day for {a} days and had {c} dollars. How many dollars are left?
      If {N} has {c} dollars and pays {b} dollars for each of {a} tickets, what is left?
      {N} earns {c} dollars and spends {b} dollars on each of {a} friends. How much money is left?
      From {c} dollars {N} buys {a} {x}, each for {b} dollars. How much does {N} have now?
      ~{N} saved {c} dollars and buys {a} tickets for {b} dollars each. How much money is left?
      ~{a} tickets cost {b} dollars each. {N} pays with {c} dollars. How much change does {N} get?
      ~{N} had {c} dollars. {N} spends {b} dollars a day for {a} days. What is left?
      ~How many dollars are left from {c} dollars after buying {a} tickets at {b} dollars each?
      One ticket is {b} dollars. {N} pays for {a} with {c} dollars. How much does {N} get back?`),
  },
  {
    kind: "two-step-move",
    unit: "things",
    draw: (number) => {
      const a = number(5, 99);
      const b = number(2, 60);
      const c = number(2, Math.min(60, a + b - 2));
      return { slots: { a, b, c }, expression: node("-", node("+", a, b), c) };
    },
    family: frames(`
      {N} has {a} {x}, gets {b} more and gives away {c}. How many {x} are left?
      {N} had {a} {x}. {M} gave {N} {b} more, but {c} got lost. How many are left?
      There are {a} {x} in the shop. {b} more come in and {c} are sold. How many {x} are there now?
      {N} finds {a} {x} and {b} more, then gives {c} to {M}. How many {x} does {N} have left?
      {N} had {a} {x}, got {b} more and sold {c}. How many {x} are there now?
      {N} has {a} {x} and buys {b} more. Then {N} sells {c}. How many {x} are left?
      {N} puts {a} {x} into a box and {b} into a bag, then loses {c}. How many {x} are left in all?
      {N} finds {a} {x} and {M} finds {b}. They give away {c}. How many {x} do they have left?
      On Monday {N} gets {a} {x}, on Tuesday {b} more, and then {c} get lost. How many {x} does {N} have now?
      There were {a} {x} on the table. {N} put down {b} and {M} took {c}. How many {x} are there now?
      {N} makes {a} {x} and then {b} more. {M} buys {c} of them. How many {x} are left?
      How many {x} does {N} have left after getting {a} and {b} and selling {c}?
      If {N} had {a} {x}, found {b} more and lost {c}, how many {x} are there now?
      {N} has {a} {x} and {M} has {b}. Together they sell {c}. How many {x} are left?
      After buying {a} {x} and then {b} more, {N} gives {c} to {M}. How many does {N} have left?
      A shop has {a} {x}. {b} more come in, but {N} buys {c}. How many {x} are left in the shop?
      {M} gives {N} {a} {x} and then {b} more. {N} loses {c} of them. How many {x} does {N} have now?
      ~{N} had {a} {x} and bought {b} more. Then {c} got lost. How many {x} are left?
      ~{N} finds {a} {x}, gets {b} more and sells {c}. How many {x} does {N} have left?
      ~There are {a} {x} on the table. {N} puts down {b} more and {M} takes {c}. How many {x} are left?
      ~{N} has {a} {x} and {M} gives {N} {b} more. Then {N} sells {c} of them. How many {x} are there now?
      ~How many {x} are left if {N} had {a}, got {b} more and gave {c} to {M}?
      ~{N} makes {a} {x} on Monday and {b} on Tuesday, then gives away {c}. How many {x} are left?
      {N} takes {a} {x} and then {b} more, but gives {c} back. How many {x} does {N} have left?
      {N} sold {c} of {a} {x} after {M} gave {N} {b} more. How many {x} are left?`),
  },
  {
    kind: "time",
    unit: "minutes",
    draw: (number) => {
      const a = number(5, 90);
      const b = number(5, 60);
      return { slots: { a, b }, expression: node("+", a, b) };
    },
    family: frames(`
      {N} cooks for {a} minutes and cleans for {b} minutes. How many minutes is that?
      {N} walks for {a} minutes and then reads for {b} minutes. How long is that in minutes?
      The bus takes {a} minutes and the train {b} minutes. How long does {N} travel?
      {N} walks for {a} minutes. {M} walks {b} minutes longer. How long does {M} walk?
      {N} walks for {a} minutes and {M} walks {b} minutes longer. How many minutes does {M} walk?
      {N} reads for {a} minutes and {b} minutes more after that. How many minutes does {N} read?
      The train takes {a} minutes. The bus takes {b} minutes longer. How long does the bus take?
      {N} works for {a} minutes, then walks for {b} minutes. How long is that in all?
      After {a} minutes in the train, {N} walks for {b} minutes. How long does {N} travel in all?
      {N} cleans for {a} minutes, and cooking takes {b} minutes more. How many minutes is that together?
      How many minutes does {N} need for {a} minutes of reading and {b} minutes of cooking?
      ~{N} reads for {a} minutes and then cooks for {b} minutes. How many minutes is that in all?
      ~The train takes {a} minutes and the bus {b} minutes. How many minutes is that together?
      ~{N} works for {a} minutes. {M} works {b} minutes longer. How long does {M} work?
      ~How many minutes does {N} travel if the bus takes {a} minutes and the train {b}?
      How long is it in minutes if {N} walks for {a} minutes and then works for {b}?
      How long does {M} work if {N} works for {a} minutes and {M} {b} minutes longer?`),
  },
];

const ANSWER = {
  things: ["That makes {v} {x}.", "There are {v} {x}.", "The answer is {v} {x}."],
  dollars: ["That makes {v} dollars.", "It is {v} dollars.", "The answer is {v} dollars."],
  minutes: ["That makes {v} minutes.", "It is {v} minutes.", "The answer is {v} minutes."],
} as const satisfies Record<Story["unit"], readonly string[]>;

const ASIDES = ["Hey, ", "Quick question: ", "Can you help? ", "Here is one. ", "Help me out: "];

export function wordProblemItem(split: Split, random: RandomStream): WorldItem {
  const number: Draw = (low, high) => pickNumber(low, high, split, random);
  for (;;) {
    const story = random.pick(STORIES);
    const { slots, expression: meaning } = story.draw(number);
    // A test problem states a withheld number; a training problem none, not even a derived one.
    if (Object.values(slots).some((value) => WITHHELD_NUMBERS.has(value)) !== (split === "test")) continue;
    const value = evaluate(meaning);
    if (value < 2) continue; // "There are 1 apples" is not English
    const template = pickFrame(story.family, split, random);
    const [N = "", M = ""] = pickNames(2, split, random);
    const x = pickEntity("countable", split, random);
    let text = fill(template, { ...slots, N, M, x, g: pickEntity("goods", split, random) }, random);
    if (random.chance(0.08)) text = random.pick(ASIDES) + text;
    if (random.chance(0.15)) text = text.replace(/\?$/u, "");
    const answer = fill(random.pick(ANSWER[story.unit]), { v: value, x }, random);
    return {
      skill: "word-problem",
      kind: story.kind,
      template,
      turns: [
        { role: "user", text },
        { role: "assistant", thinking: steps(inReadingOrder(meaning, template, slots)), text: answer },
      ],
      expect: { kind: "number", value },
    };
  }
}
