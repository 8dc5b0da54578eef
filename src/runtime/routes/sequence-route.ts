/**
 * The layers of one sequence. Its prompt is computed in full; what routers say of it then decides, once, which layers all that
 * follows goes through. From then on nothing changes the mask: not preemption, after which the prompt is computed in full
 * again and the rest by the mask, and not what runs beside it.
 *
 * So prompts share the prefix cache with everybody, whatever they ask for, and nothing that was computed by a mask is ever
 * found in it.
 */
import { assert } from "../../core/index.ts";
import {
  decideMask,
  keptLayers,
  maskOf,
  type Compute,
  type LayerMask,
  type Router,
  type RowPlace,
  type SequencePages,
  type StepExecutor,
} from "../../llm/index.ts";

/** What of an executor decides and packs. */
export type RouteExecutor = Pick<StepExecutor, "routeProbabilities" | "packPages">;

/** The routers of a loop's model, and who computes with them. */
export interface LoopRoutes {
  readonly executor: RouteExecutor;
  readonly routers: readonly (Router | null)[];
}

/** Said by the request. */
export type RouteRequest = { readonly compute: Compute } | { readonly keepLayers: readonly number[] };

export class SequenceRoute {
  readonly #request: RouteRequest;
  readonly #promptTokens: number;
  #mask: LayerMask | null = null;

  constructor(request: RouteRequest, promptTokens: number) {
    this.#request = request;
    this.#promptTokens = promptTokens;
  }

  /** Null: not decided yet. */
  get mask(): LayerMask | null {
    return this.#mask;
  }

  /** Of `count` tokens from `start`, those that may be computed in one row: a row is of the prompt or behind it. */
  clip(start: number, count: number): number {
    return start < this.#promptTokens ? Math.min(count, this.#promptTokens - start) : count;
  }

  /** Of so many computed tokens those that others may share. */
  shareable(tokens: number): number {
    return Math.min(tokens, this.#promptTokens);
  }

  /** How the row that begins at `start` is computed; undefined: in full. */
  placeAt(start: number, pages: SequencePages): RowPlace | undefined {
    if (start < this.#promptTokens) return undefined;
    assert(this.#mask !== null, "the mask is decided before what follows the prompt");
    // With every layer kept it is the model itself, but for who has listed its layers: that is by the routes' weights.
    return this.#leavesOut || "keepLayers" in this.#request ? { mask: this.#mask, packed: pages.packed } : undefined;
  }

  /** After a step that has computed so many of its tokens: decides when that is the whole prompt. True when it just did. */
  settle(computed: number, pages: SequencePages, { executor, routers }: LoopRoutes): boolean {
    if (this.#mask !== null || computed !== this.#promptTokens) return false;
    if ("keepLayers" in this.#request) this.#mask = maskOf(routers.length, this.#request.keepLayers);
    else this.#mask = decideMask(executor.routeProbabilities(pages.pages, computed), routers, this.#request.compute);
    return true;
  }

  /** Between steps: keeps only the layers that it needs from now on, when there is room to copy them. */
  pack(computed: number, pages: SequencePages, { executor }: LoopRoutes): void {
    const mask = this.#mask;
    if (mask === null || computed < this.#promptTokens || pages.packed || !this.#leavesOut) return;
    pages.pack(keptLayers(mask), mask.length, computed, (from, to) => executor.packPages(from, to, mask));
  }

  get #leavesOut(): boolean {
    return this.#mask !== null && keptLayers(this.#mask) < this.#mask.length;
  }
}
