/**
 * A grammar over one answer: which section it governs and what may come next there.
 *
 * It governs the text, or the call when the prompt has opened one, and ends the answer when it is complete. Thinking before
 * the text is free, but must be closed: no end token and no other mark inside it. A model may open thinking by itself as
 * the first thing it does, unless its thinking budget is 0.
 *
 * Sampled tokens alone move it, so a sequence that is preempted and computed again finds it where it was.
 */
import { assert } from "../core/index.ts";
import type { GrammarState, TokenFilter } from "../llm/index.ts";
import type { Vocabulary } from "./text-assembler.ts";
import type { Section } from "./types.ts";

export class AnswerGrammar {
  readonly #state: GrammarState;
  readonly #governed: Section;
  readonly #thinking: TokenFilter;
  /** At the first token only. */
  readonly #opening: TokenFilter;

  /** @param section where the prompt ends */
  constructor(state: GrammarState, vocabulary: Vocabulary, section: Section, thinkingBudget: number | null) {
    this.#state = state;
    this.#governed = section === "call" ? "call" : "text";
    this.#thinking = insideThinking(vocabulary);
    const { think } = vocabulary;
    const mayThink = think !== null && section === "text" && thinkingBudget !== 0;
    this.#opening = mayThink ? new OneMore(state, think) : state;
  }

  /** Nothing but an end token could follow. */
  get complete(): boolean {
    return this.#state.complete;
  }

  /** What may come next. @param generated tokens so far */
  filter(section: Section, generated: number): TokenFilter | null {
    if (section === this.#governed) return generated === 0 ? this.#opening : this.#state;
    return section === "thinking" ? this.#thinking : null;
  }

  /** Of guesses at the next tokens, how many could come as they are. What is behind a mark is not looked at. */
  allowed(tokens: readonly number[], section: Section): number {
    let count = 0;
    if (section === this.#governed) {
      const ahead = this.#state.clone();
      while (count < tokens.length && ahead.accept(tokens[count]!)) count += 1;
      return count;
    }
    if (section !== "thinking") return tokens.length;
    while (count < tokens.length && this.#thinking.allows(tokens[count]!)) count += 1;
    return count;
  }

  /** Takes a token of a section; marks are not part of the governed text. */
  accept(id: number, section: Section, isMark: boolean): void {
    if (isMark || section !== this.#governed) return;
    assert(this.#state.accept(id), "a sampled token is one that the grammar allows");
  }
}

/** Everything but end tokens and marks; the end of thinking stays. */
function insideThinking({ vocabSize, endTokens, think, call, callEnd }: Vocabulary): TokenFilter {
  const barred = new Set([...endTokens, think, call, callEnd]);
  const bits = (): Uint32Array => {
    const all = new Uint32Array(Math.ceil(vocabSize / 32));
    for (let id = 0; id < vocabSize; id++) if (!barred.has(id)) all[id >>> 5]! |= 1 << (id & 31);
    return all;
  };
  barred.delete(null);
  return { allows: (id) => !barred.has(id), bits, count: () => vocabSize - barred.size };
}

/** A filter that lets one more token pass. */
class OneMore implements TokenFilter {
  readonly #filter: TokenFilter;
  readonly #id: number;

  constructor(filter: TokenFilter, id: number) {
    this.#filter = filter;
    this.#id = id;
  }

  allows(tokenId: number): boolean {
    return tokenId === this.#id || this.#filter.allows(tokenId);
  }

  bits(): Uint32Array {
    const bits = this.#filter.bits().slice();
    bits[this.#id >>> 5]! |= 1 << (this.#id & 31);
    return bits;
  }

  count(): number | null {
    const count = this.#filter.count();
    return count === null ? null : count + 1;
  }
}
