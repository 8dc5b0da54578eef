/**
 * Drafting as one graph: several tokens of several sequences in a single run, each chosen inside and fed back.
 *
 *   inputs    states [rows, hidden]   behind the scores that each row's last token was chosen from
 *             ids int64 [rows]        that token
 *   outputs   tokens int64 [rows, places], confidences [rows, places], next [rows, hidden] to go on from
 *
 * Likeliest tokens, or with `drawn` tokens drawn from the best by the noise that is fed (Gumbel-max: the largest of
 * logits / temperature + noise is a draw from their softmax), and then what they were drawn from comes out as well.
 */
import {
  add,
  concat,
  div,
  exp,
  gather,
  gatherElements,
  GraphBuilder,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  sub,
  topK,
  type GraphModel,
  type Tensor,
} from "../../graph/index.ts";
import { linear } from "../../nn/index.ts";
import { EMBEDDING_NAME, HEAD_NAME, type DecoderConfig } from "../config.ts";
import { initializersOf, packGraph } from "../step-graphs.ts";
import type { WeightsFormat, WeightSource } from "../types.ts";
import { headsParameterSpecs, type HeadsConfig } from "./config.ts";
import { headsCell, headsRead } from "./network.ts";

/** What the graph is made of. */
export interface DraftGraphParts {
  readonly heads: HeadsConfig;
  readonly decoder: DecoderConfig;
  /** Of the heads. */
  readonly weights: WeightSource;
  /** Of the decoder. */
  readonly decoderWeights: WeightSource;
  /** The tokens that can be drafted, [draftedTokens]; null: all. */
  readonly vocabulary: Int32Array | null;
}

/** The form of the graph. */
export interface DraftGraphForm {
  readonly format: WeightsFormat;
  readonly blockSize: 32 | 128;
  /** Tokens that a run drafts. */
  readonly places: number;
  /** Draw from so many best tokens; null: the likeliest. */
  readonly drawn: number | null;
}

const DRAFTED_HEAD = "drafted_head.weight";

/** The graph at the head of this file, with its weights packed as asked. */
export function draftGraph(parts: DraftGraphParts, { format, blockSize, places, drawn }: DraftGraphForm): GraphModel {
  const { heads, decoder, vocabulary } = parts;
  const { hidden, vocabSize, draftedTokens } = heads;
  const builder = new GraphBuilder(`draft-heads-${places}`);
  const weights = combined(parts);
  const params = initializersOf(builder, { weights });
  const table = params.get(EMBEDDING_NAME, [vocabSize, hidden]);
  const own = decoder.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME;
  const head =
    vocabulary === null ? params.get(own, [vocabSize, hidden]) : params.get(DRAFTED_HEAD, [draftedTokens, hidden]);
  const names = vocabulary === null ? null : builder.constant(BigInt64Array.from(vocabulary, BigInt), "int64");
  const draw = drawn === null ? null : drawInputs(builder, places, drawn);
  let state = builder.input("states", "float32", ["rows", hidden]);
  let ids = builder.input("ids", "int64", ["rows"]);
  const vectors = [ids.name];
  const outputs: Readonly<Record<string, Tensor[]>> = { tokens: [], confidences: [], candidates: [], logits: [] };
  for (let place = 0; place < places; place++) {
    state = headsCell(heads, params, state, gather(table, ids));
    const logits = linear(headsRead(heads, params, state), head); // [rows, drafted tokens]
    const chosen = draw === null ? likeliest(logits) : drawFrom(logits, draw, place);
    const named = (at: Tensor): Tensor => (names === null ? at : gather(names, at));
    const token = named(chosen.at); // [rows, 1]
    ids = reshape(token, ["rows"]);
    vectors.push(ids.name);
    outputs["tokens"]!.push(token);
    outputs["confidences"]!.push(chosen.confidence);
    if (chosen.best === null) continue;
    outputs["candidates"]!.push(named(chosen.best.indices));
    outputs["logits"]!.push(chosen.best.values);
  }
  for (const [name, tensors] of Object.entries(outputs)) {
    if (tensors.length > 0) builder.output(name, concat(tensors, 1));
  }
  builder.output("next", state);
  return packGraph(builder.build(), weights, { format, blockSize, vectors });
}

interface Chosen {
  /** Index into the drafted tokens, [rows, 1]. */
  readonly at: Tensor;
  /** What the heads give it, of all they can draft, [rows, 1]. */
  readonly confidence: Tensor;
  /** What it was drawn from, [rows, k]; null when it is the likeliest. */
  readonly best: { readonly values: Tensor; readonly indices: Tensor } | null;
}

function likeliest(logits: Tensor): Chosen {
  const { values, indices } = topK(logits, 1);
  return { at: indices, confidence: share(logits, values), best: null };
}

interface DrawInputs {
  readonly inverseTemperature: Tensor;
  readonly noise: Tensor;
  readonly count: number;
}

function drawInputs(builder: GraphBuilder, places: number, count: number): DrawInputs {
  return {
    inverseTemperature: builder.input("inverseTemperature", "float32", ["rows", 1]),
    noise: builder.input("noise", "float32", ["rows", places * count]),
    count,
  };
}

function drawFrom(logits: Tensor, { inverseTemperature, noise, count }: DrawInputs, place: number): Chosen {
  const best = topK(logits, count);
  const own = slice(noise, { axis: 1, start: place * count, end: (place + 1) * count });
  const pick = topK(add(mul(best.values, inverseTemperature), own), 1).indices; // [rows, 1]
  const at = gatherElements(best.indices, pick, 1);
  return { at, confidence: share(logits, gatherElements(best.values, pick, 1)), best };
}

/** The probability of a logit [rows, 1] among all of its row: [rows, 1]. */
function share(logits: Tensor, own: Tensor): Tensor {
  const largest = reduceMax(logits, { axes: [1], keepDims: true });
  const total = reduceSum(exp(sub(logits, largest)), { axes: [1], keepDims: true });
  return div(exp(sub(own, largest)), total);
}

/** The heads' weights and the decoder's under one roof; rows of the decoder's head that can be drafted, as one of them. */
function combined({ heads, decoder, weights, decoderWeights, vocabulary }: DraftGraphParts): WeightSource {
  const own = new Set(headsParameterSpecs(heads).map(({ name }) => name));
  const { hidden, vocabSize } = heads;
  const drafted = (): Float32Array => {
    const all = decoderWeights.get(decoder.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME, [vocabSize, hidden]);
    const rows = new Float32Array(vocabulary!.length * hidden);
    for (const [at, id] of vocabulary!.entries()) rows.set(all.subarray(id * hidden, (id + 1) * hidden), at * hidden);
    return rows;
  };
  const isDecoders = (name: string): boolean => name !== DRAFTED_HEAD && !own.has(name);
  return {
    get: (name, dims) =>
      name === DRAFTED_HEAD ? drafted() : own.has(name) ? weights.get(name, dims) : decoderWeights.get(name, dims),
    packed: (name, dims) => (isDecoders(name) ? (decoderWeights.packed?.(name, dims) ?? null) : null),
  };
}
