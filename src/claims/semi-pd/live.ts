/**
 * Claim `40`, live on two cores: two workers over one cache under a controller, against unified engines of two threads,
 * against two caches, and against itself uncontrolled. Steady loads first, then a mix that goes from long prompts to long
 * answers.
 */
import type { ClaimContext, Measured } from "../framework.ts";
import { closedLoop, openLoop, type TimedRequest } from "../live-load.ts";
import {
  eachArm,
  measureUnloaded,
  poissonRequests,
  requestSource,
  startArms,
  type LiveArm,
  type MeanLengths,
  type Unloaded,
} from "./live-arms.ts";
import type { Slo } from "../../sched/index.ts";
import { shiftingLines, steadyLines, type Answered, type LiveSamples, type ShiftingRound } from "./live-lines.ts";
import {
  armsOf,
  DYNAMIC,
  extentOf,
  SHIFTING_ARMS,
  STEADY_ARMS,
  TPOT_SCALE,
  TTFT_SCALE,
  UNIFIED,
  type Extent,
} from "./live-setup.ts";
import { ATTAIN } from "./workloads.ts";

/** Measures every arm; engines end with it. */
export async function measureLive(context: ClaimContext): Promise<readonly Measured[]> {
  const extent = extentOf(context.mode);
  context.progress("40 live: starting engines");
  const { model, kvPages, budgetTokens, lengths, promptHeavy, answerHeavy } = extent;
  const longest = Math.max(...[lengths, promptHeavy, answerHeavy].map(({ prompt, answer }) => prompt + answer));
  const setUp = { model, seed: context.seed, kvPages, budgetTokens, contextTokens: 2 * longest };
  await using started = await startArms(setUp, armsOf(extent));
  const bench = new Bench(context, extent, started.arms);
  await bench.warm();
  const samples = await bench.measure();
  return [...steadyLines(extent, samples, ATTAIN), ...shiftingLines(extent, samples)];
}

class Bench {
  readonly #context: ClaimContext;
  readonly #extent: Extent;
  readonly #arms: readonly LiveArm[];

  constructor(context: ClaimContext, extent: Extent, arms: readonly LiveArm[]) {
    this.#context = context;
    this.#extent = extent;
    this.#arms = arms;
  }

  /** Compiles what is compiled on demand, in every arm. */
  async warm(): Promise<void> {
    const requests = this.#requests(this.#extent.lengths, 200, this.#extent.leastRequests, "warm");
    await eachArm(this.#arms, 0, ({ engine }) => openLoop(engine, requests, this.#context.clock));
  }

  async measure(): Promise<LiveSamples> {
    const { lengths, rounds, loads, shiftingRounds } = this.#extent;
    const objective = await this.#objective();
    const slo: Slo = { class: "latency", ...objective, onMiss: "finish" };
    const peak = await this.#peak(lengths);
    const steady: (readonly (readonly Answered[])[])[] = [];
    for (let round = 0; round < rounds; round++) {
      const byLoad: (readonly Answered[])[] = [];
      for (const load of loads) byLoad.push(await this.#steady(load * peak, round, slo));
      steady.push(byLoad);
    }
    const { promptHeavy, answerHeavy, shiftingLoad } = this.#extent;
    const rates = [
      shiftingLoad * (await this.#peak(promptHeavy)),
      shiftingLoad * (await this.#peak(answerHeavy)),
    ] as const;
    const shifting: ShiftingRound[] = [];
    for (let round = 0; round < shiftingRounds; round++) shifting.push(await this.#shifting(rates, round, slo));
    return { objective, peak, steady, rates, shifting };
  }

  async #objective(): Promise<Unloaded> {
    const { mode, seed, clock } = this.#context;
    const next = requestSource(this.#extent.lengths, this.#extent.model.vocabSize, `${seed} alone`);
    const alone = await measureUnloaded(this.#arm(UNIFIED[0]), next, mode === "smoke" ? 1 : 7, clock);
    return { ttftMs: TTFT_SCALE * alone.ttftMs, tpotMs: TPOT_SCALE * alone.tpotMs };
  }

  /** Requests per second that the better unified arm ends when it is never without work. */
  async #peak(lengths: MeanLengths): Promise<number> {
    const { clients, peakMs, model } = this.#extent;
    const { clock, seed } = this.#context;
    const found: number[] = [];
    for (const name of UNIFIED) {
      this.#context.progress(`40 live: throughput, ${name}`);
      const next = requestSource(lengths, model.vocabSize, `${seed} peak`);
      const run = await closedLoop(this.#arm(name).engine, { clients, windowMs: peakMs, clock, request: next });
      // Tokens count whenever their request ends: few requests end in a short window.
      const inside = run.requests.flatMap(({ tokenMs }) => tokenMs).filter((ms) => ms >= run.fromMs && ms < run.toMs);
      found.push(inside.length / ((run.toMs - run.fromMs) / 1000) / lengths.answer);
    }
    return Math.max(...found);
  }

  async #steady(rate: number, round: number, slo: Slo): Promise<readonly Answered[]> {
    this.#context.progress(`40 live: round ${round + 1}, ${rate.toFixed(1)} requests/s`);
    const { lengths, windowMs, leastRequests } = this.#extent;
    const count = Math.max(leastRequests, Math.round((rate * windowMs) / 1000));
    const requests = this.#requests(lengths, rate, count, `steady ${round}`, slo);
    return this.#each(STEADY_ARMS, requests, round);
  }

  async #shifting(rates: readonly [number, number], round: number, slo: Slo): Promise<ShiftingRound> {
    this.#context.progress(`40 live: a mix that shifts, round ${round + 1}`);
    const { promptHeavy, answerHeavy, halfMs, leastRequests } = this.#extent;
    const count = (rate: number): number => Math.max(leastRequests, Math.round((rate * halfMs) / 1000));
    const first = this.#requests(promptHeavy, rates[0], count(rates[0]), `first ${round}`, slo);
    const fromMs = first.at(-1)!.atMs;
    const second = this.#requests(answerHeavy, rates[1], count(rates[1]), `second ${round}`, slo, fromMs);
    const decisions = new DecisionLog(this.#arm(DYNAMIC));
    const answered = await this.#each(SHIFTING_ARMS, [...first, ...second], round);
    return { answered, firstCount: first.length, switchMs: decisions.end() };
  }

  /** The arms of those names on the same requests, in the order of the names. */
  async #each(
    names: readonly string[],
    requests: readonly TimedRequest[],
    round: number,
  ): Promise<readonly Answered[]> {
    const arms = names.map((name) => this.#arm(name));
    const answered = await eachArm(arms, round, ({ engine }) => openLoop(engine, requests, this.#context.clock));
    return answered.map(({ requests: each }, i) => ({ name: names[i]!, requests: each }));
  }

  #requests(
    lengths: MeanLengths,
    ratePerSecond: number,
    count: number,
    name: string,
    slo?: Slo,
    fromMs = 0,
  ): TimedRequest[] {
    const seed = `${this.#context.seed} ${name}`;
    const { vocabSize } = this.#extent.model;
    return poissonRequests({
      ratePerSecond,
      count,
      lengths,
      vocabSize,
      seed,
      fromMs,
      ...(slo === undefined ? {} : { slo }),
    });
  }

  #arm(name: string): LiveArm {
    return this.#arms.find((arm) => arm.name === name)!;
  }
}

const LOOK_EVERY_MS = 20;

/** When the controller of an arm moved the share, milliseconds; it looks more often than the controller decides. */
class DecisionLog {
  readonly #moves = new Set<number>();
  readonly #timer: NodeJS.Timeout;

  constructor({ engine }: LiveArm) {
    this.#timer = setInterval(() => {
      const decision = engine.stats().phases?.lastDecision ?? null;
      if (decision !== null && decision.share !== decision.previousShare) this.#moves.add(decision.atMs);
    }, LOOK_EVERY_MS);
  }

  end(): readonly number[] {
    clearInterval(this.#timer);
    return [...this.#moves];
  }
}
