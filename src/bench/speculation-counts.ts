/**
 * What servers say about speculation in an answer, in the three forms that are about. Foreign input: what does not fit
 * is passed over, never trusted.
 *
 *   metrics.speculative_decoding   vLLM with --per-request-spec-decode-metrics: sums and a histogram of accepted counts
 *   usage.completion_tokens_details.{accepted,rejected}_prediction_tokens   OpenAI's fields, which our server fills
 *   timings.{draft_n, draft_n_accepted}   llama.cpp's server
 */
import type { SpeculationCounts } from "./types.ts";

/** The fields of a chunk that are looked at. */
export interface SpeculationFields {
  readonly metrics?: unknown;
  readonly timings?: unknown;
  readonly usage?: { readonly completion_tokens_details?: unknown } | null;
}

/** No drafter proposes more tokens a step. */
const MAX_DRAFT_TOKENS = 1024;

/** The most exact account in a chunk; null where there is none. */
export function readSpeculation(chunk: SpeculationFields): SpeculationCounts | null {
  const usage = usageCounts(chunk);
  const isSilent = usage === null || usage.drafted === 0; // servers that never draft send the fields as zeros
  const others = timings(chunk) ?? usage;
  return responseMetrics(fieldsOf(chunk.metrics)["speculative_decoding"]) ?? (isSilent ? others : usage);
}

function responseMetrics(value: unknown): SpeculationCounts | null {
  const fields = fieldsOf(value);
  const accepted = countOf(fields["num_accepted_draft_tokens"]);
  const drafted = countOf(fields["num_draft_tokens"]);
  if (accepted === null || drafted === null || accepted > drafted) return null;
  const histogram = histogramOf(fields["acceptance_histogram"], accepted);
  return { source: "response metrics", accepted, drafted, histogram };
}

function usageCounts({ usage }: SpeculationFields): SpeculationCounts | null {
  const details = fieldsOf(usage?.completion_tokens_details);
  const accepted = countOf(details["accepted_prediction_tokens"]);
  const rejected = countOf(details["rejected_prediction_tokens"]);
  if (accepted === null || rejected === null) return null;
  return { source: "usage", accepted, drafted: accepted + rejected, histogram: null };
}

function timings(chunk: SpeculationFields): SpeculationCounts | null {
  const fields = fieldsOf(chunk.timings);
  const [accepted, drafted] = [countOf(fields["draft_n_accepted"]), countOf(fields["draft_n"])];
  if (accepted === null || drafted === null || accepted > drafted) return null;
  return { source: "timings", accepted, drafted, histogram: null };
}

/** Counts by accepted tokens, if they agree with the sum beside them. */
function histogramOf(value: unknown, accepted: number): readonly number[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_DRAFT_TOKENS + 1) return null;
  const counts: number[] = [];
  for (const item of value) {
    const count = countOf(item);
    if (count === null) return null;
    counts.push(count);
  }
  return counts.reduce((sum, count, j) => sum + j * count, 0) === accepted ? counts : null;
}

function countOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" ? (value as Readonly<Record<string, unknown>>) : {};
}
