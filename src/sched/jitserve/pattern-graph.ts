/**
 * A compound task as a small graph, so that two of them can be compared: stages with a kind, sizes and
 * what they depend on, in levels along the longest chain; and how its time was spent level by level.
 *
 *   level 0        level 1          level 2
 *   llm plan ──┬─▶ llm search ──┬─▶ llm answer       ends: 0.2      0.6            1
 *              └─▶ tool lookup ─┘                    (share of the task's time when a level is complete)
 *
 * A stage is 4 bytes here and a level 8, so a graph of five stages in three levels takes 44.
 */
import { assert } from "../../core/index.ts";

/** What a stage is: a request to a model, or anything else that takes time. */
export type StageKind = "llm" | "tool";

/** One stage of a task that runs or has run. */
export interface Stage {
  readonly kind: StageKind;
  /** Counted from 0 along the chain of dependencies. */
  readonly level: number;
  readonly inputTokens: number;
  /** Null while it runs. */
  readonly outputTokens: number | null;
  readonly startMs: number;
  /** Null while it runs. */
  readonly endMs: number | null;
  /** How many stages it waits for. */
  readonly dependencies: number;
}

/** Levels and stages of a graph; longer tasks are cut off there. */
export const MAX_LEVELS = 32;
export const MAX_STAGES = 64;

/** Bytes of a stage: level and kind, dependencies, input, output. */
export const STAGE_BYTES = 4;
const UNKNOWN = 255;
/** Steps an octave in which sizes are kept. */
const STEPS = 8;
/** What a stage without a counterpart costs: as much as sizes sixteen times apart. */
const MISSING = 4;
const DEPENDENCY = 0.5;

/** A task as two short arrays. */
export interface PatternGraph {
  /** Stages by level, kind and input, STAGE_BYTES each. */
  readonly stages: Uint8Array;
  /** Longest stage of each level, milliseconds, then the pause before each level. Empty while a task runs. */
  readonly spansMs: Float32Array;
}

/** A graph of stages in any order, beyond MAX_LEVELS and MAX_STAGES cut off. */
export function patternGraph(stages: readonly Stage[]): PatternGraph {
  const kept = stages
    .filter(({ level }) => level < MAX_LEVELS)
    .toSorted(canonically)
    .slice(0, MAX_STAGES);
  const bytes = new Uint8Array(kept.length * STAGE_BYTES);
  for (const [i, stage] of kept.entries()) {
    assert(stage.level >= 0, "levels count from 0");
    bytes[i * STAGE_BYTES] = stage.level * 2 + order(stage.kind);
    bytes[i * STAGE_BYTES + 1] = Math.min(UNKNOWN, stage.dependencies);
    bytes[i * STAGE_BYTES + 2] = sizeByte(stage.inputTokens);
    bytes[i * STAGE_BYTES + 3] = stage.outputTokens === null ? UNKNOWN : sizeByte(stage.outputTokens);
  }
  return { stages: bytes, spansMs: spans(kept) };
}

/** Bytes that a graph holds. */
export function graphBytes({ stages, spansMs }: PatternGraph): number {
  return stages.byteLength + spansMs.byteLength;
}

/** Levels of a finished graph. */
export function graphLevels({ spansMs }: PatternGraph): number {
  return spansMs.length / 2;
}

/**
 * How unlike a graph is to what is known of a task, in octaves of size: 0 when everything agrees.
 * Stages of a level are compared in order of kind and input.
 * @param openLevel the first level that may still get stages; later ones of `past` cost nothing. Infinity
 * compares whole graphs, and is symmetric.
 */
export function graphDistance(task: PatternGraph, past: PatternGraph, openLevel: number): number {
  const a = task.stages;
  const b = past.stages;
  let distance = 0;
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const own = i < a.length ? a[i]! : UNKNOWN;
    const other = j < b.length ? b[j]! : UNKNOWN;
    if (own === other) {
      distance += Math.abs(a[i + 2]! - b[j + 2]!) / STEPS;
      if (a[i + 3] !== UNKNOWN && b[j + 3] !== UNKNOWN) distance += Math.abs(a[i + 3]! - b[j + 3]!) / STEPS;
      distance += Math.abs(a[i + 1]! - b[j + 1]!) * DEPENDENCY;
      i += STAGE_BYTES;
      j += STAGE_BYTES;
    } else if (own < other) {
      distance += MISSING;
      i += STAGE_BYTES;
    } else {
      if (other >> 1 < openLevel) distance += MISSING;
      j += STAGE_BYTES;
    }
  }
  return distance;
}

/**
 * Where in the time left each level from `from` on was complete, as shares: ascending, the last is 1. A
 * graph that had ended by then says [1]: whatever runs is the last.
 */
export function levelEnds({ spansMs }: PatternGraph, from: number): number[] {
  const levels = spansMs.length / 2;
  const ends: number[] = [];
  let elapsed = 0;
  for (let level = from; level < levels; level++) {
    // The pause before the level that runs is over.
    if (level > from) elapsed += spansMs[levels + level]!;
    elapsed += spansMs[level]!;
    ends.push(elapsed);
  }
  if (ends.length === 0 || elapsed <= 0) return [1];
  return ends.map((end, i) => (i === ends.length - 1 ? 1 : end / elapsed));
}

/** By level, kind and sizes: the same order whoever started first. */
function canonically(a: Stage, b: Stage): number {
  return (
    a.level - b.level ||
    order(a.kind) - order(b.kind) ||
    a.inputTokens - b.inputTokens ||
    (a.outputTokens ?? -1) - (b.outputTokens ?? -1) ||
    a.dependencies - b.dependencies
  );
}

function order(kind: StageKind): number {
  return kind === "llm" ? 0 : 1;
}

function sizeByte(tokens: number): number {
  return Math.min(UNKNOWN - 1, Math.round(Math.log2(1 + Math.max(0, tokens)) * STEPS));
}

function spans(stages: readonly Stage[]): Float32Array {
  if (stages.some(({ endMs }) => endMs === null)) return new Float32Array(0);
  const levels = 1 + Math.max(-1, ...stages.map(({ level }) => level));
  const result = new Float32Array(2 * levels);
  let before = Math.min(Infinity, ...stages.map(({ startMs }) => startMs));
  for (let level = 0; level < levels; level++) {
    const own = stages.filter((stage) => stage.level === level);
    if (own.length === 0) continue;
    const start = Math.min(...own.map(({ startMs }) => startMs));
    const end = Math.max(...own.map(({ endMs }) => endMs ?? 0));
    // Siblings may start one after another: the level lasts from the first to the last.
    result[level] = Math.max(0, end - Math.max(start, before));
    result[levels + level] = Math.max(0, start - before);
    before = Math.max(before, end);
  }
  return result;
}
