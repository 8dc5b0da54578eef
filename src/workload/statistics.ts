/** What a trace is like: rate and burstiness of its arrivals, its lengths, what its prompts share. */
import type { TraceHead, TraceRequest } from "./types.ts";

/** A sample in numbers; all NaN when it is empty. */
export interface SampleStatistics {
  readonly count: number;
  readonly mean: number;
  /** Standard deviation over mean. */
  readonly cv: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** A trace in numbers. */
export interface TraceStatistics {
  readonly requests: number;
  /** From the start of the trace to its last arrival. */
  readonly durationMs: number;
  readonly ratePerSecond: number;
  /** Between consecutive arrivals, milliseconds; its `cv` is the burstiness, 1 for Poisson. */
  readonly gaps: SampleStatistics;
  readonly promptTokens: SampleStatistics;
  readonly outputTokens: SampleStatistics;
  readonly totalPromptTokens: number;
  readonly totalOutputTokens: number;
  /** Shares of blocks and of prompt tokens that an unlimited prefix cache would find; 0 without hash ids. */
  readonly prefixHitBlocks: number;
  readonly prefixHitTokens: number;
  readonly sessions: number;
  readonly tasks: number;
  /** Requests by the class of their objective; "none" without one. */
  readonly classes: Readonly<Record<string, number>>;
}

/** Growing column of numbers. */
class Column {
  #values = new Float64Array(1024);
  #size = 0;

  push(value: number): void {
    if (this.#size === this.#values.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#size] = value;
    this.#size += 1;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#size).sort();
  }
}

/** The statistics of a trace; a stream is consumed. Keeps lengths and hash ids, not requests. */
export function traceStatistics(trace: TraceHead & { readonly requests: Iterable<TraceRequest> }): TraceStatistics {
  const [gaps, prompts, outputs] = [new Column(), new Column(), new Column()];
  const cache = new PrefixCount(trace.blockTokens);
  const sessions = new Set<number>();
  const tasks = new Set<number>();
  const classes: Record<string, number> = {};
  let [requests, lastMs] = [0, 0];
  for (const request of trace.requests) {
    if (requests > 0) gaps.push(request.arrivalMs - lastMs);
    lastMs = request.arrivalMs;
    requests += 1;
    prompts.push(request.promptTokens);
    outputs.push(request.outputTokens);
    cache.add(request);
    if (request.session !== undefined) sessions.add(request.session);
    if (request.task !== undefined) tasks.add(request.task.id);
    const kind = request.slo?.class ?? "none";
    classes[kind] = (classes[kind] ?? 0) + 1;
  }
  const promptTokens = sampleStatistics(prompts.sorted());
  const outputTokens = sampleStatistics(outputs.sorted());
  return {
    requests,
    durationMs: lastMs,
    ratePerSecond: (requests * 1000) / lastMs,
    gaps: sampleStatistics(gaps.sorted()),
    promptTokens,
    outputTokens,
    totalPromptTokens: Math.round(promptTokens.mean * requests) || 0,
    totalOutputTokens: Math.round(outputTokens.mean * requests) || 0,
    prefixHitBlocks: cache.hitBlocks,
    prefixHitTokens: cache.hitTokens,
    sessions: sessions.size,
    tasks: tasks.size,
    classes,
  };
}

/** What a cache that forgets nothing would find: of each prompt the leading blocks that came before. */
class PrefixCount {
  readonly #blockTokens: number;
  readonly #seen = new Set<number>();
  #blocks = 0;
  #tokens = 0;
  #foundBlocks = 0;
  #foundTokens = 0;

  constructor(blockTokens: number) {
    this.#blockTokens = blockTokens;
  }

  add({ promptTokens, hashIds }: TraceRequest): void {
    this.#tokens += promptTokens;
    if (hashIds === undefined) return;
    let found = 0;
    while (found < hashIds.length && this.#seen.has(hashIds[found]!)) found += 1;
    for (const id of hashIds) this.#seen.add(id);
    this.#blocks += hashIds.length;
    this.#foundBlocks += found;
    this.#foundTokens += Math.min(promptTokens, found * this.#blockTokens);
  }

  get hitBlocks(): number {
    return this.#blocks === 0 ? 0 : this.#foundBlocks / this.#blocks;
  }

  get hitTokens(): number {
    return this.#tokens === 0 ? 0 : this.#foundTokens / this.#tokens;
  }
}

/** The numbers of an ascending sample; quantiles by linear interpolation. */
export function sampleStatistics(sorted: Float64Array): SampleStatistics {
  const count = sorted.length;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / count;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  return {
    count,
    mean,
    cv: Math.sqrt(variance) / mean,
    min: sorted[0] ?? Number.NaN,
    p50: quantileOfSorted(sorted, 0.5),
    p90: quantileOfSorted(sorted, 0.9),
    p95: quantileOfSorted(sorted, 0.95),
    p99: quantileOfSorted(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** The q-quantile (0..1) of an ascending sample by linear interpolation; NaN for an empty one. */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = (sorted.length - 1) * q;
  const low = Math.floor(position);
  const high = Math.ceil(position);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (position - low);
}
