/**
 * The newest requests, each with a lane of its own for as long as it lives, so that bars do not jump while they are drawn.
 * Bounded: the request that arrived first leaves when there is no room, and so many lanes at most are handed out.
 *
 * A lane is the lowest one whose last occupant ended, and whose near deadline passed, before this request arrived; since requests are seen in any order
 * after a replay, a lane remembers until when it is taken. Those without a lane have -1 and are counted, not drawn.
 */
import type { RequestRow } from "@protocol";
import { isOver, reachMs } from "./outcome.ts";

/** A request and its lane. */
export interface LanedRequest {
  request: RequestRow;
  readonly lane: number;
}

/** Bars of one lane stand at least so far apart, milliseconds. */
const LANE_GAP_MS = 60;

export class RequestRing {
  readonly capacity: number;
  readonly maxLanes: number;
  /** In order of first sight, which is that of arrival but for replays. */
  readonly #requests = new Map<string, LanedRequest>();
  readonly #takenUntilMs: Float64Array;

  constructor(capacity = 1_000, maxLanes = 64) {
    this.capacity = capacity;
    this.maxLanes = maxLanes;
    this.#takenUntilMs = new Float64Array(maxLanes).fill(Number.NEGATIVE_INFINITY);
  }

  get size(): number {
    return this.#requests.size;
  }

  get(id: string): RequestRow | undefined {
    return this.#requests.get(id)?.request;
  }

  /** Oldest first. */
  values(): IterableIterator<LanedRequest> {
    return this.#requests.values();
  }

  /** Takes in a request or its change. A change that comes after its end, from a replay, does not revive it. */
  put(request: RequestRow): void {
    const known = this.#requests.get(request.id);
    if (known !== undefined) {
      const wasOver = isOver(known.request.state);
      if (wasOver && !isOver(request.state)) return;
      known.request = request;
      if (!wasOver) this.#hold(known); // else its lane may be another's by now
      return;
    }
    const laned: LanedRequest = { request, lane: this.#freeLane(request.arrivalMs) };
    this.#requests.set(request.id, laned);
    this.#hold(laned);
    if (this.#requests.size > this.capacity) this.#dropOldest();
  }

  clear(): void {
    this.#requests.clear();
    this.#takenUntilMs.fill(Number.NEGATIVE_INFINITY);
  }

  #freeLane(arrivalMs: number): number {
    for (let lane = 0; lane < this.maxLanes; lane += 1) {
      if (this.#takenUntilMs[lane]! + LANE_GAP_MS <= arrivalMs) return lane;
    }
    return -1;
  }

  #hold({ request, lane }: LanedRequest): void {
    if (lane < 0) return;
    const untilMs = isOver(request.state) ? reachMs(request) : Number.POSITIVE_INFINITY;
    this.#takenUntilMs[lane] = untilMs;
  }

  #dropOldest(): void {
    const [id, laned] = this.#requests.entries().next().value!;
    this.#requests.delete(id);
    // Its end may never be heard of: it must not keep its lane for ever.
    if (laned.lane >= 0 && !isOver(laned.request.state)) {
      this.#takenUntilMs[laned.lane] = laned.request.arrivalMs;
    }
  }
}
