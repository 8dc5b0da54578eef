/** The trainer of heads: draws texts, has the model read them, and learns to say what it will say. The model stays as it is. */
import { createRandom } from "../../core/index.ts";
import { createSession, type Session, type TensorData } from "../../graph/index.ts";
import {
  EMBEDDING_NAME,
  HEAD_NAME,
  HEADS,
  headsParameterSpecs,
  headsTrainingGraph,
  type DecoderConfig,
  type HeadsConfig,
  type WeightSource,
} from "../../llm/index.ts";
import type { Parameter } from "../../nn/index.ts";
import type { ExampleSource } from "../examples.ts";
import { GraphTrainer } from "../graph-trainer.ts";
import type { StateReader } from "../states.ts";
import { AcceptanceCount, draftPlaces, type DraftPlaces, type HeldOutAcceptance } from "./places.ts";
import type { HeadsPlan } from "./plan.ts";

/** What is fitted to what. */
export interface HeadsTrainerOptions {
  readonly plan: HeadsPlan;
  readonly config: HeadsConfig;
  readonly decoder: DecoderConfig;
  readonly decoderWeights: WeightSource;
  /** The tokens that can be drafted, [draftedTokens]; null: all. */
  readonly vocabulary: Int32Array | null;
  readonly endTokens: readonly number[];
  readonly source: ExampleSource;
  readonly reader: StateReader;
  readonly threads: number;
}

/** First weights: the state goes through as it is, the rest is small, so that training begins with what the model knows. */
export function firstHeads(config: HeadsConfig, seed: number): Parameter[] {
  return headsParameterSpecs(config).map(({ name, dims }) => {
    const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
    const decays = dims.length > 1;
    if (!decays) return { name, dims, data: data.fill(1), decays };
    const random = createRandom(seed, `heads/${name}`);
    const isOutput = name === HEADS.down || name === HEADS.mix;
    const bound = (isOutput ? OUTPUT_SCALE : 1) * Math.sqrt(3 / dims[1]!);
    for (let i = 0; i < data.length; i++) data[i] = (random.uniform() * 2 - 1) * bound;
    if (name === HEADS.mix) for (let i = 0; i < config.hidden; i++) data[i * dims[1]! + i]! += 1;
    return { name, dims, data, decays };
  });
}

const OUTPUT_SCALE = 0.3;

const int64 = (dims: readonly number[], data: BigInt64Array): TensorData => ({ dtype: "int64", dims, data });
const float32 = (dims: readonly number[], data: Float32Array): TensorData => ({ dtype: "float32", dims, data });

/** The model's own table and the rows of its head that can be drafted. */
function frozenInputs({
  config,
  decoder,
  decoderWeights,
  vocabulary,
}: HeadsTrainerOptions): Record<string, TensorData> {
  const { vocabSize, hidden, draftedTokens } = config;
  const table = decoderWeights.get(EMBEDDING_NAME, [vocabSize, hidden]);
  const all = decoder.tiedEmbeddings ? table : decoderWeights.get(HEAD_NAME, [vocabSize, hidden]);
  const head = vocabulary === null ? all : new Float32Array(draftedTokens * hidden);
  for (const [at, id] of (vocabulary ?? []).entries())
    head.set(all.subarray(id * hidden, (id + 1) * hidden), at * hidden);
  return { table: float32([vocabSize, hidden], table), head: float32([draftedTokens, hidden], head) };
}

function feedsOf({ count, states, tokens, targets }: DraftPlaces, { hidden }: HeadsConfig, weights: Float32Array) {
  const dims = [weights.length / count, count];
  return {
    states: float32([count, hidden], states),
    tokens: int64(dims, tokens),
    targets: int64(dims, targets),
    weights: float32(dims, weights),
  };
}

/** Texts that fill one step: drawn until they have drafts enough, read at once. */
async function drawPlaces(options: HeadsTrainerOptions, step: number): Promise<DraftPlaces> {
  const { plan, config, source, reader, vocabulary, endTokens } = options;
  const random = createRandom(plan.seed, `heads/data/${step}`);
  const examples = [];
  for (let drafts = 0; drafts < plan.drafts;) {
    const example = source.draw(random);
    examples.push(example);
    for (let i = 1; i < example.tokens.length; i++) drafts += example.lossMask[i] === 1 ? 1 : 0;
  }
  const indices = vocabulary === null ? null : new Map(Array.from(vocabulary, (id, index) => [id, index]));
  const shape = { count: plan.drafts, places: plan.places, hidden: config.hidden };
  const indexOf = (token: number): number | null => (indices === null ? token : (indices.get(token) ?? null));
  return draftPlaces(await reader.read(examples), shape, new Set(endTokens), indexOf);
}

/** The trainer; dispose of it. */
export function createHeadsTrainer(options: HeadsTrainerOptions): Promise<GraphTrainer> {
  const { plan, config, threads } = options;
  const shape = { states: plan.drafts, places: plan.places };
  const weights = new Float32Array(plan.places * plan.drafts);
  for (let place = 0; place < plan.places; place++) {
    weights.fill(plan.placeDecay ** place, place * plan.drafts, (place + 1) * plan.drafts);
  }
  return GraphTrainer.create({
    graph: headsTrainingGraph(config, shape, true),
    parameters: firstHeads(config, plan.seed),
    frozen: frozenInputs(options),
    batch: async (step) => ({
      feeds: feedsOf(await drawPlaces(options, step), config, weights),
      tokens: plan.drafts,
    }),
    adamw: plan.adamw,
    threads,
  });
}

const SCORED_DRAFTS = 256;

/** How well weights draft texts that were held out. */
export async function heldOutAcceptance(
  options: HeadsTrainerOptions,
  weights: ReadonlyMap<string, Float32Array>,
  texts: number,
): Promise<HeldOutAcceptance> {
  const { plan, config, source, reader, vocabulary, endTokens } = options;
  const shape = { count: SCORED_DRAFTS, places: plan.places, hidden: config.hidden };
  const graph = headsTrainingGraph(config, { states: shape.count, places: plan.places }, false);
  const count = new AcceptanceCount(plan.places);
  const even = new Float32Array(plan.places * shape.count).fill(1);
  const session: Session = await createSession(graph, { threads: options.threads });
  try {
    const frozen = frozenInputs(options);
    const specs = headsParameterSpecs(config);
    const own = Object.fromEntries(specs.map(({ name, dims }) => [name, float32(dims, weights.get(name)!)]));
    for (const example of source.heldOut(texts)) {
      const read = await reader.read([example]);
      const places = draftPlaces(read, shape, new Set(endTokens), (token) => token);
      // Targets are tokens here, which the loss of this graph must not see: it numbers what can be drafted.
      const blind = { ...places, targets: new BigInt64Array(places.targets.length) };
      const { best } = await session.run({ ...own, ...frozen, ...feedsOf(blind, config, even) }, ["best"]);
      const guesses = Array.from(best!.data as BigInt64Array, (at) => vocabulary?.[Number(at)] ?? Number(at));
      count.add(places, guesses);
    }
  } finally {
    await session.release();
  }
  return count.result;
}
