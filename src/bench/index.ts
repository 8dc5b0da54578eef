/**
 * bench: a load generator for servers of OpenAI's interface. Sends the same requests at the same moments for a seed,
 * measures tokens as they arrive, and says how late it was itself.
 *
 *   const dataset = loadDataset({ name: "random", count: 100, … }, createRandom(0));
 *   const report = await runBench({ target, dataset, load: { requestRate: 4, burstiness: 1 }, … });
 *   console.log(reportTable(report, …), vllmResult(report, …));
 */
export { aiperfRecord, type RecordContext } from "./aiperf-record.ts";
export {
  runBench,
  scheduleTrace,
  type BenchOptions,
  type BenchReport,
  type ClientLag,
  type LoadShape,
} from "./bench.ts";
export { DATASET_NAMES, fileChunks, loadDataset, type Dataset, type DatasetOptions } from "./datasets.ts";
export { endpointUrl, LoadClient, type SendOptions } from "./http-client.ts";
export { latencies } from "./latencies.ts";
export { METRICS, RunMeasures, type FailureCount, type GoodputLimits, type Metric } from "./measures.ts";
export { promptText, type PromptForm, type TextScale } from "./prompts.ts";
export { reportTable, type TableOptions } from "./report.ts";
export { runLoad, type RunOptions, type RunSummary } from "./run.ts";
export { SampleSink } from "./sample-sink.ts";
export { isSaturated, type SaturationSample } from "./saturation.ts";
export { firstModel, measureTextScale, UNKNOWN_SCALE, type ServerAddress } from "./server-facts.ts";
export { SloTally, type SloTallyReport } from "./slo-tally.ts";
export { SseParser } from "./sse-parser.ts";
export {
  bestPoint,
  goodShareOf,
  sweep,
  sweepTable,
  type SweepOptions,
  type SweepPoint,
  type SweepRates,
} from "./sweep.ts";
export type {
  EndpointKind,
  Failure,
  FailureKind,
  Outcome,
  ScheduledRequest,
  Target,
  Timing,
  TokenCount,
  WireRequest,
} from "./types.ts";
export { DetailColumns, vllmResult, type ResultHead, type ResultOptions } from "./vllm-result.ts";
export { wireRequest, type SloForm, type WireOptions } from "./wire.ts";
