/**
 * Claim 25, time and memory: the same prompts to an engine of the model alone and to one that leaves layers out, in turn. Time
 * per output token is taken from the whole request, prompt and routers included, so that nothing hides beside the decodes.
 */
import {
  chatPrompt,
  KvPages,
  openCheckpoint,
  randomWeights,
  readRoutes,
  StepExecutor,
  type WeightSource,
} from "../../llm/index.ts";
import type { Engine, GenerateRequest } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { compare, exact, mean } from "../statistics.ts";
import { chatTokenizer, type Subject } from "./subject.ts";

interface Size {
  /** Pairs of measurements. */
  readonly pairs: number;
  readonly tokens: number;
  readonly together: number;
}

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  full: { pairs: 31, tokens: 160, together: 8 },
  quick: { pairs: 11, tokens: 100, together: 8 },
  smoke: { pairs: 2, tokens: 12, together: 2 },
};

/** Which prompts are computed at once. */
interface Load {
  readonly name: string;
  readonly together: number;
  /** Of all tasks, or of one at a time. */
  readonly mixed: boolean;
  readonly target: number;
  readonly note: string;
}

const loadsOf = ({ together }: Size): readonly Load[] => [
  {
    name: "1 at once",
    together: 1,
    mixed: false,
    target: LEAST_GAIN,
    note: "one prompt after the other, of all tasks",
  },
  {
    name: `${together} of a task at once`,
    together,
    mixed: false,
    target: LEAST_GAIN,
    note: "prompts of one task, whose masks are mostly the same",
  },
  {
    name: `${together} of all tasks at once`,
    together,
    mixed: true,
    target: LEAST_GAIN,
    note: "masks of all tasks in one step: at each layer some rows come and others start, two runs where the full model has one",
  },
];
const LEAST_GAIN = 1 / 0.82;
const ROUTER_PROMPT = 128;
/** Of a sample of a prompt's time: what is looked for is a hundredth of it, and single steps differ by more. */
const SAMPLE_STEPS = 4;

/** Requests that came at once: milliseconds a token, all in all, and layers left out, both means. */
interface Round {
  readonly ms: number;
  readonly skipped: number;
}

async function askTogether(
  engine: Engine,
  tokens: number,
  prompts: readonly string[],
  compute: Pick<GenerateRequest, "compute">,
): Promise<Round> {
  const tokenizer = chatTokenizer(engine.tokenizer);
  const times = await Promise.all(
    prompts.map(async (text) => {
      const promptTokens = chatPrompt(tokenizer, [{ role: "user", text }]);
      let round: Round = { ms: Number.NaN, skipped: 0 };
      const request = { promptTokens, maxTokens: tokens, ignoreEos: true, sampling: { temperature: 0 }, ...compute };
      for await (const event of engine.submit(request))
        if (event.kind === "finish") {
          const { slo, route } = event.usage;
          round = { ms: slo.e2e_ms! / tokens, skipped: route?.skipped.length ?? 0 };
        }
      return round;
    }),
  );
  return { ms: mean(times.map(({ ms }) => ms)), skipped: mean(times.map(({ skipped }) => skipped)) };
}

/** The prompts of one round. */
function promptsOf({ items }: Subject, { together, mixed }: Load, round: number): string[] {
  const task = items[round % items.length]!.task;
  const pool = mixed ? items : items.filter((item) => item.task === task);
  return Array.from({ length: together }, (_, i) => pool[(round * together + i) % pool.length]!.prompt);
}

/** Time per output token, KV memory, and what routers cost a prompt. */
export async function measureSpeed(context: ClaimContext, subject: Subject): Promise<Measured[]> {
  const size = SIZES[context.mode];
  const { layers } = subject;
  const lines: Measured[] = [];
  await using plain = await subject.start(null);
  await using routed = await subject.start(subject.routesOf("routes"));
  for (const load of loadsOf(size)) {
    context.progress(`time per token, ${load.name}`);
    const ours: Round[] = [];
    const full: Round[] = [];
    for (let pair = -1; pair < size.pairs; pair++) {
      const prompts = promptsOf(subject, load, pair + 1);
      const a = await askTogether(plain, size.tokens, prompts, {});
      const b = await askTogether(routed, size.tokens, prompts, { compute: "auto" });
      if (pair < 0) continue; // the first pair warms up
      full.push(a);
      ours.push(b);
    }
    const skipped = ((mean(ours.map((round) => round.skipped)) / layers) * 100).toFixed(0);
    const whole = `${skipped} % of the layers left out, as routers choose; whole requests over their ${size.tokens} tokens, prompts at full depth and routers included; full is an engine without routes`;
    lines.push(
      compare(
        {
          metric: `time per output token, ${load.name}`,
          unit: "ms",
          better: "lower",
          kind: "live",
          paper_says: "about 18 % lower at 25 %",
          note: `${load.note}; ${whole}`,
        },
        ours.map(({ ms }) => ms),
        full.map(({ ms }) => ms),
        load.target,
      ),
    );
  }
  lines.push(await kvLine(subject, plain, routed));
  lines.push(await routerLine(context, subject));
  return lines;
}

/** Pages that one long answer holds near its end. */
async function kvLine({ kept, layers }: Subject, plain: Engine, routed: Engine): Promise<Measured> {
  const length = Math.min(200, Math.floor(plain.info.contextTokens * 0.75));
  const held = async (engine: Engine, compute: object): Promise<number> => {
    const promptTokens = Array.from({ length: Math.floor(length / 2) }, (_, i) => 280 + (i % 200));
    const maxTokens = Math.ceil(length / 2);
    let seen = 0;
    let pages = 0;
    for await (const event of engine.submit({ promptTokens, maxTokens, ignoreEos: true, ...compute })) {
      if (event.kind === "token" && ++seen === maxTokens - 2) pages = engine.stats().kv.pagesUsed;
    }
    return pages;
  };
  const full = await held(plain, {});
  const ours = await held(routed, { compute: kept / layers });
  return exact(
    {
      metric: "KV memory of an answer, of what the full model holds",
      unit: "share",
      better: "lower",
      kind: "live",
      note: `${ours} pages where the full model holds ${full}; ${kept} of ${layers} layers; a page is the least that is given back`,
    },
    ours / full,
    (Math.ceil((full * kept) / layers) + 1) / full,
    1,
  );
}

/** A prompt's step with and without routers, in turn. */
async function routerLine(context: ClaimContext, subject: Subject): Promise<Measured> {
  context.progress("routers' share of a prompt");
  const pairs = { full: 400, quick: 120, smoke: 3 }[context.mode];
  const { model } = subject;
  const checkpoint = "dir" in model ? await openCheckpoint(model.dir) : null;
  const weights: WeightSource =
    checkpoint === null
      ? randomWeights((model as { random: Parameters<typeof randomWeights>[0] }).random, 1)
      : checkpoint.weights;
  const engineConfig = "dir" in model ? await configOf(subject) : model.random;
  const open = async (routes: boolean): Promise<StepExecutor> =>
    StepExecutor.create({
      config: engineConfig,
      weights,
      weightsFormat: "f32",
      threads: 1,
      kv: { format: "f32", pages: 32, pageTokens: 16 },
      attention: { ortRowThreshold: Infinity },
      ...(routes ? { routes: await readRoutes(subject.routesOf("routes"), engineConfig) } : {}),
    });
  try {
    await using bare = await open(false);
    await using routed = await open(true);
    const timeOf = async (executor: StepExecutor): Promise<number> => {
      const sequence = new KvPages({ pages: 32, pageTokens: 16 }).open();
      const tokens = Array.from({ length: ROUTER_PROMPT }, (_, i) => 280 + (i % 200));
      sequence.reserve(tokens.length);
      const { pages } = sequence;
      const startMs = context.clock.nowMs();
      for (let i = 0; i < SAMPLE_STEPS; i++)
        await executor.step([{ tokens, startPosition: 0, pages, wantLogits: "last" }]);
      return (context.clock.nowMs() - startMs) / SAMPLE_STEPS;
    };
    const ours: number[] = [];
    const without: number[] = [];
    for (let pair = -3; pair < pairs; pair++) {
      const swapped = pair % 2 === 0;
      const firstMs = await timeOf(swapped ? routed : bare);
      const secondMs = await timeOf(swapped ? bare : routed);
      if (pair < 0) continue;
      ours.push(swapped ? firstMs : secondMs);
      without.push(swapped ? secondMs : firstMs);
    }
    return compare(
      {
        metric: `a prompt of ${ROUTER_PROMPT} tokens with routers`,
        unit: "ms",
        better: "lower",
        kind: "live",
        note: "one step of the executor, routers reading every token before each layer that may be left out; target: at most 1 % slower",
      },
      ours,
      without,
      0.99,
    );
  } finally {
    await checkpoint?.close();
  }
}

async function configOf(subject: Subject): Promise<Engine["config"]> {
  await using engine = await subject.start(null);
  return engine.config;
}
