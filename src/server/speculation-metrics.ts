/**
 * Metrics of engines that speculate: under our names by who drafted, and under vLLM's as sums, so that its dashboards and
 * benchmarks that read acceptance off the page work unchanged. Nothing for engines that do not.
 */
import type { EngineStats } from "../runtime/index.ts";
import type { Exposition, Labels } from "./exposition.ts";

type Count = NonNullable<EngineStats["speculation"]>[number];

const COUNTERS: readonly (readonly [name: string, help: string, of: (count: Count) => number])[] = [
  ["spec_decode_num_drafts_total", "Drafts checked, each of one request in one step.", ({ drafts }) => drafts],
  ["spec_decode_num_draft_tokens_total", "Drafted tokens that were checked.", ({ draftTokens }) => draftTokens],
  ["spec_decode_num_accepted_tokens_total", "Drafted tokens that were said.", ({ acceptedTokens }) => acceptedTokens],
];
const PER_POSITION = "spec_decode_num_accepted_tokens_per_pos_total";
const PER_POSITION_HELP = "Drafted tokens that were said, by their place in the draft.";

/** Writes all of them, also before the first draft. */
export function writeSpeculation(page: Exposition, { name: model, speculation }: EngineStats): void {
  if (speculation === null) return;
  const vllm: Labels = { model_name: model, engine: "0" };
  for (const [name, help, of] of COUNTERS) {
    const sum = speculation.reduce((total, count) => total + of(count), 0);
    page.counter(`vllm:${name}`, help, vllm, sum);
    if (speculation.length === 0) page.counter(`punctual_${name}`, help, { model_name: model }, 0);
    for (const count of speculation) {
      page.counter(`punctual_${name}`, help, { model_name: model, source: count.source }, of(count));
    }
  }
  const places = Math.max(0, ...speculation.map(({ perPosition }) => perPosition.length));
  for (let position = 0; position < places; position++) {
    const at = (count: Count): number => count.perPosition[position] ?? 0;
    const sum = speculation.reduce((total, count) => total + at(count), 0);
    page.counter(`vllm:${PER_POSITION}`, PER_POSITION_HELP, { ...vllm, position: `${position}` }, sum);
    for (const count of speculation) {
      const labels = { model_name: model, source: count.source, position: `${position}` };
      page.counter(`punctual_${PER_POSITION}`, PER_POSITION_HELP, labels, at(count));
    }
  }
}
