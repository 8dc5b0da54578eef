/** One outcome in the words of latency; the definitions are those of measures.ts. */
import type { Outcome } from "./types.ts";

/** The latencies of a successful request, milliseconds; `tpotMs` is null below two tokens. */
export function latencies({ dueMs, sentMs, firstMs, endMs, outputTokens }: Outcome): {
  readonly ttftMs: number;
  readonly tpotMs: number | null;
  readonly e2elMs: number;
  readonly queueMs: number;
} {
  const e2elMs = endMs - sentMs;
  const ttftMs = (firstMs ?? endMs) - sentMs;
  const tpotMs = outputTokens > 1 ? (e2elMs - ttftMs) / (outputTokens - 1) : null;
  return { ttftMs, tpotMs, e2elMs, queueMs: sentMs - dueMs };
}
