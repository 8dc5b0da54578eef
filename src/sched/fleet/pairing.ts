/**
 * Which instances migrate to which (Llumnix, OSDI'24, section 4.4): those that run out of memory soonest, or are to be
 * emptied, are paired with the freest ones, lowest with highest.
 *
 * Fixed thresholds suit one workload and hurt the next, so unless they are given they follow it: an instance is a source
 * when its memory will be full before the next of its requests is expected to end (`reliefSteps`), until it has twice
 * that; it is a destination above. Between the two thresholds nothing changes, so that nobody swings from one role to the
 * other.
 */
import { meanAnswerTokens, migrationFreeness, reliefSteps, withUrgentShare, type FreenessOptions } from "./freeness.ts";
import type { FleetDecision, InstanceLoad } from "./types.ts";

/** Settings of `Pairing`. Steps are decode steps of freeness. */
export interface PairingOptions extends FreenessOptions {
  /** Below it an instance becomes a source, from `inSteps` on it may be a destination; both follow the load when absent. */
  readonly outSteps?: number;
  /** At least outSteps. */
  readonly inSteps?: number;
  /** Migrations under way at once per source and per destination; 1 when absent. */
  readonly concurrent?: number;
}

/** Before any answer has ended. */
const FIRST_ANSWER_TOKENS = 256;
const LEAVE_FACTOR = 2;

interface Rated {
  readonly load: InstanceLoad;
  readonly freeness: number;
  readonly enter: number;
  readonly leave: number;
}

/** Sources and destinations over time. One object serves one fleet. */
export class Pairing {
  readonly #options: PairingOptions;
  readonly #sources = new Set<number>();

  constructor(options: PairingOptions = {}) {
    this.#options = options;
  }

  /** Pairs, the neediest source first. */
  pairs(instances: readonly InstanceLoad[]): FleetDecision[] {
    const { concurrent = 1 } = this.#options;
    const rated = this.#rate(instances);
    for (const { load, freeness, enter, leave } of rated) {
      if (freeness < enter) this.#sources.add(load.index);
      else if (freeness >= leave) this.#sources.delete(load.index);
    }
    const ascending = rated.toSorted((a, b) => a.freeness - b.freeness || a.load.index - b.load.index);
    const sources = ascending.filter(({ load }) => this.#isSource(load, concurrent));
    const destinations = ascending
      .toReversed()
      .filter(({ load, freeness, leave }) => load.accepting && freeness >= leave && load.incoming < concurrent);
    return sources
      .slice(0, destinations.length)
      .map(({ load }, i) => ({ kind: "pair", from: load.index, to: destinations[i]!.load.index }));
  }

  #rate(instances: readonly InstanceLoad[]): Rated[] {
    const { outSteps, inSteps } = this.#options;
    const alive = instances.filter(
      ({ state, role }) => role === "both" && (state === "serving" || state === "draining"),
    );
    const answerTokens = meanAnswerTokens(alive) ?? FIRST_ANSWER_TOKENS;
    const shared = withUrgentShare(alive, this.#options);
    return alive.map((load) => {
      const enter = outSteps ?? reliefSteps(answerTokens, load.running);
      const leave = Math.max(enter, inSteps ?? enter * LEAVE_FACTOR);
      return { load, freeness: migrationFreeness(load, shared), enter, leave };
    });
  }

  #isSource({ index, running, waiting, outgoing }: InstanceLoad, concurrent: number): boolean {
    return this.#sources.has(index) && running + waiting > 0 && outgoing < concurrent;
  }
}
