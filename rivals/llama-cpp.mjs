/**
 * The arm node-llama-cpp of the claim `rivals` (src/claims/rivals.ts), set as its documentation advises for speed: one
 * context with exactly as many sequences as decode together, so that the batch goes off the moment the last of them is
 * queued; batches by maximum parallelism; flash attention where it decides to; keys and values in F16; as many threads as
 * asked, never more than cores (its default of four spins against itself on two).
 */
import { serveArm } from "../dist/claims/rivals/serve-arm.js";

const GREEDY = { temperature: 0, yieldEogToken: true };
const BATCH_TOKENS = 512;

let llama, model, context, settings;

/** A context for that many sequences; the one before it is given up. */
async function openContext(sequences, contextSize) {
  await context?.dispose();
  context = await model.createContext({
    sequences,
    contextSize,
    batchSize: Math.min(BATCH_TOKENS, contextSize * sequences),
    threads: settings.threads,
    batching: { dispatchSchedule: "nextCycle", itemPrioritizationStrategy: "maximumParallelism" },
  });
  return Array.from({ length: sequences }, () => context.getSequence());
}

let single;

serveArm({
  async load(options) {
    settings = options;
    const { getLlama } = await import("node-llama-cpp");
    llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: options.threads });
    model = await llama.loadModel({ modelPath: options.gguf });
    [single] = await openContext(1, options.contextTokens);
  },

  async firstToken(prompt) {
    [single] = single ? [single] : await openContext(1, settings.contextTokens);
    await single.clearHistory();
    for await (const token of single.evaluate([...prompt], GREEDY)) return token;
    throw new Error("expected a token");
  },

  async decode(prompts, tokens) {
    single = undefined;
    const sequences = await openContext(prompts.length, settings.streamTokens);
    return Promise.all(
      prompts.map(async (prompt, i) => {
        const times = [];
        for await (const _token of sequences[i].evaluate([...prompt], GREEDY)) {
          times.push(performance.now());
          if (times.length >= tokens) break;
        }
        return times;
      }),
    );
  },

  async end() {
    await context?.dispose();
    await model?.dispose();
    await llama?.dispose();
  },
});
