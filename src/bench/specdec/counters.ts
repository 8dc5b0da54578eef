/**
 * A server's counters of speculative decoding, read from its Prometheus page before and after a run. They count the
 * whole server, so they are right only while nobody else uses it; the count of generated tokens tells when somebody
 * does. Names are vLLM's; ours carry the same.
 */
import { fail } from "../../core/index.ts";

/** The counters at a moment. */
export interface SpecDecodeCounters {
  /** Verification steps. */
  readonly drafts: number;
  readonly draftTokens: number;
  readonly acceptedTokens: number;
  /** Entry i: steps whose draft token i was accepted. */
  readonly acceptedPerPosition: readonly number[];
  /** All tokens that the server has generated; null where it does not say. */
  readonly generatedTokens: number | null;
}

/** A page is read up to this many characters. */
const MAX_PAGE_CHARACTERS = 32 * 1024 * 1024;
const MAX_POSITIONS = 1024;

const DRAFTS = "spec_decode_num_drafts";
const DRAFT_TOKENS = "spec_decode_num_draft_tokens";
const ACCEPTED = "spec_decode_num_accepted_tokens";
const PER_POSITION = "spec_decode_num_accepted_tokens_per_pos";
const GENERATED = "generation_tokens";

/** One line: name, labels, value; a time stamp may follow. */
const SAMPLE = /^(?:vllm|punctual)[:_](\w+?)(?:_total)?(\{.*\})?\s+([^\s{}]+)(?:\s+-?\d+)?\s*$/;

/**
 * Reads them off a Prometheus page, summed over engines and models; null where speculation is not counted there. Where
 * a page has a counter under two names (vLLM's and a server's own), it is taken once.
 */
export function parseCounters(page: string): SpecDecodeCounters | null {
  return readNames(page, "vllm:") ?? readNames(page, "punctual_");
}

function readNames(page: string, prefix: string): SpecDecodeCounters | null {
  const sums = new Map<string, number>();
  const positions: number[] = [];
  for (const line of page.split("\n")) {
    if (!line.startsWith(prefix)) continue;
    const match = SAMPLE.exec(line);
    const value = match === null ? Number.NaN : Number(match[3]);
    if (match === null || !Number.isFinite(value) || value < 0) continue;
    const [, name, labels = ""] = match;
    if (name === PER_POSITION) addAt(positions, labels, value);
    else sums.set(name!, (sums.get(name!) ?? 0) + value);
  }
  if (!sums.has(DRAFTS) || !sums.has(ACCEPTED)) return null;
  return {
    drafts: sums.get(DRAFTS)!,
    draftTokens: sums.get(DRAFT_TOKENS) ?? 0,
    acceptedTokens: sums.get(ACCEPTED)!,
    acceptedPerPosition: positions,
    generatedTokens: sums.get(GENERATED) ?? null,
  };
}

function addAt(positions: number[], labels: string, value: number): void {
  const position = Number(/position="(\d+)"/.exec(labels)?.[1] ?? Number.NaN);
  if (!Number.isInteger(position) || position >= MAX_POSITIONS) return;
  while (positions.length <= position) positions.push(0);
  positions[position]! += value;
}

/** What happened in between; null when the server has started anew meanwhile, so that counts went down. */
export function counterDifference(before: SpecDecodeCounters, after: SpecDecodeCounters): SpecDecodeCounters | null {
  const generated =
    before.generatedTokens === null || after.generatedTokens === null
      ? null
      : after.generatedTokens - before.generatedTokens;
  const difference = {
    drafts: after.drafts - before.drafts,
    draftTokens: after.draftTokens - before.draftTokens,
    acceptedTokens: after.acceptedTokens - before.acceptedTokens,
    acceptedPerPosition: after.acceptedPerPosition.map((count, i) => count - (before.acceptedPerPosition[i] ?? 0)),
    generatedTokens: generated,
  };
  const { drafts, draftTokens, acceptedTokens, acceptedPerPosition } = difference;
  const all = [drafts, draftTokens, acceptedTokens, ...acceptedPerPosition, generated ?? 0];
  return all.some((count) => count < 0) ? null : difference;
}

/** Acceptance of a difference: 1 + accepted / drafts, and rates by position; nulls where nothing was drafted. */
export function counterAcceptance({ drafts, draftTokens, acceptedTokens, acceptedPerPosition }: SpecDecodeCounters): {
  readonly length: number | null;
  readonly rate: number | null;
  readonly conditional: readonly (number | null)[];
  readonly joint: readonly number[];
} {
  if (drafts === 0) return { length: null, rate: null, conditional: [], joint: [] };
  const joint = acceptedPerPosition.map((count) => count / drafts);
  const conditional = joint.map((share, i) => {
    const before = i === 0 ? 1 : joint[i - 1]!;
    return before === 0 ? null : share / before;
  });
  return {
    length: 1 + acceptedTokens / drafts,
    rate: draftTokens === 0 ? null : acceptedTokens / draftTokens,
    conditional,
    joint,
  };
}

const ASK_TIMEOUT_MS = 10_000;

/** The counters of a server now; null where it has no such page or does not count. @throws PunctualError download_failed. */
export async function fetchCounters(
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<SpecDecodeCounters | null> {
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
  } catch (cause) {
    return fail("download_failed", `${url.href}: no answer`, { cause });
  }
  if (!response.ok) {
    await response.body?.cancel();
    return null;
  }
  return parseCounters(await boundedText(response));
}

/** A page cut at its bound still has its lines. */
async function boundedText(response: Response): Promise<string> {
  let text = "";
  if (response.body === null) return text;
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MAX_PAGE_CHARACTERS) break;
  }
  return text;
}
