/**
 * Token masks of automaton states.
 *
 * Most tokens stay within the top frame of a thread, whatever lies below it: those are found once per frame by a walk over
 * the prefix tree and kept as bits. A token that goes on behind the frame's end is followed from the tree nodes where that
 * happens ("exits") into the parent's frame, which are few and kept too. So the mask of a state never seen before is
 * mostly a union of bits known already, however deep its stacks. (The split into context-independent and other tokens is
 * that of XGrammar, Dong et al. 2024; there by rules of a grammar, here by frames.)
 *
 * Counts far from their ends cannot be reached by one token, so frames that differ in them only share their masks.
 */
import { HOLE, type Frame, type Machine, type Stack, type State } from "./machine.ts";
import type { PieceTree } from "./piece-tree.ts";

/** What a frame allows below one tree node: tokens that end within it, and nodes at which it is left. */
interface Inside {
  readonly bits: Uint32Array | null;
  readonly tokens: Int32Array | null;
  readonly exits: Int32Array;
}

const ROOT = 0;
/** Kept bits before all are dropped and found anew. */
const MOST_BYTES = 64 * 2 ** 20;

/** Finds and keeps the masks of one vocabulary. */
export class Masks {
  /** Words of a mask. */
  readonly words: number;
  readonly #machine: Machine;
  readonly #tree: PieceTree;
  readonly #endTokens: readonly number[];
  #atRoot = new Map<number, Inside>();
  #below = new Map<number, Inside>();
  #clamped = new Map<number, Frame>();
  #kept = 0;
  #epoch = 0;
  readonly #path: (State | null)[] = [];

  constructor(machine: Machine, tree: PieceTree, vocabSize: number, endTokens: readonly number[]) {
    this.words = Math.ceil(vocabSize / 32);
    this.#machine = machine;
    this.#tree = tree;
    this.#endTokens = endTokens;
  }

  /** Bits of the tokens that keep the state alive, and of end tokens where it is final. Kept with the state. */
  of(state: State): Uint32Array {
    if (state.mask !== null) return state.mask;
    this.#trim();
    const mask = new Uint32Array(this.words);
    for (const stack of state.stacks) this.#add(stack, ROOT, mask);
    if (state.final) for (const id of this.#endTokens) mask[id >>> 5]! |= 1 << (id & 31);
    let allowed = 0;
    for (const word of mask) allowed += ones(word);
    state.allowed = allowed;
    this.#kept += mask.byteLength;
    return (state.mask = mask);
  }

  /** Whether `of` needs no walk from the root of the tree. */
  isCheap(state: State): boolean {
    if (state.mask !== null) return true;
    return state.stacks.every((stack) => stack.frame === null || this.#atRoot.has(this.#clamp(stack.frame).id));
  }

  /** Adds the tokens below a node that a thread allows. */
  #add(stack: Stack, node: number, mask: Uint32Array): void {
    if (stack.frame === null) return;
    const { bits, tokens, exits } = this.#inside(stack.frame, node);
    if (bits !== null) for (let i = 0; i < mask.length; i++) mask[i]! |= bits[i]!;
    if (tokens !== null) for (const id of tokens) mask[id >>> 5]! |= 1 << (id & 31);
    for (const exit of exits) this.#add(stack.parent!, exit, mask);
  }

  #inside(original: Frame, node: number): Inside {
    const frame = this.#clamp(original);
    if (node === ROOT) {
      const known = this.#atRoot.get(frame.id);
      if (known !== undefined) return known;
      const made = this.#walk(frame, node);
      this.#atRoot.set(frame.id, made);
      this.#kept += this.words * 4;
      return made;
    }
    const key = frame.id * this.#tree.nodes + node;
    const known = this.#below.get(key);
    if (known !== undefined) return known;
    const made = this.#walk(frame, node);
    this.#below.set(key, made);
    this.#kept += 100 + 4 * (made.tokens!.length + made.exits.length);
    return made;
  }

  #walk(frame: Frame, from: number): Inside {
    const { byte, depth, end, tokenFrom, tokenIds } = this.#tree;
    const machine = this.#machine;
    const path = this.#path;
    const bits = from === ROOT ? new Uint32Array(this.words) : null;
    const tokens: number[] = [];
    const exits: number[] = [];
    const top = depth[from]!;
    const last = end[from]!;
    path[0] = machine.state([machine.stack(frame, HOLE)]);
    if (path[0]!.hole && last > from + 1) exits.push(from);
    for (let node = from + 1; node < last;) {
      const level = depth[node]! - top;
      const state = machine.step(path[level - 1]!, byte[node]!);
      if (state === null) {
        node = end[node]!;
        continue;
      }
      path[level] = state;
      for (let at = tokenFrom[node]!; at < tokenFrom[node + 1]!; at++) {
        const id = tokenIds[at]!;
        if (bits === null) tokens.push(id);
        else bits[id >>> 5]! |= 1 << (id & 31);
      }
      if (state.hole && end[node]! > node + 1) exits.push(node);
      node += 1;
    }
    return { bits, tokens: bits === null ? Int32Array.from(tokens) : null, exits: Int32Array.from(exits) };
  }

  /** The frame with counts that no token reaches put as any number: it allows the same tokens. */
  #clamp(frame: Frame): Frame {
    const known = this.#clamped.get(frame.id);
    if (known !== undefined) return known;
    const machine = this.#machine;
    const far = this.#tree.longestBytes + 1;
    const tail = frame.tail === null ? null : this.#clamp(frame.tail);
    let { head } = frame;
    // A body that may match nothing could be counted without a byte.
    if (head.kind === "repeat" && !head.body.nullable && head.max >= far && (head.max < Infinity || head.min > far)) {
      head = machine.exprs.repeat(head.body, Math.min(head.min, far), Infinity);
    }
    const clamped = head === frame.head && tail === frame.tail ? frame : machine.frame(head, tail);
    this.#clamped.set(frame.id, clamped);
    return clamped;
  }

  #trim(): void {
    const stale = this.#epoch !== this.#machine.epoch;
    if (!stale && this.#kept < MOST_BYTES && this.#clamped.size < 100_000) return;
    this.#atRoot = new Map();
    this.#below = new Map();
    this.#clamped = new Map();
    this.#kept = 0;
    // States keep masks of their own: let them go as well. What live sequences hold stays usable.
    if (!stale) this.#machine.forget();
    this.#epoch = this.#machine.epoch;
  }
}

/** Set bits of a word. */
function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
