/**
 * Rewrites matrix products with constant weights to MatMulNBits: weights in 4 or 8 bits, a quarter to an
 * eighth of the memory traffic, which is what a decoding step waits for.
 *
 * Always accuracy level 4 (activations in int8, per block, never per tensor): with any other level 8 bits run a
 * hundred times slower, and a row's bits would depend on how many rows there are.
 */
import { assert, fail } from "../../core/index.ts";
import { initializerData } from "../onnx/encode.ts";
import type { AttributeValue, GraphModel, GraphNode, Initializer } from "../types.ts";
import { type BlockSize, PACKING, packInt4, packInt8, type PackBits, type PackedWeights } from "./pack.ts";

/**
 * Which weights to pack and how finely. ROW_EXACT_BLOCKS says which block sizes keep a row's result independent of
 * the batch around it.
 */
export interface PackLinearOptions {
  readonly bits: PackBits;
  readonly blockSize: BlockSize;
  /** Which weights to pack, by initializer name. Default: every float32 matrix that is multiplied with. */
  readonly include?: (name: string) => boolean;
  /**
   * Weights that are packed already, by initializer name; null: pack the data. Their bits and blocks may differ from
   * those above. Asked only for matrices stored [outFeatures, inFeatures], whose data is then not loaded. Codes and scales
   * are read when a session wants their bytes, which one that finds them in its weight cache does not.
   */
  readonly packed?: (name: string, dims: readonly number[]) => PackedWeights | null;
}

/** A packed weight as a node needs it. */
interface PackedTensors extends Pick<PackedWeights, "bits" | "blockSize" | "inFeatures" | "outFeatures"> {
  readonly codes: Initializer;
  readonly scales: Initializer;
}

/** The kernel's name for "quantise activations to int8 per block". */
const ACCURACY_INT8 = 4;

/**
 * Packs the weights of MatMul and FusedMatMul nodes. A weight that is used elsewhere too (a tied embedding)
 * stays as well. Throws `invalid_graph` for an included weight that is not a float32 matrix with data.
 */
export function packLinear(model: GraphModel, options: PackLinearOptions): GraphModel {
  const weights = new Map(model.initializers.map((initializer) => [initializer.name, initializer]));
  const packed = new Map<string, PackedTensors>();
  const nodes = model.nodes.map((node) => {
    const product = weightProduct(node);
    const weight = product === null ? undefined : weights.get(product.weight);
    if (product === null || weight === undefined || !isIncluded(weight, options)) return node;
    const key = `${weight.name}.${product.transposed ? "nk" : "kn"}`;
    let tensors = packed.get(key);
    if (tensors === undefined) {
      tensors = packedTensors(key, weight, packWeight(weight, product.transposed, options));
      packed.set(key, tensors);
    }
    return packedNode(node, tensors);
  });
  const used = new Set(nodes.flatMap((node) => node.inputs));
  for (const output of model.outputs) used.add(output.name);
  return {
    ...model,
    opsets: { ...model.opsets, "com.microsoft": model.opsets["com.microsoft"] ?? 1 },
    nodes,
    initializers: [
      ...model.initializers.filter(({ name }) => used.has(name)),
      ...Array.from(packed.values(), ({ codes, scales }) => [codes, scales]).flat(),
    ],
  };
}

/** The weight operand of a plain product `x · W` or `x · Wᵀ`, or null for anything else. */
function weightProduct(node: GraphNode): { readonly weight: string; readonly transposed: boolean } | null {
  const weight = node.inputs[1];
  if (weight === undefined || node.inputs.length !== 2) return null;
  if (node.op === "MatMul" && node.domain === "") return { weight, transposed: false };
  if (node.op !== "FusedMatMul" || node.domain !== "com.microsoft") return null;
  const value = (name: string, otherwise: number): number => {
    const attribute = node.attributes[name];
    return attribute?.kind === "int" || attribute?.kind === "float" ? attribute.value : otherwise;
  };
  const isPlain = value("alpha", 1) === 1 && value("transA", 0) === 0;
  if (!isPlain || value("transBatchA", 0) !== 0 || value("transBatchB", 0) !== 0) return null;
  return { weight, transposed: value("transB", 0) === 1 };
}

function isIncluded(weight: Initializer, { include }: PackLinearOptions): boolean {
  const isMatrix = weight.dtype === "float32" && weight.dims.length === 2;
  if (include === undefined) return isMatrix;
  if (!include(weight.name)) return false;
  if (!isMatrix) {
    fail(
      "invalid_graph",
      `packLinear: ${weight.name} is ${weight.dtype}[${weight.dims.join(", ")}], not a float32 matrix`,
      {
        param: weight.name,
      },
    );
  }
  return true;
}

function features({ dims }: Initializer, transposed: boolean): readonly [inFeatures: number, outFeatures: number] {
  const [rows, columns] = dims as readonly [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

/** Bits, blocks and sizes at once; codes and scales when they are asked for, made once. */
function packWeight(weight: Initializer, transposed: boolean, options: PackLinearOptions): PackedWeights {
  const ready = transposed ? (options.packed?.(weight.name, weight.dims) ?? null) : null;
  if (ready !== null) return ready;
  const { bits, blockSize } = options;
  const [inFeatures, outFeatures] = features(weight, transposed);
  if (weight.data === undefined && weight.load === undefined) {
    fail("invalid_graph", `packLinear: ${weight.name} has no data: open its model with readModelFile`, {
      param: weight.name,
    });
  }
  const pack = once((): PackedWeights => {
    const data = initializerData(weight);
    assert(data instanceof Float32Array, "a float32 initializer has float32 data");
    const rows = transposed ? data : transpose(data, inFeatures, outFeatures);
    return (bits === 4 ? packInt4 : packInt8)(rows, outFeatures, inFeatures, blockSize);
  });
  return {
    bits,
    blockSize,
    outFeatures,
    inFeatures,
    get codes() {
      return pack().codes;
    },
    get scales() {
      return pack().scales;
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** `[rows, columns]` to `[columns, rows]`. */
function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!;
  }
  return result;
}

function packedTensors(key: string, weight: Initializer, packed: PackedWeights): PackedTensors {
  const { bits, blockSize, inFeatures, outFeatures } = packed;
  const name = `${key}.int${bits}`;
  const blocks = Math.ceil(inFeatures / blockSize);
  const identity = (part: string): Pick<Initializer, "identity"> =>
    weight.identity === undefined
      ? {}
      : { identity: `${weight.identity} ${key} ${part} int${bits} blocks ${blockSize} packing ${PACKING}` };
  return {
    bits,
    blockSize,
    inFeatures,
    outFeatures,
    codes: {
      name: `${name}.codes`,
      dtype: "uint8",
      dims: [outFeatures, blocks, (blockSize * bits) / 8],
      load: () => packed.codes,
      ...identity("codes"),
    },
    scales: {
      name: `${name}.scales`,
      dtype: "float32",
      dims: [outFeatures * blocks],
      load: () => packed.scales,
      ...identity("scales"),
    },
  };
}

function packedNode(node: GraphNode, packed: PackedTensors): GraphNode {
  const { codes, scales, inFeatures, outFeatures, bits, blockSize } = packed;
  const int = (value: number): AttributeValue => ({ kind: "int", value });
  return {
    op: "MatMulNBits",
    domain: "com.microsoft",
    name: node.name,
    inputs: [node.inputs[0]!, codes.name, scales.name],
    outputs: node.outputs,
    attributes: {
      K: int(inFeatures),
      N: int(outFeatures),
      bits: int(bits),
      block_size: int(blockSize),
      accuracy_level: int(ACCURACY_INT8),
    },
  };
}
