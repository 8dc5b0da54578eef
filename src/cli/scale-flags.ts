/**
 * Flags of a router that keeps the number of instances by load: how many, and the command that starts one. The command is a
 * shell's; `{id}` in it is replaced by the instance's id, and PUNCTUAL_BUS and PUNCTUAL_BUS_TOKEN say where the bus is. It may be
 * the instance itself (`punctual worker …`), which then outlives the router, or have somebody else start it.
 */
import { spawn } from "node:child_process";
import type { Command } from "commander";
import type { Launch, ScalingOptions } from "../cluster/index.ts";
import { fail } from "../core/index.ts";
import { decimal } from "./arguments.ts";
import { readRange } from "./fleet-flags.ts";

/** Values of the flags that `addScaleOptions` declares. */
export interface ScaleFlags {
  /** [MODEL=]FEWEST..MOST[,LOW..HIGH]. */
  readonly scale?: string;
  readonly scaleCommand?: string;
  readonly scaleEvery?: number;
}

const DEFAULT_EVERY_S = 10;

/** Adds them to a command. */
export function addScaleOptions(command: Command): Command {
  return command
    .option(
      "--scale <[model=]fewest..most[,low..high]>",
      "keep so many instances as load asks for: one more below low, one less above high decode steps of room (400..800)",
    )
    .option(
      "--scale-command <command>",
      "starts one instance, for example 'punctual worker --model punctual-base --id {id}'; one too many is drained and ends",
    )
    .option("--scale-every <seconds>", `between two changes; ${DEFAULT_EVERY_S} when absent`, decimal(0.1, 86_400));
}

/**
 * What the flags ask for; null when they ask for nothing.
 * @param environment for the command, beside this process's own
 * @throws PunctualError invalid_request
 */
export function scalingOf(flags: ScaleFlags, environment: Readonly<Record<string, string>>): ScalingOptions | null {
  const { scale, scaleCommand, scaleEvery = DEFAULT_EVERY_S } = flags;
  if (scale === undefined && scaleCommand === undefined) return null;
  if (scale === undefined || scaleCommand === undefined) {
    return fail("invalid_request", "--scale and --scale-command go together.", { param: "--scale" });
  }
  const at = scale.lastIndexOf("=");
  const model = at < 0 ? {} : { model: scale.slice(0, at) };
  if (model.model === "") fail("invalid_request", "--scale: expected a model before '='.", { param: "--scale" });
  const range = readRange(scale.slice(at + 1), "--scale");
  return {
    ...model,
    policy: { ...range, everyMs: scaleEvery * 1000 },
    launch: (id) => launchBy(scaleCommand, id, environment),
  };
}

/** Runs the command for one instance. What it prints goes where this process prints. */
export function launchBy(command: string, id: string, environment: Readonly<Record<string, string>>): Launch {
  const child = spawn(command.replaceAll("{id}", id), {
    shell: true,
    // A group of its own: who stops this process by Ctrl-C does not stop instances.
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...environment },
  });
  child.unref();
  return {
    ended: new Promise((resolve) => {
      child.once("error", (error) => resolve(`the command cannot be run: ${error.message}`));
      child.once("exit", (code, signal) => {
        resolve(code === 0 ? null : `the command ended with ${signal ?? `status ${code}`}`);
      });
    }),
  };
}
