/** Events of an engine as they travel: moments become ages, numbers that JSON has no word for become null. */
import type { FleetError, WireEvent, WireNotice, WireRequest, WireSummary } from "../../protocol/index.ts";
import { toErrorRecord } from "../../core/index.ts";
import { FLEET_LIMITS } from "../../protocol/index.ts";
import type { GenerateEvent, GenerateRequest, RequestObserver, RequestSummary } from "../../runtime/index.ts";

type WireLogprobs = NonNullable<Extract<WireEvent, { readonly kind: "token" }>["logprobs"]>;
type TokenLogprobs = NonNullable<Extract<GenerateEvent, { readonly kind: "token" }>["logprobs"]>;

/** The request as an engine takes it. @param arrivalMs of this process */
export function toGenerateRequest(request: WireRequest, arrivalMs: number): GenerateRequest {
  return { ...request, arrivalMs };
}

/** @param tokens generated before it, which is the index of the finish */
export function toWireEvent(event: GenerateEvent, tokens: number, arrivalMs: number): WireEvent {
  const { atMs } = event;
  const ageMs = atMs - arrivalMs;
  if (event.kind === "token") {
    const { id, index, text, section, mark, logprobs, lossy } = event;
    return {
      kind: "token",
      id,
      index,
      text,
      section,
      ...(mark === undefined ? {} : { mark }),
      ...(logprobs === undefined ? {} : { logprobs: toWireLogprobs(logprobs) }),
      ...(lossy === undefined ? {} : { lossy }),
      ageMs,
    };
  }
  const { reason, cause, text, section, stop, usage, embedding } = event;
  const { transferMs, drafts, ...counted } = usage;
  return {
    kind: "finish",
    index: tokens,
    reason,
    cause,
    text,
    section,
    ...(stop === undefined ? {} : { stop }),
    usage: {
      ...counted,
      ...(transferMs === undefined ? {} : { transferMs }),
      ...(drafts === undefined ? {} : { drafts: { ...drafts, draftsByAccepted: [...drafts.draftsByAccepted] } }),
    },
    ageMs,
    ...(embedding === undefined ? {} : { embedding: base64Of(embedding) }),
  };
}

/** Little-endian, as every machine that Node runs on. */
function base64Of(floats: Float32Array): string {
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64");
}

function toWireLogprobs({ logprob, top }: TokenLogprobs): WireLogprobs {
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return {
    logprob: finite(logprob),
    top: top.map(({ id, logprob: other }) => ({ id, logprob: finite(other) })),
  };
}

/** How it went, in ages. */
export function toWireSummary(summary: RequestSummary, arrivalMs: number): WireSummary {
  const { end, scheduledMs, firstTokenMs, lastTokenMs, endMs, drafts } = summary;
  const { promptTokens, cachedTokens, completionTokens, cause, error, outcome } = summary;
  const age = (atMs: number | null): number | null => (atMs === null ? null : atMs - arrivalMs);
  return {
    end,
    scheduledAgeMs: age(scheduledMs),
    firstTokenAgeMs: age(firstTokenMs),
    lastTokenAgeMs: age(lastTokenMs),
    endAgeMs: endMs - arrivalMs,
    promptTokens,
    cachedTokens,
    completionTokens,
    cause,
    error,
    outcome,
    ...(drafts === undefined ? {} : { drafts: { ...drafts, draftsByAccepted: [...drafts.draftsByAccepted] } }),
  };
}

/** Anything thrown, as it is told to others. */
export function toFleetError(thrown: unknown): FleetError {
  const record = toErrorRecord(thrown);
  return { ...record, message: record.message.slice(0, FLEET_LIMITS.errorCharacters) };
}

/** An observer that tells notices. */
export function noticesTo(tell: (notice: WireNotice) => void, arrivalMs: number): RequestObserver {
  return {
    admitted: (atMs, cachedTokens) => tell({ kind: "admitted", ageMs: atMs - arrivalMs, cachedTokens }),
    chunk: (startMs, durationMs, tokens) => tell({ kind: "chunk", ageMs: startMs - arrivalMs, durationMs, tokens }),
    token: () => undefined,
    interrupted: (kind, atMs) => tell({ kind, ageMs: atMs - arrivalMs }),
    resumed: (atMs) => tell({ kind: "resumed", ageMs: atMs - arrivalMs }),
  };
}
