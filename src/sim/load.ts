/** The load of an instance as it was at a moment: what dispatchers and controllers see when news travel slowly. */
import type { InstanceLoad } from "../sched/index.ts";
import type { VirtualInstance } from "./instance.ts";

/** Loads as they are now; prefix caches are still asked as they are. */
export function loadOf(instance: VirtualInstance, nowMs: number): InstanceLoad {
  return {
    index: instance.index,
    role: instance.role,
    state: instance.state,
    accepting: instance.accepting,
    waiting: instance.waiting,
    running: instance.running,
    waitingTokens: instance.waitingTokens,
    prefillTokens: instance.prefillTokens,
    usedPages: instance.usedPages,
    totalPages: instance.totalPages,
    pageTokens: instance.pageTokens,
    waitingPages: instance.waitingPages,
    headPages: instance.headPages,
    answerTokens: instance.answerTokens,
    urgent: instance.urgent,
    urgentWaiting: instance.urgentWaiting,
    urgentWaitingPages: instance.urgentWaitingPages,
    outgoing: instance.outgoing,
    incoming: instance.incoming,
    cost: instance.cost,
    limits: instance.limits,
    takenMs: nowMs,
    cachedTokens: (request) => instance.cachedTokens(request),
  };
}
