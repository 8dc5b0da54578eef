/**
 * Where prompts and decodes are computed: one engine, three arrangements.
 *
 *   colocated       one worker computes both, in the same steps (everything else in runtime/)
 *   disaggregated   a worker for prompts and one for decodes, each with a cache of its own; keys and values are copied
 *                   from the one to the other (DistServe 2024)
 *   semi-pd         two workers over one cache; each gives a share of its layer slots to the other phase (Semi-PD 2025)
 *
 * In the last two each worker computes on one thread, so that there are never more runnable threads than two cores.
 */
import { fail } from "../../core/index.ts";
import type { HistogramSnapshot } from "../types.ts";
import { checkShareOptions, type Phase, type ShareControllerOptions, type ShareDecision } from "../../sched/index.ts";

/** See the head of phases/options.ts. */
export type PhasesMode = "colocated" | "disaggregated" | "semi-pd";

/** Every mode, by name. */
export const PHASES_MODES: readonly PhasesMode[] = ["colocated", "disaggregated", "semi-pd"];

/**
 * How the two workers of semi-pd share their time.
 *
 *   controlled   a controller moves the share so that TTFT and TPOT targets are met; idle slots go to the other phase
 *   fixed        the share stays as given; idle slots go to the other phase
 *   static       each phase its own worker, and what that leaves idle stays idle (baseline)
 *   os           the same with two threads for each worker: the operating system shares two cores among four (baseline)
 */
export type Sharing = "controlled" | "fixed" | "static" | "os";

/** Every way of sharing, by name. */
export const SHARINGS: readonly Sharing[] = ["controlled", "fixed", "static", "os"];

/** The controller's settings count for `controlled`, of them `share` for `fixed` too. */
export interface SemiPdOptions extends ShareControllerOptions {
  /** "controlled" when absent. */
  readonly sharing?: Sharing;
}

/** The channel between the two caches; a copy within this process is as fast as memory, real ones are not. */
export interface DisaggregatedOptions {
  /** No limit when absent. */
  readonly bandwidthBytesPerSecond?: number;
  /** Of every message; 0 when absent. */
  readonly latencyMs?: number;
}

/** What a worker has spent on each phase, since it started. */
export interface SlotUse {
  /** Layers, and one for what a step ends in. */
  readonly slots: number;
  readonly ms: number;
}

/** How the phases of an engine stand. */
export interface PhaseStats {
  readonly mode: Exclude<PhasesMode, "colocated">;
  /** Of semi-pd. */
  readonly sharing: Sharing | null;
  /** Share of all compute that each phase may claim now; together 1. */
  readonly shares: Readonly<Record<Phase, number>>;
  /** What each worker has spent on each phase: [worker][phase]. */
  readonly use: Readonly<Record<Phase, Readonly<Record<Phase, SlotUse>>>>;
  /** Sequences at each stage: prompts under way, between the caches, decodes. */
  readonly sequences: { readonly prefill: number; readonly transfer: number; readonly decode: number };
  /** Times the controller has moved the share. */
  readonly moves: number;
  readonly lastDecision: ShareDecision | null;
  /** Of disaggregated engines. */
  readonly transfers: TransferStats;
}

/** Hand-overs since the worker began. */
export interface TransferStats {
  /** Complete and broken off, and what the complete ones moved. */
  readonly count: number;
  readonly aborted: number;
  readonly bytes: number;
  readonly ms: number;
  /** Of complete ones: from the first token's end to the place among the decodes, waiting for room included, seconds. */
  readonly seconds: HistogramSnapshot;
}

/** Throws invalid_request naming the option that is out of range or belongs to another mode. */
export function checkPhases(options: {
  readonly phases?: PhasesMode;
  readonly semiPd?: SemiPdOptions;
  readonly disaggregated?: DisaggregatedOptions;
  readonly embedding?: unknown;
  readonly kvPages?: number;
}): void {
  const { phases = "colocated", semiPd, disaggregated } = options;
  const refuse = (param: string, message: string): never => fail("invalid_request", `${param}: ${message}`, { param });
  if (!PHASES_MODES.includes(phases)) refuse("phases", `expected one of ${PHASES_MODES.join(", ")}, got "${phases}"`);
  if (phases !== "colocated" && options.embedding !== undefined) {
    refuse("phases", "an embedding model has no decodes: expected colocated");
  }
  if (semiPd !== undefined) {
    if (phases !== "semi-pd") refuse("semiPd", `belongs to phases "semi-pd", not to "${phases}"`);
    const { sharing = "controlled" } = semiPd;
    if (!SHARINGS.includes(sharing)) {
      refuse("semiPd.sharing", `expected one of ${SHARINGS.join(", ")}, got "${sharing}"`);
    }
    checkShareOptions(semiPd);
  }
  if (disaggregated !== undefined) {
    if (phases !== "disaggregated") refuse("disaggregated", `belongs to phases "disaggregated", not to "${phases}"`);
    const { bandwidthBytesPerSecond = Infinity, latencyMs = 0 } = disaggregated;
    if (!(bandwidthBytesPerSecond > 0)) {
      refuse("disaggregated.bandwidthBytesPerSecond", `expected a number above 0, got ${bandwidthBytesPerSecond}`);
    }
    if (!(latencyMs >= 0 && Number.isFinite(latencyMs))) {
      refuse("disaggregated.latencyMs", `expected milliseconds of at least 0, got ${latencyMs}`);
    }
  }
  if (phases === "disaggregated" && options.kvPages !== undefined && options.kvPages < 2) {
    refuse("kvPages", `expected a page for each of two caches, got ${options.kvPages}`);
  }
}

/** Pages of each cache: one of all pages, or two of half each. */
export function poolsOf(phases: PhasesMode, kvPages: number): Readonly<Record<Phase, number>> {
  if (phases !== "disaggregated") return { prefill: kvPages, decode: kvPages };
  const prefill = Math.max(1, Math.floor(kvPages / 2));
  return { prefill, decode: Math.max(1, kvPages - prefill) };
}
