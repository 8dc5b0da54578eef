/** What an executor has beside the usual when sequences may leave layers out: a cache of units, and sessions over the routes' weights. */
import { fail } from "../../core/index.ts";
import { createSession, type Session } from "../../graph/index.ts";
import type { PagedAttention, PagedAttentionOptions } from "../../kernels/index.ts";
import { KernelAttention, OrtAttention, SplitAttention } from "../attention.ts";
import { layerWindow, type DecoderConfig } from "../config.ts";
import { LORA_TARGETS, loraWeightName, mergedWeights, type LoraAdapter } from "../lora/index.ts";
import { boundaryGraph, halfGraph } from "../step-graphs.ts";
import type { StepLimits } from "../step-plan.ts";
import type { StepExecutorOptions, WeightsFormat } from "../types.ts";
import type { RouteSet } from "./route-set.ts";
import { RoutedRun, type RoutedSessions } from "./routed-run.ts";

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
  /** One per layer boundary, over the weights of full depth. */
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
  return new RoutedRun({ config, sessions, cache, attention, limits, topK, states: graph.states });
}

async function createSessions(options: RoutedOptions, cleanups: Cleanup[]): Promise<RoutedSessions> {
  const { executor, routes, graph, topK, sessions } = options;
  const { config, threads, weightCacheDir } = executor;
  const { adapter, identity } = routes;
  const weights = adapter === null ? executor.weights : mergedWeights(executor.weights, adapter, identity);
  const open = async (model: Parameters<typeof createSession>[0]): Promise<Session> => {
    const session = await createSession(model, {
      threads,
      ...(weightCacheDir === undefined ? {} : { weightCacheDir }),
    });
    cleanups.push(() => session.release());
    return session;
  };
  const { layers } = config;
  // Requests may list their layers: any but the first and the last can be missing.
  const leavable = (layer: number): boolean => layer > 0 && layer < layers - 1;
  const whole: Session[] = [];
  const ends: (Session | null)[] = [];
  const starts: (Session | null)[] = [];
  for (let layer = 0; layer <= layers; layer++) {
    // What low-rank weights leave as it is need not be held twice; where requests name adapters, sessions take those too.
    const untouched = adapter === null || (!changes(adapter, layer - 1, config) && !changes(adapter, layer, config));
    const same = untouched && executor.lora === undefined;
    whole.push(same ? sessions[layer]! : await open(boundaryGraph(layer, config, weights, { ...graph, topK })));
    // A layer ends by itself before one that may be left out, and begins by itself after one.
    ends.push(
      leavable(layer + 1) && layer < layers ? await open(halfGraph("end", layer, config, weights, graph)) : null,
    );
    starts.push(
      layer > 0 && layer < layers && leavable(layer - 1)
        ? await open(halfGraph("start", layer, config, weights, graph))
        : null,
    );
  }
  return { whole, ends, starts };
}

/** Whether low-rank weights change anything in a layer, which need not exist. */
function changes({ modules }: LoraAdapter, layer: number, { layers }: DecoderConfig): boolean {
  if (layer < 0 || layer >= layers) return false;
  return LORA_TARGETS.some((target) => modules.has(loraWeightName(layer, target)));
}
