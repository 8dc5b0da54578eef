/** One arm on one trace in virtual time, and what of it counts: a window that begins when the engine is warm. */
import { assert, createRandom } from "../../core/index.ts";
import {
  createDispatch,
  createPolicy,
  ForestLengthPredictor,
  LearningOutlook,
  OracleLengthPredictor,
  TaskLedger,
  TaskTracker,
  type Outlook,
} from "../../sched/index.ts";
import { Simulation, type InstanceSpec, type SimulationReport } from "../../sim/index.ts";
import type { Trace } from "../../workload/index.ts";
import { INSTANCE, MAX_ANSWER_TOKENS, ORACLE, policyOf, type Arm } from "./setup.ts";

/** What an arm made of a window. */
export interface ArmRun {
  /** Tokens a second that were within their objectives. */
  readonly goodput: number;
  /** Requests a second that met theirs; a task counts as its requests. */
  readonly requestGoodput: number;
  /** Tokens a second of answers, in time or not, that have ended. */
  readonly throughput: number;
  /** Of requests and tasks that ended, those that met their objective. */
  readonly attained: number;
  readonly attainedLatency: number;
  readonly attainedDeadline: number;
  readonly attainedCompound: number;
  /** Requests a second that had no answer: refused, expired, abandoned. */
  readonly turnedAway: number;
}

/** The window of a run, milliseconds of virtual time, and the fleet. */
export interface RunOptions {
  readonly instances?: number;
  /** What comes before it warms up predictors and queues and does not count. */
  readonly warmMs: number;
  readonly untilMs: number;
  readonly instance?: Omit<InstanceSpec, "policy">;
}

/** The outlook of a fleet under an arm: one log of lengths and tasks for all of its instances. */
export function outlooksOf(arm: Arm, trace: Trace): () => Outlook {
  const shared = { tracker: new TaskTracker(), ledger: new TaskLedger() };
  if (arm !== ORACLE) {
    const predictor = new ForestLengthPredictor({ random: createRandom(0, "lengths") });
    return () => new LearningOutlook({ ...shared, predictor });
  }
  const truth = new Map<unknown, number>(
    trace.requests.map(({ promptIds, outputTokens }) => [promptIds, outputTokens]),
  );
  const predictor = new OracleLengthPredictor();
  return () =>
    new LearningOutlook({
      ...shared,
      predictor,
      onArrival: ({ prompt }, features) => {
        const tokens = truth.get(prompt);
        assert(tokens !== undefined, "an oracle knows every request of its trace");
        predictor.tell(features, tokens);
      },
    });
}

/** Runs an arm; the same trace and options give the same figures. */
export function runArm(arm: Arm, trace: Trace, options: RunOptions): ArmRun {
  const { instances = 1, warmMs, untilMs, instance = INSTANCE } = options;
  const outlook = outlooksOf(arm, trace);
  const policy = () => createPolicy(policyOf(arm));
  const simulation = new Simulation({
    trace,
    instances: Array.from({ length: instances }, () => ({ ...instance, policy, outlook })),
    dispatch: createDispatch("least-queue"),
    maxAnswerTokens: MAX_ANSWER_TOKENS,
    untilMs,
  });
  while (simulation.nowMs < warmMs && simulation.step());
  const before = totals(simulation.report());
  const after = totals(simulation.run());
  const seconds = (untilMs - warmMs) / 1000;
  const rate = (key: keyof Totals): number => (after[key] - before[key]) / seconds;
  const share = (met: keyof Totals, all: keyof Totals): number =>
    (after[met] - before[met]) / Math.max(1, after[all] - before[all]);
  return {
    goodput: rate("goodTokens"),
    requestGoodput: rate("goodRequests"),
    throughput: rate("tokens"),
    attained: share("attained", "judged"),
    attainedLatency: share("latencyMet", "latency"),
    attainedDeadline: share("deadlineMet", "deadline"),
    attainedCompound: share("compoundMet", "compound"),
    turnedAway: rate("turnedAway"),
  };
}

type Totals = Readonly<ReturnType<typeof totals>>;

function totals(report: SimulationReport) {
  const seconds = report.spanMs / 1000;
  const { all, byClass } = report.attainment;
  const { refused, rejected, expired, abandoned } = report.requests;
  return {
    goodTokens: report.goodput.tokensPerSecond * seconds,
    goodRequests: report.goodput.requestsPerSecond * seconds,
    tokens: report.tokens.output,
    judged: all.requests,
    attained: all.attained,
    latency: byClass.latency.all.requests,
    latencyMet: byClass.latency.all.attained,
    deadline: byClass.deadline.all.requests,
    deadlineMet: byClass.deadline.all.attained,
    compound: byClass.compound.all.requests,
    compoundMet: byClass.compound.all.attained,
    turnedAway: refused + rejected + expired + abandoned,
  };
}
