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
  return { repeats, workingSetBytes: 128 * MIB, contextLength: 4096, passes: 3 };
}

/** A grouped-query decode: 8 query heads over 2 KV heads of 64, as small modern models have. */
const GROUPED = { heads: 8, kvHeads: 2, headDim: 64, sequences: 4 } as const;
/** One KV head per query head: a fourth of the arithmetic for a byte. */
const PLAIN = { ...GROUPED, kvHeads: 8, sequences: 1 } as const;

type Arm = "stream1" | "grouped1" | "plain1" | "stream2" | "grouped2" | "plain2" | "int8";
type Samples = Readonly<Record<Arm, number[]>>;

async function sample(context: ClaimContext, size: Size): Promise<Samples> {
  const common = { clock: context.clock, workingSetBytes: size.workingSetBytes, passes: size.passes };
  const kv = async (geometry: typeof GROUPED | typeof PLAIN, more: Partial<KvBandwidthOptions>): Promise<number> => {
    const options = { ...common, ...geometry, contextLength: size.contextLength, ...more };
    return (await measureKvBandwidth(options)).effectiveGigabytesPerSecond; // of f32 pages: as stored
  };
  const stream = async (threads: 1 | 2): Promise<number> =>
    (await measureStreamBandwidth({ ...common, threads })).gigabytesPerSecond;
  const arms: Readonly<Record<Arm, () => Promise<number>>> = {
    stream1: () => stream(1),
    grouped1: () => kv(GROUPED, { threads: 1 }),
    plain1: () => kv(PLAIN, { threads: 1 }),
    stream2: () => stream(2),
    grouped2: () => kv(GROUPED, { threads: 2 }),
    plain2: () => kv(PLAIN, { threads: 2 }),
    int8: () => kv(PLAIN, { threads: 1, format: "int8" }),
  };
  const samples: Samples = { stream1: [], grouped1: [], plain1: [], stream2: [], grouped2: [], plain2: [], int8: [] };
  for (let repeat = 0; repeat < size.repeats; repeat++) {
    context.progress(`kernel bandwidth, round ${repeat + 1} of ${size.repeats}`);
    for (const [name, arm] of Object.entries(arms)) samples[name as Arm].push(await arm());
  }
  return samples;
}

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const size = sizeOf(context.mode);
  const samples = await sample(context, size);
  const line = { unit: "GB/s", better: "higher", kind: "live" } as const;
  const at = `decode at context ${size.contextLength}, heads of 64`;
  const grouped = `${at}, 8 query heads over 2 KV heads, 4 sequences`;
  const plain = `${at}, 8 query heads over 8 KV heads`;
  const bound = "a plain SIMD read, in turn";
  return [
    absolute({ ...line, metric: "f32 KV, 1 thread", note: plain }, samples.plain1, 10),
    absolute({ ...line, metric: "f32 KV, 1 thread, grouped by 4", note: grouped }, samples.grouped1, 10),
    compare(
      { ...line, metric: "f32 KV against plain read, 1 thread", note: bound },
      samples.plain1,
      samples.stream1,
      null,
    ),
    compare(
      { ...line, metric: "f32 KV against plain read, 1 thread, grouped by 4", note: bound },
      samples.grouped1,
      samples.stream1,
      null,
    ),
    compare({ ...line, metric: "f32 KV, 2 threads against 1", note: plain }, samples.plain2, samples.plain1, null),
    compare(
      { ...line, metric: "f32 KV, 2 threads against 1, grouped by 4", note: grouped },
      samples.grouped2,
      samples.grouped1,
      null,
    ),
    compare(
      { ...line, metric: "f32 KV against plain read, 2 threads", note: bound },
      samples.plain2,
      samples.stream2,
      null,
    ),
    compare(
      { ...line, metric: "int8 KV (counted as f32) against f32 KV, 1 thread", note: "what int8 pages are worth" },
      samples.int8,
      samples.plain1,
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
  targets: "f32 pages, one thread: at least 10 GB/s of KV, with one KV head per query head and with one for four",
  measure,
};
