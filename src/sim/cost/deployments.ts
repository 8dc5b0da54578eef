/**
 * Deployments by name, for command lines:
 *
 *   opt-13b, opt-13b:tp2, opt-66b:tp4           DistServe's A100 tables; ":overhead" adds its scheduler's 2 ms
 *   roofline:h100:llama3-8b:tp1                 a named GPU and model shape
 *   splitwise:llama2-70b:a100-80gb:tp4          from the text of Splitwise's table, given beside the name
 *   calibration                                 from the text of a calibration file, given beside the name
 *   recording                                   from the text of a recording of a server, given beside the name
 */
import { fail } from "../../core/index.ts";
import { readRecording } from "../../workload/index.ts";
import { readEngineFacts } from "../engine-facts.ts";
import { recordedDecisions } from "../log-difference.ts";
import type { Deployment } from "../types.ts";
import { calibratedDeployment, readCalibration } from "./calibration-file.ts";
import { fitCost, fittedCost } from "./fitted.ts";
import { heldOutError } from "./held-out.ts";
import { rooflineError, tableError, type KnownError } from "./known-errors.ts";
import { A100_TABLES, phaseCost, SCHEDULER_OVERHEAD } from "./phase-table.ts";
import { GPUS, MODEL_SHAPES, roofline } from "./roofline.ts";
import { readSplitwise, splitwiseModels } from "./splitwise.ts";
import { requestKinds, stepPoints } from "./step-points.ts";

/** A deployment and what its numbers rest on, one line. */
export interface NamedDeployment {
  readonly deployment: Deployment;
  /** Where the numbers come from, how far they are off and against what. */
  readonly basis: string;
  /**
   * Mean relative error of the phase it is worse at: on measured steps that the fit has not seen, or against measurements of
   * the nearest shape; null when nothing is known.
   */
  readonly fitError: number | null;
}

/** The names of the A100 tables. */
export const TABLE_NAMES: readonly string[] = A100_TABLES.map(tableName);

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/**
 * @param text of the file that the name speaks of, for splitwise, calibrations and recordings.
 * @throws PunctualError invalid_request naming what there is, invalid_file for a bad file.
 */
export function createDeployment(name: string, text?: string): NamedDeployment {
  const [kind = "", ...rest] = name.toLowerCase().split(":");
  if (kind === "roofline") return fromRoofline(rest);
  if (kind === "splitwise") return fromSplitwise(rest, text);
  if (kind === "calibration") return fromCalibration(text);
  if (kind === "recording") return fromRecording(text);
  return fromTable([kind, ...rest]);
}

function fromTable(parts: readonly string[]): NamedDeployment {
  const overhead = parts.includes("overhead");
  const wanted = parts.filter((part) => part !== "overhead").join(":");
  const entry = A100_TABLES.find((table) => tableName(table) === wanted || `${tableName(table)}:tp1` === wanted);
  if (entry === undefined) {
    return unknown(wanted, [...TABLE_NAMES, "roofline:GPU:MODEL", "splitwise:MODEL:GPU:tpN", "a calibration file"]);
  }
  const { kvTokens, kvBytesPerToken, tensorParallel } = entry;
  const known = tableError(tableName(entry));
  const table = overhead ? { ...entry, overhead: SCHEDULER_OVERHEAD } : entry;
  return {
    deployment: {
      name: wanted,
      cost: phaseCost(`A100 ${wanted}`, table),
      kvTokens,
      kvBytesPerToken,
      devices: tensorParallel,
    },
    basis: `DistServe's fitted profiles of ${wanted} on A100-80G, ${offBy(known)}`,
    fitError: worseOf(known),
  };
}

function fromRoofline([gpuName = "", modelName = "", parallel]: readonly string[]): NamedDeployment {
  const gpu =
    GPUS.find((one) => one.name === gpuName) ??
    unknown(
      gpuName,
      GPUS.map((one) => one.name),
    );
  const names = MODEL_SHAPES.map((one) => one.name);
  const model = MODEL_SHAPES.find((one) => one.name === modelName) ?? unknown(modelName, names);
  const tensorParallel = readParallel(parallel);
  const known = rooflineError(gpu.name, model.name, tensorParallel);
  return {
    deployment: roofline(gpu, model, { tensorParallel }),
    basis: `a roofline of ${model.name} on ${gpu.name}, ${offBy(known)}`,
    fitError: worseOf(known),
  };
}

function fromSplitwise([model = "", hardware = "", parallel]: readonly string[], text?: string): NamedDeployment {
  if (text === undefined)
    return fail("invalid_request", "cost: splitwise needs the text of its table", { param: "cost" });
  const models = splitwiseModels(readSplitwise(text));
  const tp = readParallel(parallel);
  const found = models.find((one) => one.model === model && one.hardware === hardware && one.tensorParallel === tp);
  if (found === undefined) {
    return unknown(
      `${model}:${hardware}:tp${tp}`,
      models.map((one) => `${one.model}:${one.hardware}:tp${one.tensorParallel}`),
    );
  }
  const unseen = found.heldOut();
  const prompts = unseen.prefill ?? found.prefill.meanError;
  const tokens = unseen.decode ?? found.decode.meanError;
  const shape = MODEL_SHAPES.find((one) => one.name === model) ?? BLOOM;
  const memory = 80 * 2 ** 30 * 0.9 * tp - shape.parameters * 2;
  const kvBytesPerToken = 2 * shape.layers * shape.kvHeads * shape.headDim * 2;
  return {
    deployment: {
      name: `${model} on ${tp} x ${hardware}`,
      cost: found.cost,
      kvTokens: Math.max(1, Math.floor(memory / kvBytesPerToken)),
      kvBytesPerToken,
      devices: tp,
    },
    basis: `Splitwise's measurements, fit off by ${percent(found.prefill.meanError)} on prompts and ${percent(found.decode.meanError)} on tokens; on sizes that it has not seen by ${percent(prompts)} and ${percent(tokens)}`,
    fitError: Math.max(prompts, tokens),
  };
}

function fromCalibration(text?: string): NamedDeployment {
  if (text === undefined) {
    return fail("invalid_request", "cost: a calibration needs the text of its file", { param: "cost" });
  }
  const file = readCalibration(text);
  const { deployment, fit } = calibratedDeployment(file);
  const heldOut = heldOutError(file.points);
  const unseen = heldOut === null ? "" : `, on sizes that it has not seen by ${percent(heldOut)}`;
  return {
    deployment,
    basis: `${fit.points} measured steps of ${file.model} on ${file.machine}, fit off by ${percent(fit.meanError)} on average${unseen}`,
    fitError: heldOut ?? fit.meanError,
  };
}

/** What the steps of a recorded server cost, rows with adapters and with layers left out among them. */
function fromRecording(text?: string): NamedDeployment {
  if (text === undefined) {
    return fail("invalid_request", "cost: a recording needs the text of its file", { param: "cost" });
  }
  const recording = readRecording(text, "cost");
  const { pages, pageTokens } = readEngineFacts(recording.head.engine);
  const points = stepPoints(recordedDecisions(recording), requestKinds(recording));
  const { form, meanError, points: used } = fitCost(points);
  const { model } = recording.head;
  const heldOut = heldOutError(points);
  const unseen = heldOut === null ? "" : `, on sizes that it has not seen by ${percent(heldOut)}`;
  return {
    deployment: {
      name: model,
      cost: fittedCost(`fitted ${model}`, form),
      kvTokens: pages * pageTokens,
      kvBytesPerToken: 0,
      devices: 1,
    },
    basis: `${used} recorded steps of ${model}, fit off by ${percent(meanError)} on average${unseen}`,
    fitError: heldOut ?? meanError,
  };
}

function offBy(known: KnownError | null): string {
  if (known === null) return "nothing measured comes near it";
  const { prefill, decode, against } = known;
  return `off by ${percent(prefill)} on prompts and ${percent(decode)} on tokens against ${against}`;
}

function worseOf(known: KnownError | null): number | null {
  return known === null ? null : Math.max(known.prefill, known.decode);
}

/** The other model of Splitwise's table: 70 layers of 112 heads. */
const BLOOM = { parameters: 176.25e9, layers: 70, kvHeads: 112, headDim: 128 } as const;

function tableName({ model, tensorParallel }: (typeof A100_TABLES)[number]): string {
  return tensorParallel === 1 ? model : `${model}:tp${tensorParallel}`;
}

function readParallel(text = "tp1"): number {
  const match = /^tp([1-9]\d?)$/.exec(text);
  if (match !== null) return Number(match[1]);
  return fail("invalid_request", `cost: expected tp1 to tp99, got "${text}"`, { param: "cost" });
}

function unknown(got: string, known: readonly string[]): never {
  return fail("invalid_request", `cost: expected one of ${known.join(", ")}, got "${got}"`, { param: "cost" });
}
