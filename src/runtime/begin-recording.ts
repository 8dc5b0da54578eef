/** Opens the recording of a worker: where lines go, and the head that says what engine it is. The lines are recorder.ts's. */
import type { Clock } from "../core/index.ts";
import type { FromWorker, WorkerSetup } from "./messages.ts";
import { PREDICTOR_SEED, type EnginePlan } from "./plan.ts";
import { LoopRecorder, type RecordedEngine } from "./recorder.ts";
import { RecordingSink } from "./recording-sink.ts";
import type { EngineOptions } from "./types.ts";

/**
 * Where the lines of a worker go. However its thread ends, what was written is sent.
 * @param lanes whose steps overlap: together they keep within the share of time that writing may take
 */
export function openSink(
  { record }: EngineOptions,
  clock: Clock,
  send: (message: FromWorker) => void,
  lanes = 1,
): RecordingSink {
  const post = (text: string): void => send({ kind: "recording", text });
  const sink = new RecordingSink({
    clock,
    post,
    lanes,
    ...(record?.maxShare === undefined ? {} : { maxShare: record.maxShare }),
  });
  process.once("exit", () => sink.flush());
  return sink;
}

/** A recorder whose head is still to be written. @param adapterName of an adapter, by its number */
export function createRecorder(
  sink: RecordingSink,
  { info, switchable, outlook }: EnginePlan,
  { salt }: NonNullable<WorkerSetup["recording"]>,
  adapterName?: (id: number) => string,
): LoopRecorder {
  const wantsDecision = (): boolean => sink.wantsDecision;
  // A policy that learns may come to decide later, and is told then of those that came before.
  const features = outlook === "learning" || switchable;
  return new LoopRecorder((line) => sink.write(line), info.pageTokens, {
    salt,
    wantsDecision,
    features,
    ...(adapterName === undefined ? {} : { adapterName }),
  });
}

/** Writes the head: what a replay has to know of the engine before its first step. */
export function writeHead(
  recorder: LoopRecorder,
  { info, switchable, outlook }: EnginePlan,
  { startedAt }: NonNullable<WorkerSetup["recording"]>,
  { policyOptions, prefixCache = true }: EngineOptions,
  facts: Pick<RecordedEngine, "limits" | "cost"> & Partial<RecordedEngine>,
): void {
  const { name, policy, kvPages: pages, pageTokens } = info;
  recorder.head(
    { name, model: name, policy, startedAt },
    {
      pages,
      pageTokens,
      prefixCache,
      ...facts,
      outlook,
      ...(policyOptions === undefined ? {} : { policyOptions }),
      ...(outlook === "learning" || switchable ? { predictorSeed: PREDICTOR_SEED } : {}),
    },
  );
}
