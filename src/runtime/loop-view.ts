/** What a step loop shows its policy: its sequences and pages as a read-only view. It decides and changes nothing. */
import type { CostEstimate, SchedulerView, SequenceView } from "../sched/index.ts";
import type { SequencePlaces } from "./sequence-places.ts";
import type { LiveSequence } from "./sequence.ts";
import type { StepLoopOptions } from "./step-loop-options.ts";

/** The view of one step. @param look what is shown of a sequence */
export function schedulerView(
  { pages, limits, prefixCache, phase }: Pick<StepLoopOptions, "pages" | "limits" | "prefixCache" | "phase">,
  places: SequencePlaces,
  look: (sequence: LiveSequence) => SequenceView,
  cost: CostEstimate,
  nowMs: number,
): SchedulerView {
  for (const sequence of places.running.values()) sequence.ownPages = pages.ownPages(sequence.pages.pages);
  const cached = (id: number, count: "cachedTokens" | "cachedFreePages"): number => {
    const sequence = prefixCache ? places.waiting.get(id) : undefined;
    return sequence === undefined ? 0 : pages[count](sequence.sought, sequence.salt);
  };
  const room = (phase?.maxRunning() ?? limits.maxRunning) - places.takenPlaces;
  return {
    nowMs,
    waiting: phase?.admits === false ? [] : Array.from(places.waiting.values(), look),
    running: Array.from(places.running.values(), look).toSorted((a, b) => a.order - b.order),
    freePages: Math.max(0, pages.availablePages - (phase?.reservedPages() ?? 0)),
    pageTokens: pages.pageTokens,
    totalPages: pages.pages,
    limits: room === limits.maxRunning ? limits : { ...limits, maxRunning: Math.max(0, room) },
    cachedTokens: (id) => cached(id, "cachedTokens"),
    cachedFreePages: (id) => cached(id, "cachedFreePages"),
    cost,
  };
}
