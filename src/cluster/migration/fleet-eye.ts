/**
 * The fleet as an instance sees it: cards and load reports, put together as the loads that fleet policies look at. Numbers
 * of instances are this observer's own and stay with an instance as long as it is there.
 */
import { loadReportSchema, type InstanceCard, type LoadReport } from "../../protocol/index.ts";
import { liveClock } from "../../runtime/index.ts";
import type { InstanceLoad } from "../../sched/index.ts";
import { countsOf } from "../registry/counts.ts";
import type { Bus, BusSubscription } from "../bus/types.ts";
import type { FleetNames } from "../registry/names.ts";
import { InstanceRegistry } from "../registry/registry.ts";
import { decodeMessage } from "../wire.ts";

/** One instance that has been heard of. */
export interface SeenInstance {
  readonly card: InstanceCard;
  /** Null before its first heartbeat. */
  readonly report: LoadReport | null;
  readonly load: InstanceLoad;
  /** When the report came, on this clock. */
  readonly heardMs: number;
}

interface Entry {
  readonly index: number;
  card: InstanceCard;
  report: LoadReport | null;
  heardMs: number;
}

/** What is old is no reason to send anything there. */
const STALE_MS = 1500;

/** See the head of this file. Ended by `await using`. */
export class FleetEye implements AsyncDisposable {
  readonly #entries = new Map<string, Entry>();
  readonly #loads: BusSubscription;
  #registry: InstanceRegistry | null = null;
  #nextIndex = 0;

  private constructor(bus: Bus, names: FleetNames) {
    this.#loads = bus.subscribe(names.loads, ({ data }) => this.#onReport(data));
  }

  /** @param onGone told of instances that are not there any more. @throws PunctualError unavailable, unsupported. */
  static async open(bus: Bus, names: FleetNames, onGone: (id: string) => void = () => undefined): Promise<FleetEye> {
    const eye = new FleetEye(bus, names);
    const listener = {
      joined: (card: InstanceCard): void => eye.#onCard(card),
      changed: (card: InstanceCard): void => eye.#onCard(card),
      gone: ({ id }: InstanceCard): void => {
        eye.#entries.delete(id);
        onGone(id);
      },
    };
    eye.#registry = await InstanceRegistry.open({ bus, names, listener });
    return eye;
  }

  /** Everybody who is there. */
  instances(): readonly SeenInstance[] {
    const nowMs = liveClock.nowMs();
    return [...this.#entries.values()].map((entry) => seen(entry, nowMs));
  }

  find(id: string): SeenInstance | null {
    const entry = this.#entries.get(id);
    return entry === undefined ? null : seen(entry, liveClock.nowMs());
  }

  /** Asks whether it is there; `onGone` is told when it is not. */
  async suspect(id: string): Promise<boolean> {
    return (await this.#registry?.suspect(id)) ?? false;
  }

  #onCard(card: InstanceCard): void {
    const entry = this.#entries.get(card.id);
    if (entry !== undefined) entry.card = card;
    else this.#entries.set(card.id, { index: this.#nextIndex++, card, report: null, heardMs: liveClock.nowMs() });
  }

  #onReport(data: Uint8Array): void {
    let report: LoadReport;
    try {
      report = decodeMessage(loadReportSchema, data);
    } catch {
      return; // of a version that is not understood: as if it had not been heard
    }
    const entry = this.#entries.get(report.id);
    if (entry === undefined || (entry.report !== null && report.sequence <= entry.report.sequence)) return;
    entry.report = report;
    entry.heardMs = liveClock.nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loads.unsubscribe();
    await this.#registry?.[Symbol.asyncDispose]();
  }
}

function seen({ index, card, report, heardMs }: Entry, nowMs: number): SeenInstance {
  const draining = card.state === "draining" || report?.state === "draining";
  const state = draining ? "draining" : report === null ? "starting" : "serving";
  const load: InstanceLoad = {
    ...countsOf(card, report),
    index,
    state,
    accepting: state === "serving" && nowMs - heardMs < STALE_MS,
    takenMs: heardMs,
    cachedTokens: () => 0,
  };
  return { card, report, load, heardMs };
}
