/** Examples as the graphs of layer routes take them: one a row, its prompt told from its answer. */
import { assert } from "../../core/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { IGNORED_TARGET, type LayerMask, type PackedShape } from "../../llm/index.ts";
import type { Example } from "../examples.ts";

type Feeds = Readonly<Record<string, TensorData>>;

/** A batch; rows beyond the last example are padding. */
export interface RouteBatch {
  readonly shape: PackedShape;
  readonly examples: readonly Example[];
  /** Inputs of all graphs. */
  readonly rows: Feeds;
  /** Inputs of those that train. */
  readonly goals: Feeds;
}

/** Tokens of an example before its answer: those that are computed in full. */
export function promptTokens({ tokens, lossMask }: Example): number {
  for (let i = 0; i < tokens.length; i++) if (lossMask[i] === 1) return Math.max(1, i);
  return tokens.length;
}

/** Whether what follows token i is asked of the routed part: the first token of an answer comes from the prompt. */
export function isGoal({ tokens, lossMask }: Example, prompt: number, i: number): boolean {
  return i >= prompt && i + 1 < tokens.length && lossMask[i + 1] === 1;
}

/** @param examples at most as many as rows; longer ones are cut */
export function routeBatch(shape: PackedShape, examples: readonly Example[]): RouteBatch {
  const { batch, length } = shape;
  assert(examples.length <= batch, "every example has a row");
  const size = batch * length;
  const ids = new BigInt64Array(size);
  const positions = new BigInt64Array(size);
  const segments = new BigInt64Array(size);
  const targets = new BigInt64Array(size).fill(BigInt(IGNORED_TARGET));
  const answers = new Float32Array(size);
  const shares = new Float32Array(size);
  const counts = new Float32Array(size);
  let goals = 0;
  for (const [row, example] of examples.entries()) {
    const prompt = promptTokens(example);
    const used = Math.min(length, example.tokens.length);
    for (let i = 0; i < used; i++) {
      const at = row * length + i;
      ids[at] = BigInt(example.tokens[i]!);
      positions[at] = BigInt(i);
      segments[at] = 1n;
      if (i < prompt) shares[at] = 1 / Math.min(prompt, used);
      else answers[at] = 1;
      if (!isGoal(example, prompt, i)) continue;
      targets[at] = BigInt(example.tokens[i + 1]!);
      counts[at] = 1;
      goals += 1;
    }
  }
  for (let i = 0; i < size; i++) counts[i]! /= Math.max(1, goals);
  const whole = (data: BigInt64Array): TensorData => ({ dtype: "int64", dims: [batch, length], data });
  const float = (data: Float32Array, dims: readonly number[]): TensorData => ({ dtype: "float32", dims, data });
  return {
    shape,
    examples,
    rows: {
      ids: whole(ids),
      positions: whole(positions),
      segments: whole(segments),
      answers: float(answers, [size, 1]),
      shares: float(shares, [size]),
    },
    goals: { targets: whole(targets), counts: float(counts, [size, 1]) },
  };
}

/** Masks as gates, one a row; rows without an example keep all. */
export function gateFeeds({ batch }: PackedShape, layers: number, masks: readonly LayerMask[]): Feeds {
  return Object.fromEntries(
    Array.from({ length: layers }, (_, layer): [string, TensorData] => {
      const data = Float32Array.from({ length: batch }, (_each, row) => masks[row]?.[layer] ?? 1);
      return [`gates/${layer}`, { dtype: "float32", dims: [batch, 1], data }];
    }),
  );
}
