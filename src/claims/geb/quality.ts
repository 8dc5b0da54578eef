/** Claim 39, quality: what quantised weights and pages cost the built-in model, as perplexity of held-out replies. */
import { createRandom, median } from "../../core/index.ts";
import {
  builtInModelDir,
  encodeChat,
  loadModel,
  StepExecutor,
  type LoadedModel,
  type TokenScores,
  type WeightsFormat,
} from "../../llm/index.ts";
import { generateMixture } from "../../world/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { medianInterval95 } from "../statistics.ts";

const MODEL = "punctual-base";
const PAGE_TOKENS = 16;

interface Arm {
  readonly name: string;
  readonly weightsFormat: WeightsFormat;
  readonly kv: "f32" | "int8";
  /** Most that perplexity may grow, as a factor; null publishes only. */
  readonly target: number | null;
}

const ARMS: readonly Arm[] = [
  { name: "int8 weights", weightsFormat: "int8", kv: "f32", target: 1.01 },
  { name: "int4 weights", weightsFormat: "int4", kv: "f32", target: null },
  { name: "int8 pages", weightsFormat: "f32", kv: "int8", target: null },
];

interface Text {
  readonly tokens: readonly number[];
  readonly lossMask: Uint8Array;
}

function heldOut(model: LoadedModel, count: number, seed: number): Text[] {
  const random = createRandom(seed, "claim-39-quality");
  const texts: Text[] = [];
  while (texts.length < count) {
    const item = generateMixture("test", random);
    const text = encodeChat(model.tokenizer!, item.turns);
    if (text.tokens.length <= 256) texts.push(text);
  }
  return texts;
}

/** Negative log-likelihood per learnt token of each text. */
async function lossesOf(
  model: LoadedModel,
  arm: Omit<Arm, "name" | "target">,
  texts: readonly Text[],
): Promise<number[]> {
  const pages = Int32Array.from({ length: 16 }, (_, page) => page);
  await using executor = await StepExecutor.create({
    config: model.config,
    weights: model.weights,
    weightsFormat: arm.weightsFormat,
    threads: 2,
    kv: { format: arm.kv, pages: pages.length, pageTokens: PAGE_TOKENS },
    maxRows: 256,
    attention: { ortRowThreshold: Infinity },
  });
  const losses: number[] = [];
  for (const { tokens, lossMask } of texts) {
    const { scores } = await executor.step([
      { tokens: tokens.slice(0, -1), startPosition: 0, pages, wantLogits: "all", scores: { row: true } },
    ]);
    let sum = 0;
    let count = 0;
    for (let i = 1; i < tokens.length; i++) {
      if (lossMask[i] !== 1) continue;
      sum -= logProbability(scores[0]![i - 1]!, tokens[i]!);
      count += 1;
    }
    losses.push(sum / Math.max(1, count));
  }
  return losses;
}

function logProbability(scores: TokenScores, token: number): number {
  if (scores.kind !== "row") return Number.NaN; // rows were asked for
  let top = -Infinity;
  for (const logit of scores.logits) top = Math.max(top, logit);
  let total = 0;
  for (const logit of scores.logits) total += Math.exp(logit - top);
  return scores.logits[token]! - top - Math.log(total);
}

/** Perplexity over texts resampled in groups, so that the ratio has an interval. */
function perplexities(losses: readonly number[], groups: number): number[] {
  return Array.from({ length: groups }, (_, group) => {
    const part = losses.filter((_loss, i) => i % groups === group);
    return Math.exp(part.reduce((sum, loss) => sum + loss, 0) / part.length);
  });
}

export async function measureQuality(context: ClaimContext): Promise<Measured[]> {
  const count = { full: 1000, quick: 200, smoke: 8 }[context.mode];
  const groups = { full: 20, quick: 10, smoke: 2 }[context.mode];
  const model = await loadModel(builtInModelDir(MODEL));
  const texts = heldOut(model, count, context.seed);
  context.progress(`perplexity of ${count} held-out texts`);
  const baseline = perplexities(await lossesOf(model, { weightsFormat: "f32", kv: "f32" }, texts), groups);
  const lines: Measured[] = [];
  for (const arm of ARMS) {
    context.progress(`perplexity with ${arm.name}`);
    const ours = perplexities(await lossesOf(model, arm, texts), groups);
    const growth = ours.map((value, i) => value / baseline[i]!);
    const interval95 = medianInterval95(growth);
    lines.push({
      metric: `perplexity growth with ${arm.name}`,
      unit: "×",
      better: "lower",
      ours: median(growth),
      baseline: 1,
      ratio: 1 / median(growth),
      target: arm.target,
      target_on: "ours",
      samples: count,
      interval95,
      holds:
        arm.target === null ? null : interval95[1] <= arm.target ? true : interval95[0] > arm.target ? false : null,
      kind: "trained",
      paper_says: "quantisation announced as future work",
      note: `${MODEL}, replies of held-out items; f32 perplexity ${median(baseline).toFixed(3)}`,
    });
  }
  return lines;
}
