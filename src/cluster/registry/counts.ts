/** What an instance has told of itself, in the words of fleet policies; of one that has told nothing yet, an empty one. */
import type { InstanceCard, LoadReport } from "../../protocol/index.ts";
import type { InstanceLoad } from "../../sched/index.ts";

/** Counts of an instance that has told nothing yet. */
export const UNHEARD = {
  waiting: 0,
  running: 0,
  waitingTokens: 0,
  prefillTokens: 0,
  usedPages: 0,
  waitingPages: 0,
  headPages: 0,
  answerTokens: null,
  urgent: 0,
  urgentWaiting: 0,
  urgentWaitingPages: 0,
  outgoing: 0,
  incoming: 0,
} as const;

/** A load but for what its reader makes of it: its number, its state, what its cache holds. */
export function countsOf(
  { role, totalPages, pageTokens }: InstanceCard,
  report: LoadReport | null,
): Omit<InstanceLoad, "index" | "state" | "accepting" | "cachedTokens"> {
  const told = report ?? UNHEARD;
  return {
    role: role === "any" ? "both" : role,
    waiting: told.waiting,
    running: told.running,
    waitingTokens: told.waitingTokens,
    prefillTokens: told.prefillTokens,
    usedPages: told.usedPages,
    totalPages: report?.totalPages ?? totalPages,
    pageTokens: report?.pageTokens ?? pageTokens,
    waitingPages: told.waitingPages,
    headPages: told.headPages,
    answerTokens: told.answerTokens,
    urgent: told.urgent,
    urgentWaiting: told.urgentWaiting,
    urgentWaitingPages: told.urgentWaitingPages,
    outgoing: told.outgoing,
    incoming: told.incoming,
  };
}
