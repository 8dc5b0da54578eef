/**
 * Pre-tokenisation: the pieces of text that byte-pair merges never cross.
 *
 * Only patterns named in this table are run. A tokenizer file names its pattern as text, and compiling
 * a stranger's expression would let a file hang the process, so an unknown pattern is `unsupported`.
 * Invariant: the pieces of a text, joined, are the text.
 */
import { fail } from "../../core/index.ts";

/** Ours: a leading space joins a word or a run of signs, every digit stands alone. */
export const PUNCTUAL_PATTERN = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const GPT2_SHORT = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** GPT-2's, which ByteLevel stands for when it splits by itself. */
export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const modern = (digits: string, contractions: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
// JavaScript of Node 20 has no inline (?i:…): the classes below spell it out.
const CONTRACTIONS_ANY_CASE = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])";
const CONTRACTIONS_INLINE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const cased = (digits: string, contractions: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${contractions}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${contractions}|` +
  `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** Llama 3's and SmolLM 3's. */
export const LLAMA3_PATTERN = modern("\\p{N}{1,3}", CONTRACTIONS_INLINE);
/** Qwen's, from 2 on. */
export const QWEN2_PATTERN = modern("\\p{N}", CONTRACTIONS_INLINE);
/** Mistral's, of its byte-level vocabularies ("Tekken"). */
export const TEKKEN_PATTERN = cased("\\p{N}", "");
/** GPT-4o's. */
export const GPT4O_PATTERN = cased("\\p{N}{1,3}", `${CONTRACTIONS_INLINE}?`);

/**
 * A pattern of others for JavaScript, whose \s takes U+FEFF in and leaves U+0085 out, against Unicode and everybody
 * else. All their patterns use it in ways that the replacement keeps.
 */
const foreign = (pattern: string): [string, string] => [
  pattern,
  pattern
    .replaceAll(CONTRACTIONS_INLINE, `(?:${CONTRACTIONS_ANY_CASE})`)
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}"),
];

/** Pattern as written in files → the same pattern for JavaScript. */
const PATTERNS: ReadonlyMap<string, string> = new Map([
  [PUNCTUAL_PATTERN, PUNCTUAL_PATTERN],
  ...[GPT2_SHORT, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, TEKKEN_PATTERN, GPT4O_PATTERN].map(foreign),
]);

/** One stage of splitting: cuts each piece further. */
export type SplitStage = { readonly kind: "pattern"; readonly pattern: string } | { readonly kind: "digits" };

const DIGITS = /\p{N}|\P{N}+/gu;

/** A function that cuts text by every stage in order. Throws `unsupported` for a pattern not in the table. */
export function createSplitter(stages: readonly SplitStage[]): (text: string) => string[] {
  const expressions = stages.map((stage) => {
    if (stage.kind === "digits") return DIGITS;
    const source = PATTERNS.get(stage.pattern);
    if (source === undefined) {
      fail("unsupported", `unknown pre-tokenisation pattern ${JSON.stringify(stage.pattern.slice(0, 120))}`, {
        param: "pre_tokenizer.pattern",
      });
    }
    return new RegExp(source, "gu");
  });
  const first = expressions[0];
  if (first === undefined) return (text) => (text === "" ? [] : [text]);
  if (expressions.length === 1) return (text) => text.match(first) ?? [];
  return (text) =>
    expressions.reduce((pieces, expression) => pieces.flatMap((piece) => piece.match(expression) ?? []), [text]);
}
