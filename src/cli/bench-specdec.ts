/**
 * `punctual bench specdec`: what speculative decoding brings on a server, ours or another, as SPEED-Bench measures it.
 * Runs in a process of its own: a load generator inside the server would compete with what it measures.
 *
 * Exit codes: 0 measured, 1 nothing came back, 2 wrong usage, 3 short of --require-speedup or --require-identical.
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "commander";
import type {
  Arm,
  ArmHost,
  Cell,
  ExperimentOptions,
  ExperimentReport,
  MatrixOptions,
  Proposer,
  Question,
  Session,
  Target,
  TokenSource,
} from "../bench/index.ts";
import { createRandom, fail, PunctualError } from "../core/index.ts";
import { armsOf, commandOf, merged, nested, StartedServers } from "./bench-arms.ts";
import { engineProposer } from "./draft-proposer.ts";
import { clock, dateStamp, modelName, pairs, requestHeaders, serverUrl, sleep } from "./bench-server.ts";
import { addSpecDecOptions, type SpecDecFlags } from "./bench-specdec-flags.ts";
import { dim, startProgress, type Progress } from "./terminal.ts";

export function addBenchSpecDec(bench: Command): void {
  const command = bench
    .command("specdec")
    .description("measure speculative decoding: acceptance, speed-up, and where it stops paying");
  addSpecDecOptions(command).action(async (flags: SpecDecFlags) => {
    process.exitCode = await benchSpecDec(flags);
  });
}

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

async function benchSpecDec(flags: SpecDecFlags): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => {
    // Leaving by exit, so that servers that were started here are not left behind.
    if (stop.signal.aborted) process.exit(130);
    console.error(dim("Stopping: what is under way is given up; once more to leave at once.", process.stderr));
    stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await run(flags, stop.signal);
  } catch (error) {
    // Told to stop while a server was starting: nothing came back, which is no wrong usage.
    if (stop.signal.aborted && error instanceof PunctualError && error.code === "cancelled") return 1;
    throw error;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  }
}

/** Arms with their servers, and the first of them ready to be asked about its tokens. */
interface Lab {
  readonly arms: readonly Arm[];
  readonly host: ArmHost;
  readonly first: Arm;
}

async function run(flags: SpecDecFlags, signal: AbortSignal): Promise<number> {
  const bench = await import("../bench/index.ts");
  const questions = await questionsOf(flags); // what cannot be asked is said before anything is started
  const command = commandOf(flags);
  await using servers =
    command === null
      ? null
      : new StartedServers(command, flags.serveOneAtATime === true, flags.serveTimeoutSec * 1000, signal);
  const lab = await openLab(flags, servers ?? bench.STANDING_SERVERS, servers !== null);
  const { target, model } = lab.first;
  const progress = new TurnProgress(flags);
  const tokens = await bench.tokenSource(
    { url: target.url, headers: target.headers },
    model,
    target.endpoint === "chat",
  );
  const proposer = await proposerOf(flags);
  const options = experimentOptions(flags, { questions, lab, tokens, proposer, progress, signal });
  const reports: ExperimentReport[] = [];
  for (const name of flags.experiments) {
    if (signal.aborted) break;
    try {
      reports.push(await bench.runExperiment(name, options));
    } finally {
      progress.stop();
    }
    if (flags.json !== true) console.log(`${reports.length > 1 ? "\n" : ""}${bench.experimentTable(reports.at(-1)!)}`);
  }
  const result = resultOf(flags, model, lab.arms, reports, bench.experimentRecord);
  if (flags.csv !== undefined) writeFileSync(flags.csv, bench.csvOf(reports));
  saveResult(flags, model, bench.toJson(result));
  if (flags.json === true) console.log(bench.toJson(result));
  return exitCode(flags, reports);
}

async function openLab(flags: SpecDecFlags, host: ArmHost, isStarted: boolean): Promise<Lab> {
  const { endpointUrl } = await import("../bench/index.ts");
  const isChat = flags.backend === "openai-chat" || flags.endpoint?.includes("/chat/") === true;
  const headers = requestHeaders(flags);
  const target: Target = {
    url: serverUrl(flags),
    endpoint: isChat ? "chat" : "completions",
    ...(flags.endpoint === undefined ? {} : { path: flags.endpoint }),
    headers,
    insecure: flags.insecure,
  };
  endpointUrl(target.url, "");
  const arms = armsOf(flags, { target, model: "" });
  const opened = await host.open(arms[0]!);
  const model = await modelName(
    isStarted ? { ...flags, readyCheckTimeoutSec: Math.max(1, flags.readyCheckTimeoutSec) } : flags,
    { url: opened.target.url, headers },
  );
  return { arms: arms.map((arm) => ({ ...arm, model })), host, first: { ...opened, model } };
}

function experimentOptions(
  flags: SpecDecFlags,
  parts: {
    readonly questions: readonly Question[];
    readonly lab: Lab;
    readonly tokens: TokenSource;
    readonly proposer: Proposer | null;
    readonly progress: TurnProgress;
    readonly signal: AbortSignal;
  },
): ExperimentOptions {
  const { questions, tokens, proposer, progress, signal } = parts;
  const { arms, host } = parts.lab;
  const session: Session = {
    request: {
      outputTokens: outputTokens(flags),
      ignoreEos: flags.ignoreEos === true,
      temperature: flags.temperature,
      seed: flags.seed,
      runningUsage: flags.continuousUsage,
      extraBody: flags.extraBody ?? {},
      idPrefix: flags.requestIdPrefix ?? `specdec-${flags.seed}-`,
    },
    timeoutMs: flags.requestTimeout * 1000,
    warmups: flags.numWarmups,
    metricsPath: flags.metrics ? flags.metricsPath : null,
    memory: new Map(),
    timing: { clock, sleep },
    onTurn: () => progress.turn(),
    signal,
  };
  const categories = new Set(questions.map(({ category }) => category)).size;
  const isPublishedSplit = flags.datasetName === "speed_bench" && flags.speedBenchDatasetSubset !== "qualitative";
  return {
    questions,
    throughputQuestions: isPublishedSplit ? questions : null,
    perCategory: flags.numPrompts === undefined ? flags.perCategory : Math.ceil(flags.numPrompts / categories),
    arms,
    concurrencies: flags.maxConcurrency,
    rounds: flags.numRepeats,
    order: flags.serveOneAtATime === true ? "arm by arm" : "interleaved",
    host,
    session,
    tokens,
    random: createRandom(flags.seed, "specdec"),
    inputLengths: flags.inputLens,
    perBucket: flags.perBucket,
    asTokenIds: flags.tokenIds === true,
    vocabulary: vocabularyOf(flags, arms, proposer),
    onPlan: (name, plan) => progress.begin(name, plan),
    onCell: (cell) => progress.cell(cell),
  };
}

function vocabularyOf(
  flags: SpecDecFlags,
  arms: readonly Arm[],
  proposer: Proposer | null,
): ExperimentOptions["vocabulary"] {
  const { draftVocabField: field, draftVocabSizes: sizes } = flags;
  const drafting = arms.find(({ draftLength }) => typeof draftLength === "number" && draftLength > 0);
  return {
    sizes,
    draftLength: typeof drafting?.draftLength === "number" ? drafting.draftLength : DEFAULT_DRAFT_LENGTH,
    hook:
      field === undefined
        ? null
        : { drafter: drafting?.drafter ?? "the server's", body: (allowed) => merged({}, nested(field, allowed)) },
    proposer,
  };
}

/** Who is replayed over answers: the drafter of our own engine where that is measured, else plain prompt lookup. */
async function proposerOf(flags: SpecDecFlags): Promise<Proposer | null> {
  if (!flags.draftVocabReplay) return null;
  const { ngramProposer } = await import("../bench/index.ts");
  const isOwn = flags.serve !== undefined && (flags.drafters ?? ["ngram"]).includes("ngram");
  return isOwn ? await engineProposer() : ngramProposer(flags.promptLookupMin, flags.promptLookupMax);
}

/** SPEED-Bench's reference table stands at three. */
const DEFAULT_DRAFT_LENGTH = 3;

function outputTokens(flags: SpecDecFlags): number {
  if (flags.outputLen !== undefined) return flags.outputLen;
  return flags.datasetName === "speed_bench" ? flags.speedBenchOutputLen : flags.specBenchOutputLen;
}

/** Generated per category, so that there is something to choose from. */
const CANDIDATES_PER_CHOICE = 4;
const MIN_CANDIDATES = 16;

async function questionsOf(flags: SpecDecFlags): Promise<readonly Question[]> {
  const { fileChunks, generateQuestions, readQuestions } = await import("../bench/index.ts");
  const random = createRandom(flags.seed, "questions");
  const candidates = Math.max(MIN_CANDIDATES, CANDIDATES_PER_CHOICE * flags.perCategory);
  const { datasetName } = flags;
  switch (datasetName) {
    case "generated":
      return generateQuestions(candidates, random);
    case "world":
      return await worldQuestions(candidates, flags.seed);
    case "spec_bench":
    case "speed_bench": {
      const path = datasetFile(flags);
      const all = readQuestions(fileChunks(path), path);
      const category = datasetName === "spec_bench" ? flags.specBenchCategory : flags.speedBenchCategory;
      const chosen = category === undefined ? all : all.filter((one) => one.category === category);
      if (chosen.length > 0) return chosen;
      const known = [...new Set(all.map((one) => one.category))].slice(0, 40).join(", ");
      return fail("invalid_request", `category: expected one of ${known}, got "${category}"`);
    }
    default:
      return datasetName satisfies never;
  }
}

function datasetFile({ datasetName, datasetPath: path, speedBenchDatasetSubset: subset }: SpecDecFlags): string {
  if (path === undefined) {
    return fail("invalid_request", `dataset-path: expected the file of ${datasetName}, got none`, {
      param: "dataset-path",
    });
  }
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder) return path;
  const names = datasetName === "speed_bench" ? [`${subset}.jsonl`] : ["question.jsonl"];
  const found = names.map((name) => join(path, name)).find((name) => existsSync(name));
  return found ?? fail("not_found", `${path}: expected ${names.join(" or ")} in this folder`);
}

/** What the built-in models have learnt, asked with frames and names that they have not seen. */
async function worldQuestions(perSkill: number, seed: number): Promise<readonly Question[]> {
  const { generateItem, SKILLS } = await import("../world/index.ts");
  return SKILLS.flatMap((category) => {
    const random = createRandom(seed, `world ${category}`);
    return Array.from({ length: perSkill }, (_, i): Question => {
      const item = generateItem(category, "test", random);
      const turns = item.turns
        .filter(({ role }) => role === "user")
        .map(({ text, context }) => (context === undefined ? text : `${text}\n\n${context}`));
      return { id: `${category}-${i}`, category, subCategory: item.kind, turns, source: "world", difficulty: null };
    });
  });
}

/** One bar per matrix. */
class TurnProgress {
  readonly #isQuiet: boolean;
  #bar: Progress | null = null;
  #done = 0;
  #detail = "";

  constructor({ json, disableTqdm }: SpecDecFlags) {
    this.#isQuiet = json === true || disableTqdm === true;
  }

  begin(name: string, plan: { readonly turns: number } & Pick<MatrixOptions, "arms">): void {
    this.stop();
    this.#done = 0;
    this.#detail = plan.arms[0]?.name ?? "";
    if (!this.#isQuiet) this.#bar = startProgress(name, plan.turns);
  }

  turn(): void {
    this.#done += 1;
    this.#bar?.update(this.#done, this.#detail);
  }

  cell({ arm, group, concurrency, timing }: Cell): void {
    this.#detail = `${group}, ${arm} at ${concurrency}: ${timing.outputTps.toFixed(0)} tok/s`;
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

function resultOf(
  flags: SpecDecFlags,
  model: string,
  arms: readonly Arm[],
  reports: readonly ExperimentReport[],
  record: (report: ExperimentReport) => object,
): object {
  return {
    ...Object.fromEntries(pairs(flags.metadata ?? [], "metadata")),
    date: dateStamp(),
    label: flags.label ?? null,
    backend: flags.backend,
    model_id: model,
    dataset_name: flags.datasetName,
    seed: flags.seed,
    temperature: flags.temperature,
    max_output_tokens: outputTokens(flags),
    num_repeats: flags.numRepeats,
    num_warmups: flags.numWarmups,
    order: flags.serveOneAtATime === true ? "arm by arm" : "interleaved",
    arms: arms.map(({ name, drafter, draftLength }) => ({ name, drafter, draft_length: draftLength })),
    experiments: reports.map(record),
  };
}

function saveResult(flags: SpecDecFlags, model: string, text: string): void {
  if (flags.saveResult !== true) return;
  const name = flags.resultFilename ?? `${flags.label ?? "specdec"}-${basename(model)}-${dateStamp()}.json`;
  if (flags.resultDir !== undefined) mkdirSync(flags.resultDir, { recursive: true });
  const path = join(flags.resultDir ?? ".", name);
  writeFileSync(path, text);
  console.error(dim(`Saved ${path}`, process.stderr));
}

function exitCode({ requireSpeedup, requireIdentical }: SpecDecFlags, reports: readonly ExperimentReport[]): number {
  const cells = reports.flatMap((report) => report.cells);
  if (!cells.some(({ completed }) => completed > 0)) return 1;
  const summaries = reports.flatMap((report) => report.summaries);
  const best = Math.max(0, ...summaries.flatMap(({ speedup }) => speedup?.mean ?? []));
  if (requireSpeedup !== undefined && best < requireSpeedup) return 3;
  const identities = summaries.flatMap(({ identity }) => identity ?? []);
  const isIdentical = identities.length > 0 && identities.every(({ compared, same }) => compared === same);
  return requireIdentical === true && !isIdentical ? 3 : 0;
}
