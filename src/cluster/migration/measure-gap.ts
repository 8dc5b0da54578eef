/**
 * How long the tokens of an answer pause when its sequence moves, as its reader sees it: in milliseconds, and in decode
 * steps as they were just before. For claims: against the length of the sequence, and against the other modes.
 */
import { assert, median } from "../../core/index.ts";
import { liveClock, type GenerateEvent } from "../../runtime/index.ts";
import type { MoveReport } from "./outgoing.ts";

/** One move, measured. */
export interface GapSample {
  readonly report: MoveReport;
  /** Tokens of the answer when it moved. */
  readonly tokens: number;
  /** Median time between tokens before the move began, milliseconds. */
  readonly stepMs: number;
  /** From the source's last token to the target's first; null when it did not move. */
  readonly gapMs: number | null;
  /** The same in steps. */
  readonly gapSteps: number | null;
  /** Median time between tokens from the beginning of the move to the source's last one, milliseconds: what copying costs. */
  readonly copyingStepMs: number;
}

/** What to measure. */
export interface GapOptions {
  /** The answer, from its beginning. It is read to its end. */
  readonly stream: AsyncIterable<GenerateEvent>;
  /** Tokens after which it moves, at least 8. */
  readonly afterTokens: number;
  /** Moves it; resolves when that is over. */
  readonly move: () => Promise<MoveReport>;
}

/** Reads an answer, moves it on the way, and measures the pause. */
export async function measureGap({ stream, afterTokens, move }: GapOptions): Promise<GapSample> {
  assert(afterTokens >= 8, "a step is measured before a move");
  /** When tokens were made, and when they came here. */
  const madeMs: number[] = [];
  const atMs: number[] = [];
  let moving: Promise<MoveReport> | null = null;
  for await (const event of stream) {
    if (event.kind !== "token") continue;
    madeMs.push(event.atMs);
    atMs.push(liveClock.nowMs());
    if (atMs.length !== afterTokens) continue;
    moving = move();
    moving.catch(() => undefined); // thrown when the answer has been read
  }
  assert(moving !== null, "the answer is longer than the tokens after which it moves");
  const report = await moving;
  const between = (first: number, end: number): number[] =>
    madeMs.slice(first + 1, end).map((time, i) => time - madeMs[first + i]!);
  const stepMs = median(between(Math.floor(afterTokens / 4), afterTokens));
  const { tokens } = report;
  const isMoved = report.outcome === "moved" && tokens > 0 && tokens < atMs.length;
  const gapMs = isMoved ? atMs[tokens]! - atMs[tokens - 1]! : null;
  const copying = between(afterTokens - 1, Math.max(afterTokens + 1, tokens));
  return {
    report,
    tokens,
    stepMs,
    gapMs,
    gapSteps: gapMs === null ? null : gapMs / stepMs,
    copyingStepMs: copying.length === 0 ? stepMs : median(copying),
  };
}
