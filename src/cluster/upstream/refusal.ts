/** What another server's refusal means here: its fault, its pause, or the request's own. */
import { PunctualError } from "../../core/index.ts";
import { brokenUpstream, type UpstreamAnswer } from "./http.ts";
import { readFailure } from "./read-answer.ts";
import type { UpstreamServer } from "./upstream-server.ts";

const FAILURE_TIMEOUT_MS = 5000;
/** Statuses of a server in trouble, which another one may not be in. */
const TROUBLE: ReadonlySet<number> = new Set([401, 403, 404, 408, 500, 502, 503, 504, 529]);
const BUSY_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Reads the reason of an answer whose status is not 200; a server that asks for a pause is left alone for it.
 * @returns rate_limit_exceeded, upstream_failed, payload_too_large or invalid_request
 */
export async function refusalOf(
  answer: UpstreamAnswer,
  { health }: Pick<UpstreamServer, "health">,
  nowMs: () => number,
): Promise<PunctualError> {
  const { status, retryAfterMs } = answer;
  const why = await readFailure(answer, FAILURE_TIMEOUT_MS);
  if (status === 429 || status === 503) {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, retryAfterMs ?? BUSY_PAUSE_MS);
    health.pause(pauseMs, nowMs());
    return new PunctualError("rate_limit_exceeded", `The upstream is busy: ${why}`, { retryAfterMs: pauseMs });
  }
  if (TROUBLE.has(status) || status >= 500) return brokenUpstream(`the upstream answers ${status}: ${why}`);
  if (status === 413) return new PunctualError("payload_too_large", why);
  return new PunctualError("invalid_request", `The upstream refuses the request (${status}): ${why}`);
}
