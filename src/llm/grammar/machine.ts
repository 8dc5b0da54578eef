/**
 * The automaton: a pushdown over bytes, made lazily and kept. A thread of it is a stack of frames, each frame what is still to
 * be matched of one expression; a state is the set of threads that are alive, and knows its successors once asked.
 *
 *     stack  [ char* " ] -> [ , "b": number } ] -> END        inside a string of an object
 *              frame            parent
 *
 * Frames, stacks and states are unique by content, so states repeat and their successors and masks are computed once.
 * Invariant: every thread can reach the end (expr.ts drops what cannot), so a state is alive or null.
 *
 * Nothing here knows tokens: mask.ts does.
 */
import { fail } from "../../core/index.ts";
import { ExprTable, hasByte, isProductive, type ByteSet, type Expr } from "./expr.ts";

/** A list of expressions to match one after another. */
export interface Frame {
  readonly id: number;
  readonly head: Expr;
  readonly tail: Frame | null;
}

/** A frame and what follows it. END and HOLE have no frame. */
export interface Stack {
  readonly id: number;
  readonly frame: Frame | null;
  readonly parent: Stack | null;
}

/** Below everything: the text is complete. */
export const END: Stack = { id: 0, frame: null, parent: null };
/** Stands for an unknown parent when the frames above are looked at by themselves. */
export const HOLE: Stack = { id: 1, frame: null, parent: null };

interface Leaf {
  readonly set: ByteSet;
  readonly after: Stack;
}

/** A set of threads. */
export interface State {
  /** The threads as they were after the last byte, by id. */
  readonly stacks: readonly Stack[];
  /** What each can consume next. */
  readonly leaves: readonly Leaf[];
  /** A thread is at END. */
  readonly final: boolean;
  /** A thread has left the frames that are looked at. */
  readonly hole: boolean;
  /** Successors by byte; undefined is not computed yet, null is none. */
  readonly next: (State | null | undefined)[];
  /** Bits of the allowed tokens, once asked for. */
  mask: Uint32Array | null;
  /** How many they are; valid with `mask`. */
  allowed: number;
}

/** More threads than this at once: the grammar is too ambiguous to be followed in time. */
const MOST_THREADS = 1024;
/** Threads that one operation may take apart, some microseconds each when all are new. */
const MOST_WORK = 100_000;
/** What is kept before all is dropped and found anew: a state is about 2 KiB, the others a tenth of that. */
const MOST_STATES = 10_000;
const MOST_LEAVES = 500_000;
const MOST_STACKS = 100_000;
const MOST_EXPRS = 500_000;

/** Makes and keeps the states of all grammars over one vocabulary. */
export class Machine {
  readonly exprs = new ExprTable();
  #frames = new Map<string, Frame>();
  #stacks = new Map<string, Stack>();
  #states = new Map<string, State>();
  #nextId = 2;
  #work = 0;
  #epoch = 0;
  #leaves = 0;

  /** Grows when the kept objects are dropped; what others keep by their ids is dead weight then. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Begins an operation: its work is counted from here. */
  begin(): void {
    this.#work = 0;
    const stacks = this.#frames.size + this.#stacks.size;
    const states = this.#states.size > MOST_STATES || this.#leaves > MOST_LEAVES;
    if (states || stacks > MOST_STACKS || this.exprs.size > MOST_EXPRS) this.forget();
  }

  /** Drops what is kept. Live sequences hold what they refer to; ids are never used again, so nothing is confused. */
  forget(): void {
    this.#frames = new Map();
    this.#stacks = new Map();
    this.#states = new Map();
    this.exprs.forget();
    this.#leaves = 0;
    this.#epoch += 1;
  }

  frame(head: Expr, tail: Frame | null): Frame {
    const key = `${head.id},${tail === null ? -1 : tail.id}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) this.#frames.set(key, (frame = { id: this.#nextId++, head, tail }));
    return frame;
  }

  stack(frame: Frame, parent: Stack): Stack {
    const key = `${frame.id},${parent.id}`;
    let stack = this.#stacks.get(key);
    if (stack === undefined) this.#stacks.set(key, (stack = { id: this.#nextId++, frame, parent }));
    return stack;
  }

  /** The state of these threads; null when there are none. */
  state(stacks: readonly Stack[]): State | null {
    if (stacks.length === 0) return null;
    const unique = stacks.length === 1 ? stacks : [...new Set(stacks)].toSorted((a, b) => a.id - b.id);
    if (unique.length > MOST_THREADS) this.#tooAmbiguous();
    const key = unique.length === 1 ? `${unique[0]!.id}` : unique.map(({ id }) => id).join();
    let state = this.#states.get(key);
    if (state === undefined) this.#states.set(key, (state = this.#close(unique)));
    return state;
  }

  /** The state after one more byte, or null. */
  step(state: State, byte: number): State | null {
    const known = state.next[byte];
    if (known !== undefined) return known;
    const after: Stack[] = [];
    for (const leaf of state.leaves) if (hasByte(leaf.set, byte)) after.push(leaf.after);
    return (state.next[byte] = this.state(after));
  }

  /** Takes every thread apart until its next byte is in sight. */
  #close(stacks: readonly Stack[]): State {
    const leaves: Leaf[] = [];
    let final = false;
    let hole = false;
    const seen = new Set(stacks);
    const work = [...stacks];
    const push = (stack: Stack): void => {
      if (seen.has(stack)) return;
      seen.add(stack);
      work.push(stack);
    };
    for (let stack = work.pop(); stack !== undefined; stack = work.pop()) {
      this.#work += 1;
      if (this.#work > MOST_WORK) this.#tooAmbiguous();
      if (stack.frame === null) {
        final ||= stack === END;
        hole ||= stack === HOLE;
        continue;
      }
      const { head } = stack.frame;
      if (head.kind === "bytes") leaves.push({ set: head.set, after: behind(this, stack) });
      else this.#expand(stack, stack.frame, push);
    }
    this.#leaves += leaves.length;
    const next = Array.from<State | null | undefined>({ length: 256 });
    return { stacks, leaves, final, hole, next, mask: null, allowed: 0 };
  }

  #expand(stack: Stack, { head, tail }: Frame, push: (stack: Stack) => void): void {
    const parent = stack.parent!;
    switch (head.kind) {
      case "empty":
        return push(behind(this, stack));
      case "seq":
        return push(this.stack(this.frame(head.first, this.frame(head.rest, tail)), parent));
      case "alt":
        for (const option of head.options) {
          if (isProductive(option)) push(this.stack(this.frame(option, tail), parent));
        }
        return;
      case "repeat": {
        const { body, min, max } = head;
        if (min === 0) push(behind(this, stack));
        if (!isProductive(body)) return;
        const more = this.exprs.repeat(body, Math.max(min - 1, 0), max - 1);
        const rest = more.kind === "empty" ? tail : this.frame(more, tail);
        return push(this.stack(this.frame(body, rest), parent));
      }
      // A call whose frame has nothing left is replaced by what it calls: stacks stay as deep as the text.
      case "frame":
        return push(this.stack(this.frame(head.body, null), behind(this, stack)));
      case "rule":
        return push(this.stack(this.frame(head.rule.body!, null), behind(this, stack)));
      case "bytes":
      case "none":
        return;
      default:
        head satisfies never;
    }
  }

  #tooAmbiguous(): never {
    return fail("unsupported", "the grammar is too ambiguous to be followed in time", { param: "grammar" });
  }
}

/** What is left when the head of the top frame is matched. */
function behind(machine: Machine, { frame, parent }: Stack): Stack {
  return frame!.tail === null ? parent! : machine.stack(frame!.tail, parent!);
}
