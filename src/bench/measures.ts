/**
 * Outcomes summed up as they come: latencies by the definitions of vLLM's benchmark, goodput, objectives by class,
 * failures by kind. Keeps numbers, not outcomes.
 *
 * TTFT   sending → first token. ITL: gaps between tokens; a chunk of n tokens after a gap g counts as n gaps of g/n.
 * ICL    gaps between chunks with tokens, as they came.
 * TPOT   (E2EL − TTFT) / (tokens − 1), for answers of two tokens or more (vLLM, DistServe).
 * TPOT₁  E2EL / tokens, the first one included (GuideLLM).
 * E2EL   sending → last token. Queue: due → sent, which is the client's lag, or its limit on requests under way.
 */
import type { RandomStream } from "../core/index.ts";
import { latencies } from "./latencies.ts";
import { SampleSink } from "./sample-sink.ts";
import { SloTally } from "./slo-tally.ts";
import type { FailureKind, Outcome, TokenCount } from "./types.ts";

/** Limits that make a request good, milliseconds; those that are absent do not count. */
export interface GoodputLimits {
  readonly ttft?: number;
  readonly tpot?: number;
  readonly e2el?: number;
}

/** What is summed up over requests (or gaps). */
export const METRICS = ["ttft", "tpot", "itl", "icl", "e2el", "tpot_first", "queue"] as const;
/** The name of a metric. */
export type Metric = (typeof METRICS)[number];

/** Failures of one kind. */
export interface FailureCount {
  readonly kind: FailureKind;
  readonly status: number;
  readonly count: number;
  /** What the first one said. */
  readonly example: string;
  /** The longest that a server asked to wait. */
  readonly retryAfterMs: number | null;
}

/** Values of a kind that are kept for percentiles; beyond it they are a sample. */
const SAMPLE_LIMIT = 1_000_000;
/** Kinds of failures told apart. */
const MAX_FAILURE_KINDS = 64;

/** The running sums of a run. */
export class RunMeasures {
  readonly samples: Readonly<Record<Metric, SampleSink>>;
  readonly slo: SloTally = new SloTally();
  readonly #goodput: GoodputLimits;
  readonly #failures = new Map<string, { first: Outcome; count: number; retryAfterMs: number | null }>();
  readonly #counted = new Set<TokenCount>();
  readonly #tokensBySecond: number[] = [];
  completed = 0;
  failed = 0;
  cancelled = 0;
  good = 0;
  goodTokens = 0;
  promptTokens = 0;
  outputTokens = 0;
  /** Answers shorter than asked for; their load is less than intended. */
  shortAnswers = 0;

  /** @param random is for choosing what to keep beyond the limit. */
  constructor(goodput: GoodputLimits, random: RandomStream) {
    this.#goodput = goodput;
    const sinks = METRICS.map((metric) => [metric, new SampleSink(SAMPLE_LIMIT, random.fork(metric))] as const);
    this.samples = Object.fromEntries(sinks) as Record<Metric, SampleSink>;
  }

  add(outcome: Outcome): void {
    this.slo.add(outcome);
    if (outcome.failure !== null) this.#addFailure(outcome, outcome.failure.retryAfterMs);
    else if (outcome.cancelled) this.cancelled += 1;
    else this.#addSuccess(outcome);
  }

  /** Kinds of failures, the most frequent first. */
  failures(): readonly FailureCount[] {
    const counts = [...this.#failures.values()].map(({ first, count, retryAfterMs }) => {
      const { kind, status, message } = first.failure!;
      return { kind, status, count, example: message, retryAfterMs };
    });
    return counts.toSorted((a, b) => b.count - a.count);
  }

  /** How tokens were counted, over all answers. */
  counted(): readonly TokenCount[] {
    return [...this.#counted].toSorted();
  }

  /** The most tokens that came within a second of the run's clock. */
  peakTokensPerSecond(): number {
    return this.#tokensBySecond.reduce((most, tokens) => Math.max(most, tokens ?? 0), 0);
  }

  #addFailure(outcome: Outcome, retryAfterMs: number | null): void {
    this.failed += 1;
    const { kind, status } = outcome.failure!;
    const key = `${kind} ${status}`;
    const known = this.#failures.get(key);
    if (known === undefined) {
      if (this.#failures.size < MAX_FAILURE_KINDS) this.#failures.set(key, { first: outcome, count: 1, retryAfterMs });
      return;
    }
    known.count += 1;
    known.retryAfterMs = retryAfterMs === null ? known.retryAfterMs : Math.max(known.retryAfterMs ?? 0, retryAfterMs);
  }

  #addSuccess(outcome: Outcome): void {
    const { ttftMs, tpotMs, e2elMs, queueMs } = latencies(outcome);
    const tokens = outcome.outputTokens;
    this.completed += 1;
    this.promptTokens += outcome.promptTokens ?? outcome.request.promptTokens;
    this.outputTokens += tokens;
    this.#counted.add(outcome.counted);
    if (tokens < outcome.request.outputTokens) this.shortAnswers += 1;
    const { samples } = this;
    samples.ttft.add(ttftMs);
    samples.e2el.add(e2elMs);
    samples.queue.add(queueMs);
    if (tpotMs !== null) samples.tpot.add(tpotMs);
    if (tokens > 0) samples.tpot_first.add(e2elMs / tokens);
    this.#addGaps(outcome);
    const { ttft = Infinity, tpot = Infinity, e2el = Infinity } = this.#goodput;
    if (ttftMs <= ttft && (tpotMs ?? 0) <= tpot && e2elMs <= e2el) {
      this.good += 1;
      this.goodTokens += tokens;
    }
  }

  #addGaps({ chunkMs, chunkTokens }: Outcome): void {
    for (let i = 0; i < chunkMs.length; i++) {
      const second = Math.floor(chunkMs[i]! / 1000);
      this.#tokensBySecond[second] = (this.#tokensBySecond[second] ?? 0) + chunkTokens[i]!;
      if (i === 0) continue;
      const gapMs = chunkMs[i]! - chunkMs[i - 1]!;
      this.samples.icl.add(gapMs);
      for (let j = 0; j < chunkTokens[i]!; j++) this.samples.itl.add(gapMs / chunkTokens[i]!);
    }
  }
}
