/**
 * Grammars as requests name them, compiled for a vocabulary, and the states that sequences keep.
 *
 *   const vocabulary = new GrammarVocabulary(tokenizer, { endTokens });
 *   const state = compileGrammar({ kind: "regex", pattern: "[0-9]+ g" }, vocabulary).start();
 *   while (!state.complete) state.accept(sampler.sample(scores, state).id);
 */
import { assert, fail } from "../../core/index.ts";
import { ExprTable, type Expr } from "./expr.ts";
import { JsonForms } from "./json.ts";
import { END, type State } from "./machine.ts";
import { matchWhole } from "./regex.ts";
import { compileSchema } from "./schema.ts";
import type { Grammar, GrammarSpec, GrammarState } from "./types.ts";
import type { GrammarVocabulary } from "./vocabulary.ts";

const MOST_CHOICES = 10_000;
const LONGEST_CHOICES = 500_000;

/**
 * Checks a specification without a vocabulary: what passes compiles.
 * @throws PunctualError invalid_request with param "grammar", naming the keyword or construct.
 */
export function checkGrammar(spec: GrammarSpec): void {
  expressionOf(spec, new JsonForms(new ExprTable()));
}

/**
 * Compiles a specification; masks are found as states are met, and shared by all grammars over the vocabulary.
 * @throws PunctualError invalid_request with param "grammar".
 */
export function compileGrammar(spec: GrammarSpec, vocabulary: GrammarVocabulary): Grammar {
  const { machine } = vocabulary;
  machine.begin();
  const expr = expressionOf(spec, vocabulary.jsonForms());
  return {
    start: () => {
      machine.begin();
      const state = machine.state([machine.stack(machine.frame(expr, null), END)]);
      assert(state !== null, "a grammar has a first state");
      return new LiveGrammarState(vocabulary, state);
    },
  };
}

function expressionOf(spec: GrammarSpec, forms: JsonForms): Expr {
  switch (spec.kind) {
    case "json_object":
      return forms.object;
    case "json_schema":
      return compileSchema(forms, spec.schema, spec.strict === true);
    case "regex":
      if (typeof spec.pattern !== "string") return refuse("the pattern is no string");
      return matchWhole(forms.table, spec.pattern, "regex");
    case "choice":
      return forms.table.texts(checkChoices(spec.choices));
    default:
      return refuse(`unknown kind ${JSON.stringify((spec satisfies never as { kind?: unknown }).kind)}`);
  }
}

function checkChoices(choices: readonly string[]): readonly string[] {
  if (!Array.isArray(choices) || choices.length === 0) return refuse("choice: expected at least one text");
  if (choices.length > MOST_CHOICES) return refuse(`choice: at most ${MOST_CHOICES} texts`);
  if (!choices.every((text) => typeof text === "string" && text !== ""))
    return refuse("choice: texts must not be empty");
  const length = choices.reduce((sum: number, text: string) => sum + text.length, 0);
  if (length > LONGEST_CHOICES) return refuse(`choice: at most ${LONGEST_CHOICES} characters in all`);
  return choices;
}

function refuse(message: string): never {
  return fail("invalid_request", message, { param: "grammar" });
}

class LiveGrammarState implements GrammarState {
  readonly #vocabulary: GrammarVocabulary;
  #state: State;
  /** An end token was taken: nothing may follow. */
  #ended = false;

  constructor(vocabulary: GrammarVocabulary, state: State) {
    this.#vocabulary = vocabulary;
    this.#state = state;
  }

  get done(): boolean {
    return this.#state.final;
  }

  get complete(): boolean {
    return this.#state.final && this.#state.leaves.length === 0;
  }

  allows(tokenId: number): boolean {
    const { mask } = this.#state;
    if (this.#ended) return false;
    if (mask !== null) return ((mask[tokenId >>> 5]! >>> (tokenId & 31)) & 1) === 1;
    if (this.#vocabulary.endTokens.includes(tokenId)) return this.#state.final;
    return this.#after(tokenId) !== null;
  }

  bits(): Uint32Array {
    assert(!this.#ended, "an ended text has no next token");
    this.#vocabulary.machine.begin();
    return this.#vocabulary.masks.of(this.#state);
  }

  count(): number | null {
    if (this.#state.mask === null) {
      if (this.#ended || !this.#vocabulary.masks.isCheap(this.#state)) return null;
      this.bits();
    }
    return this.#state.allowed;
  }

  mask(into: Uint32Array): void {
    if (this.#ended) into.fill(0);
    else into.set(this.bits());
  }

  accept(tokenId: number): boolean {
    if (this.#ended) return false;
    if (this.#vocabulary.endTokens.includes(tokenId)) {
      this.#ended = this.#state.final;
      return this.#ended;
    }
    this.#vocabulary.machine.begin();
    const after = this.#after(tokenId);
    if (after === null) return false;
    this.#state = after;
    return true;
  }

  clone(): GrammarState {
    const copy = new LiveGrammarState(this.#vocabulary, this.#state);
    copy.#ended = this.#ended;
    return copy;
  }

  #after(tokenId: number): State | null {
    const piece = this.#vocabulary.piece(tokenId);
    if (piece === null) return null;
    const { machine } = this.#vocabulary;
    let state: State | null = this.#state;
    for (let i = 0; i < piece.length && state !== null; i++) state = machine.step(state, piece[i]!);
    return state;
  }
}
