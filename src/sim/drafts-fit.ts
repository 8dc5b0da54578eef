/**
 * Speculation that has not been recorded: how many tokens decodes are offered and how many of those are drafted is drawn from
 * what a recording shows for batches of about that size, and how many are accepted from one rate per drafted token, as in
 * Leviathan et al. 2023. Nothing is known of which text a request would have had.
 */
import type { RandomStream } from "../core/index.ts";
import type { DecisionLogEntry } from "../sched/index.ts";
import type { Recording } from "../workload/index.ts";
import type { VirtualDrafts } from "./drafts.ts";
import type { SimSequence } from "./sequence.ts";

/** Offers to one decode in one step: [offered, drafted]. */
type Offer = readonly [offered: number, drafted: number];

/** What a recording shows of its speculation. */
export interface DraftFit {
  /** How likely a drafted token is accepted when those before it were, 0 to 1. */
  readonly acceptance: number;
  /** What decodes were offered, none included, by the size of their batch: of 1 decode, 2, 3-4, 5-8, … */
  readonly offers: readonly (readonly Offer[])[];
}

/** Offers of one size of batch that are kept, the first ones. */
const MOST_OFFERS = 4096;

/** Null when nothing was drafted, or no decision says for whom nothing was. */
export function fitDrafts({ steps }: Recording): DraftFit | null {
  const offers: Offer[][] = [];
  const sums = { accepted: 0, judged: 0 };
  for (const { decision, drafts = [] } of steps) {
    for (const [, , drafted, taken] of drafts) {
      const accepted = Math.min(drafted, Math.max(0, taken - 1));
      sums.accepted += accepted;
      // The first that was not said was judged too.
      sums.judged += drafted === 0 ? 0 : Math.min(drafted, accepted + 1);
    }
    if (decision === undefined) continue;
    const { running } = (decision as DecisionLogEntry).view;
    const decodes = running.filter(({ pendingTokens }) => pendingTokens === 1);
    const known = new Map(drafts.map(([id, offered, drafted]): [number, Offer] => [id, [offered, drafted]]));
    const of = (offers[sizeOf(decodes.length)] ??= []);
    for (const { id } of decodes) if (of.length < MOST_OFFERS) of.push(known.get(id) ?? [0, 0]);
  }
  if (sums.judged === 0 || offers.length === 0) return null;
  return {
    acceptance: sums.accepted / sums.judged,
    offers: Array.from(offers, (each) => each ?? []),
  };
}

/** 0 of 1 decode, 1 of 2, 2 of 3 and 4, 3 of 5 to 8, … */
function sizeOf(decodes: number): number {
  return Math.ceil(Math.log2(Math.max(1, decodes)));
}

/** Drafts drawn from a fit. */
export class DrawnDrafts implements VirtualDrafts {
  readonly #fit: DraftFit;
  readonly #random: RandomStream;
  readonly #offers = new Map<number, Offer>();
  /** Costs of steps are of whole steps here. */
  readonly draftingMs = 0;

  constructor(fit: DraftFit, random: RandomStream) {
    this.#fit = fit;
    this.#random = random;
  }

  offer(running: readonly SimSequence[]): void {
    this.#offers.clear();
    let decodes = 0;
    for (const { pendingTokens } of running) if (pendingTokens === 1) decodes += 1;
    const known = this.#known(decodes);
    for (const sequence of running) {
      const { pendingTokens, maxTokens, generatedTokens } = sequence;
      const most = pendingTokens === 1 && generatedTokens > 0 ? maxTokens - generatedTokens - 1 : 0;
      const [offered, drafted] = most > 0 && known.length > 0 ? this.#random.pick(known) : [0, 0];
      sequence.draftTokens = Math.min(most, offered);
      this.#offers.set(sequence.id, [offered, drafted]);
    }
  }

  /** Of the nearest size of batch that was seen, the smaller first. */
  #known(decodes: number): readonly Offer[] {
    const { offers } = this.#fit;
    const size = Math.min(sizeOf(decodes), offers.length - 1);
    for (let at = size; at >= 0; at--) if (offers[at]!.length > 0) return offers[at]!;
    return offers.find((each) => each.length > 0) ?? [];
  }

  drafted({ id }: SimSequence, granted: number): number {
    return Math.min(granted, this.#offers.get(id)?.[1] ?? 0);
  }

  taken({ request, generatedTokens }: SimSequence, drafted: number): number {
    let accepted = 0;
    while (accepted < drafted && this.#random.uniform() < this.#fit.acceptance) accepted += 1;
    return Math.min(accepted + 1, Math.max(1, request.outputTokens - generatedTokens));
  }
}
