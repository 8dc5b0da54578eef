/**
 * How well a simulation foretells a live run: the run's arrivals, lengths and objectives go in, costs come from a model
 * that was fitted on another run, and mean and P90 of the three latencies are compared.
 */
import { createRandom, fail } from "../core/index.ts";
import { createOutlook, createPolicy, roundRobin, type BatchPolicy } from "../sched/index.ts";
import { recordingTrace, type Recording } from "../workload/index.ts";
import { Latencies } from "./latency.ts";
import { DrawnDrafts, fitDrafts, type DraftFit } from "./drafts-fit.ts";
import { readEngineFacts } from "./engine-facts.ts";
import type { SimulationReport } from "./report.ts";
import { Simulation } from "./simulation.ts";
import type { CostModel, RowKind } from "./types.ts";

/** Mean and P90 of one latency, milliseconds. */
export interface LatencyPair {
  readonly mean: number;
  readonly p90: number;
}

/** The latencies that are compared. */
export const FIDELITY_METRICS = ["ttftMs", "tpotMs", "e2eMs"] as const;
/** The name of a compared latency. */
export type FidelityMetric = (typeof FIDELITY_METRICS)[number];

/** A live run against its prediction. */
export interface Fidelity {
  readonly measured: Readonly<Record<FidelityMetric, LatencyPair>>;
  readonly predicted: Readonly<Record<FidelityMetric, LatencyPair>>;
  /** predicted / measured - 1. */
  readonly error: Readonly<Record<FidelityMetric, LatencyPair>>;
  /** The largest of them, without its sign. */
  readonly worst: number;
  readonly requests: number;
  /** Of what requests were, that which the costs know nothing of: those count as ordinary ones. */
  readonly notKnown: readonly RowKind[];
  readonly report: SimulationReport;
}

/** What a prediction rests on beyond arrivals, lengths and costs. */
export interface PredictOptions {
  /** The recorded one by name when absent. */
  readonly policy?: () => BatchPolicy;
  /** How drafts fare, from another recording; as in this one when absent, null for none. */
  readonly drafts?: DraftFit | null;
}

/** Of the draws of what is accepted. */
const DRAFTS_SEED = 1;

/**
 * Simulates the engine of a recording on its own arrivals and lengths. Nothing of its times is used. Switches of the policy are
 * not repeated: when they came was a matter of the time.
 * @throws PunctualError invalid_file when the recording does not say what engine it was or nothing finished in it,
 * unsupported for engines whose phases were apart.
 */
export function predict(recording: Recording, cost: CostModel, { policy, drafts }: PredictOptions = {}): Fidelity {
  const facts = readEngineFacts(recording.head.engine);
  if (facts.lanes.length > 0) {
    fail("unsupported", "recording: phases apart are replayed, not predicted; simulate their arrivals as a fleet", {
      param: "recording",
    });
  }
  const fit = drafts === undefined ? fitDrafts(recording) : drafts;
  const speculation = fit === null ? {} : { drafts: () => new DrawnDrafts(fit, createRandom(DRAFTS_SEED, "drafts")) };
  const trace = recordingTrace(recording);
  const kvTokens = facts.pages * facts.pageTokens;
  const simulation = new Simulation({
    trace,
    instances: [
      {
        deployment: { name: recording.head.model, cost, kvTokens, kvBytesPerToken: 0, devices: 1 },
        policy: policy ?? (() => createPolicy(recording.head.policy, facts.policyOptions)),
        outlook: () => createOutlook(facts.outlook, facts.predictorSeed ?? 0),
        pageTokens: facts.pageTokens,
        prefixCache: facts.prefixCache,
        limits: facts.limits,
        ...speculation,
      },
    ],
    dispatch: roundRobin(),
    maxAnswerTokens: Math.max(1, ...recording.requests.map(({ maxTokens }) => maxTokens)),
  });
  const report = simulation.run();
  return compare(measuredLatencies(recording), report, simulation.notKnown);
}

/** Latencies of the requests that finished by themselves. */
export function measuredLatencies(recording: Recording): Readonly<Record<FidelityMetric, Latencies>> {
  const arrivals = new Map(recording.requests.map(({ id, atMs }) => [id, atMs]));
  const found = { ttftMs: new Latencies(), tpotMs: new Latencies(), e2eMs: new Latencies() };
  for (const { id, atMs, reason, firstTokenMs, outputTokens } of recording.ends) {
    const arrivalMs = arrivals.get(id);
    if (arrivalMs === undefined || firstTokenMs === null || (reason !== "stop" && reason !== "length")) continue;
    found.ttftMs.observe(firstTokenMs - arrivalMs);
    found.e2eMs.observe(atMs - arrivalMs);
    if (outputTokens > 1) found.tpotMs.observe((atMs - firstTokenMs) / (outputTokens - 1));
  }
  return found;
}

function compare(
  measured: Readonly<Record<FidelityMetric, Latencies>>,
  report: SimulationReport,
  notKnown: readonly RowKind[],
): Fidelity {
  const each = <T>(of: (metric: FidelityMetric) => T): Record<FidelityMetric, T> => ({
    ttftMs: of("ttftMs"),
    tpotMs: of("tpotMs"),
    e2eMs: of("e2eMs"),
  });
  const live = each((metric): LatencyPair => {
    const { mean, p90 } = measured[metric].summary();
    return mean !== null && p90 !== null ? { mean, p90 } : nothing(metric);
  });
  const predicted = each((metric): LatencyPair => {
    const { mean, p90 } = report[metric];
    return mean !== null && p90 !== null ? { mean, p90 } : nothing(metric);
  });
  const error = each((metric): LatencyPair => {
    const [a, b] = [live[metric], predicted[metric]];
    return { mean: b.mean / a.mean - 1, p90: b.p90 / a.p90 - 1 };
  });
  const sizes = FIDELITY_METRICS.flatMap((metric) => [error[metric].mean, error[metric].p90].map(Math.abs));
  const requests = measured.e2eMs.count;
  return { measured: live, predicted, error, worst: Math.max(...sizes), requests, notKnown, report };
}

function nothing(metric: FidelityMetric): never {
  return fail("invalid_file", `recording: no request finished, so there is no ${metric} to compare`, {
    param: "recording",
  });
}
