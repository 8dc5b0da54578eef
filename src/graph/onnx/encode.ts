/**
 * GraphModel to ONNX bytes (ModelProto). Not a checker: a graph that ORT would refuse is encoded as it is.
 *
 * Invariant: decodeOnnx(encodeOnnx(model)) equals model, with lazily loaded initializers turned into data.
 */
import { fail } from "../../core/index.ts";
import type {
  AttributeValue,
  GraphModel,
  GraphNode,
  Initializer,
  TensorArray,
  TensorData,
  ValueInfo,
} from "../types.ts";
import { bytesOf, DTYPES, elementCount } from "./dtypes.ts";
import {
  ATTRIBUTE,
  ATTRIBUTE_TYPE,
  DATA_LOCATION_EXTERNAL,
  DIMENSION,
  ENTRY,
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
import { ProtoWriter } from "./writer.ts";

/** The format's own ceiling: a serialised message must stay below 2 GiB. Larger models keep weights outside. */
export const ONNX_FILE_BYTES_MAX = 2 ** 31 - 1;

/**
 * The model as the bytes of an .onnx file. Initializers with `external` stay references, all others go inside.
 * Throws `unsupported` from 2 GiB on (use writeModelFiles), `invalid_graph` when data and sizes disagree.
 */
export function encodeOnnx(model: GraphModel): Uint8Array {
  const writer = new ProtoWriter();
  writer.int(MODEL.irVersion, model.irVersion);
  writer.string(MODEL.producerName, "punctual");
  writer.message(MODEL.graph, (graph) => writeGraph(graph, model));
  for (const [domain, version] of Object.entries(model.opsets)) {
    writer.message(MODEL.opsetImport, (entry) => {
      entry.string(OPSET.domain, domain);
      entry.int(OPSET.version, version);
    });
  }
  for (const [key, value] of Object.entries(model.metadata)) writeEntry(writer, MODEL.metadataProps, key, value);
  if (writer.byteLength > ONNX_FILE_BYTES_MAX) {
    fail(
      "unsupported",
      `an ONNX file holds at most 2 GiB, the model has ${writer.byteLength} bytes: write it as a folder`,
    );
  }
  return writer.toBytes();
}

/** The data of an initializer that has some; checks it against the sizes. Throws `invalid_graph`. */
export function initializerData(initializer: Initializer): TensorArray | undefined {
  const data = initializer.data ?? initializer.load?.();
  if (data === undefined) return undefined;
  checkTensor({ dtype: initializer.dtype, dims: initializer.dims, data }, initializer.name);
  return data;
}

function checkTensor(tensor: TensorData, name: string): void {
  const { array } = DTYPES[tensor.dtype];
  if (!(tensor.data instanceof array)) {
    fail(
      "invalid_graph",
      `tensor ${name}: ${tensor.dtype} needs a ${array.name}, got ${tensor.data.constructor.name}`,
      {
        param: name,
      },
    );
  }
  const count = elementCount(tensor.dims);
  if (tensor.data.length !== count) {
    fail(
      "invalid_graph",
      `tensor ${name}: [${tensor.dims.join(", ")}] is ${count} elements, the data has ${tensor.data.length}`,
      {
        param: name,
      },
    );
  }
}

function writeGraph(writer: ProtoWriter, model: GraphModel): void {
  for (const node of model.nodes) writer.message(GRAPH.node, (inner) => writeNode(inner, node));
  writer.string(GRAPH.name, model.name);
  for (const initializer of model.initializers) {
    writer.message(GRAPH.initializer, (inner) => writeInitializer(inner, initializer));
  }
  for (const input of model.inputs) writer.message(GRAPH.input, (inner) => writeValueInfo(inner, input));
  for (const output of model.outputs) writer.message(GRAPH.output, (inner) => writeValueInfo(inner, output));
}

function writeNode(writer: ProtoWriter, node: GraphNode): void {
  for (const input of node.inputs) writer.string(NODE.input, input);
  for (const output of node.outputs) writer.string(NODE.output, output);
  if (node.name !== "") writer.string(NODE.name, node.name);
  writer.string(NODE.opType, node.op);
  for (const [name, value] of Object.entries(node.attributes)) {
    writer.message(NODE.attribute, (inner) => writeAttribute(inner, name, value));
  }
  if (node.domain !== "") writer.string(NODE.domain, node.domain);
}

function writeAttribute(writer: ProtoWriter, name: string, attribute: AttributeValue): void {
  writer.string(ATTRIBUTE.name, name);
  switch (attribute.kind) {
    case "float":
      writer.float(ATTRIBUTE.f, attribute.value);
      break;
    case "int":
      writer.int(ATTRIBUTE.i, attribute.value);
      break;
    case "string":
      writer.string(ATTRIBUTE.s, attribute.value);
      break;
    case "tensor":
      checkTensor(attribute.value, name);
      writer.message(ATTRIBUTE.t, (inner) => {
        writeTensorHead(inner, attribute.value.dims, DTYPES[attribute.value.dtype].code, "");
        inner.bytes(TENSOR.rawData, bytesOf(attribute.value.data));
      });
      break;
    case "floats":
      for (const value of attribute.value) writer.float(ATTRIBUTE.floats, value);
      break;
    case "ints":
      for (const value of attribute.value) writer.int(ATTRIBUTE.ints, value);
      break;
    case "strings":
      for (const value of attribute.value) writer.string(ATTRIBUTE.strings, value);
      break;
    default:
      attribute satisfies never;
  }
  writer.int(ATTRIBUTE.type, ATTRIBUTE_TYPE[attribute.kind]);
}

function writeTensorHead(writer: ProtoWriter, dims: readonly number[], code: number, name: string): void {
  for (const dim of dims) writer.int(TENSOR.dims, dim);
  writer.int(TENSOR.dataType, code);
  if (name !== "") writer.string(TENSOR.name, name);
}

function writeInitializer(writer: ProtoWriter, initializer: Initializer): void {
  const { name, dims, dtype, external } = initializer;
  writeTensorHead(writer, dims, DTYPES[dtype].code, name);
  if (external !== undefined) {
    writeEntry(writer, TENSOR.externalData, "location", external.location);
    writeEntry(writer, TENSOR.externalData, "offset", String(external.offset));
    writeEntry(writer, TENSOR.externalData, "length", String(external.length));
    writer.int(TENSOR.dataLocation, DATA_LOCATION_EXTERNAL);
    return;
  }
  const data = initializerData(initializer);
  if (data === undefined) fail("invalid_graph", `initializer ${name} has no data`, { param: name });
  writer.bytes(TENSOR.rawData, bytesOf(data));
}

function writeEntry(writer: ProtoWriter, field: number, key: string, value: string): void {
  writer.message(field, (entry) => {
    entry.string(ENTRY.key, key);
    entry.string(ENTRY.value, value);
  });
}

function writeValueInfo(writer: ProtoWriter, info: ValueInfo): void {
  writer.string(VALUE_INFO.name, info.name);
  writer.message(VALUE_INFO.type, (type) => {
    type.message(TYPE.tensorType, (tensor) => {
      tensor.int(TENSOR_TYPE.elemType, DTYPES[info.dtype].code);
      tensor.message(TENSOR_TYPE.shape, (shape) => {
        for (const dim of info.shape) {
          shape.message(SHAPE.dim, (inner) => {
            if (typeof dim === "number") inner.int(DIMENSION.value, dim);
            else if (dim !== "") inner.string(DIMENSION.param, dim);
          });
        }
      });
    });
  });
}
