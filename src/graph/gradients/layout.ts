/** Gradient rules of ops that move elements: each moves the gradient back. */
import { fail } from "../../core/index.ts";
import { scatterAdd } from "../ops/indexing.ts";
import {
  concat,
  expandDims,
  pad,
  reshape,
  slice,
  split,
  squeeze,
  transpose,
  zerosLike,
  type layout,
} from "../ops/layout.ts";
import { sumTo } from "../ops/reduce.ts";
import { dimAdd, dimSub } from "../shapes.ts";
import type { Tensor } from "../tensor.ts";
import type { Dim } from "../types.ts";
import type { InputGradients, RulesFor } from "./rule.ts";

interface SlicePlace {
  readonly axis: number;
  readonly start: Dim;
  readonly size: Dim;
  readonly step: number;
}

/** Puts the gradient of a slice back into zeros of x's shape. */
function unslice(x: Tensor, grad: Tensor, { axis, start, size, step }: SlicePlace): Tensor {
  if (step === 1) {
    const none = x.shape.map((): Dim => 0);
    const after = dimSub(x.shape[axis]!, dimAdd(start, size));
    return pad(grad, none.with(axis, start), none.with(axis, after));
  }
  const [first, count] = [Number(start), Number(size)];
  const places = Array.from({ length: count }, (_, i) => first + i * step);
  return scatterAdd(zerosLike(x), x.builder.constant(places, "int64"), grad, axis);
}

/** The parts of a concatenation's gradient; one split where every size is known, else slices. */
function unconcat(inputs: readonly Tensor[], grad: Tensor, axis: number): InputGradients {
  const sizes = inputs.map((input) => input.shape[axis]!);
  if (sizes.every((size) => typeof size === "number")) {
    let parts: readonly Tensor[] | null = null;
    return inputs.map((_, i) => () => (parts ??= split(grad, sizes, axis))[i]!);
  }
  let end: Dim = 0;
  return sizes.map((size) => {
    const start = end;
    end = dimAdd(start, size);
    const place = { axis, start, end };
    return () => slice(grad, place);
  });
}

/** The numeric pads of a Pad; a crop cannot be undone by a slice. */
function padSlice(grad: Tensor, axis: number, before: Dim, size: Dim): Tensor {
  if (typeof before === "number" && before < 0) fail("unsupported", "pad: a negative pad has no gradient");
  return slice(grad, { axis, start: before, end: dimAdd(before, size) });
}

export const layoutGradients: RulesFor<typeof layout> = {
  reshape: ({ grad, inputs: [x] }) => [() => reshape(grad, x!.shape), null],
  expand: ({ grad, inputs: [x] }) => [() => sumTo(grad, x!.shape), null],
  transpose: ({ grad, params: { perm } }) => {
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [() => transpose(grad, inverse)];
  },
  expandDims: ({ grad, params: { axes } }) => [() => squeeze(grad, axes), null],
  squeeze: ({ grad, params: { axes } }) => [() => expandDims(grad, axes), null],
  concat: ({ grad, inputs, params: { axis } }) => unconcat(inputs, grad, axis),
  split: ({ grads, outputs, params: { axis } }) => [
    () =>
      concat(
        outputs.map((output, i) => grads[i] ?? zerosLike(output)),
        axis,
      ),
    null,
  ],
  slice: ({ grad, inputs: [x], params }) => [() => unslice(x!, grad, params), null, null, null, null],
  pad: ({ grad, inputs: [x], params: { before } }) => [
    () => x!.shape.reduce((rest, size, axis) => padSlice(rest, axis, before[axis]!, size), grad),
    null,
    null,
  ],
  shapeOf: "none",
  range: "none",
  addSize: "none",
  mulSize: "none",
};
