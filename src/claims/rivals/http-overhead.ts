/**
 * Claim `rivals`: what HTTP adds to the first token. The same prompts go in turn to an engine in this process and to
 * `punctual serve` in another one, over loopback on one kept connection; both are idle otherwise.
 */
import { Agent, request, type IncomingMessage } from "node:http";
import { createRandom, fail, type Clock, type RandomStream } from "../../core/index.ts";
import { builtInModelDir, DEFAULT_MODEL } from "../../llm/index.ts";
import { Engine } from "../../runtime/index.ts";
import { startServer } from "../server-process.ts";

const PROMPT_TOKENS = 32;
const MAX_TOKENS = 2;
const WARM_UP = 8;
/** Ids above the marks and bytes of the built-in vocabulary. */
const FIRST_ID = 300;

/** First-token times of one prompt, milliseconds. */
export interface HttpPair {
  readonly inProcessMs: number;
  readonly httpMs: number;
}

async function inProcessMs(engine: Engine, promptTokens: readonly number[], clock: Clock): Promise<number> {
  const startMs = clock.nowMs();
  let firstMs: number | undefined;
  const stream = engine.submit({ promptTokens, maxTokens: MAX_TOKENS, sampling: { temperature: 0 } });
  for await (const _event of stream) firstMs ??= clock.nowMs();
  return firstMs! - startMs;
}

/** Until the first event of the stream has arrived. */
async function httpMs(url: URL, agent: Agent, prompt: readonly number[], clock: Clock): Promise<number> {
  const body = JSON.stringify({ model: DEFAULT_MODEL, prompt, max_tokens: MAX_TOKENS, temperature: 0, stream: true });
  const startMs = clock.nowMs();
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(new URL("/v1/completions", url), { method: "POST", agent, headers }, resolve);
    sent.once("error", reject);
    sent.end(body);
  });
  let firstMs: number | undefined;
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    if (text.includes("data: ")) firstMs ??= clock.nowMs();
  }
  if (response.statusCode === 200 && firstMs !== undefined) return firstMs - startMs;
  return fail("engine_failed", `punctual serve answered ${response.statusCode}: ${text.slice(0, 200)}`);
}

function drawPrompt(random: RandomStream, vocabSize: number): number[] {
  return Array.from({ length: PROMPT_TOKENS }, () => random.int(FIRST_ID, vocabSize - 1));
}

/** That many pairs, after a few that warm both sides up. Which side goes first alternates. */
export async function measureHttp(pairs: number, clock: Clock, seed: number): Promise<HttpPair[]> {
  const starting = startServer();
  await using engine = await Engine.start({ model: { dir: builtInModelDir() }, threads: 1 });
  await using server = await starting;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const random = createRandom(seed, "http");
  const measured: HttpPair[] = [];
  try {
    for (let i = 0; i < WARM_UP + pairs; i++) {
      const prompt = drawPrompt(random, engine.config.vocabSize);
      const inProcess = (): Promise<number> => inProcessMs(engine, prompt, clock);
      const http = (): Promise<number> => httpMs(server.url, agent, prompt, clock);
      const first = i % 2 === 0 ? await inProcess() : await http();
      const second = i % 2 === 0 ? await http() : await inProcess();
      const [own, served] = i % 2 === 0 ? [first, second] : [second, first];
      if (i >= WARM_UP) measured.push({ inProcessMs: own, httpMs: served });
    }
    return measured;
  } finally {
    agent.destroy();
  }
}
