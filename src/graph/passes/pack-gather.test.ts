import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/index.ts";
import { createSession } from "../session.ts";
import type { GraphModel, GraphNode, Initializer } from "../types.ts";
import { packGather } from "./pack-gather.ts";
import { packInt4, packInt8, unpackInt4, unpackInt8, type PackedWeights } from "./pack.ts";

const SEED = 23;
const ROWS = 37;

const gatherNode: GraphNode = {
  op: "Gather",
  domain: "",
  name: "g",
  inputs: ["table", "ids"],
  outputs: ["y"],
  attributes: { axis: { kind: "int", value: 0 } },
};

function tableModel(
  columns: number,
  initializer: Partial<Initializer> = {},
): { model: GraphModel; data: Float32Array } {
  const random = createRandom(SEED, `table of ${columns}`);
  const data = Float32Array.from({ length: ROWS * columns }, () => random.normal());
  const model: GraphModel = {
    name: "lookup",
    irVersion: 10,
    opsets: { "": 21 },
    inputs: [{ name: "ids", dtype: "int64", shape: ["rows"] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["rows", columns] }],
    initializers: [{ name: "table", dtype: "float32", dims: [ROWS, columns], data, ...initializer }],
    nodes: [gatherNode],
    metadata: {},
  };
  return { model, data };
}

/** Rows of a table, as a session gives them. */
async function look(model: GraphModel, ids: readonly number[]): Promise<Float32Array> {
  await using session = await createSession(model, { threads: 1 });
  const data = BigInt64Array.from(ids, BigInt);
  return session.runSync({ ids: { dtype: "int64", dims: [ids.length], data } })["y"]!.data as Float32Array;
}

function rowsOf(table: Float32Array, columns: number, ids: readonly number[]): Float32Array {
  return Float32Array.from(ids.flatMap((id) => [...table.subarray(id * columns, (id + 1) * columns)]));
}

const IDS = [0, 36, 5, 5, 17];

describe("packGather", () => {
  it.each([
    [4, 32, 96],
    [4, 32, 64],
    [4, 128, 256],
    [8, 32, 96],
    [8, 128, 128],
  ] as const)("%i bits, blocks of %i, %i columns: the unpacked rows, bit by bit", async (bits, blockSize, columns) => {
    const { model, data } = tableModel(columns);
    const packed = (bits === 4 ? packInt4 : packInt8)(data, ROWS, columns, blockSize);
    const unpacked = (bits === 4 ? unpackInt4 : unpackInt8)(packed);
    const rewritten = packGather(model, { packed: () => packed });
    expect(rewritten.initializers.some(({ name }) => name === "table")).toBe(false);
    expect(await look(rewritten, IDS)).toEqual(rowsOf(unpacked, columns, IDS));
    expect(await look(rewritten, [3])).toEqual(rowsOf(unpacked, columns, [3]));
  });

  it("packs in 8 bits what is not packed, within half a step of its block", async () => {
    const { model, data } = tableModel(64);
    const actual = await look(packGather(model), IDS);
    const wanted = rowsOf(data, 64, IDS);
    for (let block = 0; block < actual.length; block += 32) {
      const largest = Math.max(...wanted.subarray(block, block + 32).map(Math.abs));
      for (let i = block; i < block + 32; i++) {
        expect(Math.abs(actual[i]! - wanted[i]!)).toBeLessThanOrEqual(largest / 128 + 1e-7);
      }
    }
    expect(actual).toEqual(rowsOf(unpackInt8(packInt8(data, ROWS, 64, 32)), 64, IDS));
  });

  it("reads nothing before a session wants it, and says by identity what it would read", () => {
    const load = (): never => {
      throw new Error("read too early");
    };
    const { model } = tableModel(64, { load, identity: "file 1" });
    const { data: _, ...lazy } = model.initializers[0]!;
    const own = packGather({ ...model, initializers: [lazy] });
    const ready: PackedWeights = {
      bits: 4,
      blockSize: 32,
      outFeatures: ROWS,
      inFeatures: 64,
      get codes() {
        return load();
      },
      get scales() {
        return load();
      },
    };
    const stored = packGather({ ...model, initializers: [lazy] }, { packed: () => ready });
    const identities = [own, stored].flatMap(({ initializers }) => initializers.map(({ identity }) => identity));
    expect(new Set(identities.filter((identity) => identity !== undefined)).size).toBe(4);
  });

  it("keeps a table for what else uses it, and leaves alone what it cannot pack", () => {
    const { model } = tableModel(64);
    const product: GraphNode = {
      op: "MatMul",
      domain: "",
      name: "m",
      inputs: ["x", "table"],
      outputs: ["z"],
      attributes: {},
    };
    const twice = packGather({ ...model, nodes: [gatherNode, { ...gatherNode, name: "h", outputs: ["w"] }, product] });
    expect(twice.initializers.filter(({ name }) => name.startsWith("table"))).toHaveLength(3);
    const odd = tableModel(33).model;
    expect(packGather(odd).nodes).toEqual(odd.nodes);
    const along: GraphNode = { ...gatherNode, attributes: { axis: { kind: "int", value: 1 } } };
    expect(packGather({ ...model, nodes: [along] }).nodes).toEqual([along]);
    const inner: GraphNode = { ...gatherNode, inputs: ["table", "computed"] };
    expect(packGather({ ...model, nodes: [inner] }).nodes).toEqual([inner]);
  });
});
