/** Sets of Unicode code points as sorted ranges, inclusive at both ends, and their UTF-8 forms as byte ranges. */

/** Sorted, disjoint, not adjacent. Surrogates are never members: they have no UTF-8. */
export type CodeSet = readonly (readonly [number, number])[];

/** The last code point of Unicode. */
export const LAST_CODE = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

/** Every code point that has a UTF-8 form. */
export const ALL_CODES: CodeSet = [
  [0, FIRST_SURROGATE - 1],
  [LAST_SURROGATE + 1, LAST_CODE],
];

/** The union of ranges in any order; surrogates are dropped. */
export function codeSet(ranges: readonly (readonly [number, number])[]): CodeSet {
  const merged: [number, number][] = [];
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return subtract(merged, [[FIRST_SURROGATE, LAST_SURROGATE]]);
}

/** What is in `from` and not in `what`; both sorted. */
export function subtract(from: CodeSet, what: CodeSet): CodeSet {
  const left: [number, number][] = [];
  for (const [low, high] of from) {
    let at = low;
    for (const [start, end] of what) {
      if (end < at || start > high) continue;
      if (start > at) left.push([at, start - 1]);
      at = end + 1;
    }
    if (at <= high) left.push([at, high]);
  }
  return left;
}

/** All code points but these. */
export function complement(set: CodeSet): CodeSet {
  return subtract(ALL_CODES, set);
}

/** Whether a code point is a member. */
export function hasCode(set: CodeSet, code: number): boolean {
  return set.some(([low, high]) => code >= low && code <= high);
}

/** One UTF-8 form: a byte range per byte; any combination of them is a member. */
export type ByteRanges = readonly (readonly [number, number])[];

const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, LAST_CODE];

function encode(code: number, length: number): number[] {
  if (length === 1) return [code];
  const bytes: number[] = [];
  let rest = code;
  for (let i = 1; i < length; i++) {
    bytes.unshift(0x80 | (rest & 0x3f));
    rest >>= 6;
  }
  const mark = [0, 0, 0xc0, 0xe0, 0xf0][length]!;
  return [mark | rest, ...bytes];
}

/**
 * A set as sequences of byte ranges. A range is cut where a lower byte would not run through all of 80..BF (Ken
 * Thompson's encoding; the cutting as in automaton-based matchers).
 */
export function utf8Ranges(set: CodeSet): ByteRanges[] {
  const out: ByteRanges[] = [];
  for (const [first, last] of set) {
    let low = first;
    for (let length = 1; length <= 4 && low <= last; length++) {
      const limit = LAST_OF_LENGTH[length - 1]!;
      if (low > limit) continue;
      splitRange(low, Math.min(last, limit), length, out);
      low = limit + 1;
    }
  }
  return out;
}

function splitRange(low: number, high: number, length: number, out: ByteRanges[]): void {
  for (let i = 1; i < length; i++) {
    const block = (1 << (6 * i)) - 1;
    if ((low & ~block) === (high & ~block)) break;
    if ((low & block) !== 0) {
      splitRange(low, low | block, length, out);
      splitRange((low | block) + 1, high, length, out);
      return;
    }
    if ((high & block) !== block) {
      splitRange(low, (high & ~block) - 1, length, out);
      splitRange(high & ~block, high, length, out);
      return;
    }
  }
  const from = encode(low, length);
  const to = encode(high, length);
  out.push(from.map((byte, i) => [byte, to[i]!] as const));
}
