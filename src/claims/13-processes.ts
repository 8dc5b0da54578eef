/**
 * Claim `13-processes`: what it costs to be many processes. A router in front of engines, workers instead of threads, prompts
 * and decodes on processes of their own with keys and values pulled over TCP, as in DistServe (OSDI'24); all of it over a real
 * nats-server, with the built-in models.
 */
import { builtInModelDir } from "../llm/index.ts";
import { Engine } from "../runtime/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { disaggregationLines, type DisaggregationSize } from "./processes/disaggregation.ts";
import { startBusServer, startProcessFleets, type WorkerShape } from "./processes/fleet-processes.ts";
import { routerOverheadLines } from "./processes/router-overhead.ts";
import { twoWorkersLines, type TwoWorkersSize } from "./processes/two-workers.ts";

interface Size {
  readonly model: string;
  /** Tokens of a step; null: as many as an engine finds right at its start. */
  readonly budgetTokens: number | null;
  readonly overheadRounds: number;
  readonly twoWorkers: TwoWorkersSize;
  readonly disaggregation: DisaggregationSize;
}

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: {
    model: "punctual-small",
    budgetTokens: 64, // finding it takes longer than all the rest
    overheadRounds: 2,
    twoWorkers: { rounds: 1, windowMs: 5, clients: 2 },
    disaggregation: { rounds: 1, requests: 2, ratePerSecond: 20 },
  },
  quick: {
    model: "punctual-base",
    budgetTokens: null,
    overheadRounds: 60,
    twoWorkers: { rounds: 3, windowMs: 2000, clients: 16 },
    disaggregation: { rounds: 2, requests: 16, ratePerSecond: 5 },
  },
  full: {
    model: "punctual-base",
    budgetTokens: null,
    overheadRounds: 400,
    twoWorkers: { rounds: 12, windowMs: 6000, clients: 16 },
    disaggregation: { rounds: 8, requests: 60, ratePerSecond: 5 },
  },
};

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const { model, budgetTokens, ...size } = SIZES[context.mode];
  const { clock } = context;
  context.progress("13-processes: starting five workers");
  await using server = await startBusServer(clock);
  const given = budgetTokens === null ? {} : { budgetTokens };
  const dir = builtInModelDir(model);
  await using engine = await Engine.start({ model: { dir }, name: model, threads: 1, ...given });
  const flags = budgetTokens === null ? [] : ["--max-num-batched-tokens", String(budgetTokens)];
  const one = (role: NonNullable<WorkerShape["role"]>): WorkerShape => ({ threads: 1, role });
  await using started = await startProcessFleets(
    { busUrl: server.url, model, router: "least-load", clock, flags },
    { wide: [{ threads: 2 }], narrow: [one("any"), one("any")], apart: [one("prefill"), one("decode")] },
    context.mode === "smoke",
  );
  const { wide, narrow, apart } = started.fleets;
  const arms = { engine, together: narrow.engine, apart: apart.engine };
  return [
    ...(await routerOverheadLines(size.overheadRounds, engine, narrow.engine, context)),
    ...(await twoWorkersLines(size.twoWorkers, wide.engine, narrow.engine, context)),
    ...(await disaggregationLines(size.disaggregation, arms, context)),
  ];
}

export const processes: Claim = {
  id: "13-processes",
  name: "processes",
  headline: "A fleet of processes costs a request less than 5 ms and the machine less than a twentieth of its tokens.",
  baseline:
    "the engine itself without a router; one process with as many threads; two processes that compute prompts and decodes together",
  source: "DistServe, OSDI'24 (arXiv 2401.09670): phases on instances of their own, keys and values pulled",
  targets:
    "router adds less than 2 ms to the first token in one process and less than 5 ms over NATS; two workers of one thread at least 0.95 times the tokens/s of one of two threads; keys and values handed over in at most 1 % of end-to-end time; every answer that of a lone engine",
  measure,
};
