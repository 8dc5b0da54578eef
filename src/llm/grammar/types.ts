/** What a structured answer may be asked to look like, and what compiling that gives. Plain data and interfaces only. */

/** A request's constraint on its visible text, as plain data: it crosses threads and keys caches. */
export type GrammarSpec =
  /** Any JSON object. */
  | { readonly kind: "json_object" }
  /**
   * A JSON value that validates against a JSON Schema. With `strict`, objects that do not say `additionalProperties`
   * are closed; otherwise they are open, as the standard has it.
   */
  | { readonly kind: "json_schema"; readonly schema: unknown; readonly strict?: boolean }
  /** The whole text matches; a linear-time subset of ECMAScript's syntax (regex-parser.ts). */
  | { readonly kind: "regex"; readonly pattern: string }
  /** The text is one of these; none may be empty. */
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/** Which tokens may come next; what a sampler sees of a grammar. Bits are by token id, 32 to a word, 1 is allowed. */
export interface TokenFilter {
  allows(tokenId: number): boolean;
  /** Every token's bit. Read only, valid until the state moves. May cost a walk over the vocabulary; cached. */
  bits(): Uint32Array;
  /** How many tokens are allowed; null when saying so would cost a walk over the vocabulary. */
  count(): number | null;
}

/** Where one text stands in its grammar. Not shared between sequences: `clone` it. */
export interface GrammarState extends TokenFilter {
  /** Writes the bits of the allowed tokens, one word per 32 ids; `into` has at least ceil(vocabSize / 32) words. */
  mask(into: Uint32Array): void;
  /** Moves on by one token. False, and nothing moves, when it is not allowed. */
  accept(tokenId: number): boolean;
  /** The text may end here: end tokens are allowed now. */
  readonly done: boolean;
  /** The text must end here: nothing but an end token is allowed. */
  readonly complete: boolean;
  clone(): GrammarState;
}

/** A compiled grammar over one vocabulary. */
export interface Grammar {
  /** The state before the first token. */
  start(): GrammarState;
}
