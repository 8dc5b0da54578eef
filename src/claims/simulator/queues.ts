/**
 * Claim `simulator`, its queue of events beside what one would write first: a sorted array, and a binary heap of event
 * objects. All keep the same order, ties by the order of pushing, and do the same work: of a queue at its size, the next
 * event is taken and another pushed ("hold", Jones 1986), which is what a simulation does with it.
 */
import { createRandom, type Clock } from "../../core/index.ts";
import { EventQueue } from "../../sim/index.ts";

/** What every arm does. `pop` answers the time of the event. */
interface QueueArm {
  push(timeMs: number, kind: number, a: number): void;
  pop(): number;
}

/** Our queue, and its two baselines. */
export const QUEUE_ARMS = ["ours", "heap of objects", "sorted array"] as const;
/** One of them. */
export type QueueArmName = (typeof QUEUE_ARMS)[number];

/** A new arm, empty. */
export function createQueueArm(name: QueueArmName): QueueArm {
  if (name === "ours") return ownArm();
  return name === "sorted array" ? new SortedArray() : new ObjectHeap();
}

function ownArm(): QueueArm {
  const queue = new EventQueue();
  return {
    push: (timeMs, kind, a) => {
      queue.push(timeMs, kind, a);
    },
    pop: () => {
      queue.pop();
      return queue.timeMs;
    },
  };
}

interface QueuedEvent {
  readonly timeMs: number;
  readonly order: number;
  readonly kind: number;
  readonly a: number;
}

const isBefore = (one: QueuedEvent, other: QueuedEvent): boolean =>
  one.timeMs < other.timeMs || (one.timeMs === other.timeMs && one.order < other.order);

/** The next event is the last of the array, its place is found by halving. */
class SortedArray implements QueueArm {
  readonly #events: QueuedEvent[] = [];
  #pushed = 0;

  push(timeMs: number, kind: number, a: number): void {
    const event = { timeMs, order: this.#pushed++, kind, a };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(event, this.#events[middle]!)) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  pop(): number {
    return this.#events.pop()!.timeMs;
  }
}

class ObjectHeap implements QueueArm {
  readonly #events: QueuedEvent[] = [];
  #pushed = 0;

  push(timeMs: number, kind: number, a: number): void {
    const event = { timeMs, order: this.#pushed++, kind, a };
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const above = (index - 1) >>> 1;
      if (!isBefore(event, events[above]!)) break;
      events[index] = events[above]!;
      index = above;
    }
    events[index] = event;
  }

  pop(): number {
    const events = this.#events;
    const first = events[0]!;
    const last = events.pop()!;
    if (events.length > 0) this.#sink(last);
    return first.timeMs;
  }

  #sink(event: QueuedEvent): void {
    const events = this.#events;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child += 1;
      if (!isBefore(events[child]!, event)) break;
      events[index] = events[child]!;
      index = child;
    }
    events[index] = event;
  }
}

/** Drawn once: drawing is not what is measured. */
const GAPS = 2 ** 16;
const MEAN_GAP_MS = 10;

/** Events a second, each taken and followed by another, of a queue that holds `size` of them. */
export function holdRate(name: QueueArmName, size: number, events: number, clock: Clock, seed: number): number {
  const random = createRandom(seed, `hold ${size}`);
  const gaps = Float64Array.from({ length: GAPS }, () => random.exponential(1 / MEAN_GAP_MS));
  const arm = createQueueArm(name);
  for (let i = 0; i < size; i++) arm.push(gaps[i % GAPS]!, i % 8, i);
  const startMs = clock.nowMs();
  for (let i = 0; i < events; i++) arm.push(arm.pop() + gaps[i % GAPS]!, i % 8, i);
  return (events / (clock.nowMs() - startMs)) * 1000;
}
