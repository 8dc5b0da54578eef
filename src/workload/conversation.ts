/**
 * Conversations whose prompts share prefixes, as in Mooncake's traces: a system prompt that many share, then turns
 * whose prompt is everything said so far. Blocks that are full keep their id in the next turn; the block at the end,
 * which the answer fills up, gets a new one. An unlimited prefix cache would find exactly the ids that came before.
 */
import type { RandomStream } from "../core/index.ts";
import { draw, drawWhole } from "./distributions.ts";
import {
  withinLimits,
  type ConversationShape,
  type LengthLimits,
  type PlannedRequest,
  type RequestBase,
  type UnitMaker,
} from "./shapes.ts";

interface Blocks extends LengthLimits {
  readonly blockTokens: number;
  /** The next id that nobody has; shared by all classes of a workload. */
  readonly hashes: { next: number };
}

/** What a class of conversations makes of one arrival: all turns, each with its delay. */
export function conversationMaker(
  shape: ConversationShape,
  base: RequestBase,
  blocks: Blocks,
  random: RandomStream,
): UnitMaker {
  const { blockTokens, hashes } = blocks;
  const systemBlocks = Math.floor(shape.system.tokens / blockTokens);
  const systems = Array.from({ length: shape.system.prompts }, () => takeIds(hashes, systemBlocks));
  const chooseSystem = zipf(shape.system.prompts, shape.system.skew, random);
  return () => {
    const turns = drawWhole(shape.turns, random);
    const full = [...(systems[chooseSystem()] ?? [])];
    const planned: PlannedRequest[] = [];
    let context = shape.system.tokens;
    let delayMs = 0;
    for (let turn = 0; turn < turns; turn++) {
      const promptTokens = context + drawWhole(turn === 0 ? shape.opening : shape.turn, random);
      const lengths = withinLimits(promptTokens, drawWhole(shape.output, random), blocks);
      // A conversation that no longer fits is over; a first turn is shortened instead.
      if (turn > 0 && lengths.promptTokens < promptTokens) break;
      const wholeBlocks = Math.floor(lengths.promptTokens / blockTokens);
      full.push(...takeIds(hashes, wholeBlocks - full.length));
      const hasRest = lengths.promptTokens % blockTokens > 0;
      const hashIds = [...full.slice(0, wholeBlocks), ...(hasRest ? takeIds(hashes, 1) : [])];
      planned.push({ delayMs, request: { ...lengths, hashIds, ...base } });
      context = lengths.promptTokens + lengths.outputTokens;
      delayMs += Math.max(1e-3, draw(shape.gapMs, random));
    }
    return planned;
  };
}

function takeIds(hashes: { next: number }, count: number): number[] {
  const first = hashes.next;
  hashes.next += Math.max(0, count);
  return Array.from({ length: Math.max(0, count) }, (_, i) => first + i);
}

/** A draw of 0 … count - 1 with probability proportional to (place + 1)^-exponent. */
export function zipf(count: number, exponent: number, random: RandomStream): () => number {
  const cumulative: number[] = [];
  let total = 0;
  for (let place = 1; place <= count; place++) cumulative.push((total += place ** -exponent));
  return () => {
    const at = random.uniform() * total;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
