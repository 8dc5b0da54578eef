/**
 * The arm transformers.js of the claim `rivals` (src/claims/rivals.ts): a folder on disk with the ONNX file that the claim
 * wrote, on ONNX Runtime's CPU provider with as many threads as asked. It has no server and no scheduler: sequences decode
 * together as the rows of one `generate`, which is how its documentation batches.
 */
import { basename, dirname } from "node:path";
import { serveArm } from "../dist/claims/rivals/serve-arm.js";

let library, model;

/** Token ids [rows, length] and a mask of ones, which is what a tokenizer would give. */
function inputsOf(prompts) {
  const dims = [prompts.length, prompts[0].length];
  const ids = BigInt64Array.from(prompts.flat(), (id) => BigInt(id));
  const { Tensor } = library;
  return {
    input_ids: new Tensor("int64", ids, dims),
    attention_mask: new Tensor("int64", new BigInt64Array(ids.length).fill(1n), dims),
  };
}

/** Generates greedily and calls `onStep` with the new token of every row. */
async function generate(prompts, tokens, onStep) {
  let prompt = true;
  class Watch extends library.BaseStreamer {
    put(value) {
      // The prompts come first.
      if (!prompt) onStep(value);
      prompt = false;
    }
    end() {}
  }
  await model.generate({
    ...inputsOf(prompts),
    max_new_tokens: tokens,
    do_sample: false,
    streamer: new Watch(),
  });
}

serveArm({
  async load({ onnxFolder, dtype, threads }) {
    library = await import("@huggingface/transformers");
    const { env, AutoModelForCausalLM, AutoTokenizer } = library;
    env.allowRemoteModels = false;
    env.localModelPath = dirname(onnxFolder);
    const name = basename(onnxFolder);
    const session_options = { intraOpNumThreads: threads };
    await AutoTokenizer.from_pretrained(name);
    model = await AutoModelForCausalLM.from_pretrained(name, { dtype, device: "cpu", session_options });
  },

  async firstToken(prompt) {
    let token;
    await generate([prompt], 1, ([[id]]) => {
      token = Number(id);
    });
    return token;
  },

  async decode(prompts, tokens) {
    const times = [];
    await generate(prompts, tokens, () => times.push(performance.now()));
    return prompts.map(() => times);
  },

  async end() {
    await model?.dispose();
  },
});
