/**
 * Claim 32, what all of its measurements share: models with an executor over f32 pages, texts of the world cut into a
 * context and the query behind it, profiled tables, and what a reply costs when the context was decoded.
 */
import { createRandom } from "../../core/index.ts";
import {
  cacheShape,
  KvCodec,
  pagesToPlanes,
  TableProfiler,
  type CacheShape,
  type KvChunk,
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
export function chunksOf(pages: Uint8Array, tokens: number): KvChunk[] {
  const pageBytes = pages.length / Math.ceil(tokens / PAGE_TOKENS);
  const chunks: KvChunk[] = [];
  for (let at = 0; at < tokens; at += CHUNK_TOKENS) {
    const count = Math.min(CHUNK_TOKENS, tokens - at);
    const first = at / PAGE_TOKENS;
    const end = first + Math.ceil(count / PAGE_TOKENS);
    chunks.push({ pages: pages.subarray(first * pageBytes, end * pageBytes), tokens: count, firstPosition: at });
  }
  return chunks;
}

/** Profiles tables from training texts, never from those that are measured. */
export async function profiledCodec(subject: Subject, tokens: number, seed: number): Promise<KvCodec> {
  const profiler = new TableProfiler(subject.shape);
  for (const text of drawTexts(subject, "train", 128, Math.ceil(tokens / 128), seed)) {
    const context = text.tokens.slice(0, text.contextTokens);
    profiler.add(pagesToPlanes(subject.shape, await computeContext(subject, context), context.length, 0));
  }
  return KvCodec.create(subject.shape, { tables: profiler.finish() });
}

/** What a reply costs over the context that is in place, teacher-forced, and which token is best at each place. */
export interface ReplyScores {
  readonly loss: number;
  readonly best: readonly number[];
}

export async function scoreReply({ executor, pages }: Subject, text: Text): Promise<ReplyScores> {
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
  let loss = 0;
  const best: number[] = [];
  for (let i = replyAt; i < tokens.length; i++) {
    const row = scores[0]![i - 1 - contextTokens]!;
    if (row.kind !== "row") continue; // rows were asked for
    let top = 0;
    for (let token = 1; token < row.logits.length; token++) if (row.logits[token]! > row.logits[top]!) top = token;
    let total = 0;
    for (const logit of row.logits) total += Math.exp(logit - row.logits[top]!);
    loss += row.logits[top]! + Math.log(total) - row.logits[tokens[i]!]!;
    best.push(top);
  }
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
