/**
 * How fast chunks have come from each of the other instances: a GoodputMeter for each, forgotten when nothing has come for a
 * while, because a link that was slow then need not be slow now and nothing would ever be fetched to find out.
 */
import { GoodputMeter } from "../codec/controller.ts";

/** 100 Mbit/s, in bytes per millisecond: of a link that nothing is known of. */
const DEFAULT_PRIOR = 12_500;
const REMEMBERED_MS = 30_000;
const MOST_PEERS = 256;

/** See the head of this file. Times are milliseconds of one clock. */
export class PeerLinks {
  readonly #prior: number;
  /** The one heard of longest ago first. */
  readonly #links = new Map<string, { readonly meter: GoodputMeter; readonly atMs: number }>();

  /** @param prior bytes per millisecond, above 0; of 100 Mbit/s when absent */
  constructor(prior = DEFAULT_PRIOR) {
    this.#prior = prior;
  }

  /** Bytes per millisecond to expect from there. */
  goodput(id: string, nowMs: number): number {
    return this.#known(id, nowMs)?.goodput ?? this.#prior;
  }

  /** So many bytes took so long, or had not come after it. */
  record(id: string, bytes: number, ms: number, nowMs: number): void {
    const meter = this.#known(id, nowMs) ?? new GoodputMeter(this.#prior);
    meter.record(bytes, ms);
    this.#links.delete(id);
    this.#links.set(id, { meter, atMs: nowMs });
    const [oldest] = this.#links.keys();
    if (this.#links.size > MOST_PEERS) this.#links.delete(oldest!);
  }

  #known(id: string, nowMs: number): GoodputMeter | null {
    const link = this.#links.get(id);
    return link === undefined || nowMs - link.atMs > REMEMBERED_MS ? null : link.meter;
  }
}
