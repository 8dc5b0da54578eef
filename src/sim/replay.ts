/**
 * A recorded run once more, in virtual time: arrivals, step durations, ends and cancellations come from the recording,
 * as do drafts with what was accepted of them and switches of the policy; decisions come from the policies, pages from the
 * simulator. If the simulator is the engine, the decision log is the recorded one, to the last digit.
 *
 * Where phases were apart, lane-replay.ts does the same with the lanes of the engine.
 */
import {
  BEST_EFFORT,
  createPolicy,
  Outlooks,
  StepCost,
  type ArrivedRequest,
  type BatchPolicy,
  type CostPoints,
  type DecisionLogEntry,
  type Outlook,
} from "../sched/index.ts";
import type { RecordedEnd, RecordedPolicy, RecordedRequest, RecordedRoute, Recording } from "../workload/index.ts";
import { RecordedDrafts } from "./drafts.ts";
import { readEngineFacts, readOutlookKind, readPolicyOptions, type EngineFacts } from "./engine-facts.ts";
import { VirtualInstance } from "./instance.ts";
import { ReplayedLanes } from "./lane-replay.ts";
import { CountedPages, type PagePool } from "./page-pool.ts";
import type { SimRequest } from "./sequence.ts";
import { SharedPages } from "./shared-pages.ts";
import type { SimEnd } from "./types.ts";

/** What a replay needs beyond the recording, and what it checks on the way. */
export interface ReplayOptions {
  /** The recorded ones by name when absent. */
  readonly policy?: BatchPolicy;
  /** What policies are told of requests; what the engine told them when absent. */
  readonly outlook?: Outlook;
  /** Check every invariant after each line. */
  readonly check?: boolean;
}

/** What came of a replay: decisions to compare, and where each request ended. */
export interface Replayed {
  readonly decisions: readonly DecisionLogEntry[];
  /** How each request ended here, by its id. */
  readonly ends: ReadonlyMap<number, SimEnd>;
}

/** What both kinds of engines are replayed with. */
interface Parts {
  readonly recording: Recording;
  readonly facts: EngineFacts;
  readonly options: ReplayOptions;
  readonly outlook: Outlook;
  /** The same where it can be switched. */
  readonly outlooks: Outlooks | null;
  readonly ends: Map<number, SimEnd>;
  /** The request of a line, with what is known of it from lines to come. */
  readonly requestOf: (line: RecordedRequest) => SimRequest;
}

/** @throws PunctualError invalid_file when the recording does not say what engine it was. */
export function replay(recording: Recording, options: ReplayOptions = {}): Replayed {
  const facts = readEngineFacts(recording.head.engine);
  const outlooks = options.outlook === undefined ? new Outlooks(facts.outlook, facts.predictorSeed ?? 0) : null;
  const outlook = options.outlook ?? withFeatures(outlooks!, recording.requests);
  const recordedEnds = new Map(recording.ends.map((end) => [end.id, end]));
  const routes = new Map(recording.routes.map((route) => [route.id, route]));
  const known = (line: RecordedRequest): SimRequest =>
    requestOf(line, recordedEnds.get(line.id), routes.get(line.id), facts.pageTokens);
  const parts: Parts = { recording, facts, options, outlook, outlooks, ends: new Map(), requestOf: known };
  return facts.lanes.length > 0 ? replayLanes(parts) : replayInstance(parts);
}

function replayInstance({ recording, facts, options, outlook, outlooks, ends, requestOf: known }: Parts): Replayed {
  const drafts = new RecordedDrafts();
  const instance = new VirtualInstance({
    policy: options.policy ?? createPolicy(recording.head.policy, facts.policyOptions),
    limits: facts.limits,
    pages: poolOf(facts, facts.pages),
    cost: costOf(facts.cost),
    outlook,
    drafts,
    recordDecisions: Math.max(1, recording.steps.length),
    listener: { ended: ({ id }, end) => ends.set(id, end) },
  });
  for (const line of recording.lines) {
    switch (line.kind) {
      case "request":
        instance.submit(known(line), line.atMs);
        break;
      case "step":
        drafts.load(line.drafts ?? [], line.draftingMs ?? 0);
        instance.begin(line.atMs);
        instance.finish(line.tokenMs ?? line.atMs + line.stepMs, line.atMs + line.stepMs, line.stepMs);
        break;
      case "cancel":
      case "pause":
      case "resume":
        instance[line.kind](line.id, line.atMs);
        break;
      case "policy":
        if (options.policy === undefined) instance.policy = policyOf(line);
        if (line.outlook !== undefined) outlooks?.use(readOutlookKind(line.outlook));
        break;
      case "route":
      case "end":
        break; // known beforehand, and made again
      case "begin":
      case "computed":
      case "move":
      case "handover":
      case "retract":
        break; // of lanes, of which the head names none
      default:
        line satisfies never;
    }
    if (options.check === true) instance.checkIntegrity();
  }
  return { decisions: instance.decisions(), ends };
}

function replayLanes({ recording, facts, options, outlook, ends, requestOf: known }: Parts): Replayed {
  const lanes = new ReplayedLanes({
    lanes: facts.lanes,
    pools: {
      prefill: poolOf(facts, facts.pages),
      decode: facts.decodePages === null ? null : poolOf(facts, facts.decodePages),
    },
    policy: () => options.policy ?? createPolicy(recording.head.policy, facts.policyOptions),
    costOf,
    outlook,
    ended: (id, end) => ends.set(id, end),
  });
  for (const line of recording.lines) {
    switch (line.kind) {
      case "request":
        lanes.submit(known(line), line.atMs);
        break;
      case "begin":
        lanes.begin(line);
        break;
      case "computed":
        lanes.computed(line);
        break;
      case "step":
        lanes.step(line);
        break;
      case "move":
        lanes.move(line);
        break;
      case "handover":
        lanes.handover(line);
        break;
      case "retract":
        lanes.retract(line);
        break;
      case "cancel":
      case "pause":
      case "resume":
        lanes[line.kind](line.id, line.atMs);
        break;
      case "end":
        // What fails between the computing of a step and its tokens frees its pages there; all else is made again.
        if (line.reason === "failed" && line.stage === "sample") lanes.fail(line.id, line.atMs);
        break;
      case "policy":
      case "route":
        break; // phases apart keep their policy, and leave no layers out
      default:
        line satisfies never;
    }
    if (options.check === true) lanes.checkIntegrity();
  }
  return { decisions: lanes.decisions, ends };
}

function poolOf({ prefixCache, pageTokens }: EngineFacts, pages: number): PagePool {
  return prefixCache ? new SharedPages(pages, pageTokens) : new CountedPages(pages, pageTokens);
}

function costOf(points: CostPoints): StepCost {
  const cost = new StepCost();
  for (const [tokens, stepMs] of points) cost.observe(tokens, stepMs);
  return cost;
}

function policyOf({ policy, options }: RecordedPolicy): BatchPolicy {
  return createPolicy(policy, readPolicyOptions(options ?? {}, "policy.options"));
}

/** The engine's outlook, told of prompts what the recording kept of them. */
function withFeatures(outlook: Outlook, requests: readonly RecordedRequest[]): Outlook {
  const kept = new Map(requests.map(({ id, features }) => [id, features]));
  const told = (request: ArrivedRequest): ArrivedRequest => {
    const features = kept.get(request.id);
    return features === undefined ? request : { ...request, features: Uint8Array.from(features) };
  };
  return {
    arrived: (request) => outlook.arrived(told(request)),
    computed: (id, tokens) => outlook.computed(id, tokens),
    ended: (id, generatedTokens, complete, nowMs) => outlook.ended(id, generatedTokens, complete, nowMs),
    of: (id, generatedTokens, nowMs) => outlook.of(id, generatedTokens, nowMs),
  };
}

/** The request as it was, its answer as long as it became. */
function requestOf(
  recorded: RecordedRequest,
  end: RecordedEnd | undefined,
  route: RecordedRoute | undefined,
  pageTokens: number,
): SimRequest {
  const { id, atMs, promptTokens, maxTokens, slo = BEST_EFFORT, task, promptIds, adapter } = recorded;
  // Before it is decided by which layers it goes, how many there are does not matter.
  const { layers, skipped } = route ?? { layers: 1, skipped: [] };
  const mayLeaveOut = recorded.compute !== undefined || recorded.keepLayers !== undefined;
  const hashIds = end?.hashIds ?? recorded.hashIds;
  const whole = end?.reason === "stop" || end?.reason === "length";
  return {
    id,
    arrivalMs: atMs,
    promptTokens,
    // What did not end by itself would have gone on.
    outputTokens: whole ? end.outputTokens : Infinity,
    maxTokens,
    slo,
    ...(task === undefined ? {} : { task }),
    ...(promptIds === undefined ? {} : { promptIds }),
    ...(adapter === undefined ? {} : { adapted: true }),
    ...(mayLeaveOut ? { route: { layers, kept: layers - skipped.length } } : {}),
    ...(hashIds === undefined ? {} : { hashIds, blockTokens: pageTokens, hashedTokens: hashIds.length * pageTokens }),
    ...(end?.reason === "failed" && end.stage !== undefined
      ? { failure: { afterTokens: end.outputTokens, stage: end.stage } }
      : {}),
  };
}
