/**
 * The stream of a request whose model is still being loaded: it can be read, cancelled and left like any other, and becomes
 * the engine's own stream as soon as there is an engine.
 */
import { PunctualError, toErrorRecord, type Clock, type ErrorCode } from "../core/index.ts";
import type { Engine } from "./engine-port.ts";
import type { GenerateEvent, GenerateRequest, RequestSummary, SubmitOptions, TokenStream } from "./types.ts";

/**
 * Calls `use` as soon as the engine is loaded, in the same turn, so that nobody unloads it in between; rejects when the
 * signal fires first.
 */
export type EngineWait = <T>(signal: AbortSignal, use: (engine: Engine) => T) => Promise<T>;

/** See the head of this file. */
export class WaitingStream implements TokenStream {
  readonly id: string;
  readonly #leave = new AbortController();
  readonly #opening: Promise<TokenStream>;
  #inner: TokenStream | null = null;
  #left = false;
  /** An error is thrown once; afterwards the stream is simply over. */
  #failed = false;

  /**
   * @param request with its arrival, so that the wait counts against its objective
   * @param open asks the engine once there is one; for the answer to `request` when absent
   */
  constructor(
    request: GenerateRequest & { arrivalMs: number },
    options: SubmitOptions,
    wait: EngineWait,
    clock: Clock,
    open: (engine: Engine) => TokenStream = (engine) => engine.submit(request, options),
  ) {
    this.id = request.id ?? "waiting";
    this.#opening = this.#open(request, options, wait, clock, open);
    this.#opening.catch(() => undefined); // thrown to whoever reads
  }

  async next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    if (this.#left || this.#failed) return { done: true, value: undefined };
    if (this.#inner !== null) return this.#inner.next();
    try {
      await this.#opening;
    } catch (error) {
      this.#failed = true;
      if (this.#left) return { done: true, value: undefined };
      throw error;
    }
    return this.#inner!.next();
  }

  cancel(): void {
    if (this.#inner !== null) this.#inner.cancel();
    else this.#leave.abort();
  }

  async return(): Promise<IteratorResult<GenerateEvent, undefined>> {
    this.#left = true;
    this.#leave.abort();
    await this.#inner?.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): TokenStream {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #open(
    request: GenerateRequest & { arrivalMs: number },
    options: SubmitOptions,
    wait: EngineWait,
    clock: Clock,
    open: (engine: Engine) => TokenStream,
  ): Promise<TokenStream> {
    const { signal } = options;
    const leave = signal === undefined ? this.#leave.signal : AbortSignal.any([signal, this.#leave.signal]);
    try {
      return await wait(leave, (engine) => {
        if (leave.aborted) throw new PunctualError("cancelled", "the request was cancelled");
        this.#inner = open(engine);
        return this.#inner;
      });
    } catch (error) {
      const { code } = toErrorRecord(error);
      options.onEnd?.(unserved(request, code, clock.nowMs()));
      throw error;
    }
  }
}

/** The end of a request that no engine has seen. */
function unserved(request: GenerateRequest & { arrivalMs: number }, error: ErrorCode, endMs: number): RequestSummary {
  return {
    end: error === "cancelled" ? "abort" : "error",
    arrivalMs: request.arrivalMs,
    scheduledMs: null,
    firstTokenMs: null,
    lastTokenMs: null,
    endMs,
    promptTokens: request.promptTokens.length,
    cachedTokens: 0,
    completionTokens: 0,
    cause: null,
    error,
    outcome: null,
  };
}
