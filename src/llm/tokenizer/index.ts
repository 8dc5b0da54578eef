/**
 * Byte-level byte-pair tokenizers: train, read, write, encode, decode.
 *
 *     const tokenizer = trainBpe(texts, { vocabSize: 1536 });
 *     tokenizer.decode(tokenizer.encode("Turn on the kitchen light.")); // the same text
 *     const same = readTokenizer(writeTokenizer(tokenizer));
 */
export { readTokenizer, writeTokenizer } from "./file.ts";
export { Tokenizer, type StreamDecoder, type TokenizerData } from "./tokenizer.ts";
export { SPECIAL_TOKENS, trainBpe, type TrainBpeOptions } from "./train.ts";
