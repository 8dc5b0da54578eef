/**
 * Writes down what an engine's loop took notice of, line by line, so that the run can be replayed elsewhere decision by
 * decision: requests, steps with their times and decisions, cancellations and pauses, ends. It changes nothing and
 * keeps nothing but the lines of the step that is under way.
 *
 * Tokens are written as block ids, 52 bits of the hash chain over full pages: enough to know what shares what, not what
 * it said. Under a salt that nobody knows, ids cannot be compared with those of guessed texts or of other recordings. Where
 * the engine predicts lengths, a request also carries what the predictor is told: counts of its tokens in 62 hash buckets,
 * under the same salt. The live predictor is told these very counts, so that a replay learns what it learnt.
 *
 * Where requests name adapters, their names are written, and ids of blocks under them are their own; where layers may be left
 * out, what was asked is written, and which were, once that is decided.
 *
 * Where phases are apart each lane has a recorder of its own over the same lines. Lanes' steps overlap, so there a step has
 * a line for its beginning and one for its end, and everything is written when it happens; elsewhere a step is one line.
 */
import { hashBlock, rootHash } from "../llm/index.ts";
import {
  lengthFeatures,
  type CostPoints,
  type DecisionLogEntry,
  type LengthFeatures,
  type OutlookKind,
  type Phase,
  type PolicyOptions,
  type SchedulerLimits,
} from "../sched/index.ts";
import {
  RECORDING_VERSION,
  type RecordedDraft,
  type RecordedEndReason,
  type RecordedStage,
  type RecordingHead,
  type RecordingLine,
} from "../workload/index.ts";
import { cacheRoot } from "./cache-root.ts";
import type { SequenceEnd, SequenceSpec } from "./messages.ts";
import type { RouteUse } from "./routes/options.ts";
import { SecretIds } from "./secret-ids.ts";
import type { LiveSequence } from "./sequence.ts";
import type { RequestEnd } from "./types.ts";

/** One lane of an engine whose phases are apart: whose thread computes, and what. Its number is its place in the list. */
export interface RecordedLane {
  readonly worker: Phase;
  readonly phase: Phase;
  readonly limits: SchedulerLimits;
  /** What was known of the cost of its steps. */
  readonly cost: CostPoints;
}

/** What a lane may use when a step of it begins. */
export interface LaneRoom {
  readonly maxRunning: number;
  readonly reservedPages: number;
}

/** A step as it went. */
export interface FinishedStep {
  /** Null where the decision is not to be written. */
  readonly entry: DecisionLogEntry | null;
  readonly step: number;
  readonly startMs: number;
  readonly tokenMs: number;
  readonly stepMs: number;
  /** Null where nobody drafts. */
  readonly drafts: readonly RecordedDraft[] | null;
  readonly draftingMs: number;
}

/** What a replay needs besides the lines: the engine's facts before its first step. */
export interface RecordedEngine {
  /** Of the cache; of that of the prompts where there are two. */
  readonly pages: number;
  /** Of the decodes' cache, where it is one of its own. */
  readonly decodePages?: number;
  /** Where phases are apart. */
  readonly lanes?: readonly RecordedLane[];
  readonly pageTokens: number;
  readonly prefixCache: boolean;
  readonly limits: SchedulerLimits;
  /** What was known of the cost of steps. */
  readonly cost: CostPoints;
  readonly policyOptions?: PolicyOptions;
  /** What policies are told of requests at first. */
  readonly outlook?: OutlookKind;
  /** Seed of an outlook that learns; absent: nothing is learnt but a mean. */
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
  /** The name of an adapter by its number; the number itself when absent. */
  readonly adapterName?: (id: number) => string;
}

/** See the head of this file. `sink` gets each line in order. */
export class LoopRecorder {
  readonly #sink: (line: RecordingLine) => void;
  readonly #pageTokens: number;
  readonly #options: LoopRecorderOptions;
  readonly #salt: string;
  readonly #wantsDecision: () => boolean;
  /** Null: no features. */
  readonly #secret: SecretIds | null;
  /** Null: there is one loop, and its steps do not overlap. */
  readonly #lane: { readonly number: number; readonly room: () => LaneRoom } | null;
  /** Lines of what came while a step ran: they follow it, because it did not see them. */
  #late: RecordingLine[] | null = null;

  constructor(
    sink: (line: RecordingLine) => void,
    pageTokens: number,
    options: LoopRecorderOptions = {},
    lane: { readonly number: number; readonly room: () => LaneRoom } | null = null,
  ) {
    this.#sink = sink;
    this.#pageTokens = pageTokens;
    this.#options = options;
    this.#salt = options.salt ?? "";
    this.#wantsDecision = options.wantsDecision ?? (() => true);
    this.#secret = options.features === true ? new SecretIds(`features ${this.#salt}`) : null;
    this.#lane = lane;
  }

  /** The recorder of one of several lanes, over the same lines. @param room what it may use when a step begins */
  lane(number: number, room: () => LaneRoom): LoopRecorder {
    return new LoopRecorder(this.#sink, this.#pageTokens, this.#options, { number, room });
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
    const { seq, arrivalMs, promptTokens, maxTokens, slo, task, cacheSalt, adapter, route } = spec;
    const features = this.#secret === null ? undefined : lengthFeatures(this.#secret.of(promptTokens), maxTokens);
    this.#write({
      kind: "request",
      id: seq,
      atMs: arrivalMs,
      promptTokens: promptTokens.length,
      maxTokens,
      slo,
      ...(task === undefined ? {} : { task }),
      hashIds: this.#blockIds(promptTokens, cacheRoot(cacheSalt, adapter)),
      ...(features === undefined ? {} : { features: [...features] }),
      ...(adapter === undefined ? {} : { adapter: this.#options.adapterName?.(adapter) ?? String(adapter) }),
      ...route,
    });
    return features;
  }

  /** By which layers a sequence goes from here on. */
  routed(seq: number, { layers, skipped }: RouteUse): void {
    this.#write({ kind: "route", id: seq, layers, skipped });
  }

  moved(kind: "cancel" | "pause" | "resume", seq: number, atMs: number): void {
    this.#write({ kind, id: seq, atMs });
  }

  /** Between steps: another policy decides. @param outlook what it is told of requests; absent: as before */
  switched(policy: string, options: PolicyOptions, outlook: OutlookKind | undefined, atMs: number): void {
    const told = outlook === undefined ? {} : { outlook };
    this.#write({ kind: "policy", atMs, policy, options, ...told });
  }

  /** Outside steps: a running sequence goes on in another lane. */
  moveTo(seq: number, lane: number): void {
    this.#write({ kind: "move", id: seq, lane });
  }

  /** The copy of a sequence to the decodes' cache, its pages there taken, has begun or is done. */
  handover(seq: number, state: "begun" | "done"): void {
    this.#write({ kind: "handover", id: seq, state });
  }

  /** A running sequence went back to the queue, unplanned. */
  retracted(seq: number): void {
    this.#write({ kind: "retract", id: seq });
  }

  beginStep(startMs: number): void {
    if (this.#lane === null) this.#late = [];
    else this.#sink({ kind: "begin", lane: this.#lane.number, atMs: startMs, ...this.#lane.room() });
  }

  /** Keys and values of a step are in place. */
  computed(): void {
    if (this.#lane !== null) this.#sink({ kind: "computed", lane: this.#lane.number });
  }

  step({ entry, step, startMs, tokenMs, stepMs, drafts, draftingMs }: FinishedStep): void {
    const late = this.#late ?? [];
    this.#late = null;
    this.#sink({
      kind: "step",
      step,
      ...(this.#lane === null ? {} : { lane: this.#lane.number }),
      atMs: startMs,
      stepMs,
      tokenMs,
      ...(drafts === null || drafts.length === 0 ? {} : { drafts }),
      ...(draftingMs === 0 ? {} : { draftingMs }),
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
      hashIds: this.#blockIds(sequence.known, sequence.salt),
      ...(detail === undefined || detail === "cut" ? {} : { stage: detail }),
    });
  }

  /** What is shared under other roots of the cache is something else. */
  #blockIds(tokens: ArrayLike<number>, root: string): number[] {
    return blockIds(tokens, this.#pageTokens, root === "" ? this.#salt : `${this.#salt} ${root}`);
  }

  #write(line: RecordingLine): void {
    if (this.#late === null) this.#sink(line);
    else this.#late.push(line);
  }
}
