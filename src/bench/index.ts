/**
 * bench: a load generator for servers of OpenAI's interface. Sends the same requests at the same moments for a seed,
 * measures tokens as they arrive, and says how late it was itself.
 *
 *   const dataset = loadDataset({ name: "random", count: 100, … }, createRandom(0));
 *   const report = await runBench({ target, dataset, load: { requestRate: 4, burstiness: 1 }, … });
 *   console.log(reportTable(report, …), vllmResult(report, …));
 *
 * specdec/ measures speculative decoding as SPEED-Bench defines it (arXiv 2604.09557): acceptance by category, throughput
 * by length and entropy, draft length × concurrency, and the traps of such benchmarks.
 *
 *   const report = await runExperiment("pareto", { arms, questions, concurrencies: [1, 4, 16], … });
 *   console.log(experimentTable(report));
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
  SpeculationCounts,
  Target,
  Timing,
  TokenCount,
  WireRequest,
} from "./types.ts";
export { DetailColumns, vllmResult, type ResultHead, type ResultOptions } from "./vllm-result.ts";
export { wireRequest, type SloForm, type WireOptions } from "./wire.ts";
export {
  acceptanceLength,
  acceptanceRates,
  acceptanceReport,
  lengthHistogram,
  lengthOfRates,
  type AcceptanceReport,
  type AnswerSteps,
} from "./specdec/acceptance.ts";
export { measureCell, summarise, type Cell, type CellKey, type CrossCheck, type Session } from "./specdec/cell.ts";
export {
  summariseArms,
  summariseOverall,
  type ArmSummary,
  type Identity,
  type MatrixReport,
  type OverallSummary,
} from "./specdec/compare.ts";
export { type AnswerMemory, type Asked, type RequestOptions, type TurnOutcome } from "./specdec/conversations.ts";
export {
  counterAcceptance,
  counterDifference,
  fetchCounters,
  parseCounters,
  type SpecDecodeCounters,
} from "./specdec/counters.ts";
export { embedTexts, type Embeddings } from "./specdec/embed.ts";
export { differenceInterval, intervalOf, spreadOf, type Spread } from "./specdec/estimate.ts";
export {
  EXPERIMENTS,
  runExperiment,
  type ExperimentName,
  type ExperimentOptions,
  type ExperimentReport,
  type VocabularyOptions,
} from "./specdec/experiments.ts";
export { CATEGORIES, ENTROPY_TIERS, generateQuestions, type EntropyTier } from "./specdec/generate.ts";
export { biasGroups, selectQuestions, throughputGroups, trapGroups, type SelectionReport } from "./specdec/groups.ts";
export { matrixTurns, measureMatrix, STANDING_SERVERS, type ArmHost, type MatrixOptions } from "./specdec/matrix.ts";
export {
  crossoverOf,
  paretoReport,
  type AdaptiveVerdict,
  type BestLength,
  type Crossover,
  type ParetoPoint,
  type ParetoReport,
} from "./specdec/pareto.ts";
export { QUESTION_LIMITS, readQuestions, type QuestionLimits } from "./specdec/questions.ts";
export { cellRecord, csvOf, experimentRecord, toJson } from "./specdec/record.ts";
export { crossoverText, experimentTable } from "./specdec/report.ts";
export { averageSimilarity, randomSimilarity, selectDiverse, type SelectOptions } from "./specdec/select.ts";
export { proxySpeedup, timingReport, type TimingReport } from "./specdec/timing.ts";
export { tokenSource, WORD_COUNTS, type TokenSource } from "./specdec/token-source.ts";
export {
  biasReport,
  BIAS_GROUPS,
  trapRows,
  TRAP_GROUPS,
  type BiasReport,
  type Gap,
  type TrapRow,
} from "./specdec/traps.ts";
export type { AcceptanceSource, Arm, DraftLength, Interval, Question } from "./specdec/types.ts";
export { type VocabularyHook } from "./specdec/vocabulary-server.ts";
export {
  frequentTokens,
  ngramProposer,
  replayAblation,
  replaySteps,
  type Proposer,
  type TokenAnswer,
  type VocabularyReport,
  type VocabularyRow,
} from "./specdec/vocabulary.ts";
