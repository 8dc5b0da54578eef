/**
 * Claim 13-processes: what it costs to be two processes. Two workers of one thread each against one of two threads, both
 * behind the same kind of router on the same NATS, the same closed loop of clients; arms take turns.
 */
import { assert, createRandom } from "../../core/index.ts";
import type { Engine, GenerateRequest } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { closedLoop } from "../live-load.ts";
import { compare } from "../statistics.ts";

/** How much is measured. */
export interface TwoWorkersSize {
  readonly rounds: number;
  readonly windowMs: number;
  readonly clients: number;
}

const PROMPT_TOKENS = 64;
const ANSWER_TOKENS = 96;
const FIRST_ID = 300;
const TARGET = 0.95;

function requestOf(engine: Engine, seed: string): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const { vocabSize } = engine.config;
  return {
    promptTokens: Array.from({ length: PROMPT_TOKENS }, () => random.int(FIRST_ID, vocabSize - 1)),
    maxTokens: ANSWER_TOKENS,
    ignoreEos: true,
    sampling: { temperature: 0 },
  };
}

async function tokensPerSecond(
  engine: Engine,
  round: number,
  { windowMs, clients }: TwoWorkersSize,
  { clock, seed }: ClaimContext,
): Promise<number> {
  let asked = 0;
  const request = (): GenerateRequest => requestOf(engine, `${seed} ${round} ${asked++}`);
  const { requests, fromMs, toMs } = await closedLoop(engine, { clients, windowMs, clock, request });
  const inWindow = requests.reduce(
    (sum, { tokenMs }) => sum + tokenMs.filter((ms) => ms > fromMs && ms <= toMs).length,
    0,
  );
  assert(toMs > fromMs, "a window has a length");
  return (inWindow * 1000) / (toMs - fromMs);
}

/** The line. @param one a worker of two threads behind a router @param two two workers of one thread behind another */
export async function twoWorkersLines(
  size: TwoWorkersSize,
  one: Engine,
  two: Engine,
  context: ClaimContext,
): Promise<readonly Measured[]> {
  const ours: number[] = [];
  const baseline: number[] = [];
  for (let round = 0; round < size.rounds; round++) {
    context.progress(`13-processes: tokens a second, round ${round + 1} of ${size.rounds}`);
    const narrow = async (): Promise<void> => void ours.push(await tokensPerSecond(two, round, size, context));
    const wide = async (): Promise<void> => void baseline.push(await tokensPerSecond(one, round, size, context));
    for (const arm of round % 2 === 0 ? [narrow, wide] : [wide, narrow]) await arm();
  }
  const note = `${two.info.name}, ${size.clients} clients, ${PROMPT_TOKENS} tokens in and ${ANSWER_TOKENS} out; the router is in the claim's process in both arms`;
  const metric = "two workers of one thread, against one of two";
  return [compare({ metric, unit: "tokens/s", better: "higher", kind: "live", note }, ours, baseline, TARGET)];
}
