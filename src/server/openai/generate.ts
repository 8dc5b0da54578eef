/**
 * From the fields of a request to generations on an engine, and back to one sequence of events. What
 * the two endpoints share; neither prompts nor the shape of an answer are known here.
 */
import { fail, PunctualError } from "../../core/index.ts";
import type { SamplingOptions } from "../../llm/index.ts";
import { readSlo, type FinishReason, type GenerationFields, type ServiceTier } from "../../protocol/index.ts";
import type { Engine, GenerateEvent, GenerateRequest, TokenStream } from "../../runtime/index.ts";
import { parseSlo, type Slo } from "../../sched/index.ts";

/** What a generation takes beside its prompt; the endpoints differ in how they spell these. */
export interface GenerationSettings {
  /** Undefined: as many as the context has room for. */
  readonly maxTokens: number | undefined;
  /** Undefined: no log-probabilities. */
  readonly logprobs: number | undefined;
  readonly thinkingBudget: number | undefined;
  readonly arrivalMs: number;
  readonly requestId: string;
  /** The server's own limit of prompt and answer together. */
  readonly contextTokens: number;
  /** The field that holds the prompt, for errors about its length. */
  readonly promptField: string;
  readonly header: (name: string) => string | undefined;
}

/** One event of one of a request's generations. */
export interface ChoiceEvent {
  readonly choice: number;
  readonly event: GenerateEvent;
}

/**
 * One engine request per answer wanted: `n` for each prompt, prompt-major.
 * Errors: `context_length_exceeded` for a prompt that leaves no room for an answer, `invalid_request`
 * for token ids beyond the vocabulary and for an objective that contradicts itself.
 */
export function generateRequests(
  engine: Engine,
  fields: GenerationFields,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
): GenerateRequest[] {
  const slo = requestedSlo(fields, settings.header);
  const sampling = samplingOptions(fields, settings.logprobs, engine.info.vocabSize);
  const n = fields.n ?? 1;
  return prompts.flatMap((promptTokens, prompt) => {
    const room = contextRoom(engine, promptTokens.length, settings);
    return Array.from({ length: n }, (_, k): GenerateRequest => {
      const choice = prompt * n + k;
      return {
        id: choice === 0 ? settings.requestId : `${settings.requestId}-${choice}`,
        promptTokens,
        arrivalMs: settings.arrivalMs,
        maxTokens: Math.min(settings.maxTokens ?? room, room),
        // One seed for n equal answers would be no choice at all: each gets its own, reproducibly.
        sampling: sampling.seed === undefined ? sampling : { ...sampling, seed: sampling.seed + choice },
        ...given("minTokens", fields.min_tokens),
        ...given("ignoreEos", fields.ignore_eos),
        ...given("stop", stopList(fields.stop)),
        ...given("thinkingBudget", settings.thinkingBudget),
        ...given("slo", slo),
      };
    });
  });
}

function given<K extends keyof GenerateRequest>(key: K, value: GenerateRequest[K] | null): Partial<GenerateRequest> {
  return value === undefined || value === null ? {} : { [key]: value };
}

function stopList(stop: GenerationFields["stop"]): readonly string[] | undefined {
  if (stop === null || stop === undefined) return undefined;
  return typeof stop === "string" ? [stop] : stop;
}

/** Tokens left for the answer. */
function contextRoom(engine: Engine, promptTokens: number, settings: GenerationSettings): number {
  const contextTokens = Math.min(engine.info.contextTokens, settings.contextTokens);
  if (promptTokens < contextTokens) return contextTokens - promptTokens;
  return fail(
    "context_length_exceeded",
    `This model's context holds ${contextTokens} tokens, prompt and answer together; the prompt has ${promptTokens}.`,
    { param: settings.promptField },
  );
}

function samplingOptions(fields: GenerationFields, logprobs: number | undefined, vocabSize: number): SamplingOptions {
  const beyond = Object.keys(fields.logit_bias ?? {}).find((id) => Number(id) >= vocabSize);
  if (beyond !== undefined) {
    fail("invalid_request", `Invalid 'logit_bias': expected token ids below ${vocabSize}, got ${beyond}.`, {
      param: `logit_bias.${beyond}`,
    });
  }
  const options: { -readonly [K in keyof SamplingOptions]: SamplingOptions[K] } = {};
  options.temperature = fields.temperature ?? 1;
  if (isSet(fields.top_p)) options.topP = fields.top_p;
  if (isSet(fields.top_k) && fields.top_k > 0) options.topK = fields.top_k;
  if (isSet(fields.min_p)) options.minP = fields.min_p;
  if (isSet(fields.repetition_penalty)) options.repetitionPenalty = fields.repetition_penalty;
  if (isSet(fields.presence_penalty)) options.presencePenalty = fields.presence_penalty;
  if (isSet(fields.frequency_penalty)) options.frequencyPenalty = fields.frequency_penalty;
  if (isSet(fields.logit_bias)) options.logitBias = fields.logit_bias as Record<number, number>;
  if (isSet(fields.seed)) options.seed = fields.seed;
  if (logprobs !== undefined) options.logprobs = logprobs;
  return options;
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** Headers and body; a service tier stands for a class where neither names one. Undefined: the server's default. */
function requestedSlo(fields: GenerationFields, header: GenerationSettings["header"]): Slo | undefined {
  const asked = readSlo(header, fields.slo);
  const named = Object.values(asked).some(isSet);
  if (named) return parseSlo(asked);
  return fields.service_tier === "flex" ? { class: "best-effort", onMiss: "finish" } : undefined;
}

/** The tier that was used, for requests that asked for one. */
export function usedTier(fields: GenerationFields): { readonly service_tier?: ServiceTier } {
  const asked = fields.service_tier;
  if (asked === null || asked === undefined) return {};
  return { service_tier: asked === "flex" ? "flex" : "default" };
}

/** The engine's reason is OpenAI's, word for word. */
export function finishReason(event: GenerateEvent & { readonly kind: "finish" }): FinishReason {
  return event.reason;
}

/** Submits all or none: when one is refused, those before it are cancelled. */
export async function submitAll(
  engine: Engine,
  requests: readonly GenerateRequest[],
  signal: AbortSignal,
): Promise<TokenStream[]> {
  const streams: TokenStream[] = [];
  try {
    if (signal.aborted) throw signal.reason; // gone while its body was read
    for (const request of requests) streams.push(engine.submit(request, { signal }));
    return streams;
  } catch (error) {
    await Promise.allSettled(streams.map((stream) => stream.return()));
    throw error;
  }
}

type Pending = Promise<{ readonly choice: number; readonly result: IteratorResult<GenerateEvent, undefined> }>;

/**
 * The events of several generations in the order in which they happen. Ends when all have; the first
 * failure ends all. Leaving early, or an error, cancels what is left.
 */
export async function* mergeStreams(
  streams: readonly TokenStream[],
  signal: AbortSignal,
): AsyncGenerator<ChoiceEvent, void> {
  const pending = new Map<number, Pending>();
  const advance = (choice: number): void => {
    const next = streams[choice]!.next();
    pending.set(
      choice,
      next.then((result) => ({ choice, result })),
    );
  };
  try {
    for (const choice of streams.keys()) advance(choice);
    while (pending.size > 0) {
      const { choice, result } = await (pending.size === 1
        ? pending.values().next().value!
        : Promise.race(pending.values()));
      pending.delete(choice);
      if (result.done === true) continue;
      advance(choice);
      yield { choice, event: result.value };
    }
  } catch (error) {
    throw abortReason(signal) ?? error;
  } finally {
    for (const promise of pending.values()) promise.catch(() => undefined); // their failure is the one thrown, or wanted
    await Promise.allSettled(streams.map((stream) => stream.return()));
  }
}

/** Why the server itself ended the request, which says more than the engine's `cancelled`. */
function abortReason(signal: AbortSignal): PunctualError | null {
  return signal.aborted && signal.reason instanceof PunctualError ? signal.reason : null;
}
