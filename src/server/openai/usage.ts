/** Token counts and deadlines of one HTTP request, which may be several generations (n, or several prompts). */
import type { GenerationFields, SloReport, UsageBody } from "../../protocol/index.ts";
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
    ...details(0, reasoningTokens),
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
      sum(choices, (usage) => usage.reasoningTokens),
    ),
    slo: worstOutcome(choices.map(({ usage }) => usage.slo)),
  };
}

/** There is no audio, and predictions are accepted without being used. */
function details(
  cachedTokens: number,
  reasoningTokens: number,
): Pick<UsageBody, "prompt_tokens_details" | "completion_tokens_details"> {
  return {
    prompt_tokens_details: { cached_tokens: cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
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
