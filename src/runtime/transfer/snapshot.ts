/** From a sequence to a snapshot and back: what is written, and what is checked of one that somebody else wrote. */
import { isDeepStrictEqual } from "node:util";
import { fail } from "../../core/index.ts";
import type { SamplerLooks } from "../../llm/index.ts";
import type { SequenceSpec } from "../messages.ts";
import { checkTokens } from "../request-check.ts";
import type { DraftUse } from "../speculation/types.ts";
import type { EngineInfo } from "../types.ts";
import type { SequenceState } from "./protocol.ts";
import type { ResumeRequest, SequenceCounts, SequenceSnapshot, WireRequest } from "./types.ts";

/** A day: longer ages are mistakes of unit. */
const MAX_AGE_MS = 86_400_000;
/** More than any draft has. */
const MOST_DRAFT_TOKENS = 1024;
/** As counted at the beginning. */
const NO_COUNTS: SequenceCounts = {
  cachedTokens: null,
  tokensInTime: 0,
  reachedTokens: 0,
  transferMs: null,
  drafts: null,
};

/** The request of a sequence, with every default filled in. */
export function wireRequest(spec: SequenceSpec, requestId: string): WireRequest {
  const { promptTokens, maxTokens, minTokens, sampling, stop, slo, task, thinkingBudget, ignoreEos } = spec;
  const { grammar, prediction, cacheSalt, exactPrefixTokens } = spec;
  return {
    id: requestId,
    promptTokens,
    maxTokens,
    minTokens,
    sampling,
    stop,
    slo,
    ...(task === undefined ? {} : { task }),
    ...(thinkingBudget === null ? {} : { thinkingBudget }),
    ignoreEos,
    ...(grammar === undefined ? {} : { grammar }),
    ...(prediction === undefined ? {} : { prediction }),
    ...(cacheSalt === undefined ? {} : { cacheSalt }),
    ...(exactPrefixTokens === undefined ? {} : { exactPrefixTokens }),
  };
}

/** What is written of a sequence. */
export function snapshotOf(
  request: WireRequest,
  state: SequenceState,
  requestId: string,
  model: string,
): SequenceSnapshot {
  return { version: 1, model, requestId, request, ...state };
}

/** Whether two requests are one, so that what was made of the first need not be made of the second. */
export function isSameRequest(a: WireRequest, b: WireRequest): boolean {
  if (a === b) return true;
  const { promptTokens: mine, ...rest } = a;
  const { promptTokens: other, ...others } = b;
  const isSamePrompt = mine === other || (mine.length === other.length && mine.every((id, i) => id === other[i]));
  return isSamePrompt && isDeepStrictEqual(rest, others);
}

/** @throws PunctualError unsupported for another version or model. */
export function checkModel(version: number, model: string, info: EngineInfo): void {
  if (version !== 1) fail("unsupported", `snapshots of version ${version} are not read`, { param: "version" });
  if (info.modelFingerprint === null) fail("unsupported", "the files of this engine's model could not be read again");
  if (model === info.modelFingerprint) return;
  fail("unsupported", `the sequence is of model ${model}, this engine has ${info.modelFingerprint}`, {
    param: "model",
  });
}

/** @throws PunctualError unsupported when the answer may become longer than this engine's context. */
export function checkContext(request: WireRequest, { contextTokens }: EngineInfo): void {
  const tokens = request.promptTokens.length + request.maxTokens;
  if (tokens <= contextTokens) return;
  fail("unsupported", `prompt and answer may have ${tokens} tokens, the context here ${contextTokens}`, {
    param: "maxTokens",
  });
}

/** The state that a snapshot, or what a client has seen, stands for. @throws PunctualError invalid_request naming the field. */
export function stateOf(
  { generated, ageMs, firstTokenAgeMs, lastTokenAgeMs, counts, ...rest }: SequenceSnapshot | ResumeRequest,
  promptTokens: number,
  { vocabSize, contextTokens }: EngineInfo,
): SequenceState {
  if (!Array.isArray(generated))
    fail("invalid_request", "generated: expected a list of tokens", { param: "generated" });
  checkTokens(generated, vocabSize, "generated");
  const known = promptTokens + generated.length;
  if (known > contextTokens) {
    fail("invalid_request", `generated: ${known} tokens with the prompt, the context has ${contextTokens}`, {
      param: "generated",
    });
  }
  const computed = "computed" in rest ? rest.computed : 0;
  checkNumber(computed, known - 1, "computed", true);
  const scheduledAgeMs = "scheduledAgeMs" in rest ? rest.scheduledAgeMs : null;
  const ages = { scheduledAgeMs, firstTokenAgeMs, lastTokenAgeMs };
  checkNumber(ageMs, MAX_AGE_MS, "ageMs");
  for (const [param, value] of Object.entries(ages)) if (value !== null) checkNumber(value, MAX_AGE_MS, param);
  const all = { ...NO_COUNTS, ...counts };
  if (all.cachedTokens !== null) checkNumber(all.cachedTokens, promptTokens, "counts.cachedTokens", true);
  checkNumber(all.tokensInTime, generated.length, "counts.tokensInTime", true);
  checkNumber(all.reachedTokens, known, "counts.reachedTokens", true);
  if (all.transferMs !== null) checkNumber(all.transferMs, Infinity, "counts.transferMs");
  if (all.drafts !== null) checkDrafts(all.drafts);
  if (all.looks !== undefined) checkLooks(all.looks);
  return { generated, computed, ageMs, ...ages, counts: all };
}

function checkDrafts({ acceptedTokens, rejectedTokens, draftsByAccepted }: DraftUse): void {
  const counts = Array.isArray(draftsByAccepted) ? draftsByAccepted : [-1];
  if (counts.length > MOST_DRAFT_TOKENS) fail("invalid_request", "counts.drafts: too many places", { param: "counts" });
  for (const count of [acceptedTokens, rejectedTokens, ...counts]) checkNumber(count, Infinity, "counts.drafts", true);
}

function checkLooks(looks: SamplerLooks | null): void {
  const numbers = (list: unknown): readonly unknown[] => (Array.isArray(list) ? list : []);
  const [attempts, misses] = [numbers(looks?.attempts), numbers(looks?.misses)];
  for (const kind of [0, 1]) {
    const most = attempts[kind] as number;
    checkNumber(most, Number.MAX_SAFE_INTEGER, "counts.looks", true);
    checkNumber(misses[kind] as number, most, "counts.looks", true);
  }
}

function checkNumber(value: number, most: number, param: string, whole = false): void {
  if (value >= 0 && value <= most && (!whole || Number.isInteger(value))) return;
  fail("invalid_request", `${param}: expected ${whole ? "an integer" : "a number"} from 0 to ${most}, got ${value}`, {
    param,
  });
}
