/**
 * Training of a byte-pair vocabulary: count words once, then join the most frequent adjacent pair until
 * the vocabulary is full. Ties break towards the smaller ids, so the same texts give the same file.
 *
 * A merge only touches the words that hold its pair: an index from pair to words keeps a thousand
 * merges over a million words within seconds.
 */
import { assert } from "../../core/index.ts";
import { createSplitter, PUNCTUAL_PATTERN, type SplitStage } from "./split.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Names of the special tokens of every family of ours, ids 0 upwards. */
export const SPECIAL_TOKENS: readonly string[] = [
  ..."<|pad|> <|end|> <|system|> <|user|> <|assistant|> <|think|> <|/think|> <|call|> <|/call|> <|tool|> <|text|>".split(
    " ",
  ),
  ...Array.from({ length: 13 }, (_, i) => `<|reserved_${i}|>`),
];

export interface TrainBpeOptions {
  /** Pieces in all: specials, 256 bytes and merges. */
  readonly vocabSize: number;
  /** Default SPECIAL_TOKENS. */
  readonly specials?: readonly string[];
  /** Pairs seen less often are not joined (default 2); the vocabulary may then stay smaller. */
  readonly minCount?: number;
}

interface Word {
  symbols: number[];
  readonly count: number;
}

const PAIR = 2 ** 20; // ids are below this, so a pair is one exact number

class PairIndex {
  readonly counts = new Map<number, number>();
  readonly words = new Map<number, Set<number>>();

  add(pair: number, word: number, by: number): void {
    this.counts.set(pair, (this.counts.get(pair) ?? 0) + by);
    let holders = this.words.get(pair);
    if (holders === undefined) this.words.set(pair, (holders = new Set()));
    holders.add(word);
  }

  /** The most frequent pair, or -1 when none reaches the minimum. */
  best(minCount: number): number {
    let best = -1;
    let bestCount = minCount - 1;
    for (const [pair, count] of this.counts) {
      if (count > bestCount || (count === bestCount && best >= 0 && pair < best)) {
        best = pair;
        bestCount = count;
      }
    }
    return best;
  }
}

function countWords(texts: Iterable<string>, stages: readonly SplitStage[], firstByte: number): Word[] {
  const split = createSplitter(stages);
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of split(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return Array.from(counts, ([word, count]) => ({
    symbols: Array.from(encoder.encode(word), (byte) => byte + firstByte),
    count,
  }));
}

function indexWord(index: PairIndex, word: Word, at: number, sign: 1 | -1): void {
  for (let i = 0; i + 1 < word.symbols.length; i++) {
    index.add(word.symbols[i]! * PAIR + word.symbols[i + 1]!, at, sign * word.count);
  }
}

function joinPair(symbols: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      result.push(joined);
      i += 1;
    } else result.push(symbols[i]!);
  }
  return result;
}

/** Trains a tokenizer with our pre-tokenisation on the texts. */
export function trainBpe(texts: Iterable<string>, options: TrainBpeOptions): Tokenizer {
  const specials = options.specials ?? SPECIAL_TOKENS;
  assert(options.vocabSize >= specials.length + 256, "the vocabulary holds the specials and every byte");
  assert(options.vocabSize < PAIR, "the vocabulary is below 2^20 pieces");
  const stages: readonly SplitStage[] = [{ kind: "pattern", pattern: PUNCTUAL_PATTERN }];
  const encoder = new TextEncoder();
  const pieces = specials.map((name) => encoder.encode(name));
  for (let byte = 0; byte < 256; byte++) pieces.push(Uint8Array.of(byte));
  const words = countWords(texts, stages, specials.length);
  const index = new PairIndex();
  for (const [at, word] of words.entries()) indexWord(index, word, at, 1);
  const merges: [number, number, number][] = [];
  while (pieces.length < options.vocabSize) {
    const pair = index.best(Math.max(1, options.minCount ?? 2));
    if (pair < 0) break;
    const left = Math.floor(pair / PAIR);
    const right = pair % PAIR;
    const joined = pieces.length;
    pieces.push(Uint8Array.from([...pieces[left]!, ...pieces[right]!]));
    merges.push([left, right, joined]);
    for (const at of index.words.get(pair)!) {
      const word = words[at]!;
      indexWord(index, word, at, -1);
      word.symbols = joinPair(word.symbols, left, right, joined);
      indexWord(index, word, at, 1);
    }
    index.counts.delete(pair);
    index.words.delete(pair);
  }
  return new Tokenizer({ pieces, merges, specials: new Map(specials.map((name, id) => [name, id])), stages });
}
