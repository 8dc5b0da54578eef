import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeAs } from "../../../test/support/gguf-file.ts";
import { encodeRaw, encodeTensors, type RawTensor } from "../../../test/support/safetensors-file.ts";
import { createRandom } from "../../core/index.ts";
import { BLOCK_FORMATS } from "./blocks.ts";
import { repeatedKey } from "./json-keys.ts";
import { openCheckpoint, readCheckpointFacts } from "./open.ts";
import type { Checkpoint } from "./types.ts";

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "punctual-folder-"));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder with these files; objects become JSON. */
async function folder(files: Readonly<Record<string, Uint8Array | string | object>>): Promise<string> {
  const dir = join(root, `${count++}`);
  await mkdir(dir);
  for (const [name, content] of Object.entries({ "config.json": { vocab_size: 10 }, ...files })) {
    const bytes = typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content);
    await writeFile(join(dir, name), bytes);
  }
  return dir;
}

const opened: Checkpoint[] = [];
afterEach(async () => {
  for (const checkpoint of opened.splice(0)) await checkpoint.close();
});

async function open(files: Parameters<typeof folder>[0]): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(await folder(files));
  opened.push(checkpoint);
  return checkpoint;
}

function noise(length: number): Float32Array {
  const random = createRandom(3, `${length}`);
  return Float32Array.from({ length }, () => random.uniform() - 0.5);
}

const raw = (dtype: "F32" | "F16" | "BF16", ...shape: number[]): RawTensor => ({
  dtype,
  shape,
  bytes: encodeAs(noise(shape.reduce((a, b) => a * b, 1)), dtype),
});
const PLAIN = encodeTensors(new Map([["w", raw("F32", 2, 3)]]));

describe("a folder", () => {
  it.each(["F32", "F16", "BF16"] as const)("gives %s weights widened exactly", async (dtype) => {
    const tensors = new Map([
      ["odd", raw(dtype, 3)],
      ["w", raw(dtype, 5, 7)],
    ]);
    const checkpoint = await open({ "model.safetensors": encodeTensors(tensors) });
    for (const [name, { shape, bytes }] of tensors) {
      const expected = new Float32Array(shape.reduce((a, b) => a * b, 1));
      BLOCK_FORMATS[dtype].decode(bytes, expected, 0);
      expect(checkpoint.weights.get(name, shape)).toEqual(expected);
    }
    expect(checkpoint.bytes).toBe(encodeTensors(tensors).length);
    expect(() => checkpoint.weights.get("w", [7, 5])).toThrow("expected [7, 5], got [5, 7]");
    expect(() => checkpoint.weights.get("v", [1])).toThrow("weight v is missing");
    expect("packed" in checkpoint.weights).toBe(false);
    await checkpoint.close();
  });

  it("may spread its weights over several files", async () => {
    const first = encodeTensors(
      new Map([
        ["a", raw("F16", 4)],
        ["b", raw("F32", 2)],
      ]),
    );
    const second = encodeTensors(new Map([["c", raw("BF16", 2, 2)]]));
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
    const index = { metadata: { total_size: 24 }, weight_map: { a: names[0], b: names[0], c: names[1] } };
    const files = { [names[0]]: first, [names[1]]: second, "model.safetensors.index.json": index };
    const checkpoint = await open(files);
    expect(checkpoint.weights.get("c", [2, 2])).toHaveLength(4);
    expect(checkpoint.bytes).toBe(first.length + second.length);
    await checkpoint.close();

    const refused = async (map: unknown, param: string): Promise<void> => {
      await expect(open({ ...files, "model.safetensors.index.json": { weight_map: map } })).rejects.toMatchObject({
        code: "invalid_file",
        param,
      });
    };
    await refused({ ...index.weight_map, d: names[1] }, "weight_map.d");
    await refused({ ...index.weight_map, b: names[1] }, "weight_map.b");
    await refused({ a: names[0], c: names[1] }, "weight_map.b");
    await refused({ ...index.weight_map, c: "../model.safetensors" }, "weight_map.c");
    await refused({ ...index.weight_map, c: "/etc/passwd" }, "weight_map.c");
    await refused({ ...index.weight_map, c: 3 }, "weight_map.c");
    await refused([names[0]], "weight_map");
    await refused(
      Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`${i}`, `${i}.safetensors`])),
      "weight_map",
    );
    await expect(
      open({ "model.safetensors.index.json": { weight_map: { a: "gone.safetensors" } } }),
    ).rejects.toMatchObject({ code: "model_not_found", param: "gone.safetensors" });
    // The same tensor in both files: the index names one, the other is refused.
    await expect(
      open({
        ...files,
        [names[1]]: encodeTensors(
          new Map([
            ["c", raw("F32", 1)],
            ["a", raw("F32", 1)],
          ]),
        ),
      }),
    ).rejects.toMatchObject({
      param: "weight_map.a",
    });
  });

  it("says what it knows beside the weights", async () => {
    const dir = await folder({
      "config.json": { vocab_size: 10, eos_token_id: 1 },
      "generation_config.json": { eos_token_id: [1, 9] },
      "tokenizer.json": '{"a":1}',
      "tokenizer_config.json": {
        chat_template: [
          { name: "tool_use", template: "t" },
          { name: "default", template: "d" },
        ],
      },
      "model.safetensors": PLAIN,
    });
    const checkpoint = await openCheckpoint(dir);
    await checkpoint.close();
    const facts = {
      format: "safetensors",
      config: { vocab_size: 10, eos_token_id: 1 },
      tokenizer: { kind: "json", text: '{"a":1}' },
      chatTemplate: "d",
      endTokens: [1, 9],
    };
    expect(checkpoint).toMatchObject(facts);
    expect(await readCheckpointFacts(dir)).toMatchObject(facts);
    await writeFile(join(dir, "chat_template.jinja"), "j");
    expect(await readCheckpointFacts(dir)).toMatchObject({ chatTemplate: "j" });
    const bare = await open({ "model.safetensors": PLAIN });
    expect(bare).toMatchObject({ tokenizer: null, chatTemplate: null, endTokens: [] });
    await bare.close();
  });

  it.each<[param: string, files: Parameters<typeof folder>[0]]>([
    ["config.json", { "config.json": "{" }],
    ["config.json", { "config.json": "[1]" }],
    ["config.json", { "config.json": "null" }],
    ["config.json", { "config.json": Uint8Array.of(0x22, 0xff, 0x22) }],
    ["config.json", { "config.json": `"${" ".repeat(2 ** 20)}"` }],
    ["config.json", { "config.json": "[".repeat(2 ** 19) }],
    ["generation_config.json", { "generation_config.json": "x" }],
    ["tokenizer_config.json", { "tokenizer_config.json": "1" }],
    ["chat_template", { "tokenizer_config.json": { chat_template: 1 } }],
    ["chat_template", { "tokenizer_config.json": { chat_template: [{ name: "rag", template: "" }, null] } }],
    ["eos_token_id", { "config.json": { vocab_size: 10, eos_token_id: 10 } }],
    ["eos_token_id", { "config.json": { vocab_size: 10, eos_token_id: "1" } }],
    ["eos_token_id", { "generation_config.json": { eos_token_id: [1.5] } }],
    ["model.safetensors.index.json", { "model.safetensors.index.json": "{" }],
  ])("names %s when that is broken", async (param, files) => {
    await expect(open(files)).rejects.toMatchObject({ code: "invalid_file", param });
  });

  it("names what is missing", async () => {
    const missing = { code: "model_not_found" };
    await expect(openCheckpoint(join(root, "nowhere"))).rejects.toMatchObject({ ...missing, param: "config.json" });
    await expect(openCheckpoint(root)).rejects.toMatchObject({ ...missing, param: "config.json" });
    await expect(open({})).rejects.toMatchObject({ ...missing, param: "model.safetensors" });
    const dir = await folder({});
    await mkdir(join(dir, "model.safetensors"));
    await expect(openCheckpoint(dir)).rejects.toMatchObject({ code: "invalid_file", param: "model.safetensors" });
  });
});

describe("headers of safetensors", () => {
  const entry = (fields: object): string =>
    JSON.stringify({ w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });

  it.each<[param: string, file: Uint8Array]>([
    ["header_length", Buffer.alloc(3)],
    ["header_length", Buffer.alloc(8, 255)],
    ["header_length", encodeRaw("{}", Buffer.alloc(0)).fill(3, 0, 1)],
    ["header", encodeRaw("[1]", Buffer.alloc(0))],
    ["header", encodeRaw("{", Buffer.alloc(0))],
    ["w.dtype", encodeRaw(entry({ dtype: "F8_E4M3" }), Buffer.alloc(8))],
    ["w.shape", encodeRaw(entry({ shape: [2 ** 53, 2 ** 53] }), Buffer.alloc(8))],
    ["w.data_offsets", encodeRaw(entry({ shape: [2 ** 30, 2 ** 30] }), Buffer.alloc(8))],
    ["w.data_offsets", encodeRaw(entry({ data_offsets: [8, 16] }), Buffer.alloc(16))],
    ["file_size", encodeRaw(entry({}), Buffer.alloc(9))],
    ["file_size", encodeRaw(entry({}), Buffer.alloc(7))],
    ["w", encodeRaw(`{"w":${entry({}).slice(5, -1)},"\\u0077":${entry({}).slice(5, -1)}}`, Buffer.alloc(8))],
    ["dtype", encodeRaw(entry({}).replace('{"dtype"', '{"dtype":"F16","dtype"'), Buffer.alloc(8))],
  ])("names %s when that is broken", async (param, file) => {
    await expect(open({ "model.safetensors": file })).rejects.toMatchObject({ code: "invalid_file", param });
  });

  it("says in which file, and refuses integers as weights when they are asked for", async () => {
    await expect(open({ "model.safetensors": encodeRaw("{", Buffer.alloc(0)) })).rejects.toThrow("model.safetensors: ");
    const file = encodeRaw(entry({ dtype: "I32" }), Buffer.alloc(8));
    const checkpoint = await open({ "model.safetensors": file });
    expect(() => checkpoint.weights.get("w", [2])).toThrow(
      expect.objectContaining({ code: "invalid_file", param: "w.dtype" }) as Error,
    );
    await checkpoint.close();
  });
});

describe("repeatedKey", () => {
  it("finds a key that is written twice in one object, however it is written", () => {
    expect(repeatedKey('{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"a","d":"\\"a\\":"}')).toBeNull();
    expect(repeatedKey('{"a":1, "\\u0061" : 2}')).toBe("a");
    expect(repeatedKey('{"x":{"y":[{"z\\"":0,"q":["z"],"z\\"":0}]}}')).toBe('z"');
    expect(repeatedKey('["a","a"]')).toBeNull();
    expect(repeatedKey('{"__proto__":1,"toString":2}')).toBeNull();
  });
});
