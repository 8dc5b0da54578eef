#!/usr/bin/env node
/**
 * The command line. Each command is a file that declares its options and imports what it needs only
 * when it runs, so that `--help` loads neither a model nor the native runtime.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage or nothing to work with. `claim` has codes of its own.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBench } from "./bench.ts";
import { addChat } from "./chat.ts";
import { addClaim } from "./claim.ts";
import { addContexts } from "./contexts.ts";
import { addDoctor } from "./doctor.ts";
import { addFit } from "./fit.ts";
import { addKey } from "./key.ts";
import { addModels } from "./models-command.ts";
import { addPlan } from "./plan.ts";
import { addServe } from "./serve.ts";
import { addSimulate } from "./simulate.ts";
import { reportFailure } from "./terminal.ts";
import { addTrain } from "./train.ts";
import { addWorker } from "./worker.ts";

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

/** In the order of the help. */
const COMMANDS = [
  addServe,
  addWorker,
  addContexts,
  addChat,
  addModels,
  addTrain,
  addFit,
  addDoctor,
  addKey,
  addBench,
  addSimulate,
  addPlan,
  addClaim,
];

function createProgram(): Command {
  const program = new Command("punctual")
    .description("A real-time AI runtime: every request has a deadline, and the runtime keeps it.")
    .version(packageVersion())
    .showHelpAfterError("(try punctual --help)")
    .exitOverride();
  for (const add of COMMANDS) add(program);
  for (const command of [...program.commands, ...program.commands.flatMap((parent) => parent.commands)]) {
    command.exitOverride();
  }
  return program;
}

/** `punctual … | head` is no failure: when nobody reads any more, there is nothing left to say. */
function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
}

async function main(): Promise<void> {
  endWithReader();
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else process.exitCode = reportFailure(error);
  }
}

await main();
