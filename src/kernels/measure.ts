/**
 * What this machine's memory and the attention kernel do, in bytes per second. `punctual doctor` and the
 * claim on kernel bandwidth call these; nothing here is a test.
 *
 * Both read a working set far larger than the last-level cache, in order, again and again, and count each
 * byte once. GB are 10^9 bytes.
 */
import { createRandom, median, type Clock } from "../core/index.ts";
import {
  CONTROL,
  CONTROL_BYTES,
  JOB,
  JOB_STREAM,
  SCRATCH_AT,
  SCRATCH_BYTES,
  STREAM_AT,
  STREAM_BYTES,
} from "./assembly/control.ts";
import type { KvLayout } from "./geometry.ts";
import { PagedAttention } from "./paged-attention.ts";
import { KernelRunner } from "./runner.ts";
import type { AttentionSequence } from "./schedule.ts";

/** What to read and how often. The working set should be several times the last-level cache. */
export interface BandwidthOptions {
  readonly clock: Clock;
  /** 1 if absent. */
  readonly threads?: 1 | 2;
  /** Size of the working set: 256 MiB if absent. */
  readonly workingSetBytes?: number;
  /** Passes over the working set: 5 if absent. */
  readonly passes?: number;
}

/** The same for attention: the shape of the call that is timed. Layers are added until the working set is reached. */
export interface KvBandwidthOptions extends BandwidthOptions {
  /** Tokens of each sequence: 4096 if absent. */
  readonly contextLength?: number;
  /** Sequences decoded together: 1 if absent. */
  readonly sequences?: number;
  /** Query rows of each: 1 if absent. */
  readonly rows?: number;
  /** 8 if absent. */
  readonly heads?: number;
  /** As many as `heads` if absent. */
  readonly kvHeads?: number;
  /** 64 if absent. */
  readonly headDim?: number;
  /** 16 if absent. */
  readonly pageTokens?: number;
  readonly format?: "f32" | "int8";
}

/** What the passes of one measurement gave, the untimed first one left out. */
export interface Bandwidth {
  /** Median over the passes, as stored. */
  readonly gigabytesPerSecond: number;
  /** The best pass: what the machine does when nobody disturbs. */
  readonly bestGigabytesPerSecond: number;
  /** The median, counted as if every number were an f32: what int8 pages are worth. */
  readonly effectiveGigabytesPerSecond: number;
  /** Arithmetic of attention (2 operations per multiply-add), billions per second, median. */
  readonly gigaflopsPerSecond: number;
  readonly passes: number;
  readonly bytesPerPass: number;
}

const WORKING_SET_BYTES = 256 * 2 ** 20;
const PASSES = 5;

function timePasses(clock: Clock, passes: number, pass: () => void): number[] {
  pass(); // compiles, and touches every page
  return Array.from({ length: passes }, () => {
    const startMs = clock.nowMs();
    pass();
    return clock.nowMs() - startMs;
  });
}

function bandwidth(timesMs: readonly number[], bytes: number, expansion: number, operations: number): Bandwidth {
  const middle = median(timesMs) * 1e6;
  return {
    gigabytesPerSecond: bytes / middle,
    bestGigabytesPerSecond: bytes / (Math.min(...timesMs) * 1e6),
    effectiveGigabytesPerSecond: (bytes * expansion) / middle,
    gigaflopsPerSecond: operations / middle,
    passes: timesMs.length,
    bytesPerPass: bytes,
  };
}

/** KV bytes per second of `attend` over as many layers as the working set needs. */
export async function measureKvBandwidth(options: KvBandwidthOptions): Promise<Bandwidth> {
  const { clock, threads = 1, contextLength = 4096, sequences: count = 1, rows = 1, heads = 8, headDim = 64 } = options;
  const { kvHeads = heads, pageTokens = 16, format = "f32" } = options;
  const perSequence = Math.ceil(contextLength / pageTokens);
  const numberBytes = format === "f32" ? 4 : 1;
  const tokenBytes = 2 * kvHeads * (headDim * numberBytes + (format === "int8" ? 4 : 0));
  const layerBytes = count * contextLength * tokenBytes;
  const layers = Math.max(1, Math.ceil((options.workingSetBytes ?? WORKING_SET_BYTES) / layerBytes));
  const layout: KvLayout = { layers, kvHeads, headDim, pageTokens, pages: count * perSequence, format };
  await using attention = await PagedAttention.create({ layout, heads, maxRows: Math.max(256, count * rows), threads });
  attention.threadThresholdBytes = 0;
  fillPages(attention, layout);
  const sequences = Array.from({ length: count }, (_, i): AttentionSequence => {
    const pages = Int32Array.from({ length: perSequence }, (_page, p) => i * perSequence + p);
    return { queryStart: i * rows, queryRows: rows, contextLength, pages };
  });
  const q = new Float32Array(count * rows * heads * headDim).fill(0.1);
  const out = new Float32Array(q.length);
  const timesMs = timePasses(clock, options.passes ?? PASSES, () => {
    for (let layer = 0; layer < layers; layer++) attention.attend(layer, q, sequences, out);
  });
  const operations = 4 * headDim * heads * rows * (contextLength - (rows - 1) / 2) * count * layers;
  return bandwidth(timesMs, layers * layerBytes, (8 * kvHeads * headDim) / tokenBytes, operations);
}

/** Something other than zeros everywhere: untouched memory is one shared page of zeros, in cache. */
function fillPages(attention: PagedAttention, layout: KvLayout): void {
  const random = createRandom(1, "kv-bandwidth");
  const width = layout.kvHeads * layout.headDim;
  const chunk = Math.min(256, layout.pages * layout.pageTokens);
  const rows = Float32Array.from({ length: chunk * width }, () => random.normal());
  for (let layer = 0; layer < layout.layers; layer++) {
    for (let at = 0; at < layout.pages * layout.pageTokens; at += chunk) {
      const size = Math.min(chunk, layout.pages * layout.pageTokens - at);
      const part = rows.subarray(0, size * width);
      attention.writeKv(
        layer,
        part,
        part,
        Int32Array.from({ length: size }, (_, i) => at + i),
      );
    }
  }
}

/** Bytes per item of the stream: enough that taking one costs nothing. */
const STREAM_ITEM_BYTES = 1 << 20;

/** The bound: memory read by SIMD loads and nothing else. */
export async function measureStreamBandwidth(options: BandwidthOptions): Promise<Bandwidth> {
  const { clock, threads = 1, workingSetBytes = WORKING_SET_BYTES } = options;
  const items = Math.ceil(workingSetBytes / STREAM_ITEM_BYTES);
  const bytes = items * STREAM_ITEM_BYTES;
  const scratchAt = CONTROL + CONTROL_BYTES;
  const streamAt = 65536;
  const runner = await KernelRunner.create(streamAt + bytes, threads);
  try {
    new Int32Array(runner.memory.buffer, streamAt, bytes / 4).fill(1);
    runner.words[JOB / 4] = JOB_STREAM;
    runner.words[SCRATCH_AT / 4] = scratchAt;
    runner.words[SCRATCH_BYTES / 4] = 64;
    runner.words[STREAM_AT / 4] = streamAt;
    runner.words[STREAM_BYTES / 4] = STREAM_ITEM_BYTES;
    const timesMs = timePasses(clock, options.passes ?? PASSES, () => runner.run(items, threads === 2));
    return bandwidth(timesMs, bytes, 1, 0);
  } finally {
    await runner.dispose();
  }
}
