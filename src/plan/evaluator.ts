/**
 * Simulations of placements on one trace, with common random numbers: the same requests in the same order, their gaps
 * divided by the load, so that two placements or two loads differ by themselves alone. Remembers what it has simulated.
 *
 * A simulation that only has to say whether it attains is stopped once too many requests have missed.
 */
import { assert, fail } from "../core/index.ts";
import { leastQueue, type Slo } from "../sched/index.ts";
import { Simulation, type SimulationReport } from "../sim/index.ts";
import { scaleRate, type Trace, type TraceRequest, type TraceStream } from "../workload/index.ts";
import { describePlacement, fleetOf } from "./placement.ts";
import type { Objective, Placement, PlanPoint } from "./types.ts";

/** What a search tells while it goes on. */
export interface PlanProgress {
  readonly simulations: number;
  /** The placement that is simulated next. */
  readonly placement: string;
  readonly load: number;
}

/** What an evaluator works with. */
export interface EvaluatorOptions {
  /** In memory, with at least two requests at different times. */
  readonly trace: Trace;
  readonly objective: Objective;
  /** Of the dispatcher; 0 when absent. */
  readonly seed?: number | string;
  /** Check every invariant after each event: slow. */
  readonly check?: boolean;
  readonly progress?: (progress: PlanProgress) => void;
  /** Stops with the error `cancelled`. */
  readonly signal?: AbortSignal;
  /** Awaited now and then, so that a caller's thread can do something else. */
  readonly pause?: () => Promise<void>;
}

/** One simulation. Everything absent is 1 or false. */
export interface PointOptions {
  readonly load?: number;
  readonly sloScale?: number;
  /** To the end, whatever comes of it. */
  readonly whole?: boolean;
}

const EVENTS_PER_PAUSE = 50_000;

/** See the head of this file. */
export class Evaluator {
  readonly objective: Objective;
  /** Of the trace as it is, per second. */
  readonly ratePerSecond: number;
  readonly #options: EvaluatorOptions;
  readonly #known = new Map<string, PlanPoint>();
  readonly #counted: { simulations: number };

  /** @throws PunctualError invalid_request for a trace without a rate or an objective without targets. */
  constructor(options: EvaluatorOptions, counted = { simulations: 0 }) {
    const { trace, objective } = options;
    const { requests } = trace;
    const { attain, slo } = objective;
    const spanMs = (requests.at(-1)?.arrivalMs ?? 0) - (requests[0]?.arrivalMs ?? 0);
    if (!(spanMs > 0)) fail("invalid_request", `${trace.name}: expected requests that arrive at different times`);
    if (!(attain > 0 && attain <= 1)) {
      fail("invalid_request", `attain: expected a share above 0, at most 1, got ${attain}`, { param: "attain" });
    }
    const hasTarget = (one: Pick<Slo, "ttftMs" | "tpotMs" | "deadlineMs">): boolean =>
      one.ttftMs !== undefined || one.tpotMs !== undefined || one.deadlineMs !== undefined;
    if (!requests.every((request) => hasTarget(request.slo ?? slo))) {
      fail("invalid_request", "slo: expected a target for every request: ttft, tpot or deadline", { param: "slo" });
    }
    this.#options = options;
    this.#counted = counted;
    this.objective = objective;
    this.ratePerSecond = ((requests.length - 1) / spanMs) * 1000;
  }

  get trace(): Trace {
    return this.#options.trace;
  }

  /** Simulated so far. */
  get simulations(): number {
    return this.#counted.simulations;
  }

  /** The same, with the trace's requests arriving so many times as fast. */
  atLoad(load: number): Evaluator {
    return new Evaluator({ ...this.#options, trace: scaleRate(this.trace, load) }, this.#counted);
  }

  /** Whether the placement attains the objective. */
  async attains(placement: Placement, options: PointOptions = {}): Promise<boolean> {
    return (await this.point(placement, options)).share >= this.objective.attain;
  }

  /** How the placement fares; not necessarily to the end when it does not attain. */
  async point(placement: Placement, { load = 1, sloScale = 1, whole = false }: PointOptions = {}): Promise<PlanPoint> {
    assert(load > 0 && sloScale > 0, "load and scale are above 0");
    const name = describePlacement(placement);
    const key = `${name}|${load}|${sloScale}`;
    const known = this.#known.get(key);
    if (known !== undefined && (known.whole || !whole)) return known;
    this.#checkSignal();
    this.#options.progress?.({ simulations: this.#counted.simulations, placement: name, load });
    const point = await this.#simulate(placement, load, sloScale, whole);
    this.#counted.simulations += 1;
    this.#known.set(key, point);
    return point;
  }

  async #simulate(placement: Placement, load: number, sloScale: number, whole: boolean): Promise<PlanPoint> {
    const { trace, objective, seed = 0, check = false, pause } = this.#options;
    const requests = trace.requests.length;
    const allowed = whole ? requests : Math.floor(requests * (1 - objective.attain) + 1e-9);
    let [attained, missed, excused] = [0, 0, 0];
    const simulation = new Simulation({
      ...fleetOf(placement),
      trace: this.#stream(load, sloScale),
      dispatch: leastQueue(),
      defaultSlo: scaledSlo(objective.slo, sloScale),
      seed,
      check,
      observer: {
        request: (record) => {
          if (record.attained === null) excused += 1;
          else if (record.attained) attained += 1;
          else missed += 1;
        },
      },
    });
    let going = true;
    while (going && missed <= allowed) {
      for (let i = 0; i < EVENTS_PER_PAUSE && going && missed <= allowed; i++) going = simulation.step();
      if (pause !== undefined) await pause();
      this.#checkSignal();
    }
    const judged = requests - excused;
    const reached = going ? judged - missed : attained;
    return pointOf(simulation.report(), { load, sloScale, requests: judged, attained: reached, whole: !going });
  }

  #stream(load: number, sloScale: number): TraceStream {
    const { name, source, blockTokens, requests } = this.#options.trace;
    const changed = function* (): Generator<TraceRequest> {
      for (const request of requests) {
        const slo = request.slo === undefined ? {} : { slo: scaledSlo(request.slo, sloScale) };
        yield { ...request, arrivalMs: request.arrivalMs / load, ...slo };
      }
    };
    return { name, source, blockTokens, requests: changed() };
  }

  #checkSignal(): void {
    if (this.#options.signal?.aborted === true) fail("cancelled", "The plan was cancelled.");
  }
}

type Counted = Pick<PlanPoint, "load" | "sloScale" | "requests" | "attained" | "whole">;

/** Whoever never finished is in `requests` and not in `attained`. */
function pointOf(report: SimulationReport, counted: Counted): PlanPoint {
  const classes = Object.values(report.attainment.byClass);
  const shareOf = (target: "ttft" | "tpot"): number | null => {
    const judged = classes.reduce((sum, one) => sum + one[target].requests, 0);
    return judged === 0 ? null : classes.reduce((sum, one) => sum + one[target].attained, 0) / judged;
  };
  return {
    ...counted,
    share: counted.requests === 0 ? 1 : counted.attained / counted.requests,
    ttftShare: shareOf("ttft"),
    tpotShare: shareOf("tpot"),
    ttftP90Ms: report.ttftMs.p90,
    tpotP90Ms: report.tpotMs.p90,
    e2eMeanMs: report.e2eMs.mean,
    utilization: report.utilization,
    preemptions: report.preemptions,
  };
}

function scaledSlo<T extends Pick<Slo, "ttftMs" | "tpotMs" | "deadlineMs">>(slo: T, scale: number): T {
  if (scale === 1) return slo;
  const { ttftMs, tpotMs, deadlineMs } = slo;
  return {
    ...slo,
    ...(ttftMs === undefined ? {} : { ttftMs: ttftMs * scale }),
    ...(tpotMs === undefined ? {} : { tpotMs: tpotMs * scale }),
    ...(deadlineMs === undefined ? {} : { deadlineMs: deadlineMs * scale }),
  };
}
