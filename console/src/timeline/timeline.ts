/**
 * The timeline of an answer: out of the server's trace or out of what the page saw, and where its parts lie on a line
 * from arrival to end. Pure; timeline-view.tsx draws it.
 *
 *   |- queue -|- prompt chunks -|first token     gaps            end|          :deadline
 *   0                              drafts: accepted up, rejected down          1
 */
import type { RequestTraceBody, UsageBody } from "@protocol";
import { formatMs } from "../lib/format.ts";

/** A piece of a prompt that one step computed. */
export interface TimelineChunk {
  readonly startMs: number;
  readonly durationMs: number;
  readonly tokens: number;
}

/** A draft that one step checked, which ended then. */
export interface TimelineDraft {
  readonly atMs: number;
  /** Said as they were drafted. */
  readonly accepted: number;
  readonly rejected: number;
}

/** The life of one answer, from arrival at 0. */
export interface Timeline {
  /** "server": as the engine recorded it; "client": as this page saw the text come. */
  readonly source: "server" | "client";
  /** When it was taken from the queue; null when unknown. */
  readonly queueEndMs: number | null;
  readonly chunks: readonly TimelineChunk[];
  /** When each token (or, seen from the page, each piece) came. */
  readonly tokenMs: readonly number[];
  /** Tokens beyond those in `tokenMs`. */
  readonly omittedTokens: number;
  /** Drafts that were checked, as far as they are known one by one. */
  readonly drafts: readonly TimelineDraft[];
  /** Drafted tokens by what became of them; null when nothing was drafted. */
  readonly drafted: { readonly accepted: number; readonly rejected: number } | null;
  /** Layers of the model, and those that the answer left out; null where nobody says. */
  readonly route: { readonly layers: number; readonly skipped: readonly number[] } | null;
  readonly interruptions: readonly {
    readonly kind: "preempted" | "paused";
    readonly fromMs: number;
    readonly toMs: number;
  }[];
  readonly endMs: number | null;
  readonly promptTokens: number | null;
  readonly cachedTokens: number;
  readonly answerTokens: number | null;
  readonly class: RequestTraceBody["class"] | null;
  readonly targets: Partial<RequestTraceBody["targets"]>;
  readonly state: RequestTraceBody["state"] | null;
  readonly attained: boolean | null;
  readonly slackMs: number | null;
}

/** Hundredths of a millisecond are enough for a line of a thousand pixels, and keep well. */
const round = (ms: number): number => Math.round(ms * 100) / 100;

/** A trace of the server, moved to arrival at 0. */
export function timelineOfTrace(trace: RequestTraceBody): Timeline {
  const from = (ms: number): number => round(ms - trace.arrivalMs);
  const lastMs = trace.endMs ?? trace.tokenMs.at(-1) ?? trace.arrivalMs;
  return {
    source: "server",
    queueEndMs: trace.queue.endMs === null ? null : from(trace.queue.endMs),
    chunks: trace.chunks.map(({ startMs, durationMs, tokens }) => ({
      startMs: from(startMs),
      durationMs: round(durationMs),
      tokens,
    })),
    tokenMs: trace.tokenMs.map(from),
    omittedTokens: trace.omittedTokens,
    ...draftsOf(trace, from),
    route: trace.route ?? null,
    interruptions: trace.interruptions.map(({ kind, atMs, resumedMs }) => ({
      kind,
      fromMs: from(atMs),
      toMs: from(resumedMs ?? lastMs),
    })),
    endMs: trace.endMs === undefined ? null : from(trace.endMs),
    promptTokens: trace.promptTokens,
    cachedTokens: trace.cachedTokens,
    answerTokens: trace.answerTokens,
    class: trace.class,
    targets: trace.targets,
    state: trace.state,
    attained: trace.outcome?.attained ?? trace.attained ?? null,
    slackMs: trace.outcome?.slackMs ?? null,
  };
}

function draftsOf(trace: RequestTraceBody, from: (ms: number) => number): Pick<Timeline, "drafts" | "drafted"> {
  const drafts = (trace.drafts ?? []).map(({ atMs, tokens, accepted }) => {
    return { atMs: from(atMs), accepted, rejected: tokens - accepted };
  });
  const sum = (of: (draft: TimelineDraft) => number): number => drafts.reduce((all, draft) => all + of(draft), 0);
  const drafted =
    drafts.length === 0 ? null : { accepted: sum((one) => one.accepted), rejected: sum((one) => one.rejected) };
  return { drafts, drafted };
}

/** What the page knows by itself: when pieces came after the request was sent, and the usage at the end. */
export function timelineOfPage(seenMs: readonly number[], endMs: number | null, usage: UsageBody | null): Timeline {
  const { accepted_prediction_tokens: accepted = 0, rejected_prediction_tokens: rejected = 0 } =
    usage?.completion_tokens_details ?? {};
  return {
    source: "client",
    queueEndMs: null,
    chunks: [],
    tokenMs: seenMs.map(round),
    omittedTokens: 0,
    drafts: [],
    route: null,
    drafted: accepted + rejected === 0 ? null : { accepted, rejected },
    interruptions: [],
    endMs: endMs === null ? null : round(endMs),
    promptTokens: usage?.prompt_tokens ?? null,
    cachedTokens: usage?.prompt_tokens_details.cached_tokens ?? 0,
    answerTokens: usage?.completion_tokens ?? null,
    class: null,
    targets: {},
    state: null,
    attained: usage?.slo?.attained ?? null,
    slackMs: usage?.slo?.slack_ms ?? null,
  };
}

/** Times between tokens; the first is from arrival to the first token. */
export function gapsOf(tokenMs: readonly number[]): readonly number[] {
  return tokenMs.slice(1).map((ms, i) => round(ms - tokenMs[i]!));
}

/** A piece of the line: ends as shares of its length. */
export interface Span {
  readonly kind: "queue" | "prefill" | "decode" | "preempted" | "paused";
  readonly from: number;
  readonly to: number;
}

/** A gap as a stem at the token that ended it. Neighbours that would overlap are one, which tells the longest. */
export interface Stem {
  readonly at: number;
  /** Share of the full height. */
  readonly height: number;
  readonly gapMs: number;
  /** The token at its end, from 1; the last of them where several are one. */
  readonly token: number;
  readonly isLate: boolean;
}

/** Drafts at one place of the line: how much of the lane's half is accepted and rejected, and how many tokens that is. */
export interface DraftBar extends TimelineDraft {
  readonly at: number;
  /** Shares of half the lane's height. */
  readonly up: number;
  readonly down: number;
}

/** Where everything lies. */
export interface TimelineShape {
  /** What the whole length stands for. */
  readonly lengthMs: number;
  readonly spans: readonly Span[];
  readonly stems: readonly Stem[];
  /** Neighbours that would overlap are one. */
  readonly drafts: readonly DraftBar[];
  readonly firstToken: number | null;
  /** Where the first token is due; null without a target or beyond the end. */
  readonly ttftTarget: number | null;
  /** Where the answer is due; null without a deadline or beyond the end. */
  readonly deadline: number | null;
  /** Height of the target for gaps; null without one. */
  readonly tpotTarget: number | null;
  /** What the full height stands for. */
  readonly heightMs: number;
}

/** Stems that a line has room for. */
const MAX_STEMS = 360;
/** A target this many times beyond the end is told in words: it would squeeze the answer into a corner. */
const FAR = 2.5;

/** The shape of a timeline; null when it has no length yet, or when the page saw nothing come. */
export function timelineShape(timeline: Timeline): TimelineShape | null {
  const { tokenMs, chunks, queueEndMs, endMs, targets } = timeline;
  if (timeline.source === "client" && tokenMs.length === 0) return null;
  const lastChunk = chunks.at(-1);
  const chunksEnd = lastChunk === undefined ? 0 : lastChunk.startMs + lastChunk.durationMs;
  const end = Math.max(endMs ?? 0, tokenMs.at(-1) ?? 0, chunksEnd, queueEndMs ?? 0);
  if (end <= 0) return null;
  const near = [targets.ttftMs, targets.deadlineMs].filter((ms) => ms !== undefined && ms <= end * FAR) as number[];
  const lengthMs = Math.max(end, ...near) * 1.03;
  const share = (ms: number): number => Math.min(1, Math.max(0, ms / lengthMs));
  const gaps = gapsOf(tokenMs);
  const longest = gaps.reduce((most, gap) => Math.max(most, gap), 0);
  const heightMs = Math.max(longest, Math.min(targets.tpotMs ?? 0, longest * 3), 0.01) * 1.1;
  const within = (ms: number | undefined): number | null => (ms === undefined || ms > lengthMs ? null : share(ms));
  return {
    lengthMs,
    heightMs,
    spans: spansOf(timeline, end, share),
    stems: stemsOf(tokenMs, gaps, targets.tpotMs ?? null, share, heightMs),
    drafts: draftBars(timeline.drafts, share),
    firstToken: tokenMs.length === 0 ? null : share(tokenMs[0]!),
    ttftTarget: within(targets.ttftMs),
    deadline: within(targets.deadlineMs),
    tpotTarget: targets.tpotMs === undefined || targets.tpotMs > heightMs ? null : targets.tpotMs / heightMs,
  };
}

function spansOf(timeline: Timeline, end: number, share: (ms: number) => number): readonly Span[] {
  const { tokenMs, chunks, queueEndMs, interruptions, endMs } = timeline;
  const spans: Span[] = [];
  const add = (kind: Span["kind"], fromMs: number, toMs: number): void => {
    if (toMs > fromMs) spans.push({ kind, from: share(fromMs), to: share(toMs) });
  };
  const neverRan = queueEndMs === null && chunks.length === 0 && tokenMs.length === 0;
  add("queue", 0, queueEndMs ?? (neverRan ? (endMs ?? end) : 0));
  for (const { startMs, durationMs } of chunks) add("prefill", startMs, startMs + durationMs);
  const first = tokenMs[0];
  if (first !== undefined) add("decode", first, tokenMs.at(-1)!);
  for (const { kind, fromMs, toMs } of interruptions) add(kind, fromMs, toMs);
  return spans;
}

function stemsOf(
  tokenMs: readonly number[],
  gaps: readonly number[],
  tpotMs: number | null,
  share: (ms: number) => number,
  heightMs: number,
): readonly Stem[] {
  const stems: Stem[] = [];
  let slot = -1;
  for (const [i, gapMs] of gaps.entries()) {
    const at = share(tokenMs[i + 1]!);
    const mine = Math.floor(at * MAX_STEMS);
    const isLate = tpotMs !== null && gapMs > tpotMs;
    const stem: Stem = { at, height: gapMs / heightMs, gapMs, token: i + 2, isLate };
    const before = stems.at(-1);
    if (mine !== slot || before === undefined) stems.push(stem);
    else if (gapMs > before.gapMs) stems[stems.length - 1] = stem;
    slot = mine;
  }
  return stems;
}

function draftBars(drafts: readonly TimelineDraft[], share: (ms: number) => number): readonly DraftBar[] {
  const bars: { atMs: number; at: number; accepted: number; rejected: number }[] = [];
  let slot = -1;
  for (const { atMs, accepted, rejected } of drafts) {
    const at = share(atMs);
    const mine = Math.floor(at * MAX_STEMS);
    const before = bars.at(-1);
    if (mine !== slot || before === undefined) bars.push({ atMs, at, accepted, rejected });
    else {
      before.accepted += accepted;
      before.rejected += rejected;
    }
    slot = mine;
  }
  const most = bars.reduce((tokens, { accepted, rejected }) => Math.max(tokens, accepted, rejected), 1);
  return bars.map((bar) => ({ ...bar, up: bar.accepted / most, down: bar.rejected / most }));
}

/** The drafts that were checked where a stem stands, or null. */
export function draftAt(bars: readonly DraftBar[], stem: Stem): DraftBar | null {
  return bars.find(({ at }) => Math.abs(at - stem.at) < 1 / MAX_STEMS) ?? null;
}

/** The stem nearest to a place on the line, or null. */
export function nearestStem(stems: readonly Stem[], at: number): Stem | null {
  let best: Stem | null = null;
  for (const stem of stems) if (best === null || Math.abs(stem.at - at) < Math.abs(best.at - at)) best = stem;
  return best;
}

/** Stripes of the bar that stand for layers left out: from and height as shares of the bar, neighbours as one. */
export function skippedStripes({ route }: Timeline): readonly { readonly from: number; readonly height: number }[] {
  if (route === null || route.layers < 1) return [];
  const stripes: { from: number; height: number }[] = [];
  const skipped = new Set(route.skipped);
  for (let layer = 0; layer < route.layers; layer++) {
    if (!skipped.has(layer)) continue;
    const before = stripes.at(-1);
    if (before !== undefined && skipped.has(layer - 1)) before.height += 1 / route.layers;
    else stripes.push({ from: layer / route.layers, height: 1 / route.layers });
  }
  return stripes;
}

/** Layers left out where they were: lengths as shares of the line, heights of the bar. */
export interface SkippedBlock {
  readonly from: number;
  readonly to: number;
  readonly top: number;
  readonly height: number;
}

/** The stripes along all that was answered; a prompt goes through every layer, so there are none along it. */
export function skippedBlocks({ spans }: TimelineShape, timeline: Timeline): readonly SkippedBlock[] {
  const stripes = skippedStripes(timeline);
  return spans
    .filter(({ kind }) => kind === "decode")
    .flatMap(({ from, to }) => stripes.map((stripe) => ({ from, to, top: stripe.from, height: stripe.height })));
}

/** The figures of a timeline that stand below it. */
export interface TimelineFacts {
  readonly queueMs: number | null;
  readonly prefillMs: number | null;
  readonly firstTokenMs: number | null;
  readonly medianGapMs: number | null;
  readonly longestGapMs: number | null;
  readonly lateGaps: number;
  readonly totalMs: number | null;
}

/** What a timeline says in figures. */
export function timelineFacts(timeline: Timeline): TimelineFacts {
  const { tokenMs, chunks, targets, drafts, queueEndMs, endMs } = timeline;
  // Drafted tokens come together: their gaps of nothing say nothing about the pace.
  const gaps = gapsOf(tokenMs).filter((gap) => gap > 0 || drafts.length === 0);
  const sorted = gaps.toSorted((a, b) => a - b);
  const target = targets.tpotMs;
  return {
    queueMs: queueEndMs,
    prefillMs: chunks.length === 0 ? null : round(chunks.reduce((sum, { durationMs }) => sum + durationMs, 0)),
    firstTokenMs: tokenMs[0] ?? null,
    medianGapMs: sorted.length === 0 ? null : sorted[Math.floor((sorted.length - 1) / 2)]!,
    longestGapMs: sorted.at(-1) ?? null,
    lateGaps: target === undefined ? 0 : gaps.filter((gap) => gap > target).length,
    totalMs: endMs ?? tokenMs.at(-1) ?? null,
  };
}

/** How an answer fared, in words. */
export interface Verdict {
  readonly tone: "good" | "bad" | "none";
  readonly text: string;
}

/** The verdict on an answer, or null while it is coming. */
export function verdictOf(timeline: Timeline): Verdict | null {
  const { state, attained, slackMs, targets, endMs } = timeline;
  if (state === "rejected") return { tone: "bad", text: "Refused at once: it could not be in time" };
  if (state === "expired") return { tone: "bad", text: "Its deadline passed while it waited" };
  if (state === "cut") return { tone: "bad", text: "Cut at its deadline" };
  if (state === "failed") return { tone: "bad", text: "Failed" };
  if (state === "cancelled") return { tone: "none", text: "Stopped" };
  if (endMs === null && attained === null) return null;
  const isPromised =
    slackMs !== null || [targets.ttftMs, targets.tpotMs, targets.deadlineMs].some((ms) => ms !== undefined);
  if (!isPromised) return { tone: "none", text: "No deadline" };
  if (attained === true)
    return { tone: "good", text: slackMs === null ? "In time" : `In time, ${formatMs(slackMs)} to spare` };
  if (attained === false) {
    return { tone: "bad", text: slackMs === null || slackMs >= 0 ? "Missed" : `Missed by ${formatMs(-slackMs)}` };
  }
  return null;
}
