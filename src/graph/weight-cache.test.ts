import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readFileSync } from "node:fs";
import { mkdtemp, open, readdir, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { encodeOnnx } from "./onnx/encode.ts";
import { writeModelFiles } from "./onnx/files.ts";
import { createSession, type Session, type SessionOptions } from "./session.ts";
import type { AttributeValue, GraphModel, GraphNode, Initializer, TensorData } from "./types.ts";
import { openCached, SAVED_FILE } from "./weight-cache.ts";

const WIDTH = 1024;
const int = (value: number): AttributeValue => ({ kind: "int", value });

/** Square layers in a row; `kind` is what each one is. Weights up to 1 MiB are the ones ORT saves unaligned. */
function stack(kinds: readonly ("f32" | "int4" | "int8")[], seed = 5): GraphModel {
  const random = createRandom(seed, "weight-cache");
  const initializers: Initializer[] = [];
  const nodes: GraphNode[] = [];
  kinds.forEach((kind, layer) => {
    const names = {
      input: layer === 0 ? "x" : `h${layer}`,
      output: layer === kinds.length - 1 ? "y" : `h${layer + 1}`,
    };
    const common = { name: `n${layer}`, outputs: [names.output] };
    if (kind === "f32") {
      const data = Float32Array.from({ length: WIDTH * WIDTH }, () => (random.uniform() - 0.5) * 0.1);
      initializers.push({ name: `w${layer}`, dtype: "float32", dims: [WIDTH, WIDTH], data });
      nodes.push({ ...common, op: "MatMul", domain: "", inputs: [names.input, `w${layer}`], attributes: {} });
      return;
    }
    const bits = kind === "int4" ? 4 : 8;
    const bytes = (WIDTH * WIDTH * bits) / 8;
    const data = new Uint8Array(bytes);
    const words = new Uint32Array(data.buffer);
    for (let index = 0; index < words.length; index++) words[index] = random.uint32();
    initializers.push({ name: `w${layer}`, dtype: "uint8", dims: [WIDTH, WIDTH / 128, 16 * bits], data });
    const scales = new Float32Array((WIDTH * WIDTH) / 128).fill(bits === 4 ? 0.01 : 0.0006);
    initializers.push({ name: `s${layer}`, dtype: "float32", dims: [scales.length], data: scales });
    nodes.push({
      ...common,
      op: "MatMulNBits",
      domain: "com.microsoft",
      inputs: [names.input, `w${layer}`, `s${layer}`],
      attributes: { K: int(WIDTH), N: int(WIDTH), bits: int(bits), block_size: int(128), accuracy_level: int(4) },
    });
  });
  return {
    name: "stack",
    irVersion: 10,
    opsets: { "": 21, "com.microsoft": 1 },
    inputs: [{ name: "x", dtype: "float32", shape: ["rows", WIDTH] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["rows", WIDTH] }],
    initializers,
    nodes,
    metadata: {},
  };
}

const x: TensorData = {
  dtype: "float32",
  dims: [2, WIDTH],
  data: Float32Array.from({ length: 2 * WIDTH }, (_, i) => Math.sin(i)),
};
const answer = async (session: Session): Promise<Float32Array> => (await session.run({ x }))["y"]!.data as Float32Array;

/** Makes garbage collection callable, so that JavaScript's own garbage does not count as a session's memory. */
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Memory of this process that no file backs, in bytes. */
function anonymousBytes(): number {
  collectGarbage();
  collectGarbage();
  const rollup = readFileSync("/proc/self/smaps_rollup", "latin1");
  return Number(/^Anonymous:\s+(\d+)/m.exec(rollup)![1]) * 1024;
}

describe("the packed weight cache", () => {
  let dir = "";
  const opened: Session[] = [];
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "punctual-cache-"));
  });
  afterAll(async () => {
    for (const session of opened) await session.release();
    await rm(dir, { recursive: true });
  });
  const openSession = async (model: GraphModel | { path: string }, options: SessionOptions): Promise<Session> => {
    const session = await createSession(model, { threads: 1, ...options });
    opened.push(session);
    return session;
  };
  const entries = async (cache: string): Promise<string[]> =>
    (await readdir(cache)).filter((name) => !name.startsWith("."));

  it.each(["int4", "int8", "f32"] as const)(
    "shares %s weights between sessions, with the same bits out",
    async (kind) => {
      const model = stack(Array.from({ length: kind === "f32" ? 3 : 8 }, () => kind));
      const cache = { weightCacheDir: join(dir, kind) };
      const expected = await answer(await openSession(model, {}));
      expect(expected.some((value) => value !== 0)).toBe(true);

      const cost = async (options: SessionOptions): Promise<number> => {
        const before = anonymousBytes();
        for (let count = 0; count < 8; count++)
          expect(await answer(await openSession(model, options))).toEqual(expected);
        return anonymousBytes() - before;
      };
      await openSession(model, cache);
      const alone = await cost({});
      const shared = await cost(cache);
      console.log(
        `${kind}: eight sessions cost ${(alone / 2 ** 20).toFixed(1)} MiB alone, ${(shared / 2 ** 20).toFixed(1)} MiB shared`,
      );
      expect(shared).toBeLessThan(0.75 * alone); // what is left is garbage of making and hashing models
    },
  );

  it("knows a model by its content, from memory and from files alike, and by the optimisation", async () => {
    const cache = join(dir, "keys");
    const path = await writeModelFiles(stack(["int4"]), join(dir, "model"));
    const expected = await answer(await openSession(stack(["int4"]), { weightCacheDir: cache }));
    expect(await answer(await openSession({ path }, { weightCacheDir: cache }))).toEqual(expected);
    expect(await entries(cache)).toHaveLength(1);
    await openSession(stack(["int4"], 6), { weightCacheDir: cache });
    await openSession(stack(["int4"]), { weightCacheDir: cache, optimization: "basic" });
    expect(await entries(cache)).toHaveLength(3);
  });

  it.each([
    ["cut short", async (entry: string) => truncate(join(entry, "weights.bin"), 100_000)],
    ["with a flipped byte", (entry: string) => flip(join(entry, "weights.bin"), 600_001)],
    ["with a damaged model", (entry: string) => flip(join(entry, "model.onnx"), 40)],
    ["without its record", (entry: string) => rm(join(entry, "entry.json"))],
    ["with nonsense for a record", (entry: string) => writeFile(join(entry, "entry.json"), "null")],
  ])("makes an entry %s again", async (_, damage) => {
    const cache = join(dir, "damaged");
    const model = stack(["int4", "int4"]);
    const expected = await answer(await openSession(model, { weightCacheDir: cache }));
    const [key] = await entries(cache);
    await damage(join(cache, key!));
    expect(await answer(await openSession(model, { weightCacheDir: cache }))).toEqual(expected);
    expect(await readdir(cache)).toEqual([key]);
    expect(await answer(await openSession(model, { weightCacheDir: cache }))).toEqual(expected);
  });

  it("finds a model again by what its weights say they are, without reading them", async () => {
    const cache = { weightCacheDir: join(dir, "identities") };
    let reads = 0;
    /** As if read from a file: the same weights under the same identities. */
    const stored = (version: string, seed = 5): GraphModel => {
      const model = stack(["int4", "int4"], seed);
      const initializers = model.initializers.map(({ data, ...rest }) => ({
        ...rest,
        identity: `${rest.name} of ${version}`,
        load: () => {
          reads += 1;
          return data!;
        },
      }));
      return { ...model, initializers };
    };
    const expected = await answer(await openSession(stored("first"), cache));
    expect(expected).toEqual(await answer(await openSession(stack(["int4", "int4"]), {})));
    const [key] = await entries(cache.weightCacheDir);
    reads = 0;
    expect(await answer(await openSession(stored("first"), cache))).toEqual(expected);
    expect(reads).toBe(0);
    // Another file with the same content is read, and is the same entry; one with other content is another entry.
    expect(await answer(await openSession(stored("copy"), cache))).toEqual(expected);
    expect(reads).toBeGreaterThan(0);
    expect(await entries(cache.weightCacheDir)).toEqual([key]);
    expect(await answer(await openSession(stored("changed", 6), cache))).not.toEqual(expected);
    expect(await entries(cache.weightCacheDir)).toHaveLength(2);
    // Notes are hints: whatever is wrong with one, the model is found by its content.
    const notes = join(cache.weightCacheDir, ".known");
    for (const name of await readdir(notes)) await writeFile(join(notes, name), "../nonsense");
    expect(await answer(await openSession(stored("first"), cache))).toEqual(expected);
    await rm(join(cache.weightCacheDir, key!), { recursive: true });
    expect(await answer(await openSession(stored("first"), cache))).toEqual(expected);
    // Whoever makes room removes the notes of what is gone.
    await openSession(stack(["int4"], 9), { ...cache, weightCacheBytes: 1 });
    expect(await readdir(notes)).toEqual([]);
  });

  it("reads a model of which one weight says nothing", async () => {
    const cache = { weightCacheDir: join(dir, "silent") };
    const model = stack(["int4"]);
    const [codes, scales] = model.initializers as [Initializer, Initializer];
    const silent: Initializer = { name: scales.name, dtype: scales.dtype, dims: scales.dims, load: () => scales.data! };
    const initializers = [{ ...codes, identity: "codes" }, silent];
    const expected = await answer(await openSession({ ...model, initializers }, cache));
    const other = { ...silent, load: () => (scales.data as Float32Array).map((value) => value * 2) };
    const doubled = await answer(await openSession({ ...model, initializers: [initializers[0]!, other] }, cache));
    expect(doubled).not.toEqual(expected);
  });

  it("keeps nothing that computes other numbers than it should", async () => {
    const cache = { dir: join(dir, "wrong"), limitBytes: 2 ** 30 };
    const save = async (folder: string): Promise<() => Promise<boolean>> => {
      await writeFile(join(folder, SAVED_FILE), encodeOnnx(stack(["int4"])));
      return async () => false;
    };
    await expect(openCached(cache, "key", save)).rejects.toMatchObject({ code: "unsupported" });
    expect(await readdir(cache.dir)).toEqual([]);
  });

  it("lets several writers meet", async () => {
    const cache = join(dir, "writers");
    const model = stack(["int4", "int8"]);
    const sessions = await Promise.all(Array.from({ length: 5 }, () => openSession(model, { weightCacheDir: cache })));
    const answers = await Promise.all(sessions.map(answer));
    for (const one of answers) expect(one).toEqual(answers[0]);
    // One entry, and nothing left lying about.
    expect(await readdir(cache)).toHaveLength(1);
  });

  it("removes what was used longest ago, and what writers that died left", async () => {
    const cache = join(dir, "evicted");
    const one = { weightCacheDir: cache };
    await openSession(stack(["int4"], 1), one);
    const [first] = await entries(cache);
    await utimes(join(cache, first!, "used"), 1, 1);
    await utimes(join(cache, first!, "model.onnx"), 1, 1);
    await utimes(join(cache, first!, "weights.bin"), 1, 1);
    await openSession(stack(["int4"], 2), one);
    const abandoned = await mkdtemp(join(cache, ".making-"));
    await utimes(abandoned, 1, 1);
    // Room for two entries of 1.1 MB.
    await openSession(stack(["int4"], 3), { ...one, weightCacheBytes: 2_500_000 });
    const left = await readdir(cache);
    expect(left).toHaveLength(2);
    expect(left).not.toContain(first);
  });
});

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 0x40;
  await file.write(byte, 0, 1, at);
  await file.close();
}
