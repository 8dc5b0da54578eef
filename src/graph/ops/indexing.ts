/**
 * Ops that read or write by index. Scattering is always ScatterElements with addition: ScatterND with
 * a reduction races between the runtime's threads when an index repeats.
 */
import { assert } from "../../core/index.ts";
import { checkDtype, checkSameDtype, dimMul, resolveAxis, sameShape, shapeMismatch } from "../shapes.ts";
import { intAttribute, stringAttribute, type OpDefinition, type Tensor } from "../tensor.ts";
import type { DType, Shape } from "../types.ts";
import { expand, reshape } from "./layout.ts";

export interface AxisParams {
  readonly axis: number;
}
export interface TopKParams extends AxisParams {
  readonly k: number;
}

const INDICES: readonly DType[] = ["int64", "int32"];

const gatherRule: OpDefinition<AxisParams> = {
  name: "gather",
  onnx: "Gather",
  domain: "",
  infer([x, indices], { axis }) {
    checkDtype("gather", indices!, INDICES);
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)] }];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis) }),
};

/** Fails unless every axis but `axis` of `indices` is that of x. */
function checkAligned(op: string, x: Tensor, indices: Tensor, axis: number): void {
  checkDtype(op, indices, INDICES);
  const others = (shape: Shape): Shape => shape.filter((_, i) => i !== axis);
  if (x.shape.length !== indices.shape.length || !sameShape(others(x.shape), others(indices.shape))) {
    shapeMismatch(op, [x, indices], `sizes outside axis ${axis} differ`);
  }
}

const gatherElementsRule: OpDefinition<AxisParams> = {
  name: "gatherElements",
  onnx: "GatherElements",
  domain: "",
  infer([x, indices], { axis }) {
    checkAligned("gatherElements", x!, indices!, axis);
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis) }),
};

const scatterElementsRule: OpDefinition<AxisParams> = {
  name: "scatterElements",
  onnx: "ScatterElements",
  domain: "",
  infer([base, indices, updates], { axis }) {
    checkAligned("scatterElements", base!, indices!, axis);
    if (!sameShape(indices!.shape, updates!.shape)) {
      shapeMismatch("scatterElements", [indices!, updates!], "indices and updates must have one shape");
    }
    return [{ dtype: checkSameDtype("scatterElements", [base!, updates!]), shape: base!.shape }];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis), reduction: stringAttribute("add") }),
};

const topKRule: OpDefinition<TopKParams> = {
  name: "topK",
  onnx: "TopK",
  domain: "",
  infer([x], { axis, k }) {
    const dim = x!.shape[axis]!;
    if (!(k >= 1) || (typeof dim === "number" && k > dim)) {
      shapeMismatch("topK", [x!, { dtype: "int64", shape: [k] }], `k = ${k} is outside 1..${dim} of axis ${axis}`);
    }
    const shape = x!.shape.with(axis, k);
    return [
      { dtype: x!.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  attributes: ({ axis }) => ({ axis: intAttribute(axis), largest: intAttribute(1), sorted: intAttribute(1) }),
};

export const indexing = {
  gather: gatherRule,
  gatherElements: gatherElementsRule,
  scatterElements: scatterElementsRule,
  topK: topKRule,
};

/** Takes slices of x along `axis`: the axis is replaced by the shape of `indices`. */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return x.builder.emit(indexing.gather, [x, indices], { axis: resolveAxis("gather", x, axis) })[0]!;
}

/** x[..., indices[..., j, ...], ...]: one index per element, other axes as in x. */
export function gatherElements(x: Tensor, indices: Tensor, axis = -1): Tensor {
  const params = { axis: resolveAxis("gatherElements", x, axis) };
  return x.builder.emit(indexing.gatherElements, [x, indices], params)[0]!;
}

/** base plus each update at its own index along `axis`; repeated indices add up. */
export function scatterElementsAdd(base: Tensor, indices: Tensor, updates: Tensor, axis = -1): Tensor {
  const params = { axis: resolveAxis("scatterElements", base, axis) };
  return base.builder.emit(indexing.scatterElements, [base, indices, updates], params)[0]!;
}

/**
 * The reverse of gather: base with updates (shaped like gather(base, indices, axis)) added at the slices
 * that `indices` names; repeated indices add up.
 */
export function scatterAdd(base: Tensor, indices: Tensor, updates: Tensor, axis = 0): Tensor {
  const at = resolveAxis("scatterAdd", base, axis);
  const [before, after] = [base.shape.slice(0, at), base.shape.slice(at + 1)];
  if (!sameShape(updates.shape, [...before, ...indices.shape, ...after])) {
    shapeMismatch("scatterAdd", [base, indices, updates], `updates must be shaped like gather along axis ${at}`);
  }
  const count = indices.shape.reduce(dimMul, 1);
  const flat = [...before, count, ...after];
  const column = reshape(indices, [...before.map(() => 1), count, ...after.map(() => 1)]);
  return scatterElementsAdd(base, expand(column, flat), reshape(updates, flat), at);
}

/** Rows of table [V, D] for ids int64 [...]: [..., D]. */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  if (table.shape.length !== 2) shapeMismatch("embedding", [table, ids], "the table needs two axes");
  return gather(table, ids, 0);
}

/** The k largest elements along an axis, largest first, with their indices (int64). */
export function topK(x: Tensor, k: number, axis = -1): { readonly values: Tensor; readonly indices: Tensor } {
  const params = { k, axis: resolveAxis("topK", x, axis) };
  const [values, indices] = x.builder.emit(indexing.topK, [x, x.builder.constant([k], "int64")], params);
  assert(values !== undefined && indices !== undefined, "topK has two outputs");
  return { values, indices };
}
