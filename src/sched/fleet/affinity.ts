/**
 * To where much of a prompt is cached and little is to do. Two ways of weighing one against the other:
 *
 *   kv-aware  pages to compute, queued ones included, plus pages in use: NVIDIA Dynamo's cost
 *   lmetric   tokens to compute, queued ones included, times the batch that the request would be part of: LMETRIC (OSDI'26)
 *
 * Both follow a cache until what waits there costs more than computing the prompt elsewhere.
 */
import type { RandomStream } from "../../core/index.ts";
import { ableTo, lightest } from "./candidates.ts";
import { pagesOf, SentDemand, uncachedTokens } from "./sent.ts";
import type { Dispatch, FleetRequest, InstanceLoad } from "./types.ts";

/** Settings of `kvAwareDispatch`. */
export interface KvAwareOptions {
  /** What a page to compute weighs against a page in use; 0 balances load only. 1 when absent. */
  readonly overlapWeight?: number;
  /**
   * Above 0 the choice is drawn, the lighter the likelier (softmax over costs scaled to 0..1), so that several routers do
   * not all choose the same; 0, the lightest, when absent.
   */
  readonly temperature?: number;
}

/** The first of the two at the head of this file. */
export function kvAwareDispatch(options: KvAwareOptions = {}): Dispatch {
  const { temperature = 0 } = options;
  const sent = new SentDemand();
  return {
    name: "kv-aware",
    choose: (request, candidates, _nowMs, random) => {
      const able = ableTo(request, candidates);
      if (able.length === 0) return null;
      const weigh = (load: InstanceLoad): number => kvAwareCost(request, load, sent, options);
      return sent.note(request, temperature > 0 ? drawn(able, weigh, temperature, random) : lightest(able, weigh));
    },
  };
}

/** The second of the two at the head of this file. Of equal ones the emptier. */
export function lmetricDispatch(): Dispatch {
  const sent = new SentDemand();
  return {
    name: "lmetric",
    choose: (request, candidates) => {
      const able = ableTo(request, candidates);
      if (able.length === 0) return null;
      const weigh = (load: InstanceLoad): number => {
        const extra = sent.since(load);
        const tokens = load.waitingTokens + load.prefillTokens + extra.tokens + uncachedTokens(request, load);
        return tokens * (load.waiting + load.running + extra.requests + 1);
      };
      return sent.note(request, lightest(able, weigh));
    },
  };
}

/** In pages. */
export function kvAwareCost(
  request: FleetRequest,
  load: InstanceLoad,
  sent: SentDemand,
  { overlapWeight = 1 }: KvAwareOptions = {},
): number {
  const extra = sent.since(load);
  const tokens = load.waitingTokens + load.prefillTokens + extra.tokens + uncachedTokens(request, load);
  const pages = load.usedPages + load.waitingPages + extra.pages + pagesOf(request, load);
  return overlapWeight * (tokens / load.pageTokens) + pages;
}

function drawn(
  able: readonly InstanceLoad[],
  weigh: (load: InstanceLoad) => number,
  temperature: number,
  random: RandomStream,
): InstanceLoad {
  const costs = able.map(weigh);
  const least = Math.min(...costs);
  const range = Math.max(...costs) - least;
  const chances = costs.map((cost) => Math.exp(range === 0 ? 0 : -(cost - least) / range / temperature));
  let left = random.uniform() * chances.reduce((sum, chance) => sum + chance, 0);
  for (const [i, chance] of chances.entries()) {
    left -= chance;
    if (left < 0) return able[i]!;
  }
  return able.at(-1)!;
}
