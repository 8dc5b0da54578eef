/**
 * Claim `structured-output`: a vocabulary of 32k pieces made up in the proportions of published byte-level ones: specials, bytes,
 * what JSON and indentation are full of, numbers up to 999, words of many lengths with and without a space before them, other
 * scripts in whole and in parts of characters. What the words mean is of no matter to a grammar; where pieces begin and
 * end is.
 */
import { assert, createRandom, type RandomStream } from "../../core/index.ts";
import { SPECIAL_TOKENS, type PieceSource } from "../../llm/index.ts";

/** Pieces by id; id `endToken` ends an answer. */
export interface MadeVocabulary extends PieceSource {
  readonly pieces: readonly Uint8Array[];
  readonly endToken: number;
  /** A text in the longest pieces that fit, one after another. */
  encode(text: string): number[];
}

const JSON_PIECES =
  '{" "} ": ", " [" "] ", "," {} [] [{ }] }, ]} }} ]] [[ [{" "}, "}] "}} "]} }] "] }]} :" :[ :{ :[" :{" ": ": [ ": { ": [" ": {" ":" "," {" "{ ' +
  'true false null true, false, null, true} false} null} 0. 1. .0 .5 -1 e- E+ \\" \\n \\u \\\\ () (); => == != // /* */ -- ... ?? http:// .com @';
const COMMON_WORDS =
  "name type value id city street country title start end items price query limit label text step answer children email phone " +
  "address date time user order list status count first last kind note the of and to in is for on with that this";
const ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl fr gr pl pr sc sh sl sp st str th tr wh".split(
  " ",
);
const VOWELS = "a e i o u ai ea ee ie oo ou y".split(" ");
const CODAS = ["", "", "", ..."n r s t l m d ck nd ng nt rd rt ss st x".split(" ")];
const ENDINGS = "s ed ing er ly tion ness ment able ity est al ous ive".split(" ");
const LONGEST = 16;

const encoder = new TextEncoder();

/** @param size at least 4096 pieces, for small tests; the same seed gives the same pieces */
export function madeVocabulary(size: number, seed: number): MadeVocabulary {
  assert(size >= 4096, "room for what every vocabulary has");
  const random = createRandom(seed, "vocabulary");
  const ids = new Map<string, number>();
  const specials = SPECIAL_TOKENS.length;
  const pieces: Uint8Array[] = SPECIAL_TOKENS.map((name) => encoder.encode(name));
  const add = (bytes: Uint8Array): void => {
    const key = Buffer.from(bytes).toString("latin1");
    if (pieces.length === size || ids.has(key) || bytes.length > LONGEST) return;
    ids.set(key, pieces.length);
    pieces.push(bytes);
  };
  for (let byte = 0; byte < 256; byte++) add(Uint8Array.of(byte));
  for (const text of fixedTexts()) add(encoder.encode(text));
  for (const bytes of otherScripts(random, size >> 3)) add(bytes);
  while (pieces.length < size) {
    const word = madeWord(random);
    const capital = word[0]!.toUpperCase() + word.slice(1);
    const forms = [` ${word}`, word, ` ${capital}`, capital, `_${word}`, `${word}${random.pick(ENDINGS)}`];
    for (const [i, form] of forms.entries()) if (i === 0 || random.chance(0.4)) add(encoder.encode(form));
  }
  return {
    pieces,
    vocabSize: size,
    endToken: SPECIAL_TOKENS.indexOf("<|end|>"),
    pieceBytes: (id) => pieces[id]!,
    isSpecial: (id) => id < specials,
    encode: (text) => longestMatches(Buffer.from(text).toString("latin1"), ids),
  };
}

/** Specials and the 256 bytes alone: a grammar's language is the same over any vocabulary, and this one is small. */
export function byteVocabulary(): MadeVocabulary {
  const specials = SPECIAL_TOKENS.length;
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const pieces = [...SPECIAL_TOKENS.map((name) => encoder.encode(name)), ...bytes];
  return {
    pieces,
    vocabSize: pieces.length,
    endToken: SPECIAL_TOKENS.indexOf("<|end|>"),
    pieceBytes: (id) => pieces[id]!,
    isSpecial: (id) => id < specials,
    encode: (text) => Array.from(encoder.encode(text), (byte) => byte + specials),
  };
}

function fixedTexts(): string[] {
  const blanks = Array.from({ length: LONGEST }, (_, count) => " ".repeat(count + 1));
  const words = COMMON_WORDS.split(" ");
  return [
    ...JSON_PIECES.split(" "),
    '": "',
    '", "',
    '", ',
    '": ',
    '": [',
    '": {',
    '": ["',
    '": {"',
    '"},',
    '}, {"',
    "}, {",
    "], [",
    '"], "',
    '}, "',
    ...blanks,
    ...blanks.map((blank) => `\n${blank.slice(1)}`),
    "\t",
    "\t\t",
    "\n\n",
    "\r\n",
    "\n\t",
    ...Array.from({ length: 1000 }, (_, number) => `${number}`),
    ...Array.from({ length: 10 }, (_, digit) => `0${digit}`),
    ...words.flatMap((word) => [word, ` ${word}`, `"${word}`, word[0]!.toUpperCase() + word.slice(1)]),
  ];
}

/** Whole characters, pairs, and the first bytes of characters. */
function* otherScripts(random: RandomStream, count: number): Generator<Uint8Array> {
  const ranges = [
    [0x4e00, 0x9fa5],
    [0x3041, 0x30fe],
    [0x430, 0x44f],
    [0x3b1, 0x3c9],
    [0xe0, 0xff],
    [0x1f600, 0x1f64f],
  ] as const;
  for (let i = 0; i < count; i++) {
    const [low, high] = ranges[Math.min(ranges.length - 1, random.int(0, 9) >> 1)]!;
    const character = (): string => String.fromCodePoint(random.int(low, high));
    const bytes = encoder.encode(random.chance(0.5) ? character() : character() + character());
    yield random.chance(0.05) ? bytes.slice(0, -1) : bytes;
  }
}

/** One to three syllables. */
export function madeWord(random: RandomStream): string {
  let word = "";
  for (let left = random.int(1, 3); left > 0; left--) {
    word += random.pick(ONSETS) + random.pick(VOWELS) + random.pick(CODAS);
  }
  return word;
}

function longestMatches(text: string, ids: ReadonlyMap<string, number>): number[] {
  const tokens: number[] = [];
  for (let at = 0; at < text.length;) {
    let length = Math.min(LONGEST, text.length - at);
    while (!ids.has(text.slice(at, at + length))) length -= 1; // single bytes are all there
    tokens.push(ids.get(text.slice(at, at + length))!);
    at += length;
  }
  return tokens;
}
