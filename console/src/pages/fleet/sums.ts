/** What the tiles and tables say of a view: sums, medians, words. Pure. */
import type { FleetInstanceView, FleetMoveView, FleetRequestView, FleetView } from "@protocol";
import { formatMs, formatNumber } from "../../lib/format.ts";

/** The row of numbers at the head of the page. */
export interface FleetSums {
  readonly instances: number;
  /** Of those, that take requests now. */
  readonly serving: number;
  readonly open: number;
  readonly waiting: number;
  readonly tokensPerSecond: number;
  readonly usedPages: number;
  readonly totalPages: number;
  /** Median of the gaps of the moves that are remembered; null without any. */
  readonly gapMs: number | null;
}

/** Sums over a view. Instances that are gone count as instances, and for nothing else. */
export function sumsOf(view: FleetView): FleetSums {
  const alive = view.instances.filter(({ state }) => state !== "gone");
  const total = (of: (instance: FleetInstanceView) => number | null): number =>
    alive.reduce((sum, instance) => sum + (of(instance) ?? 0), 0);
  const gaps = view.endedMoves.map(({ gapMs }) => gapMs).filter((gapMs) => gapMs !== null);
  return {
    instances: view.instances.length,
    serving: alive.filter(({ state }) => state === "serving").length,
    open: view.requests.length + view.omittedRequests,
    waiting: total(({ waiting }) => waiting),
    tokensPerSecond: total(({ tokensPerSecond }) => tokensPerSecond),
    usedPages: total(({ usedPages }) => usedPages),
    totalPages: total(({ totalPages }) => totalPages),
    gapMs: medianOf(gaps),
  };
}

/** The median, of an even number the mean of the two in the middle; null of none. */
export function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A request's name where there is little room: its end tells the choices of one request apart. */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`;
}

const STATE_WORDS: Readonly<Record<FleetInstanceView["state"], string>> = {
  starting: "starting",
  serving: "serving",
  draining: "draining",
  silent: "not heard of",
  gone: "gone",
};

/** Where an instance stands, in a word or three. */
export function stateWords({ state }: FleetInstanceView): string {
  return STATE_WORDS[state];
}

/** How one was lost that is gone. */
export function lostWords({ lostBy }: FleetInstanceView): string {
  const how =
    lostBy === "expired"
      ? "Nothing came of it for a whole lease."
      : "Nobody listens there any more: its process or its connection has ended.";
  return `${how} Its requests go to other instances.`;
}

/** What an instance is. */
export function kindWords({ host, role }: FleetInstanceView): string {
  if (host === "upstream") return "upstream";
  return role === "any" ? "prefill and decode" : `${role} only`;
}

const REQUEST_WORDS: Readonly<Record<FleetRequestView["state"], string>> = {
  waiting: "waits",
  running: "runs",
  moving: "is moving",
  recovering: "finds another instance",
};

/** What a request does now. */
export function requestWords({ state }: FleetRequestView): string {
  return REQUEST_WORDS[state];
}

const REASON_WORDS: Readonly<Record<FleetMoveView["reason"], string>> = {
  balance: "balance",
  drain: "drain",
  "hand-off": "prefill done",
  asked: "asked for",
};

/** Why something moves. */
export function reasonWords({ reason }: FleetMoveView): string {
  return REASON_WORDS[reason];
}

const STAGE_WORDS: Readonly<Record<FleetMoveView["stage"], string>> = {
  reserve: "asks for room",
  copy: "copies",
  freeze: "last pages",
  commit: "hands over",
  ended: "ended",
};

/** How a move goes, or how it went. */
export function moveWords(move: FleetMoveView): string {
  if (move.outcome === null) return STAGE_WORDS[move.stage];
  if (move.outcome === "moved") return "moved";
  const why = move.detail === undefined ? "" : `: ${move.detail}`;
  return move.outcome === "aborted" ? `stayed${why}` : `failed${why}`;
}

/** One sentence for those who do not see the picture. */
export function pictureWords(view: FleetView): string {
  const where = view.instances.map(({ id, state, running, waiting }) => {
    return state === "gone" ? `${id}: gone` : `${id}: ${running} run, ${waiting} wait`;
  });
  const moving = view.moves.length === 0 ? "nothing moves" : `${formatNumber(view.moves.length)} on their way`;
  return `${where.join("; ")}; ${moving}.`;
}

/** "82 ms" or what stands for no gap. */
export function gapWords({ gapMs, outcome }: FleetMoveView): string {
  return outcome === "moved" && gapMs === null ? "not seen" : formatMs(gapMs);
}
