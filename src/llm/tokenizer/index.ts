/**
 * Tokenizers: one port (TextTokenizer), our own byte-level byte pairs (train, read, write) behind it, and
 * everybody else's files.
 *
 *     const tokenizer = trainBpe(texts, { vocabSize: 1536 });
 *     tokenizer.decode(tokenizer.encode("Turn on the kitchen light.")); // the same text
 *     const same = readTokenizer(writeTokenizer(tokenizer));
 *     const theirs = openTokenizer({ kind: "json", text, config: null });
 */
export { MarkShield } from "./added.ts";
export { readTokenizer, writeTokenizer } from "./file.ts";
export { openTokenizer } from "./open.ts";
export { PieceDecoder, pieceTableOf, type PieceTable } from "./piece-table.ts";
export { Tokenizer, type TokenizerData } from "./tokenizer.ts";
export type { DecodeOptions, EncodeOptions, StreamDecoder, TextTokenizer, TokenDecoder } from "./types.ts";
export { SPECIAL_TOKENS, trainBpe, type TrainBpeOptions } from "./train.ts";
