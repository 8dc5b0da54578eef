/**
 * Trains the first steps of a recipe again and compares them with the committed log: bit for bit on the
 * machine that wrote it, within a thousandth on another. Exit status 1 when they differ.
 *
 *     node scripts/rerun-log.mjs punctual-small [steps, default 200]
 */
import { fileURLToPath } from "node:url";
import { firstDifference, LOG_FIRST, machineFingerprint, readTrainLog, rerunSteps } from "../dist/recipes/index.js";
import { liveClock } from "../dist/runtime/index.js";

const [name = "punctual-small", steps = String(LOG_FIRST)] = process.argv.slice(2);
const log = readTrainLog(fileURLToPath(new URL(`../models/${name}/train.jsonl`, import.meta.url)));
const rerun = await rerunSteps(name, Number(steps), liveClock);
const difference = firstDifference(log, rerun, machineFingerprint(log.header.machine.threads));
console.log(difference === null ? `${rerun.length} steps as logged` : JSON.stringify(difference, null, 2));
process.exit(difference === null ? 0 : 1);
