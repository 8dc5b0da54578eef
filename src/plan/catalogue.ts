/**
 * The ways to run a model on kinds of devices: DistServe's measured tables on an A100 where there are any, else a
 * roofline; a calibration of our own engine under the kind "local". With every parallelism that fits a node.
 */
import { fail } from "../core/index.ts";
import {
  A100_TABLES,
  calibratedDeployment,
  createDeployment,
  GPUS,
  MODEL_SHAPES,
  readCalibration,
  type NamedDeployment,
} from "../sim/index.ts";
import type { DeviceChoice } from "./types.ts";

/** A kind of device with its price. */
export interface PricedGpu {
  /** "a100", "h100", "l4", "a10", or "local" for the machine of a calibration. */
  readonly gpu: string;
  /** Of one device; above 0. */
  readonly pricePerHour: number;
}

/** What is wanted of a catalogue. */
export interface CatalogueOptions {
  /** A table's or shape's name; may be absent when all devices are "local". */
  readonly model?: string;
  readonly prices: readonly PricedGpu[];
  /** The text of a calibration file, for "local". */
  readonly calibration?: string;
  /** Most devices of one instance; 8 when absent. */
  readonly mostParallel?: number;
  /** Most stages of a pipeline; 2 when absent. */
  readonly mostStages?: number;
  /** Between instances, instead of the devices' own link. */
  readonly linkBytesPerSecond?: number;
  /** Tables only: a scheduler's overhead as DistServe counts it. */
  readonly overhead?: boolean;
}

/** The names of the kinds of devices. */
export const GPU_KINDS: readonly string[] = [...GPUS.map(({ name }) => shortName(name)), "local"];
/** The names of the models. */
export const PLAN_MODELS: readonly string[] = MODEL_SHAPES.map(({ name }) => name);

const MOST_PARALLEL = 8;
const MOST_STAGES = 2;
/** Memory of one machine is where hand-overs between its processes go. */
const LOCAL_BYTES_PER_SECOND = 1e10;

/**
 * Every choice, in order of prices as given, then of parallelism.
 * @throws PunctualError invalid_request naming what is unknown or does not fit.
 */
export function catalogue(options: CatalogueOptions): DeviceChoice[] {
  const { prices } = options;
  if (prices.length === 0) fail("invalid_request", "prices: expected at least one device", { param: "prices" });
  return prices.flatMap((priced) => {
    if (!(priced.pricePerHour > 0 && priced.pricePerHour < Infinity)) {
      fail("invalid_request", `prices: expected ${priced.gpu} above 0, got ${priced.pricePerHour}`, {
        param: "prices",
      });
    }
    const choices = priced.gpu === "local" ? [localChoice(priced, options)] : gpuChoices(priced, options);
    if (choices.length === 0) {
      fail("invalid_request", `prices: ${options.model} does not fit any ${priced.gpu}s`, { param: "prices" });
    }
    return choices;
  });
}

function shortName(gpu: string): string {
  return gpu.replace("-80g", "");
}

function localChoice(
  { gpu, pricePerHour }: PricedGpu,
  { calibration, linkBytesPerSecond }: CatalogueOptions,
): DeviceChoice {
  if (calibration === undefined) {
    return fail("invalid_request", "prices: local needs a calibration file (doctor --calibrate)", { param: "prices" });
  }
  const { model } = readCalibration(calibration);
  const named = createDeployment("calibration", calibration);
  return {
    gpu,
    name: model,
    deployment: calibratedDeployment(readCalibration(calibration)).deployment,
    pipeline: 1,
    weightBytes: 0,
    pricePerHour,
    link: { bytesPerSecond: linkBytesPerSecond ?? LOCAL_BYTES_PER_SECOND },
    basis: named.basis,
    fitError: named.fitError,
  };
}

function gpuChoices({ gpu, pricePerHour }: PricedGpu, options: CatalogueOptions): DeviceChoice[] {
  const { model, mostParallel = MOST_PARALLEL, mostStages = MOST_STAGES, linkBytesPerSecond } = options;
  const found = GPUS.find(({ name }) => name === gpu || shortName(name) === gpu);
  const shape = MODEL_SHAPES.find(({ name }) => name === model);
  if (found === undefined) return unknown("prices", GPU_KINDS, gpu);
  if (shape === undefined) return unknown("model", PLAN_MODELS, model ?? "none");
  const choices: DeviceChoice[] = [];
  for (const { parallel, named } of parallelDeployments(found.name, shape.name, options)) {
    for (let pipeline = 1; pipeline <= mostStages && pipeline * parallel <= mostParallel; pipeline *= 2) {
      choices.push({
        gpu: shortName(found.name),
        name: `${shape.name} tp${parallel} pp${pipeline}`,
        deployment: named.deployment,
        pipeline,
        weightBytes: shape.parameters * 2,
        pricePerHour,
        link: { bytesPerSecond: linkBytesPerSecond ?? found.linkBytesPerSecond * parallel },
        basis: named.basis,
        fitError: named.fitError,
      });
    }
  }
  return choices;
}

interface Parallel {
  readonly parallel: number;
  readonly named: NamedDeployment;
}

function parallelDeployments(
  gpu: string,
  model: string,
  { mostParallel = MOST_PARALLEL, overhead }: CatalogueOptions,
): Parallel[] {
  const tables = gpu === "a100-80g" ? A100_TABLES.filter((table) => table.model === model) : [];
  if (tables.length > 0) {
    return tables
      .filter(({ tensorParallel }) => tensorParallel <= mostParallel)
      .map(({ tensorParallel }) => {
        const name = `${model}${tensorParallel === 1 ? "" : `:tp${tensorParallel}`}${overhead === true ? ":overhead" : ""}`;
        return { parallel: tensorParallel, named: createDeployment(name) };
      });
  }
  const fitting: Parallel[] = [];
  for (let parallel = 1; parallel <= mostParallel; parallel *= 2) {
    const { bytes, room } = memoryOf(gpu, model, parallel);
    // A cache smaller than a tenth of the weights serves nobody.
    if (room - bytes > bytes / 10)
      fitting.push({ parallel, named: createDeployment(`roofline:${gpu}:${model}:tp${parallel}`) });
  }
  return fitting;
}

function memoryOf(gpu: string, model: string, parallel: number): { readonly bytes: number; readonly room: number } {
  const { memoryBytes } = GPUS.find(({ name }) => name === gpu)!;
  const { parameters } = MODEL_SHAPES.find(({ name }) => name === model)!;
  return { bytes: parameters * 2, room: memoryBytes * 0.9 * parallel };
}

function unknown(param: string, known: readonly string[], got: string): never {
  return fail("invalid_request", `${param}: expected one of ${known.join(", ")}, got "${got}"`, { param });
}
