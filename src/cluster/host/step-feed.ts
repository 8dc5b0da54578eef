/**
 * An instance's steps, told to routers that watch them: collected while somebody does, sent a few times a second. A watcher
 * says so again every second; who is silent is forgotten. Bounded: of more steps than a message holds only the newest are
 * told, and how many were not. Nobody waits for it, and what is lost is not sent again.
 */
import { FLEET_LIMITS, FLEET_VERSION, type StepsMessage } from "../../protocol/index.ts";
import type { Engine, WatchedStep } from "../../runtime/index.ts";
import { encodeMessage } from "../wire.ts";

/** What a feed needs. */
export interface StepFeedOptions {
  readonly instance: string;
  readonly engine: Pick<Engine, "watch">;
  /** Sends to an inbox; what cannot be sent is lost. */
  readonly send: (inbox: string, bytes: Uint8Array) => void;
}

interface Watcher {
  readonly inbox: string;
  readonly untilMs: number;
}

/** See the head of this file. */
export class StepFeed implements Disposable {
  readonly #options: StepFeedOptions;
  /** By router. */
  readonly #watchers = new Map<string, Watcher>();
  #steps: WatchedStep[] = [];
  #omitted = 0;
  #unwatch: (() => void) | null = null;

  constructor(options: StepFeedOptions) {
    this.#options = options;
  }

  /** A router wants to be told for so long; one more than there is room for is not. */
  watch(router: string, inbox: string, forMs: number, nowMs: number): void {
    if (!this.#watchers.has(router) && this.#watchers.size >= FLEET_LIMITS.stepWatchers) return;
    this.#watchers.set(router, { inbox, untilMs: nowMs + forMs });
    this.#unwatch ??= this.#options.engine.watch((step) => this.#note(step));
  }

  /** Called a few times a second: tells what has come together. */
  tick(nowMs: number): void {
    if (this.#watchers.size === 0) return;
    if (this.#steps.length > 0) this.#tell(nowMs);
    for (const [router, { untilMs }] of this.#watchers) if (untilMs < nowMs) this.#watchers.delete(router);
    if (this.#watchers.size === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#watchers.clear();
    this.#steps = [];
    this.#omitted = 0;
  }

  #note(step: WatchedStep): void {
    this.#steps.push(step);
    if (this.#steps.length <= FLEET_LIMITS.batchSteps) return;
    this.#steps.shift();
    this.#omitted += 1;
  }

  #tell(nowMs: number): void {
    const message: StepsMessage = {
      version: FLEET_VERSION,
      instance: this.#options.instance,
      sentMs: nowMs,
      omitted: this.#omitted,
      steps: this.#steps,
    };
    this.#steps = [];
    this.#omitted = 0;
    const bytes = encodeMessage(message);
    for (const { inbox } of this.#watchers.values()) this.#options.send(inbox, bytes);
  }
}
