/** What an executor has beside the usual when sequences may leave layers out: a cache of units, and sessions over the routes' weights. */
import { fail } from "../../core/index.ts";
import { createSession, type Session } from "../../graph/index.ts";
import type { PagedAttention, PagedAttentionOptions } from "../../kernels/index.ts";
import { KernelAttention, OrtAttention, SplitAttention } from "../attention.ts";
import { layerWindow, type DecoderConfig } from "../config.ts";
import { LoraBank, mergedWeights } from "../lora/index.ts";
import { boundaryGraph } from "../step-graphs.ts";
import type { StepLimits } from "../step-plan.ts";
import type { StepExecutorOptions, WeightsFormat } from "../types.ts";
import type { RouteSet } from "./route-set.ts";
import { RouteLora } from "./route-lora.ts";
import { RoutedRun } from "./routed-run.ts";
import { isShared, sharesAll } from "./shared-weights.ts";

type Cleanup = () => Promise<void>;

/** The shape of a cache of units, from that of the cache that it stands for. @throws PunctualError unsupported. */
export function unitLayout(shape: PagedAttentionOptions, config: DecoderConfig): PagedAttentionOptions {
  const { layers } = config;
  const windows = new Set(Array.from({ length: layers }, (_, layer) => layerWindow(config, layer) ?? 0));
  if (windows.size > 1) fail("unsupported", "layer routes need one window for all layers", { param: "routes" });
  const { layout } = shape;
  return {
    ...shape,
    layout: { ...layout, layers: 1, pages: layout.pages * layers },
    windows: [...windows],
    maxPagesPerSequence: Math.ceil(config.maxPositions / layout.pageTokens),
  };
}

/** What the routed part is made with. */
export interface RoutedOptions {
  readonly executor: StepExecutorOptions;
  readonly routes: RouteSet;
  readonly cache: PagedAttention;
  readonly threshold: number;
  readonly limits: StepLimits;
  readonly topK: number;
  /** One per layer boundary, over the weights of full depth; forked where they are shared. */
  readonly sessions: readonly Session[];
  readonly graph: { readonly format: WeightsFormat; readonly blockSize: 32 | 128; readonly states: boolean };
}

/** Sessions and scratch of steps that leave layers out. */
export async function createRouted(options: RoutedOptions, cleanups: Cleanup[]): Promise<RoutedRun> {
  const { executor, cache, limits, topK, graph } = options;
  const { config, threads, kv } = executor;
  const sessions = await createSessions(options, cleanups);
  const ort = await OrtAttention.create(config, { pageTokens: kv.pageTokens, threads }, cache);
  cleanups.push(() => ort.release());
  const attention = new SplitAttention(new KernelAttention(cache), ort, options.threshold);
  return new RoutedRun({
    config,
    sessions,
    cache,
    attention,
    limits,
    topK,
    states: graph.states,
    lora: loraOf(options),
  });
}

async function createSessions(options: RoutedOptions, cleanups: Cleanup[]): Promise<readonly Session[]> {
  const { executor, routes, graph, topK, sessions } = options;
  const { config, threads, weightCacheDir } = executor;
  const { adapter, identity } = routes;
  const weights = adapter === null ? executor.weights : mergedWeights(executor.weights, adapter, identity);
  const own: Session[] = [];
  for (let boundary = 0; boundary <= config.layers; boundary++) {
    const shared = isShared(boundary, executor) ? sessions[boundary]! : null;
    if (shared === null) {
      const session = await createSession(boundaryGraph(boundary, config, weights, { ...graph, topK, forked: true }), {
        threads,
        ...(weightCacheDir === undefined ? {} : { weightCacheDir }),
      });
      cleanups.push(() => session.release());
      own.push(session);
    } else own.push(shared);
  }
  return own;
}

/** The low-rank weights as inputs; null where they are merged, or there is nothing to share. */
function loraOf({ executor, routes }: RoutedOptions): RouteLora | null {
  if (!sharesAll(executor)) return null;
  const { adapter } = routes;
  const bank = new LoraBank(executor.config, { maxLoras: 1, maxRank: adapter?.rank ?? 1 });
  if (adapter !== null) bank.add(ROUTE_ADAPTER, adapter);
  return new RouteLora(bank, adapter === null ? null : ROUTE_ADAPTER);
}

/** The number of the only adapter in a bank of its own. */
const ROUTE_ADAPTER = 0;
