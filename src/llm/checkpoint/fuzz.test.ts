/**
 * Damaged and hostile files: whatever the bytes, opening and reading ends soon, with values or with a PunctualError
 * that names a field.
 */
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeAs, encodeGguf, encodeGgufModel, modelEntries } from "../../../test/support/gguf-file.ts";
import { encodeRaw, encodeTensors } from "../../../test/support/safetensors-file.ts";
import { PunctualError } from "../../core/index.ts";
import { parameterSpecs, type DecoderConfig } from "../config.ts";
import { randomWeights } from "../weights.ts";
import { parseGguf } from "./gguf-header.ts";
import { openCheckpoint } from "./open.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 32,
  hidden: 32,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  ffn: 32,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 64,
};
const GGUF = encodeGgufModel(CONFIG, randomWeights(CONFIG, 1), {
  type: "Q4_0",
  entries: [
    { key: "general.alignment", type: "u32", value: 32 },
    { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
    { key: "tokenizer.ggml.tokens", type: "string", value: ["a", "b", "ab"] },
    { key: "tokenizer.ggml.token_type", type: "i32", value: [1, 1, 1] },
    { key: "tokenizer.ggml.merges", type: "string", value: ["a b"] },
    { key: "tokenizer.ggml.eos_token_id", type: "u32", value: 2 },
  ],
});
const GGUF_HEAD = parseGguf(GGUF, GGUF.length)!.tensors.get("token_embd.weight")!.begin;

const weights = randomWeights(CONFIG, 1);
const SAFETENSORS = encodeTensors(
  new Map(
    parameterSpecs(CONFIG).map(({ name, dims }) => [
      name,
      { dtype: "BF16", shape: dims, bytes: encodeAs(weights.get(name, dims), "BF16") },
    ]),
  ),
);
const SAFETENSORS_HEAD = 8 + Number(SAFETENSORS.readBigUInt64LE(0));
const SEED = 77;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-fuzz-"));
  await mkdir(join(dir, "folder"));
  await writeFile(join(dir, "folder", "config.json"), '{"vocab_size":32}');
});
afterAll(() => rm(dir, { recursive: true }));

/** "read", or the refusal; anything but a PunctualError with a field is thrown on. */
async function outcome(path: string): Promise<string> {
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      for (const { name, dims } of parameterSpecs(CONFIG)) {
        checkpoint.weights.get(name, dims);
        checkpoint.weights.packed?.(name, dims);
      }
    } finally {
      await checkpoint.close();
    }
    return "read";
  } catch (error) {
    if (!(error instanceof PunctualError)) throw error;
    expect(["invalid_file", "unsupported"]).toContain(error.code);
    expect(error.param, error.message).not.toBeNull();
    return `${error.code} ${error.param}`;
  }
}

async function outcomeOf(kind: "gguf" | "safetensors", bytes: Uint8Array): Promise<string> {
  const path = kind === "gguf" ? join(dir, "fuzzed.gguf") : join(dir, "folder", "model.safetensors");
  await writeFile(path, bytes);
  return outcome(kind === "gguf" ? path : join(dir, "folder"));
}

const ORIGINALS = [
  ["gguf", GGUF, GGUF_HEAD],
  ["safetensors", SAFETENSORS, SAFETENSORS_HEAD],
] as const;

describe.each(ORIGINALS)("a damaged %s file", (kind, whole, head) => {
  it("is read when it is whole, and refused wherever it is cut", async () => {
    expect(await outcomeOf(kind, whole)).toBe("read");
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 33), async (length) => {
        expect(await outcomeOf(kind, whole.subarray(0, length))).toMatch(/^invalid_file /);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  it("is read or refused whatever bytes change", async () => {
    const changes = fc.array(fc.tuple(fc.nat(head - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(changes, async (edits) => {
        const damaged = Uint8Array.from(whole);
        for (const [at, byte] of edits) damaged[at] = byte;
        await outcomeOf(kind, damaged);
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  it("is read or refused whatever stretch is exchanged for extreme numbers", async () => {
    const extremes = fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n);
    await fc.assert(
      fc.asyncProperty(fc.nat(head - 8), extremes, async (at, value) => {
        const damaged = Buffer.from(whole);
        damaged.writeBigUInt64LE(value, at);
        await outcomeOf(kind, damaged);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("is refused when it is noise", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (noise, withStart) => {
        const bytes = withStart ? Buffer.concat([whole.subarray(0, 24), noise]) : noise;
        expect(await outcomeOf(kind, bytes)).toMatch(/^(invalid_file|unsupported) /);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

describe("hostile files", () => {
  it("cannot make a huge sparse file cost more than its head", async () => {
    // Real size on disk: almost nothing. Both promise as much as fits.
    const gguf = join(dir, "sparse.gguf");
    const list = encodeGguf([{ key: "k", type: "string", value: ["x"] }], []);
    list.writeBigUInt64LE(2n ** 22n, 24 + 8 + 1 + 4 + 4);
    await writeFile(gguf, list);
    await truncate(gguf, 2 ** 40);
    // Zeros are empty strings: the list ends, then everything after the head is data without a tensor.
    expect(await outcome(gguf)).toBe("invalid_file file_size");
    const long = encodeGguf([{ key: "k", type: "string", value: "x" }], []);
    long.writeBigUInt64LE(2n ** 22n, 24 + 8 + 1 + 4);
    long.writeBigUInt64LE(2n ** 16n, 16);
    await writeFile(gguf, long);
    await truncate(gguf, 2 ** 40);
    expect(await outcome(gguf)).toMatch(/^invalid_file /);

    const header = Buffer.alloc(8);
    header.writeBigUInt64LE(2n ** 39n);
    const safetensors = join(dir, "folder", "model.safetensors");
    await writeFile(safetensors, header);
    await truncate(safetensors, 2 ** 40);
    expect(await outcome(join(dir, "folder"))).toBe("invalid_file header_length");
  });

  it("cannot name tensors or keys that reach into objects", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const tensors = Object.fromEntries(
      names.slice(1).map((name) => [name, { dtype: "F32", shape: [0], data_offsets: [0, 0] }]),
    );
    const text = JSON.stringify(tensors).replace("{", '{"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},');
    expect(await outcomeOf("safetensors", encodeRaw(text, Buffer.alloc(0)))).toBe(
      "invalid_file model.embed_tokens.weight",
    );
    const entries = names.flatMap((name) => [
      { key: name, type: "u32", value: 1 } as const,
      { key: `tokenizer.ggml.${name.toLowerCase()}_token_id`, type: "u32", value: 0 } as const,
    ]);
    const vocabulary = [
      { key: "tokenizer.ggml.model", type: "string", value: "gpt2" } as const,
      { key: "tokenizer.ggml.tokens", type: "string", value: ["a"] } as const,
    ];
    const bytes = encodeGgufModel(CONFIG, weights, { entries: [...entries, ...vocabulary] });
    expect(await outcomeOf("gguf", bytes)).toBe("read");
    expect(modelEntries(CONFIG)).not.toHaveLength(0);
  });

  it("refuses pipes, folders without anything, and empty files", async () => {
    expect(await outcomeOf("gguf", new Uint8Array(0))).toBe("invalid_file magic");
    expect(await outcomeOf("safetensors", new Uint8Array(0))).toBe("invalid_file header_length");
    // A device that never ends is no regular file.
    expect(await outcome("/dev/zero")).toBe("invalid_file zero");
  });
});
