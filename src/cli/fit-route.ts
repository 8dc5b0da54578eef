/**
 * `punctual fit route`: layer routes for a model, on prompts and answers of its user. Ctrl-C leaves checkpoints to go on from.
 */
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { FittedRoutes, RoutesPlanOptions } from "../fit/index.ts";
import { decimal, wholeNumber } from "./arguments.ts";
import { createFitProgress } from "./fit-progress.ts";
import { explainCheckpoint, outFolder, readTexts } from "./fit-texts.ts";
import { resolveModel } from "./models.ts";
import { bold, dim } from "./terminal.ts";

interface FitRouteFlags {
  readonly model: string;
  readonly data: string;
  readonly out?: string;
  readonly compute?: number;
  readonly limit?: number;
  readonly routerSteps?: number;
  readonly adapterSteps?: number;
  readonly batch?: number;
  readonly maxTokens?: number;
  readonly rank?: number;
  readonly threads: 1 | 2;
  readonly seed?: number;
  readonly baselines?: boolean;
  readonly resume: boolean;
  readonly json?: boolean;
}

/** Declares the command under `fit`. */
export function addFitRoute(fit: Command): void {
  fit
    .command("route")
    .description("layer routes: routers decide from each prompt which layers its answer leaves out")
    .requiredOption("--model <model>", "a built-in model, a folder, a .gguf file or hf:org/name")
    .requiredOption("--data <file>", "JSON lines with answers: messages, prompt and completion, or text")
    .option("--out <folder>", "where routes and checkpoints go; 'routes' in the model's folder when absent")
    .option("--compute <share>", "share of the layers to keep on average; 0.7 when absent", decimal(0.01, 0.99))
    .option("--limit <count>", "use only that many texts of the file", wholeNumber(2, 1_000_000))
    .option("--router-steps <count>", "steps for the routers; 300 when absent", wholeNumber(1, 10_000_000))
    .option("--adapter-steps <count>", "steps for the low-rank weights; 600 when absent", wholeNumber(1, 10_000_000))
    .option("--batch <count>", "texts of a step; 32 when absent", wholeNumber(1, 4096))
    .option("--max-tokens <count>", "longest text, longer answers are cut; 512 when absent", wholeNumber(8, 8192))
    .option("--rank <count>", "of the low-rank weights; 8 when absent", wholeNumber(1, 512))
    .option("--threads <count>", "compute threads", wholeNumber(1, 2), 2)
    .option("--seed <number>", "of everything that is drawn; 1 when absent", wholeNumber(0, 2 ** 31))
    .option("--baselines", "train and score other ways to leave out as many layers too")
    .option("--resume", "go on from the checkpoints in the folder (default)", true)
    .option("--no-resume", "start anew, whatever is in the folder")
    .option("--json", "print the summary as one JSON object")
    .action(fitRouteCommand);
}

async function fitRouteCommand(flags: FitRouteFlags): Promise<void> {
  const [{ describeTexts, fitRoutes, openModel, routesPlan, textExamples }, { createProgressBar }, { liveClock }] =
    await Promise.all([import("../fit/index.ts"), import("../recipes/index.ts"), import("../runtime/index.ts")]);
  const plan = routesPlan(planOptions(flags));
  const { name, dir } = await resolveModel(flags.model);
  const folder = await outFolder(flags, dir, "--routes <folder>");
  const outDir = flags.out === undefined ? join(folder, "routes") : folder;
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal); // a second one ends the process at once
  const progress = createFitProgress(name, createProgressBar);
  try {
    await using model = await openModel(dir);
    const texts = await readTexts(resolve(flags.data), model, flags.limit);
    const longest = Math.min(model.config.maxPositions, plan.length);
    const source = textExamples(texts, `${flags.data}, ${texts.length} texts`, longest);
    progress.note(describeTexts(source.counts));
    const { config, weights, endTokens } = model;
    const fitted = await fitRoutes({ name, config, weights, endTokens }, source, plan, {
      outDir,
      clock: liveClock,
      threads: flags.threads,
      resume: flags.resume,
      baselines: flags.baselines === true,
      signal: interrupted.signal,
      begins: (stage) => progress.note(STAGES[stage] ?? `low-rank weights of the baseline ${stage}`),
      progress: (stage, state) => progress.update(stage, state),
    }).catch(explainCheckpoint);
    progress.stop();
    console.log(
      flags.json === true
        ? JSON.stringify({ model: name, outDir, ...fitted })
        : describe(flags.model, name, outDir, fitted),
    );
  } finally {
    progress.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** What each stage is, for those who wait. */
const STAGES: Readonly<Record<string, string>> = {
  routers: "routers learn which layers a prompt can do without (1 of 3)",
  routes: "low-rank weights learn to make up for them (2 of 3)",
  scores: "held-out texts are scored (3 of 3)",
};

function planOptions(flags: FitRouteFlags): RoutesPlanOptions {
  const { seed, compute, batch, maxTokens, routerSteps, adapterSteps, rank } = flags;
  return {
    ...(seed === undefined ? {} : { seed }),
    ...(compute === undefined ? {} : { compute }),
    ...(batch === undefined ? {} : { batch }),
    ...(maxTokens === undefined ? {} : { length: maxTokens }),
    ...(routerSteps === undefined ? {} : { routerSteps }),
    ...(adapterSteps === undefined ? {} : { adapterSteps }),
    ...(rank === undefined ? {} : { rank }),
  };
}

function describe(model: string, name: string, outDir: string, { finished, scores }: FittedRoutes): string {
  if (!finished || scores === null) return `${name}: stopped; the same command goes on from where it was`;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(8);
  return [
    `${bold(`routes of ${name}`)}: finished, scored on ${scores.examples} held-out texts`,
    dim("                          right    layers  nats per token"),
    ...scores.arms.map(
      (arm) => `  ${arm.name.padEnd(20)}${percent(arm.exact)}  ${percent(arm.layers)}  ${arm.loss.toFixed(3)}`,
    ),
    `  serve them with         punctual serve --model ${model} --routes ${outDir}`,
    `  ask for them with       "compute": "auto" in a request, or a share of the layers, 0 to 1`,
  ].join("\n");
}
