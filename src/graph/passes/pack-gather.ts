/**
 * Rewrites lookups in constant tables (embeddings) to lookups in codes of 4 or 8 bits, which are unpacked row by row as they are
 * wanted. Unlike packed products this is exact: the rows are the unpacked weights, bit by bit.
 *
 *   ids ─▶ Gather codes  ─▶ (halves apart) ─▶ float ─▶ minus 2^(bits-1) ─▶ times scale of its block ─▶ rows
 *      └─▶ Gather scales ───────────────────────────────────────────────────────┘
 *
 *   4 bits: byte j of a row holds column j in its low half and column j + columns/2 in its high one, so that the halves need no
 *   interleaving. (ORT's GatherBlockQuantized computes the same; with a division per element it takes ten times as long.)
 */
import { assert } from "../../core/index.ts";
import { initializerData } from "../onnx/encode.ts";
import type { AttributeValue, GraphModel, GraphNode, Initializer, TensorArray } from "../types.ts";
import { PACKING, packInt8, type PackedWeights } from "./pack.ts";

/** Blocks of tables that are packed here: fine ones, for a table is read by few rows at a time. */
const BLOCK = 32;
/** ONNX's number for float32 in Cast. */
const FLOAT = 1;

/** Which tables are packed already. */
export interface PackGatherOptions {
  /**
   * The table [rows, columns] as codes, by initializer name; null: pack the data in 8 bits, blocks of 32. Codes and scales are read
   * when a session wants their bytes.
   */
  readonly packed?: (name: string, dims: readonly number[]) => PackedWeights | null;
  /** Names of other values that are vectors: a graph says shapes of its inputs only. */
  readonly vectors?: readonly string[];
}

/** The table as nodes need it. */
interface Table {
  readonly bits: 4 | 8;
  readonly blocks: number;
  readonly blockSize: number;
  readonly codes: Initializer;
  readonly scales: Initializer;
}

/**
 * Packs the float32 tables of Gather nodes along axis 0 whose ids are a vector: a graph input, or one of `vectors`. A table stays as it is
 * where its columns are no multiple of the block, and in place of what else uses it.
 */
export function packGather(model: GraphModel, options: PackGatherOptions = {}): GraphModel {
  const weights = new Map(model.initializers.map((initializer) => [initializer.name, initializer]));
  const inputs = model.inputs.filter(({ shape }) => shape.length === 1).map(({ name }) => name);
  const vectors = new Set([...inputs, ...(options.vectors ?? [])]);
  const tables = new Map<string, Table>();
  const constants = new Map<string, Initializer>();
  const nodes = model.nodes.flatMap((node): readonly GraphNode[] => {
    const weight = lookedUp(node, weights, vectors);
    const packed = weight === null ? null : packTable(weight, options);
    if (weight === null || packed === null) return [node];
    const table = tables.get(weight.name) ?? tableOf(weight, packed);
    tables.set(weight.name, table);
    return lookup(node, table, constants);
  });
  const used = new Set(nodes.flatMap((node) => node.inputs));
  for (const output of model.outputs) used.add(output.name);
  return {
    ...model,
    nodes,
    initializers: [
      ...model.initializers.filter(({ name }) => used.has(name)),
      ...Array.from(tables.values(), ({ codes, scales }) => [codes, scales]).flat(),
      ...constants.values(),
    ],
  };
}

/** The table that a node takes rows from, or null for anything else. */
function lookedUp(
  node: GraphNode,
  weights: ReadonlyMap<string, Initializer>,
  vectors: ReadonlySet<string>,
): Initializer | null {
  if (node.op !== "Gather" || node.domain !== "") return null;
  const axis = node.attributes["axis"];
  if (axis !== undefined && !(axis.kind === "int" && axis.value === 0)) return null;
  const weight = weights.get(node.inputs[0]!);
  const isTable = weight !== undefined && weight.dtype === "float32" && weight.dims.length === 2;
  return isTable && vectors.has(node.inputs[1]!) ? weight : null;
}

/** Codes and scales of a table; null where they would not fit the rows. */
function packTable(weight: Initializer, { packed }: PackGatherOptions): PackedWeights | null {
  const [rows, columns] = weight.dims as readonly [number, number];
  const ready = packed?.(weight.name, weight.dims) ?? null;
  if (ready !== null) return columns % ready.blockSize === 0 ? ready : null;
  if (columns % BLOCK !== 0 || (weight.data === undefined && weight.load === undefined)) return null;
  let made: PackedWeights | undefined;
  const pack = (): PackedWeights => {
    const data = initializerData(weight);
    assert(data instanceof Float32Array, "a float32 initializer has float32 data");
    return (made ??= packInt8(data, rows, columns, BLOCK));
  };
  return {
    bits: 8,
    blockSize: BLOCK,
    outFeatures: rows,
    inFeatures: columns,
    get codes() {
      return pack().codes;
    },
    get scales() {
      return pack().scales;
    },
  };
}

function tableOf(weight: Initializer, packed: PackedWeights): Table {
  const { bits, blockSize, outFeatures, inFeatures } = packed;
  const blocks = inFeatures / blockSize;
  const name = `${weight.name}.rows.int${bits}`;
  const part = (kind: string, dtype: "uint8" | "float32", dims: readonly number[], load: () => TensorArray) => ({
    name: `${name}.${kind}`,
    dtype,
    dims,
    load,
    ...(weight.identity === undefined
      ? {}
      : { identity: `${weight.identity} ${name} ${kind} blocks ${blockSize} packing ${PACKING}` }),
  });
  const codes = (): Uint8Array => (bits === 8 ? packed.codes : halvesApart(packed.codes, outFeatures, inFeatures));
  return {
    bits,
    blocks,
    blockSize,
    codes: part("codes", "uint8", [outFeatures, (inFeatures * bits) / 8], codes),
    scales: part("scales", "float32", [outFeatures, blocks, 1], () => packed.scales),
  };
}

/** From neighbours in one byte to the two halves of a row in one byte. */
function halvesApart(codes: Uint8Array, rows: number, columns: number): Uint8Array {
  const half = columns / 2;
  const result = new Uint8Array(codes.length);
  const codeAt = (at: number): number => (codes[at >> 1]! >> ((at & 1) * 4)) & 15;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let j = 0; j < half; j++) result[row * half + j] = codeAt(start + j) | (codeAt(start + half + j) << 4);
  }
  return result;
}

/** The nodes that give what the node gave. */
function lookup(node: GraphNode, table: Table, constants: Map<string, Initializer>): readonly GraphNode[] {
  const name = node.outputs[0]!;
  const ids = node.inputs[1]!;
  const { bits, blocks, blockSize, codes, scales } = table;
  const int = (value: number): AttributeValue => ({ kind: "int", value });
  const constant = (key: string, dtype: Initializer["dtype"], dims: readonly number[], data: TensorArray): string => {
    const known = `rows.${key}`;
    constants.set(known, { name: known, dtype, dims, data });
    return known;
  };
  const emitted: GraphNode[] = [];
  const emit = (
    op: string,
    inputs: readonly string[],
    attributes: GraphNode["attributes"] = {},
    output = `${name}.${op}.${emitted.length}`,
  ): string => {
    emitted.push({ op, domain: "", name: output, inputs, outputs: [output], attributes });
    return output;
  };
  let rows = emit("Gather", [codes.name, ids], { axis: int(0) }); // [ids, columns * bits / 8]
  if (bits === 4) {
    const low = emit("BitwiseAnd", [rows, constant("low", "uint8", [], Uint8Array.of(15))]);
    const four = constant("four", "uint8", [], Uint8Array.of(4));
    const high = emit("BitShift", [rows, four], { direction: { kind: "string", value: "RIGHT" } });
    rows = emit("Concat", [low, high], { axis: int(1) });
  }
  const shape = constant(
    `blocks${blocks}x${blockSize}`,
    "int64",
    [3],
    BigInt64Array.of(-1n, BigInt(blocks), BigInt(blockSize)),
  );
  const floats = emit("Cast", [emit("Reshape", [rows, shape])], { to: int(FLOAT) }); // [ids, blocks, blockSize]
  const middle = constant(`middle${bits}`, "float32", [], Float32Array.of(2 ** (bits - 1)));
  const ofIds = emit("Gather", [scales.name, ids], { axis: int(0) }); // [ids, blocks, 1]
  const scaled = emit("Mul", [emit("Sub", [floats, middle]), ofIds]);
  emit("Flatten", [scaled], { axis: int(1) }, name); // [ids, columns]
  return emitted;
}
