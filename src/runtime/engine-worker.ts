/**
 * The worker thread of an engine: loads the model, then runs the step loop as long as there is work.
 *
 * The inbox is drained synchronously before every step, so a cancellation takes effect within one
 * step. An exception here is a bug: it ends the worker, and the main thread starts another. A worker is
 * never terminated from outside, because ending a thread inside ONNX Runtime aborts the process; it is
 * asked to stop. (An abort inside ONNX Runtime itself takes the whole process: only a process boundary
 * would help.)
 */
import { parentPort, workerData } from "node:worker_threads";
import { present, PunctualError, toErrorRecord } from "../core/index.ts";
import { KvPages, readRoutes, StepExecutor, type DecoderConfig, type RouteSet } from "../llm/index.ts";
import {
  createPolicy,
  outlookOf,
  promptStepTokens,
  StepCost,
  type Outlooks,
  type SchedulerLimits,
} from "../sched/index.ts";
import { createRecorder, openSink, writeHead } from "./begin-recording.ts";
import { after, liveClock, sleep, yieldThread } from "./clock.ts";
import { calibrateOnce, calibrationFile, type CalibrationFile } from "./kept-calibration.ts";
import { withWeights } from "./load-model.ts";
import { WorkerAdapters } from "./lora/worker-adapters.ts";
import type { FromWorker, StepReport, ToWorker, WorkerSetup } from "./messages.ts";
import { withBareNames } from "./embedding.ts";
import { planEngine, type EnginePlan } from "./plan.ts";
import { openOutlooks, type PolicyStateKeeper } from "./policy-state.ts";
import type { LoopRecorder } from "./recorder.ts";
import type { RecordingSink } from "./recording-sink.ts";
import { headsOf } from "./speculation/heads.ts";
import { loadSpeculator, measureDraftCosts, type LoadedSpeculator } from "./speculation/load.ts";
import { speculates } from "./speculation/options.ts";
import type { HandOffPort } from "./step-loop-options.ts";
import { StepLoop } from "./step-loop.ts";
import type { Calibration, EngineOptions } from "./types.ts";
import { TransferDesk } from "./transfer/desk.ts";
import { receiveVocabulary, type WithVocabulary } from "./vocabulary-link.ts";
import { drainInbox, handleMessage, type InboxOwner } from "./worker-inbox.ts";

const port = present(parentPort, "the parent port of an engine worker");
const IDLE_STEP_MS = 1;
const DEFAULT_TRANSFER_TIMEOUT_MS = 30_000;
const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const warnOfPolicyState = (problem: string): void =>
  process.emitWarning(`What the policy has learnt: ${problem}`, { code: "PUNCTUAL_POLICY_STATE" });

interface Parts {
  readonly loop: StepLoop;
  readonly desk: TransferDesk;
  readonly outlooks: Outlooks;
  readonly options: EngineOptions;
  readonly executor: StepExecutor;
  /** Null: it takes none. */
  readonly loras: WorkerAdapters | null;
  /** Null: it does not draft. */
  readonly speculation: LoadedSpeculator | null;
  readonly plan: EnginePlan;
  readonly calibration: Calibration | null;
  /** Null: nothing is recorded. */
  readonly sink: RecordingSink | null;
  readonly recorder: LoopRecorder | null;
  /** Null: what is learnt ends with this worker. */
  readonly keeper: PolicyStateKeeper | null;
}

async function load(setup: WorkerSetup & WithVocabulary): Promise<Parts> {
  const { options, config, name, recording, vocabulary, adapters = [] } = setup;
  const plan = planEngine(options, config, name);
  const { info } = plan;
  const heads = await headsOf(options, config);
  const routes = (options.routes ?? null) === null ? null : await readRoutes(options.routes!, config);
  const executor = await openExecutor(setup, plan, { states: heads !== null, routes });
  const loras = info.lora === undefined ? null : new WorkerAdapters(executor, config, info.lora.maxRank);
  await loras?.open(adapters);
  const pages = new KvPages({ pages: info.kvPages, pageTokens: info.pageTokens });
  const cost = new StepCost();
  // What a step costs does not depend on what it gives.
  const measured: Pick<StepExecutor, "step"> = executor.embedding
    ? { step: async (batch) => ({ scores: (await executor.hidden(batch)).map(() => []) }) }
    : executor;
  await measureDraftCosts(options, executor, pages, liveClock, cost);
  // How many drafts pay is read off the costs of steps, also where a step's size is given.
  const measures = plan.budgetTokens === null || speculates(options);
  const calibration = measures
    ? await calibrateOnce(measured, pages, liveClock, cost, plan.calibration, keptIn(options, config, plan))
    : null;
  const limits = limitsOf(options, plan, calibration);
  const sink = recording === undefined ? null : openSink(options, liveClock, send);
  const recorder =
    sink === null || recording === undefined
      ? null
      : createRecorder(sink, plan, recording, (id) => loras?.nameOf(id) ?? String(id));
  if (recorder !== null && recording !== undefined) {
    writeHead(recorder, plan, recording, options, { limits, cost: cost.points() });
  }
  const { outlooks, keeper } = openOutlooks(options.policyState, plan, liveClock, warnOfPolicyState);
  const words = await receiveVocabulary(vocabulary);
  const { endTokens } = words;
  const { ortRowThreshold } = executor;
  const speculation = await loadSpeculator(options, plan, { config, endTokens, ortRowThreshold }, heads, liveClock);
  const prefixCache = options.prefixCache ?? true;
  const handOff = handOffBy(() => ({ desk, loop }));
  const loop = new StepLoop({
    executor,
    pages,
    cost,
    vocabulary: words,
    policy: createPolicy(info.policy, options.policyOptions),
    limits,
    clock: liveClock,
    outlook: outlooks,
    prefixCache,
    recordDecisions: options.recordDecisions ?? 0,
    checkEachStep: options.checkEachStep ?? false,
    ...(speculation === null ? {} : { speculator: speculation.speculator }),
    ...(options.handOff === undefined ? {} : { handOff }),
    ...(routes === null ? {} : { routes: { executor, routers: routes.routers } }),
    ...(recorder === null ? {} : { recorder }),
  });
  const timeoutMs = options.transferTimeoutMs ?? DEFAULT_TRANSFER_TIMEOUT_MS;
  const { maxRunning } = plan;
  const desk = new TransferDesk({ loop, pages, executor, clock: liveClock, prefixCache, maxRunning, timeoutMs });
  return { loop, desk, outlooks, options, executor, loras, speculation, plan, calibration, sink, recorder, keeper };
}

/** The executor of an engine, its weights read as they are needed. */
function openExecutor(
  { options, config }: WorkerSetup,
  { info, maxRows }: EnginePlan,
  { states, routes }: { readonly states: boolean; readonly routes: RouteSet | null },
): Promise<StepExecutor> {
  return withWeights(options.model, config, (weights) =>
    StepExecutor.create({
      config,
      weights: options.embedding === undefined ? weights : withBareNames(weights),
      weightsFormat: info.weights,
      threads: info.threads,
      kv: { format: options.kvFormat ?? "f32", pages: info.kvPages, pageTokens: info.pageTokens },
      maxRows,
      clock: liveClock,
      embedding: options.embedding !== undefined,
      states,
      ...(info.lora === undefined ? {} : { lora: info.lora }),
      ...(routes === null ? {} : { routes }),
      ...(options.exact === true ? { attention: { ortRowThreshold: Infinity } } : {}),
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    }),
  );
}

/** Where the costs of such steps are kept; null without a place for it. All that they hang on but the machine. */
function keptIn(options: EngineOptions, config: DecoderConfig, plan: EnginePlan): CalibrationFile | null {
  if (options.weightCacheDir === undefined) return null;
  const { weights, threads, pageTokens, kvPages } = plan.info;
  const kvFormat = options.kvFormat ?? "f32";
  const { maxRows, calibration } = plan;
  const exact = options.exact === true;
  const embeds = options.embedding !== undefined;
  const facts = { config, weights, threads, pageTokens, kvPages, kvFormat, maxRows, calibration, exact, embeds };
  return calibrationFile(options.weightCacheDir, facts);
}

/** What every step keeps within: as given, or as measured. */
function limitsOf(options: EngineOptions, plan: EnginePlan, calibration: Calibration | null): SchedulerLimits {
  const budgetTokens = plan.budgetTokens ?? present(calibration, "a calibration").budgetTokens;
  return {
    maxRunning: plan.maxRunning,
    budgetTokens,
    maxChunk: options.maxChunk ?? budgetTokens,
    maxStepTokens: plan.maxRows,
    // A budget that somebody set is kept whatever runs.
    ...(plan.budgetTokens === null ? { promptStepTokens: promptStepTokens(budgetTokens, plan.maxRows) } : {}),
    ...knee(plan.budgetTokens === null ? calibration : null),
  };
}

/** Unknown where nothing was measured. */
function knee(calibration: Calibration | null): Pick<SchedulerLimits, "kneeTokens"> {
  const found = calibration?.kneeTokens ?? null;
  return found === null ? {} : { kneeTokens: found };
}

/** Tells of sequences that leave. Both parts are made after what they are given to. */
function handOffBy(parts: () => Pick<Parts, "desk" | "loop">): HandOffPort {
  return {
    begun: (sequence) => {
      const { desk, loop } = parts();
      const coming = desk.begun(sequence);
      if (coming === null) return;
      const event = { kind: "coming", seq: sequence.spec.seq, coming } as const;
      const { gauges } = loop;
      // The step that begins it may be long: who is to take it has that time.
      send({ kind: "step", atMs: coming.atMs, tokens: 0, stepMs: 0, preemptions: 0, gauges, events: [event] });
    },
    grown: (sequence) => parts().desk.grown(sequence),
    setBack: (sequence) => parts().desk.setBack(sequence),
    ready: (sequence) => parts().desk.ready(sequence),
  };
}

/** Pages of sequences that leave go to the other thread without another copy. */
function buffersOf({ events }: StepReport): ArrayBuffer[] {
  return events.flatMap((event) => {
    const told = event.kind === "ready" ? event.leaving?.told : event.kind === "grown" ? event.grown.told : null;
    return told ? [told.bytes.buffer as ArrayBuffer] : [];
  });
}

class WorkerLife {
  readonly #parts: Parts;
  readonly #owner: InboxOwner = {
    stop: () => {
      this.#stopping = true;
    },
    setPolicy: (name) => this.#setPolicy(name),
    changeAdapters: (change, done) => {
      const { loras } = this.#parts;
      if (loras !== null) return loras.change(change, () => this.#wake?.(), done);
      return done(toErrorRecord(new PunctualError("unsupported", "this engine was started without adapters")));
    },
    transfer: (call) => this.#parts.desk.answer(call),
  };
  #stopping = false;
  #wake: (() => void) | null = null;
  /** Pages in use as the engine was last told. */
  #toldPages = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { loop, desk, sink, outlooks, keeper, loras, options } = this.#parts;
    port.on("message", (message: ToWorker) => {
      this.#handle(message);
      this.#wake?.();
    });
    while (!this.#stopping) {
      this.#drain();
      loras?.settle((id) => loop.places.usesAdapter(id));
      desk.tick();
      if (!loop.hasWork) {
        // Pages that were promised to a guest and are free again are no step's news.
        if (loop.hasNews || loop.gauges.pagesUsed !== this.#toldPages) this.#tell(loop.flush());
        loop.checkIntegrity();
        desk.checkIntegrity();
        sink?.flush();
        outlooks.settle();
        keeper?.pause();
        await this.#message();
        continue;
      }
      const report = await loop.step();
      if (options.checkEachStep === true) desk.checkIntegrity();
      const idle = report.tokens === 0 && report.events.length === 0 && report.preemptions === 0;
      if (!idle) this.#tell(report);
      // What waited for the end of the step waits for nothing else: a sequence that is to leave stands still from here on.
      this.#drain();
      sink?.tick();
      // The tokens are on their way: what learning takes delays none of them.
      outlooks.settle();
      keeper?.tick();
      // A policy that waits on purpose is asked again soon.
      if (idle) await sleep(IDLE_STEP_MS);
      // A step ends in microtasks only; freed native memory and timers want the thread once in a while.
      else await yieldThread();
    }
  }

  #tell(report: StepReport): void {
    this.#toldPages = report.gauges.pagesUsed;
    send(report, buffersOf(report));
  }

  /** Messages that came while a step ran. */
  #drain(): void {
    drainInbox(port, (message) => this.#handle(message));
  }

  /** Resolves with the next message, or when something is to be given up. */
  async #message(): Promise<void> {
    if (this.#stopping) return;
    const dueMs = this.#parts.desk.nextDueMs;
    const disarm = dueMs === null ? null : after(Math.max(1, dueMs - liveClock.nowMs()), () => this.#wake?.());
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    disarm?.();
    this.#wake = null;
  }

  #handle(message: ToWorker): void {
    handleMessage(message, this.#parts.loop, send, this.#owner);
  }

  /** Messages are handled between two steps, so that a step has one policy. */
  #setPolicy(name: string): number {
    const { loop, outlooks, options, recorder } = this.#parts;
    // Settings are those of the policy that the engine was started with.
    const settings = (name === options.policy ? options.policyOptions : undefined) ?? {};
    const kind = options.outlook === undefined ? outlookOf(name) : undefined;
    const nowMs = liveClock.nowMs();
    loop.setPolicy(createPolicy(name, settings));
    if (kind !== undefined) outlooks.use(kind);
    recorder?.switched(name, settings, kind, nowMs);
    return nowMs;
  }
}

async function main(): Promise<void> {
  let parts: Parts;
  try {
    parts = await load(workerData as WorkerSetup & WithVocabulary);
  } catch (error) {
    send({ kind: "failed", error: toErrorRecord(error) });
    return;
  }
  send({ kind: "ready", info: parts.plan.info, calibration: parts.calibration });
  await new WorkerLife(parts).run();
  parts.sink?.flush();
  parts.keeper?.save();
  await parts.speculation?.[Symbol.asyncDispose]();
  await parts.executor.dispose();
  port.close();
}

await main();
