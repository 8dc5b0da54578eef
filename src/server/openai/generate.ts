/**
 * From the fields of a request to generations on an engine, and back to one sequence of events. What
 * the two endpoints share; neither prompts nor the shape of an answer are known here.
 */
import { createRandom, fail, PunctualError } from "../../core/index.ts";
import type { SamplingOptions } from "../../llm/index.ts";
import {
  outputConstraint,
  type FinishReason,
  type GenerationFields,
  type NamedConstraint,
  type ReasoningEffort,
} from "../../protocol/index.ts";
import type { Engine, GenerateEvent, GenerateRequest, TokenStream } from "../../runtime/index.ts";
import type { OpenRequest } from "../context.ts";
import type { RequestObjective } from "../objective.ts";
import { inWordsOf } from "../renamed.ts";

/** Added to the logit of a token that must not come: no logit of a model in use is larger. */
const BARRED = -100;

/** An engine's request, and which field of the client's asked for the constraint on its text. */
export type ConstrainedRequest = GenerateRequest & { readonly grammarField?: string };

/** What a generation takes beside its prompt; the endpoints differ in how they spell these. */
export interface GenerationSettings {
  /** Undefined: as many as the context has room for. */
  readonly maxTokens: number | undefined;
  /** Undefined: no log-probabilities. */
  readonly logprobs: number | undefined;
  readonly thinkingBudget: ThinkingBudget | undefined;
  /** Takes the place of the constraint that the fields ask for. */
  readonly forced?: NamedConstraint | null;
  /** Tokens that must not come, whatever the model thinks of them. */
  readonly barred?: readonly number[];
  /** What the answer is expected to be, for drafts. */
  readonly prediction?: readonly number[];
  readonly arrivalMs: number;
  readonly requestId: string;
  /** The server's own limit of prompt and answer together. */
  readonly contextTokens: number;
  /** The field that holds the prompt, for errors about its length. */
  readonly promptField: string;
  readonly objective: RequestObjective;
  readonly header?: (name: string) => string | undefined;
}

/** Most tokens of thinking: a number, or a share of the tokens that the answer may have. */
export type ThinkingBudget = number | { readonly share: number };

/**
 * What an effort comes to, as a share of the tokens that thinking and answer have together: a model with a small
 * context keeps room for its answer, one with a large context may think long. Null: as much as the model likes.
 */
const EFFORT_SHARES: Readonly<Record<ReasoningEffort, number | null>> = {
  none: 0,
  minimal: 0.05,
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: null,
  max: null,
};

/** The budget of an effort; undefined leaves the model its own measure, as no effort at all does. */
export function effortBudget(effort: ReasoningEffort | null | undefined): ThinkingBudget | undefined {
  const share = isSet(effort) ? EFFORT_SHARES[effort] : null;
  return share === null ? undefined : { share };
}

/** One event of one of a request's generations. */
export interface ChoiceEvent {
  readonly choice: number;
  readonly event: GenerateEvent;
}

/**
 * One engine request per answer wanted: `n` for each prompt, prompt-major.
 * Errors: `context_length_exceeded` for a prompt that leaves no room for an answer, `invalid_request`
 * for token ids beyond the vocabulary.
 */
export function generateRequests(
  engine: Engine,
  fields: GenerationFields,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
): ConstrainedRequest[] {
  const { slo, task } = settings.objective;
  const sampling = samplingOptions(fields, settings, engine.info.vocabSize);
  const constraint = settings.forced ?? outputConstraint(fields);
  const n = fields.n ?? 1;
  const whole = fields.stream === true ? undefined : wholeAnswer(settings.header);
  const adapter = engine.adapters.some(({ name }) => name === fields.model) ? fields.model : undefined;
  return prompts.flatMap((promptTokens, prompt) => {
    const room = contextRoom(engine, promptTokens.length, settings);
    return Array.from({ length: n }, (_, k): ConstrainedRequest => {
      const choice = prompt * n + k;
      const maxTokens = Math.min(settings.maxTokens ?? room, room);
      return {
        id: choice === 0 ? settings.requestId : `${settings.requestId}-${choice}`,
        promptTokens,
        arrivalMs: settings.arrivalMs,
        maxTokens,
        sampling: sampling.seed === undefined ? sampling : { ...sampling, seed: choiceSeed(sampling.seed, choice) },
        ...given("minTokens", fields.min_tokens),
        ...given("ignoreEos", fields.ignore_eos),
        ...given("whole", whole === undefined ? undefined : wholeChoice(whole, choice)),
        ...given("stop", stopList(fields.stop)),
        ...given("thinkingBudget", budgetTokens(settings.thinkingBudget, maxTokens)),
        ...given("prediction", settings.prediction),
        ...given("adapter", adapter),
        ...given("compute", fields.compute),
        ...given("lossyContext", fields.lossy_context === true ? true : undefined),
        ...given("grammar", constraint?.constraint),
        ...given("grammarField", constraint?.param),
        ...given("slo", slo),
        ...given("task", task),
      };
    });
  });
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** An answer that is not streamed may be kept, and under the client's key told again. */
function wholeAnswer(header: GenerationSettings["header"]): NonNullable<GenerateRequest["whole"]> {
  const key = header?.("idempotency-key") ?? null;
  if (key === null || IDEMPOTENCY_KEY.test(key)) return { key };
  return fail("invalid_request", "Expected an Idempotency-Key of 1 to 255 printable characters without spaces.", {
    param: "Idempotency-Key",
  });
}

function wholeChoice({ key }: NonNullable<GenerateRequest["whole"]>, choice: number): GenerateRequest["whole"] {
  return { key: key === null ? null : `${key}/${choice}` };
}

function given<K extends keyof ConstrainedRequest>(
  key: K,
  value: ConstrainedRequest[K] | null,
): Partial<ConstrainedRequest> {
  return value === undefined || value === null ? {} : { [key]: value };
}

/**
 * One seed for n equal answers would be no choice at all: each gets its own. The first keeps the request's, so that
 * it is the answer of n = 1; the others are drawn from it, so that neighbouring seeds share no answer.
 */
function choiceSeed(seed: number, choice: number): number {
  return choice === 0 ? seed : createRandom(`${seed}`, `choice-${choice}`).uint32();
}

function budgetTokens(budget: ThinkingBudget | undefined, maxTokens: number): number | undefined {
  return typeof budget === "object" ? Math.floor(budget.share * maxTokens) : budget;
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

function samplingOptions(fields: GenerationFields, settings: GenerationSettings, vocabSize: number): SamplingOptions {
  const { logprobs, barred = [] } = settings;
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
  const bias = { ...fields.logit_bias, ...Object.fromEntries(barred.map((id) => [id, BARRED])) };
  if (Object.keys(bias).length > 0) options.logitBias = bias as Record<number, number>;
  if (isSet(fields.seed)) options.seed = fields.seed;
  if (logprobs !== undefined) options.logprobs = logprobs;
  return options;
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** The engine's reason is OpenAI's word, but for an answer that ended well with calls. */
export function finishReason(event: GenerateEvent & { readonly kind: "finish" }, calls = 0): FinishReason {
  return calls > 0 && event.reason === "stop" ? "tool_calls" : event.reason;
}

/** Submits all or none: when one is refused, those before it are cancelled. */
export async function submitAll(
  engine: Engine,
  requests: readonly ConstrainedRequest[],
  open: OpenRequest,
): Promise<TokenStream[]> {
  const streams: TokenStream[] = [];
  try {
    if (open.signal.aborted) throw open.signal.reason; // gone while its body was read
    for (const { grammarField, ...request } of requests) {
      streams.push(inWordsOf([["grammar", grammarField ?? "grammar"]], () => open.submit(engine, request)));
    }
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

/** Why the server itself ended the request, which says more than the engine's `cancelled`; null when it did not. */
export function abortReason(signal: AbortSignal): PunctualError | null {
  return signal.aborted && signal.reason instanceof PunctualError ? signal.reason : null;
}
