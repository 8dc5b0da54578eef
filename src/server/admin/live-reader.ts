/**
 * One reader of the live feed: cursors into the hub's rings, and the text of what has come since it last looked. It keeps
 * no events; what was overwritten before it looked is counted and told.
 */
import type { Clock } from "../../core/index.ts";
import { CONSOLE_LIMITS, type DroppedEvent, type LiveEvent } from "../../protocol/index.ts";
import { sseData } from "../sse.ts";
import type { LiveHub } from "./live-hub.ts";
import type { WatchedModel } from "./watched-model.ts";

/** What a reader wants. */
export interface LiveReaderOptions {
  /** Models that it may see and wants to. */
  readonly wants: (model: string) => boolean;
  /** The last id that it has seen, of this server or another; "" for none. */
  readonly lastEventId?: string;
}

/** Steps of the past that a new reader gets. */
const FIRST_STEPS = 512;
/** After so long a silence the feed introduces itself again, so that its reader knows that it lives. */
const SILENCE_MS = 5000;

interface Cursor {
  steps: number;
  samples: number;
}

/** See the head of this file. Made by `LiveHub.read`. */
export class LiveReader {
  readonly #hub: LiveHub;
  readonly #clock: Clock;
  readonly #wants: (model: string) => boolean;
  readonly #onClose: () => void;
  readonly #cursors = new WeakMap<WatchedModel, Cursor>();
  #round: number;
  #policies: number;
  #modelChanges = -1;
  #toldMs = -Infinity;
  #wake: (() => void) | null = null;
  #awake = true;
  #closed = false;

  constructor(hub: LiveHub, clock: Clock, options: LiveReaderOptions, onClose: () => void) {
    this.#hub = hub;
    this.#clock = clock;
    this.#wants = options.wants;
    this.#onClose = onClose;
    this.#round = knownRound(options.lastEventId ?? "", hub.startedUnixMs);
    this.#policies = hub.policyCount;
  }

  /** The text of what has come since the last call; "" when nothing has. */
  take(): string {
    const round = this.#hub.requests.nextRound();
    const events: LiveEvent[] = [];
    const nowMs = this.#clock.nowMs();
    if (this.#modelChanges !== this.#hub.modelChanges) this.#introduce(events);
    for (const request of this.#hub.requests.rowsSince(this.#round, round, this.#wants)) {
      events.push({ kind: "request", request });
    }
    events.push(...this.#hub.policiesFrom(this.#policies).filter(({ model }) => this.#wants(model)));
    this.#policies = this.#hub.policyCount;
    this.#fromModels(events);
    if (events.length === 0 && nowMs - this.#toldMs > SILENCE_MS) this.#introduce(events);
    if (events.length === 0) return "";
    this.#round = round;
    this.#toldMs = nowMs;
    // The id stands at the last event only: whoever loses the connection in between has not seen this round.
    const last = events.pop()!;
    return `${events.map(sseData).join("")}id: ${this.#hub.startedUnixMs}-${round}\n${sseData(last)}`;
  }

  /** Resolves when there may be something to take, or when it is closed. False when it is closed. */
  async next(): Promise<boolean> {
    if (!this.#awake && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#awake = false;
    return !this.#closed;
  }

  /** There may be something to take. */
  wake(): void {
    this.#awake = true;
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Ends it; further calls do nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    this.wake();
  }

  #introduce(events: LiveEvent[]): void {
    this.#modelChanges = this.#hub.modelChanges;
    events.push(this.#hub.hello(this.#wants));
  }

  #fromModels(events: LiveEvent[]): void {
    const dropped = { samples: 0, steps: 0 };
    const told: LiveEvent[] = [];
    for (const model of this.#hub.models.values()) {
      if (!this.#wants(model.name)) continue;
      const cursor = this.#cursorOf(model);
      dropped.steps += Math.max(0, model.steps.first - cursor.steps);
      dropped.samples += Math.max(0, model.firstSample - cursor.samples);
      this.#steps(model, cursor, told);
      told.push(...model.samplesFrom(Math.max(cursor.samples, model.firstSample)));
      cursor.samples = model.sampleCount;
    }
    if (dropped.samples + dropped.steps > 0) events.push({ kind: "dropped", ...dropped } satisfies DroppedEvent);
    events.push(...told);
  }

  #steps(model: WatchedModel, cursor: Cursor, told: LiveEvent[]): void {
    const { count } = model.steps;
    for (let from = Math.max(cursor.steps, model.steps.first); from < count; from += CONSOLE_LIMITS.stepsPerEvent) {
      const steps = model.steps.slice(from, Math.min(count, from + CONSOLE_LIMITS.stepsPerEvent));
      told.push({ kind: "steps", model: model.name, steps });
    }
    cursor.steps = count;
  }

  #cursorOf(model: WatchedModel): Cursor {
    let cursor = this.#cursors.get(model);
    if (cursor === undefined) {
      // The present, and a little of what led to it.
      cursor = {
        steps: Math.max(model.steps.first, model.steps.count - FIRST_STEPS),
        samples: Math.max(model.firstSample, model.sampleCount - 1),
      };
      this.#cursors.set(model, cursor);
    }
    return cursor;
  }
}

/** The round of an id that this server gave; 0 for any other, so that everything is told. */
function knownRound(lastEventId: string, startedUnixMs: number): number {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(lastEventId);
  return match !== null && Number(match[1]) === startedUnixMs ? Number(match[2]) : 0;
}
