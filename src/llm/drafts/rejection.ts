/**
 * The test that keeps a drawn draft from changing what is said (Leviathan et al. 2023; Chen et al. 2023): a token drawn from q is
 * taken with probability min(1, p / q), and otherwise replaced by a draw from what p has more than q. Either way it is
 * distributed as p, the model's own.
 *
 * Drafts that were not drawn do not come here: q is 1 at one token, so the test says "take it with probability p", which
 * is what drawing from p and comparing does; that way a token is the very one that its draw gives without a draft.
 */
import type { RandomStream } from "../../core/index.ts";
import type { Proposal } from "./types.ts";

/**
 * The token that is said instead of or as the drafted one.
 * @param p the model's probabilities by token id, together 1
 * @param q what `drafted` was drawn from
 */
export function rejectionSample(p: Float64Array, q: Proposal, drafted: number, random: RandomStream): number {
  const own = probabilityOf(q, drafted);
  const wanted = drafted < p.length ? p[drafted]! : 0;
  if (own > 0 && random.uniform() * own < wanted) return drafted;
  return drawFrom(residual(p, q), random);
}

/** What p has more than q, not normalised. Where rounding leaves nothing of it, p itself. */
export function residual(p: Float64Array, q: Proposal): Float64Array {
  const rest = p.slice();
  let total = 0;
  for (let i = 0; i < q.ids.length; i++) {
    const id = q.ids[i]!;
    if (id < rest.length) rest[id] = Math.max(0, rest[id]! - q.probabilities[i]!);
  }
  for (const weight of rest) total += weight;
  return total > 0 ? rest : p;
}

/** A token by its weight; weights need not be normalised, and some must be above 0. */
export function drawFrom(weights: ArrayLike<number>, random: RandomStream): number {
  let total = 0;
  for (let id = 0; id < weights.length; id++) total += weights[id]!;
  const target = random.uniform() * total;
  let sum = 0;
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    if (!(weights[id]! > 0)) continue;
    sum += weights[id]!;
    last = id;
    if (sum > target) break;
  }
  return last;
}

function probabilityOf({ ids, probabilities }: Proposal, id: number): number {
  for (let i = 0; i < ids.length; i++) if (ids[i] === id) return probabilities[i]!;
  return 0;
}
