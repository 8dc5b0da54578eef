/** What every tokenizer is to the rest of the program, whatever file it came from. No code in here. */

/** How text becomes ids. */
export interface EncodeOptions {
  /** Recognise special tokens by name: for trusted text only; default false. */
  readonly special?: boolean;
  /** The text went through a MarkShield: special tokens that it covers stay text. Counts with `special` only. */
  readonly shielded?: boolean;
}

/** How ids become text. */
export interface DecodeOptions {
  /** Write special tokens by name; they are left out by default. */
  readonly special?: boolean;
  /**
   * The ids go on behind other text: SentencePiece's space before a first word is then part of the text. Default false:
   * the ids are a text of their own, which that space does not belong to. Byte-level vocabularies have no such space.
   */
  readonly continues?: boolean;
}

/** Turns a stream of ids into text, holding back bytes until they are whole characters. */
export interface StreamDecoder {
  push(id: number): string;
  /** What was held back, as replacement characters. */
  end(): string;
}

/** The half of a tokenizer that turns ids into text. */
export interface TokenDecoder {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Name to id. */
  readonly specials: ReadonlyMap<string, number>;
  /** The vocabulary writes a space before the first word of a text (SentencePiece); decoders take it off again. */
  readonly leadingSpace: boolean;
  streamDecoder(options?: DecodeOptions): StreamDecoder;
  /** Bytes of a piece; a special token's are its name in UTF-8. Throws `invalid_request` for an id out of range. */
  pieceBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
}

/**
 * Text to token ids and back. Special tokens are names that a text never produces by itself: what a user types cannot
 * end a turn or open a call. Every id below `vocabSize` has bytes, and the bytes of the ids of a text, joined, are
 * the (normalised) text, but for the one space that SentencePiece puts before it.
 */
export interface TextTokenizer extends TokenDecoder {
  /** The file's special tokens for the start and the end of a text; null where it names none. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** Ids that the model expects before and after a plain text; `encode` does not add them, and chat templates write their own. */
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of ids. Throws `invalid_request` for an id out of range. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** The id of a special token; a name that does not exist is a bug. */
  specialId(name: string): number;
}
