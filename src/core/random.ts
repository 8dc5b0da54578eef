/**
 * Named streams of seeded randomness: xoshiro128** (Blackman and Vigna 2018), seeded by SplitMix32
 * over a hash of seed and name. Streams of different names are independent, so adding a draw in one
 * place never shifts the draws of another.
 */

/**
 * The four words of xoshiro128**, each in [0, 2^32) and not all zero. The second value of a Box-Muller pair is not part
 * of it: `restore` drops one that is held.
 */
export type RandomState = readonly [number, number, number, number];

/** FNV-1a over UTF-16 code units: a stable 32-bit hash of a name. */
export function hashString(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/**
 * One stream of draws. Equal seeds give equal integers and uniforms on every machine; normal and exponential draws
 * also depend on the last bits of the platform's logarithm, sine and cosine.
 */
export class RandomStream {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spareNormal: number | null = null;

  constructor(seed: string) {
    this.#seed = seed;
    const mix = splitMix32(hashString(seed));
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
    this.#d = mix() | 1; // never the all-zero state
  }

  /** A new, independent stream; forking does not advance this one. */
  fork(name: string): RandomStream {
    return new RandomStream(`${this.#seed}/${name}`);
  }

  /** A uniform integer in [0, 2^32). */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** A uniform integer in [low, high], both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** A standard normal draw (Box-Muller, both values used). */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** An exponential draw with the given rate per unit. */
  exponential(rate: number): number {
    return -Math.log(1 - this.uniform()) / rate;
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** One element of a non-empty list. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("pick expects a non-empty list");
    return items[Math.floor(this.uniform() * items.length)]!;
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const result = items.slice();
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      const held = result[i]!;
      result[i] = result[j]!;
      result[j] = held;
    }
    return result;
  }

  /** For checkpoints: what `restore` needs to go on from here. */
  state(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }

  restore(state: RandomState): void {
    [this.#a, this.#b, this.#c, this.#d] = state;
    this.#spareNormal = null;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** The stream of that name under that seed. */
export function createRandom(seed: number | string, name = "root"): RandomStream {
  return new RandomStream(`${seed}:${name}`);
}
