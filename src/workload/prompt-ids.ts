/** Token ids for prompts of which a trace only knows lengths and hash ids: equal hash ids give equal blocks. */
import { assert, type RandomStream } from "../core/index.ts";
import type { TraceRequest } from "./types.ts";

/** The ordinary tokens that prompts are made of: ids in [low, low + size). Marks and other special ids stay outside. */
export interface TokenRange {
  readonly low: number;
  readonly size: number;
}

/**
 * The prompt of a request: what was recorded, else made-up tokens that depend only on the stream's seed and the hash
 * ids; what they do not cover depends on the request's id. The stream is forked, not advanced.
 */
export function promptTokenIds(
  request: TraceRequest,
  blockTokens: number,
  tokens: TokenRange,
  random: RandomStream,
): readonly number[] {
  if (request.promptIds !== undefined) return request.promptIds;
  const { promptTokens, hashIds } = request;
  const ids: number[] = [];
  const fill = (stream: RandomStream, count: number): void => {
    for (let i = 0; i < count; i++) ids.push(stream.int(tokens.low, tokens.low + tokens.size - 1));
  };
  assert(hashIds === undefined || blockTokens >= 1, "hash ids need a block size");
  for (const hash of hashIds ?? []) {
    fill(random.fork(`block ${hash}`), Math.min(blockTokens, promptTokens - ids.length));
  }
  fill(random.fork(`request ${request.id}`), promptTokens - ids.length);
  return ids;
}
