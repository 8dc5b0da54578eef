/**
 * The one table of operators: for each its ONNX name and domain, its shape rule and its gradient rule.
 * It is total by type: an op without a gradient rule (or without saying "none") does not compile.
 */
import { attentionGradients } from "./gradients/attention.ts";
import { elementwiseGradients } from "./gradients/elementwise.ts";
import { indexingGradients } from "./gradients/indexing.ts";
import { layoutGradients } from "./gradients/layout.ts";
import { linearGradients } from "./gradients/linear.ts";
import { lossGradients } from "./gradients/loss.ts";
import { normaliseGradients } from "./gradients/normalise.ts";
import { reduceGradients } from "./gradients/reduce.ts";
import type { GradientRule, RulesFor } from "./gradients/rule.ts";
import { attention } from "./ops/attention.ts";
import { elementwise } from "./ops/elementwise.ts";
import { indexing } from "./ops/indexing.ts";
import { layout } from "./ops/layout.ts";
import { linear } from "./ops/linear.ts";
import { loss } from "./ops/loss.ts";
import { normalise } from "./ops/normalise.ts";
import { reduce } from "./ops/reduce.ts";
import type { OpDefinition } from "./tensor.ts";

export const DEFINITIONS = {
  ...elementwise,
  ...layout,
  ...reduce,
  ...linear,
  ...indexing,
  ...normalise,
  ...loss,
  ...attention,
};

/** Names of all operators. */
export type OpName = keyof typeof DEFINITIONS;
type ParamsOf<K extends OpName> = (typeof DEFINITIONS)[K] extends OpDefinition<infer P> ? P : never;

const GRADIENTS: RulesFor<typeof DEFINITIONS> = {
  ...elementwiseGradients,
  ...layoutGradients,
  ...reduceGradients,
  ...linearGradients,
  ...indexingGradients,
  ...normaliseGradients,
  ...lossGradients,
  ...attentionGradients,
};

/** A row of the table. */
export interface OpRule<P> {
  readonly definition: OpDefinition<P>;
  readonly gradient: GradientRule<P>;
}

/** The table of operators. */
export const OPS = Object.fromEntries(
  Object.entries(DEFINITIONS).map(([name, definition]) => [name, { definition, gradient: GRADIENTS[name as OpName] }]),
) as unknown as { readonly [K in OpName]: OpRule<ParamsOf<K>> };
