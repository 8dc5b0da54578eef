/** Claim `rivals`, our arm: the engine as a library's user starts it, on the same GGUF file, with its weight cache. */
import type { Engine, GenerateRequest } from "../../runtime/index.ts";
import type { LoadOptions } from "./arm.ts";
import { serveArm } from "./serve-arm.ts";

const PAGE_TOKENS = 16;
const GREEDY = { temperature: 0 } as const;

let engine: Engine | undefined;

async function load(options: LoadOptions): Promise<void> {
  const { Engine: Live } = await import("../../runtime/index.ts");
  const { streams, streamTokens, contextTokens, threads, weightCacheDir } = options;
  const pagesOf = (tokens: number): number => Math.ceil(tokens / PAGE_TOKENS);
  engine = await Live.start({
    model: { dir: options.gguf },
    weights: options.dtype === "q4" ? "int4" : "f32",
    threads,
    weightCacheDir,
    pageTokens: PAGE_TOKENS,
    contextTokens: Math.max(contextTokens, streamTokens),
    kvPages: Math.max(streams * pagesOf(streamTokens), pagesOf(contextTokens)) + 1,
  });
}

/** Calls `onToken` for each token of one answer. */
async function generate(promptTokens: readonly number[], maxTokens: number, onToken: (id: number) => void) {
  const request: GenerateRequest = { promptTokens, maxTokens, ignoreEos: true, sampling: GREEDY };
  for await (const event of engine!.submit(request)) if (event.kind === "token") onToken(event.id);
}

async function firstToken(prompt: readonly number[]): Promise<number> {
  for await (const event of engine!.submit({ promptTokens: prompt, maxTokens: 2, ignoreEos: true, sampling: GREEDY })) {
    if (event.kind === "token") return event.id;
  }
  throw new Error("expected a token");
}

serveArm({
  load,
  firstToken,
  decode: (prompts, tokens) =>
    Promise.all(
      prompts.map(async (prompt) => {
        const times: number[] = [];
        await generate(prompt, tokens, () => times.push(performance.now()));
        return times;
      }),
    ),
  end: async () => engine?.stop({ graceMs: 0 }),
});
