/**
 * Costs from first principles for named GPUs: a step takes as long as its arithmetic at a share of the peak, or its
 * memory traffic at a share of the bandwidth, whichever is longer; linear layers and attention apart, and a constant for
 * what starts a step. Nothing is measured here: peaks are the makers' figures for dense 16-bit tensors, shares are those
 * that good kernels reach. For sizing, not for promises.
 */
import { fail } from "../../core/index.ts";
import type { Deployment } from "../types.ts";

/** A device. */
export interface Gpu {
  readonly name: string;
  /** Dense 16-bit tensor operations, per second. */
  readonly flops: number;
  readonly bytesPerSecond: number;
  readonly memoryBytes: number;
  /** To its neighbours, one direction. */
  readonly linkBytesPerSecond: number;
}

/** The shape of a decoder, as far as costs depend on it. */
export interface ModelShape {
  readonly name: string;
  readonly parameters: number;
  readonly layers: number;
  readonly hidden: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

const GB = 1e9;
const GIB = 2 ** 30;

/** NVIDIA's data sheets: A10, A100 80GB SXM, H100 SXM, L4. */
export const GPUS: readonly Gpu[] = [
  { name: "a10", flops: 125e12, bytesPerSecond: 600 * GB, memoryBytes: 24 * GIB, linkBytesPerSecond: 32 * GB },
  { name: "a100-80g", flops: 312e12, bytesPerSecond: 2039 * GB, memoryBytes: 80 * GIB, linkBytesPerSecond: 300 * GB },
  { name: "h100", flops: 989e12, bytesPerSecond: 3350 * GB, memoryBytes: 80 * GIB, linkBytesPerSecond: 450 * GB },
  { name: "l4", flops: 121e12, bytesPerSecond: 300 * GB, memoryBytes: 24 * GIB, linkBytesPerSecond: 32 * GB },
];

const shape = (
  name: string,
  billions: number,
  layers: number,
  hidden: number,
  kvHeads: number,
  headDim: number,
): ModelShape => ({ name, parameters: billions * 1e9, layers, hidden, kvHeads, headDim });

/** Published shapes of open models. */
export const MODEL_SHAPES: readonly ModelShape[] = [
  shape("llama2-7b", 6.74, 32, 4096, 32, 128),
  shape("llama2-13b", 13.02, 40, 5120, 40, 128),
  shape("llama2-70b", 68.98, 80, 8192, 8, 128),
  shape("llama3-8b", 8.03, 32, 4096, 8, 128),
  shape("llama3-70b", 70.55, 80, 8192, 8, 128),
  shape("qwen2.5-7b", 7.62, 28, 3584, 4, 128),
  shape("qwen2.5-32b", 32.76, 64, 5120, 8, 128),
  shape("opt-13b", 12.85, 40, 5120, 40, 128),
  shape("opt-66b", 65.72, 64, 9216, 72, 128),
];

/** What may be assumed about kernels and memory. */
export interface RooflineOptions {
  /** Devices that share one instance's weights; 1 when absent. */
  readonly tensorParallel?: number;
  /** Bytes per parameter and per cached value; 2 when absent. */
  readonly weightBytes?: number;
  readonly kvBytes?: number;
  /** Share of the peak that matrix products reach; 0.6 when absent. */
  readonly computeShare?: number;
  /** Share of the bandwidth that reading reaches; 0.8 when absent. */
  readonly memoryShare?: number;
  /** Per step; 2 ms when absent. */
  readonly overheadMs?: number;
  /** Share of the memory that may be used; 0.9 when absent. */
  readonly usableMemory?: number;
}

/** A message between devices takes at least this long. */
const LINK_LATENCY_MS = 0.01;
/** A layer sums its results over the devices twice. */
const REDUCTIONS_PER_LAYER = 2;

/** One instance of a model on one or more GPUs. @throws PunctualError invalid_request when the weights do not fit. */
export function roofline(gpu: Gpu, model: ModelShape, options: RooflineOptions = {}): Deployment {
  const { tensorParallel = 1, weightBytes = 2, kvBytes = 2 } = options;
  const { computeShare = 0.6, memoryShare = 0.8, overheadMs = 2, usableMemory = 0.9 } = options;
  const { parameters, layers, hidden, kvHeads, headDim } = model;
  const kvBytesPerToken = 2 * layers * kvHeads * headDim * kvBytes;
  const weights = parameters * weightBytes;
  const room = gpu.memoryBytes * usableMemory * tensorParallel - weights;
  const kvTokens = Math.floor(room / kvBytesPerToken);
  if (kvTokens < 1) {
    fail(
      "invalid_request",
      `${model.name}: ${weights / GIB} GiB of weights do not fit ${tensorParallel} x ${gpu.name}`,
      {
        param: "tensorParallel",
      },
    );
  }
  const opsPerMs = (gpu.flops * computeShare * tensorParallel) / 1000;
  const bytesPerMs = (gpu.bytesPerSecond * memoryShare * tensorParallel) / 1000;
  const reduce = (tokens: number): number => {
    if (tensorParallel === 1) return 0;
    const bytes = (2 * (tensorParallel - 1) * tokens * hidden * 2) / tensorParallel;
    return REDUCTIONS_PER_LAYER * layers * (LINK_LATENCY_MS + (bytes / gpu.linkBytesPerSecond) * 1000);
  };
  return {
    name: `${model.name} on ${tensorParallel} x ${gpu.name}`,
    kvTokens,
    kvBytesPerToken,
    devices: tensorParallel,
    cost: {
      name: `roofline ${gpu.name} ${model.name} tp${tensorParallel}`,
      stepMs: ({ tokens, prefillSquares, prefillContext, decodeContext }) => {
        const linear = Math.max((2 * parameters * tokens) / opsPerMs, weights / bytesPerMs);
        // Two products of pairs of tokens with the width, two operations each; a square is two pairs.
        const ops = layers * hidden * (2 * prefillSquares + 4 * decodeContext);
        const attention = Math.max(ops / opsPerMs, ((prefillContext + decodeContext) * kvBytesPerToken) / bytesPerMs);
        return linear + attention + reduce(tokens) + overheadMs;
      },
    },
  };
}
