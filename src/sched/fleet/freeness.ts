/**
 * Llumnix's virtual usage and freeness (OSDI'24, section 4.4): one number for balance, fragmentation, priorities and
 * draining. What an instance has promised is counted as used: pages in use, demand in its queue, headroom for urgent
 * requests, everything when it is to be emptied. What is left, per running request, is about how many steps it can
 * decode before its memory is full.
 *
 *   freeness = (pages - virtual usage) x tokens per page / requests
 *
 * Two readings of the queue: migration counts its head only (what does not fit now), dispatch counts all of it.
 */
import type { InstanceLoad } from "./types.ts";

/** Settings of virtual usage. */
export interface FreenessOptions {
  /**
   * How full an instance with urgent requests should be, as a share of its pages in (0, 1]: the rest is headroom that
   * others do not get. 0.12 when absent, the paper's 1,600 of 13,616 tokens; 1 gives urgent requests nothing.
   */
  readonly urgentShare?: number;
}

/** 1,600 tokens of the 13,616 that a 7B model leaves on an A10. */
export const DEFAULT_URGENT_SHARE = 1600 / 13_616;

/** Pages kept from others on an instance with urgent requests. */
export function headroomPages({ urgent, totalPages }: InstanceLoad, { urgentShare }: FreenessOptions): number {
  return urgent === 0 ? 0 : totalPages * (1 - (urgentShare ?? DEFAULT_URGENT_SHARE));
}

/** Decode steps left, for migration: the head of the queue counts. -Infinity when draining, Infinity without requests. */
export function migrationFreeness(load: InstanceLoad, options: FreenessOptions = {}): number {
  if (load.state === "draining") return -Infinity;
  const requests = load.running + Math.min(1, load.waiting);
  const free = load.totalPages - load.usedPages - load.headPages - headroomPages(load, options);
  return perRequest(free * load.pageTokens, requests);
}

/** Queued demand beside that of a load: what was sent since it was taken. */
export interface ExtraDemand {
  readonly requests: number;
  readonly pages: number;
  readonly urgentRequests: number;
  readonly urgentPages: number;
}

/** Nothing was sent. */
export const NO_DEMAND: ExtraDemand = { requests: 0, pages: 0, urgentRequests: 0, urgentPages: 0 };

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

function perRequest(tokens: number, requests: number): number {
  return requests === 0 ? Infinity : tokens / requests;
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

/**
 * Freeness for migration after `pages` of one running request have come (sign 1) or gone (sign -1). What is being
 * emptied stays at -Infinity.
 */
export function freenessAfter(load: InstanceLoad, pages: number, sign: 1 | -1, options: FreenessOptions = {}): number {
  if (load.state === "draining") return -Infinity;
  const requests = load.running + sign + Math.min(1, load.waiting);
  const free = load.totalPages - load.usedPages - sign * pages - load.headPages - headroomPages(load, options);
  return perRequest(free * load.pageTokens, Math.max(0, requests));
}
