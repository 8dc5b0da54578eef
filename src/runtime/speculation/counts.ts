/** Sums of what was counted of drafts. */
import type { DraftCount } from "./types.ts";

/** Counts of the same sources added up, one a source, in the order in which sources come. */
export function addDraftCounts(counts: Iterable<DraftCount>): DraftCount[] {
  const sums = new Map<DraftCount["source"], DraftCount>();
  for (const count of counts) {
    const before = sums.get(count.source);
    sums.set(count.source, before === undefined ? count : sumOf(before, count));
  }
  return [...sums.values()];
}

function sumOf(a: DraftCount, b: DraftCount): DraftCount {
  const places = Math.max(a.perPosition.length, b.perPosition.length);
  return {
    source: a.source,
    drafts: a.drafts + b.drafts,
    draftTokens: a.draftTokens + b.draftTokens,
    acceptedTokens: a.acceptedTokens + b.acceptedTokens,
    perPosition: Array.from({ length: places }, (_, i) => (a.perPosition[i] ?? 0) + (b.perPosition[i] ?? 0)),
  };
}
