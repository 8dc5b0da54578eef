/**
 * ONNX bytes to GraphModel, for files from anywhere: what ORT writes, what exporters write, what damage
 * leaves. Either a model comes back or a PunctualError whose `param` is the path of the field at fault:
 * `invalid_file` for what is not ONNX, `unsupported` for ONNX that a GraphModel has no form for (subgraphs,
 * functions, sparse tensors, strings, element types that JavaScript cannot hold).
 *
 * Not a checker of graphs: whether names resolve and operators exist is ORT's to say.
 * Invariant: memory stays within a constant factor of the file's size; nothing recurses, so depth is bounded.
 */
import type {
  AttributeValue,
  DType,
  ExternalLocation,
  GraphModel,
  GraphNode,
  Initializer,
  TensorArray,
  TensorData,
  ValueInfo,
} from "../types.ts";
import { arrayFromBytes, describeCode, DTYPES, dtypeOfCode } from "./dtypes.ts";
import { readEntry, wholeNumber } from "./entries.ts";
import { ProtoReader } from "./reader.ts";
import {
  ATTRIBUTE,
  ATTRIBUTE_TYPE,
  DATA_LOCATION_EXTERNAL,
  DIMENSION,
  GRAPH,
  MODEL,
  NODE,
  OPSET,
  SHAPE,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
} from "./schema.ts";

/**
 * What decoding one file may cost, so that damage or malice stays cheap. Beyond any of them decodeOnnx throws
 * `invalid_file`.
 */
export interface DecodeLimits {
  /** Bytes of the file. Protocol buffers end at 2 GiB. */
  readonly fileBytes: number;
  /**
   * Nodes, attributes, names, list elements and so on, together. Two bytes of file can ask for an object of
   * some 200 bytes; four million are a gigabyte at worst, and ten times what the largest exports need.
   */
  readonly items: number;
  /** Sizes of one tensor. ORT itself handles far fewer. */
  readonly rank: number;
}

/** What decodeOnnx allows where its caller sets no limit. */
export const DECODE_LIMITS: DecodeLimits = { fileBytes: 2 ** 31 - 1, items: 4_000_000, rank: 64 };

/** Decodes a model. Initializers are views of `bytes` where alignment allows it. Throws `invalid_file`, `unsupported`. */
export function decodeOnnx(bytes: Uint8Array, limits: Partial<DecodeLimits> = {}): GraphModel {
  const all = { ...DECODE_LIMITS, ...limits };
  const reader: ProtoReader = new ProtoReader(bytes, { left: all.items, limit: all.items }, "");
  if (bytes.byteLength > all.fileBytes) {
    reader.invalid(`the file has ${bytes.byteLength} bytes, the limit is ${all.fileBytes}`);
  }
  let irVersion = 0;
  const opsets = new Map<string, number>();
  const metadata = new Map<string, string>();
  let graph: Graph | undefined;
  while (reader.next()) {
    if (reader.field === MODEL.irVersion) irVersion = reader.int("ir_version");
    else if (reader.field === MODEL.graph) {
      if (graph !== undefined) reader.invalid("a model has one graph", "graph");
      graph = readGraph(reader.child("graph"), all);
    } else if (reader.field === MODEL.opsetImport) readOpset(reader.child(`opset_import[${opsets.size}]`), opsets);
    else if (reader.field === MODEL.metadataProps) {
      const [key, value] = readEntry(reader.child(`metadata_props[${metadata.size}]`));
      metadata.set(key, value);
    } else if (reader.field === MODEL.functions) reader.unsupported("model-local functions", "functions");
    else reader.skip();
  }
  if (graph === undefined) reader.invalid("the file has no graph", "graph");
  if (irVersion <= 0) reader.invalid("missing or not positive", "ir_version");
  return { ...graph, irVersion, opsets: Object.fromEntries(opsets), metadata: Object.fromEntries(metadata) };
}

type Graph = Pick<GraphModel, "name" | "inputs" | "outputs" | "initializers" | "nodes">;

function readOpset(reader: ProtoReader, opsets: Map<string, number>): void {
  let domain = "";
  let version = 0;
  while (reader.next()) {
    if (reader.field === OPSET.domain) domain = reader.string("domain");
    else if (reader.field === OPSET.version) version = reader.int("version");
    else reader.skip();
  }
  // Two spellings of the standard domain.
  opsets.set(domain === "ai.onnx" ? "" : domain, version);
}

function readGraph(reader: ProtoReader, limits: DecodeLimits): Graph {
  let name = "";
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initializers: Initializer[] = [];
  const nodes: GraphNode[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case GRAPH.node:
        nodes.push(readNode(reader.child(`node[${nodes.length}]`), limits));
        break;
      case GRAPH.name:
        name = reader.string("name");
        break;
      case GRAPH.initializer:
        initializers.push(readTensor(reader.child(`initializer[${initializers.length}]`), limits));
        break;
      case GRAPH.input:
        inputs.push(readValueInfo(reader.child(`input[${inputs.length}]`), limits));
        break;
      case GRAPH.output:
        outputs.push(readValueInfo(reader.child(`output[${outputs.length}]`), limits));
        break;
      case GRAPH.sparseInitializer:
        reader.unsupported("sparse tensors", "sparse_initializer");
      default:
        reader.skip();
    }
  }
  return { name, inputs, outputs, initializers, nodes };
}

function readNode(reader: ProtoReader, limits: DecodeLimits): GraphNode {
  let op = "";
  let domain = "";
  let name = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, AttributeValue>();
  while (reader.next()) {
    switch (reader.field) {
      case NODE.input:
        reader.spend("input");
        inputs.push(reader.string(`input[${inputs.length}]`));
        break;
      case NODE.output:
        reader.spend("output");
        outputs.push(reader.string(`output[${outputs.length}]`));
        break;
      case NODE.name:
        name = reader.string("name");
        break;
      case NODE.opType:
        op = reader.string("op_type");
        break;
      case NODE.domain:
        domain = reader.string("domain");
        break;
      case NODE.attribute: {
        const [key, value] = readAttribute(reader.child(`attribute[${attributes.size}]`), limits);
        if (attributes.has(key)) reader.invalid(`the attribute ${key} is there twice`, "attribute");
        attributes.set(key, value);
        break;
      }
      case NODE.overload:
        if (reader.string("overload") !== "") reader.unsupported("overloaded functions", "overload");
        break;
      default:
        reader.skip();
    }
  }
  if (op === "") reader.invalid("a node needs an operator", "op_type");
  const standard = domain === "ai.onnx" ? "" : domain;
  return { op, domain: standard, name, inputs, outputs, attributes: Object.fromEntries(attributes) };
}

/** The fields of an AttributeProto, of which the type says which one counts. */
interface AttributeFields {
  name: string;
  type: number;
  float: number | undefined;
  int: number | undefined;
  string: string | undefined;
  tensor: TensorData | undefined;
  readonly floats: number[];
  readonly ints: number[];
  readonly strings: string[];
}

function readAttribute(reader: ProtoReader, limits: DecodeLimits): [name: string, value: AttributeValue] {
  const fields: AttributeFields = {
    name: "",
    type: 0,
    float: undefined,
    int: undefined,
    string: undefined,
    tensor: undefined,
    floats: [],
    ints: [],
    strings: [],
  };
  while (reader.next()) readAttributeField(reader, fields, limits);
  if (fields.name === "") reader.invalid("an attribute needs a name", "name");
  return [fields.name, attributeValue(reader, fields)];
}

function readAttributeField(reader: ProtoReader, fields: AttributeFields, limits: DecodeLimits): void {
  switch (reader.field) {
    case ATTRIBUTE.name:
      fields.name = reader.string("name");
      break;
    case ATTRIBUTE.f:
      fields.float = reader.float("f");
      break;
    case ATTRIBUTE.i:
      fields.int = reader.int("i");
      break;
    case ATTRIBUTE.s:
      fields.string = reader.string("s");
      break;
    case ATTRIBUTE.t:
      fields.tensor = readAttributeTensor(reader.child("t"), limits);
      break;
    case ATTRIBUTE.floats:
      reader.eachFloat("floats", 4, (value) => {
        reader.spend("floats");
        fields.floats.push(value);
      });
      break;
    case ATTRIBUTE.ints:
      reader.eachInt("ints", (value) => fields.ints.push(value));
      break;
    case ATTRIBUTE.strings:
      reader.spend("strings");
      fields.strings.push(reader.string("strings"));
      break;
    case ATTRIBUTE.type:
      fields.type = reader.int("type");
      break;
    case ATTRIBUTE.g:
      reader.unsupported("subgraphs (If, Loop, Scan)", "g");
    case ATTRIBUTE.refAttrName:
      if (reader.string("ref_attr_name") !== "") reader.unsupported("attribute references", "ref_attr_name");
      break;
    default:
      reader.skip();
  }
}

function attributeValue(reader: ProtoReader, fields: AttributeFields): AttributeValue {
  switch (fields.type === 0 ? impliedType(fields) : fields.type) {
    // proto3 writers leave out zero and the empty string.
    case ATTRIBUTE_TYPE.float:
      return { kind: "float", value: fields.float ?? 0 };
    case ATTRIBUTE_TYPE.int:
      return { kind: "int", value: fields.int ?? 0 };
    case ATTRIBUTE_TYPE.string:
      return { kind: "string", value: fields.string ?? "" };
    case ATTRIBUTE_TYPE.tensor:
      if (fields.tensor === undefined) reader.invalid("the tensor is missing", "t");
      return { kind: "tensor", value: fields.tensor };
    case ATTRIBUTE_TYPE.floats:
      return { kind: "floats", value: fields.floats };
    case ATTRIBUTE_TYPE.ints:
      return { kind: "ints", value: fields.ints };
    case ATTRIBUTE_TYPE.strings:
      return { kind: "strings", value: fields.strings };
    default:
      reader.unsupported(`attribute type ${fields.type}`, "type");
  }
}

/** IR versions before 2 had no type field: the one field that is set tells. */
function impliedType(fields: AttributeFields): number {
  if (fields.float !== undefined) return ATTRIBUTE_TYPE.float;
  if (fields.int !== undefined) return ATTRIBUTE_TYPE.int;
  if (fields.string !== undefined) return ATTRIBUTE_TYPE.string;
  if (fields.tensor !== undefined) return ATTRIBUTE_TYPE.tensor;
  if (fields.floats.length > 0) return ATTRIBUTE_TYPE.floats;
  if (fields.strings.length > 0) return ATTRIBUTE_TYPE.strings;
  return ATTRIBUTE_TYPE.ints;
}

function readAttributeTensor(reader: ProtoReader, limits: DecodeLimits): TensorData {
  const { dtype, dims, data } = readTensor(reader, limits);
  if (data === undefined) reader.unsupported("an attribute with external data", "external_data");
  return { dtype, dims, data };
}

function readTensor(reader: ProtoReader, limits: DecodeLimits): Initializer {
  let name = "";
  let code = 0;
  let raw: Uint8Array | undefined;
  let isExternal = false;
  const dims: number[] = [];
  const entries = new Map<string, string>();
  const typed = reader.again();
  while (reader.next()) {
    switch (reader.field) {
      case TENSOR.dims:
        reader.eachInt("dims", (dim) => {
          if (dim < 0) reader.invalid(`a size of ${dim}`, "dims");
          if (dims.push(dim) > limits.rank) reader.invalid(`more than ${limits.rank} sizes`, "dims");
        });
        break;
      case TENSOR.dataType:
        code = reader.int("data_type");
        break;
      case TENSOR.name:
        name = reader.string("name");
        break;
      case TENSOR.rawData:
        raw = reader.bytes("raw_data");
        break;
      case TENSOR.externalData: {
        const [key, value] = readEntry(reader.child(`external_data[${entries.size}]`));
        entries.set(key, value);
        break;
      }
      case TENSOR.dataLocation:
        isExternal = reader.int("data_location") === DATA_LOCATION_EXTERNAL;
        break;
      case TENSOR.segment:
        reader.unsupported("tensors in segments", "segment");
      default:
        reader.skip();
    }
  }
  const dtype = dtypeOfCode(code);
  if (dtype === undefined) reader.unsupported(`element type ${describeCode(code)}`, "data_type");
  const count = countOf(reader, dims, dtype);
  if (isExternal)
    return { name, dtype, dims, external: externalLocation(reader, entries, count * DTYPES[dtype].bytes) };
  const data = raw === undefined ? readTypedData(typed, dtype, count) : rawArray(reader, dtype, raw, count);
  return { name, dtype, dims, data };
}

function countOf(reader: ProtoReader, dims: readonly number[], dtype: DType): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  if (!Number.isSafeInteger(count * DTYPES[dtype].bytes)) reader.invalid(`[${dims.join(", ")}] is no size`, "dims");
  return count;
}

function rawArray(reader: ProtoReader, dtype: DType, raw: Uint8Array, count: number): TensorArray {
  const expected = count * DTYPES[dtype].bytes;
  if (raw.byteLength !== expected) {
    reader.invalid(`${dtype} data of ${count} elements has ${raw.byteLength} bytes, not ${expected}`, "raw_data");
  }
  return arrayFromBytes(dtype, raw);
}

/** The data of a tensor without raw_data: small exporters' tensors, as lists of numbers. */
function readTypedData(reader: ProtoReader, dtype: DType, count: number): TensorArray {
  // An element takes at least one byte, so a short message cannot ask for a large array.
  if (count > reader.byteLength) reader.invalid(`${count} elements do not fit in ${reader.byteLength} bytes`, "dims");
  const data = new DTYPES[dtype].array(count);
  let filled = 0;
  const put = (value: number): void => {
    if (filled < count) (data as Float32Array)[filled] = value;
    filled += 1;
  };
  const words = dtype === "int64" ? new Int32Array(data.buffer) : undefined;
  while (reader.next()) {
    if (reader.field === TENSOR.floatData && dtype === "float32") reader.eachFloat("float_data", 4, put);
    else if (reader.field === TENSOR.doubleData && dtype === "float64") reader.eachFloat("double_data", 8, put);
    else if (reader.field === TENSOR.int64Data && words !== undefined) {
      reader.eachVarint("int64_data", (low, high) => {
        if (filled < count) {
          words[filled * 2] = low;
          words[filled * 2 + 1] = high;
        }
        filled += 1;
      });
    } else if (reader.field === TENSOR.int32Data && isStoredAsInt32(dtype)) {
      reader.eachVarint("int32_data", (low) => put(low | 0));
    } else reader.skip();
  }
  if (filled !== count) reader.invalid(`${count} elements expected, the file has ${filled}`, "data");
  return data;
}

function isStoredAsInt32(dtype: DType): boolean {
  return dtype === "int32" || dtype === "int8" || dtype === "uint8" || dtype === "bool" || dtype === "float16";
}

function externalLocation(
  reader: ProtoReader,
  entries: ReadonlyMap<string, string>,
  expected: number,
): ExternalLocation {
  const location = entries.get("location");
  if (location === undefined || location === "") reader.invalid("the location is missing", "external_data");
  // The name goes to the file system: it must stay in the model's folder.
  if (/^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[\0*]/.test(location)) {
    reader.invalid(`${JSON.stringify(location)} leaves the model's folder`, "external_data");
  }
  const offset = wholeNumber(reader, entries.get("offset") ?? "0");
  const length = wholeNumber(reader, entries.get("length") ?? String(expected));
  if (length !== expected) reader.invalid(`the data has ${length} bytes, not ${expected}`, "external_data");
  return { location, offset, length };
}

function readValueInfo(reader: ProtoReader, limits: DecodeLimits): ValueInfo {
  let name = "";
  let tensor: Pick<ValueInfo, "dtype" | "shape"> | undefined;
  while (reader.next()) {
    if (reader.field === VALUE_INFO.name) name = reader.string("name");
    else if (reader.field === VALUE_INFO.type) tensor = readType(reader.child("type"), limits);
    else reader.skip();
  }
  if (name === "") reader.invalid("an input or output needs a name", "name");
  if (tensor === undefined) reader.invalid("the type is missing", "type");
  return { name, ...tensor };
}

function readType(reader: ProtoReader, limits: DecodeLimits): Pick<ValueInfo, "dtype" | "shape"> {
  let tensor: Pick<ValueInfo, "dtype" | "shape"> | undefined;
  while (reader.next()) {
    if (reader.field === TYPE.tensorType) tensor = readTensorType(reader.child("tensor_type"), limits);
    else reader.skip();
  }
  if (tensor === undefined) reader.unsupported("a value that is not a dense tensor");
  return tensor;
}

function readTensorType(reader: ProtoReader, limits: DecodeLimits): Pick<ValueInfo, "dtype" | "shape"> {
  let code = 0;
  let shape: (number | string)[] | undefined;
  while (reader.next()) {
    if (reader.field === TENSOR_TYPE.elemType) code = reader.int("elem_type");
    else if (reader.field === TENSOR_TYPE.shape) shape = readShape(reader.child("shape"), limits);
    else reader.skip();
  }
  const dtype = dtypeOfCode(code);
  if (dtype === undefined) reader.unsupported(`element type ${describeCode(code)}`, "elem_type");
  if (shape === undefined) reader.unsupported("a tensor of unknown rank", "shape");
  return { dtype, shape };
}

function readShape(reader: ProtoReader, limits: DecodeLimits): (number | string)[] {
  const shape: (number | string)[] = [];
  while (reader.next()) {
    if (reader.field !== SHAPE.dim) {
      reader.skip();
      continue;
    }
    const dim = reader.child(`dim[${shape.length}]`);
    let size: number | string = "";
    while (dim.next()) {
      if (dim.field === DIMENSION.value) size = dim.int("dim_value");
      else if (dim.field === DIMENSION.param) size = dim.string("dim_param");
      else dim.skip();
    }
    // Some exporters write a negative size for one that is not known.
    shape.push(typeof size === "number" && size < 0 ? "" : size);
    if (shape.length > limits.rank) reader.invalid(`more than ${limits.rank} sizes`, "dim");
  }
  return shape;
}
