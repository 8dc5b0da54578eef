/**
 * One answer out of the messages of all instances that had a part in it: each item once, in order, whatever was lost,
 * repeated, came late or came from an instance that does not speak for the request any more.
 *
 * An answer is a row of items by index: tokens, then the finish. Who speaks for which index follows from epochs: a handover
 * (a move that instances told of, or a new placement by the router) gives all items from some index on to a higher epoch.
 *
 *   epoch 0   0 1 2 3 4
 *   epoch 1             5 6 7            a move at 5: items below 5 are still taken from epoch 0, which may repeat them
 *   epoch 1007                8 9 end    the instance was lost after 7: placed again by the router, with a jump
 *
 * An epoch is one instance's. Two may take the same one while they cannot hear each other: a source takes a request back from
 * a target that does not answer, and that target has moved it on. Whoever is heard first speaks for it, the other is stale.
 *
 * Pure. Nothing is kept of what came too early: a gap is asked for again from its beginning, as the instance keeps what is
 * not acknowledged.
 */
import type { FleetError, StreamMessage, WireEvent, WireNotice, WireSummary } from "../../protocol/index.ts";

/** What a message brought. */
export type Joined =
  /** The next items, at least one; the last may be the finish. */
  | {
      readonly kind: "items";
      readonly events: readonly WireEvent[];
      readonly notices: readonly WireNotice[];
      readonly summary: WireSummary | null;
    }
  /** It failed after all items so far. */
  | { readonly kind: "error"; readonly error: FleetError; readonly summary: WireSummary | null }
  /** Something before it is missing: ask again from `nextIndex` on. */
  | { readonly kind: "gap" }
  /** It is at another instance from now on. */
  | { readonly kind: "moved"; readonly notices: readonly WireNotice[] }
  /** What tells it speaks for the request no more: it can be told to stop. */
  | { readonly kind: "stale"; readonly instance: string }
  /** All of it was known. */
  | { readonly kind: "nothing"; readonly notices: readonly WireNotice[] };

interface Handover {
  readonly epoch: number;
  /** First item of that epoch. */
  readonly firstIndex: number;
}

/** Handovers that are remembered: what older ones could still bring has been acknowledged long ago. */
const KEPT_HANDOVERS = 32;
/** More than an instance that is not heard of can have moved a request meanwhile. */
const PLACEMENT_JUMP = 1000;

const NOTHING: Joined = { kind: "nothing", notices: [] };

/** See the head of this file. */
export class StreamJoin {
  #nextIndex = 0;
  #epoch = -PLACEMENT_JUMP;
  #owner: string | null = null;
  #moves = 0;
  #ended = false;
  readonly #handovers: Handover[] = [];

  /** The index of the item that comes next: all below it have come. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /** Who speaks for it; null before it is placed. */
  get owner(): string | null {
    return this.#owner;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** How often instances have moved it between themselves. */
  get moves(): number {
    return this.#moves;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The router gives all further items to that instance; answers the epoch under which it is to speak. */
  place(instance: string): number {
    this.#handOver(this.#epoch + PLACEMENT_JUMP, this.#nextIndex, instance);
    return this.#epoch;
  }

  /** @param message of this request */
  receive(message: StreamMessage): Joined {
    if (this.#ended) return NOTHING;
    switch (message.kind) {
      case "moved":
        return this.#moved(message.epoch + 1, message.nextIndex, message.to);
      case "adopted":
        return this.#moved(message.epoch, message.nextIndex, message.instance);
      case "error":
        return this.#error(message);
      case "events":
        return this.#events(message);
      default:
        return message satisfies never;
    }
  }

  #moved(epoch: number, nextIndex: number, to: string): Joined {
    if (epoch <= this.#epoch) return NOTHING; // known, from the other side, or overtaken
    this.#moves += 1;
    this.#handOver(epoch, nextIndex, to);
    return { kind: "moved", notices: [] };
  }

  #error(message: StreamMessage & { readonly kind: "error" }): Joined {
    const { epoch, index, instance, error, summary = null } = message;
    const isOver = epoch < this.#epoch && index >= this.#limitOf(epoch);
    if (isOver || this.#isAnothers(epoch, instance)) return { kind: "stale", instance };
    if (index > this.#nextIndex) return { kind: "gap" };
    if (index < this.#nextIndex || epoch < this.#epoch) return NOTHING;
    return { kind: "error", error, summary };
  }

  #events(message: StreamMessage & { readonly kind: "events" }): Joined {
    const { epoch, firstIndex, instance, events, notices = [], summary = null } = message;
    if (epoch > this.#epoch) this.#moved(epoch, firstIndex, instance); // the word of the move was lost
    if (this.#isAnothers(epoch, instance)) return { kind: "stale", instance };
    const limit = this.#limitOf(epoch);
    if (firstIndex >= limit) return epoch < this.#epoch ? { kind: "stale", instance } : NOTHING;
    if (firstIndex > this.#nextIndex) return { kind: "gap" };
    const end = Math.min(firstIndex + events.length, limit);
    if (end <= this.#nextIndex) return { kind: "nothing", notices };
    const fresh = events.slice(this.#nextIndex - firstIndex, end - firstIndex);
    if (fresh.some((event, i) => event.index !== this.#nextIndex + i)) return NOTHING; // says two things at once
    this.#nextIndex = end;
    this.#ended = fresh.at(-1)?.kind === "finish";
    return { kind: "items", events: fresh, notices, summary: this.#ended ? summary : null };
  }

  #isAnothers(epoch: number, instance: string): boolean {
    return epoch === this.#epoch && instance !== this.#owner;
  }

  #handOver(epoch: number, firstIndex: number, owner: string): void {
    this.#epoch = epoch;
    this.#owner = owner;
    this.#handovers.push({ epoch, firstIndex });
    if (this.#handovers.length > KEPT_HANDOVERS) this.#handovers.shift();
  }

  /** The first index that an epoch does not speak for. Before the oldest handover that is remembered, nothing is taken. */
  #limitOf(epoch: number): number {
    if (epoch < (this.#handovers[0]?.epoch ?? 0)) return 0;
    let limit = Infinity;
    for (const handover of this.#handovers) if (handover.epoch > epoch) limit = Math.min(limit, handover.firstIndex);
    return limit;
  }
}
