/**
 * Which levels of all variants are worth having, for whoever fetches chunks: of two levels the one that is larger and loses
 * more is never the better choice, whatever the link does. What is left is what the controller (controller.ts) chooses
 * from, the finest first. Pure.
 */
import type { CodecLevel } from "./codec.ts";

/** A level with what it takes and what it costs, as measured on texts beforehand. */
export interface RatedLevel {
  readonly level: CodecLevel;
  /** Bytes, or any share of them: only comparisons count. */
  readonly bytes: number;
  /** What it loses, at least 0; 0 for lossless. */
  readonly loss: number;
}

/** The levels that no other beats in both, by falling bytes and rising loss; of equals the first. */
export function frontierOf(levels: readonly RatedLevel[]): RatedLevel[] {
  const ordered = levels.toSorted((a, b) => a.loss - b.loss || a.bytes - b.bytes);
  const frontier: RatedLevel[] = [];
  for (const level of ordered) if (level.bytes < (frontier.at(-1)?.bytes ?? Infinity)) frontier.push(level);
  return frontier;
}
