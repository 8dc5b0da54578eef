/**
 * Requests and events as messages have them, and as an engine's callers do. Moments of an instance become moments here: its
 * events by when they came, since that is when a reader can have them; what it tells of its own (notices) by their ages.
 */
import { FLEET_LIMITS, type FleetError, type WireEvent, type WireRequest } from "../../protocol/index.ts";
import { PunctualError } from "../../core/index.ts";
import type { GenerateEvent, GenerateRequest } from "../../runtime/index.ts";

/** The request as it travels: under that id, with that seed. */
export function toWireRequest(request: GenerateRequest, id: string, seed: number): WireRequest {
  const { promptTokens, maxTokens, minTokens, sampling, stop, slo, task, thinkingBudget } = request;
  const { ignoreEos, grammar, prediction, embedding, adapter, cacheSalt, exactPrefixTokens, lossyContext } = request;
  return {
    id,
    promptTokens: [...promptTokens],
    maxTokens,
    sampling: { ...sampling, seed: sampling?.seed ?? seed } as NonNullable<WireRequest["sampling"]>,
    ...(minTokens === undefined ? {} : { minTokens }),
    ...(stop === undefined ? {} : { stop: [...stop] }),
    ...(slo === undefined ? {} : { slo }),
    ...(task === undefined ? {} : { task }),
    ...(thinkingBudget === undefined ? {} : { thinkingBudget }),
    ...(ignoreEos === undefined ? {} : { ignoreEos }),
    ...(grammar === undefined ? {} : { grammar: grammar as NonNullable<WireRequest["grammar"]> }),
    ...(prediction === undefined ? {} : { prediction: [...prediction] }),
    ...(embedding === undefined ? {} : { embedding }),
    ...(adapter === undefined ? {} : { adapter }),
    ...(cacheSalt === undefined ? {} : { cacheSalt }),
    ...(exactPrefixTokens === undefined ? {} : { exactPrefixTokens }),
    ...(lossyContext === undefined ? {} : { lossyContext }),
  };
}

/** An event that came at `atMs`. */
export function fromWireEvent(event: WireEvent, atMs: number): GenerateEvent {
  if (event.kind === "token") {
    const { id, index, text, section, mark, logprobs, lossy } = event;
    return {
      kind: "token",
      id,
      index,
      text,
      section,
      ...(mark === undefined ? {} : { mark }),
      ...(logprobs === undefined ? {} : { logprobs: fromWireLogprobs(logprobs) }),
      ...(lossy === undefined ? {} : { lossy }),
      atMs,
    };
  }
  const { reason, cause, text, section, stop, usage, embedding } = event;
  const { transferMs, drafts, ...counted } = usage;
  return {
    kind: "finish",
    reason,
    cause,
    text,
    section,
    ...(stop === undefined ? {} : { stop }),
    usage: {
      ...counted,
      ...(transferMs === undefined ? {} : { transferMs }),
      ...(drafts === undefined ? {} : { drafts }),
    },
    atMs,
    ...(embedding === undefined ? {} : { embedding: floatsOf(embedding) }),
  };
}

type WireLogprobs = NonNullable<Extract<WireEvent, { readonly kind: "token" }>["logprobs"]>;
type TokenLogprobs = NonNullable<Extract<GenerateEvent, { readonly kind: "token" }>["logprobs"]>;

/** JSON has no minus infinity. */
function fromWireLogprobs({ logprob, top }: WireLogprobs): TokenLogprobs {
  return {
    logprob: logprob ?? -Infinity,
    top: top.map(({ id, logprob: other }) => ({ id, logprob: other ?? -Infinity })),
  };
}

/** Little-endian, as every machine that Node runs on. */
function floatsOf(base64: string): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  const floats = new Float32Array(Math.floor(bytes.length / 4));
  for (let i = 0; i < floats.length; i++) floats[i] = bytes.readFloatLE(i * 4);
  return floats;
}

/** The error that an instance told of. */
export function fromWireError({ code, message, param, retryAfterMs }: FleetError): PunctualError {
  return new PunctualError(code, message, {
    ...(param === null ? {} : { param }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

/** An id that no other request of the fleet has, which still begins with the one that people know. */
export function fleetRequestId(known: string | undefined, router: string, count: number): string {
  const suffix = `~${router}.${count}`;
  const readable = (known ?? "request").replaceAll(/[^\x21-\x7e]/g, "_");
  return readable.slice(0, FLEET_LIMITS.idCharacters - suffix.length) + suffix;
}
