/**
 * Keeps the number of instances of a fleet: what Llumnix's rule (OSDI'24, section 4.4; sched/fleet/autoscale.ts) decides of
 * their loads is done. One more: an instance that drains by this scaler's word is kept, else one is launched. One less: it is
 * drained, so that it gives away what it has and ends by itself; nothing is ever killed. As loads are those of a moment, there
 * is too much room only where there was at every look of a whole interval: many answers that end together and are asked for
 * again would otherwise drain an instance that is started anew a second later. Instances of one role only (`prefill`,
 * `decode`) are neither counted nor touched: the rule does not know of phases.
 *
 * Who launches is a port, and so is the bus. Starts that fail are tried again after growing pauses. What is under way is kept
 * here only; another router that takes over counts what is there, and may start one too many, which it drains later.
 */
import type { FleetScalingView } from "../../protocol/index.ts";
import { Autoscaler, fleetFreeness, type AutoscaleOptions, type InstanceLoad } from "../../sched/index.ts";
import { UNHEARD } from "../registry/counts.ts";
import { LEASE_MS } from "../registry/registry.ts";
import type { ScaledInstance, ScalingOptions } from "./types.ts";

/** What a scaler needs of its router. */
export interface ScalerParts {
  /** Everybody who is there. */
  readonly instances: () => readonly ScaledInstance[];
  /** Has an instance drain, or takes that back. */
  readonly drain: (id: string, undo: boolean) => Promise<void>;
  /** Of several routers, one does this. */
  readonly isActive: () => boolean;
  /** An id that no instance has. */
  readonly newId: () => string;
  readonly log: (message: string) => void;
}

interface Start {
  readonly sinceMs: number;
  /** Its command has ended with this; undefined while it has not. */
  failure: string | null | undefined;
}

/** Why one more or one less is wanted, and how much room there was. */
type Why = Pick<NonNullable<FleetScalingView["last"]>, "reason" | "freenessSteps">;

interface Change extends Why {
  readonly kind: "start" | "drain" | "keep";
  readonly instance: string;
  readonly atMs: number;
}

const DEFAULT_START_MS = 300_000;
const DEFAULT_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** What was told to an instance is seen in its load a moment later. */
const SETTLE_MS = 1000;
const DETAIL_CHARACTERS = 200;

/** See the head of this file. */
export class FleetScaler {
  readonly #options: ScalingOptions;
  readonly #parts: ScalerParts;
  readonly #policy: Autoscaler;
  /** Starts under way, by the id that the instance should take. */
  readonly #starts = new Map<string, Start>();
  /** Told to drain by this scaler, and still there. */
  readonly #leaving = new Set<string>();
  readonly #counts = { started: 0, failed: 0, drained: 0 };
  /** Instances below this index are known; it is never given twice. */
  #nextIndex = 0;
  #failures = 0;
  #wasActive = false;
  #pausedUntilMs = -Infinity;
  #wanted: number | null = null;
  #freenessSteps: number | null = null;
  /** Since when there has been too much room at every look; null while there is not. */
  #roomSinceMs: number | null = null;
  #isEnabled = true;
  #last: Change | null = null;
  #problem: string | null = null;

  constructor(options: ScalingOptions, parts: ScalerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#policy = new Autoscaler(options.policy);
  }

  /** Called a few times a second. */
  look(nowMs: number): void {
    const mine = this.#mine();
    this.#settleStarts(mine ?? [], nowMs);
    const there = new Set(mine?.map(({ id }) => id));
    for (const id of this.#leaving) if (!there.has(id)) this.#leaving.delete(id);
    const isActive = this.#isEnabled && this.#parts.isActive();
    // Whoever has just come here, or come back to the bus, has not heard of everybody yet.
    if (isActive && !this.#wasActive) this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + LEASE_MS);
    this.#wasActive = isActive;
    const loads = this.#loads(mine ?? []);
    const steps = fleetFreeness(loads);
    this.#freenessSteps = Number.isFinite(steps) ? steps : null; // told by whoever decides, a person included
    if (mine === null || steps <= this.#options.policy.highSteps) this.#roomSinceMs = null;
    else this.#roomSinceMs ??= nowMs;
    if (mine === null || !isActive) {
      this.#wanted = null;
      return;
    }
    if (nowMs < this.#pausedUntilMs) return;
    const count = loads.filter(({ state }) => state === "serving" || state === "starting").length;
    this.#wanted = count;
    const isLull = this.#roomSinceMs !== null && nowMs - this.#roomSinceMs < this.#policy.everyMs;
    if (isLull && count >= this.#options.policy.least) return;
    const [decision] = this.#policy.scale(loads, nowMs);
    const freenessSteps = this.#freenessSteps;
    if (decision?.kind === "start") {
      this.#wanted = count + 1;
      this.#more({ reason: count < this.#options.policy.least ? "fewest" : "low", freenessSteps }, nowMs);
    } else if (decision?.kind === "drain") {
      this.#wanted = count - 1;
      const { id } = mine.find(({ load }) => load.index === decision.instance)!;
      this.#less(id, { reason: "high", freenessSteps }, nowMs);
    }
  }

  /**
   * While it is off nobody is started or drained, and who dies is not replaced; starts and drains under way come to their end.
   * @returns what it was
   */
  setEnabled(isEnabled: boolean): boolean {
    const previous = this.#isEnabled;
    this.#isEnabled = isEnabled;
    if (!isEnabled) this.#wanted = null;
    if (previous !== isEnabled) this.#parts.log(`Scaling by load is switched ${isEnabled ? "on" : "off"}.`);
    return previous;
  }

  /** For who shows the fleet. */
  view(nowMs: number): FleetScalingView {
    const { least, most, lowSteps, highSteps }: AutoscaleOptions = this.#options.policy;
    const last = this.#last;
    return {
      model: this.#options.model ?? null,
      isActive: this.#parts.isActive(),
      isEnabled: this.#isEnabled,
      least,
      most,
      wanted: this.#wanted,
      starting: this.#starts.size,
      draining: this.#leaving.size,
      freenessSteps: this.#freenessSteps,
      lowSteps,
      highSteps,
      ...this.#counts,
      last: last === null ? null : toldChange(last, nowMs),
      problem: this.#problem,
    };
  }

  /** The instances that are scaled; null when nobody can tell which they are. */
  #mine(): readonly ScaledInstance[] | null {
    const all = this.#parts.instances().filter(({ role }) => role === "any");
    const { model } = this.#options;
    if (model !== undefined) return all.filter((one) => one.model === model);
    const models = new Set(all.map((one) => one.model));
    if (models.size <= 1) return all;
    this.#say(`The fleet serves ${[...models].join(" and ")}: name the model to be scaled.`);
    return null;
  }

  /** Starts that have come to their end, one way or the other. */
  #settleStarts(mine: readonly ScaledInstance[], nowMs: number): void {
    for (const { id, load } of mine) {
      if (load.index < this.#nextIndex) continue;
      this.#nextIndex = load.index + 1;
      // A command that gives no id has its instances make up theirs: then the oldest start is meant.
      const start = this.#starts.has(id) ? id : this.#starts.keys().next().value;
      if (start === undefined) continue; // started by somebody else
      this.#starts.delete(start);
      this.#counts.started += 1;
      this.#failures = 0;
      this.#problem = null;
    }
    const { startMs = DEFAULT_START_MS } = this.#options;
    for (const [id, { sinceMs, failure }] of this.#starts) {
      if (typeof failure === "string") this.#failed(id, failure, nowMs);
      else if (nowMs - sinceMs > startMs) this.#failed(id, `it did not come within ${startMs / 1000} s`, nowMs);
    }
  }

  #failed(id: string, why: string, nowMs: number): void {
    this.#starts.delete(id);
    this.#counts.failed += 1;
    const { firstPauseMs = DEFAULT_PAUSE_MS } = this.#options;
    this.#pausedUntilMs = nowMs + Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#say(`The instance ${id} could not be started: ${why}`);
  }

  #say(problem: string): void {
    const short = problem.slice(0, DETAIL_CHARACTERS);
    if (short !== this.#problem) this.#parts.log(short);
    this.#problem = short;
  }

  /** With what is starting as room, and what was told to leave as leaving whatever it has said since. */
  #loads(mine: readonly ScaledInstance[]): readonly InstanceLoad[] {
    const loads = mine.map(({ id, load }): InstanceLoad => {
      return this.#leaving.has(id) ? { ...load, state: "draining", accepting: false } : load;
    });
    const like = loads[0];
    let index = -1; // of no instance
    for (let i = 0; i < this.#starts.size; i++) loads.push(startingLike(like, index--));
    return loads;
  }

  #more(why: Why, nowMs: number): void {
    this.#pausedUntilMs = nowMs + SETTLE_MS;
    const kept = [...this.#leaving].at(-1);
    if (kept !== undefined) {
      this.#leaving.delete(kept);
      this.#last = { kind: "keep", instance: kept, ...why, atMs: nowMs };
      this.#parts.log(`One instance more is wanted: ${kept} stays.`);
      void this.#tell(kept, true);
      return;
    }
    const id = this.#parts.newId();
    const start: Start = { sinceMs: nowMs, failure: undefined };
    this.#starts.set(id, start);
    this.#last = { kind: "start", instance: id, ...why, atMs: nowMs };
    this.#parts.log(`One instance more is wanted: ${id} is started.`);
    void this.#options.launch(id).ended.then((failure) => {
      start.failure = failure;
    });
  }

  #less(id: string, why: Why, nowMs: number): void {
    this.#pausedUntilMs = nowMs + SETTLE_MS;
    this.#leaving.add(id);
    this.#counts.drained += 1;
    this.#last = { kind: "drain", instance: id, ...why, atMs: nowMs };
    this.#parts.log(`One instance less is wanted: ${id} drains.`);
    void this.#tell(id, false);
  }

  async #tell(id: string, undo: boolean): Promise<void> {
    try {
      await this.#parts.drain(id, undo);
    } catch (error) {
      // As it was not heard, it is as it was; the next look decides anew.
      if (!undo) this.#leaving.delete(id);
      this.#say(`The instance ${id} could not be told: ${String(error)}`);
    }
  }
}

function toldChange({ atMs, ...change }: Change, nowMs: number): FleetScalingView["last"] {
  return { ...change, ageMs: nowMs - atMs };
}

/** An instance that is about to come: as large as the others, and empty. */
function startingLike(like: InstanceLoad | undefined, index: number): InstanceLoad {
  return {
    ...UNHEARD,
    index,
    role: "both",
    state: "starting",
    accepting: false,
    totalPages: like?.totalPages ?? 0,
    pageTokens: like?.pageTokens ?? 0,
    cachedTokens: () => 0,
  };
}
