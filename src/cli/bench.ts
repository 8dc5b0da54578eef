/**
 * `punctual bench serve`: load for a server of OpenAI's interface, ours or another, from a process of its own.
 *
 * Exit codes: 0 measured, 1 nothing came back, 2 wrong usage, 3 fewer good requests than --require-attained.
 */
import { appendFileSync, createWriteStream, mkdirSync, statSync, writeFileSync, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { basename, join } from "node:path";
import type { Command } from "commander";
import type {
  BenchOptions,
  BenchReport,
  DatasetOptions,
  DetailColumns,
  Metric,
  Outcome,
  SweepRates,
} from "../bench/index.ts";
import { createRandom, fail } from "../core/index.ts";
import { addBenchOptions, rate, type BenchFlags } from "./bench-flags.ts";
import { clock, dateStamp, modelName, pairs, requestHeaders, serverUrl, sleep } from "./bench-server.ts";
import { addBenchSpecDec } from "./bench-specdec.ts";
import { dim, startProgress } from "./terminal.ts";

const DATASETS = "random, sharegpt, custom, burstgpt, timed_trace, trace, mix, or like-NAME for published workloads";

export function addBench(program: Command): void {
  const bench = program.command("bench").description("measure servers");
  const serve = bench
    .command("serve")
    .description("load a server of OpenAI's interface and measure what its clients see");
  addBenchOptions(serve, DATASETS).action(async (flags: BenchFlags) => {
    process.exitCode = await benchServe(flags);
  });
  addBenchSpecDec(bench);
}

async function benchServe(flags: BenchFlags): Promise<number> {
  const stop = new AbortController();
  const onInterrupt = (): void => {
    console.error(dim("Stopping: what is under way is given up; once more to leave at once.", process.stderr));
    stop.abort();
  };
  process.once("SIGINT", onInterrupt);
  try {
    tableOptions(flags); // what cannot be reported is said before anything is sent
    const options = { ...(await benchOptions(flags)), signal: stop.signal };
    return flags.sweep === undefined ? await single(flags, options) : await sweeping(flags, options, flags.sweep);
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}

/** Everything but what the run reports to. */
async function benchOptions(flags: BenchFlags): Promise<BenchOptions> {
  const [{ endpointUrl, loadDataset, measureTextScale, UNKNOWN_SCALE }, { parseSlo }] = await Promise.all([
    import("../bench/index.ts"),
    import("../sched/index.ts"),
  ]);
  const url = serverUrl(flags);
  endpointUrl(url, "");
  const goodput = goodputLimits(flags.goodput ?? []);
  const ramp = rampUp(flags);
  const headers = requestHeaders(flags);
  const isChat = flags.backend === "openai-chat" || flags.endpoint?.includes("/chat/") === true;
  const endpoint = isChat ? "chat" : "completions";
  const server = { url, headers };
  const model = await modelName(flags, server);
  const random = createRandom(flags.seed, "dataset");
  const scale = (await measureTextScale(server, model, endpoint, random.fork("scale"))) ?? UNKNOWN_SCALE;
  const countTokens = (text: string): number => Math.ceil(text.split(/\s+/).length * scale.tokensPerWord);
  const dataset = loadDataset(datasetOptions(flags, countTokens), random);
  if (isChat && flags.promptIds !== undefined) fail("invalid_request", "prompt-ids: chat takes text only");
  return {
    target: {
      url,
      endpoint,
      ...(flags.endpoint === undefined ? {} : { path: flags.endpoint }),
      headers,
      insecure: flags.insecure,
    },
    wire: {
      model,
      form: flags.promptIds === undefined ? { kind: "text", scale } : { kind: "ids", range: flags.promptIds },
      ignoreEos: flags.ignoreEos ?? ignoresEos(flags.datasetName),
      runningUsage: flags.continuousUsage,
      sloForm: flags.sloForm,
      extraBody: { ...samplingFields(flags), ...flags.extraBody },
      idPrefix: flags.requestIdPrefix ?? `bench-${flags.seed}-`,
    },
    dataset,
    load: {
      requestRate: flags.requestRate ?? (dataset.isTimed ? null : Infinity),
      burstiness: flags.burstiness,
      ...ramp,
      ...(flags.maxConcurrency === undefined ? {} : { maxConcurrency: flags.maxConcurrency }),
      timeScale: flags.timeScale,
    },
    seed: flags.seed,
    timeoutMs: flags.requestTimeout * 1000,
    warmups: flags.numWarmups,
    goodput,
    ...(flags.slo === undefined ? {} : { slo: parseSlo(flags.slo) }),
    keepText: flags.saveDetailed === true,
    stopWhenSaturated: flags.stopWhenSaturated === true || flags.sweep !== undefined,
    timing: { clock, sleep },
  };
}

async function single(flags: BenchFlags, options: BenchOptions): Promise<number> {
  const {
    aiperfRecord,
    DetailColumns: Columns,
    goodShareOf,
    reportTable,
    runBench,
  } = await import("../bench/index.ts");
  const details = flags.saveDetailed === true ? new Columns() : null;
  const lines = flags.exportJsonl === undefined ? null : createWriteStream(flags.exportJsonl);
  const context = { epochMs: Date.now(), idPrefix: options.wire.idPrefix };
  const progress = progressOf(flags, "Requests", options.dataset.trace.requests.length);
  let report: BenchReport;
  try {
    report = await runBench({
      ...options,
      onOutcome: (outcome, done) => {
        progress.update(done, outcomeText(outcome));
        details?.add(outcome);
        lines?.write(aiperfRecord(outcome, context));
      },
    });
  } finally {
    progress.stop();
    await close(lines);
  }
  const result = await resultOf(flags, options, report, details);
  saveResult(flags, options.wire.model, options.load.requestRate, result);
  if (flags.json === true) console.log(JSON.stringify(result));
  else
    console.log(
      reportTable(report, {
        ...tableOptions(flags),
        requestRate: options.load.requestRate,
        maxConcurrency: options.load.maxConcurrency ?? Infinity,
      }),
    );
  return exitCode(flags, report.measures.completed, goodShareOf(report, flags.goodput !== undefined));
}

async function sweeping(flags: BenchFlags, options: BenchOptions, rates: readonly string[]): Promise<number> {
  const { bestPoint, runBench, sweep, sweepTable } = await import("../bench/index.ts");
  const results: object[] = [];
  const points = await sweep({
    rates: sweepRates(rates),
    goodShare: flags.sweepShare,
    hasGoodput: flags.goodput !== undefined,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    run: async (ratePerSecond) => {
      const progress = progressOf(flags, `${ratePerSecond.toFixed(2)}/s`, options.dataset.trace.requests.length);
      const load = { ...options.load, requestRate: ratePerSecond };
      const atRate = { ...options, load, promptSalt: `rate ${results.length}` };
      try {
        const report = await runBench({
          ...atRate,
          onOutcome: (outcome, done) => progress.update(done, outcomeText(outcome)),
        });
        results.push(await resultOf(flags, atRate, report, null));
        return report;
      } finally {
        progress.stop();
      }
    },
  });
  const best = bestPoint(points);
  const result = {
    sweep: points.map(({ ratePerSecond, goodShare, holds }, i) => ({
      ratePerSecond,
      goodShare,
      holds,
      result: results[i],
    })),
    best_rate: best?.ratePerSecond ?? null,
  };
  saveResult(flags, options.wire.model, null, result);
  if (flags.json === true) console.log(JSON.stringify(result));
  else {
    console.log(sweepTable(points));
    const share = `${(100 * flags.sweepShare).toFixed(0)} % good`;
    console.log(
      best === null
        ? `No rate held with ${share}.`
        : `Highest rate that held with ${share}: ${best.ratePerSecond.toFixed(2)}/s`,
    );
  }
  const completed = points.reduce((sum, { report }) => sum + report.measures.completed, 0);
  return exitCode(flags, completed, best?.goodShare ?? 0);
}

function exitCode({ requireAttained }: BenchFlags, completed: number, goodShare: number): number {
  if (completed === 0) return 1;
  return requireAttained !== undefined && goodShare < requireAttained ? 3 : 0;
}

function progressOf(flags: BenchFlags, label: string, total: number): ReturnType<typeof startProgress> {
  const isQuiet = flags.disableTqdm === true || flags.json === true;
  return isQuiet ? { update: () => undefined, stop: () => undefined } : startProgress(label, total);
}

function outcomeText({ failure, firstMs, sentMs }: Outcome): string {
  if (failure !== null) return failure.kind;
  return firstMs === null ? "" : `TTFT ${Math.round(firstMs - sentMs)} ms`;
}

function datasetOptions(flags: BenchFlags, countTokens: (text: string) => number): DatasetOptions {
  const outputLen =
    { custom: flags.customOutputLen, sharegpt: flags.sharegptOutputLen }[flags.datasetName] ?? flags.outputLen;
  return {
    name: flags.datasetName,
    path: flags.datasetPath,
    count: flags.numPrompts,
    random: {
      inputLen: flags.inputLen ?? flags.randomInputLen,
      outputLen: flags.outputLen ?? flags.randomOutputLen,
      rangeRatio: flags.randomRangeRatio,
      prefixLen: flags.randomPrefixLen,
    },
    outputLen,
    disableShuffle: flags.disableShuffle === true,
    noOversample: !flags.oversample,
    blockTokens: flags.blockTokens,
    lengthScale: flags.lengthScale,
    maxPromptTokens: flags.maxPromptTokens,
    maxTotalTokens: flags.maxTotalTokens,
    countTokens,
  };
}

/** Where the length of an answer is part of the load, the model must not end it earlier. */
function ignoresEos(dataset: string): boolean {
  return !["sharegpt", "custom"].includes(dataset);
}

function samplingFields(flags: BenchFlags): Record<string, number> {
  const fields = {
    temperature: flags.temperature,
    top_p: flags.topP,
    top_k: flags.topK,
    min_p: flags.minP,
    frequency_penalty: flags.frequencyPenalty,
    presence_penalty: flags.presencePenalty,
    repetition_penalty: flags.repetitionPenalty,
  };
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}

function rampUp(flags: BenchFlags): Pick<BenchOptions["load"], "rampUp"> {
  const { rampUpStrategy: growth, rampUpStartRps: startPerSecond, rampUpEndRps: endPerSecond } = flags;
  if (growth === undefined) return {};
  if (startPerSecond === undefined || endPerSecond === undefined || flags.requestRate !== undefined) {
    return fail(
      "invalid_request",
      "ramp-up-strategy: expected --ramp-up-start-rps and --ramp-up-end-rps, and no --request-rate",
    );
  }
  return { rampUp: { startPerSecond, endPerSecond, growth } };
}

function goodputLimits(given: readonly string[]): BenchOptions["goodput"] {
  const limits: Record<string, number> = {};
  for (const text of given.flatMap((part) => part.split(","))) {
    const match = /^(ttft|tpot|e2el):(\d+(?:\.\d+)?)$/.exec(text);
    if (match === null) fail("invalid_request", `goodput: expected ttft:MS, tpot:MS or e2el:MS, got "${text}"`);
    limits[match[1]!] = Number(match[2]);
  }
  return limits;
}

function sweepRates(given: readonly string[]): SweepRates {
  const parts = given.flatMap((part) => part.split(","));
  const read = (text: string): number => {
    const value = rate(text);
    return value < Infinity ? value : fail("invalid_request", "sweep: expected rates below inf");
  };
  if (parts[0] === "search") return { kind: "search", fromPerSecond: read(parts[1] ?? "1"), refinements: 3 };
  return { kind: "list", rates: parts.map(read) };
}

const METRIC_NAMES: Readonly<Record<string, Metric>> = {
  ttft: "ttft",
  tpot: "tpot",
  itl: "itl",
  icl: "icl",
  e2el: "e2el",
  tpot_first: "tpot_first",
  client_queue_time: "queue",
};

function tableOptions(flags: BenchFlags): { percentileMetrics: Metric[]; percentiles: number[]; hasGoodput: boolean } {
  const percentileMetrics = flags.percentileMetrics.split(",").map((name) => {
    const metric = Object.hasOwn(METRIC_NAMES, name.trim()) ? METRIC_NAMES[name.trim()] : undefined;
    return (
      metric ??
      fail("invalid_request", `percentile-metrics: expected ${Object.keys(METRIC_NAMES).join(", ")}, got "${name}"`)
    );
  });
  const percentiles = flags.metricPercentiles.split(",").map((text) => {
    const percent = Number(text);
    if (text.trim() !== "" && percent >= 0 && percent <= 100) return percent;
    return fail("invalid_request", `metric-percentiles: expected numbers from 0 to 100, got "${text}"`);
  });
  return { percentileMetrics, percentiles, hasGoodput: flags.goodput !== undefined };
}

async function resultOf(
  flags: BenchFlags,
  { load, wire, dataset }: BenchOptions,
  report: BenchReport,
  details: DetailColumns | null,
): Promise<object> {
  const { vllmResult } = await import("../bench/index.ts");
  const { requestRate, burstiness, maxConcurrency, rampUp: ramp } = load;
  const head = {
    date: dateStamp(),
    backend: flags.backend,
    label: flags.label ?? null,
    model_id: wire.model,
    tokenizer_id: null,
    num_prompts: dataset.trace.requests.length,
    request_rate: requestRate === null ? ("trace" as const) : requestRate === Infinity ? ("inf" as const) : requestRate,
    burstiness: burstiness === Infinity ? ("inf" as const) : burstiness,
    max_concurrency: maxConcurrency ?? null,
    ...(ramp === undefined
      ? {}
      : { ramp_up_strategy: ramp.growth, ramp_up_start_rps: ramp.startPerSecond, ramp_up_end_rps: ramp.endPerSecond }),
  };
  const metadata = Object.fromEntries(pairs(flags.metadata ?? [], "metadata"));
  return vllmResult(report, head, { ...tableOptions(flags), metadata }, details);
}

function saveResult(flags: BenchFlags, model: string, requestRate: number | null, result: object): void {
  if (flags.saveResult !== true && flags.appendResult !== true) return;
  const qps = requestRate === null ? "trace" : requestRate === Infinity ? "inf" : String(requestRate);
  const concurrency = flags.maxConcurrency === undefined ? "" : `-concurrency${flags.maxConcurrency}`;
  const name = `${flags.label ?? flags.backend}-${qps}qps${concurrency}-${basename(model)}-${dateStamp()}.json`;
  const path = join(flags.resultDir ?? ".", flags.resultFilename ?? name);
  if (flags.resultDir !== undefined) mkdirSync(flags.resultDir, { recursive: true });
  const isLater = flags.appendResult === true && (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const text = `${isLater ? "\n" : ""}${JSON.stringify(result)}`;
  if (flags.appendResult === true) appendFileSync(path, text);
  else writeFileSync(path, text);
  console.error(dim(`Saved ${path}`, process.stderr));
}

async function close(stream: WriteStream | null): Promise<void> {
  if (stream === null) return;
  stream.end();
  await finished(stream);
}
