/**
 * How many tokens to draft for each sequence of a step: the lengths that give most tokens per time, by what a step of
 * that many tokens costs here and now. Pure, and nothing is remembered; what is likely and what things cost is its
 * caller's to know (draft-controller.ts).
 *
 *   tokens(k) = base + sum over sequences of g1 + g2 + … + gk    gd: how likely the first d drafted tokens are all accepted
 *   time(k)   = c(base + sum of k) + drafting                    c: what a step of that many tokens takes
 *
 * Either the rate tokens / time is to be largest, or, at a price of time in tokens, the surplus tokens - price * time:
 * beside prompts, whose tokens have to be computed whatever is drafted, so that they must not count as gained.
 *
 * Gains of a sequence fall with every token, so the best lengths of a given sum are those of the largest gains, and
 * trying every sum finds the optimum, whatever the shape of c. Drafting by a model takes a pass per token of the longest
 * of its drafts: those are tried up to every depth.
 */

/** A sequence that might be drafted for. */
export interface DraftCandidate {
  /** How likely the first token is accepted, the first two, the first three, …: falling, 0 to 1; one per token that can be drafted. */
  readonly gains: ArrayLike<number>;
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
  /** What a millisecond is worth, in tokens: then the surplus is made largest. Absent: the rate. */
  readonly pricePerMs?: number;
}

/** What was found. */
export interface DraftLengths {
  /** Tokens to draft for each candidate, in their order; all 0 where drafting would not pay. */
  readonly lengths: number[];
  /** Tokens that the step is expected to yield a millisecond, `baseTokens` among them; 0 while costs are unknown. */
  readonly tokensPerMs: number;
}

/** All tokens that could be drafted, in arrays, those that gain most first; of a sequence the earlier before the later. */
interface Tokens {
  readonly order: Uint32Array;
  readonly candidate: Uint16Array;
  /** 1 for the first drafted token. */
  readonly depth: Uint8Array;
  readonly gain: Float64Array;
  readonly modelled: Uint8Array;
  /** Most of any sequence whose drafts take passes. */
  readonly deepest: number;
}

interface Found {
  readonly score: number;
  readonly rate: number;
  readonly count: number;
}

/** The best lengths. Takes time in proportion to the tokens that could be drafted, for every depth of a model's drafts. */
export function draftLengths(candidates: readonly DraftCandidate[], step: DraftStep, costs: DraftCosts): DraftLengths {
  const { baseTokens, leastGain = 0, pricePerMs } = step;
  const lengths = candidates.map(() => 0);
  const plainMs = costs.stepMs(baseTokens);
  if (!(plainMs > 0)) return { lengths, tokensPerMs: 0 };
  const plain = baseTokens / plainMs;
  const tokens = byGain(candidates);
  const most = Math.min(step.roomTokens, tokens.order.length);
  const stepMs = Float64Array.from({ length: most + 1 }, (_, count) => costs.stepMs(baseTokens + count));
  const passMs = remembered(costs, candidates.length);
  let best: Found | null = null;
  let bestCap = 0;
  for (let cap = 0; cap <= tokens.deepest; cap++) {
    const found = bestCount(tokens, cap, step, stepMs, passMs);
    if (best !== null && found.score <= best.score) continue;
    best = found;
    bestCap = cap;
  }
  const pays = best !== null && best.count > 0 && (pricePerMs !== undefined || best.rate > plain * (1 + leastGain));
  if (best === null || !pays) return { lengths, tokensPerMs: plain };
  let left = best.count;
  for (const at of tokens.order) {
    if (left === 0) break;
    if (tokens.modelled[at] === 1 && tokens.depth[at]! > bestCap) continue;
    lengths[tokens.candidate[at]!]! += 1;
    left -= 1;
  }
  return { lengths, tokensPerMs: best.rate };
}

/** What a step with those lengths is expected to yield, and what it takes: what `draftLengths` makes the most of. */
export function draftYield(
  candidates: readonly DraftCandidate[],
  lengths: readonly number[],
  baseTokens: number,
  { stepMs, passMs }: DraftCosts,
): { readonly tokens: number; readonly ms: number } {
  let tokens = baseTokens;
  let drafted = 0;
  const atPlace: number[] = [];
  for (const [i, { gains, modelled }] of candidates.entries()) {
    for (let place = 0; place < lengths[i]!; place++) {
      tokens += gains[place]!;
      drafted += 1;
      if (modelled) atPlace[place] = (atPlace[place] ?? 0) + 1;
    }
  }
  const draftingMs = atPlace.reduce((sum, count, place) => sum + (passMs?.(count, place + 1) ?? 0), 0);
  return { tokens, ms: stepMs(baseTokens + drafted) + draftingMs };
}

function byGain(candidates: readonly DraftCandidate[]): Tokens {
  const total = candidates.reduce((sum, { gains }) => sum + gains.length, 0);
  const candidate = new Uint16Array(total);
  const depth = new Uint8Array(total);
  const gain = new Float64Array(total);
  const modelled = new Uint8Array(total);
  let deepest = 0;
  let count = 0;
  for (const [index, { gains, modelled: isModelled }] of candidates.entries()) {
    for (let i = 0; i < gains.length && gains[i]! > 0; i++) {
      candidate[count] = index;
      depth[count] = i + 1;
      gain[count] = gains[i]!;
      modelled[count] = isModelled ? 1 : 0;
      count += 1;
      if (isModelled) deepest = Math.max(deepest, i + 1);
    }
  }
  const order = Uint32Array.from({ length: count }, (_, at) => at).sort(
    (a, b) => gain[b]! - gain[a]! || depth[a]! - depth[b]! || a - b,
  );
  return { order, candidate, depth, gain, modelled, deepest };
}

/** Every pass is asked for once a step. */
function remembered({ passMs }: DraftCosts, sequences: number): ((sequences: number, place: number) => number) | null {
  if (passMs === undefined) return null;
  const known: number[] = [];
  return (count, place) => {
    if (count === 0) return 0;
    return (known[place * (sequences + 1) + count] ??= passMs(count, place));
  };
}

/** The best number of drafted tokens, when a model drafts no deeper than `cap`, and what that comes to. */
function bestCount(
  { order, depth, gain, modelled }: Tokens,
  cap: number,
  { baseTokens, pricePerMs }: DraftStep,
  stepMs: Float64Array,
  passMs: ((sequences: number, place: number) => number) | null,
): Found {
  const atDepth = new Uint16Array(cap + 2);
  const scoreOf = (useful: number, ms: number): number =>
    pricePerMs === undefined ? useful / ms : useful - pricePerMs * ms;
  let useful = baseTokens;
  let draftingMs = 0;
  let count = 0;
  let score = scoreOf(useful, stepMs[0]!);
  let best: Found = { score, rate: useful / stepMs[0]!, count: 0 };
  for (const at of order) {
    if (count + 1 >= stepMs.length) break;
    if (modelled[at] === 1) {
      const place = depth[at]!;
      if (place > cap) continue;
      if (passMs !== null) {
        const others = atDepth[place]!;
        draftingMs += passMs(others + 1, place) - passMs(others, place);
        atDepth[place] = others + 1;
      }
    }
    useful += gain[at]!;
    count += 1;
    const ms = stepMs[count]! + draftingMs;
    score = scoreOf(useful, ms);
    if (score > best.score) best = { score, rate: useful / ms, count };
  }
  return best;
}
