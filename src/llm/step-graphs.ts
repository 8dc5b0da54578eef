/**
 * The decoder cut where attention is, one graph per layer boundary:
 *
 *   boundary 0        ids                  -> next x, q, k, v of layer 0
 *   boundary i        attended, x          -> x, q, k, v of layer i      (rest of layer i-1, start of layer i)
 *   boundary layers   attended, x          -> best tokens, log-sum-exp, whole rows
 *                                             (of an embedding model: hidden states after the last norm)
 *
 * The graphs that start a layer take its cos and sin too, unless the layer knows no rotary positions.
 * All rows are packed tokens `[rows, ...]`; nothing in here knows sequences. The last boundary gets only
 * the rows that want scores, so neither its feed-forward nor the head runs for the rest of a prompt.
 */
import {
  concat,
  gather,
  GraphBuilder,
  logSoftmax,
  matmul,
  mul,
  packGather,
  packLinear,
  reduceMax,
  sub,
  topK,
  type GraphModel,
  type LazyInitializer,
  type Tensor,
} from "../graph/index.ts";
import { linear, type Rotary } from "../nn/index.ts";
import { layerRope, type DecoderConfig } from "./config.ts";
import {
  decoderAfterAttention,
  decoderEmbed,
  decoderFinalNorm,
  decoderLogits,
  decoderQkv,
  type ParameterSource,
} from "./decoder.ts";
import { LORA_GOING_MASK, LORA_MASK, withLoraInputs } from "./lora/index.ts";
import type { Router } from "./routes/route-set.ts";
import type { WeightsFormat, WeightSource } from "./types.ts";

/** Where a graph's weights come from, and whether rows may have adapters. */
export interface GraphWeights {
  readonly weights: WeightSource;
  readonly lora: boolean;
}

/** Weights as initializers of one graph, whatever decides what it computes; each is declared once, and read only when its bytes are wanted. */
export function initializersOf(
  builder: GraphBuilder,
  { weights, lora }: { readonly weights: WeightSource; readonly lora?: boolean },
): ParameterSource {
  const known = new Map<string, Tensor>();
  const initializerOf = (name: string, dims: readonly number[]): LazyInitializer => ({
    dtype: "float32",
    dims,
    load: () => weights.get(name, dims),
    ...(weights.identity === undefined ? {} : { identity: weights.identity(name, dims) }),
  });
  const get = (name: string, dims: readonly number[]): Tensor => {
    const tensor = known.get(name) ?? builder.initializer(name, initializerOf(name, dims));
    known.set(name, tensor);
    return tensor;
  };
  const params: ParameterSource = {
    get,
    linear: (x, name, inFeatures, outFeatures) => linear(x, get(name, [outFeatures, inFeatures])),
  };
  return lora === true ? withLoraInputs(builder, params) : params;
}

function rotaryInputs(builder: GraphBuilder, config: DecoderConfig, layer: number, rows = "rows"): Rotary | null {
  const { headDim } = config;
  if (layerRope(config, layer) === "none") return null;
  return {
    cos: builder.input("cos", "float32", [rows, 1, headDim]),
    sin: builder.input("sin", "float32", [rows, 1, headDim]),
  };
}

function outputQkv(builder: GraphBuilder, x: Tensor, qkv: { q: Tensor; k: Tensor; v: Tensor }): void {
  builder.output("next", x); // not "x": that is the input
  builder.output("q", qkv.q);
  builder.output("k", qkv.k);
  builder.output("v", qkv.v);
}

/** Boundary 0: ids int64 [rows] -> x [rows, hidden], q, k, v. */
function firstGraph(config: DecoderConfig, weights: GraphWeights): GraphModel {
  const builder = new GraphBuilder("decoder-0");
  const params = initializersOf(builder, weights);
  const x = decoderEmbed(config, params, builder.input("ids", "int64", ["rows"]));
  outputQkv(builder, x, decoderQkv(config, params, 0, x, rotaryInputs(builder, config, 0)));
  return builder.build();
}

function residualInputs(builder: GraphBuilder, config: DecoderConfig): { attended: Tensor; x: Tensor } {
  return {
    attended: builder.input("attended", "float32", ["rows", config.heads * config.headDim]),
    x: builder.input("x", "float32", ["rows", config.hidden]),
  };
}

/** Of a router's weight among the initializers: it stays as it is where others are packed. */
const ROUTER_NAME = "router";

/** A layer's router as an output: "route" [rows, 1], w · x of the states that enter the layer. */
function outputRoute(builder: GraphBuilder, x: Tensor, router: Router | null): void {
  if (router === null) return;
  const { weight } = router;
  const column = builder.initializer(ROUTER_NAME, { dtype: "float32", dims: [weight.length, 1], data: weight });
  builder.output("route", matmul(x, column));
}

/** Boundary `layer`: the rest of layer-1 and the start of `layer`. */
function middleGraph(config: DecoderConfig, weights: GraphWeights, layer: number, router: Router | null): GraphModel {
  const builder = new GraphBuilder(`decoder-${layer}`);
  const params = initializersOf(builder, weights);
  const { attended, x } = residualInputs(builder, config);
  const next = decoderAfterAttention(config, params, layer - 1, x, attended);
  outputQkv(builder, next, decoderQkv(config, params, layer, next, rotaryInputs(builder, config, layer)));
  outputRoute(builder, next, router);
  return builder.build();
}

/**
 * Boundary `layer` where rows may leave layers out: those that `come` out of the layer before it, and those that have waited
 * since an earlier one; of both, those that go through this one.
 *
 *   attended, x [coming, ...]         -> next [coming, hidden]: the end of the layer before
 *   next, then waiting [waiting, ...] -> the rows numbered `going` of them -> q, k, v [going, ...]: the start of this one
 *
 * Any of the three may be none, so that one session with one set of weights is the boundary, either half of it, and both for
 * different rows at once.
 */
function forkedGraph(config: DecoderConfig, weights: GraphWeights, layer: number, router: Router | null): GraphModel {
  const { heads, headDim, hidden } = config;
  const builder = new GraphBuilder(`decoder-forked-${layer}`);
  const params = initializersOf(builder, { weights: weights.weights });
  const [ending, starting] = [
    { rows: "coming", mask: LORA_MASK },
    { rows: "going", mask: LORA_GOING_MASK },
  ].map((rows) => (weights.lora ? withLoraInputs(builder, params, rows) : params)) as [
    ParameterSource,
    ParameterSource,
  ];
  const attended = builder.input("attended", "float32", ["coming", heads * headDim]);
  const x = builder.input("x", "float32", ["coming", hidden]);
  const waiting = builder.input("waiting", "float32", ["waiting", hidden]);
  const going = builder.input("going", "int64", ["going"]);
  const next = decoderAfterAttention(config, ending, layer - 1, x, attended);
  const rows = gather(concat([next, waiting], 0), going);
  outputQkv(builder, next, decoderQkv(config, starting, layer, rows, rotaryInputs(builder, config, layer, "going")));
  outputRoute(builder, next, router);
  return builder.build();
}

/**
 * The last boundary. Inputs besides the rows: topRows int64 [tops] and inverseTemperature [tops, 1] for
 * values, indices [tops, k] and logSumExp [tops]; wholeRows int64 [wholes] for logits [wholes, vocab]. With `states` also
 * what the logits are made of, states [rows, hidden].
 */
function lastGraph(config: DecoderConfig, weights: GraphWeights, k: number, states: boolean): GraphModel {
  const builder = new GraphBuilder(`decoder-${config.layers}`);
  const params = initializersOf(builder, weights);
  const { attended, x } = residualInputs(builder, config);
  const topRows = builder.input("topRows", "int64", ["tops"]);
  const inverseTemperature = builder.input("inverseTemperature", "float32", ["tops", 1]);
  const wholeRows = builder.input("wholeRows", "int64", ["wholes"]);
  const last = decoderAfterAttention(config, params, config.layers - 1, x, attended);
  const state = decoderFinalNorm(config, params, last); // [rows, hidden]
  if (states) builder.output("states", state);
  const logits = decoderLogits(config, params, state); // [rows, vocab]
  const considered = gather(logits, topRows);
  const best = topK(considered, k);
  builder.output("values", best.values);
  builder.output("indices", best.indices);
  builder.output("logSumExp", rowLogSumExp(mul(considered, inverseTemperature)));
  builder.output("logits", gather(logits, wholeRows));
  return builder.build();
}

/**
 * x [rows, width] -> [rows]. The log-softmax of a row's largest number is that number less the log-sum-exp; ORT has the
 * one vectorised and the other not, which over a vocabulary is a factor of six.
 */
function rowLogSumExp(x: Tensor): Tensor {
  const largest = (rows: Tensor): Tensor => reduceMax(rows, { axes: [1] });
  return sub(largest(x), largest(logSoftmax(x)));
}

/** The last boundary of an embedding model: every row's state after the last norm, "hidden" [rows, hidden]. */
function hiddenGraph(config: DecoderConfig, weights: GraphWeights): GraphModel {
  const builder = new GraphBuilder(`decoder-${config.layers}`);
  const params = initializersOf(builder, weights);
  const { attended, x } = residualInputs(builder, config);
  const last = decoderAfterAttention(config, params, config.layers - 1, x, attended);
  builder.output("hidden", decoderFinalNorm(config, params, last));
  return builder.build();
}

/** Below this width a coarse scale costs more accuracy than the traffic it saves is worth. */
const WIDE = 512;

/** 128 for wide models whose every linear layer it divides, else 32. */
export function defaultBlockSize(config: DecoderConfig): 32 | 128 {
  const widths = [config.hidden, config.ffn, config.heads * config.headDim];
  return widths.every((width) => width >= WIDE && width % 128 === 0) ? 128 : 32;
}

/**
 * ORT multiplies packed weights two rows at a time, and for blocks over 32 the row that is left over is summed in
 * another order: its bits would depend on the batch. With even numbers of rows nothing is left over. At
 * 128 a step of one row then costs what it costs at 32; from two rows on it is a third cheaper.
 */
export function needsEvenRows(format: WeightsFormat, blockSize: 32 | 128): boolean {
  return format !== "f32" && blockSize > 32;
}

/** Graph of one boundary, 0..layers, with its weights packed as asked. */
export function boundaryGraph(
  boundary: number,
  config: DecoderConfig,
  weights: WeightSource,
  options: {
    readonly format: WeightsFormat;
    readonly blockSize: 32 | 128;
    readonly topK: number;
    readonly embedding?: boolean;
    readonly states?: boolean;
    /** Rows may have adapters: inputs of lora/graph.ts. */
    readonly lora?: boolean;
    /** Their products come out beside the layers they belong to. */
    readonly routers?: readonly (Router | null)[];
    /** Between layers, that rows may leave out: as `forkedGraph` says. */
    readonly forked?: boolean;
  },
): GraphModel {
  const from: GraphWeights = { weights, lora: options.lora === true };
  const graph =
    boundary === 0
      ? firstGraph(config, from)
      : boundary < config.layers
        ? (options.forked === true ? forkedGraph : middleGraph)(
            config,
            from,
            boundary,
            options.routers?.[boundary] ?? null,
          )
        : options.embedding === true
          ? hiddenGraph(config, from)
          : lastGraph(config, from, options.topK, options.states === true);
  return packGraph(graph, weights, options);
}

/**
 * The graph with its linear layers and lookups packed as asked.
 * @param vectors names of ids that are vectors, where not all of them are inputs
 */
export function packGraph(
  graph: GraphModel,
  weights: WeightSource,
  options: {
    readonly format: WeightsFormat;
    readonly blockSize: 32 | 128;
    readonly vectors?: readonly string[];
  },
): GraphModel {
  if (options.format === "f32") return graph;
  const bits = options.format === "int4" ? 4 : 8;
  // A lookup computes nothing, so there a table as its file has it loses nothing, whatever the bits; else 8 bits are near enough.
  const withTable = packGather(graph, {
    packed: (name, dims) => weights.packed?.(name, dims) ?? null,
    ...(options.vectors === undefined ? {} : { vectors: options.vectors }),
  });
  return packLinear(withTable, {
    include: (name) => name !== ROUTER_NAME,
    bits,
    blockSize: options.blockSize,
    packed: (name, dims) => {
      // What a file has in as few bits or fewer is taken as it is: packed again it would lose.
      const stored = weights.packed?.(name, dims) ?? null;
      return stored !== null && stored.bits <= bits ? stored : null;
    },
  });
}
