/**
 * The runtime's public vocabulary: what is asked of an engine, what streams back, and what it reports
 * about itself. Plain data only, because everything here crosses a thread border.
 */
import type {
  Compute,
  DecoderConfig,
  GrammarSpec,
  KvFormat,
  LoraLimits,
  SamplingOptions,
  TokenLogprobs,
  WeightsFormat,
} from "../llm/index.ts";
import type { RouteUse } from "./routes/options.ts";
import type { LoraOptions } from "./lora/options.ts";
import type { DisaggregatedOptions, PhasesMode, PhaseStats, SemiPdOptions } from "./phases/options.ts";
import type { RecordingOptions, RecordingStatus } from "./recording-file.ts";
import type { SpeculationOptions } from "./speculation/options.ts";
import type { DraftCount, DraftUse } from "./speculation/types.ts";
import type { OutlookKind, Phase, PolicyOptions, Slo, SloClass, SloOutcome } from "../sched/index.ts";
import type { ErrorCode } from "../core/index.ts";

/** A model on disk. */
export interface ModelSource {
  /** A folder with config.json, tokenizer.json and safetensors in Hugging Face's layout, or the path of a GGUF file. */
  readonly dir: string;
}

/** A decoder with seeded random weights and the byte tokenizer: for tests and measurements. */
export interface RandomModelSource {
  readonly random: DecoderConfig;
  readonly seed: number;
}

/** How an embedding model turns a text into a vector: the state of its last token after the last norm, unit length. */
export interface EmbeddingOptions {
  /** Lengths a vector may be cut to: its own only, any up to it (Matryoshka training), or these. "full" when absent. */
  readonly dimensions?: "full" | "any" | readonly number[];
  /** Token ids that go before and after every text, as the model was trained; none when absent. */
  readonly before?: readonly number[];
  readonly after?: readonly number[];
}

/** How one text is embedded, and until when. */
export interface EmbedOptions extends Pick<GenerateRequest, "id" | "arrivalMs" | "slo" | "task"> {
  /** Length of the vector; the model's own when absent. */
  readonly dimensions?: number;
  readonly signal?: AbortSignal;
}

/**
 * How to start an engine. Only `model` is needed. Counts are integers from 1, times are above 0; `Engine.start` throws
 * `invalid_request` naming the field otherwise. Of `kvPages` and `kvBytes` the first counts when both are given.
 */
export interface EngineOptions {
  readonly model: ModelSource | RandomModelSource;
  /** Name in stats and metrics; "model" when absent. */
  readonly name?: string;
  /** How linear layers are stored and computed; "f32" when absent. */
  readonly weights?: WeightsFormat;
  /** Compute threads, 1 or 2; 1 when absent. */
  readonly threads?: 1 | 2;
  /** KV cache size in pages, or in bytes. Default: 16 full contexts, at most 512 MiB. */
  readonly kvPages?: number;
  readonly kvBytes?: number;
  /** Most tokens of prompt and answer together, where the model itself allows more; sizes the default KV cache. */
  readonly contextTokens?: number;
  readonly kvFormat?: KvFormat;
  /** Tokens per KV page; 16 when absent. */
  readonly pageTokens?: number;
  /** Most sequences computed at once; 32 when absent. */
  readonly maxRunning?: number;
  /** Most requests queued; the next one is refused with `queue_full`. 256 when absent. */
  readonly maxWaiting?: number;
  /** Most tokens in one step; calibrated at start when absent. */
  readonly budgetTokens?: number;
  /** Most tokens of one sequence in one step; the budget when absent. */
  readonly maxChunk?: number;
  /** What a step should last at most when the budget is calibrated, milliseconds; 25 when absent. */
  readonly targetStepMs?: number;
  /** Scheduling policy by name; "fifo" when absent. */
  readonly policy?: string;
  /** Settings of that policy; its own defaults when absent. */
  readonly policyOptions?: PolicyOptions;
  /**
   * What policies are told of requests beyond themselves: "learning" predicts answer lengths from the requests that have
   * finished, and cuts the deadlines of compound tasks into those of their stages. When absent, "learning" for policies
   * that rest on it (`jitserve`, `shortest-predicted`) and "mean", which costs nothing, for all others.
   */
  readonly outlook?: OutlookKind;
  /**
   * Most tokens that one step can hold: memory for a step is set aside for that many. It matters to policies that compute
   * prompts whole. When absent, for those the context (at most 2048) and a token for each running sequence, else 512;
   * never below the budget.
   */
  readonly maxStepTokens?: number;
  /** Reuse KV of equal prefixes; true when absent. */
  readonly prefixCache?: boolean;
  /**
   * Attend every chunk with the kernel whose bits do not depend on chunking: the same seed then gives
   * the same text bit by bit whatever else runs. Otherwise long chunks take the faster path, within
   * 1e-6 on logits. False when absent.
   */
  readonly exact?: boolean;
  /** Objective of requests that bring none; best effort when absent. */
  readonly defaultSlo?: Slo;
  /** Unread events of one stream before its sequence is paused; 256 when absent. */
  readonly streamBuffer?: number;
  /** How long a stream may stay paused unread before it is aborted, milliseconds; 30 000 when absent. */
  readonly stallMs?: number;
  /** Check guesses at several next tokens in one step, see speculation/options.ts; off when absent. Colocated engines only. */
  readonly speculation?: SpeculationOptions;
  /**
   * A file that keeps what a policy learns of lengths and tasks across restarts; it ends with the engine when absent. Not of
   * a recorded engine, whose replay begins with nothing learnt, and of colocated engines only.
   */
  readonly policyState?: string;
  /** Write down all that a replay needs, until the engine stops. Colocated engines only. */
  readonly record?: RecordingOptions;
  /** Keep the last N scheduling decisions for `engine.decisions()`; 0 (none) when absent. */
  readonly recordDecisions?: number;
  /**
   * Serve `embed` instead of `submit`. When absent, a folder that says so (modules.json with last-token pooling) is an
   * embedding model, everything else is not.
   */
  readonly embedding?: EmbeddingOptions;
  /** Which threads compute prompts and which decodes, see phases/options.ts; "colocated" (one thread of work for both) when absent. */
  readonly phases?: PhasesMode;
  /** Of `phases: "semi-pd"` only. */
  readonly semiPd?: SemiPdOptions;
  /** Of `phases: "disaggregated"` only. */
  readonly disaggregated?: DisaggregatedOptions;
  /** Low-rank adapters that requests may ask for by name; none when absent. Colocated engines only, and none that are recorded. */
  readonly lora?: LoraOptions;
  /**
   * Sequences freeze after their first token and wait for another engine to take them over (`transfers.onLeaving`), so that this
   * one computes prompts only; their pages stay here until then. Whom nobody takes within `transferTimeoutMs` goes on here.
   * Colocated engines that are not recorded only.
   */
  readonly handOff?: "after-first-token";
  /** After so long without a call, what is moving in or out (`transfers`) is given up, milliseconds; 30 000 when absent. */
  readonly transferTimeoutMs?: number;
  /**
   * A folder of layer routes (`punctual fit route`): requests may then leave layers out. When absent, the folder `routes` beside
   * the model's weights, if there is one; null: none. Colocated engines only, and none that are recorded.
   */
  readonly routes?: string | null;
  /** Check every invariant after each step, not only when idle. For tests. */
  readonly checkEachStep?: boolean;
  /** Absolute folder for packed, mapped weights shared by sessions and processes. */
  readonly weightCacheDir?: string;
}

/** Where a request stands in a compound task: several requests that depend on one another. */
export interface RequestTask {
  /** What all requests of the task have in common; 1 to 256 characters. */
  readonly id: string;
  /** Counted from 0 along the chain of dependencies. */
  readonly stage: number;
}

/**
 * One prompt and what is wanted for it, as token ids: text and chat templates are the caller's (`engine.tokenizer`).
 * Prompt and answer share the model's context; a prompt that leaves no room is refused.
 */
export interface GenerateRequest {
  /** Appears in logs; made up when absent. */
  readonly id?: string;
  /** At least one token. */
  readonly promptTokens: readonly number[];
  /** When the request reached the server, in `liveClock` milliseconds; the moment of submit when absent. */
  readonly arrivalMs?: number;
  /** Most tokens to generate, at least 1; clipped to what the context has room for. */
  readonly maxTokens: number;
  /** The end token is barred before that many tokens; 0 when absent. */
  readonly minTokens?: number;
  readonly sampling?: SamplingOptions;
  /** Generation ends before the first of these strings; they are not part of the text. */
  readonly stop?: readonly string[];
  readonly slo?: Slo;
  /** The compound task that it is part of. Its objective counts from its own arrival all the same. */
  readonly task?: RequestTask;
  /** Most tokens inside a thinking section; when used up the engine closes the section itself. */
  readonly thinkingBudget?: number;
  /** Do not stop at the end token. */
  readonly ignoreEos?: boolean;
  /**
   * Its answer is wanted whole, nobody reads along: a fleet may keep it safe until it is done. The same key and the same
   * request are computed once, and the result is told again for minutes. Of no effect for an engine in this process.
   */
  readonly whole?: { readonly key: string | null };
  /**
   * What the visible text must be (or the call, when the prompt opens one); it ends the answer when nothing can follow.
   * Thinking before it is free. `maxTokens`, stop strings and deadlines may cut it short.
   */
  readonly grammar?: GrammarSpec;
  /**
   * What the answer is expected to be, as token ids: drafted from by engines that speculate, otherwise of no effect. It
   * changes how soon the answer comes, never what it says.
   */
  readonly prediction?: readonly number[];
  /** Name of a loaded adapter (`EngineOptions.lora`); the model itself when absent. */
  readonly adapter?: string;
  /**
   * Prefixes are shared with requests of the same salt only; with those that have none when absent. At most 256
   * characters, not empty. It changes how soon an answer comes, unless pages were installed under the salt
   * (`transfers.installPrefix`): then the answer is what those say.
   */
  readonly cacheSalt?: string;
  /**
   * Of what is cached under `cacheSalt`, so many leading tokens are exactly the model's; what is used beyond them is counted in
   * `usage.lossyTokens`. All of it is when absent. It changes nothing but that count.
   */
  readonly exactPrefixTokens?: number;
  /**
   * What another instance keeps of its prompt in fewer bytes, not exactly, may be used when nothing exact is there in time for
   * `slo.ttftMs`; the answer may then be another one. Of effect only where an instance of a fleet was started with such levels.
   */
  readonly lossyContext?: boolean;
  /**
   * How much of the model its answer goes through, of engines with routes: all layers, that share of them (above 0, at most 1),
   * or those that the routers keep for this prompt. "full" when absent.
   */
  readonly compute?: Compute;
  /** Exactly these layers, the first and the last among them, in place of what routers would keep: for measurements. */
  readonly keepLayers?: readonly number[];
  /** Of models that embed, and only there: no text, but `embedding` in the finish event. `Engine.embed` is shorter. */
  readonly embedding?: true;
}

/**
 * What a piece of an answer is: visible text, thinking (between <|think|> and <|/think|>), or a tool call (between
 * <|call|> and <|/call|>).
 */
export type Section = "text" | "thinking" | "call";

/** One generated token. Every token has an event, also those without text, so that counting events counts tokens. */
export interface TokenEvent {
  readonly kind: "token";
  readonly id: number;
  /** 0 for the first generated token. */
  readonly index: number;
  /** "" while bytes of a character or a possible stop string are held back, and for section marks. */
  readonly text: string;
  readonly section: Section;
  /** This token is a mark that opens or closes `section`; it has no text of its own. */
  readonly mark?: "open" | "close";
  readonly logprobs?: TokenLogprobs;
  /**
   * Of the first token, when keys and values that it was drawn from may not be exact: what `Usage` will say of them, for those
   * who let another engine end the answer, which has not read them.
   */
  readonly lossy?: LossyUse;
  /** When the step that made it ended, in `liveClock` milliseconds. */
  readonly atMs: number;
}

/** What an answer had of its prompt from a cache, when a part of that may not be exactly the model's: the counts of `Usage`. */
export interface LossyUse {
  readonly cachedTokens: number;
  readonly lossyTokens: number;
}

/** Why generation ended: the end token, a stop string, the token limit, or the deadline (onMiss "cut"). */
export type FinishCause = "end" | "stop" | "max_tokens" | "deadline";

/**
 * The last event of an answer that ended well or was cut at its deadline; other ends throw instead. `reason` is
 * OpenAI's word for `cause`: "stop" for the end token and stop strings, "length" for the limit and the deadline.
 */
export interface FinishEvent {
  readonly kind: "finish";
  readonly reason: "stop" | "length";
  readonly cause: FinishCause;
  /** Text that was held back and turned out to be no stop string; belongs after the last token's. */
  readonly text: string;
  readonly section: Section;
  /** The stop string that ended it. */
  readonly stop?: string;
  readonly usage: Usage;
  readonly atMs: number;
  /** Of requests for an embedding: the last token's state after the last norm, as computed; see `unitVector`. */
  readonly embedding?: Float32Array;
}

/** What a stream yields: any number of tokens in order of `index`, then one finish. */
export type GenerateEvent = TokenEvent | FinishEvent;

/**
 * What one request used and how it fared. `completionTokens` counts every generated token, thinking, section marks
 * and the end token included.
 */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
  /** Of those, from the first on whose keys and values may not be exactly the model's; absent when all are exact. */
  readonly lossyTokens?: number;
  /** Generated tokens inside thinking sections. */
  readonly reasoningTokens: number;
  readonly slo: SloOutcome;
  /**
   * Spent between caches, milliseconds: of a disaggregated engine from the first token's end to its place among the decodes,
   * of a request that moved from where it stopped to where it went on, each time.
   */
  readonly transferMs?: number;
  /** Of engines that speculate, when something was drafted for the request. Rejected tokens are in no other count. */
  readonly drafts?: DraftUse;
  /** Of requests that might leave layers out. */
  readonly route?: RouteUse;
}

/** "stopping": refuses new work and finishes what it has. */
export type EngineState = "starting" | "ready" | "restarting" | "stopping" | "stopped";

/**
 * A histogram at one moment, since the engine was made. `bounds` ascend and are inclusive; `sum` is in the unit of the
 * observations.
 */
export interface HistogramSnapshot {
  readonly bounds: readonly number[];
  /** Cumulative, one per bound and one for +Inf. */
  readonly cumulative: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Histograms by vLLM's names without prefix; times in seconds. */
export const HISTOGRAM_NAMES = [
  "time_to_first_token_seconds",
  "inter_token_latency_seconds",
  "request_time_per_output_token_seconds",
  "e2e_request_latency_seconds",
  "request_queue_time_seconds",
  "request_prefill_time_seconds",
  "request_decode_time_seconds",
  "request_inference_time_seconds",
  "iteration_tokens_total",
  "iteration_seconds",
  "request_prompt_tokens",
  "request_generation_tokens",
] as const;

/** One of HISTOGRAM_NAMES: those that end in `_seconds` are times, the others numbers of tokens. */
export type HistogramName = (typeof HISTOGRAM_NAMES)[number];

/** Requests by how they ended. */
export type RequestEnd = "stop" | "length" | "abort" | "error" | "expired" | "rejected";

/**
 * How many requests of a class met one of their targets, and how many missed it; "all" is the whole objective. Aborted
 * and failed requests are in neither number, nor are those refused because the queue was full.
 */
export interface SloCount {
  readonly class: string;
  readonly metric: "ttft" | "tpot" | "deadline" | "all";
  readonly attained: number;
  readonly missed: number;
}

/**
 * How one request went, told once when it is over: also when its reader left, which a stream cannot tell. Times are
 * `liveClock` milliseconds, null for what it never reached.
 */
export interface RequestSummary {
  readonly end: RequestEnd;
  readonly arrivalMs: number;
  /** Last time it was taken from the queue before its first token. */
  readonly scheduledMs: number | null;
  readonly firstTokenMs: number | null;
  readonly lastTokenMs: number | null;
  readonly endMs: number;
  readonly promptTokens: number;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Why generation ended, of requests that ended well or were cut; null for others. */
  readonly cause: FinishCause | null;
  /** What others failed with; null for those that ended well. */
  readonly error: ErrorCode | null;
  /** How it fared; null when its engine died or never had it. */
  readonly outcome: SloOutcome | null;
  /** When something was drafted for it. */
  readonly drafts?: DraftUse;
  /** It goes on in another engine, which will say how it ended: `end` says nothing. */
  readonly moved?: true;
  /** When it might leave layers out, and its prompt was computed. */
  readonly route?: RouteUse;
}

/**
 * Told what becomes of one request while it happens; its end is `onEnd`'s to tell. Times are `liveClock` milliseconds.
 * Must not throw, and should not take long: it is called for every token.
 */
export interface RequestObserver {
  /** Taken from the queue for the first time. @param cachedTokens of the prompt, found in the prefix cache */
  admitted(atMs: number, cachedTokens: number): void;
  /** A step computed so many tokens of its prompt, or of what it has to compute again. */
  chunk(startMs: number, durationMs: number, tokens: number): void;
  /** A step that ended then had checked a draft of so many tokens, and said so many of them; told before its tokens. */
  drafted?(atMs: number, tokens: number, accepted: number): void;
  /** The step that made its next token ended. */
  token(atMs: number): void;
  /** It gave its pages back: for others, or because its reader is slow. */
  interrupted(kind: "preempted" | "paused", atMs: number): void;
  /** Taken from the queue again. */
  resumed(atMs: number): void;
}

/** One step as told to who watches an engine. Times are `liveClock` milliseconds. */
export interface WatchedStep {
  readonly startMs: number;
  readonly durationMs: number;
  /** Of prompts, and of what was computed again. */
  readonly prefillTokens: number;
  /** Computed to be said. */
  readonly decodeTokens: number;
  /** Drafted, computed and not said; absent when there were none. */
  readonly rejectedTokens?: number;
  /** Sequences that advanced. */
  readonly sequences: number;
  /** Most tokens that a step should hold. */
  readonly budgetTokens: number;
  /** Sequences that gave their pages back since the step before. */
  readonly preempted: number;
  /** Whose loop it was, of engines whose phases are apart. */
  readonly phase?: Phase;
  /** Whose engine it was, of a fleet of them. */
  readonly instance?: string;
}

/** A switch of policy that was carried out. */
export interface PolicySwitch {
  readonly policy: string;
  readonly previous: string;
  /** Every step that began later was decided by the new one; `liveClock` milliseconds. */
  readonly atMs: number;
}

/** What a caller may add to a submitted request. */
export interface SubmitOptions {
  /** Aborting cancels the request within one step. */
  readonly signal?: AbortSignal;
  /** Called once after the request has ended, however it ended; not when `submit` itself throws. Must not throw. */
  readonly onEnd?: (summary: RequestSummary) => void;
  /** Told what becomes of it meanwhile. The worker writes a little more into its reports while there is one. */
  readonly observer?: RequestObserver;
}

/** What was measured at start, and the budget chosen from it. */
export interface Calibration {
  readonly budgetTokens: number;
  /** Quickest step time by number of tokens in the step. */
  readonly points: readonly { readonly tokens: number; readonly stepMs: number }[];
  /** The smallest step, beside running decodes, whose throughput is close to the best one; null when nothing was found. */
  readonly kneeTokens: number | null;
  readonly targetStepMs: number;
  readonly tookMs: number;
}

/** A snapshot; counters only grow, also over restarts. */
export interface EngineStats {
  readonly name: string;
  readonly state: EngineState;
  readonly running: number;
  readonly waiting: number;
  /** Sequences set aside because their reader is slow. */
  readonly paused: number;
  readonly kv: {
    readonly pagesUsed: number;
    readonly pagesTotal: number;
    readonly pageTokens: number;
    /** 0..1. */
    readonly usage: number;
  };
  readonly counters: {
    readonly promptTokens: number;
    readonly generationTokens: number;
    readonly preemptions: number;
    /** Prompt tokens looked up in the prefix cache, and found. */
    readonly prefixQueries: number;
    readonly prefixHits: number;
    readonly requests: Readonly<Record<RequestEnd, number>>;
    readonly steps: number;
    readonly restarts: number;
    /**
     * Tokens delivered within their objective: of class "latency" those on their pace line, of the others all tokens of
     * requests that attained theirs.
     */
    readonly goodputTokens: Readonly<Record<SloClass, number>>;
  };
  readonly slo: readonly SloCount[];
  readonly histograms: Readonly<Record<HistogramName, HistogramSnapshot>>;
  readonly limits: { readonly maxRunning: number; readonly maxWaiting: number; readonly budgetTokens: number };
  readonly calibration: Calibration | null;
  /** Drafts that were checked since the engine was made, by source; null when it does not speculate. */
  readonly speculation: readonly DraftCount[] | null;
  /** How the phases share the compute; null when they are colocated. */
  readonly phases: PhaseStats | null;
  /** Of the worker that is, or was last, running; null when nothing is recorded. */
  readonly recording: RecordingStatus | null;
  readonly lastError: string | null;
}

/** Facts about the loaded model. */
export interface EngineInfo {
  readonly name: string;
  /** The folder or file it was read from; null for random weights. */
  readonly dir: string | null;
  readonly vocabSize: number;
  /** Most tokens of prompt and answer together. */
  readonly contextTokens: number;
  readonly weights: WeightsFormat;
  readonly threads: number;
  readonly kvPages: number;
  readonly pageTokens: number;
  /** Bytes of a page, all layers, as stored. */
  readonly pageBytes: number;
  /**
   * 32 hexadecimal digits that say whether keys and values, and sequences, can go from one engine to another: equal for equal
   * files of the model, storage of weights and KV, and page size. Null until the model is loaded (of a pool).
   */
  readonly modelFingerprint: string | null;
  /** Name of the scheduling policy in force. */
  readonly policy: string;
  readonly phases: PhasesMode;
  /** Why `setPolicy` refuses; absent when it does not. */
  readonly fixedPolicy?: string;
  /** Objective of requests that bring none. */
  readonly defaultSlo: Slo;
  /** Only of an engine that takes adapters: how many, how large. */
  readonly lora?: LoraLimits;
  /** Only of an engine with layer routes: requests may say `compute`. */
  readonly routes?: { readonly layers: number };
  /** Only of an engine that embeds: what it allows. */
  readonly embedding?: Required<EmbeddingOptions> & {
    /** Length of a whole vector. */
    readonly width: number;
  };
}

/**
 * The events of one request. Iterate it once. It ends after the finish event, or throws one
 * PunctualError: `cancelled`, `deadline_expired`, `deadline_unattainable`, `request_timeout` (its
 * reader stalled), `shutting_down`, `engine_failed`, and `moved` when it goes on in another engine (transfer/types.ts), after
 * every token that this one has made. Leaving the loop early cancels the request.
 */
export interface TokenStream extends AsyncIterableIterator<GenerateEvent>, AsyncDisposable {
  readonly id: string;
  /** Stops within one step; the iterator then throws `cancelled`. No effect after the end. */
  cancel(): void;
  next(): Promise<IteratorResult<GenerateEvent, undefined>>;
  return(): Promise<IteratorResult<GenerateEvent, undefined>>;
  [Symbol.asyncIterator](): TokenStream;
}
