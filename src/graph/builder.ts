/**
 * GraphBuilder collects the nodes that op functions emit and turns them into a GraphModel.
 *
 * It is not an optimiser: it drops nodes that no output needs, shares equal small constants, and
 * leaves fusion to the session. Invariant: a node's inputs exist before it, so creation order is
 * topological order.
 */
import { assert, fail } from "../core/index.ts";
import { canonicalDim, parseDim, sameShape } from "./shapes.ts";
import type { OpDefinition, OpNode, Tensor } from "./tensor.ts";
import type {
  DType,
  Dim,
  ExternalLocation,
  GraphModel,
  GraphNode,
  Initializer,
  Shape,
  TensorArray,
  TensorData,
} from "./types.ts";

/** An initializer whose bytes lie in another file. */
export interface ExternalInitializer {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly external: ExternalLocation;
}

/** An initializer whose data is made when it is needed, and as often as it is. */
export interface LazyInitializer {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly load: () => TensorArray;
  /** See Initializer. */
  readonly identity?: string;
}

/** What a composed op hands back: the tensors it is, and those its gradient rule reuses. */
export interface Composition {
  readonly inner: readonly Tensor[];
  readonly saved?: readonly Tensor[];
}

const IR_VERSION = 10;
const OPSETS = { "": 21, "com.microsoft": 1 } as const;
/** Constants up to this many elements are shared when equal. */
const SHARED_CONSTANT_ELEMENTS = 256;

const ARRAY_DTYPES: readonly (readonly [new (length: number) => TensorArray, DType])[] = [
  [Float32Array, "float32"],
  [Float64Array, "float64"],
  [BigInt64Array, "int64"],
  [Int32Array, "int32"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
  [Uint16Array, "float16"],
];

function arrayOf(values: readonly number[], dtype: DType): TensorArray {
  const whole = dtype !== "float32" && dtype !== "float64" && dtype !== "float16";
  const broken = whole ? values.find((value) => !Number.isInteger(value)) : undefined;
  if (broken !== undefined) fail("invalid_graph", `constant: ${broken} is not a value of ${dtype}`);
  switch (dtype) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "int64":
      return BigInt64Array.from(values, (value) => BigInt(value));
    case "int32":
      return Int32Array.from(values);
    case "int8":
      return Int8Array.from(values);
    case "uint8":
    case "bool":
      return Uint8Array.from(values);
    case "float16":
      return fail("unsupported", "constant: write a float16 constant as float32 and cast it");
  }
}

function dtypeOf(array: TensorArray): DType {
  const found = ARRAY_DTYPES.find(([type]) => array instanceof type);
  assert(found !== undefined, "constant of an unknown array type");
  return found[1];
}

/**
 *     const builder = new GraphBuilder("line");
 *     const x = builder.input("x", "float32", ["rows", 3]);
 *     const w = builder.input("w", "float32", [1, 3]);
 *     const loss = reduceMean(matmul(x, w, { transB: true }));
 *     builder.output("loss", loss);
 *     builder.output("dw", gradients(loss, [w])[0]!);
 *     const session = await createSession(builder.build());
 *
 * Collects a network. Each op function adds nodes to the builder of its operands; build() returns what the
 * declared outputs need. Throws invalid_graph for names used twice and for tensors of another builder.
 */
export class GraphBuilder {
  readonly name: string;
  readonly #names = new Set<string>();
  readonly #inputs: Tensor[] = [];
  readonly #initializers = new Map<number, Initializer>();
  readonly #constants = new Map<string, Tensor>();
  readonly #outputs = new Map<string, Tensor>();
  readonly #nodes: OpNode[] = [];
  readonly #producers = new Map<number, OpNode>();
  readonly #symbols = new Map<string, { tensor: Tensor; axis: number }>();
  #nextId = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** A value fed at every run. Named sizes in `shape` become known to the whole graph. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    const tensor = this.#tensor(name, dtype, shape.map(canonicalDim));
    tensor.shape.forEach((dim, axis) => {
      const isName = typeof dim === "string" && parseDim(dim).get(dim) === 1 && !dim.includes("*");
      if (isName && !this.#symbols.has(dim)) this.#symbols.set(dim, { tensor, axis });
    });
    this.#inputs.push(tensor);
    return tensor;
  }

  /**
   * A constant: a number is a scalar (float32 unless `dtype` says otherwise), a list a vector unless
   * `dims` says otherwise.
   */
  constant(data: TensorArray | number | readonly number[], dtype?: DType, dims?: readonly number[]): Tensor {
    const isTyped = ArrayBuffer.isView(data);
    const array: TensorArray = isTyped ? data : arrayOf(typeof data === "number" ? [data] : data, dtype ?? "float32");
    const type = dtype ?? (isTyped ? dtypeOf(array) : "float32");
    const shape = dims ?? (typeof data === "number" ? [] : [array.length]);
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (size !== array.length) {
      fail("shape_mismatch", `constant: shape [${shape.join(", ")}] holds ${size} values, got ${array.length}`);
    }
    const shared = array.length <= SHARED_CONSTANT_ELEMENTS;
    const key = shared ? `${type}:${shape.join(",")}:${bytesKey(array)}` : "";
    const known = shared ? this.#constants.get(key) : undefined;
    if (known !== undefined) return known;
    const tensor = this.#addInitializer(`constant_${this.#nextId}`, { dtype: type, dims: shape, data: array });
    if (shared) this.#constants.set(key, tensor);
    return tensor;
  }

  /** A named weight, in the model, made later, or in a file beside it. */
  initializer(name: string, tensor: TensorData | LazyInitializer | ExternalInitializer): Tensor {
    return this.#addInitializer(name, tensor);
  }

  output(name: string, tensor: Tensor): void {
    this.#checkOwn("output", tensor);
    if (this.#outputs.has(name)) fail("invalid_graph", `output "${name}" is declared twice`);
    this.#outputs.set(name, tensor);
  }

  /** Appends one op and returns its outputs. Op functions call this; networks call op functions. */
  emit<P>(definition: OpDefinition<P>, inputs: readonly Tensor[], params: P): readonly Tensor[] {
    assert(definition.onnx !== null, `${definition.name} is composed`);
    return this.#append(definition, inputs, params, { inner: [] });
  }

  /** Appends an op that is written as other ops (`write`) but differentiated by its own rule. */
  compose<P>(definition: OpDefinition<P>, inputs: readonly Tensor[], params: P, write: () => Composition): Tensor {
    assert(definition.onnx === null, `${definition.name} is one operator`);
    definition.infer(inputs, params);
    return this.#append(definition, inputs, params, write())[0]!;
  }

  /** The op that made a tensor, or null for inputs, constants and weights. */
  producer(tensor: Tensor): OpNode | null {
    return this.#producers.get(tensor.id) ?? null;
  }

  get nodes(): readonly OpNode[] {
    return this.#nodes;
  }

  /** The input and axis at which a run learns the size called `name`. */
  symbolSource(name: string): { readonly tensor: Tensor; readonly axis: number } {
    const source = this.#symbols.get(name);
    if (source === undefined) fail("invalid_graph", `size "${name}" is not the size of any input of ${this.name}`);
    return source;
  }

  /** The finished model: inputs in declared order, only the nodes that outputs need. */
  build(metadata: Readonly<Record<string, string>> = {}): GraphModel {
    if (this.#outputs.size === 0) fail("invalid_graph", `graph ${this.name} has no outputs`);
    const used = this.#reachable();
    const names = new Map<number, string>();
    const identities: GraphNode[] = [];
    for (const [name, tensor] of this.#outputs) {
      const source = this.#resolve(tensor);
      if (this.#producers.has(source.id) && !names.has(source.id)) names.set(source.id, name);
      else identities.push(identityNode(names.get(source.id) ?? source.name, name));
    }
    const nameOf = (tensor: Tensor): string => {
      const source = this.#resolve(tensor);
      return names.get(source.id) ?? source.name;
    };
    const nodes = this.#nodes
      .filter((node) => node.definition.onnx !== null && node.outputs.some((output) => used.has(output.id)))
      .map((node) => graphNode(node, used, nameOf));
    const valueInfo = (name: string, { dtype, shape }: Tensor) => ({ name, dtype, shape });
    return {
      name: this.name,
      irVersion: IR_VERSION,
      opsets: OPSETS,
      inputs: this.#inputs.map((tensor) => valueInfo(tensor.name, tensor)),
      outputs: [...this.#outputs].map(([name, tensor]) => valueInfo(name, tensor)),
      initializers: [...this.#initializers].filter(([id]) => used.has(id)).map(([, initializer]) => initializer),
      nodes: [...nodes, ...identities],
      metadata,
    };
  }

  #append<P>(
    definition: OpDefinition<P>,
    inputs: readonly Tensor[],
    params: P,
    composition: Composition,
  ): readonly Tensor[] {
    for (const input of inputs) this.#checkOwn(definition.name, input);
    const { inner, saved = [] } = composition;
    const types = definition.infer(inputs, params);
    assert(
      inner.every((t, i) => sameShape(t.shape, types[i]!.shape)),
      `${definition.name} composes another shape`,
    );
    const index = this.#nodes.length;
    const base = `${definition.name}_${index}`;
    const outputs = types.map(({ dtype, shape }, i) => this.#tensor(i === 0 ? base : `${base}:${i}`, dtype, shape));
    const node: OpNode = { definition, index, inputs, outputs, params, inner, saved };
    this.#nodes.push(node);
    for (const output of outputs) this.#producers.set(output.id, node);
    return outputs;
  }

  #tensor(name: string, dtype: DType, shape: Shape): Tensor {
    if (this.#names.has(name)) fail("invalid_graph", `value "${name}" is defined twice in graph ${this.name}`);
    this.#names.add(name);
    return { builder: this, name, dtype, shape, id: this.#nextId++ };
  }

  #addInitializer(name: string, value: TensorData | LazyInitializer | ExternalInitializer): Tensor {
    const tensor = this.#tensor(name, value.dtype, value.dims as readonly Dim[]);
    this.#initializers.set(tensor.id, { name, ...value });
    return tensor;
  }

  #checkOwn(op: string, tensor: Tensor): void {
    if (tensor.builder !== this)
      fail("invalid_graph", `${op}: "${tensor.name}" belongs to graph ${tensor.builder.name}`);
  }

  /** Follows composed ops to the tensor that really exists in the file. */
  #resolve(tensor: Tensor): Tensor {
    let current = tensor;
    for (;;) {
      const node = this.#producers.get(current.id);
      if (node === undefined || node.definition.onnx !== null) return current;
      current = node.inner[node.outputs.indexOf(current)]!;
    }
  }

  /** Ids of all real tensors that the outputs depend on. */
  #reachable(): ReadonlySet<number> {
    const used = new Set<number>();
    const stack = [...this.#outputs.values()];
    for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
      const source = this.#resolve(tensor);
      if (used.has(source.id)) continue;
      used.add(source.id);
      stack.push(...(this.#producers.get(source.id)?.inputs ?? []));
    }
    return used;
  }
}

function bytesKey(array: TensorArray): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
}

const identityNode = (input: string, output: string): GraphNode => ({
  op: "Identity",
  domain: "",
  name: `identity_${output}`,
  inputs: [input],
  outputs: [output],
  attributes: {},
});

function graphNode(node: OpNode, used: ReadonlySet<number>, nameOf: (tensor: Tensor) => string): GraphNode {
  const { definition, index, params } = node;
  const optional = definition.optionalOutputs === true;
  const outputs = node.outputs.map((output) => (optional && !used.has(output.id) ? "" : nameOf(output)));
  while (outputs.at(-1) === "") outputs.pop();
  return {
    op: definition.onnx!,
    domain: definition.domain,
    name: `${definition.name}_${index}`,
    inputs: node.inputs.map(nameOf),
    outputs,
    attributes: definition.attributes(params),
  };
}
