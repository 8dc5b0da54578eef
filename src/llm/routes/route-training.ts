/**
 * Layer routes as a training step (FiRST, arXiv 2410.12513): a frozen decoder whose layers have gates. One example a row: its
 * prompt goes through all layers, its answer through
 *
 *   x <- g layer(x) + (1 - g) x        g of the example and the layer
 *
 * so with g of 0 and 1 it is what the engine computes. Two graphs: in the first, g is what routers say of the prompt, and they
 * are trained together with low-rank weights, which act on answers alone; in the second g is given and only low-rank weights
 * are trained. Those of the first are there so that routers choose for a model whose gaps are made up for. Both learn from the
 * answers and from the model's own distribution at full depth.
 */
import {
  add,
  crossEntropy,
  GraphBuilder,
  gradients,
  log,
  logSoftmax,
  matmul,
  mul,
  neg,
  reduceMean,
  reduceSum,
  reshape,
  sigmoid,
  softmax,
  stopGradient,
  sub,
  type GraphModel,
  type Tensor,
} from "../../graph/index.ts";
import { causalPattern, groupedAttention, linear, segmentMask, type Rotary } from "../../nn/index.ts";
import { layerWindow, parameterSpecs, type DecoderConfig } from "../config.ts";
import { decoderAfterAttention, decoderEmbed, decoderHead, decoderQkv, type ParameterSource } from "../decoder.ts";
import { LORA_TARGETS, loraShape, loraTargetOf, loraWeightName, type LoraTarget } from "../lora/index.ts";
import { gradientName, IGNORED_TARGET, layerRotaries, type PackedShape } from "../training-graph.ts";
import { isRoutable, type ProtectedLayers } from "./route-set.ts";

/** Name of a router's trainable weight or bias. */
export function routerName(layer: number, part: "weight" | "bias"): string {
  return `routers.${layer}.${part}`;
}

/** Names of the halves of a weight's low-rank change. */
export function loraNames(weight: string): { readonly a: string; readonly b: string } {
  return { a: `${weight}/lora_A`, b: `${weight}/lora_B` };
}

/** Something to train: name and shape. */
export interface TrainableSpec {
  readonly name: string;
  readonly dims: readonly number[];
}

/** Routers of all layers that may be left out. */
export function routerSpecs(config: DecoderConfig, kept: ProtectedLayers): TrainableSpec[] {
  return Array.from({ length: config.layers }, (_, layer) => layer)
    .filter((layer) => isRoutable(config, kept, layer))
    .flatMap((layer) => [
      { name: routerName(layer, "weight"), dims: [config.hidden] },
      { name: routerName(layer, "bias"), dims: [1] },
    ]);
}

/** Low-rank weights of all projections. */
export function loraSpecs(
  config: DecoderConfig,
  rank: number,
  targets: readonly LoraTarget[] = LORA_TARGETS,
): TrainableSpec[] {
  return Array.from({ length: config.layers }).flatMap((_, layer) =>
    targets.flatMap((target) => {
      const shape = loraShape(config, target);
      const { a, b } = loraNames(loraWeightName(layer, target));
      return [
        { name: a, dims: [rank, shape.in] },
        { name: b, dims: [shape.out, rank] },
      ];
    }),
  );
}

/** What the loss is made of, beside the answers: weights of each part. */
export interface RouteLoss {
  /** Of the divergence from the model at full depth; the answers have the rest. */
  readonly distillation: number;
  /** Of the squared distance of the mean gate from its target. */
  readonly compute: number;
  /** Of the gates' entropy. */
  readonly entropy: number;
}

/** Which of the two graphs. */
export type RouteStage = {
  /** Of the low-rank weights. */
  readonly rank: number;
  readonly alpha: number;
} & (
  | { readonly kind: "routers"; readonly protected: ProtectedLayers; readonly loss: RouteLoss }
  | { readonly kind: "adapter"; readonly loss: Pick<RouteLoss, "distillation"> }
);

/** What a stage trains. */
export function stageSpecs(config: DecoderConfig, stage: RouteStage): TrainableSpec[] {
  const low = loraSpecs(config, stage.rank);
  return stage.kind === "routers" ? [...routerSpecs(config, stage.protected), ...low] : low;
}

/** Rows of a batch and how tokens stand in them. */
interface Rows {
  readonly shape: PackedShape;
  /** [batch * length, 1], 1 where a token is of an answer. */
  readonly answers: Tensor;
  /** [batch * length], for each token of a prompt its share of the mean. */
  readonly shares: Tensor;
  readonly ids: Tensor;
  readonly mask: (layer: number) => Tensor;
  readonly rotary: (layer: number) => Rotary | null;
}

function inputRows(builder: GraphBuilder, config: DecoderConfig, shape: PackedShape): Rows {
  const { batch, length } = shape;
  const rows = batch * length;
  const segments = builder.input("segments", "int64", [batch, length]);
  const positions = reshape(builder.input("positions", "int64", [batch, length]), [rows]);
  const masks = new Map<number, Tensor>();
  const rotaries = layerRotaries(builder, config, positions);
  return {
    shape,
    ids: reshape(builder.input("ids", "int64", [batch, length]), [rows]),
    answers: builder.input("answers", "float32", [rows, 1]),
    shares: builder.input("shares", "float32", [rows]),
    mask: (layer) => {
      const window = layerWindow(config, layer);
      const known = masks.get(window ?? 0) ?? segmentMask(segments, causalPattern(builder, length, window));
      masks.set(window ?? 0, known);
      return known;
    },
    rotary: (layer) => rotaries[layer]!,
  };
}

/** One layer: x [rows, hidden] -> [rows, hidden]. */
function layerOf(config: DecoderConfig, params: ParameterSource, rows: Rows, layer: number, x: Tensor): Tensor {
  const { heads, kvHeads, headDim, attentionScale: scale } = config;
  const { batch, length } = rows.shape;
  const { q, k, v } = decoderQkv(config, params, layer, x, rows.rotary(layer));
  const mask = rows.mask(layer);
  const attended = groupedAttention(q, k, v, { batch, length, heads, kvHeads, headDim, mask, scale });
  return decoderAfterAttention(config, params, layer, x, attended);
}

/** Weights as inputs; with low-rank terms on answers where there are any. */
function parametersOf(
  builder: GraphBuilder,
  config: DecoderConfig,
  answers: Tensor,
  lora: { readonly tensors: ReadonlyMap<string, Tensor>; readonly scale: number } | null,
): { readonly plain: ParameterSource; readonly changed: ParameterSource } {
  const tensors = new Map(parameterSpecs(config).map(({ name, dims }) => [name, builder.input(name, "float32", dims)]));
  const get = (name: string): Tensor => tensors.get(name)!;
  const plain: ParameterSource = { get, linear: (x, name) => linear(x, get(name)) };
  const changed: ParameterSource = {
    get,
    linear(x, name) {
      const y = linear(x, get(name));
      if (lora === null || loraTargetOf(name) === null) return y;
      const names = loraNames(name);
      const a = lora.tensors.get(names.a);
      const b = lora.tensors.get(names.b);
      if (a === undefined || b === undefined) return y;
      const low = linear(mul(x, answers), a); // [rows, rank], zero for prompts
      return add(y, mul(matmul(low, b, { transB: true }), lora.scale));
    },
  };
  return { plain, changed };
}

/** The gate of every token: [rows, 1], 1 on prompts. @param gate [batch, 1] */
function gateRows(rows: Rows, gate: Tensor): Tensor {
  const { batch, length } = rows.shape;
  const ones = reshape(sub(1, rows.answers), [batch, length]);
  const wide = mul(reshape(rows.answers, [batch, length]), gate);
  return reshape(add(ones, wide), [batch * length, 1]);
}

/**
 * A gate [batch, 1]: p / (1 - p) to the power of the sharpness, as odds, where p is what a router says of the prompt, the mean
 * over its tokens. So it is p itself at a sharpness of one, and comes to the engine's own rule, p of one half and more, as that
 * grows: to sharpen the tokens' gates alone would leave their mean between 0 and 1 wherever tokens are not of one mind.
 * @param sharpness one over the temperature
 */
function routerGate(rows: Rows, x: Tensor, weight: Tensor, bias: Tensor, sharpness: Tensor): Tensor {
  const { batch, length } = rows.shape;
  const product = reduceSum(mul(x, reshape(weight, [1, -1])), { axes: [1] }); // [rows]
  const kept = sigmoid(add(product, bias));
  const p = reshape(reduceSum(reshape(mul(kept, rows.shares), [batch, length]), { axes: [1] }), [batch, 1]);
  const safe = add(mul(p, 1 - 2 * LEAST_ODDS), LEAST_ODDS);
  return sigmoid(mul(sub(log(safe), log(sub(1, safe))), sharpness));
}

/** Keeps logarithms of gates finite. */
const LEAST_ODDS = 1e-6;

/** -p log p - (1 - p) log(1 - p), mean. */
function meanEntropy(gates: readonly Tensor[]): Tensor {
  const each = gates.map((p) => {
    const safe = add(mul(p, 1 - 2 * LEAST_ODDS), LEAST_ODDS);
    const other = sub(1, safe);
    return reduceMean(neg(add(mul(safe, log(safe)), mul(other, log(other)))));
  });
  return mean(each);
}

function mean(scalars: readonly Tensor[]): Tensor {
  return mul(
    scalars.reduce((sum, each) => add(sum, each)),
    1 / scalars.length,
  );
}

/**
 * Inputs: every weight of the decoder; ids, positions and segments int64 [batch, length]; answers float32 [rows, 1]; shares
 * float32 [rows]; `targets` int64 [batch, length], IGNORED_TARGET where nothing is asked, and `counts` float32 [rows, 1], each target's
 * share of the mean. Of routers also `sharpness` [1] and `target` [1]; of the adapter `gates` float32 [batch, layers].
 * Outputs: `loss`, `answerLoss`, gradients of what is trained by gradientName, and of routers `kept` [1], the mean gate.
 */
export function routeTrainingGraph(config: DecoderConfig, shape: PackedShape, stage: RouteStage): GraphModel {
  const builder = new GraphBuilder(`route-${stage.kind}`);
  const rows = inputRows(builder, config, shape);
  const specs = stageSpecs(config, stage);
  const trained = new Map(specs.map(({ name, dims }) => [name, builder.input(name, "float32", dims)]));
  const lora = { tensors: trained, scale: stage.alpha / stage.rank };
  const { plain, changed } = parametersOf(builder, config, rows.answers, lora);
  const gates: Tensor[] = [];
  const gateOf = gatesOf(builder, config, rows, stage, trained);
  let teacher = decoderEmbed(config, plain, rows.ids);
  let x = teacher;
  for (let layer = 0; layer < config.layers; layer++) {
    teacher = layerOf(config, plain, rows, layer, teacher);
    const gate = gateOf(layer, x);
    const through = layerOf(config, changed, rows, layer, x);
    if (gate === null) {
      x = through;
      continue;
    }
    gates.push(gate);
    const wide = gateRows(rows, gate);
    x = add(mul(wide, through), mul(sub(1, wide), x));
  }
  const loss = answerLosses(builder, config, plain, { rows, student: x, teacher });
  const { distillation } = stage.loss;
  let total = add(mul(loss.answers, 1 - distillation), mul(loss.divergence, distillation));
  if (stage.kind === "routers") {
    const always = config.layers - gates.length;
    const kept = mul(add(reduceSum(concatMeans(gates)), always), 1 / config.layers);
    const off = sub(kept, builder.input("target", "float32", [1]));
    total = add(total, mul(reduceSum(mul(off, off)), stage.loss.compute));
    total = add(total, mul(meanEntropy(gates), stage.loss.entropy));
    builder.output("kept", reshape(kept, [1]));
  }
  builder.output("loss", total);
  if (stage.kind === "adapter") builder.output("unused", reduceSum(rows.shares)); // one batch feeds every graph
  builder.output("answerLoss", loss.answers);
  const found = gradients(total, [...trained.values()]);
  specs.forEach(({ name }, i) => builder.output(gradientName(name), found[i]!));
  return builder.build();
}

/** The sum over layers of each layer's mean gate, as a tensor to be summed. */
function concatMeans(gates: readonly Tensor[]): Tensor {
  return gates.map((gate) => reshape(reduceMean(gate), [1])).reduce((sum, each) => add(sum, each));
}

/** The gate [batch, 1] of a layer; null where it is always kept. */
function gatesOf(
  builder: GraphBuilder,
  config: DecoderConfig,
  rows: Rows,
  stage: RouteStage,
  trained: ReadonlyMap<string, Tensor>,
): (layer: number, x: Tensor) => Tensor | null {
  const { batch } = rows.shape;
  if (stage.kind === "routers") {
    const sharpness = builder.input("sharpness", "float32", [1]);
    return (layer, x) => {
      if (!isRoutable(config, stage.protected, layer)) return null;
      const weight = trained.get(routerName(layer, "weight"))!;
      return routerGate(rows, stopGradient(x), weight, trained.get(routerName(layer, "bias"))!, sharpness);
    };
  }
  const given = Array.from({ length: config.layers }, (_, layer) =>
    builder.input(`gates/${layer}`, "float32", [batch, 1]),
  );
  return (layer) => given[layer]!;
}

/** Mean cross entropy of the answers, and mean divergence from the teacher's distribution. */
function answerLosses(
  builder: GraphBuilder,
  config: DecoderConfig,
  params: ParameterSource,
  { rows, student, teacher }: { readonly rows: Rows; readonly student: Tensor; readonly teacher: Tensor },
): { readonly answers: Tensor; readonly divergence: Tensor } {
  const { batch, length } = rows.shape;
  const counts = builder.input("counts", "float32", [batch * length, 1]);
  const targets = reshape(builder.input("targets", "int64", [batch, length]), [batch * length]);
  const logits = decoderHead(config, params, student);
  const own = stopGradient(softmax(decoderHead(config, params, teacher)));
  const divergence = neg(reduceSum(mul(mul(own, logSoftmax(logits)), counts)));
  return { answers: crossEntropy(logits, targets, { ignoreIndex: IGNORED_TARGET }), divergence };
}

/**
 * The states that enter each layer at full depth: `entering/i` [rows, hidden] for every layer i, and for the number of layers
 * what leaves the last. Inputs: weights, ids, positions, segments.
 */
export function routeStatesGraph(config: DecoderConfig, shape: PackedShape): GraphModel {
  const builder = new GraphBuilder("route-states");
  const rows = inputRows(builder, config, shape);
  const { plain } = parametersOf(builder, config, rows.answers, null);
  let x = decoderEmbed(config, plain, rows.ids);
  for (let layer = 0; layer < config.layers; layer++) {
    builder.output(`entering/${layer}`, x);
    x = layerOf(config, plain, rows, layer, x);
  }
  builder.output(`entering/${config.layers}`, x);
  // Inputs that only training needs stay inputs, so that one batch feeds every graph.
  builder.output("unused", reduceSum(add(reshape(rows.answers, [-1]), rows.shares)));
  return builder.build();
}

/** The answers by given gates: `logits` [rows, vocab]. Inputs as the adapter's, without targets and counts. */
export function routeForwardGraph(
  config: DecoderConfig,
  shape: PackedShape,
  adapter: { readonly rank: number; readonly alpha: number } | null,
): GraphModel {
  const builder = new GraphBuilder("route-forward");
  const rows = inputRows(builder, config, shape);
  const specs = adapter === null ? [] : loraSpecs(config, adapter.rank);
  const tensors = new Map(specs.map(({ name, dims }) => [name, builder.input(name, "float32", dims)]));
  const lora = adapter === null ? null : { tensors, scale: adapter.alpha / adapter.rank };
  const { plain, changed } = parametersOf(builder, config, rows.answers, lora);
  let x = decoderEmbed(config, plain, rows.ids);
  for (let layer = 0; layer < config.layers; layer++) {
    const wide = gateRows(rows, builder.input(`gates/${layer}`, "float32", [shape.batch, 1]));
    x = add(mul(wide, layerOf(config, changed, rows, layer, x)), mul(sub(1, wide), x));
  }
  builder.output("logits", decoderHead(config, plain, x));
  builder.output("unused", reduceSum(rows.shares));
  return builder.build();
}
