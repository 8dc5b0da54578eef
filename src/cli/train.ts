/** `punctual train NAME`: makes a built-in model again by its recipe. Ctrl-C leaves a checkpoint to go on from. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import type { TrainSummary } from "../recipes/index.ts";
import { wholeNumber } from "./arguments.ts";
import { sourceRevision } from "./source-revision.ts";
import { bold, dim } from "./terminal.ts";

interface TrainFlags {
  readonly out?: string;
  readonly resume: boolean;
  readonly steps?: number;
  readonly json?: boolean;
  readonly verify?: number;
}

export function addTrain(program: Command): void {
  program
    .command("train")
    .argument("[name]", "which recipe; without it they are listed")
    .description("train a built-in model by its recipe")
    .option("--out <folder>", "where log, checkpoint and model go; models/NAME when absent")
    .option("--resume", "go on from the checkpoint in the folder (default)", true)
    .option("--no-resume", "start anew, whatever is in the folder")
    .option("--steps <count>", "stop after this many steps of the plan, with a checkpoint", wholeNumber(1, 10_000_000))
    .option("--json", "print the summary as one JSON object")
    .option("--verify <count>", "rerun the first steps and compare with the committed log", wholeNumber(1, 200))
    .action((name: string | undefined, flags: TrainFlags) => (name === undefined ? list() : train(name, flags)));
}

async function list(): Promise<void> {
  const { RECIPES } = await import("../recipes/index.ts");
  const { ROUTED_MODEL, ROUTED_SUMMARY } = await import("../fit/index.ts");
  const all = [...RECIPES, { name: ROUTED_MODEL, summary: ROUTED_SUMMARY }];
  for (const { name, summary } of all) console.log(`${bold(name.padEnd(16))} ${dim(summary)}`);
}

async function train(nameOrShort: string, flags: TrainFlags): Promise<void> {
  const [{ createProgressBar, findRecipe, RECIPES, trainRecipe }, { liveClock }] = await Promise.all([
    import("../recipes/index.ts"),
    import("../runtime/index.ts"),
  ]);
  if (nameOrShort === "routed" || nameOrShort === "punctual-routed") return trainRoutedModel(flags);
  const short = RECIPES.find((recipe) => recipe.name === `punctual-${nameOrShort}`);
  const { name } = short ?? findRecipe(nameOrShort);
  if (flags.verify !== undefined) {
    const { verifyRecipe } = await import("./verify.ts");
    process.exitCode = await verifyRecipe(name, flags.verify);
    return;
  }
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal); // a second one ends the process at once
  const bar = createProgressBar(name);
  const revision = await sourceRevision(fileURLToPath(new URL("../..", import.meta.url)));
  try {
    const summary = await trainRecipe(name, {
      outDir: resolve(flags.out ?? `models/${name}`),
      clock: liveClock,
      resume: flags.resume,
      signal: interrupted.signal,
      progress: bar.update,
      ...(revision === null ? {} : { revision }),
      ...(flags.steps === undefined ? {} : { maxSteps: flags.steps }),
    });
    bar.stop();
    console.log(flags.json === true ? JSON.stringify(summary) : describe(summary));
  } finally {
    bar.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** The model with layer routes is more than a decoder: its recipe is fit's. */
async function trainRoutedModel(flags: TrainFlags): Promise<void> {
  const [{ ROUTED_MODEL, trainRouted }, { createProgressBar }, { liveClock }] = await Promise.all([
    import("../fit/index.ts"),
    import("../recipes/index.ts"),
    import("../runtime/index.ts"),
  ]);
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  let bar = { stage: "", ...createProgressBar(ROUTED_MODEL) };
  try {
    const summary = await trainRouted({
      outDir: resolve(flags.out ?? `models/more/${ROUTED_MODEL}`),
      clock: liveClock,
      signal: interrupted.signal,
      progress: (stage, progress) => {
        if (stage !== bar.stage) {
          bar.stop();
          bar = { stage, ...createProgressBar(`${ROUTED_MODEL}, ${stage}`) };
        }
        bar.update(progress);
      },
    });
    bar.stop();
    const told = summary.finished ? "finished" : "stopped; the same command goes on from its checkpoints";
    console.log(flags.json === true ? JSON.stringify(summary) : `${bold(summary.name)}: ${told}`);
  } finally {
    bar.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function describe({ name, finished, stepsTaken, scores }: TrainSummary): string {
  if (!finished) return `${name}: ${stepsTaken} steps done; the same command goes on from the checkpoint`;
  const lines = scores.map(
    ({ name: set, share, items }) => `  ${set.padEnd(18)} ${(share * 100).toFixed(1)} % of ${items}`,
  );
  return [`${bold(name)}: ${stepsTaken} steps, finished`, ...lines].join("\n");
}
