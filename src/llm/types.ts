/**
 * The vocabulary of a decoding step. A step is a ragged list of sequences, each advancing by some
 * tokens; there is no prefill and no decode here. Positions are absolute, counted in tokens from the
 * start of the sequence; pages are ids in the paged cache, in sequence order.
 */
import type { Clock } from "../core/index.ts";
import type { PackedWeights } from "../graph/index.ts";
import type { DecoderConfig } from "./config.ts";
import type { LoraLimits } from "./lora/index.ts";
import type { RouteSet } from "./routes/route-set.ts";
import type { RowPlace } from "./routes/units.ts";

/** One sequence's part of a step. */
export interface StepRow {
  /** Tokens to compute now, 1 or more. */
  readonly tokens: ArrayLike<number>;
  /** Absolute position of tokens[0]; keys and values of all earlier positions are in `pages` already. */
  readonly startPosition: number;
  /** Page ids in order; they cover at least startPosition + tokens.length positions. May be longer. */
  readonly pages: Int32Array;
  /** Which of the tokens give scores for their successor. Only the layers below the head are skipped for the others. */
  readonly wantLogits: "none" | "last" | "all";
  /** Form of the scores; default: `{ top: true }` at temperature 1. See ScoreForm. */
  readonly scores?: ScoreForm;
  /** The adapter of its tokens, by the number that `addAdapter` was given; absent: none. */
  readonly adapter?: number;
  /** Layers that its tokens leave out, and how its pages are filled; absent: none are left out. Not with an adapter. */
  readonly route?: RowPlace;
}

/** The sequences that advance in one step, in any order. */
export type StepBatch = readonly StepRow[];

/** What a step gives besides scores. */
export interface StepWants {
  /** The states behind its scores, where the executor was made with them: nobody need pay for those that nobody drafts from. True when absent. */
  readonly states?: boolean;
}

/** What a sampler needs of each distribution (see Sampler.wants). */
export interface ScoreForm {
  /** True: the whole row of logits. Otherwise the best `topK` of the executor and a log-sum-exp. */
  readonly row: boolean;
  /** The log-sum-exp is of logits times this; default 1. */
  readonly inverseTemperature?: number;
}

/** Scores as best tokens and one sum over all. */
export interface TopScores {
  readonly kind: "top";
  /** Best tokens, by logit descending, then by id ascending. */
  readonly ids: Int32Array;
  /** Their logits. */
  readonly logits: Float32Array;
  /** log of the sum over the vocabulary of exp(logit * inverseTemperature), to float32. */
  readonly logSumExp: number;
  readonly inverseTemperature: number;
  readonly vocabSize: number;
}

/** Scores as a whole row. */
export interface RowScores {
  readonly kind: "row";
  /** One logit per token id. */
  readonly logits: Float32Array;
}

/** Scores of the successors of one token. Valid after the step, never overwritten. */
export type TokenScores = TopScores | RowScores;

/** What the last boundary of a step made a token's scores from: enough to have its whole row later, on any thread. */
export interface KeptRow {
  /** [heads x headDim] */
  readonly attended: Float32Array;
  /** [hidden] */
  readonly x: Float32Array;
  /** The adapter of its token; absent: none. */
  readonly adapter?: number;
  /** Its row has left layers out. */
  readonly routed?: true;
}

/** What a step computed. */
export interface StepResult {
  /** One entry per sequence of the batch: no scores for "none", one for "last", one per token for "all". */
  readonly scores: readonly (readonly TokenScores[])[];
}

/** Storage of the linear layers: exact, or packed with activations in int8 (accuracy level 4). */
export type WeightsFormat = "f32" | "int8" | "int4";
/** Storage of cached keys and values: exact, or int8 with a scale per token and head. */
export type KvFormat = "f32" | "int8";

/** Named weights, float32 row-major, by the names of config.ts. */
export interface WeightSource {
  /** @throws PunctualError invalid_file when missing or of another shape. */
  get(name: string, dims: readonly number[]): Float32Array;
  /**
   * The matrix [out, in] as it is stored, when that is in blocks which MatMulNBits computes with; null when it is not.
   * Unpacked, it is what `get` gives, bit by bit. @throws PunctualError as `get` does.
   */
  packed?(name: string, dims: readonly number[]): PackedWeights | null;
  /**
   * Says which numbers `get` and `packed` give, without reading them: equal identities, equal numbers. Absent: only
   * the numbers say. @throws PunctualError as `get` does.
   */
  identity?(name: string, dims: readonly number[]): string;
}

/** Size and storage of the paged cache. */
export interface KvOptions {
  readonly format: KvFormat;
  /** Pages of the cache. */
  readonly pages: number;
  /** Tokens per page; a power of two is best, default 16. */
  readonly pageTokens: number;
}

/** What StepExecutor.create takes. */
export interface StepExecutorOptions {
  readonly config: DecoderConfig;
  readonly weights: WeightSource;
  /** Storage of the linear layers. Embeddings are looked up in 8 bits, or as their file has them, unless this is f32; norms stay float32. */
  readonly weightsFormat: WeightsFormat;
  /** Inputs per quantisation scale. Default: 128 for wide models (512 and more) where it divides every layer, else 32. */
  readonly blockSize?: 32 | 128;
  /** Compute threads, 1 or 2. */
  readonly threads: number;
  readonly kv: KvOptions;
  /** Most tokens in one step; default 512. */
  readonly maxRows?: number;
  /** Best tokens returned per score, default 64 (at most the vocabulary). */
  readonly topK?: number;
  /** Absolute folder of the packed, mapped weight cache; absent: weights stay private to the process. */
  readonly weightCacheDir?: string;
  readonly attention?: {
    /**
     * Chunks of at least this many rows are attended by ONNX Runtime: faster, but their last bits depend on the
     * chunk. Infinity: never, everything is exact. Default "calibrate" with a clock, else 32.
     */
    readonly ortRowThreshold?: number | "calibrate";
  };
  /** Needed for "calibrate" only. */
  readonly clock?: Clock;
  /** Executors, of other threads, that will attach to the cache of this one, itself included; 1 when absent. */
  readonly sharedViews?: number;
  /** Computes over the cache of another executor: its `kvMemory` and `sharedViews`, and a view from 1 on that nobody has. */
  readonly attachTo?: { readonly memory: WebAssembly.Memory; readonly views: number; readonly view: number };
  /** Rows may have adapters, of at most so many at a time; absent: none, and graphs without them. */
  readonly lora?: LoraLimits;
  /** Sequences may leave layers out; absent: none do. */
  readonly routes?: RouteSet;
  /**
   * Where the low-rank weights of routes are: merged into weights that are held beside the model's own, or inputs of the
   * model's own sessions, which takes no memory and a little of every step. By the size of the model when absent; inputs where
   * rows may have adapters.
   */
  readonly routeWeights?: "merged" | "inputs";
  /** Without a head: `hidden` instead of `step`, for models whose final states are embeddings. False when absent. */
  readonly embedding?: boolean;
  /** Keep the states behind the scores of a step, for who drafts from them (StepRun.state). False when absent. */
  readonly states?: boolean;
}

/** How tokens are chosen; see sampler.ts for the order in which the options act. */
export interface SamplingOptions {
  /** 0 is greedy; default 1. At most 100. */
  readonly temperature?: number;
  /** Only the k best tokens; 0 or absent: all. */
  readonly topK?: number;
  /** Only the smallest set of best tokens with at least this share of the probability left by topK and minP; 0..1. */
  readonly topP?: number;
  /** Only tokens at least this probable relative to the best; 0..1. */
  readonly minP?: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or output; 1 is off. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from tokens that the output holds. */
  readonly presencePenalty?: number;
  /** Subtracted per occurrence in the output. */
  readonly frequencyPenalty?: number;
  /** Added to the logits of these token ids. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Same seed, same text, whatever else runs. */
  readonly seed?: number;
  /** Absent: none. Else the chosen token's log-probability and those of the n best (0: only the chosen). */
  readonly logprobs?: number;
}

/** Log-probabilities are the model's own: temperature 1, before penalties, bias and cuts. */
export interface TokenLogprobs {
  readonly logprob: number;
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** A chosen token. */
export interface SampledToken {
  readonly id: number;
  readonly logprobs: TokenLogprobs | null;
}
