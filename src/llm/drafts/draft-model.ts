/**
 * Drafts by a smaller model of the same vocabulary, with sessions, KV cache and prefix cache of its own on the same thread.
 * A draft of k tokens takes k passes over all sequences that want one, the first over what was said since the last
 * draft as well.
 *
 *   known      [ prompt | answer ]                      the sequence as it is
 *   computed   [ prompt | answer | d1 d2 … ]            keys and values here; what was not accepted is given back
 *
 * A text that it is far behind with is caught up on over several calls, which draft nothing for it. Where its pages,
 * its positions or its vocabulary end it drafts nothing either: nobody depends on it.
 */
import { assert, type Clock } from "../../core/index.ts";
import type { StepExecutor } from "../executor.ts";
import type { KvPages, SequencePages } from "../kv-pages.ts";
import type { StepRow, TokenScores } from "../types.ts";
import type { Draft, Drafter, DraftRequest, DraftSubject, Proposal } from "./types.ts";

/** What a drafting model is made of. The executor stays the caller's. */
export interface DraftModelOptions {
  readonly executor: Pick<StepExecutor, "step" | "maxRows" | "config">;
  readonly pages: KvPages;
  /** Tokens of the model that is drafted for; others are not drafted. */
  readonly vocabSize: number;
  /** Nothing is drafted behind one of these. */
  readonly endTokens: readonly number[];
  /** Most tokens of texts, over all sequences, that one call computes before it drafts. */
  readonly catchUpTokens: number;
  readonly clock: Clock;
  /** Told what a pass over that many tokens has taken. */
  readonly observe?: (tokens: number, ms: number) => void;
}

/** What is kept of a sequence. */
interface Place {
  readonly pages: SequencePages;
  /** What keys and values are of; the first `computed`. */
  tokens: Int32Array;
  computed: number;
  /** Of those, certainly the sequence's own. */
  confirmed: number;
}

/** A request on its way. */
interface Work {
  readonly request: DraftRequest;
  readonly place: Place;
  readonly tokens: number[];
  readonly proposals: Proposal[];
}

/** The drafter at the head of this file. */
export class DraftModel implements Drafter {
  readonly source = "model";
  readonly #options: DraftModelOptions;
  readonly #places = new Map<number, Place>();
  readonly #endTokens: ReadonlySet<number>;

  constructor(options: DraftModelOptions) {
    assert(options.catchUpTokens >= 1, "a call computes at least a token");
    this.#options = options;
    this.#endTokens = new Set(options.endTokens);
  }

  available({ tokens }: DraftSubject, most: number): number {
    const { maxPositions, vocabSize } = this.#options.executor.config;
    // The last token of a draft needs no position here.
    const room = Math.min(maxPositions, this.#options.pages.pages * this.#options.pages.pageTokens) - tokens.length + 1;
    return tokens[tokens.length - 1]! < vocabSize ? Math.max(0, Math.min(most, room)) : 0;
  }

  async draft(requests: readonly DraftRequest[]): Promise<readonly Draft[]> {
    const works = requests.map((request): Work => {
      return { request, place: this.#placeOf(request.subject), tokens: [], proposals: [] };
    });
    let going = await this.#catchUp(works);
    for (let depth = 1; going.length > 0; depth++) {
      going = going.filter(({ request, tokens }) => request.most > depth && !this.#endTokens.has(tokens.at(-1)!));
      going = going.filter(({ place }) => place.pages.reserve(place.computed + 1));
      await this.#pass(
        going.map((work) => ({ work, tokens: work.tokens.slice(-1) })),
        true,
      );
      going = going.filter(({ tokens }) => tokens.length > depth);
    }
    return works.map(({ request, tokens, proposals }) => ({
      source: this.source,
      tokens,
      proposals: request.draw === undefined ? null : proposals,
    }));
  }

  release(id: number): void {
    this.#places.get(id)?.pages.release();
    this.#places.delete(id);
  }

  /** @throws AssertionError when places and pages disagree. */
  checkIntegrity(): void {
    const { pages } = this.#options;
    pages.checkIntegrity();
    const held = new Set<number>();
    for (const place of this.#places.values()) {
      assert(place.pages.capacityTokens >= place.computed, "computed tokens have pages");
      assert(place.confirmed <= place.computed, "what is confirmed is computed");
      for (const page of place.pages.pages) held.add(page);
    }
    assert(held.size === pages.usedPages, "every used page belongs to a place");
  }

  /** The sequence's place, with what was drafted in vain given back. */
  #placeOf({ id, tokens }: DraftSubject): Place {
    let place = this.#places.get(id);
    if (place === undefined) {
      const pages = this.#options.pages.open(tokens);
      const cached = pages.cachedTokens;
      place = { pages, tokens: Int32Array.from(tokens), computed: cached, confirmed: cached };
      this.#places.set(id, place);
      return place;
    }
    // The last token is always computed: its scores are what a draft begins with.
    const most = Math.min(place.computed, tokens.length - 1);
    let same = Math.min(place.confirmed, most);
    while (same < most && place.tokens[same] === tokens[same]) same += 1;
    place.computed = same;
    place.confirmed = same;
    place.pages.truncate(same);
    return place;
  }

  /** Computes what was said since the last draft; answers those that have their first drafted token. */
  async #catchUp(works: readonly Work[]): Promise<Work[]> {
    const { catchUpTokens, executor } = this.#options;
    let budget = Math.max(works.length, Math.min(catchUpTokens, executor.maxRows));
    const rows: { work: Work; tokens: Int32Array }[] = [];
    const far: typeof rows = [];
    for (const [index, work] of works.entries()) {
      const { subject } = work.request;
      const { pages, computed } = work.place;
      const behind = subject.tokens.length - computed;
      const count = Math.min(behind, budget - (works.length - 1 - index)); // a token at least for everybody
      if (count < 1 || !pages.reserve(computed + count)) continue;
      budget -= count;
      const row = { work, tokens: subject.tokens.subarray(computed, computed + count) };
      (count === behind ? rows : far).push(row);
    }
    await this.#pass(far, false);
    await this.#pass(rows, true);
    for (const { work } of [...rows, ...far]) {
      const { subject } = work.request;
      const { place } = work;
      place.confirmed = place.computed;
      place.pages.commit(subject.tokens.subarray(0, Math.min(place.computed, subject.tokens.length - 1)));
    }
    return rows.map(({ work }) => work).filter(({ tokens }) => tokens.length > 0);
  }

  /** Computes tokens of sequences that have pages for them. @param scored they are known to their end: draft the next */
  async #pass(
    parts: readonly { readonly work: Work; readonly tokens: ArrayLike<number> }[],
    scored: boolean,
  ): Promise<void> {
    if (parts.length === 0) return;
    const { executor, clock, observe } = this.#options;
    const startMs = clock.nowMs();
    const batch = parts.map(({ work, tokens }): StepRow => {
      const { place } = work;
      return {
        tokens,
        startPosition: place.computed,
        pages: place.pages.pages,
        wantLogits: scored ? "last" : "none",
      };
    });
    const { scores } = await executor.step(batch);
    let total = 0;
    for (const [index, { work, tokens }] of parts.entries()) {
      append(work.place, tokens);
      total += tokens.length;
      const [own] = scores[index]!;
      if (own !== undefined) this.#choose(work, own);
    }
    observe?.(total, clock.nowMs() - startMs);
  }

  #choose({ request, tokens, proposals }: Work, scores: TokenScores): void {
    assert(scores.kind === "top", "the best tokens were asked for");
    const { draw } = request;
    const { vocabSize } = this.#options;
    if (draw === undefined) {
      if (scores.ids[0]! < vocabSize) tokens.push(scores.ids[0]!);
      return;
    }
    const proposal = proposalOf(scores, draw.temperature, vocabSize);
    if (proposal === null) return;
    tokens.push(pick(proposal, draw.random(tokens.length).uniform()));
    proposals.push(proposal);
  }
}

/** The best tokens that both models have, at that temperature, as a distribution of their own; null when there are none. */
function proposalOf(scores: TokenScores & { kind: "top" }, temperature: number, vocabSize: number): Proposal | null {
  const ids: number[] = [];
  const weights: number[] = [];
  let total = 0;
  for (const [i, id] of scores.ids.entries()) {
    if (id >= vocabSize) continue;
    const weight = Math.exp((scores.logits[i]! - scores.logits[0]!) / temperature);
    ids.push(id);
    weights.push(weight);
    total += weight;
  }
  return total > 0 ? { ids, probabilities: weights.map((weight) => weight / total) } : null;
}

function pick({ ids, probabilities }: Proposal, draw: number): number {
  let sum = 0;
  for (let i = 0; i < ids.length; i++) {
    sum += probabilities[i]!;
    if (sum > draw) return ids[i]!;
  }
  return ids[0]!; // rounding only
}

function append(place: Place, tokens: ArrayLike<number>): void {
  const end = place.computed + tokens.length;
  if (end > place.tokens.length) {
    const grown = new Int32Array(Math.ceil(end * 1.25) + 16);
    grown.set(place.tokens);
    place.tokens = grown;
  }
  place.tokens.set(tokens as ArrayLike<number> & Iterable<number>, place.computed);
  place.computed = end;
}
