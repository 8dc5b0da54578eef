/** Where a sequence of an instance that empties goes: the freest that can read it and may have it. Pure. */
import type { TransferCandidate } from "../../runtime/index.ts";
import { dispatchFreeness } from "../../sched/index.ts";
import type { SeenInstance } from "./fleet-eye.ts";

/** The id of the best instance for it; null when there is none now. */
export function bestTarget(
  instances: readonly SeenInstance[],
  from: string,
  candidate: Pick<TransferCandidate, "pages" | "state">,
): string | null {
  const own = instances.find(({ card }) => card.id === from);
  if (own === undefined) return null;
  let best: { readonly id: string; readonly freeness: number } | null = null;
  for (const { card, load } of instances) {
    if (card.id === from || !load.accepting || card.fingerprint !== own.card.fingerprint) continue;
    if (card.role === (candidate.state === "waiting" ? "decode" : "prefill")) continue;
    // A page to grow into, and one for each that decodes there.
    if (load.totalPages - load.usedPages < candidate.pages + 1 + load.running) continue;
    const freeness = dispatchFreeness(load, false);
    if (best === null || freeness > best.freeness) best = { id: card.id, freeness };
  }
  return best?.id ?? null;
}
