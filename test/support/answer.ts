/** What an engine says to a prompt: eight greedy tokens, past any end, unless asked otherwise; how many were cached, and of those not exact, if any. */
import type { Engine, GenerateRequest } from "../../src/runtime/index.ts";

export async function answerTo(
  engine: Engine,
  promptTokens: readonly number[],
  over: Partial<GenerateRequest> = {},
): Promise<{ tokens: number[]; cached: number; lossy?: number }> {
  const tokens: number[] = [];
  const request = { promptTokens, maxTokens: 8, ignoreEos: true, sampling: { temperature: 0 }, ...over };
  for await (const event of engine.submit(request)) {
    if (event.kind === "token") tokens.push(event.id);
    else if (event.kind === "finish") {
      const { cachedTokens: cached, lossyTokens: lossy } = event.usage;
      return { tokens, cached, ...(lossy === undefined ? {} : { lossy }) };
    }
  }
  throw new Error("no finish");
}
