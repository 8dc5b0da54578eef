/**
 * Drafts by heads over the model's own states: no cache, no pages and nothing to catch up on, but a state for every
 * sequence, which whoever runs the model tells after each of its steps (`see`). All places of a draft are one run of one
 * graph, up to four of them; longer drafts go on from the state that a run ends with.
 */
import { assert, type Clock, type RandomStream } from "../../core/index.ts";
import { createSession, type Fetched, type Session, type TensorData } from "../../graph/index.ts";
import { defaultBlockSize } from "../step-graphs.ts";
import type { Draft, Drafter, DraftRequest, DraftSubject, Proposal } from "../drafts/index.ts";
import type { WeightsFormat } from "../types.ts";
import { draftGraph, type DraftGraphParts } from "./draft-graph.ts";

/** What heads are made to draft with. */
export interface HeadsDrafterOptions extends DraftGraphParts {
  /** Storage of the linear layers, the decoder's head included. */
  readonly format: WeightsFormat;
  /** Compute threads, 1 or 2. */
  readonly threads: number;
  /** Nothing is drafted behind one of these. */
  readonly endTokens: readonly number[];
  /** Requests may ask for drafts that are drawn. */
  readonly drawn: boolean;
  readonly clock: Clock;
  /** Absolute folder of the packed, mapped weight cache; absent: weights stay private to the process. */
  readonly weightCacheDir?: string;
  /** Told what a run of that many sequences and places has taken. */
  readonly observe?: (sequences: number, places: number, ms: number) => void;
}

/** Most places of one run. */
export const HEADS_RUN_PLACES = 4;
/** Best tokens that a drawn one is drawn from. */
const DRAWN_FROM = 64;

/** A request on its way. */
interface Work {
  readonly request: DraftRequest;
  readonly state: Float32Array;
  readonly tokens: number[];
  readonly confidences: number[];
  readonly proposals: Proposal[];
}

/** A state and how many tokens were known when the token after it was chosen. */
interface Seen {
  readonly state: Float32Array;
  tokens: number;
}

/** The drafter at the head of this file. create() it, dispose() of it. */
export class HeadsDrafter implements Drafter, AsyncDisposable {
  readonly source = "heads";
  readonly #options: HeadsDrafterOptions;
  /** By the places of a run, from 1 on. */
  readonly #sessions: readonly Session[];
  readonly #drawnFrom: number;
  readonly #endTokens: ReadonlySet<number>;
  readonly #seen = new Map<number, Seen>();

  private constructor(options: HeadsDrafterOptions, sessions: readonly Session[], drawnFrom: number) {
    this.#options = options;
    this.#sessions = sessions;
    this.#drawnFrom = drawnFrom;
    this.#endTokens = new Set(options.endTokens);
  }

  /** Loads the sessions; blocks the thread meanwhile. */
  static async create(options: HeadsDrafterOptions): Promise<HeadsDrafter> {
    const drawnFrom = Math.min(DRAWN_FROM, options.heads.draftedTokens);
    const sessions: Session[] = [];
    try {
      for (let places = 1; places <= HEADS_RUN_PLACES; places++) {
        const form = {
          format: options.format,
          blockSize: defaultBlockSize(options.decoder),
          places,
          drawn: options.drawn ? drawnFrom : null,
        };
        sessions.push(
          await createSession(draftGraph(options, form), {
            threads: options.threads,
            ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
          }),
        );
      }
    } catch (error) {
      for (const session of sessions) await session.release();
      throw error;
    }
    return new HeadsDrafter(options, sessions, drawnFrom);
  }

  /**
   * The state [hidden] behind the scores that a sequence's last token was chosen from.
   * @param tokens known of the sequence, that token included
   */
  see(id: number, tokens: number, state: Float32Array): void {
    const seen = this.#seen.get(id);
    if (seen === undefined) {
      this.#seen.set(id, { state: state.slice(), tokens });
      return;
    }
    seen.state.set(state);
    seen.tokens = tokens;
  }

  available({ id, tokens }: DraftSubject, most: number): number {
    return this.#seen.get(id)?.tokens === tokens.length ? most : 0;
  }

  async draft(requests: readonly DraftRequest[]): Promise<readonly Draft[]> {
    const works = requests.map((request): Work => {
      const seen = this.#seen.get(request.subject.id);
      assert(seen !== undefined, "only sequences whose state is known are drafted for");
      return { request, state: seen.state.slice(), tokens: [], confidences: [], proposals: [] };
    });
    let going = works;
    while (going.length > 0) {
      const places = Math.max(...going.map(({ request, tokens }) => request.most - tokens.length));
      going = await this.#run(going, Math.min(HEADS_RUN_PLACES, places));
    }
    return works.map(({ request, tokens, confidences, proposals }) => ({
      source: this.source,
      tokens,
      confidences,
      proposals: request.draw === undefined ? null : proposals,
    }));
  }

  release(id: number): void {
    this.#seen.delete(id);
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions) await session.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Drafts so many places for each; answers those that want more. */
  async #run(works: readonly Work[], places: number): Promise<Work[]> {
    const { clock, observe, heads } = this.#options;
    const startMs = clock.nowMs();
    const result = await this.#sessions[places - 1]!.run(this.#feeds(works, places));
    const next = result["next"]!.data as Float32Array;
    const going: Work[] = [];
    for (const [at, work] of works.entries()) {
      if (!this.#take(work, result, at, places)) continue;
      work.state.set(next.subarray(at * heads.hidden, (at + 1) * heads.hidden));
      going.push(work);
    }
    observe?.(works.length, places, clock.nowMs() - startMs);
    return going;
  }

  #feeds(works: readonly Work[], places: number): Record<string, TensorData> {
    const { heads, drawn } = this.#options;
    const { hidden } = heads;
    const rows = works.length;
    const states = new Float32Array(rows * hidden);
    const ids = new BigInt64Array(rows);
    for (const [at, { request, state, tokens }] of works.entries()) {
      states.set(state, at * hidden);
      ids[at] = BigInt(tokens.at(-1) ?? request.subject.tokens.at(-1)!);
    }
    const feeds: Record<string, TensorData> = {
      states: { dtype: "float32", dims: [rows, hidden], data: states },
      ids: { dtype: "int64", dims: [rows], data: ids },
    };
    if (!drawn) return feeds;
    const width = places * this.#drawnFrom;
    const noise = new Float32Array(rows * width);
    const inverse = new Float32Array(rows).fill(1);
    for (const [at, { request }] of works.entries()) {
      if (request.draw === undefined) continue; // without noise the largest is the likeliest
      inverse[at] = 1 / request.draw.temperature;
      for (let place = 0; place < places; place++) {
        const from = at * width + place * this.#drawnFrom;
        fillGumbel(noise.subarray(from, from + this.#drawnFrom), request.draw.random(place));
      }
    }
    return {
      ...feeds,
      noise: { dtype: "float32", dims: [rows, width], data: noise },
      inverseTemperature: { dtype: "float32", dims: [rows, 1], data: inverse },
    };
  }

  /** Takes a row's tokens as far as they are wanted; true when it wants more than there were. */
  #take(work: Work, result: Fetched, at: number, places: number): boolean {
    const { request, tokens, confidences, proposals } = work;
    const drafted = result["tokens"]!.data as BigInt64Array;
    const shares = result["confidences"]!.data as Float32Array;
    for (let place = at * places; place < (at + 1) * places; place++) {
      if (tokens.length === request.most) return false;
      const token = Number(drafted[place]!);
      tokens.push(token);
      confidences.push(shares[place]!);
      if (request.draw !== undefined) proposals.push(this.#proposal(result, place, request.draw.temperature));
      if (this.#endTokens.has(token)) return false;
    }
    return tokens.length < request.most;
  }

  /** What the token of that place was drawn from. */
  #proposal(result: Fetched, place: number, temperature: number): Proposal {
    const [from, to] = [place * this.#drawnFrom, (place + 1) * this.#drawnFrom];
    const ids = Array.from((result["candidates"]!.data as BigInt64Array).subarray(from, to), Number);
    const logits = (result["logits"]!.data as Float32Array).subarray(from, to);
    const weights = Array.from(logits, (logit) => Math.exp((logit - logits[0]!) / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { ids, probabilities: weights.map((weight) => weight / total) };
  }
}

/** Draws of the standard Gumbel distribution. */
function fillGumbel(into: Float32Array, random: RandomStream): void {
  for (let i = 0; i < into.length; i++)
    into[i] = -Math.log(-Math.log(1 - random.uniform() || Number.MIN_VALUE) || Number.MIN_VALUE);
}
