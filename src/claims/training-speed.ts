/**
 * Claim `training-speed`: autodiff on ONNX Runtime trains a small decoder at a useful pace on two cores.
 * Measured with the optimiser in the loop, beside the matrix speed that this machine reaches in the same
 * minute, so that the share of the limit is known.
 */
import { createRandom, median } from "../core/index.ts";
import { createSession, GraphBuilder, matmul, type Session, type TensorData } from "../graph/index.ts";
import { gradientName, parameterSpecs, trainingGraph, type DecoderConfig } from "../llm/index.ts";
import { AdamW, type Parameter } from "../nn/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { absolute } from "./statistics.ts";

/** 3,426,560 parameters. */
const CONFIG: DecoderConfig = {
  vocabSize: 1024,
  hidden: 256,
  layers: 4,
  heads: 8,
  kvHeads: 8,
  headDim: 32,
  ffn: 688,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 256,
};
const SHAPE = { batch: 8, length: 256 } as const;
const SEGMENT = 64;
const TARGET_TOKENS_PER_SECOND = 9000;

function parametersOf(config: DecoderConfig, seed: number): Parameter[] {
  const random = createRandom(seed, "training-speed");
  return parameterSpecs(config).map(({ name, dims }) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const isNorm = dims.length === 1;
    const data = Float32Array.from({ length: size }, () => (isNorm ? 1 : 0.02 * random.normal()));
    return { name, dims, data, decays: !isNorm };
  });
}

function batchOf(config: DecoderConfig, length: number, seed: number): Record<string, TensorData> {
  const random = createRandom(seed, "tokens");
  const dims = [SHAPE.batch, length];
  const ids = Array.from({ length: SHAPE.batch * length }, () => random.int(0, config.vocabSize - 1));
  const tensor = (at: (i: number) => number): TensorData => ({
    dtype: "int64",
    dims,
    data: BigInt64Array.from(ids, (_, i) => BigInt(at(i))),
  });
  return {
    ids: tensor((i) => ids[i]!),
    targets: tensor((i) => ids[(i + 1) % ids.length]!),
    weights: { dtype: "float32", dims, data: new Float32Array(ids.length).fill(1) },
    positions: tensor((i) => i % SEGMENT),
    segments: tensor((i) => Math.floor((i % length) / SEGMENT)),
  };
}

/** Operations of one step: 6 per weight of every product and token, and attention over whole rows. */
function stepOperations(config: DecoderConfig, length: number): number {
  const tokens = SHAPE.batch * length;
  const weights = parameterSpecs(config)
    .filter(({ dims }) => dims.length === 2)
    .reduce((sum, { dims }) => sum + dims[0]! * dims[1]!, 0);
  const attention = 12 * length * config.heads * config.headDim * config.layers;
  return tokens * (6 * weights + attention);
}

/** GFLOP/s of one f32 product of 1024 cubed on two threads: the matrix speed of the machine right now. */
async function matrixSession(): Promise<{ session: Session; feeds: Record<string, TensorData>; operations: number }> {
  const builder = new GraphBuilder("matrix-speed");
  const size = 1024;
  const side = (name: string) => builder.input(name, "float32", [size, size]);
  const corner = matmul(side("a"), side("b"));
  builder.output("y", corner);
  const session = await createSession(builder.build(), { threads: 2 });
  const operand: TensorData = { dtype: "float32", dims: [size, size], data: new Float32Array(size * size).fill(0.5) };
  return { session, feeds: { a: operand, b: operand }, operations: 2 * size ** 3 };
}

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const { clock, mode } = context;
  const length = mode === "smoke" ? 64 : SHAPE.length;
  const steps = { full: 120, quick: 40, smoke: 3 }[mode];
  const parameters = parametersOf(CONFIG, context.seed);
  const optimizer = new AdamW(parameters);
  const feeds = batchOf(CONFIG, length, context.seed);
  for (const { name, dims, data } of parameters) feeds[name] = { dtype: "float32", dims, data };
  await using session = await createSession(trainingGraph(CONFIG, { ...SHAPE, length }), { threads: 2 });
  const matrix = await matrixSession();
  await using _matrix = matrix.session;
  const rates: number[] = [];
  const matrixRates: number[] = [];
  const losses: number[] = [];
  const operations = stepOperations(CONFIG, length);
  for (let step = -2; step < steps; step++) {
    const startMs = clock.nowMs();
    const found = await session.run(feeds);
    optimizer.step(
      parameters.map(({ name }) => found[gradientName(name)]!.data as Float32Array),
      1e-3,
    );
    const stepMs = clock.nowMs() - startMs;
    const matrixStartMs = clock.nowMs();
    await matrix.session.run(matrix.feeds);
    const matrixMs = clock.nowMs() - matrixStartMs;
    if (step < 0) continue; // warm-up
    losses.push((found.loss!.data as Float32Array)[0]!);
    rates.push((SHAPE.batch * length * 1000) / stepMs);
    matrixRates.push(matrix.operations / matrixMs / 1e6);
    if (step % 20 === 0) context.progress(`training step ${step} of ${steps}`);
  }
  const gigaflops = rates.map((rate) => (rate / (SHAPE.batch * length)) * (operations / 1e9));
  const line = { better: "higher", kind: "live" } as const;
  const fell = losses.at(-1)! < losses[0]! ? "the loss fell" : "the loss did not fall";
  return [
    absolute(
      {
        ...line,
        metric: "training, 3.4 M parameters",
        unit: "tokens/s",
        note: `2 threads, optimiser included; ${fell}`,
      },
      rates,
      TARGET_TOKENS_PER_SECOND,
    ),
    absolute(
      {
        ...line,
        metric: "training arithmetic",
        unit: "GFLOP/s",
        note: "6 operations per weight and token, and attention",
      },
      gigaflops,
      null,
    ),
    absolute(
      {
        ...line,
        metric: "share of one large product",
        unit: "",
        note: `a 1024³ f32 MatMul in turn with each step: ${Math.round(median(matrixRates))} GFLOP/s`,
      },
      gigaflops.map((value, i) => value / matrixRates[i]!),
      null,
    ),
  ];
}

export const trainingSpeed: Claim = {
  id: "training-speed",
  name: "training-speed",
  headline: "A 3.4 M-parameter decoder trains at 9,000 tokens a second on two idle cores.",
  baseline: "the machine's own f32 matrix product, in turn with each step, as the limit",
  source: "our own; graph/ autodiff and nn/",
  targets: "at least 9,000 tokens/s with two threads, optimiser included",
  measure,
};
