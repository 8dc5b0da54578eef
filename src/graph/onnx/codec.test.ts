import { mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, createFileRegistry, fromBinary, toBinary, type DescMessage } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PunctualError } from "../../core/index.ts";
import type { AttributeValue, DType, GraphModel, TensorArray, TensorData } from "../types.ts";
import { decodeOnnx } from "./decode.ts";
import { DTYPES, elementCount } from "./dtypes.ts";
import { encodeOnnx } from "./encode.ts";
import { readModelFile, writeModelFiles } from "./files.ts";
import { relayoutExternalData } from "./relayout.ts";
import { ProtoWriter } from "./writer.ts";

const SEED = 41;

// The oracle: onnx.proto's messages, written down once more as descriptors for another implementation.
const { OPTIONAL, REPEATED } = {
  OPTIONAL: FieldDescriptorProto_Label.OPTIONAL,
  REPEATED: FieldDescriptorProto_Label.REPEATED,
};
const TYPES = {
  int64: FieldDescriptorProto_Type.INT64,
  int32: FieldDescriptorProto_Type.INT32,
  uint64: FieldDescriptorProto_Type.UINT64,
  float: FieldDescriptorProto_Type.FLOAT,
  double: FieldDescriptorProto_Type.DOUBLE,
  string: FieldDescriptorProto_Type.STRING,
  bytes: FieldDescriptorProto_Type.BYTES,
} as const;

/** "name:number:type", with "*" behind a repeated type and "!" behind a packed one. */
function message(name: string, fields: string): DescriptorProto {
  return create(DescriptorProtoSchema, {
    name,
    field: fields.split(" ").map((text) => {
      const [field, number, kind] = text.split(":") as [string, string, string];
      const bare = kind.replace(/[*!]$/, "");
      const scalar = TYPES[bare as keyof typeof TYPES] as FieldDescriptorProto_Type | undefined;
      return create(FieldDescriptorProtoSchema, {
        name: field,
        number: Number(number),
        label: bare === kind ? OPTIONAL : REPEATED,
        type: scalar ?? FieldDescriptorProto_Type.MESSAGE,
        typeName: scalar === undefined ? `.onnx.${bare}` : undefined,
        options: kind.endsWith("!") ? { packed: true } : undefined,
      });
    }),
  });
}

function oracleSchemas(packed: "*" | "!"): (name: string) => DescMessage {
  const file = create(FileDescriptorProtoSchema, {
    name: "onnx.proto",
    package: "onnx",
    syntax: "proto2",
    messageType: [
      message(
        "ModelProto",
        "ir_version:1:int64 producer_name:2:string graph:7:GraphProto opset_import:8:Opset* metadata_props:14:Entry*",
      ),
      message("Opset", "domain:1:string version:2:int64"),
      message("Entry", "key:1:string value:2:string"),
      message(
        "GraphProto",
        "node:1:NodeProto* name:2:string initializer:5:TensorProto* input:11:ValueInfo* output:12:ValueInfo*",
      ),
      message(
        "NodeProto",
        "input:1:string* output:2:string* name:3:string op_type:4:string attribute:5:Attribute* domain:7:string",
      ),
      message(
        "Attribute",
        `name:1:string f:2:float i:3:int64 s:4:bytes t:5:TensorProto floats:7:float${packed} ints:8:int64${packed} strings:9:bytes* type:20:int32`,
      ),
      message(
        "TensorProto",
        `dims:1:int64${packed} data_type:2:int32 float_data:4:float${packed} int32_data:5:int32${packed} int64_data:7:int64${packed} ` +
          `name:8:string raw_data:9:bytes double_data:10:double${packed} external_data:13:Entry* data_location:14:int32`,
      ),
      message("ValueInfo", "name:1:string type:2:TypeProto"),
      message("TypeProto", "tensor_type:1:TensorType"),
      message("TensorType", "elem_type:1:int32 shape:2:Shape"),
      message("Shape", "dim:1:Dimension*"),
      message("Dimension", "dim_value:1:int64 dim_param:2:string"),
    ],
  });
  const registry = createFileRegistry(file, () => undefined);
  return (name) => registry.getMessage(`onnx.${name}`)!;
}

const plain = oracleSchemas("*");
const packed = oracleSchemas("!");

/** The oracle's own reading and writing of a model; null where the bytes are not one. */
function throughOracle(bytes: Uint8Array, schemas = plain): Uint8Array {
  return toBinary(schemas("ModelProto"), fromBinary(schemas("ModelProto"), bytes));
}

const names = fc.string({ unit: "grapheme", maxLength: 6 });
const someName = names.filter((name) => name !== "");
const dtypes = fc.constantFrom(...(Object.keys(DTYPES) as DType[]));
const dims = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const tensors: fc.Arbitrary<TensorData> = fc.tuple(dtypes, dims).chain(([dtype, sizes]) => {
  const { array, bytes } = DTYPES[dtype];
  const length = elementCount(sizes) * bytes;
  return fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((raw) => ({ dtype, dims: sizes, data: new array(raw.slice().buffer, 0, elementCount(sizes)) }));
});
const integers = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(2 ** 63, -(2 ** 63)));
const floats = fc.float({ noNaN: true });
const attributes: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.record({ kind: fc.constant("int" as const), value: integers }),
  fc.record({ kind: fc.constant("float" as const), value: floats }),
  fc.record({ kind: fc.constant("string" as const), value: names }),
  fc.record({ kind: fc.constant("ints" as const), value: fc.array(integers, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant("floats" as const), value: fc.array(floats, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant("strings" as const), value: fc.array(names, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant("tensor" as const), value: tensors }),
);
const values = fc.array(
  fc.record({
    name: someName,
    dtype: dtypes,
    shape: fc.array(fc.oneof(fc.nat(9), names), { maxLength: 4 }),
  }),
  { maxLength: 3 },
);
const dictionary = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.dictionary(someName, value, { maxKeys: 3, noNullPrototype: true });
const models: fc.Arbitrary<GraphModel> = fc.record({
  name: names,
  irVersion: fc.integer({ min: 1, max: 12 }),
  opsets: dictionary(fc.integer({ min: 1, max: 30 })),
  inputs: values,
  outputs: values,
  initializers: fc.array(
    fc.tuple(names, tensors).map(([name, tensor]) => ({ name, ...tensor })),
    { maxLength: 3 },
  ),
  nodes: fc.array(
    fc.record({
      op: someName,
      domain: names,
      name: names,
      inputs: fc.array(names, { maxLength: 3 }),
      outputs: fc.array(names, { maxLength: 3 }),
      attributes: dictionary(attributes),
    }),
    { maxLength: 3 },
  ),
  metadata: dictionary(names),
});

const example: GraphModel = {
  name: "example",
  irVersion: 10,
  opsets: { "": 21, "com.microsoft": 1 },
  inputs: [{ name: "x", dtype: "float32", shape: ["rows", 4, ""] }],
  outputs: [{ name: "y", dtype: "int64", shape: [] }],
  initializers: [
    { name: "w", dtype: "float32", dims: [2, 3], data: Float32Array.of(1, -2, 0.5, 4, 5, 6) },
    { name: "e", dtype: "float32", dims: [4, 3], external: { location: "weights.bin", offset: 4096, length: 48 } },
  ],
  nodes: [
    {
      op: "MatMulNBits",
      domain: "com.microsoft",
      name: "n",
      inputs: ["x", "", "w"],
      outputs: ["y"],
      attributes: {
        K: { kind: "int", value: -1 },
        end: { kind: "int", value: 2 ** 63 },
        alpha: { kind: "float", value: 0.5 },
        mode: { kind: "string", value: "näh" },
        axes: { kind: "ints", value: [0, -1, 2 ** 40] },
        scales: { kind: "floats", value: [1, -0.25] },
        names: { kind: "strings", value: ["a", ""] },
        t: { kind: "tensor", value: { dtype: "int64", dims: [2], data: BigInt64Array.of(-1n, 2n ** 62n) } },
      },
    },
  ],
  metadata: { author: "test" },
};

/** Runs the decoder on damaged bytes: a model or a typed error with a path, nothing else. */
function decodeOrRefuse(bytes: Uint8Array): GraphModel | PunctualError {
  try {
    return decodeOnnx(bytes);
  } catch (error) {
    if (!(error instanceof PunctualError)) throw error;
    expect(["invalid_file", "unsupported"]).toContain(error.code);
    expect(error.param).toBeTruthy();
    return error;
  }
}

describe("the ONNX codec", () => {
  it("reads back what it wrote", () => {
    expect(decodeOnnx(encodeOnnx(example))).toEqual(example);
    fc.assert(
      fc.property(models, (model) => {
        expect(decodeOnnx(encodeOnnx(model))).toEqual(model);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("writes the very bytes that another implementation writes", () => {
    fc.assert(
      fc.property(models, (model) => {
        const bytes = encodeOnnx(model);
        expect(Buffer.from(throughOracle(bytes)).equals(Buffer.from(bytes))).toBe(true);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("reads packed lists as another implementation writes them", () => {
    fc.assert(
      fc.property(models, (model) => {
        // Reading takes both forms, so the packed schema turns one into the other.
        expect(decodeOnnx(throughOracle(encodeOnnx(model), packed))).toEqual(model);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

describe("tensors in typed data fields", () => {
  const cases: [DType, string, readonly (number | bigint)[], TensorArray][] = [
    ["float32", "floatData", [1.5, -2], Float32Array.of(1.5, -2)],
    ["float64", "doubleData", [0.1, 2 ** 60], Float64Array.of(0.1, 2 ** 60)],
    ["int64", "int64Data", [-1n, 2n ** 62n], BigInt64Array.of(-1n, 2n ** 62n)],
    ["int32", "int32Data", [-7, 2 ** 31 - 1], Int32Array.of(-7, 2 ** 31 - 1)],
    ["int8", "int32Data", [-128, 127], Int8Array.of(-128, 127)],
    ["uint8", "int32Data", [0, 255], Uint8Array.of(0, 255)],
    ["bool", "int32Data", [1, 0], Uint8Array.of(1, 0)],
    ["float16", "int32Data", [0x3c00, 0xbc00], Uint16Array.of(0x3c00, 0xbc00)],
  ];
  const written = (
    dtype: DType,
    field: string,
    list: readonly (number | bigint)[],
    schemas: typeof plain,
  ): Uint8Array => {
    const dataType = DTYPES[dtype].code;
    const initializer = [
      create(schemas("TensorProto"), { name: "t", dims: [2n], dataType, [field]: list } as Record<string, unknown>),
    ];
    const graph = create(schemas("GraphProto"), { name: "g", initializer } as Record<string, unknown>);
    return toBinary(
      schemas("ModelProto"),
      create(schemas("ModelProto"), { irVersion: 8n, graph } as Record<string, unknown>),
    );
  };

  it.each(cases)("reads %s from %s", (dtype, field, list, data) => {
    for (const schemas of [plain, packed]) {
      expect(decodeOnnx(written(dtype, field, list, schemas)).initializers).toEqual([
        { name: "t", dtype, dims: [2], data },
      ]);
    }
  });

  it("refuses a number of elements that is not the shape's", () => {
    for (const list of [[1], [1, 2, 3]]) {
      expect(() => decodeOnnx(written("float32", "floatData", list, packed))).toThrow(
        expect.objectContaining({ code: "invalid_file", param: "graph.initializer[0].data" }),
      );
    }
  });
});

describe("damaged files", () => {
  const bytes = encodeOnnx(example);

  it("refuses a file cut short anywhere, or reads what is whole", () => {
    for (let length = 0; length < bytes.length; length++) decodeOrRefuse(bytes.slice(0, length));
    expect(decodeOrRefuse(new Uint8Array())).toMatchObject({ code: "invalid_file", param: "graph" });
  });

  it("survives every byte being any of the telling values", () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, bytes[at]! ^ 1, bytes[at]! ^ 0x10]) {
        const damaged = bytes.slice();
        damaged[at] = value;
        decodeOrRefuse(damaged);
      }
    }
  });

  it("survives random bytes and random splices", () => {
    const splice = fc.record({ at: fc.nat(bytes.length), drop: fc.nat(20), insert: fc.uint8Array({ maxLength: 20 }) });
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.array(splice, { minLength: 1, maxLength: 4 })),
        (damage) => {
          if (damage instanceof Uint8Array) return void decodeOrRefuse(damage);
          let damaged = [...bytes];
          for (const { at, drop, insert } of damage)
            damaged = [...damaged.slice(0, at), ...insert, ...damaged.slice(at + drop)];
          decodeOrRefuse(Uint8Array.from(damaged));
        },
      ),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it.each([
    ["a length beyond the file", [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], "graph"],
    ["a length of 2^63", [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "graph"],
    ["a number without end", [0x08, ...Array<number>(11).fill(0x80)], "ir_version"],
    ["a number of 65 bits", [0x08, ...Array<number>(9).fill(0xff), 0x02], "ir_version"],
    ["field zero", [0x00, 0x00], "model"],
    ["a group", [0x7b, 0x7c], "model"],
    ["a wrong wire type", [0x38, 0x01], "graph"],
  ])("refuses %s", (_, damaged, param) => {
    expect(() => decodeOnnx(Uint8Array.from(damaged))).toThrow(
      expect.objectContaining({ code: "invalid_file", param }),
    );
  });

  it("refuses a tensor that claims more elements than its bytes hold, before making room for them", () => {
    const huge = (size: number): GraphModel => ({
      ...example,
      initializers: [{ name: "w", dtype: "int8", dims: [size], data: new Int8Array() }],
    });
    // The encoder checks its own work, so the size is planted: 1 << 35 as a varint in place of 5.
    const honest = encodeOnnx({
      ...huge(0),
      initializers: [{ name: "w", dtype: "int8", dims: [5], data: new Int8Array(5) }],
    });
    expect(() => encodeOnnx(huge(2 ** 35))).toThrow(expect.objectContaining({ code: "invalid_graph" }));
    const oracle = fromBinary(plain("ModelProto"), honest) as unknown as {
      graph: { initializer: { dims: bigint[]; rawData?: Uint8Array }[] };
    };
    oracle.graph.initializer[0]!.dims = [2n ** 35n];
    delete oracle.graph.initializer[0]!.rawData;
    const planted = toBinary(plain("ModelProto"), oracle as never);
    expect(decodeOrRefuse(planted)).toMatchObject({ code: "invalid_file", param: "graph.initializer[0].dims" });
  });

  it("bounds how many things a file can make", () => {
    expect(() => decodeOnnx(bytes, { items: 10 })).toThrow(expect.objectContaining({ code: "invalid_file" }));
    expect(() => decodeOnnx(bytes, { fileBytes: 10 })).toThrow(expect.objectContaining({ code: "invalid_file" }));
    expect(() => decodeOnnx(bytes, { rank: 1 })).toThrow(expect.objectContaining({ code: "invalid_file" }));
  });

  it("keeps external files inside the model's folder", () => {
    for (const location of ["../secret", "/etc/passwd", "a/../../b", "C:\\x", "..", "*/_ORT_MEM_ADDR_/*"]) {
      const model = {
        ...example,
        initializers: [{ name: "e", dtype: "int8" as const, dims: [1], external: { location, offset: 0, length: 1 } }],
      };
      expect(() => decodeOnnx(encodeOnnx(model))).toThrow(expect.objectContaining({ code: "invalid_file" }));
    }
  });
});

describe("what a GraphModel has no form for", () => {
  const wrap = (attribute: Record<string, unknown>): Uint8Array => {
    const list = [create(plain("Attribute"), { name: "a", ...attribute })];
    const graph = create(plain("GraphProto"), {
      name: "g",
      node: [create(plain("NodeProto"), { opType: "Op", attribute: list })],
    });
    return toBinary(plain("ModelProto"), create(plain("ModelProto"), { irVersion: 8n, graph }));
  };

  it("is named with its place", () => {
    expect(() => decodeOnnx(wrap({ type: 11 }))).toThrow(
      expect.objectContaining({ code: "unsupported", param: "graph.node[0].attribute[0].type" }),
    );
    expect(() => decodeOnnx(wrap({ type: 2, i: 2n ** 60n + 1n }))).toThrow(
      expect.objectContaining({ code: "unsupported", param: "graph.node[0].attribute[0].i" }),
    );
    const bfloat16 = create(plain("TensorProto"), { dataType: 16, dims: [0n] });
    expect(() => decodeOnnx(wrap({ type: 4, t: bfloat16 }))).toThrow(/bfloat16/);
  });

  it("is not followed, however deep it goes", () => {
    // Subgraphs in subgraphs: field 6 (g) of an attribute, holding a graph with a node with an attribute, and so on.
    let inner: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 2000; depth++) {
      const writer = new ProtoWriter();
      writer.message(6, (graph) => graph.message(1, (node) => node.message(5, (attribute) => attribute.raw(inner))));
      inner = writer.toBytes();
    }
    const writer = new ProtoWriter();
    writer.message(7, (graph) => graph.message(1, (node) => node.message(5, (attribute) => attribute.raw(inner))));
    expect(decodeOrRefuse(writer.toBytes())).toMatchObject({
      code: "unsupported",
      param: "graph.node[0].attribute[0].g",
    });
  });
});

describe("moving external data", () => {
  const entry = (key: string, value: string): unknown => create(plain("Entry"), { key, value });
  const entries = [
    entry("location", "weights.bin"),
    entry("offset", "0"),
    entry("length", "100"),
    entry("prepacked_2", "MatMulNBits+7|100;51;0|151;30;0"),
  ];
  const tensors = [0, 181].map((offset, index) =>
    create(plain("TensorProto"), {
      name: `w${index}`,
      dataType: 2,
      dims: [100n],
      dataLocation: 1,
      externalData: index === 0 ? entries : [entries[0], entry("offset", String(offset)), entries[2]],
    } as Record<string, unknown>),
  );
  const model = create(plain("ModelProto"), {
    irVersion: 10n,
    graph: create(plain("GraphProto"), { name: "g", initializer: tensors }),
  });
  const bytes = toBinary(plain("ModelProto"), model);

  it("puts every stretch on a page of its own and changes nothing else", () => {
    const { model: moved, moves } = relayoutExternalData(bytes);
    expect(moves).toEqual([
      { from: 0, to: 0, length: 100 },
      { from: 100, to: 4096, length: 51 },
      { from: 151, to: 8192, length: 30 },
      { from: 181, to: 12288, length: 100 },
    ]);
    const text = Buffer.from(moved).toString("latin1");
    expect(text).toContain("MatMulNBits+7|4096;51;0|8192;30;0");
    const external = decodeOnnx(moved).initializers.map((initializer) => initializer.external);
    expect(external.map((location) => location?.offset)).toEqual([0, 12288]);
    // Laid out already, so nothing is left to do.
    expect(relayoutExternalData(moved).moves.every(({ from, to }) => from === to)).toBe(true);
  });

  it("refuses damage as the decoder does", () => {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0xff;
      try {
        relayoutExternalData(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(PunctualError);
      }
    }
  });
});

describe("models as folders", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "punctual-onnx-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const big = Float32Array.from({ length: 2000 }, (_, index) => index / 7);
  const model: GraphModel = {
    ...example,
    initializers: [
      { name: "small", dtype: "int64", dims: [1], data: BigInt64Array.of(5n) },
      { name: "a", dtype: "float32", dims: [2000], load: () => big },
      { name: "b", dtype: "float32", dims: [2, 1000], data: big },
    ],
  };

  it("keeps large tensors outside, on their own pages, and gives them back", async () => {
    const path = await writeModelFiles(model, dir);
    const inside = decodeOnnx((await import("node:fs")).readFileSync(path)).initializers;
    expect(inside.map((initializer) => initializer.external?.offset)).toEqual([undefined, 0, 8192]);
    const back = await readModelFile(path);
    expect(back.initializers.map((initializer) => initializer.data ?? initializer.load!())).toEqual([
      BigInt64Array.of(5n),
      big,
      big,
    ]);
    expect({ ...back, initializers: [] }).toEqual({ ...model, initializers: [] });
  });

  it("refuses weights that are missing or too short", async () => {
    const path = await writeModelFiles(model, dir);
    await truncate(join(dir, "weights.bin"), 10_000);
    await expect(readModelFile(path)).rejects.toMatchObject({ code: "invalid_file", param: "weights.bin" });
    await rm(join(dir, "weights.bin"));
    await expect(readModelFile(path)).rejects.toMatchObject({ code: "invalid_file", param: "weights.bin" });
    await expect(readModelFile(join(dir, "none.onnx"))).rejects.toMatchObject({ code: "not_found" });
  });
});
