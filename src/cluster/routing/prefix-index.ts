/**
 * What is probably in an instance's prefix cache: an approximation from what was sent there, kept by whoever sends. Nobody has
 * to tell a router about every page; it corrects itself by the hits that answers report.
 *
 * Prompts are cut into blocks whose ids stand for themselves and everything before them, so that a block is known only where
 * its whole beginning was. Blocks leave in order of their last use, deepest first, as pages of a cache do. A hit that
 * was shorter than expected means that pages were evicted there: whatever was used less recently than the first
 * missing one is then gone as well.
 *
 * Bounded by the instance's own cache. Not exact: routers beside this one, generated text and what was preempted are not seen.
 */

/** Tokens of a block. */
export const BLOCK_TOKENS = 16;

const CHARACTERS_PER_TOKEN = 4;

/**
 * Ids of the whole blocks of a prompt: equal ids stand for equal beginnings, but for one in 2^53.
 * @param root prompts of another one share nothing with it: who has another adapter or salt
 */
export function blockIds(tokens: ArrayLike<number>, blockTokens = BLOCK_TOKENS, root = ""): number[] {
  const ids: number[] = [];
  let [low, high] = [0x9e3779b9, 0x85ebca6b];
  for (let i = 0; i < root.length; i++) {
    const unit = root.charCodeAt(i);
    low = mixed(low ^ unit, 0x85ebca6b);
    high = mixed(high ^ (unit + 0x27d4eb2f), 0xc2b2ae35);
  }
  const whole = tokens.length - (tokens.length % blockTokens);
  for (let i = 0; i < whole; i++) {
    const token = tokens[i]!;
    low = mixed(low ^ token, 0x85ebca6b);
    high = mixed(high ^ (token + 0x27d4eb2f), 0xc2b2ae35);
    if ((i + 1) % blockTokens === 0) ids.push((high >>> 11) * 0x1_0000_0000 + (low >>> 0));
  }
  return ids;
}

/** The same of a text whose tokens are not known: four characters are taken for one. */
export function textBlockIds(text: string): number[] {
  const units = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return blockIds(units, BLOCK_TOKENS * CHARACTERS_PER_TOKEN);
}

/** One round of murmur's finaliser. */
function mixed(value: number, factor: number): number {
  const product = Math.imul(value ^ (value >>> 15), factor);
  return product ^ (product >>> 13);
}

/** What a prompt found when it was sent, for the correction by its answer. */
export interface Placement {
  /** Leading blocks that were expected to be cached. */
  readonly expectedBlocks: number;
  /** When each of those had been used last, in the index's own count. */
  readonly usedAt: readonly number[];
}

/** See the head of this file: of one instance. */
export class PrefixIndex {
  readonly #capacityBlocks: number;
  /** When each block was used last; the least recent first. */
  readonly #used = new Map<number, number>();
  #uses = 0;

  /** @param capacityBlocks most blocks that its cache can hold, at least 1 */
  constructor(capacityBlocks: number) {
    this.#capacityBlocks = Math.max(1, capacityBlocks);
  }

  get blocks(): number {
    return this.#used.size;
  }

  /** Leading blocks that are probably cached. */
  match(ids: readonly number[]): number {
    let count = 0;
    while (count < ids.length && this.#used.has(ids[count]!)) count += 1;
    return count;
  }

  /** A prompt was sent there: its blocks will be cached. */
  place(ids: readonly number[]): Placement {
    const expectedBlocks = this.match(ids);
    const usedAt = ids.slice(0, expectedBlocks).map((id) => this.#used.get(id)!);
    this.#uses += 1;
    // The deepest first: beginnings are used by more, and leave later.
    for (let i = Math.min(ids.length, this.#capacityBlocks) - 1; i >= 0; i--) this.#use(ids[i]!);
    this.#shrinkTo(this.#capacityBlocks);
    return { expectedBlocks, usedAt };
  }

  /** Its answer said how many leading blocks were cached. */
  correct({ expectedBlocks, usedAt }: Placement, cachedBlocks: number): void {
    if (cachedBlocks >= expectedBlocks) return;
    const evicted = usedAt[cachedBlocks]!;
    for (const [id, used] of this.#used) {
      if (used >= evicted) return;
      this.#used.delete(id);
    }
  }

  /** It has lost everything: restarted, say. */
  clear(): void {
    this.#used.clear();
  }

  #use(id: number): void {
    this.#used.delete(id);
    this.#used.set(id, this.#uses);
  }

  #shrinkTo(blocks: number): void {
    for (const id of this.#used.keys()) {
      if (this.#used.size <= blocks) return;
      this.#used.delete(id);
    }
  }
}
