/**
 * A world to hold controllers of draft lengths against: clients that ask again as soon as they are answered, sequences
 * whose drafted tokens are accepted with given probabilities, and a table of what steps cost. Seeded and without a clock.
 *
 * Whether a drafted token is accepted hangs on the sequence and its place in the text alone, by a draw that every policy
 * meets alike: so two policies are compared on the same luck, and the best fixed length is found by trying all of them.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";
import { DraftController } from "./draft-controller.ts";
import type { DraftSource } from "./types.ts";

/** Of a sequence: how likely its drafted tokens are accepted, by drafter and place in the draft; the last stands for all beyond. */
export type Rates = Partial<Record<DraftSource, readonly number[]>>;

/** What the world is. */
export interface DraftWorld {
  /** Clients at a time. */
  readonly clients: number;
  /** Milliseconds of a step of decodes, drafting not counted. */
  readonly stepMs: (decodes: number, tokens: number) => number;
  /** What a step takes longer behind a drafter's run, whatever its size: caches are the drafter's then. Nothing when absent. */
  readonly draftedMs?: number;
  /** What the first step of decodes without drafts behind one with some takes longer, and the first with some behind one without. */
  readonly coldMs?: number;
  /** Of steps with prompts in them. */
  readonly promptStepMs?: (tokens: number) => number;
  /** Of a pass of a drafter that takes any. */
  readonly passMs?: (sequences: number, place: number) => number;
  /** What the controller is told beforehand about steps of so many tokens; what they cost when absent. */
  readonly calibratedMs?: (tokens: number) => number;
  /** The n-th sequence: of what rates, after so many tokens of the whole run. */
  readonly rates: (sequence: number, saidTokens: number) => Rates;
  readonly answerTokens: (sequence: number) => number;
  /** 0 when absent: sequences decode from their first step on. */
  readonly promptTokens?: number;
  /** Standard deviation of a step's time, as a share, and how often one is thrice as long. */
  readonly noise?: number;
  readonly hiccups?: number;
  readonly seed: number;
}

/** Who decides: always so many tokens by that drafter, or a controller. */
export type DraftPolicy = { readonly source: DraftSource; readonly tokens: number } | DraftController;

/** Most drafted tokens of a sequence in a step. */
export const MOST_TOKENS = 7;

interface Client {
  sequence: number;
  rates: Rates;
  /** Of the sequence, one per place of its text. */
  draws: RandomStream;
  luck: number[];
  said: number;
  answerTokens: number;
  isNew: boolean;
}

/** Tokens per millisecond between two counts of tokens said. */
export function throughput(world: DraftWorld, policy: DraftPolicy, fromTokens: number, toTokens: number): number {
  const run = new Run(world, policy);
  run.until(fromTokens);
  const [startMs, startTokens] = [run.ms, run.said];
  run.until(toTokens);
  return (run.said - startTokens) / (run.ms - startMs);
}

/** A controller for that world. */
export function controllerOf(world: DraftWorld, sources: readonly DraftSource[] = ["heads"]): DraftController {
  const { passMs } = world;
  return new DraftController({ sources, adaptive: true, ...(passMs === undefined ? {} : { passMs }) });
}

class Run {
  ms = 0;
  said = 0;
  readonly #world: DraftWorld;
  readonly #policy: DraftPolicy;
  readonly #noise: RandomStream;
  readonly #clients: Client[];
  #sequences = 0;
  #drafted = false;

  constructor(world: DraftWorld, policy: DraftPolicy) {
    this.#world = world;
    this.#policy = policy;
    this.#noise = createRandom(world.seed, "times");
    this.#clients = Array.from({ length: world.clients }, () => this.#next());
  }

  until(tokens: number): void {
    while (this.said < tokens) this.#step();
  }

  #next(): Client {
    const sequence = this.#sequences++;
    return {
      sequence,
      rates: this.#world.rates(sequence, this.said),
      draws: createRandom(this.#world.seed, `luck/${sequence}`),
      luck: [],
      said: 0,
      answerTokens: this.#world.answerTokens(sequence),
      isNew: (this.#world.promptTokens ?? 0) > 0,
    };
  }

  #step(): void {
    const {
      stepMs,
      passMs,
      draftedMs = 0,
      coldMs = 0,
      promptTokens = 0,
      promptStepMs = (tokens: number) => stepMs(1, tokens),
    } = this.#world;
    const prompts = this.#clients.filter(({ isNew }) => isNew).length * promptTokens;
    const decoding = this.#clients.filter(({ isNew }) => !isNew);
    const drafts = this.#draft(decoding, prompts);
    const drafted = drafts.reduce((sum, { tokens }) => sum + tokens, 0);
    const tokens = decoding.length + prompts + drafted;
    const isCold = prompts === 0 && this.#drafted !== drafted > 0;
    if (prompts === 0) this.#drafted = drafted > 0;
    const onTopMs = (drafted > 0 ? draftedMs : 0) + (isCold ? coldMs : 0);
    const ms = (onTopMs + (prompts > 0 ? promptStepMs(tokens) : stepMs(decoding.length, tokens))) * this.#luckOfTime();
    let draftingMs = 0;
    for (let place = 1; passMs !== undefined && place <= MOST_TOKENS; place++) {
      const count = drafts.filter(({ source, tokens: own }) => source !== "ngram" && own >= place).length;
      if (count > 0) draftingMs += passMs(count, place);
    }
    this.ms += ms + draftingMs;
    for (const [i, client] of decoding.entries()) this.#take(client, drafts[i]!);
    for (const client of this.#clients) {
      if (!client.isNew) continue;
      client.isNew = false;
      client.said += 1;
      this.said += 1;
    }
    if (this.#policy instanceof DraftController && prompts === 0) this.#policy.stepped(decoding.length, tokens, ms);
  }

  #draft(decoding: readonly Client[], promptTokens: number): { source: DraftSource; tokens: number }[] {
    const policy = this.#policy;
    const mostOf = ({ answerTokens, said }: Client): number => Math.min(MOST_TOKENS, answerTokens - said - 1);
    if (!(policy instanceof DraftController)) {
      return decoding.map((client) => ({ source: policy.source, tokens: Math.min(policy.tokens, mostOf(client)) }));
    }
    const none = decoding.map(() => ({ source: "heads" as const, tokens: 0 }));
    if (decoding.length === 0 || policy.rests(decoding.length)) return none;
    const {
      stepMs,
      promptStepMs,
      calibratedMs = promptStepMs ?? ((tokens: number) => stepMs(1, tokens)),
    } = this.#world;
    const able = decoding.filter((client) => mostOf(client) > 0);
    const choices = policy.plan({
      demands: able.map((client) => ({
        id: client.sequence,
        options: (Object.keys(client.rates) as DraftSource[]).map((source) => ({ source, most: mostOf(client) })),
      })),
      decodes: decoding.length,
      promptTokens,
      roomTokens: 1000,
      stepMs: calibratedMs,
    });
    return decoding.map((client, i) => choices[able.indexOf(client)] ?? none[i]!);
  }

  #take(client: Client, { source, tokens }: { source: DraftSource; tokens: number }): void {
    const { sequence, answerTokens } = client;
    const rates = this.#world.rates(sequence, this.said)[source] ?? [0];
    let accepted = 0;
    while (accepted < tokens) {
      const at = client.said + accepted;
      while (client.luck.length <= at) client.luck.push(client.draws.uniform());
      if (client.luck[at]! >= rates[Math.min(accepted, rates.length - 1)]!) break;
      accepted += 1;
    }
    const policy = this.#policy;
    if (tokens > 0 && policy instanceof DraftController) {
      policy.settle(sequence, source, accepted, Math.min(tokens, accepted + 1));
    }
    client.said += accepted + 1;
    this.said += accepted + 1;
    if (client.said < answerTokens) return;
    if (policy instanceof DraftController) policy.release(sequence);
    Object.assign(client, this.#next());
  }

  #luckOfTime(): number {
    const { noise = 0, hiccups = 0 } = this.#world;
    const longer = hiccups > 0 && this.#noise.chance(hiccups) ? 3 : 1;
    return noise > 0 ? longer * Math.exp(noise * this.#noise.normal()) : longer;
  }
}

/** The best of all fixed lengths, none included, of any of those drafters. */
export function bestFixed(
  world: DraftWorld,
  fromTokens: number,
  toTokens: number,
  sources: readonly DraftSource[] = ["heads"],
): { readonly source: DraftSource; readonly tokens: number; readonly rate: number } {
  let best = { source: sources[0]!, tokens: 0, rate: 0 };
  for (const source of sources) {
    for (let tokens = 0; tokens <= MOST_TOKENS; tokens++) {
      const rate = throughput(world, { source, tokens }, fromTokens, toTokens);
      if (rate > best.rate) best = { source, tokens, rate };
    }
  }
  return best;
}
