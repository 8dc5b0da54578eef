/**
 * Claim 39, attention: the paged kernel against a plain TypeScript loop and against ORT's GroupQueryAttention, whose
 * cache Node copies; grouped queries against one KV head per query head; online softmax against all scores at once.
 */
import { createRandom, median, type Clock, type RandomStream } from "../../core/index.ts";
import { createSession, type GraphModel, type Session, type TensorData, type ValueInfo } from "../../graph/index.ts";
import { kvPageBytes, PagedAttention, type KvLayout } from "../../kernels/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute, compare } from "../statistics.ts";

const HEADS = 16;
const KV_HEADS = 4;
const HEAD_DIM = 128;
const PAGE_TOKENS = 16;

interface Cache {
  readonly kvHeads: number;
  readonly length: number;
  /** [length, kvHeads * HEAD_DIM] */
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly q: Float32Array;
}

function drawCache(kvHeads: number, length: number, random: RandomStream): Cache {
  const floats = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const width = kvHeads * HEAD_DIM;
  return { kvHeads, length, k: floats(length * width), v: floats(length * width), q: floats(HEADS * HEAD_DIM) };
}

/** Decode attention in plain loops: all scores, then softmax, then the mix. Scores take memory in proportion to the context. */
function naiveAttention({ kvHeads, length, k, v, q }: Cache): Float32Array {
  const out = new Float32Array(HEADS * HEAD_DIM);
  const width = kvHeads * HEAD_DIM;
  const scores = new Float32Array(length);
  for (let head = 0; head < HEADS; head++) {
    const from = Math.floor(head / (HEADS / kvHeads)) * HEAD_DIM;
    const at = head * HEAD_DIM;
    let top = -Infinity;
    for (let token = 0; token < length; token++) {
      let sum = 0;
      for (let d = 0; d < HEAD_DIM; d++) sum += q[at + d]! * k[token * width + from + d]!;
      scores[token] = sum / Math.sqrt(HEAD_DIM);
      top = Math.max(top, scores[token]!);
    }
    let total = 0;
    for (let token = 0; token < length; token++) total += scores[token] = Math.exp(scores[token]! - top);
    for (let token = 0; token < length; token++) {
      const weight = scores[token]! / total;
      for (let d = 0; d < HEAD_DIM; d++) out[at + d]! += weight * v[token * width + from + d]!;
    }
  }
  return out;
}

/** The cache in pages of the kernel, with `attend` for its one query row. */
class KernelArm {
  readonly kernel: PagedAttention;
  readonly out = new Float32Array(HEADS * HEAD_DIM);
  readonly #cache: Cache;
  readonly #pages: Int32Array;

  private constructor(kernel: PagedAttention, cache: Cache, pages: Int32Array) {
    this.kernel = kernel;
    this.#cache = cache;
    this.#pages = pages;
  }

  static async create(cache: Cache, threads: 1 | 2): Promise<KernelArm> {
    const pages = Int32Array.from({ length: Math.ceil(cache.length / PAGE_TOKENS) }, (_, page) => page);
    const layout: KvLayout = {
      layers: 1,
      kvHeads: cache.kvHeads,
      headDim: HEAD_DIM,
      pageTokens: PAGE_TOKENS,
      pages: pages.length,
      format: "f32",
    };
    const kernel = await PagedAttention.create({ layout, heads: HEADS, maxRows: 256, threads });
    const width = cache.kvHeads * HEAD_DIM;
    for (let at = 0; at < cache.length; at += 256) {
      const rows = Math.min(256, cache.length - at);
      const part = (data: Float32Array): Float32Array => data.subarray(at * width, (at + rows) * width);
      kernel.writeKv(
        0,
        part(cache.k),
        part(cache.v),
        Int32Array.from({ length: rows }, (_, i) => at + i),
      );
    }
    return new KernelArm(kernel, cache, pages);
  }

  attend(): Float32Array {
    const sequence = { queryStart: 0, queryRows: 1, contextLength: this.#cache.length, pages: this.#pages };
    this.kernel.attend(0, this.#cache.q, [sequence], this.out);
    return this.out;
  }

  /** What the kernel needs beside the cache. */
  get scratchBytes(): number {
    return this.kernel.memory.buffer.byteLength - this.kernel.kvBytes;
  }
}

/** ORT's GroupQueryAttention as a graph of one node, with the cache as input and output, as Node must run it. */
function groupQueryGraph(capacity: number): GraphModel {
  const float = (name: string, shape: readonly number[]): ValueInfo => ({ name, dtype: "float32", shape });
  const int = (name: string, shape: readonly number[]): ValueInfo => ({ name, dtype: "int32", shape });
  const past = [1, KV_HEADS, capacity, HEAD_DIM];
  return {
    name: "group-query-attention",
    irVersion: 10,
    opsets: { "": 21, "com.microsoft": 1 },
    inputs: [
      float("q", [1, 1, HEADS * HEAD_DIM]),
      float("k", [1, 1, KV_HEADS * HEAD_DIM]),
      float("v", [1, 1, KV_HEADS * HEAD_DIM]),
      float("pastK", past),
      float("pastV", past),
      int("last", [1]),
      int("total", []),
    ],
    outputs: [float("y", [1, 1, HEADS * HEAD_DIM]), float("presentK", past), float("presentV", past)],
    initializers: [],
    nodes: [
      {
        op: "GroupQueryAttention",
        domain: "com.microsoft",
        name: "attention",
        inputs: ["q", "k", "v", "pastK", "pastV", "last", "total"],
        outputs: ["y", "presentK", "presentV"],
        attributes: { num_heads: { kind: "int", value: HEADS }, kv_num_heads: { kind: "int", value: KV_HEADS } },
      },
    ],
    metadata: {},
  };
}

interface OrtArm {
  readonly session: Session;
  run(): Promise<Float32Array>;
}

/** The same query and cache; the last cached token comes as the new one. */
async function createOrtArm(cache: Cache, threads: 1 | 2): Promise<OrtArm> {
  const capacity = Math.ceil((cache.length + 1) / 512) * 512;
  const session = await createSession(groupQueryGraph(capacity), { threads });
  const width = KV_HEADS * HEAD_DIM;
  const byHead = (data: Float32Array): Float32Array => {
    const past = new Float32Array(KV_HEADS * capacity * HEAD_DIM);
    for (let token = 0; token < cache.length - 1; token++) {
      for (let head = 0; head < KV_HEADS; head++) {
        const from = token * width + head * HEAD_DIM;
        past.set(data.subarray(from, from + HEAD_DIM), (head * capacity + token) * HEAD_DIM);
      }
    }
    return past;
  };
  const float = (data: Float32Array, dims: readonly number[]): TensorData => ({ dtype: "float32", dims, data });
  const pastDims = [1, KV_HEADS, capacity, HEAD_DIM];
  const last = (cache.length - 1) * width;
  const feeds = {
    q: float(cache.q, [1, 1, HEADS * HEAD_DIM]),
    k: float(cache.k.subarray(last, last + width), [1, 1, width]),
    v: float(cache.v.subarray(last, last + width), [1, 1, width]),
    pastK: float(byHead(cache.k), pastDims),
    pastV: float(byHead(cache.v), pastDims),
    last: { dtype: "int32", dims: [1], data: Int32Array.of(cache.length - 1) },
    total: { dtype: "int32", dims: [], data: Int32Array.of(cache.length) },
  } as const satisfies Record<string, TensorData>;
  return { session, run: async () => (await session.run(feeds)).y!.data as Float32Array };
}

async function timeMs(clock: Clock, repeats: number, work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const startMs = clock.nowMs();
    await work();
    times.push(clock.nowMs() - startMs);
  }
  return median(times);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0);
}

interface PointSamples {
  readonly kernel: number[];
  readonly loops: number[];
  readonly ort: number[];
  readonly multiHead: number[];
  readonly difference: number;
  readonly ortDifference: number;
  readonly scratchBytes: number;
}

/** All arms at one context length, interleaved. */
async function samplePoint(context: ClaimContext, length: number, rounds: number): Promise<PointSamples> {
  const { clock } = context;
  const random = createRandom(context.seed, `attention/${length}`);
  const grouped = drawCache(KV_HEADS, length, random);
  const multi = drawCache(HEADS, length, random);
  const kernel = await KernelArm.create(grouped, 1);
  const multiHead = await KernelArm.create(multi, 1);
  const ort = await createOrtArm(grouped, 1);
  try {
    const difference = largestDifference(kernel.attend(), naiveAttention(grouped));
    const ortDifference = largestDifference(kernel.attend(), await ort.run());
    const samples: PointSamples = {
      kernel: [],
      loops: [],
      ort: [],
      multiHead: [],
      difference,
      ortDifference,
      scratchBytes: kernel.scratchBytes,
    };
    for (let round = 0; round < rounds; round++) {
      samples.kernel.push(await timeMs(clock, 9, () => kernel.attend()));
      samples.loops.push(await timeMs(clock, 3, () => naiveAttention(grouped)));
      samples.ort.push(await timeMs(clock, 5, () => ort.run()));
      samples.multiHead.push(await timeMs(clock, 9, () => multiHead.attend()));
    }
    return samples;
  } finally {
    await kernel.kernel.dispose();
    await multiHead.kernel.dispose();
    await ort.session.release();
  }
}

interface Point {
  readonly length: number;
  readonly samples: PointSamples;
}

export async function measureAttention(context: ClaimContext): Promise<Measured[]> {
  const lengths = context.mode === "smoke" ? [128, 512] : [512, 1024, 2048, 4096];
  const rounds = { full: 15, quick: 7, smoke: 2 }[context.mode];
  const points: Point[] = [];
  for (const length of lengths) {
    context.progress(`attention at context ${length}`);
    points.push({ length, samples: await samplePoint(context, length, rounds) });
  }
  return [...timeLines(points), ...memoryLines(points)];
}

function timeLines(points: readonly Point[]): Measured[] {
  const first = points[0]!;
  const last = points.at(-1)!;
  const curve = points.map(({ length, samples }) => ({
    context: length,
    "kernel ms": median(samples.kernel),
    "plain loops ms": median(samples.loops),
    "ORT GroupQueryAttention ms": median(samples.ort),
    "16 KV heads ms": median(samples.multiHead),
    "scratch bytes": samples.scratchBytes,
  }));
  const line = { unit: "ms", better: "lower", kind: "live" } as const;
  const shape = `one row, ${HEADS} query heads of ${HEAD_DIM} over ${KV_HEADS} KV heads, 1 thread`;
  const copied = `Node copies ORT's cache; outputs differ by ${first.samples.ortDifference.toExponential(1)}`;
  return [
    compare(
      { ...line, metric: `attention kernel against plain TypeScript, context ${last.length}`, note: shape, curve },
      last.samples.kernel,
      last.samples.loops,
      5,
    ),
    compare(
      {
        ...line,
        metric: `attention kernel against ORT GroupQueryAttention, context ${first.length}`,
        note: `${shape}; ${copied}`,
      },
      first.samples.kernel,
      first.samples.ort,
      1,
    ),
    compare(
      {
        ...line,
        metric: `grouped against one KV head per query head, context ${last.length}`,
        note: shape,
        paper_says: "grouped-query attention",
      },
      last.samples.kernel,
      last.samples.multiHead,
      1,
    ),
  ];
}

function memoryLines(points: readonly Point[]): Measured[] {
  const first = points[0]!;
  const last = points.at(-1)!;
  const line = { better: "lower", kind: "live" } as const;
  const pageBytes = (kvHeads: number): number =>
    kvPageBytes({ layers: 1, kvHeads, headDim: HEAD_DIM, pageTokens: PAGE_TOKENS, pages: 1, format: "f32" });
  return [
    compare(
      { ...line, metric: "KV bytes of a page, grouped against multi-head", unit: "bytes", note: "as stored" },
      [pageBytes(KV_HEADS)],
      [pageBytes(HEADS)],
      4,
    ),
    absolute(
      {
        ...line,
        metric: "online softmax against all scores at once",
        unit: "largest difference",
        note: "over every context of the curve, unit-normal keys, values and queries",
      },
      [Math.max(...points.map(({ samples }) => samples.difference))],
      1e-4,
    ),
    absolute(
      {
        ...line,
        metric: `scratch memory, context ${last.length} over context ${first.length}`,
        unit: "×",
        note: "all scores at once would grow with the context",
      },
      [last.samples.scratchBytes / first.samples.scratchBytes],
      1.25,
    ),
  ];
}
