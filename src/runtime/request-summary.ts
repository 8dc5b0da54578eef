/** How a request went, for whoever asked to be told (`SubmitOptions.onEnd`). */
import type { ErrorCode } from "../core/index.ts";
import { liveClock } from "./clock.ts";
import type { SequenceEvent, SequenceSpec } from "./messages.ts";
import type { RequestSummary } from "./types.ts";

/** What ends a request, in the words of the worker. */
export type LastEvent = Extract<SequenceEvent, { readonly kind: "finish" | "error" | "moved" }>;

/** What the worker said about a request's end; without its word (it died, or did not take it) only what this side knows. */
export function summarise(spec: SequenceSpec, last: LastEvent | ErrorCode): RequestSummary {
  if (typeof last !== "string") {
    const { end, timing, promptTokens, completionTokens, outcome, drafts, route } = last.end;
    const drafted = { ...(drafts === undefined ? {} : { drafts }), ...(route === undefined ? {} : { route }) };
    const finish = last.kind === "finish" ? last.finish : null;
    const cachedTokens = finish?.usage.cachedTokens ?? 0;
    const error = last.kind === "error" ? last.error.code : null;
    const cause = finish?.cause ?? null;
    const summary = { end, ...timing, promptTokens, cachedTokens, completionTokens, cause, error, outcome, ...drafted };
    return last.kind === "moved" ? { ...summary, outcome: null, moved: true } : summary;
  }
  return {
    end: "error",
    arrivalMs: spec.arrivalMs,
    scheduledMs: null,
    firstTokenMs: null,
    lastTokenMs: null,
    endMs: liveClock.nowMs(),
    promptTokens: spec.promptTokens.length,
    cachedTokens: 0,
    completionTokens: 0,
    cause: null,
    error: last,
    outcome: null,
  };
}
