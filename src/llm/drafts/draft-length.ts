/**
 * How many tokens to draft for each sequence of a step: the lengths that give most tokens per time, by what a step of
 * that many tokens costs here and now. Pure, and nothing is remembered.
 *
 *   tokens(k) = base + sum over sequences of a + a^2 + … + a^k        a: how likely a drafted token is accepted
 *   time(k)   = c(base + sum of k) + drafting                         c: what a step of that many tokens takes
 *
 * `base` is what the step computes anyway, decodes and prompts alike: drafts that delay prompts by more than they gain
 * do not pay. Gains of a sequence fall with every token, so the best lengths of a given sum are those of the largest
 * gains, and trying every sum finds the optimum, whatever the shape of c. Drafting by a model takes a pass per token of
 * the longest of its drafts: those are tried up to every depth.
 */

/** A sequence that might be drafted for. */
export interface DraftCandidate {
  /** How likely a drafted token is accepted when those before it were: 0 to 1. */
  readonly acceptance: number;
  /** Most tokens that can be drafted for it; 0: none. */
  readonly most: number;
  /** Drafting takes passes of a model; otherwise it is free. */
  readonly modelled: boolean;
}

/** What a step would cost. */
export interface DraftCosts {
  /** Milliseconds of a step of that many tokens. */
  readonly stepMs: (tokens: number) => number;
  /** Milliseconds of the pass for that place of a draft, from 1 on, for that many sequences; free when absent. */
  readonly passMs?: (sequences: number, place: number) => number;
}

/** What is fixed about the step. */
export interface DraftStep {
  /** Tokens that it computes without drafts, at least 1. */
  readonly baseTokens: number;
  /** Most drafted tokens that it has room for. */
  readonly roomTokens: number;
  /** What more tokens per time drafting must promise to be worth it, as a share; 0 when absent. */
  readonly leastGain?: number;
}

interface Token {
  readonly candidate: number;
  /** 1 for the first drafted token. */
  readonly depth: number;
  readonly gain: number;
  readonly modelled: boolean;
}

/** Tokens to draft for each candidate, in their order; all 0 where drafting would not pay. */
export function draftLengths(candidates: readonly DraftCandidate[], step: DraftStep, costs: DraftCosts): number[] {
  const { baseTokens, leastGain = 0 } = step;
  const tokens = byGain(candidates);
  const lengths = candidates.map(() => 0);
  const plainMs = costs.stepMs(baseTokens);
  if (tokens.length === 0 || !(plainMs > 0)) return lengths;
  const deepest = tokens.reduce((most, { modelled, depth }) => (modelled ? Math.max(most, depth) : most), 0);
  let best: { readonly rate: number; readonly count: number; readonly cap: number } | null = null;
  for (let cap = 0; cap <= deepest; cap++) {
    const found = bestCount(tokens, cap, step, costs);
    if (best === null || found.rate > best.rate) best = { ...found, cap };
  }
  if (best === null || best.rate <= (baseTokens / plainMs) * (1 + leastGain)) return lengths;
  let left = best.count;
  for (const token of tokens) {
    if (left === 0) break;
    if (token.modelled && token.depth > best.cap) continue;
    lengths[token.candidate]! += 1;
    left -= 1;
  }
  return lengths;
}

/** All tokens that could be drafted, those that gain most first; of a sequence the earlier before the later. */
function byGain(candidates: readonly DraftCandidate[]): Token[] {
  const tokens: Token[] = [];
  for (const [candidate, { acceptance, most, modelled }] of candidates.entries()) {
    let gain = 1;
    for (let depth = 1; depth <= most; depth++) {
      gain *= acceptance;
      if (gain > 0) tokens.push({ candidate, depth, gain, modelled });
    }
  }
  return tokens.sort((a, b) => b.gain - a.gain || a.depth - b.depth || a.candidate - b.candidate);
}

/** The best number of drafted tokens, when a model drafts no deeper than `cap`, and the tokens per millisecond of that. */
function bestCount(
  tokens: readonly Token[],
  cap: number,
  { baseTokens, roomTokens }: DraftStep,
  { stepMs, passMs }: DraftCosts,
): { readonly rate: number; readonly count: number } {
  const atDepth: number[] = [];
  let useful = baseTokens;
  let draftingMs = 0;
  let count = 0;
  let best = { rate: useful / stepMs(baseTokens), count: 0 };
  for (const { depth, gain, modelled } of tokens) {
    if (count >= roomTokens) break;
    if (modelled && depth > cap) continue;
    if (modelled && passMs !== undefined) {
      const others = atDepth[depth] ?? 0;
      draftingMs += passMs(others + 1, depth) - (others === 0 ? 0 : passMs(others, depth));
      atDepth[depth] = others + 1;
    }
    useful += gain;
    count += 1;
    const rate = useful / (stepMs(baseTokens + count) + draftingMs);
    if (rate > best.rate) best = { rate, count };
  }
  return best;
}
