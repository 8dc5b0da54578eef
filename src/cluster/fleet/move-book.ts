/**
 * Moves between instances as their sources tell of them: those under way, the last that have ended, counts and bytes. Bounded;
 * a move that is not heard of any more is given up.
 */
import { FLEET_VIEW_LIMITS, type FleetMoveView, type FleetView } from "../../protocol/index.ts";

/**
 * A move that nothing is heard of for so long is over: its last word was lost. Sources speak at every stage and give up who
 * does not answer within a few seconds.
 */
const FORGET_MS = 15_000;
/** Bytes lately: over so many milliseconds. */
const RATE_MS = 2000;

interface Known {
  view: FleetMoveView;
  readonly beganMs: number;
  heardMs: number;
}

type Words = Pick<FleetView, "moves" | "endedMoves" | "moveCounts" | "kv">;

/** See the head of this file. Times are milliseconds of one clock. */
export class MoveBook {
  readonly #under = new Map<string, Known>();
  readonly #ended: { readonly view: FleetMoveView; readonly beganMs: number }[] = [];
  readonly #counts = { moved: 0, aborted: 0, failed: 0 };
  readonly #sent: { atMs: number; bytes: number }[] = [];
  #sentBytes = 0;

  /** Ids of requests that are being moved. */
  get moving(): ReadonlySet<string> {
    return new Set(Array.from(this.#under.values(), ({ view }) => view.request));
  }

  /** What a source says; the latest word counts. */
  heard(view: FleetMoveView, nowMs: number): void {
    const known = this.#under.get(view.id);
    if (known === undefined && view.outcome !== null && this.#ended.some((ended) => ended.view.id === view.id)) return;
    this.#count(Math.max(0, view.bytes - (known?.view.bytes ?? 0)), nowMs);
    if (view.outcome === null) {
      if (known !== undefined) Object.assign(known, { view, heardMs: nowMs });
      else if (this.#under.size < FLEET_VIEW_LIMITS.moves) {
        this.#under.set(view.id, { view, beganMs: nowMs - view.ageMs, heardMs: nowMs });
      }
      return;
    }
    this.#under.delete(view.id);
    this.#end({ ...view, outcome: view.outcome }, nowMs - view.ageMs);
  }

  /** An instance has died: nobody will say how its moves ended. */
  gone(instance: string, nowMs: number): void {
    for (const { view, beganMs } of this.#under.values()) {
      if (view.from === instance) this.#lost(view, beganMs, nowMs, `${instance} is gone`);
    }
  }

  #lost(view: FleetMoveView, beganMs: number, nowMs: number, detail: string): void {
    this.#under.delete(view.id);
    this.#end({ ...view, tookMs: nowMs - beganMs, outcome: "failed", detail }, beganMs);
  }

  #end(view: FleetMoveView & { readonly outcome: NonNullable<FleetMoveView["outcome"]> }, beganMs: number): void {
    this.#counts[view.outcome] += 1;
    this.#ended.unshift({ view: { ...view, stage: "ended" }, beganMs });
    if (this.#ended.length > FLEET_VIEW_LIMITS.endedMoves) this.#ended.pop();
  }

  /**
   * @param nameOf the id that people know a request by
   * @param placeOf the instance that has it now; null when it has ended, or has none
   */
  view(nowMs: number, nameOf: (request: string) => string, placeOf: (request: string) => string | null): Words {
    for (const { view, heardMs, beganMs } of this.#under.values()) {
      if (nowMs - heardMs <= FORGET_MS) continue;
      if (placeOf(view.request) === view.to) {
        this.#under.delete(view.id);
        this.#end({ ...view, tookMs: heardMs - beganMs, outcome: "moved" }, beganMs);
      } else this.#lost(view, beganMs, nowMs, "nothing more was heard of it");
    }
    const named = ({ view, beganMs }: Pick<Known, "view" | "beganMs">): FleetMoveView => {
      return { ...view, request: nameOf(view.request), ageMs: nowMs - beganMs };
    };
    while (this.#sent.length > 0 && nowMs - this.#sent[0]!.atMs > RATE_MS) this.#sent.shift();
    const lately = this.#sent.reduce((sum, { bytes }) => sum + bytes, 0);
    const moves = Array.from(this.#under.values(), named);
    return {
      moves,
      endedMoves: this.#ended.map(named),
      moveCounts: { ...this.#counts },
      kv: {
        inFlightBytes: moves.reduce((sum, { bytes }) => sum + bytes, 0),
        sentBytes: this.#sentBytes,
        bytesPerSecond: (lately * 1000) / RATE_MS,
      },
    };
  }

  #count(bytes: number, nowMs: number): void {
    if (bytes === 0) return;
    this.#sentBytes += bytes;
    const last = this.#sent.at(-1);
    if (last !== undefined && nowMs - last.atMs < 50) last.bytes += bytes;
    else this.#sent.push({ atMs: nowMs, bytes });
  }
}
