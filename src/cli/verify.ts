/** `punctual train NAME --verify STEPS`: runs the first steps of a recipe again and holds them to the committed log. */
import { join } from "node:path";
import { builtInModelDir } from "../llm/index.ts";
import { bold } from "./terminal.ts";

/** Prints where the rerun leaves the log. Resolves to the exit code: 0 when it does not. */
export async function verifyRecipe(name: string, steps: number): Promise<number> {
  const [recipes, { liveClock }] = await Promise.all([import("../recipes/index.ts"), import("../runtime/index.ts")]);
  const { firstDifference, LOG_FIRST, machineFingerprint, readTrainLog, rerunSteps, sameMachine } = recipes;
  const log = readTrainLog(join(builtInModelDir(name), "train.jsonl"));
  const count = Math.min(steps, LOG_FIRST);
  const machine = machineFingerprint(log.header.machine.threads);
  const rerun = await rerunSteps(name, count, liveClock);
  const difference = firstDifference(log, rerun, machine);
  const held = sameMachine(log.header.machine, machine)
    ? "to the last bit"
    : "within the tolerance for another machine";
  if (difference === null) console.log(`${bold(name)}: ${count} steps rerun as logged, ${held}`);
  else console.log(`${bold(name)}: step ${difference.step} differs from the log: ${JSON.stringify(difference)}`);
  return difference === null ? 0 : 1;
}
