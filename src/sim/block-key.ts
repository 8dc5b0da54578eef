/**
 * Names of pages by what they hold: a 52-bit number for "this block of tokens after that prefix". Blocks that a trace
 * or a recording names are shared by whoever names them; all other tokens are their request's own.
 *
 * A trace's blocks may be larger than pages (512 tokens in Mooncake's) or smaller: a page is named by every block it
 * overlaps and where in it it starts.
 */
import type { SimRequest } from "./sequence.ts";

const HIGH = 2 ** 32;
/** Tells content of a request's own from shared content. */
const OWN = 0x5bd1e995;
const SHARED = 0x27d4eb2f;

function finalMix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** One step of the chain: two crosswise mixed lanes of 32 bits, 52 of the 64 bits kept, never 0. */
function mix(parent: number, content: number, tag: number): number {
  let low = finalMix((parent >>> 0) ^ Math.imul(content >>> 0, 0xcc9e2d51) ^ tag);
  let high = finalMix(((parent / HIGH) >>> 0) ^ Math.imul((content / HIGH) >>> 0, 0x1b873593) ^ low);
  low = finalMix((low + Math.imul(high, 0x9e3779b1)) ^ (content >>> 0));
  high = finalMix(high + Math.imul(low, 0x85ebca77));
  return (high >>> 12) * HIGH + (low >>> 0) || 1;
}

/** The key of page `index` of a request whose pages before it have the key `parent` (0 for none). */
export function pageKey(request: SimRequest, index: number, pageTokens: number, parent: number): number {
  const start = index * pageTokens;
  const end = start + pageTokens;
  const { hashIds, blockTokens = 0 } = request;
  const hashed = request.hashedTokens ?? request.promptTokens;
  if (hashIds === undefined || blockTokens === 0 || end > hashed || end > hashIds.length * blockTokens) {
    return mix(parent, request.id, OWN);
  }
  let key = parent;
  const last = Math.floor((end - 1) / blockTokens);
  for (let block = Math.floor(start / blockTokens); block <= last; block++) {
    key = mix(key, hashIds[block]!, SHARED + Math.max(0, start - block * blockTokens));
  }
  return key;
}
