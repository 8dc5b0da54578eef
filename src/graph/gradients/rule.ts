/** The form of a gradient rule, and the type that makes a family of rules total. */
import type { OpDefinition, Tensor } from "../tensor.ts";

export interface GradientContext<P> {
  /** Gradient of the first output, shaped like it. */
  readonly grad: Tensor;
  /** Gradients of all outputs; null where none flows. */
  readonly grads: readonly (Tensor | null)[];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly params: P;
  /** What a composed op kept for its rule. */
  readonly saved: readonly Tensor[];
}

/** One entry per input: writes that input's gradient when somebody wants it; null where none flows. */
export type InputGradients = readonly ((() => Tensor) | null)[];

/** "none": the outputs do not depend smoothly on any input (integers, comparisons, a stopped gradient). */
export type GradientRule<P> = ((context: GradientContext<P>) => InputGradients) | "none";

/** One rule for each definition of a family, typed by its parameters: leaving one out does not compile. */
export type RulesFor<Family extends Readonly<Record<string, OpDefinition<never>>>> = {
  readonly [K in keyof Family]: Family[K] extends OpDefinition<infer P> ? GradientRule<P> : never;
};
