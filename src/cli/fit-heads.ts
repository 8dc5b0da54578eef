/**
 * `punctual fit heads`: draft heads for a model, on texts of its user or on the world of the built-in models. Ctrl-C leaves a
 * checkpoint to go on from.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Option, type Command } from "commander";
import { fail } from "../core/index.ts";
import type {
  ExampleSource,
  FittedHeads,
  HeadsPlan,
  HeadsPlanOptions,
  OpenedModel,
  PromptedText,
} from "../fit/index.ts";
import type { WeightsFormat } from "../llm/index.ts";
import { wholeNumber } from "./arguments.ts";
import { createFitProgress, type FitProgress } from "./fit-progress.ts";
import { explainCheckpoint, outFolder, readTexts } from "./fit-texts.ts";
import { resolveModel, weightCacheDir } from "./models.ts";
import { sourceRevision } from "./source-revision.ts";
import { bold, dim, startProgress } from "./terminal.ts";

interface FitHeadsFlags {
  readonly model: string;
  readonly data?: string;
  readonly out?: string;
  readonly answers: "own" | "given";
  readonly maxTokens: number;
  readonly limit?: number;
  readonly steps?: number;
  readonly width?: number;
  readonly places?: number;
  readonly vocabulary?: number;
  readonly weights: WeightsFormat;
  readonly threads: 1 | 2;
  readonly seed?: number;
  readonly resume: boolean;
  readonly stopAfter?: number;
  readonly json?: boolean;
}

/** Declares the command under `fit`. */
export function addFitHeads(fit: Command): void {
  fit
    .command("heads")
    .description("draft heads: the model guesses its own next tokens (serve --speculate heads)")
    .requiredOption("--model <model>", "a built-in model, a folder, a .gguf file or hf:org/name")
    .option(
      "--data <file>",
      'JSON lines: messages, prompt and completion, turns, or text; "world" for the built-in models\' own',
    )
    .option("--out <folder>", "where heads, log and checkpoint go; the model's folder when absent")
    .addOption(
      new Option("--answers <whose>", "learn from the model's own answers to the prompts, or from those in the file")
        .choices(["own", "given"])
        .default("own"),
    )
    .option("--max-tokens <count>", "most tokens of an answer of its own", wholeNumber(1, 4096), 256)
    .option("--limit <count>", "use only that many texts of the file", wholeNumber(2, 1_000_000))
    .option("--steps <count>", "length of the training; 1500 when absent", wholeNumber(1, 10_000_000))
    .option("--width <count>", "inner width of the heads; 512 when absent", wholeNumber(1, 65_536))
    .option("--places <count>", "tokens of a draft that are trained for; 5 when absent", wholeNumber(1, 14))
    .option(
      "--vocabulary <count>",
      "tokens that can be drafted, the most frequent; all up to 16384 when absent",
      wholeNumber(1, 2 ** 24),
    )
    .addOption(
      new Option("--weights <format>", "how the model is read: as it will be served")
        .choices(["int8", "int4", "f32"])
        .default("int8"),
    )
    .option("--threads <count>", "compute threads", wholeNumber(1, 2), 2)
    .option("--seed <number>", "of everything that is drawn; 1 when absent", wholeNumber(0, 2 ** 31))
    .option("--resume", "go on from the checkpoint in the folder (default)", true)
    .option("--no-resume", "start anew, whatever is in the folder")
    .option("--stop-after <count>", "stop after this many steps, with a checkpoint", wholeNumber(1, 10_000_000))
    .option("--json", "print the summary as one JSON object")
    .action(fitHeadsCommand);
}

async function fitHeadsCommand(flags: FitHeadsFlags): Promise<void> {
  const [{ fitHeads, headsPlan, openModel }, { createProgressBar }, { liveClock }] = await Promise.all([
    import("../fit/index.ts"),
    import("../recipes/index.ts"),
    import("../runtime/index.ts"),
  ]);
  const { name, dir } = await resolveModel(flags.model);
  const outDir = await outFolder(flags, dir, "--speculate heads:<folder>");
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal); // a second one ends the process at once
  const progress = createFitProgress(name, createProgressBar);
  try {
    await using model = await openModel(dir);
    const plan = headsPlan(planOptions(flags));
    const source = await sourceOf(flags, plan, model, { dir, outDir, progress }, interrupted.signal);
    if (source === null) {
      console.log(`${name}: stopped; the same command goes on from where it was`);
      return;
    }
    const revision = await sourceRevision(fileURLToPath(new URL("../..", import.meta.url)));
    const { config, weights, endTokens } = model;
    const fitted = await fitHeads({ name, config, weights, endTokens }, source, plan, {
      outDir,
      clock: liveClock,
      threads: flags.threads,
      resume: flags.resume,
      signal: interrupted.signal,
      progress: (state) => progress.update("heads", state),
      weightCacheDir: weightCacheDir(),
      ...(revision === null ? {} : { revision }),
      ...(flags.stopAfter === undefined ? {} : { maxSteps: flags.stopAfter }),
    }).catch(explainCheckpoint);
    progress.stop();
    console.log(
      flags.json === true ? JSON.stringify({ model: name, outDir, ...fitted }) : describe(name, outDir, dir, fitted),
    );
  } finally {
    progress.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function planOptions({ seed, steps, width, places, vocabulary, weights }: FitHeadsFlags): HeadsPlanOptions {
  return {
    weights,
    ...(seed === undefined ? {} : { seed }),
    ...(steps === undefined ? {} : { steps }),
    ...(width === undefined ? {} : { width }),
    ...(places === undefined ? {} : { places }),
    ...(vocabulary === undefined ? {} : { vocabularyTokens: vocabulary }),
  };
}

/** Texts to learn from; null when it was stopped before the model had answered them all. */
async function sourceOf(
  flags: FitHeadsFlags,
  plan: HeadsPlan,
  model: OpenedModel,
  { dir, outDir, progress }: { readonly dir: string; readonly outDir: string; readonly progress: FitProgress },
  signal: AbortSignal,
): Promise<ExampleSource | null> {
  const { describeTexts, MOST_TOKENS, ownAnswers, textExamples, worldExamples } = await import("../fit/index.ts");
  const { weightsFingerprint, Tokenizer } = await import("../llm/index.ts");
  const { tokenizer, config, weights } = model;
  if (flags.data === undefined || flags.data === "world") {
    if (tokenizer instanceof Tokenizer && model.dialect.kind === "own") return worldExamples(tokenizer);
    return fail("invalid_request", "Expected --data: only the built-in models know the world of their own texts.", {
      param: "--data",
    });
  }
  const texts = await readTexts(resolve(flags.data), model, flags.limit);
  const longest = Math.min(config.maxPositions, MOST_TOKENS);
  const identity = `${flags.data}, ${texts.length} texts, ${flags.answers} answers`;
  const noted = (from: readonly PromptedText[]): ExampleSource => {
    const source = textExamples(from, identity, longest);
    progress.note(describeTexts(source.counts));
    return source;
  };
  if (flags.answers === "given") return noted(texts);
  await mkdir(outDir, { recursive: true });
  const answering = startProgress("Answering", texts.length);
  try {
    const answered = await ownAnswers(texts, {
      engine: { model: { dir }, weights: plan.weights, threads: flags.threads, weightCacheDir: weightCacheDir() },
      fingerprint: weightsFingerprint(config, weights),
      maxTokens: flags.maxTokens,
      path: join(outDir, "heads-answers.jsonl"),
      signal,
      progress: (done) => answering.update(done, "the model's own answers"),
    });
    answering.stop();
    return answered === null ? null : noted(answered);
  } finally {
    answering.stop();
  }
}

function describe(
  name: string,
  outDir: string,
  dir: string,
  { finished, stepsTaken, acceptance }: FittedHeads,
): string {
  if (!finished || acceptance === null) {
    return `${name}: ${stepsTaken} steps done; the same command goes on from the checkpoint`;
  }
  const { byPlace, acceptanceLength, drafts } = acceptance;
  const places = byPlace.map((share) => `${(share * 100).toFixed(1)} %`).join("  ");
  return [
    `${bold(`heads of ${name}`)}: ${stepsTaken} steps, finished`,
    `  accepted by place    ${places}  ${dim(`over ${drafts} held-out places`)}`,
    `  tokens a step says   ${acceptanceLength.toFixed(2)}`,
    `  serve them with      punctual serve --speculate ${outDir === dir ? "heads" : `heads:${outDir}`}`,
  ].join("\n");
}
