/**
 * A step of prompts computed by both workers, when the decode side has no decodes: the first part of its rows on the
 * prompts' worker, the rest on the decode side, a layer behind. Rows of one sequence may be in both parts, because their
 * cache is one: before the second part attends over a layer, the first has written its keys and values of it.
 *
 *   prompts' worker    layer 0   layer 1   layer 2   ...
 *   decode side                  layer 0   layer 1   layer 2   ...
 *
 * To the loop it is one step like any other, and in exact mode its bits are those of one.
 */
import type { StepBatch, StepResult, StepRow, TokenScores } from "../../llm/index.ts";
import type { LaneExecutor } from "./peer.ts";

export interface PairedPrefillOptions {
  /** The lane of the prompts' worker. */
  readonly own: LaneExecutor;
  /** The other's; `follow` begins a step there that stays a layer behind the latest one of `own`. */
  readonly other: Omit<LaneExecutor, "step"> & { follow(batch: StepBatch): Promise<StepResult> };
  /** Fewest rows that are worth a second worker. */
  readonly leastRows: number;
}

/** Where the scores of a sequence of the batch are. */
interface Place {
  readonly lane: "own" | "other";
  readonly index: number;
}

export class PairedPrefill implements LaneExecutor {
  readonly topK: number;
  /** Whether the decode side may take part in the next step. */
  mayShare: () => boolean = () => false;
  readonly #options: PairedPrefillOptions;
  #places: readonly Place[] = [];
  #shared = false;

  constructor(options: PairedPrefillOptions) {
    this.topK = options.own.topK;
    this.#options = options;
  }

  /** Whether the decode side takes part in the step under way. */
  get shared(): boolean {
    return this.#shared;
  }

  async step(batch: StepBatch): Promise<StepResult> {
    const { own, other, leastRows } = this.#options;
    const rows = batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (rows < leastRows || !this.mayShare()) {
      this.#places = batch.map((_, index) => ({ lane: "own", index }));
      return own.step(batch);
    }
    const { first, rest, places } = splitRows(batch, Math.ceil(rows / 2));
    this.#places = places;
    this.#shared = true;
    try {
      const [leading, following] = await Promise.all([own.step(first), other.follow(rest)]);
      return { scores: places.map(({ lane, index }) => (lane === "own" ? leading : following).scores[index]!) };
    } finally {
      this.#shared = false;
    }
  }

  wholeRow(sequence: number, index?: number): Promise<TokenScores> {
    const place = this.#places[sequence]!;
    return this.#options[place.lane].wholeRow(place.index, index);
  }
}

/** The first `count` rows of a batch, the others, and where each sequence ends up with its last row. */
export function splitRows(
  batch: StepBatch,
  count: number,
): { readonly first: StepRow[]; readonly rest: StepRow[]; readonly places: Place[] } {
  const first: StepRow[] = [];
  const rest: StepRow[] = [];
  const places = batch.map((row): Place => {
    const length = row.tokens.length;
    const here = Math.min(length, count);
    count -= here;
    if (here === length) return { lane: "own", index: first.push(row) - 1 };
    if (here > 0) first.push({ ...part(row, 0, here), wantLogits: "none" });
    return { lane: "other", index: rest.push(part(row, here, length)) - 1 };
  });
  return { first, rest, places };
}

function part(row: StepRow, from: number, to: number): StepRow {
  return { ...row, tokens: Array.from(row.tokens).slice(from, to), startPosition: row.startPosition + from };
}
