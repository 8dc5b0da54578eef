/**
 * The history of compound tasks: at most 500 pattern graphs, and from those most like a running task,
 * where in its time each of its levels should be complete.
 *
 * A full history is thinned by k-medoids over its older graphs (the newest stay as they are): half of
 * them stay, chosen to stand for all. Thinning a part at a time bounds the pause, as CLARA does
 * (Kaufman and Rousseeuw 1990).
 */
import { assert } from "../../core/index.ts";
import { distanceMatrix, kMedoids } from "./k-medoids.ts";
import { graphBytes, graphDistance, levelEnds, type PatternGraph } from "./pattern-graph.ts";

/** Sizes of a history. */
export interface PatternStoreOptions {
  /** Most graphs, 4 to 500; 500 when absent. */
  readonly capacity?: number;
  /** Graphs that speak for a task; 5 when absent. */
  readonly neighbours?: number;
  /** The history to begin with, oldest first; the last of it where it is longer than the capacity. Empty when absent. */
  readonly graphs?: readonly PatternGraph[];
}

/** One graph of the history and how unlike the task it is, in octaves of size. */
export interface PatternMatch {
  readonly graph: PatternGraph;
  readonly distance: number;
}

/** Older graphs looked at by one thinning, at most; half of them go. */
const THINNED = 128;

/** The history at the head of this file. Deterministic; matching looks at every graph once. */
export class PatternStore {
  readonly #capacity: number;
  readonly #neighbours: number;
  /** Oldest first. */
  #graphs: PatternGraph[] = [];

  constructor({ capacity = 500, neighbours = 5, graphs = [] }: PatternStoreOptions = {}) {
    assert(capacity >= 4 && capacity <= 500, "a history holds 4 to 500 graphs");
    assert(neighbours >= 1, "at least one graph speaks for a task");
    this.#capacity = capacity;
    this.#neighbours = neighbours;
    this.#graphs = graphs.slice(-capacity);
  }

  /** The history, oldest first. */
  get graphs(): readonly PatternGraph[] {
    return this.#graphs;
  }

  get size(): number {
    return this.#graphs.length;
  }

  /** Bytes of all graphs. */
  get bytes(): number {
    return this.#graphs.reduce((sum, graph) => sum + graphBytes(graph), 0);
  }

  /** Remembers a finished task; nothing when it had no stage. */
  add(graph: PatternGraph): void {
    if (graph.spansMs.length === 0) return;
    if (this.#graphs.length >= this.#capacity) this.#thin();
    this.#graphs.push(graph);
  }

  /** The graphs most like a task of which the levels before `openLevel` are known, nearest first, newer before older. */
  match(task: PatternGraph, openLevel: number): PatternMatch[] {
    const best: PatternMatch[] = [];
    for (let i = this.#graphs.length - 1; i >= 0; i--) {
      const graph = this.#graphs[i]!;
      const distance = graphDistance(task, graph, openLevel);
      if (best.length === this.#neighbours && distance >= best.at(-1)!.distance) continue;
      const place = best.findIndex((other) => distance < other.distance);
      best.splice(place < 0 ? best.length : place, 0, { graph, distance });
      if (best.length > this.#neighbours) best.pop();
    }
    return best;
  }

  /**
   * Where in the time left each level from `level` on should be complete, as shares: ascending, the last is
   * 1. Null when nothing is known.
   */
  outlook(task: PatternGraph, level: number): readonly number[] | null {
    const matches = this.match(task, level);
    if (matches.length === 0) return null;
    const ends = matches.map(({ graph }) => levelEnds(graph, level));
    const weights = matches.map(({ distance }) => 1 / (0.25 + distance));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const levels = Math.max(...ends.map((own) => own.length));
    return Array.from({ length: levels }, (_, i) => {
      if (i === levels - 1) return 1;
      return ends.reduce((sum, own, k) => sum + (own[i] ?? 1) * weights[k]!, 0) / total;
    });
  }

  #thin(): void {
    const older = this.#graphs.slice(0, Math.min(THINNED, this.#capacity >> 1));
    const matrix = distanceMatrix(older.length, (a, b) => graphDistance(older[a]!, older[b]!, Infinity));
    const kept = kMedoids(matrix, older.length, older.length >> 1).map((i) => older[i]!);
    this.#graphs = [...kept, ...this.#graphs.slice(older.length)];
  }
}
