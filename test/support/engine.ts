/** A real engine over a small random model, and a real server on a free port, for tests. */
import OpenAI from "openai";
import { Engine, type EngineOptions } from "../../src/runtime/index.ts";
import { createServer, type PunctualServer, type ServerOptions } from "../../src/server/index.ts";
import { ENDLESS, ENDLESS_TOKENS, TINY } from "./tiny.ts";

export { ENDLESS, ENDLESS_TOKENS, TINY };

/** An engine with random weights; the budget is given, so that no time goes into measuring it. */
export function startTinyEngine(options: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({ model: { random: TINY, seed: 7 }, name: "tiny", budgetTokens: 64, kvPages: 256, ...options });
}

export interface TestServer {
  readonly engine: Engine;
  readonly server: PunctualServer;
  readonly url: string;
  readonly client: OpenAI;
  stop(): Promise<void>;
}

/** An engine and a server on 127.0.0.1; the client does not retry, so that a test sees each failure. */
export async function startTestServer(
  engineOptions: Partial<EngineOptions> = {},
  serverOptions: Partial<ServerOptions> = {},
): Promise<TestServer> {
  const engine = await startTinyEngine(engineOptions);
  const server = createServer({ engines: [engine], ...serverOptions });
  const { url } = await server.listen({ port: 0 });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const stop = async (): Promise<void> => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  };
  return { engine, server, url, client, stop };
}

/** Patience for a busy machine; nothing here measures how long it takes. */
const PATIENCE_MS = 60_000;

/**
 * Waits until a condition holds, looking every few milliseconds: it should be one that stays, as what comes and goes between
 * two looks is never seen.
 */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = PATIENCE_MS): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
