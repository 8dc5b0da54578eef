/** The options of `punctual bench specdec`: vLLM's names and defaults where it has them, and ours beside them. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { DraftLength, ExperimentName } from "../bench/index.ts";
import { decimal, wholeNumber } from "./arguments.ts";
import { addServerOptions, jsonObject } from "./bench-flags.ts";
import type { ServerFlags } from "./bench-server.ts";

/** What the options come to. */
export interface SpecDecFlags extends ServerFlags {
  readonly endpoint?: string;
  readonly backend: "openai" | "openai-chat" | "vllm" | "punctual";
  readonly insecure?: boolean;
  readonly experiments: readonly ExperimentName[];
  readonly draftLengths?: readonly DraftLength[];
  readonly drafters?: readonly string[];
  readonly draftField?: string;
  readonly drafterField?: string;
  readonly arm?: readonly string[];
  readonly serve?: string;
  readonly serveCmd?: string;
  readonly serveOneAtATime?: boolean;
  readonly serveTimeoutSec: number;
  /** Commander's form of --no-metrics. */
  readonly metrics: boolean;
  readonly metricsPath: string;
  readonly datasetName: DatasetName;
  readonly datasetPath?: string;
  readonly specBenchCategory?: string;
  readonly specBenchOutputLen: number;
  readonly speedBenchDatasetSubset: string;
  readonly speedBenchCategory?: string;
  readonly speedBenchOutputLen: number;
  readonly outputLen?: number;
  readonly numPrompts?: number;
  readonly perCategory: number;
  readonly inputLens: readonly number[];
  readonly perBucket: number;
  readonly maxConcurrency: readonly number[];
  readonly numRepeats: number;
  readonly numWarmups: number;
  readonly requestTimeout: number;
  readonly temperature: number;
  readonly ignoreEos?: boolean;
  readonly tokenIds?: boolean;
  readonly continuousUsage: boolean;
  readonly extraBody?: Readonly<Record<string, unknown>>;
  readonly requestIdPrefix?: string;
  readonly draftVocabSizes: readonly number[];
  readonly draftVocabField?: string;
  readonly draftVocabReplay: boolean;
  readonly promptLookupMin: number;
  readonly promptLookupMax: number;
  readonly requireSpeedup?: number;
  readonly requireIdentical?: boolean;
  readonly json?: boolean;
  readonly csv?: string;
  readonly saveResult?: boolean;
  readonly resultDir?: string;
  readonly resultFilename?: string;
  readonly label?: string;
  readonly metadata?: readonly string[];
  readonly disableTqdm?: boolean;
  readonly seed: number;
}

/** Where questions come from. */
export type DatasetName = "generated" | "world" | "spec_bench" | "speed_bench";

const MAX_TOKENS = 10_000_000;
const tokens = wholeNumber(1, MAX_TOKENS);

/** "1,2,4": a list of at least one. */
function listOf<T>(read: (text: string) => T): (text: string) => readonly T[] {
  return (text) => {
    const values = text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(read);
    if (values.length === 0) throw new InvalidArgumentError("Expected at least one value.");
    if (new Set(values).size < values.length) throw new InvalidArgumentError("Expected each value once.");
    return values;
  };
}

/** No drafter proposes more a step. */
const MAX_DRAFT_LENGTH = 1024;

/** 0 … 1024, or "auto" for the server's own choice. */
export function draftLength(text: string): DraftLength {
  return text === "auto" ? "auto" : wholeNumber(0, MAX_DRAFT_LENGTH)(text);
}

function oneOf<T extends string>(names: readonly T[]): (text: string) => T {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected some of ${names.join(", ")}.`);
    return found;
  };
}

/** Names as a command that loads nothing yet has to know them. */
const EXPERIMENT_NAMES: readonly ExperimentName[] = [
  "qualitative",
  "throughput",
  "pareto",
  "random-tokens",
  "diversity",
  "vocabulary",
];

const SUBSETS: readonly string[] = [
  "qualitative",
  "throughput_1k",
  "throughput_2k",
  "throughput_8k",
  "throughput_16k",
  "throughput_32k",
];

/** Adds every option. */
export function addSpecDecOptions(command: Command): Command {
  addServerOptions(command, "openai-chat")
    .option("--metrics-path <path>", "the server's Prometheus page, for its counters of drafts", "/metrics")
    .option("--no-metrics", "do not ask for counters");
  addArmOptions(command);
  addQuestionOptions(command);
  addLoadOptions(command);
  return addReportOptions(command);
}

function addArmOptions(command: Command): void {
  command
    .option("--experiments <names>", `what to run: ${EXPERIMENT_NAMES.join(", ")}`, listOf(oneOf(EXPERIMENT_NAMES)), [
      "qualitative",
    ])
    .option(
      "--draft-lengths <list>",
      "draft lengths to compare, 0 without drafts, auto for the server's choice; as served when absent",
      listOf(draftLength),
    )
    .option("--drafters <list>", "drafters to compare, for {drafter} or --drafter-field", listOf(String))
    .option("--draft-field <path>", "field of a request that sets its draft length, for example speculation.tokens")
    .option("--drafter-field <path>", "field of a request that names its drafter")
    .option("--arm <[drafter:]length=url...>", "servers that stand already, one per draft length")
    .option(
      "--serve <model>",
      "start our own server for this model once per arm; drafters: ngram, heads, prediction, auto, draft:MODEL",
    )
    .option(
      "--serve-cmd <command>",
      "start this command per arm; {port}, {draft_length} and {drafter} are filled in, [[…]] is left out at length 0",
    )
    .option("--serve-one-at-a-time", "never two of these servers at once: arms are measured one after the other")
    .option("--serve-timeout-sec <seconds>", "how long such a server may take to be ready", decimal(1, 86400), 600)
    .option("--draft-vocab-sizes <list>", "vocabularies of the pruned drafter, tokens", listOf(tokens), [64, 256, 1024])
    .option("--draft-vocab-field <path>", "field of a request that lists the tokens its drafter may propose")
    .option("--no-draft-vocab-replay", "prune on the server only, never by replaying n-gram drafts over answers")
    .option("--prompt-lookup-min <tokens>", "shortest n-gram of replayed drafts", wholeNumber(1, 64), 1)
    .option("--prompt-lookup-max <tokens>", "longest n-gram of replayed drafts", wholeNumber(1, 64), 3);
}

function addQuestionOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--dataset-name <name>",
        "generated, world (what the built-in models learnt), spec_bench or speed_bench",
      )
        .choices(["generated", "world", "spec_bench", "speed_bench"])
        .default("generated"),
    )
    .option("--dataset-path <path>", "Spec-Bench's question.jsonl; SPEED-Bench's file, or the folder of its files")
    .option("--spec-bench-category <name>", "only this category")
    .option("--spec-bench-output-len <tokens>", "most tokens of an answer", tokens, 256)
    .addOption(
      new Option("--speed-bench-dataset-subset <name>", "file of the folder").choices(SUBSETS).default("qualitative"),
    )
    .option("--speed-bench-category <name>", "only this category")
    .option("--speed-bench-output-len <tokens>", "most tokens of an answer", tokens, 4096)
    .option("--output-len <tokens>", "most tokens of an answer, whatever the dataset", tokens)
    .option("--num-prompts <count>", "questions in all, evenly over categories", wholeNumber(1, 1_000_000))
    .option("--per-category <count>", "questions per category, the least alike", wholeNumber(1, 100_000), 8)
    .option("--input-lens <list>", "prompt lengths of the throughput split", listOf(tokens), [1000, 2000, 8000])
    .option("--per-bucket <count>", "prompts per length and level of entropy", wholeNumber(1, 10_000), 8)
    .option("--token-ids", "send single turns as token ids, the same for every server")
    .option("--seed <number>", "of questions, selection and noise", wholeNumber(0, 2 ** 31), 0);
}

function addLoadOptions(command: Command): void {
  command
    .option(
      "--max-concurrency <list>",
      "conversations under way; the first one but for pareto, which runs all",
      listOf(wholeNumber(1, 100_000)),
      [1],
    )
    .option("--num-repeats <count>", "rounds, for intervals", wholeNumber(1, 1000), 1)
    .option("--num-warmups <count>", "questions before each cell that do not count", wholeNumber(0, 10_000), 1)
    .option("--request-timeout <seconds>", "give a request up after that", decimal(0.001, 86400), 21_600)
    .option(
      "--temperature <number>",
      "0 for greedy answers, which are compared with those without drafts",
      decimal(0, 2),
      0,
    )
    .option("--ignore-eos", "answers of exactly the asked length everywhere; always so where only throughput counts")
    .option("--no-continuous-usage", "ask for no running token count, for servers that refuse it")
    .option("--extra-body <json>", "fields added to every body", jsonObject)
    .option("--request-id-prefix <text>", "beginning of x-request-id; specdec-SEED- when absent");
}

function addReportOptions(command: Command): Command {
  return command
    .option("--require-speedup <factor>", "exit with 3 when no drafting arm is so much faster", decimal(0, 1000))
    .option("--require-identical", "exit with 3 when greedy answers differ with and without drafts")
    .option("--csv <file>", "write a row per cell")
    .option("--save-result", "write the result as JSON")
    .option("--result-dir <folder>", "where the result goes; the current folder when absent")
    .option("--result-filename <file>", "its name; LABEL-MODEL-DATE.json when absent")
    .option("--label <text>", "beginning of the file's name; specdec when absent")
    .option("--metadata <key=value...>", "added to the result")
    .option("--json", "print the result as one JSON object")
    .option("--disable-tqdm", "no progress bar");
}
