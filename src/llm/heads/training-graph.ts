/**
 * Heads as a training step: one graph from states and the tokens that follow them to the loss and its gradients. What the
 * decoder says behind each of those tokens is the target; its table and its head are constants that nothing trains.
 *
 *   place i:  state i-1, token i  ─▶ cell ─▶ state i ─▶ head ─▶ what does the decoder say behind token i?
 */
import {
  concat,
  crossEntropy,
  gather,
  GraphBuilder,
  gradients,
  reshape,
  split,
  topK,
  type GraphModel,
  type Tensor,
} from "../../graph/index.ts";
import { linear } from "../../nn/index.ts";
import type { ParameterSource } from "../decoder.ts";
import { gradientName, IGNORED_TARGET } from "../training-graph.ts";
import { headsParameterSpecs, type HeadsConfig } from "./config.ts";
import { headsCell, headsRead } from "./network.ts";

/** Size of a training batch. */
export interface HeadsTrainingShape {
  /** States of the batch. */
  readonly states: number;
  /** Places of a draft. */
  readonly places: number;
}

/**
 * Inputs: every parameter by name, `table` and `head` (the drafted rows of the decoder's head), states [states, hidden],
 * tokens int64 [places, states], targets int64 [places, states], an index into the drafted tokens or IGNORED_TARGET, and
 * weights [places, states] of the targets. Outputs: `loss`, the weighted mean over the targets that count, and
 * gradientName(p) of every parameter p; without `training`, `best` int64 [places * states, 1] instead of the gradients.
 */
export function headsTrainingGraph(
  config: HeadsConfig,
  { states: count, places }: HeadsTrainingShape,
  training: boolean,
): GraphModel {
  const { hidden, vocabSize, draftedTokens } = config;
  const builder = new GraphBuilder("draft-heads-training");
  const inputs = new Map(
    headsParameterSpecs(config).map(({ name, dims }) => [name, builder.input(name, "float32", dims)]),
  );
  const params: ParameterSource = {
    get: (name) => inputs.get(name)!,
    linear: (x, name) => linear(x, inputs.get(name)!),
  };
  const table = builder.input("table", "float32", [vocabSize, hidden]);
  const head = builder.input("head", "float32", [draftedTokens, hidden]);
  let state = builder.input("states", "float32", [count, hidden]);
  const ones = Array.from({ length: places }, () => 1);
  const tokens = split(builder.input("tokens", "int64", [places, count]), ones, 0);
  const read: Tensor[] = [];
  for (const each of tokens) {
    state = headsCell(config, params, state, gather(table, reshape(each, [count])));
    read.push(headsRead(config, params, state));
  }
  const logits = linear(concat(read, 0), head); // [places * states, drafted tokens]
  const flat = (name: string, dtype: "int64" | "float32"): Tensor =>
    reshape(builder.input(name, dtype, [places, count]), [places * count]);
  const targets = flat("targets", "int64");
  const loss = crossEntropy(logits, targets, { ignoreIndex: IGNORED_TARGET, weights: flat("weights", "float32") });
  builder.output("loss", loss);
  if (!training) {
    builder.output("best", topK(logits, 1).indices);
    return builder.build();
  }
  const names = [...inputs.keys()];
  const found = gradients(loss, [...inputs.values()]);
  names.forEach((name, i) => builder.output(gradientName(name), found[i]!));
  return builder.build();
}
