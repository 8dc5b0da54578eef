/**
 * Claim `kernel-bandwidth`: the paged attention kernel reads KV near the speed of memory. The bound is a
 * plain SIMD read of as many bytes, measured in turn with the kernel in the same run.
 */
import { measureKvBandwidth, measureStreamBandwidth, type KvBandwidthOptions } from "../kernels/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { absolute, compare } from "./statistics.ts";

const MIB = 2 ** 20;

interface Size {
  readonly repeats: number;
  readonly workingSetBytes: number;
  readonly contextLength: number;
  readonly passes: number;
}

function sizeOf(mode: ClaimContext["mode"]): Size {
  if (mode === "smoke") return { repeats: 2, workingSetBytes: 8 * MIB, contextLength: 512, passes: 1 };
  const repeats = mode === "quick" ? 7 : 15;
  return { repeats, workingSetBytes: 256 * MIB, contextLength: 4096, passes: 3 };
}

/** A grouped-query decode: 8 query heads over 2 KV heads of 64, as small modern models have. */
const GEOMETRY = { heads: 8, kvHeads: 2, headDim: 64, sequences: 4 } as const;

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const size = sizeOf(context.mode);
  const { clock } = context;
  const common = { clock, workingSetBytes: size.workingSetBytes, passes: size.passes };
  const samples: Record<string, number[]> = {};
  const arms: Readonly<Record<string, () => Promise<number>>> = {
    stream1: async () => (await measureStreamBandwidth({ ...common, threads: 1 })).gigabytesPerSecond,
    kv1: async () => (await kv({ ...common, threads: 1 })).gigabytesPerSecond,
    stream2: async () => (await measureStreamBandwidth({ ...common, threads: 2 })).gigabytesPerSecond,
    kv2: async () => (await kv({ ...common, threads: 2 })).gigabytesPerSecond,
    int8: async () => (await kv({ ...common, threads: 1, format: "int8" })).effectiveGigabytesPerSecond,
  };
  const kv = (options: KvBandwidthOptions) =>
    measureKvBandwidth({ ...options, ...GEOMETRY, contextLength: size.contextLength });
  for (let repeat = 0; repeat < size.repeats; repeat++) {
    context.progress(`kernel bandwidth, round ${repeat + 1} of ${size.repeats}`);
    for (const [name, arm] of Object.entries(arms)) (samples[name] ??= []).push(await arm());
  }
  const line = { unit: "GB/s", better: "higher", kind: "live" } as const;
  const what = `decode of ${GEOMETRY.sequences} sequences, context ${size.contextLength}, ${GEOMETRY.heads} query heads over ${GEOMETRY.kvHeads} KV heads of ${GEOMETRY.headDim}`;
  return [
    absolute({ ...line, metric: "f32 KV, 1 thread", note: what }, samples.kv1!, 10),
    compare(
      { ...line, metric: "f32 KV against plain read, 1 thread", note: "the bound is memory" },
      samples.kv1!,
      samples.stream1!,
      null,
    ),
    compare({ ...line, metric: "f32 KV, 2 threads against 1", note: "both cores" }, samples.kv2!, samples.kv1!, null),
    compare(
      { ...line, metric: "f32 KV against plain read, 2 threads", note: "the bound is memory" },
      samples.kv2!,
      samples.stream2!,
      null,
    ),
    compare(
      { ...line, metric: "int8 KV (counted as f32) against f32 KV, 1 thread", note: "what int8 pages are worth" },
      samples.int8!,
      samples.kv1!,
      null,
    ),
  ];
}

export const kernelBandwidth: Claim = {
  id: "kernel-bandwidth",
  name: "kernel-bandwidth",
  headline: "The paged attention kernel reads at least 10 GB/s of f32 KV per thread.",
  baseline: "a plain SIMD read of as many bytes on as many threads, in turn",
  source: "our own; the kernel is src/kernels/assembly/",
  targets: "f32 pages, one thread: at least 10 GB/s of KV",
  measure,
};
