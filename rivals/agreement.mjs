/**
 * What node-llama-cpp computes for given files and tokens: every logit after every token, exactly as evaluated (keys and
 * values in F32, flash attention off, CPU only). Usage: node agreement.mjs job.json, where the job is
 *
 *   { threads, models: [{ path, out, vocab, sequences: [{ tokens: [..], chunks: [..] }] }] }
 *
 * Each model's logits go to its `out`, float32, one row of `vocab` per token, sequences one after another. Prints one JSON
 * object: the tokens that its own greedy sampler chose, [model][row]. Nothing is timed here.
 */
import { openSync, closeSync, readFileSync, writeSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const WANTED = {
  generateNext: { logits: true, token: true, options: { temperature: 0, topK: 0, topP: 1, minP: 0 } },
};

async function evaluateModel(llama, { path, out, vocab, sequences }, threads) {
  const longest = Math.max(...sequences.map(({ tokens }) => tokens.length));
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({
    // Room enough that nothing is ever shifted out of the context.
    contextSize: Math.max(256, 2 * longest),
    batchSize: Math.max(64, longest),
    sequences: 1,
    threads,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const setting = [context.flashAttention, context.kvCacheKeyType, context.kvCacheValueType];
  if (setting.join() !== "false,0,0")
    throw new Error(`expected no flash attention and F32 caches, got ${setting.join(", ")}`);
  const file = openSync(out, "w");
  const greedy = [];
  const sequence = context.getSequence();
  for (const { tokens, chunks } of sequences) {
    await sequence.clearHistory();
    let from = 0;
    for (const length of chunks) {
      const input = tokens.slice(from, from + length).map((token) => [token, WANTED]);
      for (const result of await sequence.controlledEvaluate(input)) {
        if (result?.next.logits?.size !== vocab) {
          throw new Error(`expected ${vocab} logits, got ${result?.next.logits?.size}`);
        }
        const row = new Float32Array(vocab);
        for (const [token, logit] of result.next.logits) row[token] = logit;
        writeSync(file, row);
        greedy.push(result.next.token);
      }
      from += length;
    }
  }
  closeSync(file);
  await context.dispose();
  await model.dispose();
  return greedy;
}

const { threads, models } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: threads });
const greedy = [];
for (const model of models) greedy.push(await evaluateModel(llama, model, threads));
console.log(JSON.stringify({ rival: "node-llama-cpp", greedy }));
await llama.dispose();
