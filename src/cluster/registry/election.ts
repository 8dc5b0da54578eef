/**
 * One of all who offer to do something for a fleet, elected by a lease in a directory of the bus. Who is elected puts the same
 * entry again and again; when it dies the entry ends by itself, and the first to make it anew is elected.
 *
 * Not a lock: for a moment after a partition two may hold themselves for elected. What they do has to stand that.
 */
import { liveClock } from "../../runtime/index.ts";
import type { Bus, KeyValue } from "../bus/types.ts";
import type { FleetNames } from "./names.ts";

/** Who offers what. */
export interface ElectionOptions {
  readonly bus: Bus;
  readonly names: FleetNames;
  /** What is to be done; elections for different things do not know of each other. */
  readonly office: string;
  /** Of the candidate, unique in the fleet. */
  readonly id: string;
  /** How long an election lasts without renewal, milliseconds; 3000 when absent. */
  readonly leaseMs?: number;
  /** False: offers nothing at the moment, and what it has lapses. */
  readonly mayServe?: () => boolean;
  readonly log?: (message: string) => void;
}

const DEFAULT_LEASE_MS = 3000;

/** See the head of this file. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #directory: KeyValue;
  readonly #leaseMs: number;
  #timer: NodeJS.Timeout | null = null;
  /** Elected until then, by this clock. */
  #untilMs = -Infinity;
  #isRenewing = false;

  private constructor(options: ElectionOptions, directory: KeyValue, leaseMs: number) {
    this.#options = options;
    this.#directory = directory;
    this.#leaseMs = leaseMs;
  }

  /** Offers from now on. @throws PunctualError unavailable, unsupported (the bus) */
  static async start(options: ElectionOptions): Promise<Election> {
    const { bus, names, leaseMs = DEFAULT_LEASE_MS } = options;
    const election = new Election(options, await bus.keyValue(names.watchers, { ttlMs: leaseMs }), leaseMs);
    election.#timer = setInterval(() => void election.#renew(), leaseMs / 3).unref();
    await election.#renew();
    return election;
  }

  get isElected(): boolean {
    return liveClock.nowMs() < this.#untilMs;
  }

  async #renew(): Promise<void> {
    const { bus, id, office, mayServe } = this.#options;
    if (this.#isRenewing || bus.status !== "connected" || mayServe?.() === false) return;
    this.#isRenewing = true;
    const beganMs = liveClock.nowMs();
    const mine = new TextEncoder().encode(id);
    try {
      const entry = await this.#directory.get(office);
      const isMine = entry !== null && new TextDecoder().decode(entry.value) === id;
      if (isMine) await this.#directory.put(office, mine);
      else if (entry !== null || (await this.#directory.create(office, mine)) === null) {
        this.#untilMs = -Infinity;
        return;
      }
      this.#untilMs = beganMs + this.#leaseMs;
    } catch (error) {
      this.#options.log?.(`Who is the ${office} could not be settled: ${String(error)}`);
    } finally {
      this.#isRenewing = false;
    }
  }

  /** Offers no more; somebody else is elected at once. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    const wasElected = this.isElected;
    this.#untilMs = -Infinity;
    const { bus, office } = this.#options;
    if (wasElected && bus.status === "connected") await this.#directory.delete(office).catch(() => undefined);
  }
}
