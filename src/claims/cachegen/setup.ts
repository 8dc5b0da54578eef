/**
 * Claim 32, what all of its measurements share: models with an executor over f32 pages, texts of the world cut into a
 * context and the query behind it, profiled tables, and what a reply costs when the context was decoded.
 */
import { createRandom } from "../../core/index.ts";
import {
  cacheShape,
  KvCodec,
  measureSensitivities,
  pagesToPlanes,
  PredictionProfiler,
  TableProfiler,
  type CacheShape,
  type KvChunk,
  type SensitivitySample,
} from "../../cluster/index.ts";
import { builtInModelDir, encodeChat, loadModel, StepExecutor, type LoadedModel } from "../../llm/index.ts";
import { generateMixture, type Split, type Turn } from "../../world/index.ts";

const PAGE_TOKENS = 16;
/** Tokens of a chunk: what is coded by itself and may have a level of its own. */
export const CHUNK_TOKENS = 64;
/** The end of a prompt that is computed over the decoded context, as a query would be. */
const QUERY_TOKENS = 8;

/** A model that is measured. */
export interface Subject {
  readonly name: string;
  readonly model: LoadedModel;
  readonly executor: StepExecutor;
  readonly shape: CacheShape;
  readonly pages: Int32Array;
}

/** A conversation: its first tokens are the context, `lossMask` marks the reply. */
export interface Text {
  readonly tokens: readonly number[];
  readonly contextTokens: number;
  readonly replyAt: number;
}

/** Loads a built-in model. Dispose its executor. */
export async function openSubject(name: string): Promise<Subject> {
  const model = await loadModel(builtInModelDir(name));
  const pages = Int32Array.from({ length: Math.ceil(model.config.maxPositions / PAGE_TOKENS) }, (_, page) => page);
  const executor = await StepExecutor.create({
    config: model.config,
    weights: model.weights,
    weightsFormat: "f32",
    threads: 2,
    kv: { format: "f32", pages: pages.length, pageTokens: PAGE_TOKENS },
    maxRows: model.config.maxPositions,
    attention: { ortRowThreshold: Infinity },
  });
  return {
    name,
    model,
    executor,
    shape: cacheShape(model.config, { format: "f32", pageTokens: PAGE_TOKENS }, name),
    pages,
  };
}

/** Conversations of a split whose context has about `contextTokens` tokens: exchanges are added until it does. */
export function drawTexts(subject: Subject, split: Split, contextTokens: number, count: number, seed: number): Text[] {
  const random = createRandom(seed, `claim-32-${split}-${contextTokens}`);
  const texts: Text[] = [];
  while (texts.length < count) {
    let turns: readonly Turn[] = [];
    for (let exchanges = 0; exchanges < 40; exchanges++) {
      turns = [...turns, ...without(generateMixture(split, random).turns, turns.length > 0)];
      const { tokens, lossMask } = encodeChat(subject.model.tokenizer!, turns);
      let replyAt = tokens.length;
      while (replyAt > 0 && lossMask[replyAt - 1] === 1) replyAt -= 1;
      const context = replyAt - QUERY_TOKENS;
      if (tokens.length > subject.model.config.maxPositions || context > 1.5 * contextTokens) break;
      if (context < contextTokens) continue;
      texts.push({ tokens, contextTokens: context, replyAt });
      break;
    }
  }
  return texts;
}

/** A system turn stands at the head only: a later exchange carries its context in the user's turn. */
function without(turns: readonly Turn[], isLater: boolean): readonly Turn[] {
  const [system, ...rest] = turns;
  if (!isLater || system?.role !== "system") return turns;
  const { context } = system;
  return context === undefined ? rest : rest.map((turn, i) => (i === 0 ? { ...turn, context } : turn));
}

/** Computes a context and gives its pages. */
export async function computeContext(subject: Subject, tokens: readonly number[]): Promise<Uint8Array> {
  const { executor, pages } = subject;
  await executor.step([{ tokens, startPosition: 0, pages, wantLogits: "none" }]);
  const count = Math.ceil(tokens.length / PAGE_TOKENS);
  return Buffer.concat(Array.from({ length: count }, (_, page) => executor.pageData(pages[page]!)));
}

/** Puts pages of a context in place of what was computed. */
export function placeContext(subject: Subject, bytes: Uint8Array): void {
  const size = bytes.length / Math.ceil(bytes.length / subject.executor.pageData(0).length);
  for (let at = 0; at < bytes.length; at += size) {
    subject.executor.pageData(subject.pages[at / size]!).set(bytes.subarray(at, at + size));
  }
}

/** A context as chunks. */
export function chunksOf(pages: Uint8Array, tokens: readonly number[]): KvChunk[] {
  const pageBytes = pages.length / Math.ceil(tokens.length / PAGE_TOKENS);
  const chunks: KvChunk[] = [];
  for (let at = 0; at < tokens.length; at += CHUNK_TOKENS) {
    const tokenIds = tokens.slice(at, at + CHUNK_TOKENS);
    const first = at / PAGE_TOKENS;
    const end = first + Math.ceil(tokenIds.length / PAGE_TOKENS);
    const own = pages.subarray(first * pageBytes, end * pageBytes);
    chunks.push({ pages: own, tokens: tokenIds.length, firstPosition: at, tokenIds });
  }
  return chunks;
}

/** What profiles are made of. */
export interface ProfileSize {
  readonly tokens: number;
  /** Texts that sensitivities are measured on; 0: all heads are equal. */
  readonly sensitivityTexts: number;
}

/** Context lengths of profiled texts, in turn. */
const PROFILE_LENGTHS = [64, 128, 256] as const;

/** Profiles tables of both kinds from the same training texts, never from those that are measured. */
export async function profiledCodec(subject: Subject, size: ProfileSize, seed: number): Promise<KvCodec> {
  const { shape } = subject;
  const [anchored, predicted] = [new TableProfiler(shape), new PredictionProfiler(shape)];
  const count = Math.ceil(size.tokens / PROFILE_LENGTHS.reduce((sum, length) => sum + length, 0));
  const byLength = PROFILE_LENGTHS.map((length) => drawTexts(subject, "train", length, count, seed));
  for (let i = 0; i < count; i++) {
    for (const texts of byLength) {
      const context = texts[i]!.tokens.slice(0, texts[i]!.contextTokens);
      const planes = pagesToPlanes(shape, await computeContext(subject, context), context.length, 0);
      anchored.add(planes);
      predicted.add(planes, context);
    }
  }
  const samples: SensitivitySample[] = [];
  for (const text of drawTexts(subject, "train", 128, size.sensitivityTexts, seed + 1)) {
    samples.push(await sampleOf(subject, text));
  }
  const random = createRandom(seed, "claim-32-sensitivity");
  const sensitivities =
    samples.length === 0 ? undefined : await measureSensitivities(shape, predicted.deviations(), samples, random);
  const prediction = predicted.finish(sensitivities === undefined ? {} : { sensitivities });
  return KvCodec.create(shape, { tables: anchored.finish(), prediction });
}

/** A text whose divergence is that of its reply's distributions, in nats per token. */
async function sampleOf(subject: Subject, text: Text): Promise<SensitivitySample> {
  const tokens = text.tokens.slice(0, text.contextTokens);
  const planes = pagesToPlanes(subject.shape, await computeContext(subject, tokens), tokens.length, 0);
  const exact = await replyRows(subject, text);
  return {
    planes,
    firstPosition: 0,
    divergence: async (pages) => {
      placeContext(subject, pages);
      const rows = await replyRows(subject, text);
      const sum = exact.reduce((total, row, i) => total + divergenceOf(row, rows[i]!), 0);
      return sum / Math.max(1, exact.length);
    },
  };
}

/** Kullback and Leibler's, of two rows of logarithms of probabilities. */
function divergenceOf(exact: Float64Array, other: Float64Array): number {
  return exact.reduce((sum, log, i) => sum + Math.exp(log) * (log - other[i]!), 0);
}

/** Logarithms of the probabilities of every token at each place of the reply. */
async function replyRows(subject: Subject, text: Text): Promise<Float64Array[]> {
  const rows = await replyLogits(subject, text);
  return rows.map((logits) => {
    let top = -Infinity;
    for (const logit of logits) if (logit > top) top = logit;
    let total = 0;
    for (const logit of logits) total += Math.exp(logit - top);
    return Float64Array.from(logits, (logit) => logit - top - Math.log(total));
  });
}

async function replyLogits({ executor, pages }: Subject, text: Text): Promise<Float32Array[]> {
  const { tokens, contextTokens, replyAt } = text;
  const { scores } = await executor.step([
    {
      tokens: tokens.slice(contextTokens, -1),
      startPosition: contextTokens,
      pages,
      wantLogits: "all",
      scores: { row: true },
    },
  ]);
  return scores[0]!.slice(replyAt - 1 - contextTokens).flatMap((row) => (row.kind === "row" ? [row.logits] : []));
}

/** What a reply costs over the context that is in place, teacher-forced, and which token is best at each place. */
export interface ReplyScores {
  readonly loss: number;
  readonly best: readonly number[];
}

export async function scoreReply(subject: Subject, text: Text): Promise<ReplyScores> {
  const { tokens, replyAt } = text;
  const rows = await replyRows(subject, text);
  let loss = 0;
  const best = rows.map((row, i) => {
    loss -= row[tokens[replyAt + i]!]!;
    return row.reduce((top, log, token) => (log > row[top]! ? token : top), 0);
  });
  return { loss, best };
}

/** Whether greedy generation over the context in place says the very reply that it says over the exact one. */
export async function greedyReply({ executor, pages, model }: Subject, text: Text): Promise<number[]> {
  const reply: number[] = [];
  let next: readonly number[] = text.tokens.slice(text.contextTokens, text.replyAt);
  let position = text.contextTokens;
  while (reply.length < 48 && position + next.length < model.config.maxPositions) {
    const { scores } = await executor.step([{ tokens: next, startPosition: position, pages, wantLogits: "last" }]);
    const top = scores[0]![0]!;
    const token = top.kind === "top" ? top.ids[0]! : 0;
    if (model.endTokens.includes(token)) break;
    reply.push(token);
    position += next.length;
    next = [token];
  }
  return reply;
}
