/**
 * Prompts and decodes on instances of their own (DistServe, OSDI'24): each with its weights and its pages, keys and
 * values pulled over a link.
 *
 *   arrival ─▶ prefill instance ─▶ first token ─▶ held, pages kept ─▶ pulled by a decode instance ─▶ end
 *                    ▲                                                          │
 *                    └────────────────── preempted: computed again ─────────────┘
 *
 * Memory of the prefill side is the buffer: a decode instance pulls when it has pages for the sequence and one more for
 * each that it runs, and when what waits there is below a share of its pages. Nothing is dropped when both are full, and
 * nothing can block: decodes end by themselves. The first gap between tokens includes waiting and transfer.
 */
import { lightest, prefillFirst, type InstanceLoad } from "../../sched/index.ts";
import type { Phase } from "../types.ts";
import { groupInstances, joinGroups, type FleetSettings, type PhaseGroup } from "./groups.ts";
import { prefillBatches, saturatingTokens } from "./prefill-batches.ts";
import type { PhasedFleet } from "./types.ts";

/** How keys and values travel. */
export interface HandoverLink {
  /** Of one prefill instance, one direction; its transfers follow each other. */
  readonly bytesPerSecond: number;
  /** Before the first byte; 0.05 when absent. */
  readonly latencyMs?: number;
}

/** Settings of `disaggregatedPhase`. */
export interface DisaggregatedOptions {
  readonly link: HandoverLink;
  readonly kvBytesPerToken: number;
  /** Most sequences of a decode instance; 256 when absent. */
  readonly maxRunning?: number;
  /** A decode instance pulls while less than this share of its pages is waited for there; 0.05 when absent. */
  readonly waitingShare?: number;
}

const LINK_LATENCY_MS = 0.05;
const MAX_RUNNING = 256;
const WAITING_SHARE = 0.05;

/** The way of a sequence at the head of this file. Keeps when links are free: serves one simulation. */
export function disaggregatedPhase(options: DisaggregatedOptions): Phase {
  const { link, kvBytesPerToken, maxRunning = MAX_RUNNING, waitingShare = WAITING_SHARE } = options;
  const { bytesPerSecond, latencyMs = LINK_LATENCY_MS } = link;
  const freeMs = new Map<number, number>();
  const hasRoom = (tokens: number, load: InstanceLoad): boolean => {
    const pages = Math.ceil(tokens / load.pageTokens);
    const free = load.totalPages - load.usedPages;
    const room = load.running === 0 ? pages <= free : pages + load.running + 1 <= free;
    const waits = load.waitingPages >= load.totalPages * waitingShare && load.waiting > 0;
    return load.role === "decode" && room && !waits && load.running < maxRunning;
  };
  return {
    name: "disaggregated",
    leaves: (_, from) => from.role === "prefill",
    target: ({ computedTokens }, _, instances) => {
      const open = instances.filter((load) => load.accepting && hasRoom(computedTokens, load));
      return open.length === 0 ? null : lightest(open, (load) => load.usedPages / load.totalPages);
    },
    transferMs: (tokens, from, _, nowMs) => {
      const startMs = Math.max(nowMs, freeMs.get(from.index) ?? 0);
      const endMs = startMs + ((tokens * kvBytesPerToken) / bytesPerSecond) * 1000;
      freeMs.set(from.index, endMs);
      return endMs - nowMs + latencyMs;
    },
    recompute: (_, __, instances) => {
      const open = instances.filter(({ role, accepting }) => role === "prefill" && accepting);
      return open.length === 0 ? null : lightest(open, (load) => load.waitingTokens);
    },
  };
}

/** A fleet of x prefill and y decode instances. */
export function disaggregatedFleet(
  prefill: PhaseGroup,
  decode: PhaseGroup,
  link: HandoverLink,
  settings: FleetSettings = {},
): PhasedFleet {
  const { maxRunning } = settings;
  const prefills = groupInstances(prefill, (deployment) => {
    const batches = { saturatingTokens: saturatingTokens(deployment.cost) };
    return { ...settings, deployment, role: "prefill", policy: () => prefillBatches(batches) };
  });
  const decodes = groupInstances(decode, (deployment) => ({
    ...settings,
    deployment,
    role: "decode",
    policy: prefillFirst,
  }));
  const { kvBytesPerToken } = prefill.deployment;
  return {
    ...joinGroups([prefills, decodes]),
    phase: disaggregatedPhase({ link, kvBytesPerToken, ...(maxRunning === undefined ? {} : { maxRunning }) }),
  };
}
