/** Claim 39, speed: tokens per second of single-sequence decode by weight format, beside what memory allows. */
import { median } from "../../core/index.ts";
import { measureStreamBandwidth } from "../../kernels/index.ts";
import { StepExecutor, type DecoderConfig, type WeightsFormat } from "../../llm/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute, compare } from "../statistics.ts";
import { noise, shapeOf, weightsPerToken } from "./shapes.ts";

const FORMATS = ["f32", "int8", "int4"] as const satisfies readonly WeightsFormat[];
const PROMPT_TOKENS = 16;
const PAGE_TOKENS = 16;
const PAGES = 32;
/** One f32 scale for 128 weights. */
const BYTES_PER_WEIGHT = { f32: 4, int8: 1 + 4 / 128, int4: 0.5 + 4 / 128 } as const;

/** One sequence decoding on its own executor. */
class Decode {
  readonly executor: StepExecutor;
  readonly #pages = Int32Array.from({ length: PAGES }, (_, page) => page);
  #position = 0;

  private constructor(executor: StepExecutor) {
    this.executor = executor;
  }

  static async start(config: DecoderConfig, weightsFormat: WeightsFormat): Promise<Decode> {
    const kv = { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS } as const;
    const weights = noise(config);
    const executor = await StepExecutor.create({ config, weights, weightsFormat, threads: 2, kv, maxRows: 64 });
    const decode = new Decode(executor);
    await decode.advance(PROMPT_TOKENS);
    return decode;
  }

  async advance(tokens: number): Promise<void> {
    if (this.#position + tokens > PAGES * PAGE_TOKENS) this.#position = PROMPT_TOKENS; // stay at a short context
    const ids = Array.from({ length: tokens }, (_, i) => (this.#position * 7 + i) % this.executor.config.vocabSize);
    await this.executor.step([{ tokens: ids, startPosition: this.#position, pages: this.#pages, wantLogits: "last" }]);
    this.#position += tokens;
  }
}

type Samples = Record<WeightsFormat | "gigabytes", number[]>;

async function sample(context: ClaimContext, config: DecoderConfig): Promise<Samples> {
  const { clock, mode } = context;
  const rounds = { full: 15, quick: 9, smoke: 2 }[mode];
  const tokens = { full: 4, quick: 6, smoke: 2 }[mode];
  const workingSetBytes = (mode === "smoke" ? 8 : 512) * 2 ** 20;
  const samples: Samples = { f32: [], int8: [], int4: [], gigabytes: [] };
  const decodes: Partial<Record<WeightsFormat, Decode>> = {};
  try {
    for (const format of FORMATS) {
      context.progress(`loading ${format} weights`);
      decodes[format] = await Decode.start(config, format);
    }
    for (let round = 0; round < rounds; round++) {
      context.progress(`decode, round ${round + 1} of ${rounds}`);
      const stream = await measureStreamBandwidth({ clock, threads: 2, workingSetBytes, passes: 2 });
      samples.gigabytes.push(stream.bestGigabytesPerSecond);
      for (const format of FORMATS) {
        const times: number[] = [];
        for (let token = 0; token < tokens; token++) {
          const startMs = clock.nowMs();
          await decodes[format]!.advance(1);
          times.push(clock.nowMs() - startMs);
        }
        samples[format].push(1000 / median(times));
      }
    }
    return samples;
  } finally {
    for (const decode of Object.values(decodes)) await decode.executor.dispose();
  }
}

export async function measureSpeed(context: ClaimContext): Promise<Measured[]> {
  const { config, label } = shapeOf(context.mode);
  const samples = await sample(context, config);
  const weights = weightsPerToken(config);
  const bound = (format: WeightsFormat): number[] =>
    samples.gigabytes.map((gigabytes) => (gigabytes * 1e9) / (weights * BYTES_PER_WEIGHT[format]));
  const line = { unit: "tokens/s", better: "higher", kind: "live" } as const;
  const note = `${label}, random weights, speed only; 2 threads, one sequence, short context`;
  const bandwidth = median(samples.gigabytes).toFixed(1);
  const isFull = context.mode === "full";
  return [
    compare(
      {
        ...line,
        metric: "f32 decode against the bandwidth bound",
        note: `${note}; two threads read ${bandwidth} GB/s`,
        paper_says: "12 tokens/s FP32 on an unstated CPU",
      },
      samples.f32,
      bound("f32"),
      0.8,
    ),
    compare(
      { ...line, metric: "int8 decode against f32", note: `${note}; quantised, so not the paper's figure` },
      samples.int8,
      samples.f32,
      2.5,
    ),
    compare(
      { ...line, metric: "int4 decode against f32", note: `${note}; quantised, so not the paper's figure` },
      samples.int4,
      samples.f32,
      null,
    ),
    absolute({ ...line, metric: "int8 decode", note }, samples.int8, isFull ? 12 : null),
    absolute({ ...line, metric: "int4 decode", note }, samples.int4, isFull ? 12 : null),
    compare(
      { ...line, metric: "int8 decode against its own bandwidth bound", note },
      samples.int8,
      bound("int8"),
      null,
    ),
    compare(
      { ...line, metric: "int4 decode against its own bandwidth bound", note },
      samples.int4,
      bound("int4"),
      null,
    ),
  ];
}
