/**
 * One request to a model of other servers: sent to one of them, to another as long as no token has come, read as it comes,
 * cut at its deadline where it asked for that, closed as soon as nobody wants it.
 *
 * What comes before the first token (an empty chunk that names the role) is held back, so that a server that fails right
 * after it has not been heard yet. From the first token on there is no second try: half of one answer and half of
 * another are no answer.
 */
import { PunctualError, type Clock } from "../../core/index.ts";
import { FLEET_VIEW_LIMITS, type FleetRequestView } from "../../protocol/index.ts";
import type {
  EngineMetrics,
  FinishEvent,
  JsonObject,
  SignalFan,
  SubmitOptions,
  TextRequest,
  TextStream,
  TextUsage,
} from "../../runtime/index.ts";
import { BEST_EFFORT, type Slo } from "../../sched/index.ts";
import { AnswerLog, bookedEvents, type AnswerEnd } from "../fleet/answer-log.ts";
import { brokenUpstream } from "./http.ts";
import { chunkFacts, readChunks, readWhole, wholeAsChunk } from "./read-answer.ts";
import { refusalOf } from "./refusal.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** What an answer asks of the model that it is of. */
export interface AnswerHost {
  readonly clock: Clock;
  /** Who is told when a request's signal fires. */
  readonly signals: SignalFan;
  readonly metrics: EngineMetrics;
  /** The next server to try, and what the model is called there. @throws PunctualError when there is none */
  choose(request: TextRequest, promptTokens: number, tried: ReadonlySet<number>): Chosen;
  /** It is over. */
  ended(answer: TextAnswer, end: AnswerEnd): void;
}

/** Where a request goes. */
export interface Chosen {
  readonly server: UpstreamServer;
  readonly model: string;
}

/** Chunks that may come before the first token. */
const MOST_HELD = 64;
/** A text has about so many characters a token. */
const CHARACTERS_PER_TOKEN = 4;

/** See the head of this file. */
export class TextAnswer implements TextStream {
  readonly id: string;
  readonly request: TextRequest;
  readonly #host: AnswerHost;
  readonly #options: SubmitOptions;
  readonly #log: AnswerLog;
  readonly #slo: Slo;
  readonly #promptTokens: number;
  readonly #choices: number;
  readonly #stop = new AbortController();
  readonly #finished = new Map<number, string>();
  readonly #seen = new Set<number>([0]);
  readonly #source: AsyncGenerator<JsonObject, undefined>;
  #undo: (() => void) | null = null;
  #usage: TextUsage | null = null;
  #told: JsonObject | null = null;
  #chunks = 0;
  #at: string | null = null;
  #over = false;
  #cut = false;

  /** @param promptTokens as far as can be guessed */
  constructor(host: AnswerHost, id: string, request: TextRequest, options: SubmitOptions) {
    this.#host = host;
    this.id = id;
    this.request = request;
    this.#options = options;
    this.#slo = request.slo ?? BEST_EFFORT;
    this.#promptTokens = Math.max(1, Math.ceil(request.prompt.length / CHARACTERS_PER_TOKEN));
    const { n } = request.body;
    this.#choices = typeof n === "number" && n >= 1 ? n : 1;
    this.#log = new AnswerLog(this.#slo, this.#promptTokens, request.arrivalMs ?? host.clock.nowMs());
    this.#source = this.#run();
    const { signal } = options;
    if (signal?.aborted === true) this.#stop.abort();
    else if (signal !== undefined) this.#undo = host.signals.listen(signal, () => this.cancel());
  }

  get usage(): TextUsage | null {
    return this.#usage;
  }

  /** For a console. */
  view(model: string, nowMs: number): FleetRequestView {
    return {
      id: this.id.slice(0, FLEET_VIEW_LIMITS.idCharacters),
      model,
      instance: this.#at,
      state: this.#chunks > 0 ? "running" : "waiting",
      promptTokens: this.#promptTokens,
      answerTokens: this.#chunks,
      moves: 0,
      ageMs: nowMs - this.#log.arrivalMs,
    };
  }

  cancel(): void {
    this.#stop.abort();
  }

  async next(): Promise<IteratorResult<JsonObject, undefined>> {
    return this.#source.next();
  }

  async return(): Promise<IteratorResult<JsonObject, undefined>> {
    this.cancel();
    this.#end({ kind: "left" });
    await this.#source.return(undefined);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): TextStream {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async *#run(): AsyncGenerator<JsonObject, undefined> {
    const disarm = this.#armDeadline();
    try {
      yield* this.#tryServers();
      this.#finish();
    } catch (thrown) {
      if (this.#cut && this.request.stream && this.#log.firstTokenMs !== null) {
        yield* this.#cutShort();
        this.#finish();
        return undefined;
      }
      const error = this.#cut ? expired() : this.#stop.signal.aborted ? cancelled() : thrown;
      this.#end(endOf(error));
      throw error;
    } finally {
      disarm();
      this.#end({ kind: "left" }); // unless it has ended otherwise
    }
    return undefined;
  }

  async *#tryServers(): AsyncGenerator<JsonObject, void> {
    const tried = new Set<number>();
    let last: PunctualError | null = null;
    for (;;) {
      let chosen: Chosen;
      try {
        chosen = this.#host.choose(this.request, this.#promptTokens, tried);
      } catch (error) {
        throw last ?? error;
      }
      const { server } = chosen;
      this.#at = `${server.address.base}#${chosen.model}`.slice(0, FLEET_VIEW_LIMITS.idCharacters);
      const leave = server.enter({ promptTokens: this.#promptTokens });
      try {
        yield* this.#ask(chosen);
        return;
      } catch (error) {
        const failure = error instanceof PunctualError ? error : brokenUpstream(String(error), error);
        if (this.#stop.signal.aborted || failure.code === "cancelled") throw failure;
        if (failure.code === "upstream_failed") server.health.failed(failure.message, this.#host.clock.nowMs());
        const mayRepeat = failure.code === "upstream_failed" || failure.code === "rate_limit_exceeded";
        if (!mayRepeat || this.#log.firstTokenMs !== null) throw failure;
        tried.add(server.index);
        last = failure;
      } finally {
        leave();
      }
    }
  }

  async *#ask({ server, model }: Chosen): AsyncGenerator<JsonObject, void> {
    const { clock } = this.#host;
    const { timeouts } = server;
    const sentMs = clock.nowMs();
    const body = JSON.stringify({ ...this.request.body, model, ...this.#streaming() });
    const answer = await server.http.send("POST", this.request.path, body, timeouts, this.#stop.signal);
    if (answer.status !== 200) throw await refusalOf(answer, server, () => clock.nowMs());
    this.#log.scheduled(sentMs);
    if (!this.request.stream || !answer.isStream) {
      const whole = await readWhole(answer, timeouts.firstTokenMs);
      server.answered(this.#promptTokens, clock.nowMs() - sentMs);
      const told = this.request.stream ? wholeAsChunk(whole) : whole;
      this.#note(told);
      yield told;
      return;
    }
    const waitMs = (): number =>
      this.#log.firstTokenMs === null
        ? Math.max(1, timeouts.firstTokenMs - (clock.nowMs() - sentMs))
        : timeouts.betweenTokensMs;
    let held: JsonObject[] = [];
    for await (const chunk of readChunks(answer, this.#choices, waitMs)) {
      const isFirst = this.#log.firstTokenMs === null;
      this.#note(chunk);
      if (this.#log.firstTokenMs === null && this.#finished.size === 0 && held.length < MOST_HELD) {
        held.push(chunk);
        continue;
      }
      if (isFirst && this.#log.firstTokenMs !== null) server.answered(this.#promptTokens, clock.nowMs() - sentMs);
      yield* held;
      held = [];
      yield chunk;
    }
    yield* held;
    const { tpot_ms: tpotMs } = this.#log.outcome(clock.nowMs(), true);
    server.finished(this.#chunks, tpotMs);
  }

  /** Usage is always asked for: it is the only count of tokens there is. */
  #streaming(): JsonObject {
    if (this.request.path === "embeddings") return {};
    if (!this.request.stream) return { stream: false };
    const given = this.request.body["stream_options"];
    return { stream: true, stream_options: { ...(typeof given === "object" ? given : {}), include_usage: true } };
  }

  #note(chunk: JsonObject): void {
    const nowMs = this.#host.clock.nowMs();
    const { hasContent, finished, usage } = chunkFacts(chunk);
    for (const choice of choicesOf(chunk)) this.#seen.add(choice);
    for (const [choice, reason] of finished) this.#finished.set(choice, reason);
    if (usage !== null) this.#told = usage;
    if (!hasContent && this.request.stream) return;
    this.#chunks += 1;
    const gapMs = this.#log.token(nowMs);
    this.#host.metrics.event({ kind: "token", seq: 0, token: { ...NO_TOKEN, atMs: nowMs }, gapMs });
    this.#options.observer?.token(nowMs);
  }

  #armDeadline(): () => void {
    const { deadlineMs, onMiss } = this.#slo;
    if (deadlineMs === undefined || onMiss !== "cut") return () => undefined;
    const leftMs = Math.max(0, this.#log.arrivalMs + deadlineMs - this.#host.clock.nowMs());
    const timer = setTimeout(() => {
      this.#cut = true;
      this.#stop.abort();
    }, leftMs);
    return () => clearTimeout(timer);
  }

  /** Every choice that has not ended does so now, for its length. */
  *#cutShort(): Generator<JsonObject, void> {
    const isChat = this.request.path === "chat/completions";
    for (const index of [...this.#seen].filter((choice) => !this.#finished.has(choice)).toSorted((a, b) => a - b)) {
      this.#finished.set(index, "length");
      yield {
        object: isChat ? "chat.completion.chunk" : "text_completion",
        choices: [{ index, ...(isChat ? { delta: {} } : { text: "" }), logprobs: null, finish_reason: "length" }],
      };
    }
  }

  #finish(): void {
    const nowMs = this.#host.clock.nowMs();
    const counted = usageOf(this.#told) ?? {
      promptTokens: this.#promptTokens,
      completionTokens: this.#chunks,
      cachedTokens: 0,
      reasoningTokens: 0,
    };
    const slo = this.#log.outcome(nowMs, !this.#cut);
    this.#usage = { ...counted, slo };
    const reason = [...this.#finished.values()].includes("length") ? "length" : "stop";
    const cause = this.#cut ? "deadline" : reason === "length" ? "max_tokens" : "end";
    const finish: FinishEvent = {
      kind: "finish",
      reason,
      cause,
      text: "",
      section: "text",
      usage: this.#usage,
      atMs: nowMs,
    };
    this.#end({ kind: "finish", finish });
  }

  #end(end: AnswerEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#undo?.();
    const booked = this.#log.ended(end, this.#host.clock.nowMs(), null, this.#usage);
    for (const event of bookedEvents(end, booked)) this.#host.metrics.event(event);
    this.#host.ended(this, end);
    this.#options.onEnd?.(this.#log.summary(end, booked));
  }
}

const NO_TOKEN = { kind: "token", id: 0, index: 0, text: "", section: "text" } as const;

function choicesOf({ choices }: JsonObject): number[] {
  if (!Array.isArray(choices)) return [];
  return choices.flatMap((choice: unknown) => {
    const index = typeof choice === "object" && choice !== null ? (choice as { index?: unknown }).index : null;
    return typeof index === "number" ? [index] : [];
  });
}

/** As OpenAI tells it; null without counts. */
function usageOf(usage: JsonObject | null): Omit<TextUsage, "slo"> | null {
  if (usage === null) return null;
  const count = (value: unknown): number => (typeof value === "number" && value >= 0 ? Math.floor(value) : 0);
  const inside = (value: unknown, name: string): number =>
    typeof value === "object" && value !== null ? count((value as Readonly<Record<string, unknown>>)[name]) : 0;
  const promptTokens = count(usage["prompt_tokens"]);
  const lossyTokens = Math.min(promptTokens, inside(usage["prompt_tokens_details"], "lossy_tokens"));
  return {
    promptTokens,
    completionTokens: count(usage["completion_tokens"]),
    cachedTokens: Math.min(promptTokens, inside(usage["prompt_tokens_details"], "cached_tokens")),
    ...(lossyTokens === 0 ? {} : { lossyTokens }),
    reasoningTokens: inside(usage["completion_tokens_details"], "reasoning_tokens"),
  };
}

function endOf(error: unknown): AnswerEnd {
  if (error instanceof PunctualError) return { kind: "error", code: error.code };
  return { kind: "error", code: "internal" };
}

const cancelled = (): PunctualError => new PunctualError("cancelled", "the request was cancelled");
const expired = (): PunctualError =>
  new PunctualError("deadline_expired", "the deadline passed before the upstream had said anything");
