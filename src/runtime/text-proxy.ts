/**
 * A model that somebody else computes and that is asked in text, because its tokens are not ours: what an endpoint hands over
 * is its request's body as it came. An engine with a `proxy` (engine-port.ts) is such a model; its `submit` refuses.
 */
import type { Slo, SloOutcome } from "../sched/index.ts";
import type { RequestTask, SubmitOptions } from "./types.ts";

/** A JSON object of a foreign server. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What is asked, under OpenAI's paths. */
export type TextPath = "chat/completions" | "completions" | "embeddings";

/** A request in text. */
export interface TextRequest {
  /** Appears in logs; made up when absent. */
  readonly id?: string;
  readonly path: TextPath;
  /** As the client sent it; the model's name, the stream's options and what only this server knows are replaced. */
  readonly body: JsonObject;
  /** The answer comes in chunks; otherwise whole. */
  readonly stream: boolean;
  /** What stands before the answer, for whoever sends equal beginnings to the same place. */
  readonly prompt: string;
  /** Most tokens of an answer, where the request says so. */
  readonly maxTokens?: number;
  /** When it reached the server, in `liveClock` milliseconds; now when absent. */
  readonly arrivalMs?: number;
  readonly slo?: Slo;
  readonly task?: RequestTask;
}

/** What an answer has used, as the other server counted it, and how it fared here. */
export interface TextUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** As Usage has it, where the other server is one of ours and says so. */
  readonly lossyTokens?: number;
  readonly reasoningTokens: number;
  readonly slo: SloOutcome;
}

/**
 * The objects of one answer: chunks in order, or the one whole answer. It ends after the last, or throws one PunctualError:
 * `upstream_failed` also for a stream that ended without saying so, `cancelled`, `deadline_expired`, `request_timeout`,
 * `rate_limit_exceeded`, `invalid_request` as the other server says. Leaving the loop early cancels the request there.
 */
export interface TextStream extends AsyncIterableIterator<JsonObject>, AsyncDisposable {
  readonly id: string;
  /** After the end: what was used; null when the other server did not say and nothing could be counted. */
  readonly usage: TextUsage | null;
  cancel(): void;
  next(): Promise<IteratorResult<JsonObject, undefined>>;
  return(): Promise<IteratorResult<JsonObject, undefined>>;
  [Symbol.asyncIterator](): TextStream;
}

/** Token ids as another server tells them. */
export interface ForeignTokens {
  readonly count: number;
  /** As far as it tells them, `count` of them. */
  readonly tokens: readonly number[];
  /** Their texts; null where they were not asked for, or are not told. */
  readonly strings: readonly string[] | null;
  /** Most tokens of prompt and answer together; null where it does not say. */
  readonly contextTokens: number | null;
}

/** See the head of this file. */
export interface TextProxy {
  /** Asks, and answers the stream at once. @throws PunctualError upstream_failed when nobody is there, shutting_down. */
  ask(request: TextRequest, options?: SubmitOptions): TextStream;
  /**
   * Token ids of a text or a conversation.
   * @param body as vLLM's /tokenize takes it, without the model's name
   * @throws PunctualError unsupported where no server of the model tells, upstream_failed, invalid_request, cancelled.
   */
  tokenize(body: JsonObject, signal: AbortSignal): Promise<ForeignTokens>;
  /** The text of token ids. Errors: as `tokenize`. */
  detokenize(tokens: readonly number[], signal: AbortSignal): Promise<string>;
}
