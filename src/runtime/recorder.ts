/**
 * Writes down what an engine's loop took notice of, line by line, so that the run can be replayed elsewhere decision by
 * decision: requests, steps with their times and decisions, cancellations and pauses, ends. It changes nothing and
 * keeps nothing but the lines of the step that is under way.
 *
 * Tokens are written as block ids, 52 bits of the hash chain over full pages: enough to know what shares what, not what
 * it said. Under a salt that nobody knows, ids cannot be compared with those of guessed texts or of other recordings. Where
 * the engine predicts lengths, a request also carries what the predictor is told: counts of its tokens in 62 hash buckets,
 * under the same salt. The live predictor is told these very counts, so that a replay learns what it learnt.
 */
import { hashBlock, rootHash } from "../llm/index.ts";
import {
  lengthFeatures,
  type CostPoints,
  type DecisionLogEntry,
  type LengthFeatures,
  type PolicyOptions,
  type SchedulerLimits,
} from "../sched/index.ts";
import {
  RECORDING_VERSION,
  type RecordedEndReason,
  type RecordedStage,
  type RecordingHead,
  type RecordingLine,
} from "../workload/index.ts";
import type { SequenceEnd, SequenceSpec } from "./messages.ts";
import { SecretIds } from "./secret-ids.ts";
import type { LiveSequence } from "./sequence.ts";
import type { RequestEnd } from "./types.ts";

/** What a replay needs besides the lines: the engine's facts before its first step. */
export interface RecordedEngine {
  readonly pages: number;
  readonly pageTokens: number;
  readonly prefixCache: boolean;
  readonly limits: SchedulerLimits;
  /** What was known of the cost of steps. */
  readonly cost: CostPoints;
  readonly policyOptions?: PolicyOptions;
  /** Seed of the outlook that learns; absent: nothing is learnt but a mean. */
  readonly predictorSeed?: number;
}

const HEX_DIGITS = 13;
const REASONS: Readonly<Record<RequestEnd, RecordedEndReason>> = {
  stop: "stop",
  length: "length",
  abort: "cancelled",
  error: "failed",
  expired: "expired",
  rejected: "rejected",
};

/** One id per full page of `tokens`; equal ids stand for equal pages after equal pages. */
export function blockIds(tokens: ArrayLike<number>, pageTokens: number, salt = ""): number[] {
  const ids: number[] = [];
  let hash = rootHash(salt);
  for (let at = 0; at + pageTokens <= tokens.length; at += pageTokens) {
    hash = hashBlock(hash, tokens, at, at + pageTokens);
    ids.push(Number.parseInt(hash.slice(0, HEX_DIGITS), 16));
  }
  return ids;
}

/** How a recorder may differ from the plain one. */
export interface LoopRecorderOptions {
  /** Of the block ids and the features; none when absent. */
  readonly salt?: string;
  /** Whether the step that begins is to be written with its decision, which is most of the work; always when absent. */
  readonly wantsDecision?: () => boolean;
  /** Write what a predictor of lengths is told of each prompt; false when absent. */
  readonly features?: boolean;
}

/** See the head of this file. `sink` gets each line in order. */
export class LoopRecorder {
  readonly #sink: (line: RecordingLine) => void;
  readonly #pageTokens: number;
  readonly #salt: string;
  readonly #wantsDecision: () => boolean;
  /** Null: no features. */
  readonly #secret: SecretIds | null;
  /** Lines of what came while a step ran: they follow it, because it did not see them. */
  #late: RecordingLine[] | null = null;

  constructor(sink: (line: RecordingLine) => void, pageTokens: number, options: LoopRecorderOptions = {}) {
    this.#sink = sink;
    this.#pageTokens = pageTokens;
    this.#salt = options.salt ?? "";
    this.#wantsDecision = options.wantsDecision ?? (() => true);
    this.#secret = options.features === true ? new SecretIds(`features ${this.#salt}`) : null;
  }

  /** Asked once per step. */
  get wantsDecision(): boolean {
    return this.#wantsDecision();
  }

  head(facts: Pick<RecordingHead, "name" | "model" | "policy" | "startedAt">, engine: RecordedEngine): void {
    const head: RecordingHead = {
      kind: "head",
      version: RECORDING_VERSION,
      ...facts,
      blockTokens: this.#pageTokens,
      engine,
    };
    this.#sink(head);
  }

  /** @returns the features that are to stand for the prompt wherever lengths are predicted; undefined where none are. */
  request(spec: SequenceSpec): LengthFeatures | undefined {
    const { seq, arrivalMs, promptTokens, maxTokens, slo, task } = spec;
    const features = this.#secret === null ? undefined : lengthFeatures(this.#secret.of(promptTokens), maxTokens);
    this.#write({
      kind: "request",
      id: seq,
      atMs: arrivalMs,
      promptTokens: promptTokens.length,
      maxTokens,
      slo,
      ...(task === undefined ? {} : { task }),
      hashIds: blockIds(promptTokens, this.#pageTokens, this.#salt),
      ...(features === undefined ? {} : { features: [...features] }),
    });
    return features;
  }

  moved(kind: "cancel" | "pause" | "resume", seq: number, atMs: number): void {
    this.#write({ kind, id: seq, atMs });
  }

  beginStep(): void {
    this.#late = [];
  }

  step(entry: DecisionLogEntry | null, step: number, startMs: number, tokenMs: number, stepMs: number): void {
    const late = this.#late ?? [];
    this.#late = null;
    this.#sink({
      kind: "step",
      step,
      atMs: startMs,
      stepMs,
      tokenMs,
      ...(entry === null ? {} : { decision: entry }),
    });
    for (const line of late) this.#sink(line);
  }

  /** @param detail that the deadline cut the answer, or what a failed request was at. */
  end(sequence: LiveSequence, { end, timing, completionTokens }: SequenceEnd, detail?: "cut" | RecordedStage): void {
    const reason = detail === "cut" ? "cut" : REASONS[end];
    this.#write({
      kind: "end",
      id: sequence.spec.seq,
      atMs: timing.endMs,
      reason,
      outputTokens: completionTokens,
      firstTokenMs: timing.firstTokenMs,
      hashIds: blockIds(sequence.known, this.#pageTokens, this.#salt),
      ...(detail === undefined || detail === "cut" ? {} : { stage: detail }),
    });
  }

  #write(line: RecordingLine): void {
    if (this.#late === null) this.#sink(line);
    else this.#late.push(line);
  }
}
