/**
 * Claim 13-processes: what the router adds to the first token. The same prompts go in turn to an engine itself, to the same
 * engine behind a router on the bus in memory, and to a worker process behind a router on NATS. One request at a time, nothing
 * else runs; who goes first alternates.
 */
import { connectBus, Fleet, InstanceHost } from "../../cluster/index.ts";
import { createRandom, type Clock } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute } from "../statistics.ts";

const PROMPT_TOKENS = 32;
const MAX_TOKENS = 2;
const WARM_UP = 8;
/** Ids above the marks and bytes of the built-in vocabulary. */
const FIRST_ID = 300;
const IN_MEMORY_MS = 2;
const NATS_MS = 5;

interface Triple {
  readonly directMs: number;
  readonly memoryMs: number;
  readonly natsMs: number;
}

async function firstTokenMs(engine: Engine, promptTokens: readonly number[], clock: Clock): Promise<number> {
  const startMs = clock.nowMs();
  let firstMs = startMs;
  const stream = engine.submit({ promptTokens, maxTokens: MAX_TOKENS, ignoreEos: true, sampling: { temperature: 0 } });
  for await (const event of stream) if (event.kind === "token" && event.index === 0) firstMs = clock.nowMs();
  return firstMs - startMs;
}

/** That many triples, after a few that warm all sides up. */
async function measureTriples(
  rounds: number,
  engine: Engine,
  far: Engine,
  { clock, seed }: ClaimContext,
): Promise<readonly Triple[]> {
  await using memory = await connectBus(undefined);
  await using _host = await InstanceHost.start({ bus: memory, engine });
  await using near = await Fleet.join({ bus: memory });
  const inProcess = await near.ready();
  const random = createRandom(seed, "router overhead");
  const triples: Triple[] = [];
  for (let i = 0; i < WARM_UP + rounds; i++) {
    const prompt = Array.from({ length: PROMPT_TOKENS }, () => random.int(FIRST_ID, engine.config.vocabSize - 1));
    const arms = [engine, inProcess, far];
    const times = [0, 0, 0];
    // Each has the same prompt, and each its turn to be first; a prompt that is new makes no cache hit but at its second arm.
    for (let turn = 0; turn < arms.length; turn++) {
      const arm = (i + turn) % arms.length;
      const shifted = [...prompt.slice(arm), ...prompt.slice(0, arm)];
      times[arm] = await firstTokenMs(arms[arm]!, shifted, clock);
    }
    if (i >= WARM_UP) triples.push({ directMs: times[0]!, memoryMs: times[1]!, natsMs: times[2]! });
  }
  return triples;
}

/** The lines. @param engine one of this process @param far the same model behind a router on NATS, one thread a worker */
export async function routerOverheadLines(
  rounds: number,
  engine: Engine,
  far: Engine,
  context: ClaimContext,
): Promise<readonly Measured[]> {
  context.progress("13-processes: what a router adds");
  const triples = await measureTriples(rounds, engine, far, context);
  const text = { unit: "ms", better: "lower", kind: "live" } as const;
  const note = `${PROMPT_TOKENS} prompt tokens, one request at a time, against the engine itself next to it in time`;
  return [
    absolute(
      { ...text, metric: "router adds to the first token, one process", note },
      triples.map(({ directMs, memoryMs }) => memoryMs - directMs),
      IN_MEMORY_MS,
    ),
    absolute(
      { ...text, metric: "router adds to the first token, NATS", note: `${note}; its worker is another process` },
      triples.map(({ directMs, natsMs }) => natsMs - directMs),
      NATS_MS,
    ),
  ];
}
