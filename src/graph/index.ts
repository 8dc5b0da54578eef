/** graph: networks as data, from authoring to running. Imports core only; the native runtime loads on first use. */
export type {
  AttributeValue,
  Dim,
  DType,
  ExternalLocation,
  GraphModel,
  GraphNode,
  Initializer,
  Shape,
  TensorArray,
  TensorData,
  TypedArrayOf,
  ValueInfo,
} from "./types.ts";
export { encodeOnnx } from "./onnx/encode.ts";
export { createSession, type Feeds, type Fetched, type Session, type SessionOptions } from "./session.ts";
