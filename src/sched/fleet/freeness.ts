/**
 * Llumnix's virtual usage and freeness (OSDI'24, section 4.4): one number for balance, fragmentation, priorities and
 * draining. What an instance has promised is counted as used: pages in use, demand in its queue, headroom for urgent
 * requests, everything when it is to be emptied. What is left, per running request, is about how many steps it can
 * decode before its memory is full.
 *
 *   freeness = (pages - virtual usage) x tokens per page / requests         not divided when negative
 *
 * Two readings of the queue: migration counts its head only (what does not fit now), dispatch counts all of it.
 */
import type { InstanceLoad } from "./types.ts";

/** Settings of virtual usage. */
export interface FreenessOptions {
  /**
   * How full an instance with urgent requests should be, as a share of its pages in (0, 1]: the rest is headroom that
   * others do not get; 1 gives urgent requests nothing. When absent it follows the fleet (`withUrgentShare`).
   */
  readonly urgentShare?: number;
}

/** The paper's 1,600 of 13,616 tokens. */
const LEAST_URGENT_SHARE = 0.12;

/**
 * The options with an urgent share. A fixed one takes memory from everybody else where every instance has urgent
 * requests, so unless it is given nobody is kept emptier than the fleet is on average, everything queued counted: a fleet
 * that is full has no headroom to give.
 */
export function withUrgentShare(
  loads: readonly InstanceLoad[],
  options: FreenessOptions,
): FreenessOptions & { readonly urgentShare: number } {
  if (options.urgentShare !== undefined) return { ...options, urgentShare: options.urgentShare };
  let [asked, total, urgent] = [0, 0, 0];
  for (const load of loads) {
    asked += load.usedPages + load.waitingPages;
    total += load.totalPages;
    urgent += load.urgent;
  }
  if (urgent === 0) return { ...options, urgentShare: 1 };
  return { ...options, urgentShare: Math.min(1, Math.max(LEAST_URGENT_SHARE, asked / total)) };
}

/** Pages kept from others on an instance with urgent requests. */
export function headroomPages({ urgent, totalPages }: InstanceLoad, { urgentShare }: FreenessOptions): number {
  return urgent === 0 ? 0 : totalPages * (1 - (urgentShare ?? 1));
}

/** Decode steps left, for migration: the head of the queue counts. -Infinity when draining, Infinity without requests. */
export function migrationFreeness(load: InstanceLoad, options: FreenessOptions = {}): number {
  return freenessAfter(load, { requests: 0, pages: 0 }, options);
}

/** Queued demand beside that of a load: what was sent since it was taken. */
export interface ExtraDemand {
  readonly requests: number;
  readonly pages: number;
  /** To be computed: prompts less what caches have of them. */
  readonly tokens: number;
  readonly urgentRequests: number;
  readonly urgentPages: number;
}

/** Nothing was sent. */
export const NO_DEMAND: ExtraDemand = { requests: 0, pages: 0, tokens: 0, urgentRequests: 0, urgentPages: 0 };

/**
 * Decode steps left, for a new request: all queued demand counts. An urgent request goes ahead of the others in the
 * queue, so for it only urgent demand counts, and headroom is meant for it.
 */
export function dispatchFreeness(
  load: InstanceLoad,
  urgent: boolean,
  options: FreenessOptions = {},
  extra: ExtraDemand = NO_DEMAND,
): number {
  if (load.state === "draining") return -Infinity;
  const waiting = urgent ? load.urgentWaiting + extra.urgentRequests : load.waiting + extra.requests;
  const pages = urgent ? load.urgentWaitingPages + extra.urgentPages : load.waitingPages + extra.pages;
  const headroom = urgent ? 0 : headroomPages(load, options);
  return perRequest((load.totalPages - load.usedPages - pages - headroom) * load.pageTokens, load.running + waiting);
}

/** What is missing is not shared out: with a deficit the busiest would look freest. */
function perRequest(tokens: number, requests: number): number {
  if (requests === 0) return Infinity;
  return tokens < 0 ? tokens : tokens / requests;
}

/**
 * Decode steps until the next of so many requests is expected to end and gives its pages back. Who is freer than that
 * does not run out of memory before it is relieved; who is not will probably have to preempt.
 */
export function reliefSteps(answerTokens: number, requests: number): number {
  return answerTokens / Math.max(1, requests);
}

/** Mean length of answers over instances that know it; null when none does. */
export function meanAnswerTokens(loads: readonly InstanceLoad[]): number | null {
  let [sum, count] = [0, 0];
  for (const { answerTokens } of loads) {
    if (answerTokens === null) continue;
    sum += answerTokens;
    count += 1;
  }
  return count === 0 ? null : sum / count;
}

/** Requests that come to an instance with so many pages in all, or leave it with negative counts. */
export interface Change {
  readonly requests: number;
  readonly pages: number;
}

/** Freeness for migration after running requests have come or gone. What is being emptied stays at -Infinity. */
export function freenessAfter(load: InstanceLoad, change: Change, options: FreenessOptions = {}): number {
  if (load.state === "draining") return -Infinity;
  const requests = load.running + change.requests + Math.min(1, load.waiting);
  const free = load.totalPages - load.usedPages - change.pages - load.headPages - headroomPages(load, options);
  return perRequest(free * load.pageTokens, Math.max(0, requests));
}
