/**
 * Leases as their reader judges them: by the time on its own clock since it last saw a new revision. Clocks of others do not
 * matter, nor does what a broker does with old entries. While the reader itself is cut off it judges nobody.
 *
 * Pure: moments are arguments, milliseconds of one clock.
 */

interface Lease {
  revision: number;
  sinceMs: number;
}

/** See the head of this file. Not a timer: who asks `expired` often enough learns of it in time. */
export class Leases {
  readonly #leaseMs: number;
  readonly #leases = new Map<string, Lease>();
  #isCutOff = false;

  /** @param leaseMs how long one lasts after a renewal */
  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** Seen with that revision; any other than the last is a renewal, as numbers begin again with a new broker. */
  seen(key: string, revision: number, nowMs: number): void {
    const lease = this.#leases.get(key);
    if (lease === undefined) this.#leases.set(key, { revision, sinceMs: nowMs });
    else if (lease.revision !== revision) {
      lease.revision = revision;
      lease.sinceMs = nowMs;
    }
  }

  forget(key: string): void {
    this.#leases.delete(key);
  }

  /** The reader hears nothing any more. */
  cutOff(): void {
    this.#isCutOff = true;
  }

  /** The reader hears again: everybody has a whole lease to be heard. */
  healed(nowMs: number): void {
    this.#isCutOff = false;
    for (const lease of this.#leases.values()) lease.sinceMs = nowMs;
  }

  /** Milliseconds since the last renewal; null for what has no lease. */
  ageMs(key: string, nowMs: number): number | null {
    const lease = this.#leases.get(key);
    return lease === undefined ? null : nowMs - lease.sinceMs;
  }

  /** Those that have not been renewed for more than that, in order of their first renewal; nobody while cut off. */
  olderThan(ageMs: number, nowMs: number): readonly string[] {
    if (this.#isCutOff) return [];
    return [...this.#leases].filter(([, { sinceMs }]) => nowMs - sinceMs > ageMs).map(([key]) => key);
  }

  /** Those that have run out. They stay until `forget`. */
  expired(nowMs: number): readonly string[] {
    return this.olderThan(this.#leaseMs, nowMs);
  }
}
