/** Checks grammars where requests arrive, without compiling masks: a bad one is refused before it is queued. */
import { fail } from "../../core/index.ts";
import { checkGrammar } from "./grammar.ts";
import type { GrammarSpec } from "./types.ts";
import { checkPieces, type PieceSource } from "./vocabulary.ts";

const REMEMBERED = 256;

/** Remembers what it found good: requests of one kind bring the same schema again and again. */
export class GrammarChecker {
  readonly #source: PieceSource;
  readonly #endTokens: readonly number[];
  readonly #good = new Set<string>();
  #piecesChecked = false;

  constructor(source: PieceSource, endTokens: readonly number[]) {
    this.#source = source;
    this.#endTokens = endTokens;
  }

  /**
   * Answers the specification.
   * @throws PunctualError invalid_request with param "grammar"; unsupported for a tokenizer that lacks bytes.
   */
  check(spec: GrammarSpec): GrammarSpec {
    if (!this.#piecesChecked) checkPieces(this.#source, this.#endTokens);
    this.#piecesChecked = true;
    const key = grammarKey(spec);
    if (this.#good.has(key)) return spec;
    checkGrammar(spec);
    if (this.#good.size >= REMEMBERED) this.#good.clear(); // bounded; checking again costs about a millisecond
    this.#good.add(key);
    return spec;
  }
}

/** A specification as text. @throws PunctualError invalid_request for what is no plain data. */
export function grammarKey(spec: GrammarSpec): string {
  try {
    return JSON.stringify(spec);
  } catch (error) {
    return fail("invalid_request", "the grammar is no JSON value", { param: "grammar", cause: error });
  }
}
