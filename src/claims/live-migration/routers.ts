/**
 * Claim 29-live: the routers side by side. The same requests, many of which begin alike, arrive at the same times at engines
 * that know nothing yet; who places them changes from run to run. No target: what a router is good for depends on the load,
 * and this is one.
 */
import { compareRouters, ROUTER_NAMES, type RouterRow, type TimedRequest } from "../../cluster/index.ts";
import { createRandom } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { Engine, type EngineOptions } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { compare, mean } from "../statistics.ts";

/** How much is measured. */
export interface RoutersSize {
  readonly model: DecoderConfig;
  readonly modelName: string;
  readonly instances: number;
  readonly rounds: number;
  readonly requests: number;
  readonly ratePerSecond: number;
}

const BASELINE = "round-robin";
const FIRST_ID = 32;
/** Beginnings that many requests share, tokens of each, and tokens of a request's own. */
const GROUPS = 6;
const SHARED_TOKENS = 192;
const OWN_TOKENS = 32;
const ANSWER_TOKENS = 24;

function drawLoad({ requests, ratePerSecond, model }: RoutersSize, seed: string): readonly TimedRequest[] {
  const random = createRandom(seed, "routers");
  const draw = (count: number): number[] =>
    Array.from({ length: count }, () => random.int(FIRST_ID, model.vocabSize - 1));
  const shared = Array.from({ length: GROUPS }, () => draw(SHARED_TOKENS));
  let atMs = 0;
  return Array.from({ length: requests }, () => {
    atMs += random.exponential(ratePerSecond / 1000);
    // Shares of the groups fall like those of popular prompts.
    const group = Math.min(GROUPS - 1, Math.floor(random.exponential(0.6)));
    const promptTokens = [...shared[group]!, ...draw(OWN_TOKENS)];
    const request = { promptTokens, maxTokens: ANSWER_TOKENS, ignoreEos: true, sampling: { temperature: 0 } };
    return { atMs, request };
  });
}

function startEngines({ instances, model, modelName }: RoutersSize, seed: number): Promise<readonly Engine[]> {
  const options: EngineOptions = {
    model: { random: model, seed },
    name: modelName,
    threads: 1,
    kvPages: 512,
    budgetTokens: 256,
  };
  return Promise.all(Array.from({ length: instances }, () => Engine.start(options)));
}

/** The lines: each router's first tokens against round-robin's. */
export async function routerLines(size: RoutersSize, context: ClaimContext): Promise<readonly Measured[]> {
  const names = [BASELINE, ...ROUTER_NAMES.filter((name) => name !== BASELINE)];
  const rows: RouterRow[] = [];
  for (let round = 0; round < size.rounds; round++) {
    const first = round % names.length;
    rows.push(
      ...(await compareRouters({
        routers: [...names.slice(first), ...names.slice(0, first)],
        trace: drawLoad(size, `${context.seed} ${round}`),
        start: () => startEngines(size, context.seed),
        seed: context.seed + round,
        onRow: ({ router }) => context.progress(`29-live: router ${router}, round ${round + 1} of ${size.rounds}`),
      })),
    );
  }
  const of = (name: string, what: (row: RouterRow) => number): number[] =>
    rows.filter(({ router }) => router === name).map(what);
  return names.slice(1).map((name) => {
    const both = (what: (row: RouterRow) => number, text: (value: number) => string): string =>
      [name, BASELINE].map((one) => text(mean(of(one, what)))).join(" against ");
    const p50 = both(
      ({ ttftMs }) => ttftMs.p50,
      (ms) => `${ms.toFixed(1)} ms`,
    );
    const hits = both(
      ({ hitShare }) => hitShare,
      (share) => `${(100 * share).toFixed(0)} %`,
    );
    return compare(
      {
        metric: `first token, mean, ${name}`,
        unit: "ms",
        better: "lower",
        kind: "live",
        note: `against round-robin; p50 ${p50}, prefix hits ${hits}; ${size.modelName}, ${size.instances} engines, ${size.ratePerSecond} requests/s of which many begin alike`,
      },
      of(name, ({ ttftMs }) => ttftMs.mean),
      of(BASELINE, ({ ttftMs }) => ttftMs.mean),
      null,
    );
  });
}
