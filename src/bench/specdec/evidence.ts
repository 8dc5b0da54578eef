/**
 * From what a server says to steps: which account of acceptance to believe, and the steps of every answer by it. The
 * account is always named in reports, because they differ in what they know: an answer's own counts, sums of the whole
 * server, or merely how tokens were spread over chunks.
 */
import type { Outcome } from "../types.ts";
import { acceptanceReport, type AcceptanceReport, type AnswerSteps } from "./acceptance.ts";
import { counterAcceptance, type SpecDecodeCounters } from "./counters.ts";
import type { AcceptanceSource, DraftLength } from "./types.ts";

/** What a cell has to go by. */
export interface Evidence {
  /** Answers that came to their end. */
  readonly outcomes: readonly Outcome[];
  /** Counters of the server over just these; null where it has none. */
  readonly counters: SpecDecodeCounters | null;
  readonly draftLength: DraftLength;
}

/** The most exact account there is; null when nothing tells steps from tokens. */
export function chooseSource(evidence: Evidence): AcceptanceSource | null {
  return sourcesOf(evidence)[0] ?? null;
}

/** Every account there is, the most exact first. */
export function sourcesOf({ outcomes, counters, draftLength }: Evidence): readonly AcceptanceSource[] {
  if (outcomes.length === 0) return [];
  if (draftLength === 0) return ["no speculation"];
  const sources: AcceptanceSource[] = [];
  for (const source of ["response metrics", "usage", "timings"] as const) {
    // An answer without a draft may say so in a plainer field. Zeros everywhere are no account of anything: servers that
    // know the fields but not speculation send them.
    const tells = ({ speculation }: Outcome): boolean => speculation?.source === source && speculation.drafted > 0;
    const agrees = (one: Outcome): boolean => one.speculation?.source === source || one.speculation?.drafted === 0;
    if (outcomes.some(tells) && outcomes.every(agrees)) sources.push(source);
  }
  if (counters !== null) sources.push(counters.drafts > 0 ? "server counters" : "no speculation");
  if (outcomes.every(({ counted }) => counted !== "chunks")) sources.push("chunks");
  return sources;
}

/** Acceptance by that account. */
export function readAcceptance(evidence: Evidence, source: AcceptanceSource): AcceptanceReport {
  const { outcomes, counters, draftLength } = evidence;
  const fixed = typeof draftLength === "number" ? draftLength : null;
  if (source === "server counters") return counterReport(counters!, outcomes.length);
  return acceptanceReport(
    outcomes.map((outcome) => answerSteps(outcome, source)),
    source,
    source === "no speculation" ? 0 : fixed,
  );
}

/** The steps of one answer by an account of its own. */
export function answerSteps(outcome: Outcome, source: Exclude<AcceptanceSource, "server counters">): AnswerSteps {
  const { outputTokens: tokens, speculation, finishReason, counted, chunkTokens } = outcome;
  const common = { source, tokens, isCut: finishReason === "length" };
  switch (source) {
    case "response metrics":
    case "usage":
    case "timings": {
      const { accepted, drafted } = speculation!;
      const histogram = drafted === 0 ? [] : speculation!.histogram; // nothing was verified
      // What the token limit cut off was accepted but is not in the answer: no answer has more accepted than tokens.
      return { ...common, accepted: Math.min(accepted, tokens - 1), drafted, lengths: null, histogram };
    }
    case "no speculation":
      return { ...common, accepted: 0, drafted: 0, lengths: null, histogram: [tokens - 1] };
    case "chunks": {
      const isExact = counted === "running usage";
      const accepted = Math.max(0, tokens - chunkTokens.length);
      return { ...common, accepted, drafted: null, lengths: isExact ? chunkTokens : null, histogram: null };
    }
    default:
      return source satisfies never;
  }
}

/** Sums of a whole server: no means over answers, no steps without a draft. */
function counterReport(counters: SpecDecodeCounters, answers: number): AcceptanceReport {
  const { length, rate, conditional, joint } = counterAcceptance(counters);
  return {
    source: "server counters",
    answers,
    length: null,
    lengthOverSteps: length ?? 1,
    verificationLength: length,
    rate,
    accepted: counters.acceptedTokens,
    drafted: counters.draftTokens,
    lengthHistogram: null,
    conditional,
    joint,
    cutSteps: 0,
  };
}

/** The acceptance length to show: over answers where it can be, else over the server's drafts. */
export function shownLength({ length, verificationLength, lengthOverSteps }: AcceptanceReport): number {
  return length?.mean ?? verificationLength ?? lengthOverSteps;
}
