/** Gradient rules of gathers, scatters and topK: reading by index turns into adding by index, and back. */
import { gatherElements, scatterAdd, scatterElementsAdd, type indexing } from "../ops/indexing.ts";
import { zerosLike } from "../ops/layout.ts";
import type { RulesFor } from "./rule.ts";

export const indexingGradients: RulesFor<typeof indexing> = {
  gather: ({ grad, inputs: [x, indices], params: { axis } }) => [
    () => scatterAdd(zerosLike(x!), indices!, grad, axis),
    null,
  ],
  gatherElements: ({ grad, inputs: [x, indices], params: { axis } }) => [
    () => scatterElementsAdd(zerosLike(x!), indices!, grad, axis),
    null,
  ],
  scatterElements: ({ grad, inputs: [, indices], params: { axis } }) => [
    () => grad,
    null,
    () => gatherElements(grad, indices!, axis),
  ],
  topK: ({ grads, inputs: [x], outputs, params: { axis } }) => {
    const values = grads[0];
    return [values ? () => scatterElementsAdd(zerosLike(x!), outputs[1]!, values, axis) : null, null];
  },
};
