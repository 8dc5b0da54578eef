/**
 * One view of a fleet after another, made into a picture that stands still where nothing has changed: instances keep their
 * order, a request keeps its place in its instance, and whoever has just moved is known as such for a moment. Pure.
 */
import type { FleetInstanceView, FleetMoveView, FleetRequestView, FleetView } from "@protocol";

/** How long a move stays visible after its end, milliseconds: many take less than the time between two views. */
export const TRAIL_MS = 2500;

/** A request in the picture. */
export interface FleetDot {
  readonly request: FleetRequestView;
  /** Its place in its instance, 0 first; another one's is never the same. */
  readonly slot: number;
  /** It came from another instance a moment ago. */
  readonly hasMoved: boolean;
}

/** An instance and the requests in it. */
export interface FleetLane {
  readonly instance: FleetInstanceView;
  readonly dots: readonly FleetDot[];
}

/** A line between two instances. */
export interface FleetTrail {
  readonly move: FleetMoveView;
  /** 1 while it is under way, then down to 0. */
  readonly strength: number;
  /** The place of the request at the source, or at the target, now or when it was there last; null where it was not seen. */
  readonly fromSlot: number | null;
  readonly toSlot: number | null;
}

/** What the page draws. */
export interface FleetPicture {
  readonly kind: "fleet";
  readonly view: FleetView;
  readonly lanes: readonly FleetLane[];
  /** Requests that no shown instance has. */
  readonly homeless: readonly FleetRequestView[];
  readonly trails: readonly FleetTrail[];
}

type TrailEnds = Pick<FleetTrail, "fromSlot" | "toSlot">;

interface Place {
  readonly instance: string;
  readonly slot: number;
  movedMs: number | null;
}

/** See the head of this file. */
export class FleetMemory {
  #places = new Map<string, Place>();
  /** Where requests of moves that are shown were, at both ends. */
  #ends = new Map<string, TrailEnds>();

  /** The picture of a view that came at that moment of the page's clock. */
  take(view: FleetView, atMs: number): FleetPicture {
    const instances = view.instances.toSorted(byModelAndId);
    const before = this.#places;
    this.#settle(view, new Set(instances.map(({ id }) => id)), atMs);
    const trails = trailsOf(view, [this.#places, before], this.#ends);
    this.#ends = new Map(trails.map(({ move, fromSlot, toSlot }) => [move.id, { fromSlot, toSlot }]));
    const byInstance = new Map<string, FleetDot[]>(instances.map(({ id }) => [id, []]));
    const homeless: FleetRequestView[] = [];
    for (const request of view.requests) {
      const place = this.#places.get(request.id);
      const dots = place === undefined ? undefined : byInstance.get(place.instance);
      if (place === undefined || dots === undefined) homeless.push(request);
      else dots.push({ request, slot: place.slot, hasMoved: isRecent(place.movedMs, atMs) });
    }
    const lanes = instances.map((instance) => {
      return { instance, dots: byInstance.get(instance.id)!.toSorted((a, b) => a.slot - b.slot) };
    });
    return { kind: "fleet", view, lanes, homeless, trails };
  }

  /** Everybody stays where they were; who is new or has moved takes the first place that is free. */
  #settle(view: FleetView, instances: ReadonlySet<string>, atMs: number): void {
    const before = this.#places;
    const places = new Map<string, Place>();
    const taken = new Map<string, Set<number>>([...instances].map((id) => [id, new Set<number>()]));
    for (const { id, instance } of view.requests) {
      const place = before.get(id);
      if (place === undefined || place.instance !== instance || !instances.has(place.instance)) continue;
      places.set(id, place);
      taken.get(place.instance)!.add(place.slot);
    }
    for (const { id, instance } of view.requests) {
      const slots = instance === null ? undefined : taken.get(instance);
      if (instance === null || slots === undefined || places.has(id)) continue;
      const slot = firstFree(slots);
      slots.add(slot);
      places.set(id, { instance, slot, movedMs: before.has(id) ? atMs : null });
    }
    this.#places = places;
  }
}

function firstFree(taken: ReadonlySet<number>): number {
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  return slot;
}

function isRecent(movedMs: number | null, atMs: number): boolean {
  return movedMs !== null && atMs - movedMs < TRAIL_MS;
}

function byModelAndId(a: FleetInstanceView, b: FleetInstanceView): number {
  const [isUpstream, isOther] = [a.host === "upstream" ? 1 : 0, b.host === "upstream" ? 1 : 0];
  return (
    a.model.localeCompare(b.model, "en") || isUpstream - isOther || a.id.localeCompare(b.id, "en", { numeric: true })
  );
}

/** @param places now, and a view before: one that moved between two views was seen at its source in the first only */
function trailsOf(
  { moves, endedMoves }: FleetView,
  places: readonly ReadonlyMap<string, Place>[],
  known: ReadonlyMap<string, TrailEnds>,
): readonly FleetTrail[] {
  const slotAt = (request: string, instance: string): number | null => {
    const place = places.map((each) => each.get(request)).find((each) => each?.instance === instance);
    return place?.slot ?? null;
  };
  return [...moves, ...endedMoves]
    .map((move) => {
      const strength = move.outcome === null ? 1 : 1 - endedAgeMs(move) / TRAIL_MS;
      const { id, request, from, to } = move;
      const fromSlot = slotAt(request, from) ?? known.get(id)?.fromSlot ?? null;
      const toSlot = slotAt(request, to) ?? known.get(id)?.toSlot ?? null;
      return { move, strength, fromSlot, toSlot };
    })
    .filter(({ strength }) => strength > 0);
}

/** How long ago a move has ended, milliseconds; 0 while it is under way. */
export function endedAgeMs({ ageMs, tookMs }: FleetMoveView): number {
  return tookMs === null ? 0 : Math.max(0, ageMs - tookMs);
}
