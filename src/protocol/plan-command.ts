/**
 * A plan or a simulated world as the command that repeats it. Pure and without schemas, so that a page may use it as it
 * types; a file that a command needs is named as it was uploaded.
 */
import type { PlanRequest, PlanTargets, WorldRequest } from "./plan.ts";

/** Files that a command speaks of, by name. */
export interface CommandFiles {
  readonly trace?: string;
  readonly calibration?: string;
}

/** `punctual plan …` for a request. */
export function planCommand(request: PlanRequest, files: CommandFiles = {}): string {
  const { slo, attain, gpus, prices, model, modes, calibration, link, maxParallel, maxStages } = request;
  return join("plan", [
    ...workloadFlags(request, files),
    ["--slo", sloText(slo)],
    ["--attain", String(attain)],
    ["--gpus", gpus[0] === gpus[1] && gpus[0] === 1 ? "1" : `${gpus[0]}..${gpus[1]}`],
    ["--prices", prices.map(({ gpu, pricePerHour }) => `${gpu}=${pricePerHour}`).join(",")],
    ...flag("--model", model),
    ...flag("--modes", modes?.join(",")),
    ...flag("--calibration", calibration === undefined ? undefined : (files.calibration ?? "calibration.json")),
    ...flag("--link", link),
    ...flag("--max-parallel", maxParallel),
    ...flag("--max-stages", maxStages),
  ]);
}

/** `punctual simulate …` for a request. */
export function worldCommand(request: WorldRequest, files: CommandFiles = {}): string {
  const { slo, cost, policy, dispatch, instances, migrate } = request;
  return join("simulate", [
    ...workloadFlags(request, files),
    ["--cost", cost === "calibration" ? (files.calibration ?? "calibration.json") : cost],
    ...flag("--slo", slo === undefined ? undefined : sloText(slo)),
    ...flag("--policy", policy),
    ...flag("--dispatch", dispatch),
    ...flag("--instances", instances),
    ...(migrate === true ? [["--migrate"]] : []),
  ]);
}

/** "ttft=400ms,tpot=40ms", as `--slo` takes it. */
export function sloText({ ttftMs, tpotMs, deadlineMs }: PlanTargets): string {
  const targets = { ttft: ttftMs, tpot: tpotMs, deadline: deadlineMs };
  return Object.entries(targets)
    .flatMap(([target, ms]) => (ms === undefined ? [] : [`${target}=${ms}ms`]))
    .join(",");
}

type Flag = readonly string[];

function workloadFlags({ workload, rate, limit, seed }: PlanRequest | WorldRequest, files: CommandFiles): Flag[] {
  return [
    workload.kind === "generate" ? ["--generate", workload.spec] : ["--trace", files.trace ?? `${workload.id}.trace`],
    ...flag("--rate", rate),
    ...flag("--limit", limit),
    ...flag("--seed", seed),
  ];
}

const flag = (name: string, value: string | number | undefined): Flag[] =>
  value === undefined ? [] : [[name, String(value)]];

const join = (command: string, flags: readonly Flag[]): string =>
  ["punctual", command, ...flags.flat().map(quoted)].join(" ");

/** As a shell wants it: whatever is more than plain words in single quotes. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
