/**
 * What the live feed is read from: the book of requests, the rings of every model, the last switches of policy. It keeps
 * a bounded amount however many read and however slowly; samples are taken only while somebody does.
 *
 * Readers (live-reader.ts) pull: each has cursors into these rings and nothing of its own, so a slow one holds up nobody
 * and misses only what has been overwritten meanwhile.
 */
import { assert, fail, type Clock } from "../../core/index.ts";
import { CONSOLE_LIMITS, type HelloEvent, type PolicyEvent } from "../../protocol/index.ts";
import type { Engine, PolicySwitch } from "../../runtime/index.ts";
import { POLICY_NAMES } from "../../sched/index.ts";
import { EventLoopMonitor } from "./event-loop-lag.ts";
import { LiveReader, type LiveReaderOptions } from "./live-reader.ts";
import { RequestBook } from "./request-book.ts";
import { WatchedModel } from "./watched-model.ts";

/** Switches that are remembered for readers that have not seen them. */
const POLICY_EVENTS = 64;

/** What a hub is made of. */
export interface LiveHubOptions {
  readonly clock: Clock;
  /** Unix milliseconds at the clock's zero. */
  readonly unixOriginMs: number;
  readonly serverVersion: string;
  /** Takes a sample every so often while there are readers; nobody does when 0, and `tick` is called from outside. */
  readonly sampleMs?: number;
}

/** See the head of this file. */
export class LiveHub {
  readonly startedUnixMs: number;
  /** The requests of all models. */
  readonly requests = new RequestBook({ onEnd: (record) => this.#models.get(record.model)?.ended(record) });
  readonly #options: LiveHubOptions;
  readonly #models = new Map<string, WatchedModel>();
  readonly #policies: PolicyEvent[] = [];
  readonly #readers = new Set<LiveReader>();
  readonly #lag = new EventLoopMonitor();
  #policyCount = 0;
  #modelChanges = 0;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: LiveHubOptions) {
    this.#options = options;
    this.startedUnixMs = Math.round(options.unixOriginMs + options.clock.nowMs());
  }

  get models(): ReadonlyMap<string, WatchedModel> {
    return this.#models;
  }

  /** Grows when a model is added or removed. */
  get modelChanges(): number {
    return this.#modelChanges;
  }

  /** Switches of policy so far. */
  get policyCount(): number {
    return this.#policyCount;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it takes samples. */
  get watched(): boolean {
    return this.#readers.size > 0;
  }

  add(engine: Engine): void {
    const { name } = engine.info;
    assert(!this.#models.has(name), "models of one server have distinct names");
    this.#models.set(name, new WatchedModel(engine));
    this.#modelChanges += 1;
  }

  remove(name: string): void {
    this.#models.get(name)?.close();
    if (this.#models.delete(name)) this.#modelChanges += 1;
  }

  /** The policy of a model was switched. */
  switched(model: string, { policy, previous, atMs }: PolicySwitch): void {
    this.#policies.push({ kind: "policy", model, policy, previous, atMs });
    this.#policyCount += 1;
    if (this.#policies.length > POLICY_EVENTS) this.#policies.shift();
    this.#wake();
  }

  /** Switches from number `from` on, as far as they are remembered. */
  policiesFrom(from: number): readonly PolicyEvent[] {
    return this.#policies.slice(Math.max(0, from - (this.#policyCount - this.#policies.length)));
  }

  /** Introduces those models that a reader may see. */
  hello(wants: (model: string) => boolean): HelloEvent {
    const { clock, unixOriginMs, serverVersion } = this.#options;
    return {
      kind: "hello",
      serverVersion,
      startedUnixMs: this.startedUnixMs,
      unixOriginMs,
      nowMs: clock.nowMs(),
      models: [...this.#models.values()].filter(({ name }) => wants(name)).map((model) => model.describe()),
      policies: [...POLICY_NAMES],
    };
  }

  /** One more reader, until it is closed. Errors: `queue_full` beyond the limit, `shutting_down`. */
  read(options: LiveReaderOptions): LiveReader {
    if (this.#closed) fail("shutting_down", "The server is shutting down.");
    if (this.#readers.size >= CONSOLE_LIMITS.feeds) {
      fail("queue_full", `${CONSOLE_LIMITS.feeds} readers have the live feed open already.`, { retryAfterMs: 5000 });
    }
    const reader = new LiveReader(this, this.#options.clock, options, () => this.#left(reader));
    this.#readers.add(reader);
    if (this.#readers.size === 1) this.#begin();
    return reader;
  }

  /** Takes samples where there is something to tell, and lets readers look. */
  tick(): void {
    const nowMs = this.#options.clock.nowMs();
    const lag = this.#lag.take();
    for (const model of this.#models.values()) model.sample(nowMs, lag);
    this.#wake();
  }

  /** Ends every feed; what reads from now on is refused. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.close();
    for (const model of this.#models.values()) model.close();
  }

  #begin(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const model of this.#models.values()) model.restartRates(nowMs);
    this.#lag.start();
    const { sampleMs = CONSOLE_LIMITS.sampleMs } = this.#options;
    if (sampleMs > 0) {
      this.#timer = setInterval(() => this.tick(), sampleMs);
      this.#timer.unref(); // the sockets keep the process alive, not this
    }
    this.tick();
  }

  #left(reader: LiveReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#lag.stop();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #wake(): void {
    for (const reader of this.#readers) reader.wake();
  }
}
