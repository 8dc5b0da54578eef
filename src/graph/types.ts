/**
 * The plain data that the graph module works on: element types, shapes, and `GraphModel`, the network
 * as nodes over named values. Authoring makes a GraphModel, passes rewrite it, the codec turns it into
 * ONNX bytes and back, a session runs it.
 */

/** Element types, by their ONNX names. */
export type DType = "float32" | "float64" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** A known size, or the name of one that is known only when the graph runs; "" is one without a name. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** float16 travels as its bits (Node 20 has no Float16Array); bool as one byte. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
/** The array behind a tensor of any element type. */
export type TensorArray = TypedArrayOf[DType];

/** A concrete tensor: row-major data with its sizes. */
export interface TensorData {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TensorArray;
}

/** A parameter of a node, fixed when the graph is written. */
export type AttributeValue =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: TensorData };

/** One operator applied to named values. */
export interface GraphNode {
  readonly op: string;
  /** "" is the ONNX domain; "com.microsoft" holds ORT's own operators. */
  readonly domain: string;
  readonly name: string;
  /** Value names; "" stands for an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Name and type of a value of the graph. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where an initializer's bytes lie when they are not in the model file. */
export interface ExternalLocation {
  /** File name relative to the model file's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant or weight of the graph. */
export interface Initializer {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Exactly one of `data`, `load` and `external` is set. */
  readonly data?: TensorArray;
  /** Makes the data when it is needed and keeps nothing, so that a model may be larger than free memory. */
  readonly load?: () => TensorArray;
  /**
   * Says which bytes `load` makes without making them: two initializers that have the same one have the same bytes.
   * Absent: only the bytes say.
   */
  readonly identity?: string;
  readonly external?: ExternalLocation;
}

/** A whole network: what the codec writes and a session runs. */
export interface GraphModel {
  readonly name: string;
  readonly irVersion: number;
  /** Domain to version, e.g. { "": 21, "com.microsoft": 1 }. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly Initializer[];
  /** In topological order. */
  readonly nodes: readonly GraphNode[];
  readonly metadata: Readonly<Record<string, string>>;
}
