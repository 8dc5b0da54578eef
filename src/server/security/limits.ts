/**
 * What one key has used, against its limits. Pure: time is an argument.
 *
 * Requests and tokens are allowances that refill continuously up to a minute's worth. A request is let in while both
 * are above nothing; tokens are paid when they are known: the prompt when it is submitted, the answer when it has
 * ended. So an allowance may fall below nothing, which later requests wait out, and no request is refused for tokens
 * that it might not have generated. The overshoot is at most what the `concurrent` requests of the key generate.
 */
import { assert, fail } from "../../core/index.ts";
import type { KeyLimits } from "./keys.ts";

const MINUTE_MS = 60_000;
/** A slot of `concurrent` comes free nobody knows when: asked again after this long. */
const CONCURRENT_RETRY_MS = 1000;

/** A minute's worth that refills evenly; may be overdrawn. */
class Allowance {
  readonly perMinute: number;
  #level: number;
  #atMs: number;

  constructor(perMinute: number, nowMs: number) {
    this.perMinute = perMinute;
    this.#level = perMinute;
    this.#atMs = nowMs;
  }

  level(nowMs: number): number {
    const refilled = this.#level + (Math.max(0, nowMs - this.#atMs) * this.perMinute) / MINUTE_MS;
    this.#level = Math.min(this.perMinute, refilled);
    this.#atMs = Math.max(this.#atMs, nowMs);
    return this.#level;
  }

  take(amount: number, nowMs: number): void {
    this.#level = this.level(nowMs) - amount;
  }

  /** Milliseconds until the level is at least `wanted`; 0 when it is. */
  waitMs(wanted: number, nowMs: number): number {
    return Math.max(0, Math.ceil(((wanted - this.level(nowMs)) * MINUTE_MS) / this.perMinute));
  }
}

/** One key's use. */
export class KeyUsage {
  readonly #limits: KeyLimits;
  readonly #requests: Allowance | null;
  readonly #tokens: Allowance | null;
  #open = 0;

  constructor(limits: KeyLimits, nowMs: number) {
    const allowance = (perMinute: number | null) => (perMinute === null ? null : new Allowance(perMinute, nowMs));
    this.#limits = limits;
    this.#requests = allowance(limits.requestsPerMinute);
    this.#tokens = allowance(limits.tokensPerMinute);
  }

  /** Requests under way. */
  get open(): number {
    return this.#open;
  }

  /** Counts a request in; `leave` counts it out. Errors: `rate_limit_exceeded`, with the wait. */
  enter(nowMs: number): void {
    const { concurrent, requestsPerMinute, tokensPerMinute } = this.#limits;
    if (concurrent !== null && this.#open >= concurrent) {
      refuse(`${concurrent} requests at once`, CONCURRENT_RETRY_MS);
    }
    const tokensMs = this.#tokens?.waitMs(1, nowMs) ?? 0;
    if (tokensMs > 0) refuse(`${tokensPerMinute} tokens per minute`, tokensMs);
    const requestsMs = this.#requests?.waitMs(1, nowMs) ?? 0;
    if (requestsMs > 0) refuse(`${requestsPerMinute} requests per minute`, requestsMs);
    this.#requests?.take(1, nowMs);
    this.#open += 1;
  }

  leave(): void {
    this.#open -= 1;
    this.checkIntegrity();
  }

  /** Pays for tokens of a prompt or an answer. */
  charge(tokens: number, nowMs: number): void {
    this.#tokens?.take(tokens, nowMs);
  }

  /** OpenAI's rate-limit headers, for the limits that there are. */
  headers(nowMs: number): [name: string, value: string][] {
    return [...allowanceHeaders("requests", this.#requests, nowMs), ...allowanceHeaders("tokens", this.#tokens, nowMs)];
  }

  checkIntegrity(): void {
    assert(this.#open >= 0, "as many requests leave as entered");
    const { concurrent } = this.#limits;
    assert(concurrent === null || this.#open <= concurrent, "no more requests at once than allowed");
  }
}

function refuse(limit: string, retryAfterMs: number): never {
  fail("rate_limit_exceeded", `This key is limited to ${limit}.`, { retryAfterMs });
}

function allowanceHeaders(unit: string, allowance: Allowance | null, nowMs: number): [string, string][] {
  if (allowance === null) return [];
  return [
    [`x-ratelimit-limit-${unit}`, String(allowance.perMinute)],
    [`x-ratelimit-remaining-${unit}`, String(Math.max(0, Math.floor(allowance.level(nowMs))))],
    [`x-ratelimit-reset-${unit}`, formatWait(allowance.waitMs(allowance.perMinute, nowMs))],
  ];
}

/** Durations as OpenAI writes them: 120ms, 3s, 6m0s. */
export function formatWait(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
