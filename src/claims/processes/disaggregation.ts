/**
 * Claim 13-processes: prompts on one worker process and decodes on another (DistServe), keys and values pulled over TCP,
 * against two workers that do both. Same model, cores, requests and arrivals; arms take turns. Every answer is compared with
 * what one engine says that nobody disturbs.
 */
import { createRandom, median, quantile } from "../../core/index.ts";
import type { Engine, FinishEvent, GenerateRequest } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute, compare, exact } from "../statistics.ts";

/** How much is measured. */
export interface DisaggregationSize {
  readonly rounds: number;
  readonly requests: number;
  /** Arrivals, a Poisson process. */
  readonly ratePerSecond: number;
}

const PROMPT_TOKENS = 320;
const ANSWER_TOKENS = 48;
const FIRST_ID = 300;
/** Handing keys and values over, as a share of end-to-end time. */
const SHARE = 0.01;

interface Answered {
  readonly tokens: readonly number[];
  readonly ttftMs: number;
  /** From the request to its second token: whatever was moved when, it is in here. */
  readonly secondMs: number;
  readonly e2eMs: number;
  /** The widest gap between two tokens. */
  readonly gapMs: number;
  readonly transferMs: number;
}

interface Timed {
  readonly atMs: number;
  readonly request: GenerateRequest;
}

function drawRequests(size: DisaggregationSize, vocabSize: number, seed: string): readonly Timed[] {
  const random = createRandom(seed, "requests");
  let atMs = 0;
  return Array.from({ length: size.requests }, () => {
    atMs += random.exponential(size.ratePerSecond / 1000);
    const promptTokens = Array.from({ length: PROMPT_TOKENS }, () => random.int(FIRST_ID, vocabSize - 1));
    const sampling = { temperature: 1, seed: random.uint32() };
    return { atMs, request: { promptTokens, maxTokens: ANSWER_TOKENS, ignoreEos: true, sampling } };
  });
}

async function answer(engine: Engine, request: GenerateRequest, clock: ClaimContext["clock"]): Promise<Answered> {
  const startMs = clock.nowMs();
  const tokens: number[] = [];
  const times: number[] = [];
  let finish: FinishEvent | null = null;
  for await (const event of engine.submit(request)) {
    if (event.kind === "finish") finish = event;
    else {
      tokens.push(event.id);
      times.push(clock.nowMs());
    }
  }
  return {
    tokens,
    ttftMs: times[0]! - startMs,
    secondMs: times[1]! - startMs,
    e2eMs: times.at(-1)! - startMs,
    gapMs: Math.max(...times.slice(1).map((ms, i) => ms - times[i]!)),
    transferMs: finish?.usage.transferMs ?? 0,
  };
}

async function run(
  engine: Engine,
  timed: readonly Timed[],
  clock: ClaimContext["clock"],
): Promise<readonly Answered[]> {
  const fromMs = clock.nowMs();
  const answers: Promise<Answered>[] = [];
  for (const { atMs, request } of timed) {
    const waitMs = fromMs + atMs - clock.nowMs();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    answers.push(answer(engine, request, clock));
  }
  return Promise.all(answers);
}

/** The three that are compared: an engine of this process, two workers that do both, a prefill and a decode worker. */
export interface DisaggregationArms {
  readonly engine: Engine;
  readonly together: Engine;
  readonly apart: Engine;
}

/** The lines. */
export async function disaggregationLines(
  size: DisaggregationSize,
  { engine, together, apart }: DisaggregationArms,
  context: ClaimContext,
): Promise<readonly Measured[]> {
  const { clock, seed } = context;
  const arms = { together: [] as Answered[][], apart: [] as Answered[][] };
  let wrong = 0;
  for (let round = 0; round < size.rounds; round++) {
    context.progress(`13-processes: phases apart, round ${round + 1} of ${size.rounds}`);
    const timed = drawRequests(size, engine.config.vocabSize, `${seed} ${round}`);
    const right: (readonly number[])[] = [];
    for (const { request } of timed) right.push((await answer(engine, request, clock)).tokens);
    const names = round % 2 === 0 ? (["apart", "together"] as const) : (["together", "apart"] as const);
    for (const name of names) {
      const answers = await run(name === "apart" ? apart : together, timed, clock);
      arms[name].push([...answers]);
      wrong += answers.filter(({ tokens }, i) => tokens.join() !== right[i]!.join()).length;
    }
  }
  return linesOf(arms, wrong, size, engine.info.name);
}

function linesOf(
  { together, apart }: { readonly together: readonly Answered[][]; readonly apart: readonly Answered[][] },
  wrong: number,
  size: DisaggregationSize,
  model: string,
): readonly Measured[] {
  const note = `${model}, ${PROMPT_TOKENS} tokens in and ${ANSWER_TOKENS} out, ${size.ratePerSecond} requests/s, two workers of one thread in both arms`;
  const line = (metric: string) => ({ metric, unit: "ms", better: "lower", kind: "live", note }) as const;
  const each = (rounds: readonly Answered[][], of: (answers: readonly Answered[]) => number): number[] =>
    rounds.map(of);
  const gap = (answers: readonly Answered[]): number =>
    quantile(
      answers.map(({ gapMs }) => gapMs),
      0.9,
    );
  const ttft = (answers: readonly Answered[]): number => median(answers.map(({ ttftMs }) => ttftMs));
  const second = (answers: readonly Answered[]): number => median(answers.map(({ secondMs }) => secondMs));
  const share = (answers: readonly Answered[]): number => {
    const sum = (of: (one: Answered) => number): number => answers.reduce((total, one) => total + of(one), 0);
    return sum(({ transferMs }) => transferMs) / sum(({ e2eMs }) => e2eMs);
  };
  const answers = together.flat().length + apart.flat().length;
  return [
    absolute(
      {
        ...line("handing keys and values over between processes"),
        unit: "of end-to-end time",
        note: `${note}; from the first token on: what moves while a prompt is computed shows in the time to that token`,
      },
      each(apart, share),
      SHARE,
    ),
    // The same however long an answer is: a share of long ones is smaller.
    absolute(
      line("handing keys and values over, per request, median"),
      each(apart, (answers) => median(answers.map(({ transferMs }) => transferMs))),
      null,
    ),
    compare(
      line("widest gap between tokens, p90, phases in processes of their own"),
      each(apart, gap),
      each(together, gap),
      null,
    ),
    compare(
      line("first token, median, phases in processes of their own"),
      each(apart, ttft),
      each(together, ttft),
      null,
    ),
    compare(
      line("second token, median, phases in processes of their own"),
      each(apart, second),
      each(together, second),
      null,
    ),
    exact({ ...line("answers that differ from a lone engine's"), unit: "answers" }, wrong, 0, answers),
  ];
}
