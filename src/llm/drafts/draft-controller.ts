/**
 * Decides for every step who drafts for which sequence and how far, and learns what it decides by: how likely drafted
 * tokens are accepted (acceptance.ts) and what steps of so many sequences and tokens take (step-times.ts). The optimum
 * under both is draft-length.ts's. Pure: it is told what was accepted and how long things took, draws nothing, and
 * the same calls give the same decisions. It decides no token, so nothing that is said depends on it.
 *
 *   steps of decodes    tokens per millisecond are made largest
 *   steps with prompts  those tokens have to be computed whatever is drafted, so they are no gain of a longer step. A
 *                       millisecond is worth what it yields in steps of decodes; drafts that cost more than they gain
 *                       at that price wait for the next step
 *
 * What is never tried is never learnt. So now and then a step drafts a token more or less than seems best, or nothing, one
 * sequence as far as it can, or by another drafter; and while nothing pays, a sequence drafts a little. What that is
 * expected to lose comes out of an allowance, a small share of all time: what hardly costs anything is tried often.
 *
 * A drafter and the model take each other's place in the caches: the first step without drafts after some with, and the
 * first with after some without, is slower than those that follow. So to draft nothing, or to draft again, is tried for a few
 * steps in a row, and what the first of them takes is not learnt: it would keep every controller at what it does already.
 *
 * To decide takes time as well, a few hundredths of a small model's step. So a decision is kept for the next step of the same
 * sequences, and for more when it is to draft nothing, the more the longer it has been.
 *
 * The largest part of its state is a belief per running sequence and drafter, until `release`.
 */
import { assert } from "../../core/index.ts";
import { AcceptanceBelief, AcceptancePopulation, FIRST_ACCEPTANCE } from "./acceptance.ts";
import { draftLengths, draftYield, type DraftCandidate, type DraftCosts, type DraftLengths } from "./draft-length.ts";
import { StepTimes } from "./step-times.ts";
import type { DraftSource } from "./types.ts";

/** A drafter that has something for a sequence. */
export interface DraftOption {
  readonly source: DraftSource;
  /** Most tokens, at least 1. */
  readonly most: number;
}

/** A decode that might be drafted for. */
export interface DraftDemand {
  /** Of the sequence, as long as it lives. */
  readonly id: number;
  /** At least one. */
  readonly options: readonly DraftOption[];
}

/** The step to come. */
export interface DraftRound {
  readonly demands: readonly DraftDemand[];
  /** Sequences that decode in it, demanding or not, at least as many as demands. */
  readonly decodes: number;
  /** Tokens of prompts in it, as far as they are known to come. */
  readonly promptTokens: number;
  /** Most drafted tokens that it has room for. */
  readonly roomTokens: number;
  /** Milliseconds of a step of that many tokens, by whoever knows steps of every kind; 0: unknown. */
  readonly stepMs: (tokens: number) => number;
}

/** Who drafts for a sequence and how many tokens: 0 where it does not pay, and then who would. */
export interface DraftChoice {
  readonly source: DraftSource;
  readonly tokens: number;
}

/** What a controller is made for. */
export interface DraftControllerOptions {
  /** Who may draft, each once. */
  readonly sources: readonly DraftSource[];
  /** As many as pay; otherwise as many as there are. */
  readonly adaptive: boolean;
  /** Milliseconds that a drafting model or heads take for that place of a draft, from 1 on, for that many sequences. */
  readonly passMs?: (sequences: number, place: number) => number;
}

/** Who takes time to draft. */
const MODELLED: ReadonlySet<DraftSource> = new Set<DraftSource>(["model", "heads"]);
/** Noise must not make it draft: the least gain by which it does. */
const LEAST_GAIN = 0.01;
/** What is tried, each when it can afford it: by all that draft, or by one of them; a little where nothing pays. */
const TRIALS = ["longer", "shorter", "farthest", "none", "other", "probe"] as const;
/** Share of its time that each may lose. */
const ALLOWANCE: Readonly<Record<(typeof TRIALS)[number], number>> = {
  longer: 0.003,
  shorter: 0.001,
  farthest: 0.001,
  none: 0.003,
  other: 0.001,
  probe: 0.005,
};
/** Steps' worth of that which are saved up at most, and are there to begin with; and the least that a trial counts for. */
const MOST_ALLOWANCE = 4;
const FIRST_ALLOWANCE = 0.3;
const LEAST_LOSS = 0.04;
/** What sequences are given where nothing pays, one of so many of a batch. */
const PROBE_TOKENS = 2;
const PROBED_EVERY = 4;
/** Steps that a decision is kept for, beyond its own: to draft; to draft nothing, for the first time, again, and ever after; to try one in place of the other. */
const KEPT_STEPS = 1;
const RESTED_STEPS = [3, 5, 7] as const;
const TRIED_STEPS = { none: 3, probe: 1 } as const;
/** Of the decodes of a decision to draft nothing, those that a step must have for it to hold. */
const LEAST_RESTED = 0.75;
/** How far around a step's size its slope is taken, as a factor: single sizes are noisy. */
const SLOPE_REACH = 1.5;

/** A sequence's drafter and what is expected of it. */
interface Chosen extends DraftCandidate {
  readonly source: DraftSource;
}

/** A decision that holds for steps to come. */
interface Kept {
  readonly ids: readonly number[];
  readonly choices: readonly DraftChoice[];
  readonly decodes: number;
  readonly rests: boolean;
  left: number;
}

/** What is tried, and for how many steps beyond its own. */
interface Tried {
  readonly choices: DraftChoice[];
  readonly steps: number;
}

/** The controller at the head of this file. */
export class DraftController {
  readonly #options: DraftControllerOptions;
  readonly #populations: ReadonlyMap<DraftSource, AcceptancePopulation>;
  readonly #beliefs = new Map<number, Map<DraftSource, AcceptanceBelief>>();
  readonly #times: StepTimes;
  /** By tokens: what the engine's own estimate said when it was first asked. */
  readonly #priorMs: number[] = [];
  /** Steps' worth of time that each of the trials may lose now. */
  readonly #allowances = new Float64Array(TRIALS.length).fill(FIRST_ALLOWANCE);
  /** The trial whose turn it is. */
  #turn = 0;
  #trials = 0;
  #kept: Kept | null = null;
  /** Steps since the last decision that were carried out by it. */
  #keptSteps = 0;
  /** Decisions in a row that nothing pays. */
  #rests = 0;
  /** Whether the last step of decodes had drafts. */
  #drafted = false;

  constructor(options: DraftControllerOptions) {
    this.#options = options;
    this.#populations = new Map(
      options.sources.map((source) => [source, new AcceptancePopulation(FIRST_ACCEPTANCE[source])]),
    );
    assert(this.#populations.size === options.sources.length, "one drafter of a source");
    this.#times = new StepTimes(
      (_, tokens) => this.#priorMs[tokens] ?? 0,
      (sequences, tokens) => tokens > sequences,
    );
  }

  /** One choice per demand, in order. */
  plan(round: DraftRound): DraftChoice[] {
    const { demands, decodes, promptTokens } = round;
    assert(decodes >= demands.length, "who demands decodes");
    if (demands.length === 0) return [];
    const kept = this.#keep(round);
    if (kept !== null) return kept;
    const costs = this.#costs(round);
    const chosen = this.#choose(round, costs);
    if (!this.#options.adaptive) return chosen.map(({ source, gains }) => ({ source, tokens: gains.length }));
    const alone = this.#best(chosen, round, costs);
    const pays = alone.lengths.some((length) => length > 0);
    // What does not pay alone pays less beside a prompt.
    const { lengths } = promptTokens === 0 || !pays ? alone : this.#beside(chosen, round, costs, alone.tokensPerMs);
    const tried = promptTokens === 0 ? this.#trial(chosen, alone, round, costs) : null;
    const choices = tried?.choices ?? chosen.map(({ source }, i) => ({ source, tokens: lengths[i]! }));
    const steps = 1 + this.#keptSteps;
    this.#keptSteps = 0;
    for (const [i, { id }] of demands.entries()) {
      for (const [source, belief] of this.#beliefsOf(id)) {
        if (source !== choices[i]!.source || choices[i]!.tokens === 0) belief.idle(steps);
      }
    }
    const rests = (!pays || tried !== null) && choices.every(({ tokens }) => tokens === 0);
    const rested = RESTED_STEPS[Math.min(this.#rests, RESTED_STEPS.length - 1)]!;
    const left = tried?.steps ?? (rests ? rested : promptTokens === 0 ? KEPT_STEPS : 0);
    this.#rests = pays ? 0 : this.#rests + 1;
    if (left > 0) this.#kept = { ids: demands.map(({ id }) => id), choices, decodes, rests, left };
    return choices;
  }

  /**
   * Whether nothing is to be drafted in a step of that many decodes, whoever demands and whatever is beside them: by an earlier
   * decision, and then the step need not be planned. What does not pay pays less with more decodes, and beside a prompt.
   */
  rests(decodes: number): boolean {
    const kept = this.#kept;
    if (kept === null || !kept.rests || kept.left === 0 || decodes < LEAST_RESTED * kept.decodes) return false;
    kept.left -= 1;
    this.#keptSteps += 1;
    return true;
  }

  /** Whether `rests` will say so of the next step, unless it has fewer decodes: nobody need be able to draft after this one. */
  get restsNext(): boolean {
    return this.#kept?.rests === true && this.#kept.left > 0;
  }

  /** What was decided for the same sequences before, as long as it holds; else null. */
  #keep({ demands, decodes, promptTokens, roomTokens }: DraftRound): DraftChoice[] | null {
    const kept = this.#kept;
    this.#kept = null;
    if (kept === null || kept.rests || kept.left === 0 || promptTokens > 0) return null;
    if (kept.decodes !== decodes || kept.ids.length !== demands.length) return null;
    let room = roomTokens;
    const choices: DraftChoice[] = [];
    for (const [i, { id, options }] of demands.entries()) {
      const { source, tokens } = kept.choices[i]!;
      const option = options.find((other) => other.source === source);
      if (id !== kept.ids[i] || option === undefined || options.length > 1) return null;
      choices.push({ source, tokens: Math.min(tokens, option.most) });
      room -= tokens;
    }
    if (room < 0) return null;
    kept.left -= 1;
    this.#kept = kept;
    this.#keptSteps += 1;
    return choices;
  }

  /**
   * A draft was checked. What was not planned, or is released, is no error and not learnt from.
   * @param accepted its leading tokens that were accepted
   * @param judged of its tokens, those that the check came to; nothing is learnt from none
   */
  settle(id: number, source: DraftSource, accepted: number, judged: number): void {
    if (judged > 0) this.#beliefs.get(id)?.get(source)?.observe(accepted, judged);
  }

  /** A step of decodes and nothing else took so long, drafting not counted. @param tokens of all its rows, drafted ones included */
  stepped(decodes: number, tokens: number, ms: number): void {
    const drafted = tokens > decodes;
    const isFirst = drafted !== this.#drafted;
    this.#drafted = drafted;
    // Where others of its kind follow they say it better; where they take turns, each is as it is.
    if (isFirst && this.#kept !== null && this.#kept.left > 0) return;
    this.#times.observe(decodes, tokens, ms);
  }

  /** The sequence is over, or has lost its place. Unknown ones are no error. */
  release(id: number): void {
    this.#beliefs.delete(id);
  }

  #costs({ decodes, stepMs }: DraftRound): DraftCosts {
    const { passMs } = this.#options;
    const verifyMs = (tokens: number): number => {
      this.#ask(tokens, stepMs);
      return this.#times.hopedMs(decodes, tokens);
    };
    this.#ask(1, stepMs);
    return { stepMs: verifyMs, ...(passMs === undefined ? {} : { passMs }) };
  }

  /** Keeps what the engine's own estimate says of so many tokens, the first time that it knows. */
  #ask(tokens: number, stepMs: DraftRound["stepMs"]): void {
    if (this.#priorMs[tokens] !== undefined) return;
    const ms = stepMs(tokens);
    if (ms > 0) this.#priorMs[tokens] = ms;
  }

  /** For every sequence the drafter that is worth most at what time is worth now. */
  #choose({ demands, decodes }: DraftRound, costs: DraftCosts): Chosen[] {
    let prices: { readonly perMs: number; readonly tokenMs: number } | null = null;
    return demands.map(({ id, options }) => {
      const all = options.map((option) => this.#chosenOf(id, option));
      assert(all.length > 0, "a demand has an option");
      if (all.length === 1) return all[0]!;
      prices ??= pricesOf(decodes, costs);
      const { perMs, tokenMs } = prices;
      const worth = (one: Chosen): number => worthOf(one, decodes, perMs, tokenMs, costs.passMs);
      return all.reduce((best, other) => (worth(other) > worth(best) ? other : best));
    });
  }

  #chosenOf(id: number, { source, most }: DraftOption): Chosen {
    const belief = this.#beliefsOf(id).get(source);
    assert(belief !== undefined && most >= 1, "who drafts was said beforehand, and has something");
    return { source, gains: belief.gains(most), modelled: MODELLED.has(source) };
  }

  #best(chosen: readonly Chosen[], { decodes, roomTokens }: DraftRound, costs: DraftCosts): DraftLengths {
    return draftLengths(chosen, { baseTokens: decodes, roomTokens, leastGain: LEAST_GAIN }, costs);
  }

  /** Lengths in a step that computes prompts too. */
  #beside(
    chosen: readonly Chosen[],
    { decodes, promptTokens, roomTokens, stepMs }: DraftRound,
    { stepMs: aloneMs, passMs }: DraftCosts,
    pricePerMs: number,
  ): DraftLengths {
    const baseTokens = decodes + promptTokens;
    const [low, high] = [Math.max(1, Math.floor(baseTokens / SLOPE_REACH)), Math.ceil(baseTokens * SLOPE_REACH)];
    const { extraMs } = this.#times;
    // A prompt's tokens end in no row of the head and in no sampling, a draft's do: no cheaper than where only decodes are.
    const drafted = (aloneMs(2 * decodes) - aloneMs(decodes) - extraMs) / decodes;
    const tokenMs = Math.max(0, drafted, (stepMs(high) - stepMs(low)) / (high - low));
    const baseMs = stepMs(baseTokens);
    const moreMs = (tokens: number): number => (tokens > 0 ? extraMs + tokens * tokenMs : 0);
    return draftLengths(
      chosen,
      { baseTokens, roomTokens, pricePerMs },
      {
        stepMs: (tokens) => (baseMs > 0 ? baseMs + moreMs(tokens - baseTokens) : 0),
        ...(passMs === undefined ? {} : { passMs }),
      },
    );
  }

  /** Something else than what seems best, when that can be afforded; else null. */
  #trial(chosen: readonly Chosen[], best: DraftLengths, round: DraftRound, costs: DraftCosts): Tried | null {
    const { decodes, roomTokens } = round;
    const allowances = this.#allowances;
    const drafts = best.lengths.some((length) => length > 0);
    for (const [at, how] of TRIALS.entries()) {
      if ((how === "probe") === drafts) continue;
      allowances[at] = Math.min(MOST_ALLOWANCE, allowances[at]! + ALLOWANCE[how] * (1 + this.#keptSteps));
    }
    const at = this.#affordable(drafts);
    if (at < 0 || !(best.tokensPerMs > 0)) return null;
    const how = TRIALS[at]!;
    const { who, lengths } = this.#variant(how, chosen, best.lengths, round);
    const isSame = lengths.every((length, i) => length === best.lengths[i] && who[i] === chosen[i]);
    if (isSame || lengths.reduce((sum, length) => sum + length, 0) > roomTokens) return null;
    const { tokens, ms } = draftYield(who, lengths, decodes, costs);
    const lostMs = ms - tokens / best.tokensPerMs;
    // Another kind of step than before.
    const steps = how === "none" || how === "probe" ? TRIED_STEPS[how] : 0;
    const lost = Math.max(LEAST_LOSS, ((1 + steps) * lostMs) / draftYield(chosen, best.lengths, decodes, costs).ms);
    if (lost > allowances[at]!) return null;
    allowances[at]! -= lost;
    this.#trials += 1;
    return { choices: who.map(({ source }, i) => ({ source, tokens: lengths[i]! })), steps };
  }

  /** The next trial in turn that there may be an allowance for; -1: none. One is looked at each time: looking takes time too. */
  #affordable(drafts: boolean): number {
    const probe = TRIALS.length - 1;
    if (!drafts) return this.#allowances[probe]! < LEAST_LOSS ? -1 : probe;
    for (let turn = 0; turn < probe; turn++) {
      const at = (this.#turn + turn) % probe;
      if (this.#allowances[at]! < LEAST_LOSS) continue;
      this.#turn = at + 1;
      return at;
    }
    return -1;
  }

  /** What a trial is, and by whom. */
  #variant(
    how: (typeof TRIALS)[number],
    chosen: readonly Chosen[],
    best: readonly number[],
    { demands }: DraftRound,
  ): { readonly who: readonly Chosen[]; readonly lengths: readonly number[] } {
    const turn = this.#trials;
    const within = (i: number, length: number): number => Math.max(0, Math.min(chosen[i]!.gains.length, length));
    const all = (more: number): number[] => best.map((own, i) => (own > 0 ? within(i, own + more) : own));
    const drafting = best.flatMap((length, i) => (length > 0 ? [i] : []));
    const one = drafting[turn % Math.max(1, drafting.length)] ?? 0;
    const only = (length: number): number[] => best.map((own, i) => (i === one ? within(i, length) : own));
    switch (how) {
      case "longer":
        return { who: chosen, lengths: all(1) };
      case "shorter":
        return { who: chosen, lengths: all(-1) };
      case "farthest":
        return { who: chosen, lengths: only(Infinity) };
      case "none":
        return { who: chosen, lengths: best.map(() => 0) };
      case "other": {
        const { id, options } = demands[one]!;
        const other = options.find(({ source }) => source !== chosen[one]!.source);
        if (other === undefined) return { who: chosen, lengths: best };
        return { who: chosen.with(one, this.#chosenOf(id, other)), lengths: only(Math.min(best[one]!, other.most)) };
      }
      case "probe": {
        const isProbed = (i: number): boolean => (i + turn) % PROBED_EVERY === 0 || chosen.length < PROBED_EVERY;
        return { who: chosen, lengths: best.map((_, i) => (isProbed(i) ? within(i, PROBE_TOKENS) : 0)) };
      }
      default:
        return how satisfies never;
    }
  }

  #beliefsOf(id: number): Map<DraftSource, AcceptanceBelief> {
    let beliefs = this.#beliefs.get(id);
    if (beliefs === undefined) {
      beliefs = new Map(
        Array.from(this.#populations, ([source, population]) => [source, new AcceptanceBelief(population)]),
      );
      this.#beliefs.set(id, beliefs);
    }
    return beliefs;
  }
}

/** What a millisecond yields without drafts, and what a drafted token costs where everybody has two. */
function pricesOf(decodes: number, { stepMs }: DraftCosts): { readonly perMs: number; readonly tokenMs: number } {
  const plainMs = stepMs(decodes);
  if (!(plainMs > 0)) return { perMs: 0, tokenMs: 0 };
  return { perMs: decodes / plainMs, tokenMs: Math.max(0, (stepMs(3 * decodes) - plainMs) / (2 * decodes)) };
}

/** Tokens that a drafter's best draft gains more than its time is worth, when everybody drafts like that; below 0 for the least bad. */
function worthOf(
  { gains, modelled }: Chosen,
  decodes: number,
  perMs: number,
  tokenMs: number,
  passMs: DraftCosts["passMs"],
): number {
  let sum = 0;
  let best = -Infinity;
  for (let i = 0; i < gains.length; i++) {
    const draftingMs = modelled && passMs !== undefined ? passMs(decodes, i + 1) / decodes : 0;
    sum += gains[i]! - perMs * (tokenMs + draftingMs);
    best = Math.max(best, sum);
  }
  return best;
}
