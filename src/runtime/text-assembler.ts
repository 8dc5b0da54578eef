/**
 * From token ids to text in sections: thinking and calls between the marks that the vocabulary has for them
 * (<|think|> and <|call|> of our models, <think> and <tool_call> of others), everything else text. Marks carry no text. Stop strings are looked for in the
 * visible text only; what may become one is held back until that is decided.
 */
import { sectionMarks, StopStrings, type SectionMarks, type StreamDecoder, type TokenDecoder } from "../llm/index.ts";
import type { Section } from "./types.ts";

/** The tokens that mean something to the engine; marks are null where a tokenizer lacks them. */
export interface Vocabulary extends SectionMarks {
  readonly tokenizer: TokenDecoder;
  readonly vocabSize: number;
  readonly endTokens: readonly number[];
}

export function createVocabulary(tokenizer: TokenDecoder, endTokens: readonly number[], vocabSize: number): Vocabulary {
  return { tokenizer, vocabSize, endTokens, ...sectionMarks(tokenizer) };
}

export interface Piece {
  readonly text: string;
  readonly section: Section;
  /** The token is a section mark: `open` marks belong to the section that begins, `close` to the one that ends. */
  readonly mark: "open" | "close" | null;
  /** The stop string met by this token. */
  readonly stop: string | null;
}

export class TextAssembler {
  readonly #vocabulary: Vocabulary;
  readonly #stops: StopStrings;
  readonly #thinkingBudget: number;
  #decoder: StreamDecoder;
  #section: Section;
  #thinkingTokens = 0;
  #stop: string | null = null;

  constructor(
    spec: {
      readonly promptTokens: readonly number[];
      readonly stop: readonly string[];
      readonly thinkingBudget: number | null;
    },
    vocabulary: Vocabulary,
  ) {
    this.#vocabulary = vocabulary;
    this.#stops = new StopStrings(spec.stop);
    this.#thinkingBudget = spec.thinkingBudget ?? Infinity;
    const { tokenizer } = vocabulary;
    const last = spec.promptTokens.at(-1);
    // An answer goes on where its prompt ends, unless that ends in a mark: then it is a text of its own.
    this.#decoder = tokenizer.streamDecoder({ continues: last !== undefined && !tokenizer.isSpecial(last) });
    this.#section = this.#sectionAtEnd(spec.promptTokens);
  }

  /** Tokens inside thinking sections, marks not counted. */
  get thinkingTokens(): number {
    return this.#thinkingTokens;
  }

  /** Where the next token goes, unless it is a mark. */
  get section(): Section {
    return this.#section;
  }

  get stop(): string | null {
    return this.#stop;
  }

  /** The end of thinking, when its budget is used up. */
  forcedToken(): number | null {
    const used = this.#section === "thinking" && this.#thinkingTokens >= this.#thinkingBudget;
    return used ? this.#vocabulary.thinkEnd : null;
  }

  push(id: number): Piece {
    const { think, thinkEnd, call, callEnd, tokenizer } = this.#vocabulary;
    const section = this.#section;
    if (id === think || id === call) {
      // Bytes of an unfinished character cannot go on behind the mark: they are dropped with the old decoder.
      this.#decoder = tokenizer.streamDecoder();
      this.#section = this.#opens(id);
      return { text: "", section: this.#section, mark: "open", stop: null };
    }
    if ((id === thinkEnd && section === "thinking") || (id === callEnd && section === "call")) {
      this.#decoder = tokenizer.streamDecoder();
      this.#section = "text";
      return { text: "", section, mark: "close", stop: null };
    }
    if (section === "thinking") this.#thinkingTokens += 1;
    // A vocabulary padded beyond its tokenizer has ids without text.
    const text = id < tokenizer.vocabSize ? this.#decoder.push(id) : "";
    if (section !== "text") return { text, section, mark: null, stop: null };
    const scan = this.#stops.push(text);
    this.#stop = scan.stop;
    return { text: scan.text, section, mark: null, stop: scan.stop };
  }

  /** What was held back, when there are no more tokens. */
  end(): { readonly text: string; readonly section: Section } {
    const section = this.#section;
    if (this.#stop !== null) return { text: "", section };
    const bytes = this.#decoder.end();
    if (section !== "text") return { text: bytes, section };
    const scan = this.#stops.push(bytes);
    this.#stop = scan.stop;
    return { text: scan.stop === null ? scan.text + this.#stops.end() : scan.text, section };
  }

  /**
   * A prompt may end inside a section, to make the model think or call; some templates put a line break behind the
   * mark. Sections of earlier turns ended with those.
   */
  #sectionAtEnd(promptTokens: readonly number[]): Section {
    const { think, thinkEnd, call, callEnd, endTokens } = this.#vocabulary;
    if (think === null && call === null) return "text";
    for (let i = promptTokens.length - 1; i >= 0; i--) {
      const id = promptTokens[i]!;
      if (id === think || id === call) return this.#opens(id);
      if (id === thinkEnd || id === callEnd || endTokens.includes(id)) return "text";
    }
    return "text";
  }

  #opens(id: number): Section {
    if (id === this.#vocabulary.think) return "thinking";
    return id === this.#vocabulary.call ? "call" : "text";
  }
}
