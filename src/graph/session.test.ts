import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { decodeOnnx } from "./onnx/decode.ts";
import { writeModelFiles } from "./onnx/files.ts";
import { packLinear } from "./passes/pack-linear.ts";
import { BLOCK_SIZES, ROW_EXACT_BLOCKS } from "./passes/pack.ts";
import { availableProviders, createSession, ortVersion, type Session, type SessionOptions } from "./session.ts";
import type { DType, GraphModel, GraphNode, Shape, TensorArray, TensorData } from "./types.ts";

const CALLS = ["direct", "public"] as const;
const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: GraphNode["attributes"] = {},
  domain = "",
): GraphNode => ({
  op,
  domain,
  name: `${op}_${outputs[0]}`,
  inputs,
  outputs,
  attributes,
});
const f32 = (dims: readonly number[], data: ArrayLike<number>): TensorData => ({
  dtype: "float32",
  dims,
  data: Float32Array.from(data),
});

type Values = Readonly<Record<string, readonly [DType, Shape]>>;
const values = (list: Values): GraphModel["inputs"] =>
  Object.entries(list).map(([name, [dtype, shape]]) => ({ name, dtype, shape }));
const graph = (
  inputs: Values,
  outputs: Values,
  nodes: GraphNode[],
  initializers: GraphModel["initializers"] = [],
): GraphModel => ({
  name: "test",
  irVersion: 10,
  opsets: { "": 21, "com.microsoft": 1 },
  inputs: values(inputs),
  outputs: values(outputs),
  initializers,
  nodes,
  metadata: {},
});

const opened: Session[] = [];
const folders: string[] = [];
async function openSession(model: Parameters<typeof createSession>[0], options: SessionOptions = {}): Promise<Session> {
  const session = await createSession(model, { threads: 1, ...options });
  opened.push(session);
  return session;
}
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "punctual-session-"));
  folders.push(dir);
  return dir;
}
afterAll(async () => {
  for (const session of opened) await session.release();
  for (const dir of folders) await rm(dir, { recursive: true });
});

/** y = x + 1 and z = -y, over rows of two. */
const adder = graph(
  { x: ["float32", ["rows", 2]] },
  { y: ["float32", ["rows", 2]], z: ["float32", ["rows", 2]] },
  [node("Add", ["x", "one"], ["y"]), node("Neg", ["y"], ["z"])],
  [{ name: "one", dtype: "float32", dims: [], data: Float32Array.of(1) }],
);

describe.each(CALLS)("a session called the %s way", (call) => {
  it("knows its inputs and outputs and returns what was fetched", async () => {
    const session = await openSession(adder, { call });
    expect(session.inputs).toEqual(adder.inputs);
    expect(session.outputs).toEqual(adder.outputs);
    expect(await session.run({ x: f32([1, 2], [1, 2]) })).toEqual({ y: f32([1, 2], [2, 3]), z: f32([1, 2], [-2, -3]) });
    expect(await session.run({ x: f32([2, 2], [1, 2, 3, 4]) }, ["z"])).toEqual({ z: f32([2, 2], [-2, -3, -4, -5]) });
    expect(await session.run({ x: f32([0, 2], []) }, ["y"])).toEqual({ y: f32([0, 2], []) });
  });

  it("carries every element type there and back", async () => {
    const arrays: Record<DType, TensorArray> = {
      float32: Float32Array.of(1.5, -2),
      float64: Float64Array.of(1.5, -2),
      float16: Uint16Array.of(0x3c00, 0xc000),
      int64: BigInt64Array.of(-1n, 2n ** 60n),
      int32: Int32Array.of(-1, 7),
      int8: Int8Array.of(-128, 127),
      uint8: Uint8Array.of(0, 255),
      bool: Uint8Array.of(0, 1),
    };
    for (const [dtype, data] of Object.entries(arrays) as [DType, TensorArray][]) {
      const model = graph({ x: [dtype, [2]] }, { y: [dtype, [2]] }, [node("Identity", ["x"], ["y"])]);
      const session = await openSession(model, { call });
      expect(await session.run({ x: { dtype, dims: [2], data } })).toEqual({ y: { dtype, dims: [2], data } });
    }
  });

  it("says which input is wrong, and how", async () => {
    const two = graph({ a: ["float32", ["n", 4]], b: ["float32", ["n", 4]] }, { y: ["float32", ["n", 4]] }, [
      node("Add", ["a", "b"], ["y"]),
    ]);
    const session = await openSession(two, { call });
    const a = f32([2, 4], Array<number>(8).fill(1));
    const wrong: [Record<string, TensorData>, string, string, RegExp][] = [
      [{ a }, "invalid_request", "b", /b: float32\[n, 4\] is missing/],
      [{ a, b: a, c: a }, "invalid_request", "c", /no input c; there are a, b/],
      [
        { a, b: f32([3, 4], Array<number>(12).fill(1)) },
        "shape_mismatch",
        "b",
        /b: expected float32\[n, 4\] \(n=2 .*\), got float32\[3, 4\]/,
      ],
      [{ a, b: f32([2, 5], Array<number>(10).fill(1)) }, "shape_mismatch", "b", /float32\[n, 4\].*got float32\[2, 5\]/],
      [{ a, b: f32([8], a.data as Float32Array) }, "shape_mismatch", "b", /got float32\[8\]/],
      [{ a, b: { ...a, dtype: "int32", data: new Int32Array(8) } }, "shape_mismatch", "b", /got int32\[2, 4\]/],
      [
        { a, b: { ...a, data: new Float32Array(7) } },
        "shape_mismatch",
        "b",
        /Float32Array of 8 elements, got a Float32Array of 7/,
      ],
      [{ a, b: { ...a, data: new Float64Array(8) } }, "shape_mismatch", "b", /got a Float64Array/],
      [{ a, b: { ...a, data: new Float32Array(new SharedArrayBuffer(32)) } }, "unsupported", "b", /SharedArrayBuffer/],
    ];
    for (const [feeds, code, param, message] of wrong) {
      await expect(session.run(feeds)).rejects.toMatchObject({ code, param, message: expect.stringMatching(message) });
    }
    await expect(session.run({ a, b: a }, ["y", "nothing"])).rejects.toMatchObject({
      code: "invalid_request",
      param: "nothing",
    });
  });

  it("can be released twice, and not used afterwards", async () => {
    const session = await createSession(adder, { call, threads: 1 });
    const last = session.run({ x: f32([1, 2], [1, 2]) });
    await session.release();
    await session.release();
    expect((await last)["y"]).toEqual(f32([1, 2], [2, 3]));
    await expect(session.run({ x: f32([1, 2], [1, 2]) })).rejects.toMatchObject({
      code: "invalid_request",
      message: /released/,
    });
    expect(() => session.runSync({ x: f32([1, 2], [1, 2]) })).toThrow();
    await using scoped = await createSession(adder, { call, threads: 1 });
    expect(scoped.outputs).toHaveLength(2);
  });

  it("reports ORT's own failures as typed errors", async () => {
    const unknown = graph({ x: ["float32", [1]] }, { y: ["float32", [1]] }, [node("NoSuchOperator", ["x"], ["y"])]);
    await expect(createSession(unknown, { call })).rejects.toMatchObject({
      code: "invalid_graph",
      message: /NoSuchOperator/,
    });
    await expect(createSession({ path: "/nowhere/model.onnx" }, { call })).rejects.toMatchObject({
      code: "invalid_graph",
    });
    const gather = graph({ x: ["float32", [2]], i: ["int64", [1]] }, { y: ["float32", [1]] }, [
      node("Gather", ["x", "i"], ["y"]),
    ]);
    const session = await openSession(gather, { call });
    const i: TensorData = { dtype: "int64", dims: [1], data: BigInt64Array.of(9n) };
    await expect(session.run({ x: f32([2], [1, 2]), i })).rejects.toMatchObject({ code: "engine_failed" });
  });
});

describe("the synchronous call", () => {
  it("returns in the same tick and reads feeds where they lie", async () => {
    const session = await openSession(adder);
    // A view into the middle of a larger buffer, changed between two runs.
    const whole = Float32Array.of(9, 9, 1, 2, 9);
    const x: TensorData = { dtype: "float32", dims: [1, 2], data: whole.subarray(2, 4) };
    expect(session.runSync({ x }, ["y"])["y"]!.data).toEqual(Float32Array.of(2, 3));
    whole[3] = 10;
    const { y } = session.runSync({ x }, ["y"]);
    expect(y!.data).toEqual(Float32Array.of(2, 11));
    // The output is the caller's: its buffer can be transferred to another thread.
    expect(structuredClone(y!.data, { transfer: [y!.data.buffer as ArrayBuffer] })).toEqual(Float32Array.of(2, 11));
  });

  it("is refused where only the public API is reachable", async () => {
    const session = await openSession(adder, { call: "public" });
    expect(() => session.runSync({ x: f32([1, 2], [1, 2]) })).toThrow(expect.objectContaining({ code: "unsupported" }));
  });
});

describe("models in files", () => {
  it("load with their weights outside", async () => {
    const data = Float32Array.from({ length: 600 }, (_, index) => index);
    const model = graph(
      { x: ["float32", [1]] },
      { y: ["float32", [600]] },
      [node("Mul", ["x", "w"], ["y"])],
      [{ name: "w", dtype: "float32", dims: [600], load: () => data }],
    );
    const dir = await folder();
    const path = await writeModelFiles(model, dir);
    const x = f32([1], [2]);
    const expected = data.map((value) => value * 2);
    expect((await openSession({ path })).runSync({ x })["y"]!.data).toEqual(expected);
    const bare = decodeOnnx(await readFile(path));
    expect((await openSession(bare, { externalDir: dir })).runSync({ x })["y"]!.data).toEqual(expected);
    for (const inMemoryBytes of [0, undefined]) {
      expect((await openSession(model, { inMemoryBytes })).runSync({ x })["y"]!.data).toEqual(expected);
    }
  });

  it("come back from ORT's own writer, which the decoder reads", async () => {
    const dir = await folder();
    await openSession(adder, { weightCacheDir: dir });
    const [key] = await readdir(dir);
    const saved = decodeOnnx(await readFile(join(dir, key!, "model.onnx")));
    expect(saved.inputs).toEqual(adder.inputs);
    const again = await openSession(saved);
    expect(again.runSync({ x: f32([1, 2], [1, 2]) })).toEqual({ y: f32([1, 2], [2, 3]), z: f32([1, 2], [-2, -3]) });
  });
});

/** Rows of outliers and of small numbers mixed, as activations are. */
function activations(rows: number, width: number): Float32Array {
  const random = createRandom(3, "activations");
  return Float32Array.from({ length: rows * width }, () => random.normal() * (random.chance(0.02) ? 30 : 1));
}

const bytesOf = (data: Float32Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const sameBits = (left: Float32Array, right: Float32Array): boolean => bytesOf(left).equals(bytesOf(right));

describe("rows of a batch", () => {
  const K = 256;
  const N = 192;
  const random = createRandom(4, "weights");
  const product = graph(
    { x: ["float32", ["rows", K]] },
    { y: ["float32", ["rows", N]] },
    [node("MatMul", ["x", "w"], ["y"])],
    [
      {
        name: "w",
        dtype: "float32",
        dims: [K, N],
        data: Float32Array.from({ length: K * N }, () => random.normal() / 16),
      },
    ],
  );
  const x = activations(64, K);
  const rowsOf = (session: Session, rows: number): Float32Array =>
    session.runSync({ x: { dtype: "float32", dims: [rows, K], data: x.subarray(0, rows * K) } })["y"]!
      .data as Float32Array;

  /** The numbers of rows, 1 to 64, for which some row is not what it is among 64, with 1 or 2 threads. */
  async function inexact(model: GraphModel): Promise<number[]> {
    const sessions = [await openSession(model, { threads: 1 }), await openSession(model, { threads: 2 })];
    const expected = rowsOf(sessions[0]!, 64);
    const counts = Array.from({ length: 64 }, (_, index) => index + 1);
    return counts.filter((rows) =>
      sessions.some((session) => !sameBits(rowsOf(session, rows), expected.subarray(0, rows * N))),
    );
  }

  it("have the same bits for 1 to 64 rows and for 1 and 2 threads in float32", async () => {
    expect(await inexact(product)).toEqual([]);
  });

  it.each(ROW_EXACT_BLOCKS[4])("have the same bits with 4-bit weights in blocks of %i", async (blockSize) => {
    expect(await inexact(packLinear(product, { bits: 4, blockSize }))).toEqual([]);
  });

  it.each(ROW_EXACT_BLOCKS[8])("have the same bits with 8-bit weights in blocks of %i", async (blockSize) => {
    expect(await inexact(packLinear(product, { bits: 8, blockSize }))).toEqual([]);
  });

  it("have the same bits in float32 with the weights transposed", async () => {
    const transposed = Float32Array.from({ length: K * N }, () => random.normal() / 16);
    const fused = node("FusedMatMul", ["x", "w"], ["y"], { transB: { kind: "int", value: 1 } }, "com.microsoft");
    const initializers = [{ name: "w", dtype: "float32" as const, dims: [N, K], data: transposed }];
    expect(await inexact({ ...product, nodes: [fused], initializers })).toEqual([]);
  });

  it("have the same bits with larger blocks where their number is even", async () => {
    for (const bits of [4, 8] as const) {
      const larger = BLOCK_SIZES.filter((blockSize) => !ROW_EXACT_BLOCKS[bits].includes(blockSize));
      expect(larger).toContain(128);
      for (const blockSize of larger) {
        const counts = await inexact(packLinear(product, { bits, blockSize }));
        expect(counts.filter((rows) => rows % 2 === 0)).toEqual([]);
      }
    }
  });

  it("leak into each other with DynamicQuantizeMatMul, whose one scale spans the batch: it is banned", async () => {
    const w = Int8Array.from({ length: K * N }, () => random.int(-127, 127));
    const banned = graph(
      { x: ["float32", ["rows", K]] },
      { y: ["float32", ["rows", N]] },
      [node("DynamicQuantizeMatMul", ["x", "w", "scale"], ["y"], {}, "com.microsoft")],
      [
        { name: "w", dtype: "int8", dims: [K, N], data: w },
        { name: "scale", dtype: "float32", dims: [1], data: Float32Array.of(0.001) },
      ],
    );
    const session = await openSession(banned);
    const ownRow = x.slice(0, K).map((value) => Math.max(-3, Math.min(3, value)));
    const alone = session.runSync({ x: f32([1, K], ownRow) })["y"]!.data as Float32Array;
    const neighbour = new Float32Array(K).fill(500);
    const together = session.runSync({ x: f32([2, K], [...ownRow, ...neighbour]) })["y"]!.data as Float32Array;
    const moved = Math.max(...alone.map((value, index) => Math.abs(value - together[index]!)));
    const size = Math.max(...alone.map(Math.abs));
    expect(moved).toBeGreaterThan(0.1 * size);
  });

  it("do not leak with activations quantised per block", async () => {
    const packed = await openSession(packLinear(product, { bits: 8, blockSize: 64 }));
    const alone = rowsOf(packed, 1);
    const neighbour = new Float32Array(K).fill(500);
    const both = f32([2, K], [...x.subarray(0, K), ...neighbour]);
    expect((packed.runSync({ x: both })["y"]!.data as Float32Array).subarray(0, N)).toEqual(alone);
  });
});

describe("the threads of a session", () => {
  it("spin within a run only", async () => {
    const model = graph(
      { x: ["float32", [256, 512]] },
      { y: ["float32", [256, 512]] },
      [node("MatMul", ["x", "w"], ["y"])],
      [{ name: "w", dtype: "float32", dims: [512, 512], data: new Float32Array(512 * 512).fill(0.5) }],
    );
    const session = await openSession(model, { threads: 4 });
    const x = f32([256, 512], new Float32Array(256 * 512));
    for (let count = 0; count < 3; count++) session.runSync({ x });
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 150));
    const { user, system } = process.cpuUsage(before);
    // Spinning threads would burn the whole wait, on every core they get: 150,000 µs and more.
    expect(user + system).toBeLessThan(60_000);
  });
});

describe("the installation", () => {
  it("has a version", () => {
    expect(ortVersion()).toMatch(/^1\.\d+\.\d+$/);
  });

  it("computes on the CPU", async () => {
    expect(await availableProviders()).toContainEqual({ name: "cpu", bundled: true });
  });
});

describe("profiles", () => {
  it("hold a time for every kernel", async () => {
    const filePrefix = join(await folder(), "profile");
    const session = await createSession(adder, { threads: 1, profile: { filePrefix } });
    session.runSync({ x: f32([1, 2], [1, 2]) });
    const kernels = await session.endProfile();
    expect(kernels.map(({ op, node: name }) => [op, name])).toEqual([
      ["Add", "Add_y"],
      ["Neg", "Neg_z"],
    ]);
    for (const { ms } of kernels) expect(ms).toBeGreaterThanOrEqual(0);
    await session.release();
  });
});
