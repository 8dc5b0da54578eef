/** From a request to what a worker gets, with every default filled in, or the error that says what is wrong with it. */
import { fail, type RandomStream } from "../core/index.ts";
import { checkSampling, type GrammarChecker, type SamplingOptions } from "../llm/index.ts";
import { checkSlo } from "../sched/index.ts";
import { liveClock } from "./clock.ts";
import type { AdapterBook } from "./lora/book.ts";
import type { SequenceSpec } from "./messages.ts";
import { checkCompute } from "./routes/options.ts";
import type { EngineInfo, GenerateRequest, RequestTask } from "./types.ts";

const MAX_TASK_CHARACTERS = 256;
const MAX_TASK_STAGE = 1_000_000;
const MAX_SALT_CHARACTERS = 256;
/** Beyond any logit: what infinite biases do, and a number in JSON too. */
const LARGEST_BIAS = 1e30;

/** What an engine checks requests against. */
export interface RequestRules {
  readonly info: EngineInfo;
  readonly grammars: GrammarChecker;
  /** Of requests that bring none. */
  readonly seeds: RandomStream;
  readonly adapters: AdapterBook;
  /** Predictions are of use. */
  readonly speculates: boolean;
}

/** @throws PunctualError invalid_request, context_length_exceeded, model_not_found for an adapter. */
export function checkRequest(request: GenerateRequest, seq: number, rules: RequestRules): SequenceSpec {
  const { promptTokens, maxTokens, minTokens = 0, thinkingBudget, prediction, cacheSalt, exactPrefixTokens } = request;
  const { contextTokens, vocabSize, defaultSlo } = rules.info;
  checkCount(maxTokens, 1, "maxTokens");
  checkCount(minTokens, 0, "minTokens");
  if (thinkingBudget !== undefined) checkCount(thinkingBudget, 0, "thinkingBudget");
  if (promptTokens.length === 0) fail("invalid_request", "the prompt is empty", { param: "promptTokens" });
  checkTokens(promptTokens, vocabSize, "promptTokens");
  const room = contextTokens - promptTokens.length;
  if (room < 1) {
    fail("context_length_exceeded", `the prompt has ${promptTokens.length} tokens, the context ${contextTokens}`, {
      param: "promptTokens",
    });
  }
  if (prediction !== undefined) checkTokens(prediction, vocabSize, "prediction");
  if (cacheSalt !== undefined) checkLength(cacheSalt, MAX_SALT_CHARACTERS, "cacheSalt");
  if (exactPrefixTokens !== undefined) checkCount(exactPrefixTokens, 0, "exactPrefixTokens");
  const route = checkCompute(request, rules.info.routes?.layers ?? null);
  const sampling = request.sampling ?? {};
  checkSampling(sampling, vocabSize);
  return {
    seq,
    arrivalMs: checkArrival(request.arrivalMs ?? liveClock.nowMs()),
    promptTokens,
    maxTokens: Math.min(maxTokens, room),
    minTokens: Math.min(minTokens, maxTokens, room),
    sampling: { ...finiteBias(sampling), seed: sampling.seed ?? rules.seeds.uint32() },
    stop: request.stop ?? [],
    slo: request.slo === undefined ? defaultSlo : checkSlo(request.slo),
    ...(request.task === undefined ? {} : { task: checkTask(request.task) }),
    thinkingBudget: thinkingBudget ?? null,
    ignoreEos: request.ignoreEos ?? false,
    ...(request.grammar === undefined ? {} : { grammar: rules.grammars.check(request.grammar) }),
    ...(prediction === undefined || !rules.speculates ? {} : { prediction: prediction.slice(0, contextTokens) }),
    ...(request.adapter === undefined ? {} : { adapter: rules.adapters.idOf(request.adapter) }),
    ...(cacheSalt === undefined ? {} : { cacheSalt }),
    ...(exactPrefixTokens === undefined ? {} : { exactPrefixTokens }),
    ...(route === undefined ? {} : { route }),
  };
}

/** @throws PunctualError invalid_request for what is no time. */
function checkArrival(arrivalMs: number): number {
  return Number.isFinite(arrivalMs)
    ? arrivalMs
    : fail("invalid_request", `arrivalMs: expected a time, got ${arrivalMs}`, { param: "arrivalMs" });
}

/** @throws PunctualError invalid_request naming the field. */
export function checkTokens(tokens: readonly number[], vocabSize: number, param: string): void {
  const wrong = tokens.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (wrong === undefined) return;
  fail("invalid_request", `token id ${wrong} is not in 0..${vocabSize - 1}`, { param });
}

function checkCount(value: number, least: number, param: string): void {
  if (Number.isInteger(value) && value >= least) return;
  fail("invalid_request", `${param}: expected an integer of at least ${least}, got ${value}`, { param });
}

function checkLength(text: string, most: number, param: string): void {
  if (text.length >= 1 && text.length <= most) return;
  fail("invalid_request", `${param}: expected 1 to ${most} characters, got ${text.length}`, { param });
}

function checkTask({ id, stage }: RequestTask): RequestTask {
  checkLength(id, MAX_TASK_CHARACTERS, "task.id");
  if (!(Number.isInteger(stage) && stage >= 0 && stage <= MAX_TASK_STAGE)) {
    const expected = `expected an integer from 0 to ${MAX_TASK_STAGE}, got ${stage}`;
    fail("invalid_request", `task.stage: ${expected}`, { param: "task.stage" });
  }
  return { id, stage };
}

function finiteBias(sampling: SamplingOptions): SamplingOptions {
  const { logitBias } = sampling;
  if (logitBias === undefined || Object.values(logitBias).every(Number.isFinite)) return sampling;
  const clip = (bias: number): number => Math.max(-LARGEST_BIAS, Math.min(LARGEST_BIAS, bias));
  const finite = Object.entries(logitBias).map(([id, bias]) => [id, clip(bias)] as const);
  return { ...sampling, logitBias: Object.fromEntries(finite) };
}
