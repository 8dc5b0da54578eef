/**
 * Matrix products. One function, matmul; a transposed float32 product becomes the runtime's FusedMatMul,
 * which reads its operand in place, other types transpose first (FusedMatMul has only a float32 kernel).
 */
import { broadcast, checkDtype, checkSameDtype, shapeMismatch } from "../shapes.ts";
import {
  floatAttribute,
  intAttribute,
  NONE,
  noAttributes,
  type None,
  type OpDefinition,
  type Tensor,
} from "../tensor.ts";
import type { DType, Shape } from "../types.ts";
import { mul } from "./elementwise.ts";
import { transpose } from "./layout.ts";

/** How the operands of a product are stored. */
export interface MatmulOptions {
  /** Exchange the last two axes of a. */
  readonly transA?: boolean;
  /** Exchange the last two axes of b. */
  readonly transB?: boolean;
  /** Factor on the product, 1 by default. */
  readonly alpha?: number;
}
export type FusedMatmulParams = Required<MatmulOptions>;

const NUMBERS: readonly DType[] = ["float32", "float64", "float16", "int64", "int32"];

function productShape(inputs: readonly Tensor[], transA: boolean, transB: boolean): Shape {
  const [a, b] = inputs as readonly [Tensor, Tensor];
  if (a.shape.length < 2 || b.shape.length < 2) shapeMismatch("matmul", inputs, "both need at least two axes");
  const [rows, innerA] = [a.shape.at(transA ? -1 : -2)!, a.shape.at(transA ? -2 : -1)!];
  const [innerB, columns] = [b.shape.at(transB ? -1 : -2)!, b.shape.at(transB ? -2 : -1)!];
  if (innerA !== innerB) {
    const how = `${transA ? ", first transposed" : ""}${transB ? ", second transposed" : ""}`;
    shapeMismatch("matmul", inputs, `inner sizes ${innerA} and ${innerB} differ${how}`);
  }
  const batch = inputs.map(({ dtype, shape }) => ({ dtype, shape: shape.slice(0, -2) }));
  return [...broadcast("matmul", batch), rows, columns];
}

const matmulRule: OpDefinition<None> = {
  name: "matmul",
  onnx: "MatMul",
  domain: "",
  infer(inputs) {
    checkDtype("matmul", inputs[0]!, NUMBERS);
    return [{ dtype: checkSameDtype("matmul", inputs), shape: productShape(inputs, false, false) }];
  },
  attributes: noAttributes,
};

const fusedMatmulRule: OpDefinition<FusedMatmulParams> = {
  name: "fusedMatmul",
  onnx: "FusedMatMul",
  domain: "com.microsoft",
  infer(inputs, { transA, transB }) {
    checkDtype("matmul", inputs[0]!, ["float32"]);
    return [{ dtype: checkSameDtype("matmul", inputs), shape: productShape(inputs, transA, transB) }];
  },
  attributes: ({ transA, transB, alpha }) => ({
    transA: intAttribute(transA ? 1 : 0),
    transB: intAttribute(transB ? 1 : 0),
    alpha: floatAttribute(alpha),
  }),
};

export const linear = { matmul: matmulRule, fusedMatmul: fusedMatmulRule };

/**
 * a [..., M, K] times b [..., K, N]: [..., M, N]. Leading axes broadcast. With transA (transB) the
 * operand is stored as [..., K, M] ([..., N, K]).
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transA = false, transB = false, alpha = 1 } = options;
  if (!transA && !transB && alpha === 1) return a.builder.emit(linear.matmul, [a, b], NONE)[0]!;
  if (a.dtype === "float32" && b.dtype === "float32") {
    return a.builder.emit(linear.fusedMatmul, [a, b], { transA, transB, alpha })[0]!;
  }
  checkSameDtype("matmul", [a, b]);
  productShape([a, b], transA, transB);
  const product = matmul(transA ? transpose(a) : a, transB ? transpose(b) : b);
  return alpha === 1 ? product : mul(product, alpha);
}
