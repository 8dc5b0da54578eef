/**
 * Symbolic tensors and the nodes that make them. A Tensor is a name with a type inside one
 * GraphBuilder: it holds no numbers. An OpDefinition is what authoring knows of an operator (its ONNX
 * name and its shape rule); the gradient rule stands next to it in table.ts.
 */
import type { GraphBuilder } from "./builder.ts";
import type { AttributeValue, DType, Shape } from "./types.ts";

/** A value of a graph under construction; it belongs to one builder. */
export interface Tensor {
  readonly builder: GraphBuilder;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Unique within the builder, growing in order of creation. */
  readonly id: number;
}

/** Where a tensor is wanted a number will do: it becomes a scalar of the other operand's type. */
export type Operand = Tensor | number;

/** What a shape rule says of one output. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What authoring knows of an operator whose parameters are P. */
export interface OpDefinition<P> {
  readonly name: string;
  /** The ONNX operator, or null for an op that is written as other ops but has its own gradient rule. */
  readonly onnx: string | null;
  readonly domain: "" | "com.microsoft";
  /** True when outputs after the first may be left out of the file if nothing reads them. */
  readonly optionalOutputs?: boolean;
  /** Types of the outputs; fails with shape_mismatch or invalid_graph, naming the op. */
  infer(inputs: readonly Tensor[], params: P): readonly TensorType[];
  attributes(params: P): Readonly<Record<string, AttributeValue>>;
}

/** One application of an op. Nodes of a builder are in topological order by construction. */
export interface OpNode {
  readonly definition: OpDefinition<unknown>;
  readonly index: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly params: unknown;
  /** For a composed op: the tensors that its outputs stand for, and what its gradient rule wants to reuse. */
  readonly inner: readonly Tensor[];
  readonly saved: readonly Tensor[];
}

/** Parameters of an op that has none. */
export type None = Readonly<Record<string, never>>;
export const NONE: None = {};

export const intAttribute = (value: number): AttributeValue => ({ kind: "int", value });
export const floatAttribute = (value: number): AttributeValue => ({ kind: "float", value });
export const stringAttribute = (value: string): AttributeValue => ({ kind: "string", value });
export const intsAttribute = (value: readonly number[]): AttributeValue => ({ kind: "ints", value });
export const noAttributes = (): Readonly<Record<string, AttributeValue>> => ({});

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64" || dtype === "float16";
