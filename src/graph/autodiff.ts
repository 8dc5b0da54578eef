/**
 * Reverse-mode automatic differentiation over a builder's nodes: the gradient is more nodes in the same
 * graph, written with the same op functions, so it can be differentiated again.
 *
 * Only nodes on a path from `wrt` to the loss are visited, and a rule writes only the inputs' gradients
 * that somebody wants. Nodes that end up unused are dropped by build().
 */
import { fail } from "../core/index.ts";
import type { GradientContext, GradientRule } from "./gradients/rule.ts";
import { add } from "./ops/elementwise.ts";
import { zerosLike } from "./ops/layout.ts";
import { formatShape } from "./shapes.ts";
import { OPS, type OpName } from "./table.ts";
import { isFloat, type OpNode, type Tensor } from "./tensor.ts";

/** A rule with its parameters' type forgotten: a node and its rule come from the same table row. */
const ruleOf = (node: OpNode): GradientRule<unknown> =>
  OPS[node.definition.name as OpName].gradient as GradientRule<unknown>;

/**
 * Gradients of a scalar `loss` to each tensor of `wrt`, in order, each with the shape and element type of its
 * tensor; zeros where the loss does not depend on it. Fails with shape_mismatch when loss is no scalar.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0 || !isFloat(loss.dtype)) {
    fail("shape_mismatch", `gradients: the loss must be a float scalar, got ${loss.dtype} ${formatShape(loss.shape)}`);
  }
  for (const tensor of wrt) {
    if (!isFloat(tensor.dtype)) fail("invalid_graph", `gradients: "${tensor.name}" is ${tensor.dtype}, not float`);
  }
  const { builder } = loss;
  const last = builder.producer(loss)?.index ?? -1;
  const path = builder.nodes.slice(0, last + 1);
  const active = activeTensors(path, wrt);
  const pending = new Map<number, Tensor[]>([[loss.id, [builder.constant(1, loss.dtype, [])]]]);
  for (const node of path.toReversed()) backward(node, active, pending);
  return wrt.map((tensor) => total(tensor, pending) ?? zerosLike(tensor));
}

/** Ids of the tensors through which a change of `wrt` reaches later nodes smoothly. */
function activeTensors(path: readonly OpNode[], wrt: readonly Tensor[]): ReadonlySet<number> {
  const active = new Set(wrt.map((tensor) => tensor.id));
  for (const node of path) {
    if (ruleOf(node) === "none" || !node.inputs.some((input) => active.has(input.id))) continue;
    for (const output of node.outputs) if (isFloat(output.dtype)) active.add(output.id);
  }
  return active;
}

function backward(node: OpNode, active: ReadonlySet<number>, pending: Map<number, Tensor[]>): void {
  const rule = ruleOf(node);
  if (rule === "none" || !node.inputs.some((input) => active.has(input.id))) return;
  const grads = node.outputs.map((output) => (active.has(output.id) ? total(output, pending) : null));
  const grad = grads[0] ?? (grads.some((each) => each !== null) ? zerosLike(node.outputs[0]!) : null);
  if (grad === null) return;
  const { inputs, outputs, params, saved } = node;
  const context: GradientContext<unknown> = { grad, grads, inputs, outputs, params, saved };
  rule(context).forEach((write, i) => {
    const input = inputs[i]!;
    if (write === null || !active.has(input.id)) return;
    const list = pending.get(input.id) ?? [];
    pending.set(input.id, [...list, write()]);
  });
}

/** The sum of what has flowed into a tensor, computed once. */
function total(tensor: Tensor, pending: Map<number, Tensor[]>): Tensor | null {
  const list = pending.get(tensor.id);
  if (list === undefined) return null;
  const sum = list.reduce((left, right) => add(left, right));
  pending.set(tensor.id, [sum]);
  return sum;
}
