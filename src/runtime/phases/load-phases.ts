/** Loads the deciding worker of an engine whose phases are apart, and has the other one load. */
import type { MessagePort } from "node:worker_threads";
import { present } from "../../core/index.ts";
import { KvPages, StepExecutor, type StepBatch, type StepResult } from "../../llm/index.ts";
import {
  createOutlook,
  createPolicy,
  StepCost,
  type BatchPolicy,
  type Phase,
  type SchedulerLimits,
} from "../../sched/index.ts";
import { createRecorder, openSink, writeHead } from "../begin-recording.ts";
import { calibrate } from "../calibrate.ts";
import { liveClock } from "../clock.ts";
import { withWeights } from "../load-model.ts";
import type { FromWorker, WorkerSetup } from "../messages.ts";
import { planEngine, PREDICTOR_SEED, type EnginePlan } from "../plan.ts";
import type { RecordingSink } from "../recording-sink.ts";
import type { Calibration, EngineInfo, EngineOptions } from "../types.ts";
import { receiveVocabulary, type WithVocabulary } from "../vocabulary-link.ts";
import { LinkShaper, PullingHandover } from "./handover.ts";
import { LaneRunner } from "./lane-runner.ts";
import { poolsOf, type PhasesMode, type Sharing } from "./options.ts";
import { PairedPrefill } from "./paired-prefill.ts";
import { Peer, type LaneExecutor } from "./peer.ts";
import { PhaseLoops, type PhaseLoopsOptions } from "./phase-loops.ts";
import { StepProgress } from "./progress.ts";
import { ShareKeeper } from "./share-keeper.ts";

/** Everything that the deciding worker works with. */
export interface LoadedPhases {
  readonly info: EngineInfo;
  readonly calibration: Calibration | null;
  readonly executor: StepExecutor;
  readonly runner: LaneRunner;
  readonly peer: Peer;
  readonly loops: PhaseLoops;
  /** Of an engine with two caches. */
  readonly handover: PullingHandover | null;
  /** Of the other worker's steps of prompts. */
  readonly progress: StepProgress;
  /** Null: nothing is recorded. */
  readonly sink: RecordingSink | null;
}

/** Prompts delay nobody's decodes on a worker of their own, so their steps may be longer; a step ends before a cancelled one does. */
const PROMPT_STEP_FACTOR = 4;
/** Threads that attend over a shared cache: both workers. */
const VIEWS = 2;
/** A message to the other worker and back, with room to spare. */
const LEAST_SPLIT_MS = 1;
/** Shorter steps of prompts end before a second worker has taken them up. */
const LEAST_PAIRED_ROWS = 32;
/** Most lanes whose steps run at the same time. */
const LANES = 4;
/** Fewer tokens than this are not worth a step of prompts. */
const LEAST_HELP_TOKENS = 8;

/** @throws PunctualError as an engine's start does. */
export async function loadPhases(
  { options, config, name, vocabulary, recording }: WorkerSetup & WithVocabulary,
  port: MessagePort,
  send: (message: FromWorker) => void,
): Promise<LoadedPhases> {
  const plan = planEngine(options, config, name);
  const mode = options.phases === "disaggregated" ? "disaggregated" : "semi-pd";
  const sharing = options.semiPd?.sharing ?? "controlled";
  const threads = mode === "semi-pd" && sharing === "os" ? 2 : 1;
  const { info } = plan;
  const pools = poolsOf(mode, info.kvPages);
  const executor = await createExecutor(options, plan, config, pools.decode, threads, mode);
  const peer = new Peer(port);
  const progress = new StepProgress();
  peer.send({
    kind: "attach",
    cache: mode === "semi-pd" ? { memory: executor.kvMemory, views: VIEWS, view: 1 } : null,
    progress: mode === "semi-pd" ? progress.buffer : null,
    ortRowThreshold: executor.ortRowThreshold,
    threads,
    decodeRows: plan.maxRunning,
  });
  await peer.ready;
  const decodePages = new KvPages({ pages: pools.decode, pageTokens: info.pageTokens });
  const pages = {
    decode: decodePages,
    prefill: mode === "semi-pd" ? decodePages : new KvPages({ pages: pools.prefill, pageTokens: info.pageTokens }),
  };
  const { cost, calibration, limits, helpTokens } = await measure(options, plan, executor, decodePages);
  const policy = (): BatchPolicy => createPolicy(info.policy, options.policyOptions);
  // A whole prompt's layers would be long slots on the decode side: then it helps with decodes only.
  const wholePrompts = policy().chunked === false;
  const runner = new LaneRunner(executor, liveClock, plan.maxRunning);
  const handover = mode === "disaggregated" ? createHandover(options, executor, peer) : null;
  const shares = new ShareKeeper({
    mode,
    ...(options.semiPd === undefined ? {} : { semiPd: options.semiPd }),
    setTickets: (worker, tickets) => (worker === "decode" ? runner : peer).setTickets(tickets),
    use: (worker) => (worker === "decode" ? runner : peer).use,
  });
  const sink = recording === undefined ? null : openSink(options, liveClock, send, LANES);
  const recorder = sink === null || recording === undefined ? null : createRecorder(sink, plan, recording);
  const loops = new PhaseLoops({
    ...createLanes({ executor, runner, peer, progress }, wholePrompts, mode === "semi-pd" && isShared(sharing)),
    pages,
    ...(handover === null ? {} : { handover }),
    shares,
    vocabulary: await receiveVocabulary(vocabulary),
    policy,
    maxRunning: plan.maxRunning,
    limits,
    helpTokens,
    leastSplitMs: LEAST_SPLIT_MS,
    cost,
    clock: liveClock,
    outlook: createOutlook(plan.outlook, PREDICTOR_SEED),
    prefixCache: options.prefixCache ?? true,
    recordDecisions: options.recordDecisions ?? 0,
    checkEachStep: options.checkEachStep ?? false,
    ...(recorder === null ? {} : { recorder }),
    report: send,
  });
  if (recorder !== null && recording !== undefined) {
    const apart = mode === "disaggregated" ? { pages: pools.prefill, decodePages: pools.decode } : {};
    const facts = { ...apart, limits, cost: cost.points(), lanes: loops.recordedLanes };
    writeHead(recorder, plan, recording, options, facts);
  }
  return { info, calibration, executor, runner, peer, loops, handover, progress, sink };
}

function createExecutor(
  options: EngineOptions,
  { info, maxRows }: EnginePlan,
  config: Parameters<typeof withWeights>[1],
  pages: number,
  threads: 1 | 2,
  mode: PhasesMode,
): Promise<StepExecutor> {
  return withWeights(options.model, config, (weights) =>
    StepExecutor.create({
      config,
      weights,
      weightsFormat: info.weights,
      threads,
      kv: { format: options.kvFormat ?? "f32", pages, pageTokens: info.pageTokens },
      maxRows,
      clock: liveClock,
      ...(mode === "semi-pd" ? { sharedViews: VIEWS } : {}),
      ...(options.exact === true ? { attention: { ortRowThreshold: Infinity } } : {}),
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    }),
  );
}

/** What steps cost and may hold, measured while nothing else runs. */
async function measure(
  options: EngineOptions,
  plan: EnginePlan,
  executor: StepExecutor,
  pages: KvPages,
): Promise<{ cost: StepCost; calibration: Calibration | null; limits: SchedulerLimits; helpTokens: number }> {
  const cost = new StepCost();
  const { targetStepMs } = plan.calibration;
  const longer = { ...plan.calibration, targetStepMs: targetStepMs * PROMPT_STEP_FACTOR };
  const calibration = plan.budgetTokens === null ? await calibrate(executor, pages, liveClock, cost, longer) : null;
  const budgetTokens = plan.budgetTokens ?? present(calibration, "a calibration").budgetTokens;
  const knee = calibration?.kneeTokens ?? null;
  let helpTokens = Math.max(LEAST_HELP_TOKENS, Math.floor(budgetTokens / PROMPT_STEP_FACTOR));
  while (helpTokens > LEAST_HELP_TOKENS && cost.stepMs(helpTokens) > targetStepMs)
    helpTokens = Math.floor(helpTokens / 2);
  const limits: SchedulerLimits = {
    maxRunning: plan.maxRunning,
    budgetTokens,
    maxChunk: options.maxChunk ?? budgetTokens,
    maxStepTokens: plan.maxRows,
    ...(knee === null ? {} : { kneeTokens: knee }),
  };
  return { cost, calibration, limits, helpTokens: Math.min(helpTokens, budgetTokens) };
}

const isShared = (sharing: Sharing): boolean => sharing === "controlled" || sharing === "fixed";

/** The lanes of both workers; where they share, each has one of the other phase, and prompts may be computed by both. */
function createLanes(
  { executor, runner, peer, progress }: Pick<LoadedPhases, "executor" | "runner" | "peer" | "progress">,
  wholePrompts: boolean,
  shared: boolean,
): Pick<PhaseLoopsOptions, "lanes" | "paired"> {
  const { topK } = executor;
  const local = (phase: Phase): LaneExecutor => ({
    topK,
    step: async (batch) => (await runner.step(phase, batch)).result(),
    wholeRow: (sequence, index) => runner.run(phase).wholeRow(sequence, index),
  });
  const remote = (phase: Phase): LaneExecutor => ({
    topK,
    step: (batch) => peer.step(phase, batch),
    wholeRow: (sequence) => executor.wholeRowOf(peer.keptRow(phase, sequence)),
  });
  if (!shared) return { lanes: { decode: { decode: local("decode") }, prefill: { prefill: remote("prefill") } } };
  const help = local("prefill");
  const follow = async (batch: StepBatch): Promise<StepResult> => {
    const step = peer.promptStep;
    const run = await runner.step("prefill", batch, (slots) => progress.reached(step, slots));
    return run.result();
  };
  const paired = new PairedPrefill({
    own: remote("prefill"),
    other: { topK, follow, wholeRow: (sequence, index) => help.wholeRow(sequence, index) },
    leastRows: LEAST_PAIRED_ROWS,
  });
  return {
    paired,
    lanes: {
      decode: { decode: local("decode"), ...(wholePrompts ? {} : { prefill: help }) },
      prefill: { prefill: paired, decode: remote("decode") },
    },
  };
}

function createHandover(options: EngineOptions, executor: StepExecutor, peer: Peer): PullingHandover {
  const handover = new PullingHandover({
    clock: liveClock,
    link: new LinkShaper(options.disaggregated),
    pageBytes: executor.kvBytes / executor.kv.pages,
    ask: (transfer, pages) => peer.send({ kind: "pull", transfer, pages }),
    write: (page, bytes) => executor.pageData(page).set(bytes),
  });
  peer.onPages = (transfer, bytes) => handover.received(transfer, bytes);
  return handover;
}
