/**
 * A context's way over a link whose rate changes, in virtual time: what a controller, or a fixed level, makes of it. Pure;
 * a pipeline in virtual time, for tests and for comparing controllers.
 */
import { chooseChunk, costOf, GoodputMeter, type ChunkChoice, type ChunkOffer } from "./controller.ts";

/** A link: from `fromMs` on (ascending, the first 0) it delivers `rate` bytes per millisecond, above 0. */
export type LinkTrace = readonly { readonly fromMs: number; readonly rate: number }[];

/** Milliseconds from `startMs` on that so many bytes take. */
export function transferMs(trace: LinkTrace, bytes: number, startMs: number): number {
  let left = bytes;
  let atMs = startMs;
  for (let i = 0; i < trace.length; i++) {
    const endMs = trace[i + 1]?.fromMs ?? Infinity;
    if (endMs <= atMs) continue;
    const { rate } = trace[i]!;
    if (left <= rate * (endMs - atMs)) return atMs + left / rate - startMs;
    left -= rate * (endMs - atMs);
    atMs = endMs;
  }
  return Infinity;
}

/** How to load: always the same way, or by the controller under an objective. */
export type LoadStrategy =
  | { readonly kind: "fixed"; readonly choice: ChunkChoice }
  | {
      readonly kind: "controller";
      readonly objectiveMs: number;
      readonly priorGoodput: number;
      readonly caution: number;
    };

/** How a load went. */
export interface LoadRecord {
  /** From the first request until the last chunk's work was done. */
  readonly ms: number;
  readonly bytes: number;
  readonly choices: readonly ChunkChoice[];
}

/** Loads all chunks over the link. */
export function playLoad(chunks: readonly ChunkOffer[], trace: LinkTrace, strategy: LoadStrategy): LoadRecord {
  const meter = new GoodputMeter(strategy.kind === "controller" ? strategy.priorGoodput : 1);
  const choices: ChunkChoice[] = [];
  let nowMs = 0;
  let workedMs = 0;
  let total = 0;
  chunks.forEach((chunk, i) => {
    const choice =
      strategy.kind === "fixed"
        ? strategy.choice
        : chooseChunk({
            chunks: chunks.slice(i),
            leftMs: strategy.objectiveMs - nowMs,
            backlogMs: Math.max(0, workedMs - nowMs),
            goodput: meter.goodput,
            caution: strategy.caution,
          }).choice;
    const { bytes, workMs } = costOf(chunk, choice);
    const ms = transferMs(trace, bytes, nowMs);
    // A few bytes of text say nothing of the rate.
    if (choice.kind === "level") meter.record(bytes, ms);
    nowMs += ms;
    workedMs = Math.max(workedMs, nowMs) + workMs;
    total += bytes;
    choices.push(choice);
  });
  return { ms: workedMs, bytes: total, choices };
}
