/** What an engine says to a prompt: eight greedy tokens, past any end, unless asked otherwise; and how many were cached. */
import type { Engine, GenerateRequest } from "../../src/runtime/index.ts";

export async function answerTo(
  engine: Engine,
  promptTokens: readonly number[],
  over: Partial<GenerateRequest> = {},
): Promise<{ tokens: number[]; cached: number }> {
  const tokens: number[] = [];
  const request = { promptTokens, maxTokens: 8, ignoreEos: true, sampling: { temperature: 0 }, ...over };
  for await (const event of engine.submit(request)) {
    if (event.kind === "token") tokens.push(event.id);
    else if (event.kind === "finish") return { tokens, cached: event.usage.cachedTokens };
  }
  throw new Error("no finish");
}
