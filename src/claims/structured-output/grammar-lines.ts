/** Claim `structured-output`: the lines that need no model: first answers, masks bit by bit, memory, keywords. */
import type { Measured } from "../framework.ts";
import { compare, exact } from "../statistics.ts";
import { agreementOfMasks, firstAnswers, type Case, type FirstAnswer } from "./head-to-head.ts";
import { probeKeywords } from "./keywords.ts";
import type { Rival } from "./rival.ts";
import type { Run } from "./run.ts";
import { byteVocabulary } from "./vocabulary.ts";
import { answersOf, SERVICES } from "./workload.ts";

/** Each service with one answer. */
export function firstCases(seed: number): Case[] {
  const answers = answersOf(1, seed, 0);
  return SERVICES.map(({ name, schema, strict }, i) => ({ name, schema, strict, answer: answers[i]![0]! }));
}

function lengthCases(lengths: readonly number[]): Case[] {
  return lengths.map((maxLength) => ({
    name: `maxLength ${maxLength}`,
    schema: { type: "string", maxLength },
    strict: false,
    answer: JSON.stringify("abcdefgh".slice(0, maxLength)),
  }));
}

function curveOf(answers: readonly FirstAnswer[]): NonNullable<Measured["curve"]> {
  return answers.map(({ name, tokens, oursCompileMs, oursMs, theirsCompileMs, theirsMs }) => ({
    schema: name,
    tokens,
    "ours: compile, ms": oursCompileMs,
    "ours: all, ms": oursMs,
    "web-xgrammar: compile, ms": theirsCompileMs,
    "web-xgrammar: all, ms": theirsMs,
  }));
}

/** What a schema costs the first time. */
export async function firstLines({ context, size, vocabulary, rival }: Run): Promise<Measured[]> {
  context.progress("structured output: first answers");
  const ms = { unit: "ms", better: "lower", kind: "live" } as const;
  const line = (answers: readonly FirstAnswer[], metric: string, note: string): Measured =>
    compare(
      { ...ms, metric, note, curve: curveOf(answers) },
      answers.map(({ oursMs }) => oursMs),
      answers.map(({ theirsMs }) => theirsMs),
      null,
    );
  const services = await firstAnswers(firstCases(context.seed), vocabulary, rival, context.clock);
  const lengths = await firstAnswers(lengthCases(size.lengths), vocabulary, rival, context.clock);
  return [
    line(
      services,
      "a schema's first answer, against web-xgrammar: compiling and all masks",
      "on automata that have seen nothing; theirs finds all masks while it compiles, ours each when it is met",
    ),
    line(
      lengths,
      "the same for one string with maxLength",
      "a count is one expression to us and as many positions, each with masks, to web-xgrammar",
    ),
  ];
}

/** Whether both mean the same by the same schemas. */
export async function masksLine({ context, vocabulary, rival }: Run): Promise<Measured> {
  context.progress("structured output: masks bit by bit");
  const found = await agreementOfMasks(firstCases(context.seed), vocabulary, rival);
  const total = (of: "states" | "equal" | "alike" | "onlyOurs" | "onlyTheirs" | "whiteSpace" | "noText"): number =>
    found.reduce((sum, one) => sum + one[of], 0);
  const states = total("states");
  return exact(
    {
      metric: "masks that allow what web-xgrammar's do, white space and impossible bytes aside",
      unit: "of 1",
      better: "higher",
      kind: "live",
      note:
        `${states} states of ${found.length} answers, ${total("equal")} masks equal bit by bit; of what differs, ${total("onlyTheirs")} tokens are allowed by web-xgrammar alone ` +
        `(${total("whiteSpace")} hold white space, which is unbounded there; ${total("noText")} hold bytes or control characters that no JSON ` +
        `text has), ${total("onlyOurs")} by us alone`,
      curve: found.map(({ examples, ...one }) => ({
        schema: one.name,
        states: one.states,
        equal: one.equal,
        alike: one.alike,
        "only ours": one.onlyOurs,
        "only web-xgrammar": one.onlyTheirs,
        "white space": one.whiteSpace,
        "no JSON text": one.noText,
        "others, for example": examples.join(" ").replaceAll("|", "\\|"),
      })),
    },
    total("alike") / Math.max(1, states),
    null,
    states,
  );
}

/** Bytes held; `theirs` is the whole WebAssembly memory of the rival. */
export function memoryLine(ours: number, theirs: number): Measured {
  const mib = (bytes: number): number => bytes / 2 ** 20;
  return compare(
    {
      metric: "memory of a vocabulary and eight schemas, against web-xgrammar",
      unit: "MiB",
      better: "lower",
      kind: "live",
      note: "ours: heap and buffers after one answer of each; theirs: its WebAssembly memory, code not counted",
    },
    [mib(ours)],
    [mib(theirs)],
    null,
  );
}

/** Keyword by keyword; `rival` has the vocabulary of bytes. */
export async function keywordsLine(rival: Rival): Promise<Measured> {
  const results = await probeKeywords(byteVocabulary(), rival);
  const wide = results.filter(({ ours }) => ours === "too wide").length;
  const byRival = results.filter(({ theirs }) => theirs === "too wide");
  const silent = byRival.filter(({ said }) => said === "").length;
  return exact(
    {
      metric: "keywords that let an invalid text through",
      unit: `of ${results.length}`,
      better: "lower",
      kind: "live",
      note: `web-xgrammar: ${byRival.length}, of which ${silent} without a word`,
      curve: results.map(({ keyword, ours, theirs, wrong }) => ({
        keyword,
        ours,
        "web-xgrammar": theirs,
        "its mistakes": wrong.join(" ").replaceAll("|", "\\|"),
      })),
    },
    wide,
    0,
    results.length,
  );
}
