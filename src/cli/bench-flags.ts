/** The options of `punctual bench serve`: vLLM's names and defaults where it has them, and ours beside them. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { decimal, wholeNumber } from "./arguments.ts";

/** What the options come to. */
export interface BenchFlags {
  readonly url?: string;
  readonly baseUrl?: string;
  readonly host?: string;
  readonly port?: number;
  readonly endpoint?: string;
  readonly backend: "openai" | "openai-chat" | "vllm" | "punctual";
  readonly model?: string;
  readonly servedModelName?: string;
  readonly apiKey?: string;
  readonly header?: readonly string[];
  readonly insecure?: boolean;
  readonly readyCheckTimeoutSec: number;
  readonly datasetName: string;
  readonly datasetPath?: string;
  readonly numPrompts?: number;
  readonly inputLen?: number;
  readonly outputLen?: number;
  readonly randomInputLen: number;
  readonly randomOutputLen: number;
  readonly randomRangeRatio: number;
  readonly randomPrefixLen: number;
  readonly sharegptOutputLen?: number;
  readonly customOutputLen?: number;
  readonly disableShuffle?: boolean;
  /** Commander's form of --no-oversample. */
  readonly oversample: boolean;
  readonly blockTokens?: number;
  readonly lengthScale: number;
  readonly maxPromptTokens?: number;
  readonly maxTotalTokens?: number;
  readonly promptIds?: { readonly low: number; readonly size: number };
  readonly requestRate?: number;
  readonly burstiness: number;
  readonly maxConcurrency?: number;
  readonly rampUpStrategy?: "linear" | "exponential";
  readonly rampUpStartRps?: number;
  readonly rampUpEndRps?: number;
  readonly timeScale: number;
  readonly numWarmups: number;
  readonly requestTimeout: number;
  readonly ignoreEos?: boolean;
  readonly continuousUsage: boolean;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly repetitionPenalty?: number;
  readonly extraBody?: Readonly<Record<string, unknown>>;
  readonly requestIdPrefix?: string;
  readonly slo?: string;
  readonly sloForm: "body" | "headers" | "none";
  readonly goodput?: readonly string[];
  readonly percentileMetrics: string;
  readonly metricPercentiles: string;
  readonly sweep?: readonly string[];
  readonly sweepShare: number;
  readonly stopWhenSaturated?: boolean;
  readonly requireAttained?: number;
  readonly saveResult?: boolean;
  readonly saveDetailed?: boolean;
  readonly appendResult?: boolean;
  readonly resultDir?: string;
  readonly resultFilename?: string;
  readonly label?: string;
  readonly metadata?: readonly string[];
  readonly exportJsonl?: string;
  readonly json?: boolean;
  readonly disableTqdm?: boolean;
  readonly seed: number;
}

const MAX_TOKENS = 10_000_000;
const tokens = wholeNumber(1, MAX_TOKENS);

/** Positive numbers, and "inf". */
export function rate(text: string): number {
  if (/^inf(inity)?$/i.test(text)) return Infinity;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError("Expected a number above 0, or inf.");
}

/** A JSON object, and nothing else. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new InvalidArgumentError("Expected a JSON object.");
}

/** "1000:30000": the ids 1000 … 30999. */
function idRange(text: string): { readonly low: number; readonly size: number } {
  const match = /^(\d{1,8}):(\d{1,8})$/.exec(text);
  if (match !== null && Number(match[2]) >= 1) return { low: Number(match[1]), size: Number(match[2]) };
  throw new InvalidArgumentError("Expected LOW:SIZE, such as 1000:30000.");
}

/** Adds every option. */
export function addBenchOptions(command: Command, datasets: string): Command {
  addServerOptions(command, "openai");
  addDatasetOptions(command, datasets);
  addLoadOptions(command);
  addRequestOptions(command);
  return addReportOptions(command);
}

/** Which server, by which endpoint: the same for every `punctual bench` command. */
export function addServerOptions(command: Command, backend: "openai" | "openai-chat"): Command {
  return command
    .option("--url <url>", "the server, for example http://127.0.0.1:8080 (the default)")
    .option("--base-url <url>", "as --url")
    .option("--host <address>", "instead of --url")
    .option("--port <number>", "instead of --url", wholeNumber(1, 65535))
    .option("--endpoint <path>", "path of the endpoint; follows from --backend when absent")
    .addOption(
      new Option("--backend <kind>", "openai (text completions) or openai-chat")
        .choices(["openai", "openai-chat", "vllm", "punctual"])
        .default(backend),
    )
    .option("--model <name>", "model to ask for; the server's first one when absent")
    .option("--served-model-name <name>", "the model's name on the wire, when it is another")
    .option("--api-key <key>", "sent as a bearer token (or OPENAI_API_KEY)")
    .option("--header <key=value...>", "headers of every request")
    .option("--insecure", "accept certificates that nobody vouches for")
    .option("--ready-check-timeout-sec <seconds>", "wait so long for the server to be there", decimal(0, 86400), 0);
}

function addDatasetOptions(command: Command, datasets: string): void {
  command
    .option("--dataset-name <name>", datasets, "random")
    .option("--dataset-path <file>", "file of the dataset; a trace's format is recognised")
    .option("--num-prompts <count>", "requests; the whole file, or 1000 without one", wholeNumber(1, 100_000_000))
    .option("--input-len <tokens>", "as --random-input-len", tokens)
    .option("--output-len <tokens>", "answer length of any dataset that leaves it open", tokens)
    .option("--random-input-len <tokens>", "prompt length", tokens, 1024)
    .option("--random-output-len <tokens>", "answer length", tokens, 128)
    .option("--random-range-ratio <share>", "lengths are even over length x (1 ± share)", decimal(0, 0.999), 0)
    .option("--random-prefix-len <tokens>", "what all prompts begin with", wholeNumber(0, MAX_TOKENS), 0)
    .option("--sharegpt-output-len <tokens>", "answer length instead of the recorded one", tokens)
    .option("--custom-output-len <tokens>", "answer length of lines without output_tokens", tokens)
    .option("--disable-shuffle", "keep the order of the file")
    .option("--no-oversample", "a small file gives fewer requests instead of repeating some")
    .option("--block-tokens <tokens>", "tokens per hash id of a Mooncake trace; 512 when absent", tokens)
    .option("--length-scale <factor>", "multiply generated lengths, for smaller models", decimal(0.0001, 1000), 1)
    .option("--max-prompt-tokens <tokens>", "shorten generated prompts to this", tokens)
    .option("--max-total-tokens <tokens>", "keep generated prompt and answer within this", tokens)
    .option("--prompt-ids <low:size>", "send made-up prompts as token ids of this range (text completions)", idRange);
}

function addLoadOptions(command: Command): void {
  command
    .option(
      "--request-rate <per second>",
      "a task counts once; inf sends all at once; a trace keeps its times when absent",
      rate,
    )
    .option("--burstiness <shape>", "shape of gamma gaps: 1 Poisson, below 1 in bursts, inf even", rate, 1)
    .option(
      "--max-concurrency <count>",
      "most requests under way: a closed loop with --request-rate inf",
      wholeNumber(1, 1_000_000),
    )
    .addOption(new Option("--ramp-up-strategy <kind>", "let the rate grow").choices(["linear", "exponential"]))
    .option("--ramp-up-start-rps <rate>", "first rate", decimal(0.001, 1e6))
    .option("--ramp-up-end-rps <rate>", "last rate", decimal(0.001, 1e6))
    .option("--time-scale <factor>", "replay a trace so many times as fast", decimal(0.0001, 10_000), 1)
    .option("--num-warmups <count>", "copies of the first request before the run", wholeNumber(0, 10_000), 0)
    .option("--request-timeout <seconds>", "give a request up after that", decimal(0.001, 86400), 21_600)
    .option("--stop-when-saturated", "end the run when the server falls ever further behind")
    .option("--sweep <rates...>", "one run per rate; or 'search' [first rate] to find the highest that holds")
    .option("--sweep-share <share>", "share of good requests at which a rate holds", decimal(0.001, 1), 0.9)
    .option("--seed <number>", "of requests, arrivals and prompts", wholeNumber(0, 2 ** 31), 0);
}

function addRequestOptions(command: Command): void {
  command
    .option("--ignore-eos", "ask for answers of exactly the planned length (default of random and generated data)")
    .option("--no-ignore-eos", "let the model end")
    .option("--no-continuous-usage", "ask for no running token count, for servers that refuse it")
    .option("--temperature <number>", "sampling parameter", decimal(0, 2))
    .option("--top-p <number>", "sampling parameter", decimal(0, 1))
    .option("--top-k <number>", "sampling parameter", wholeNumber(0, 1_000_000))
    .option("--min-p <number>", "sampling parameter", decimal(0, 1))
    .option("--frequency-penalty <number>", "sampling parameter", decimal(-2, 2))
    .option("--presence-penalty <number>", "sampling parameter", decimal(-2, 2))
    .option("--repetition-penalty <number>", "sampling parameter", decimal(0, 10))
    .option("--extra-body <json>", "fields added to every body", jsonObject)
    .option("--request-id-prefix <text>", "beginning of x-request-id; bench-SEED- when absent")
    .option("--slo <objective>", "objective of requests that bring none, for example ttft=200ms,tpot=50ms")
    .addOption(
      new Option("--slo-form <form>", "how objectives are sent").choices(["body", "headers", "none"]).default("body"),
    );
}

function addReportOptions(command: Command): Command {
  return command
    .option("--goodput <metric:ms...>", "limits that make a request good: ttft:MS tpot:MS e2el:MS")
    .option(
      "--percentile-metrics <names>",
      "ttft, tpot, itl, e2el, icl, tpot_first, client_queue_time",
      "ttft,tpot,itl,e2el",
    )
    .option("--metric-percentiles <percents>", "for example 50,90,99", "99")
    .option("--require-attained <share>", "exit with 3 when fewer requests are good", decimal(0, 1))
    .option("--save-result", "write the result as JSON")
    .option("--save-detailed", "with every request's numbers and answers")
    .option("--append-result", "add to the file instead of replacing it")
    .option("--result-dir <folder>", "where the result goes; the current folder when absent")
    .option("--result-filename <file>", "its name; LABEL-RATEqps-MODEL-DATE.json when absent")
    .option("--label <text>", "beginning of the file's name; the backend when absent")
    .option("--metadata <key=value...>", "added to the result")
    .option("--export-jsonl <file>", "a line per request in AIPerf's form")
    .option("--json", "print the result as one JSON object")
    .option("--disable-tqdm", "no progress bar");
}
