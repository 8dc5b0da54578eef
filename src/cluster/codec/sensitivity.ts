/**
 * How much errors in a cache do to a model's answers, by plane and head: noise of the same share of every channel's
 * deviation is put into one head's keys or values at a time, and whoever can run the model says how far its answers move.
 * Runs no model itself. What comes of it makes steps wider where they do least (prediction-fit.ts).
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { planesToPages, type Planes } from "./planes.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";

/** A text that answers are measured on. */
export interface SensitivitySample {
  readonly planes: Planes;
  readonly firstPosition: number;
  /** How far answers over these pages are from those over the exact ones: 0 when they are, else above (a divergence, nats). */
  readonly divergence: (pages: Uint8Array) => Promise<number>;
}

/** Noise in deviations of a channel: about what a step of half a deviation leaves. */
const NOISE = 0.25;
/** What cannot be told from nothing counts as this share of the largest. */
const LEAST_SHARE = 1e-3;

/** @returns [planes x heads], above 0: what noise there costs, in the samples' divergence. */
export async function measureSensitivities(
  shape: CacheShape,
  deviations: Float32Array,
  samples: readonly SensitivitySample[],
  random: RandomStream,
): Promise<Float32Array> {
  assert(samples.length > 0, "sensitivities need texts");
  const groups = planeCount(shape) * shape.kvHeads;
  const out = new Float32Array(groups);
  const channels = channelCount(shape);
  for (let group = 0; group < groups; group++) {
    const plane = Math.floor(group / shape.kvHeads);
    const from = (group % shape.kvHeads) * shape.headDim;
    for (const { planes, firstPosition, divergence } of samples) {
      const { tokens } = planes;
      const noisy = planes.data[plane]!.slice();
      for (let c = from; c < from + shape.headDim; c++) {
        const scale = NOISE * deviations[plane * channels + c]!;
        for (let t = 0; t < tokens; t++) noisy[c * tokens + t]! += scale * random.normal();
      }
      const data = planes.data.map((each, p) => (p === plane ? noisy : each));
      out[group]! += (await divergence(planesToPages(shape, { tokens, data }, firstPosition))) / samples.length;
    }
  }
  const largest = Math.max(...out, 1e-12);
  return out.map((value) => Math.max(value, LEAST_SHARE * largest));
}
