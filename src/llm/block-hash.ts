/**
 * A 128-bit name for "this page of tokens after that prefix": the rounds of MurmurHash3 x86_128
 * (Appleby, public domain) over the page's tokens, started from the parent's 128 bits. Not
 * cryptographic: kv-pages.ts compares the tokens before it trusts a match.
 */
import { hashString } from "../core/index.ts";

declare const brand: unique symbol;
/** 32 hexadecimal digits. */
export type BlockHash = string & { readonly [brand]: "BlockHash" };

/** Hash of tokens[start, end) following `parent`. */
export type BlockHasher = (parent: BlockHash, tokens: ArrayLike<number>, start: number, end: number) => BlockHash;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function finalMix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** One lane of the hash: its multipliers, rotations and addend, as in the published algorithm. */
interface Lane {
  readonly c1: number;
  readonly c2: number;
  readonly rotateKey: number;
  readonly rotateLane: number;
  readonly addend: number;
}

const LANES: readonly [Lane, Lane, Lane, Lane] = [
  { c1: 0x239b961b, c2: 0xab0e9789, rotateKey: 15, rotateLane: 19, addend: 0x561ccd1b },
  { c1: 0xab0e9789, c2: 0x38b34ae5, rotateKey: 16, rotateLane: 17, addend: 0x0bcaa747 },
  { c1: 0x38b34ae5, c2: 0xa1e38b93, rotateKey: 17, rotateLane: 15, addend: 0x96cd1c35 },
  { c1: 0xa1e38b93, c2: 0x239b961b, rotateKey: 18, rotateLane: 13, addend: 0x32ac3b17 },
];

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

function finish(state: Int32Array, length: number): BlockHash {
  for (let i = 0; i < 4; i++) state[i]! ^= length;
  spread(state);
  for (let i = 0; i < 4; i++) state[i] = finalMix(state[i]!);
  spread(state);
  return (hex(state[0]!) + hex(state[1]!) + hex(state[2]!) + hex(state[3]!)) as BlockHash;
}

/** Lets every lane reach every other. */
function spread(state: Int32Array): void {
  state[0] = state[0]! + state[1]! + state[2]! + state[3]!;
  state[1]! += state[0]!;
  state[2]! += state[0]!;
  state[3]! += state[0]!;
}

/** The root of all prefixes under `salt` (model, mask, tenant): nothing is shared across salts. */
export function rootHash(salt: string): BlockHash {
  const state = new Int32Array(4);
  for (let i = 0; i < 4; i++) state[i] = hashString(`${i}/${salt}`);
  return finish(state, salt.length);
}

/** Chains a block onto its parent: equal for equal tokens behind equal beginnings. */
export const hashBlock: BlockHasher = (parent, tokens, start, end) => {
  const state = new Int32Array(4);
  for (let i = 0; i < 4; i++) state[i] = Number.parseInt(parent.slice(i * 8, i * 8 + 8), 16);
  for (let at = start; at < end; at++) {
    const index = (at - start) & 3;
    const lane = LANES[index]!;
    const key = Math.imul(rotate(Math.imul(tokens[at]!, lane.c1), lane.rotateKey), lane.c2);
    let h = rotate(state[index]! ^ key, lane.rotateLane);
    h = (h + state[(index + 1) & 3]!) | 0;
    state[index] = (Math.imul(h, 5) + lane.addend) | 0;
  }
  return finish(state, (end - start) * 4);
};
