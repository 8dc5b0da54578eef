/** Token counts and deadlines of one HTTP request, which may be several generations (n, or several prompts). */
import type { GenerationFields, ResponseMetrics, SloReport, UsageBody } from "../../protocol/index.ts";
import type { Usage } from "../../runtime/index.ts";

/** A finished generation and the prompt it belongs to: a prompt is counted once however many answers it got. */
export interface FinishedChoice {
  readonly prompt: number;
  readonly usage: Usage;
}

/** How much of its usage a stream tells: nothing, one chunk at the end, or the counts so far on every chunk. */
export type StreamedUsage = "none" | "last" | "continuous";

/** What the request's stream options ask for. */
export function streamedUsage({ stream_options: options }: Pick<GenerationFields, "stream_options">): StreamedUsage {
  if (options?.include_usage !== true) return "none";
  return options.continuous_usage_stats === true ? "continuous" : "last";
}

/** The running counts of one choice, for `continuous_usage_stats`; by vLLM's convention its own tokens only. */
export function runningUsage(promptTokens: number, completionTokens: number, reasoningTokens: number): UsageBody {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...details(0, 0, reasoningTokens, 0, 0),
  };
}

/** The whole request's usage; `choices` holds at least one. */
export function combineUsage(choices: readonly FinishedChoice[]): UsageBody {
  const firsts = choices.filter(({ prompt }, i) => choices.findIndex((other) => other.prompt === prompt) === i);
  const sum = (list: readonly FinishedChoice[], of: (usage: Usage) => number): number =>
    list.reduce((total, { usage }) => total + of(usage), 0);
  const promptTokens = sum(firsts, (usage) => usage.promptTokens);
  const completionTokens = sum(choices, (usage) => usage.completionTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...details(
      sum(firsts, (usage) => usage.cachedTokens),
      firsts.reduce((total, { prompt }) => total + mostLossy(choices, prompt), 0),
      sum(choices, (usage) => usage.reasoningTokens),
      sum(choices, ({ drafts }) => drafts?.acceptedTokens ?? 0),
      sum(choices, ({ drafts }) => drafts?.rejectedTokens ?? 0),
    ),
    ...layersUsed(choices),
    slo: { ...worstOutcome(choices.map(({ usage }) => usage.slo)), ...transfer(choices) },
  };
}

/** One prompt's answers may be of different levels: none is called exact that was not. */
function mostLossy(choices: readonly FinishedChoice[], prompt: number): number {
  return Math.max(0, ...choices.map((choice) => (choice.prompt === prompt ? (choice.usage.lossyTokens ?? 0) : 0)));
}

/** Which layers were left out; nothing where none might be. */
function layersUsed(choices: readonly FinishedChoice[]): Pick<UsageBody, "compute"> {
  const route = choices[0]?.usage.route;
  return route === undefined ? {} : { compute: { layers: route.layers, skipped_layers: [...route.skipped] } };
}

/** How drafts fared, as answers tell it; nothing where nothing was drafted, or several generations would be mixed. */
export function draftMetrics(choices: readonly FinishedChoice[]): { readonly metrics?: ResponseMetrics } {
  const drafts = choices.length === 1 ? choices[0]!.usage.drafts : undefined;
  if (drafts === undefined) return {};
  const { acceptedTokens, rejectedTokens, draftsByAccepted } = drafts;
  const steps = draftsByAccepted.reduce((sum, count) => sum + count, 0);
  return {
    metrics: {
      speculative_decoding: {
        num_spec_steps: steps,
        num_draft_tokens: acceptedTokens + rejectedTokens,
        num_accepted_draft_tokens: acceptedTokens,
        mean_acceptance_length: 1 + acceptedTokens / steps,
        draft_acceptance_rate: acceptedTokens / (acceptedTokens + rejectedTokens),
        acceptance_histogram: [...draftsByAccepted],
      },
    },
  };
}

/** There is no audio. */
function details(
  cachedTokens: number,
  lossyTokens: number,
  reasoningTokens: number,
  acceptedTokens: number,
  rejectedTokens: number,
): Pick<UsageBody, "prompt_tokens_details" | "completion_tokens_details"> {
  return {
    prompt_tokens_details: {
      cached_tokens: cachedTokens,
      ...(lossyTokens === 0 ? {} : { lossy_tokens: lossyTokens }),
      audio_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: acceptedTokens,
      rejected_prediction_tokens: rejectedTokens,
    },
  };
}

/** The longest of its hand-overs; nothing where keys and values stayed where they were. */
function transfer(choices: readonly FinishedChoice[]): Pick<SloReport, "kv_transfer_ms"> {
  const longest = extreme(
    choices.map(({ usage }) => usage.transferMs ?? null),
    Math.max,
  );
  return longest === null ? {} : { kv_transfer_ms: longest };
}

/** A request is as late as its latest answer; `outcomes` holds at least one. */
export function worstOutcome(outcomes: readonly SloReport[]): SloReport {
  return {
    attained: outcomes.every((outcome) => outcome.attained),
    ttft_ms: extreme(
      outcomes.map((outcome) => outcome.ttft_ms),
      Math.max,
    ),
    tpot_ms: extreme(
      outcomes.map((outcome) => outcome.tpot_ms),
      Math.max,
    ),
    e2e_ms: extreme(
      outcomes.map((outcome) => outcome.e2e_ms),
      Math.max,
    ),
    slack_ms: extreme(
      outcomes.map((outcome) => outcome.slack_ms),
      Math.min,
    ),
  };
}

function extreme(values: readonly (number | null)[], pick: (...values: number[]) => number): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.round(pick(...known) * 1000) / 1000; // microseconds are enough for anybody
}
