/** Structured output: which tokens keep a text within a JSON Schema, a regular expression or a list of choices. */
export { checkGrammar, compileGrammar } from "./grammar.ts";
export { GrammarCache } from "./cache.ts";
export { GrammarChecker } from "./checker.ts";
export { checkPieces, GrammarVocabulary, type GrammarVocabularyOptions, type PieceSource } from "./vocabulary.ts";
export type { Grammar, GrammarSpec, GrammarState, TokenFilter } from "./types.ts";
