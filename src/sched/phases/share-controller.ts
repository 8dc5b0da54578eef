/**
 * How much of the compute prompts get, decided from what requests have got so far (Semi-PD 2025, section on SLO-aware
 * adjustment). Once a window it compares observed TTFT and TPOT, each relative to its request's own target:
 *
 *   both met, or both missed     hold (what cannot be met by sharing is admission's business)
 *   only TTFT missed             raise the prompts' share, step by step, as far as the fitted curve asks for
 *   only TPOT missed             the same for decodes
 *
 * What keeps it from swinging: a window without enough samples decides nothing; it moves a bounded number of steps; it
 * does not move where the curve says that the other target would be missed; and to turn back it must see a miss in
 * several windows in a row, twice as many each time it has turned. Pure: it is told the time and the latencies.
 */
import { assert, fail } from "../../core/index.ts";
import { LatencyFit } from "./latency-fit.ts";

/** Prompts and recomputations, or tokens one at a time. */
export type Phase = "prefill" | "decode";

/** Every field has a default. Shares are of all compute, 0..1; prompts have theirs, decodes the rest. */
export interface ShareControllerOptions {
  /** Where the prompts' share starts; 0.5. */
  readonly share?: number;
  /** Smallest and largest share of prompts; 0.1 and 0.9. */
  readonly leastShare?: number;
  readonly mostShare?: number;
  /** By how much a step moves the share; 0.05. */
  readonly step?: number;
  /** Most steps after one window; 4. */
  readonly maxSteps?: number;
  /** Shortest window, milliseconds; 500. */
  readonly windowMs?: number;
  /** Fewest latencies of a phase before it counts; 8. */
  readonly minSamples?: number;
  /** Share of requests that shall be within their targets; 0.9. */
  readonly percentile?: number;
}

/** What a window ended in. */
export interface ShareDecision {
  readonly atMs: number;
  /** The prompts' share from now on. */
  readonly share: number;
  readonly previousShare: number;
  /** The observed percentile over its target; null: too few samples. */
  readonly ttft: number | null;
  readonly tpot: number | null;
  readonly why: "met" | "both missed" | "prefill missed" | "decode missed" | "waits to turn" | "no room";
}

const DEFAULTS = {
  share: 0.5,
  leastShare: 0.1,
  mostShare: 0.9,
  step: 0.05,
  maxSteps: 4,
  windowMs: 500,
  minSamples: 8,
  percentile: 0.9,
};
/** Most windows that a turn has to wait for. */
const LONGEST_WAIT = 16;
/** Windows with both targets met after which an old turn is forgotten. */
const CALM_WINDOWS = 20;
/** Latencies kept of one window. */
const MOST_SAMPLES = 4096;

/** Throws invalid_request for a number out of its range. */
export function checkShareOptions(options: ShareControllerOptions): Required<ShareControllerOptions> {
  const checked = { ...DEFAULTS, ...options };
  const check = (field: keyof ShareControllerOptions, good: boolean, expected: string): void => {
    if (!good) fail("invalid_request", `${field}: expected ${expected}, got ${checked[field]}`, { param: field });
  };
  const { leastShare, mostShare } = checked;
  check("leastShare", leastShare >= 0 && leastShare <= 1, "a share from 0 to 1");
  check("mostShare", mostShare >= leastShare && mostShare <= 1, "a share from leastShare to 1");
  check("share", checked.share >= leastShare && checked.share <= mostShare, "a share from leastShare to mostShare");
  check("step", checked.step > 0 && checked.step <= 0.5, "a step above 0, at most 0.5");
  check("maxSteps", Number.isInteger(checked.maxSteps) && checked.maxSteps >= 1, "an integer of at least 1");
  check("windowMs", checked.windowMs > 0, "milliseconds above 0");
  check("minSamples", Number.isInteger(checked.minSamples) && checked.minSamples >= 1, "an integer of at least 1");
  check("percentile", checked.percentile > 0 && checked.percentile < 1, "a fraction between 0 and 1");
  return checked;
}

/** The controller at the head of this file. */
export class ShareController {
  readonly #options: Required<ShareControllerOptions>;
  readonly #fits: Readonly<Record<Phase, LatencyFit>> = {
    prefill: new LatencyFit(true),
    decode: new LatencyFit(false),
  };
  readonly #samples: Readonly<Record<Phase, number[]>> = { prefill: [], decode: [] };
  #share: number;
  #windowStartMs: number | null = null;
  #lastRaised: Phase | null = null;
  /** Windows in a row in which the phase that was not raised last has missed its target. */
  #missesToTurn = 0;
  #missesWanted = 1;
  #calm = 0;

  constructor(options: ShareControllerOptions = {}) {
    this.#options = checkShareOptions(options);
    this.#share = this.#options.share;
  }

  /** The prompts' share of all compute. */
  get share(): number {
    return this.#share;
  }

  /** A latency over its target: below 1 is in time. */
  observe(phase: Phase, relative: number): void {
    assert(relative >= 0, "a latency is not negative");
    const samples = this.#samples[phase];
    if (samples.length < MOST_SAMPLES) samples.push(relative);
  }

  /** Ends the window when it is long and full enough; null when it is not. */
  update(nowMs: number): ShareDecision | null {
    this.#windowStartMs ??= nowMs;
    const { windowMs, minSamples } = this.#options;
    if (nowMs - this.#windowStartMs < windowMs) return null;
    const [ttft, tpot] = [this.#observed("prefill"), this.#observed("decode")];
    if (ttft === null && tpot === null) return null;
    const share = this.#share;
    if (ttft !== null) this.#fits.prefill.add({ share, latency: ttft });
    if (tpot !== null) this.#fits.decode.add({ share: 1 - share, latency: tpot });
    // Too few samples of one phase are kept for the next window, or a rare phase would never be heard.
    for (const phase of ["prefill", "decode"] as const) {
      if (this.#samples[phase].length >= minSamples) this.#samples[phase].length = 0;
    }
    this.#windowStartMs = nowMs;
    const why = this.#decide((ttft ?? 0) > 1, (tpot ?? 0) > 1);
    return { atMs: nowMs, share: this.#share, previousShare: share, ttft, tpot, why };
  }

  #observed(phase: Phase): number | null {
    const { minSamples, percentile } = this.#options;
    const samples = this.#samples[phase];
    if (samples.length < minSamples) return null;
    const sorted = samples.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.ceil(percentile * sorted.length) - 1)]!;
  }

  #decide(prefillMissed: boolean, decodeMissed: boolean): ShareDecision["why"] {
    if (prefillMissed && decodeMissed) return "both missed";
    if (!prefillMissed && !decodeMissed) {
      this.#missesToTurn = 0;
      this.#calm += 1;
      if (this.#calm >= CALM_WINDOWS) this.#missesWanted = 1;
      return "met";
    }
    this.#calm = 0;
    const phase = prefillMissed ? "prefill" : "decode";
    if (this.#lastRaised !== null && this.#lastRaised !== phase) {
      this.#missesToTurn += 1;
      if (this.#missesToTurn < this.#missesWanted) return "waits to turn";
      this.#missesWanted = Math.min(LONGEST_WAIT, this.#missesWanted * 2);
    }
    this.#missesToTurn = 0;
    if (!this.#raise(phase)) return "no room";
    this.#lastRaised = phase;
    return phase === "prefill" ? "prefill missed" : "decode missed";
  }

  /** Moves the share in favour of a phase; false when it is where it may be already. */
  #raise(phase: Phase): boolean {
    const { step, maxSteps, leastShare, mostShare } = this.#options;
    const curves = { prefill: this.#fits.prefill.curve(), decode: this.#fits.decode.curve() };
    const of = (which: Phase, share: number): number => (which === "prefill" ? share : 1 - share);
    const other: Phase = phase === "prefill" ? "decode" : "prefill";
    let moved = 0;
    for (; moved < maxSteps; moved++) {
      if (moved > 0 && (curves[phase]?.estimate(of(phase, this.#share)) ?? 0) <= 1) break;
      const next = clamp(this.#share + (phase === "prefill" ? step : -step), leastShare, mostShare);
      if (next === this.#share) break;
      if ((curves[other]?.estimate(of(other, next)) ?? 0) > 1) break;
      this.#share = next;
    }
    return moved > 0;
  }
}

/** Steps are added up; rounding keeps equal shares equal. */
function clamp(share: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(share * 1e6) / 1e6));
}
