/**
 * Claim `structured-output`: our automaton beside the rival's without an engine: a schema's first answer, whole masks bit by bit,
 * memory. Both see the same vocabulary, schemas and answers in tokens.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, type Clock } from "../../core/index.ts";
import { compileGrammar, GrammarVocabulary } from "../../llm/index.ts";
import type { Rival } from "./rival.ts";
import type { MadeVocabulary } from "./vocabulary.ts";

/** A schema and one answer to it. */
export interface Case {
  readonly name: string;
  readonly schema: unknown;
  readonly strict: boolean;
  readonly answer: string;
}

/** All grammar work of a schema's first answer: compiling it, then a whole mask and a move for every token. */
export interface FirstAnswer {
  readonly name: string;
  readonly tokens: number;
  readonly oursCompileMs: number;
  readonly oursMs: number;
  readonly theirsCompileMs: number;
  readonly theirsMs: number;
}

/** One case after another, each with an automaton of ours that has seen nothing. */
export async function firstAnswers(
  cases: readonly Case[],
  vocabulary: MadeVocabulary,
  rival: Rival,
  clock: Clock,
): Promise<FirstAnswer[]> {
  const results: FirstAnswer[] = [];
  for (const { name, schema, strict, answer } of cases) {
    const grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });
    const tokens = vocabulary.encode(answer);
    const startMs = clock.nowMs();
    const state = compileGrammar({ kind: "json_schema", schema, strict }, grammars).start();
    const oursCompileMs = clock.nowMs() - startMs;
    for (const token of tokens) {
      state.bits();
      assert(state.accept(token), "an answer is valid");
    }
    const oursMs = clock.nowMs() - startMs;
    const { compileMs, times } = await rival.steps(
      [{ schema, strict, answers: [tokens] }],
      tokens.length,
      "masks",
      true,
    );
    const theirsCompileMs = compileMs[0]!;
    const theirsMs = times.reduce((sum, ms) => sum + ms, theirsCompileMs);
    results.push({ name, tokens: tokens.length, oursCompileMs, oursMs, theirsCompileMs, theirsMs });
  }
  return results;
}

/** Two masks of every state along answers. */
export interface MaskAgreement {
  readonly name: string;
  readonly states: number;
  /** States whose masks are equal. */
  readonly equal: number;
  /** States whose masks differ at most in the rival's white space and in what no JSON text has. */
  readonly alike: number;
  /** Tokens that one side alone allows, over all states. */
  readonly onlyOurs: number;
  readonly onlyTheirs: number;
  /** Of theirs, the ones with white space where we bound it, and those with bytes or characters that no JSON text has. */
  readonly whiteSpace: number;
  readonly noText: number;
  /** A few of the others, as text. */
  readonly examples: readonly string[];
}

const EXAMPLES = 4;

/** Masks before every token of the answers. */
export async function agreementOfMasks(
  cases: readonly Case[],
  vocabulary: MadeVocabulary,
  rival: Rival,
): Promise<MaskAgreement[]> {
  const grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });
  const results: MaskAgreement[] = [];
  for (const { name, schema, strict, answer } of cases) {
    const tokens = vocabulary.encode(answer);
    const theirs = await rival.masks(schema, strict, tokens);
    if (theirs === null) continue;
    const state = compileGrammar({ kind: "json_schema", schema, strict }, grammars).start();
    const found = { name, states: 0, equal: 0, alike: 0, onlyOurs: 0, onlyTheirs: 0, whiteSpace: 0, noText: 0 };
    const examples = new Set<string>();
    for (const [at, mask] of theirs.entries()) {
      const ours = state.bits();
      let differing = 0;
      let explained = 0;
      for (const id of differingIds(ours, mask, vocabulary.vocabSize)) {
        differing += 1;
        const isOurs = ((ours[id >>> 5]! >>> (id & 31)) & 1) === 1;
        const bytes = vocabulary.pieces[id]!;
        const text = Buffer.from(bytes).toString();
        found[isOurs ? "onlyOurs" : "onlyTheirs"] += 1;
        const reason = isOurs ? null : isNoText(bytes) ? "noText" : /\s/.test(text) ? "whiteSpace" : null;
        if (reason !== null) {
          found[reason] += 1;
          explained += 1;
        } else if (examples.size < EXAMPLES) examples.add(`${isOurs ? "ours" : "theirs"} ${shown(bytes)}`);
      }
      found.states += 1;
      found.equal += differing === 0 ? 1 : 0;
      found.alike += differing === explained ? 1 : 0;
      assert(state.accept(tokens[at]!), "an answer is valid");
    }
    results.push({ ...found, examples: [...examples] });
  }
  return results;
}

function shown(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  return text.includes("\ufffd") ? `0x${Buffer.from(bytes).toString("hex")}` : JSON.stringify(text);
}

/** Control characters, and bytes that UTF-8 never has. */
function isNoText(bytes: Uint8Array): boolean {
  const white = [9, 10, 13];
  return bytes.some((byte) => (byte < 0x20 && !white.includes(byte)) || byte === 0xc0 || byte === 0xc1 || byte > 0xf4);
}

function* differingIds(a: Uint32Array, b: Uint32Array, vocabSize: number): Generator<number> {
  for (let at = 0; at < a.length; at++) {
    for (let word = a[at]! ^ b[at]!; word !== 0; word &= word - 1) {
      const id = at * 32 + (31 - Math.clz32(word & -word));
      if (id < vocabSize) yield id;
    }
  }
}

/** Bytes that our vocabulary, automaton and masks hold after the first answers of all cases. */
export function ourMemory(cases: readonly Case[], vocabulary: MadeVocabulary): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = held();
  const grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });
  const states = cases.map(({ schema, strict, answer }) => {
    const state = compileGrammar({ kind: "json_schema", schema, strict }, grammars).start();
    for (const token of vocabulary.encode(answer)) {
      state.bits();
      assert(state.accept(token), "an answer is valid");
    }
    return state;
  });
  const after = held();
  assert(states.length === cases.length, "states are held until here");
  return after - before;
}
