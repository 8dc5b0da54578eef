/** Compiled grammars by what they say: requests of one kind bring the same schema again and again. */
import { grammarKey } from "./checker.ts";
import { compileGrammar } from "./grammar.ts";
import type { Grammar, GrammarSpec } from "./types.ts";
import type { GrammarVocabulary } from "./vocabulary.ts";

const DEFAULT_LIMIT = 64;

/** Keeps the most recently used grammars; one more drops the one that was not used for longest. */
export class GrammarCache {
  readonly #vocabulary: GrammarVocabulary;
  readonly #limit: number;
  readonly #known = new Map<string, Grammar>();
  #epoch: number;

  constructor(vocabulary: GrammarVocabulary, limit: number = DEFAULT_LIMIT) {
    this.#vocabulary = vocabulary;
    this.#limit = limit;
    this.#epoch = vocabulary.machine.epoch;
  }

  /** Grammars kept. */
  get size(): number {
    return this.#known.size;
  }

  /** The grammar of a specification, compiled when it is not there. @throws PunctualError invalid_request. */
  get(spec: GrammarSpec): Grammar {
    const { epoch } = this.#vocabulary.machine;
    // What the automaton dropped, grammars made before would build up a second time beside the others'.
    if (epoch !== this.#epoch) this.#known.clear();
    this.#epoch = epoch;
    const key = grammarKey(spec);
    const grammar = this.#known.get(key) ?? compileGrammar(spec, this.#vocabulary);
    this.#known.delete(key);
    this.#known.set(key, grammar);
    if (this.#known.size > this.#limit) this.#known.delete(this.#known.keys().next().value!);
    return grammar;
  }
}
