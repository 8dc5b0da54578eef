/**
 * node-llama-cpp on a random-weight Llama shape: time per decode step of 1 and 8 sequences, and of a
 * prompt. Prints one JSON object. Usage: node llama-cpp.mjs [--shape 1024x8|eighth] [--format q4_0|f32]
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { getLlama } from "node-llama-cpp";
import { writeGguf } from "./gguf.mjs";

const SHAPES = {
  "1024x8": { hidden: 1024, layers: 8, heads: 16, kvHeads: 4, headDim: 64, ffn: 2816, vocab: 32768, context: 4096 },
  eighth: { hidden: 1024, layers: 6, heads: 8, kvHeads: 2, headDim: 128, ffn: 2816, vocab: 32768, context: 4096 },
};

const { values } = parseArgs({
  options: { shape: { type: "string", default: "1024x8" }, format: { type: "string", default: "q4_0" } },
});
const shape = SHAPES[values.shape];
if (shape === undefined)
  throw new Error(`expected a shape out of ${Object.keys(SHAPES).join(", ")}, got ${values.shape}`);

function median(sample) {
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Median milliseconds between tokens when `count` sequences decode together. */
async function decodeStepMs(context, sequences, tokens) {
  const gaps = [];
  await Promise.all(
    sequences.map(async (sequence, index) => {
      let last = 0;
      let seen = 0;
      for await (const token of sequence.evaluate([1, 300 + index, 400], { temperature: 0, yieldEogToken: true })) {
        const now = performance.now();
        if (index === 0 && seen > 4) gaps.push(now - last);
        last = now;
        seen += token === undefined ? 0 : 1;
        if (seen >= tokens) break;
      }
    }),
  );
  return median(gaps);
}

async function prefillMs(sequence, length) {
  const prompt = Array.from({ length }, (_, i) => 300 + ((i * 7919) % 20000));
  const start = performance.now();
  await sequence.controlledEvaluate(
    prompt.map((token, i) => (i === length - 1 ? [token, { generateNext: { token: true } }] : token)),
  );
  return performance.now() - start;
}

const folder = mkdtempSync(join(tmpdir(), "rival-"));
try {
  const path = join(folder, "random.gguf");
  writeGguf(path, shape, values.format);
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize: 512, sequences: 9, threads: 2 });
  const one = context.getSequence();
  const oneMs = await decodeStepMs(context, [one], 64);
  await one.clearHistory();
  const promptMs = await prefillMs(one, 256);
  const eight = Array.from({ length: 8 }, () => context.getSequence());
  const eightMs = await decodeStepMs(context, eight, 48);
  console.log(
    JSON.stringify({
      rival: "node-llama-cpp",
      shape: values.shape,
      format: values.format,
      file_mb: Math.round(statSync(path).size / 1e6),
      decode_1_ms: oneMs,
      decode_8_ms: eightMs,
      prefill_256_ms: promptMs,
    }),
  );
  await context.dispose();
  await model.dispose();
  await llama.dispose();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
