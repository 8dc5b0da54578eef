/**
 * Instances that were lost a moment ago. A fleet forgets them at once; who watches it is shown them a little longer, so that a
 * worker that died is seen to have died instead of being missing. Who has left by itself is not among them.
 */
import type { FleetInstanceView } from "../../protocol/index.ts";

/** How long one is shown. */
export const LOST_SHOWN_MS = 15_000;
/** The oldest make room. */
const MOST_LOST = 32;

/** Why an instance was lost. */
export type LossReason = NonNullable<FleetInstanceView["lostBy"]>;

interface Lost {
  readonly last: FleetInstanceView;
  readonly atMs: number;
}

/** See the head of this file. */
export class LostInstances {
  readonly #lost = new Map<string, Lost>();

  /** @param last as it stood then */
  add(last: FleetInstanceView, why: LossReason, nowMs: number): void {
    const known = { usedPages: null, totalPages: null, running: 0, waiting: 0, batch: null, tokensPerSecond: null };
    this.#lost.delete(last.id);
    this.#lost.set(last.id, { last: { ...last, ...known, state: "gone", lostBy: why }, atMs: nowMs });
    const [oldest] = this.#lost.keys();
    if (this.#lost.size > MOST_LOST) this.#lost.delete(oldest!);
  }

  /** Another life of it is here. */
  back(id: string): void {
    this.#lost.delete(id);
  }

  /** Those that are still shown, in the order in which they were lost. */
  views(nowMs: number): readonly FleetInstanceView[] {
    for (const [id, { atMs }] of this.#lost) if (nowMs - atMs > LOST_SHOWN_MS) this.#lost.delete(id);
    return Array.from(this.#lost.values(), ({ last, atMs }) => {
      const { heartbeatAgeMs } = last;
      return { ...last, heartbeatAgeMs: heartbeatAgeMs === null ? null : heartbeatAgeMs + nowMs - atMs };
    });
  }
}
