/** The claim without its rival: our own automaton on the other side, as it is and with faults put in. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, test } from "vitest";
import { createRandom, PunctualError, toErrorRecord } from "../core/index.ts";
import { compileGrammar, GrammarVocabulary, type GrammarState } from "../llm/index.ts";
import { liveClock } from "../runtime/index.ts";
import type { ClaimContext, Measured } from "./framework.ts";
import { claimsMarkdown, resultText, runClaim, type Claim } from "./index.ts";
import { measureStructuredOutput, structuredOutput } from "./structured-output.ts";
import { PROBES } from "./structured-output/keywords.ts";
import { requireXgrammar, type Rival } from "./structured-output/rival.ts";
import { generatedSchemas } from "./structured-output/schemas.ts";
import { byteVocabulary, madeVocabulary, type MadeVocabulary } from "./structured-output/vocabulary.ts";
import { answersOf, SERVICES } from "./structured-output/workload.ts";

const folder = mkdtempSync(join(tmpdir(), "structured-output-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context: ClaimContext = { mode: "smoke", clock: liveClock, seed: 1, progress: () => {} };

function makeValidator(): Ajv2020 {
  const made = new Ajv2020({ strict: false });
  const isDate = (text: string): boolean => !Number.isNaN(Date.parse(text));
  made.addFormat("date", isDate);
  made.addFormat("date-time", isDate);
  made.addFormat("time", (text: string) => isDate(`2024-01-01T${text}`));
  made.addFormat("uuid", /^[0-9a-f-]{36}$/);
  made.addFormat("ipv4", (text: string) => text.split(".").every((part) => Number(part) <= 255));
  made.addFormat("email", /^[^@\s]+@[^@\s]+\.[^@\s]+$/);
  made.addFormat("uri", (text: string) => URL.canParse(text));
  return made;
}

const ajv = makeValidator();

/** Our automaton in the rival's place; `spoil` may change a text before it is judged. */
class Mirror implements Rival {
  readonly #spoil: (text: string) => string;
  #vocabulary: MadeVocabulary = byteVocabulary();
  #grammars = new GrammarVocabulary(this.#vocabulary, { endTokens: [this.#vocabulary.endToken] });
  closed = 0;

  constructor(spoil: (text: string) => string = (text) => text) {
    this.#spoil = spoil;
  }

  async load(vocabulary: MadeVocabulary): Promise<{ loadMs: number }> {
    this.#vocabulary = vocabulary;
    this.#grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });
    return { loadMs: 0 };
  }

  #start(schema: unknown, strict: boolean): GrammarState | string {
    try {
      return compileGrammar({ kind: "json_schema", schema, strict }, this.#grammars).start();
    } catch (error) {
      if (error instanceof PunctualError) return error.message;
      throw error;
    }
  }

  async texts(schemas: Parameters<Rival["texts"]>[0], seed: number, maxTokens: number) {
    return schemas.map(({ schema, strict }, i) => {
      const state = this.#start(schema, strict);
      if (typeof state === "string") return { refused: state };
      return { text: this.#randomText(state, seed + i, maxTokens) };
    });
  }

  #randomText(state: GrammarState, seed: number, maxTokens: number): string | null {
    const { pieces, vocabSize, endToken } = this.#vocabulary;
    const random = createRandom(seed, "walk");
    const bytes: Uint8Array[] = [];
    const isClosing = (id: number): boolean =>
      id === endToken || ['"', "]", "}"].includes(Buffer.from(pieces[id]!).toString());
    for (let count = 0; count < maxTokens; count++) {
      const allowed = Array.from({ length: vocabSize }, (_, id) => id).filter((id) => state.allows(id));
      const closing = allowed.filter(isClosing);
      const id = random.pick(closing.length > 0 && random.chance(0.5) ? closing : allowed);
      expect(state.accept(id)).toBe(true);
      if (id !== endToken) bytes.push(pieces[id]!);
      if (id === endToken || state.complete) return Buffer.concat(bytes).toString();
    }
    return null;
  }

  async accepts(schema: unknown, strict: boolean, texts: readonly string[]) {
    const first = this.#start(schema, strict);
    if (typeof first === "string") return { refused: first };
    const accepted = texts.map((text) => {
      const state = first.clone();
      return this.#vocabulary.encode(text).every((token) => state.accept(token)) && state.done;
    });
    return { accepted, said: "" };
  }

  async steps(streams: Parameters<Rival["steps"]>[0], steps: number) {
    return { times: Array.from({ length: steps }, () => 0.5), compileMs: streams.map(() => 2) };
  }

  async masks(schema: unknown, strict: boolean, tokens: readonly number[]) {
    const state = this.#start(schema, strict);
    if (typeof state === "string") return null;
    return tokens.map((token) => {
      const bits = state.bits().slice();
      state.accept(token);
      return bits;
    });
  }

  async judge(schemas: Parameters<Rival["judge"]>[0], texts: readonly (string | null)[]) {
    return texts.map((text, i) => {
      if (text === null) return "unfinished";
      const validate = ajv.compile(schemas[i]!.schema);
      return validate(JSON.parse(this.#spoil(text))) ? null : JSON.stringify(validate.errors);
    });
  }

  async memory() {
    return { bytes: 2 ** 24 };
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

const about = (lines: readonly Measured[], words: string): Measured => {
  const found = lines.filter(({ metric }) => metric.includes(words));
  expect(found.length, words).toBe(1);
  return found[0]!;
};

describe("the claim with a stand-in for its rival", () => {
  test("equal arms agree bit for bit, and every text is valid", { timeout: 300_000 }, async () => {
    const mirrors: Mirror[] = [];
    const open = (): Mirror => mirrors[mirrors.push(new Mirror()) - 1]!;
    const claim: Claim = { ...structuredOutput, measure: (given) => measureStructuredOutput(given, open) };
    const result = await runClaim(claim, context);
    expect(result.error).toBeUndefined();
    const lines = result.measured;
    expect(about(lines, "masks that allow")).toMatchObject({ ours: 1, target: null });
    expect(about(lines, "generated schemas whose text")).toMatchObject({ ours: 1, holds: true, samples: 6 });
    expect(about(lines, "the same schemas by")).toMatchObject({ ours: 1 });
    expect(about(lines, "keywords")).toMatchObject({ ours: 0, holds: true, samples: PROBES.length });
    for (const { metric, ours, samples } of lines) {
      expect(Number.isFinite(ours), metric).toBe(true);
      expect(samples, metric).toBeGreaterThan(0);
    }
    const shares = lines.filter(({ target }) => target === 0.05);
    expect(shares.length).toBe(3);
    expect(new Set(lines.map(({ metric }) => metric)).size).toBe(lines.length);
    expect(mirrors.map(({ closed }) => closed)).toEqual([1, 1]);
    expect(resultText(claim, result)).toContain(claim.headline);
    expect(claimsMarkdown([claim], [result])).toContain("uniqueItems");
  });

  test("an invalid text is a false claim", { timeout: 300_000 }, async () => {
    const lines = await measureStructuredOutput(
      context,
      () => new Mirror((text) => `[${text}, ${text}, {}, 0, "", 1]`),
    );
    expect(about(lines, "generated schemas whose text").holds).toBe(false);
  });
});

describe("what is measured with", () => {
  const vocabulary = madeVocabulary(4096, 7);
  const grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });

  test("answers validate, and are texts of their grammars in the longest pieces", () => {
    for (const [i, texts] of answersOf(5, 1, 2).entries()) {
      const { schema, strict, name } = SERVICES[i]!;
      const validate = ajv.compile(schema as object);
      for (const text of texts) {
        expect(validate(JSON.parse(text)), `${name}: ${text}`).toBe(true);
        const tokens = vocabulary.encode(text);
        expect(Buffer.concat(tokens.map((id) => vocabulary.pieces[id]!)).toString()).toBe(text);
        const state = compileGrammar({ kind: "json_schema", schema, strict }, grammars).start();
        expect(tokens.every((token) => state.accept(token)) && state.done, `${name}: ${text}`).toBe(true);
      }
    }
    expect(answersOf(1, 1, 2)).toEqual(answersOf(1, 1, 2));
    expect(answersOf(1, 1, 3)).not.toEqual(answersOf(1, 1, 2));
  });

  test("pieces are there once, the same for the same seed", () => {
    const texts = vocabulary.pieces.map((bytes) => Buffer.from(bytes).toString("latin1"));
    expect(new Set(texts).size).toBe(4096);
    expect(madeVocabulary(4096, 7).pieces).toEqual(vocabulary.pieces);
    expect(byteVocabulary().encode("é")).toEqual([24 + 0xc3, 24 + 0xa9]);
  });

  test("generated schemas are schemas, and all can be enforced", () => {
    const schemas = generatedSchemas(200, 3);
    for (const { schema, strict } of schemas) {
      ajv.compile(schema);
      compileGrammar({ kind: "json_schema", schema, strict }, grammars);
    }
    expect(new Set(schemas.map((one) => JSON.stringify(one))).size).toBe(200);
  });

  test("probes of keywords are right about what validates", () => {
    for (const { keyword, schema, valid, invalid } of PROBES) {
      const validate = keyword.includes("unknown to the standard") ? () => true : ajv.compile(schema);
      const isValid = (text: string): boolean => {
        try {
          return validate(JSON.parse(text)) as boolean;
        } catch (error) {
          if (error instanceof SyntaxError) return false;
          throw error;
        }
      };
      for (const text of valid) expect(isValid(text), `${keyword}: ${text}`).toBe(true);
      for (const text of invalid) {
        const isLenient = keyword === "format date"; // the stand-in for the format here knows no calendar
        expect(isValid(text) && !isLenient, `${keyword}: ${text}`).toBe(false);
      }
    }
  });
});

test("without rivals/ it could not run, and says what to install", () => {
  let error: unknown;
  try {
    requireXgrammar(folder);
  } catch (caught) {
    error = caught;
  }
  expect(toErrorRecord(error)).toMatchObject({ code: "missing_dependency", param: "@mlc-ai/web-xgrammar" });
  expect(String(error)).toContain("npm ci");
});
