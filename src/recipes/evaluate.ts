/**
 * How well weights do what the world asks: items of a split, greedy replies, the world's own graders.
 * Validation steers recipes; the test split is looked at when a model is finished, and goes on its card.
 */
import { createRandom } from "../core/index.ts";
import { chatPrompt, parseReply, type DecoderConfig, type Tokenizer } from "../llm/index.ts";
import { grade, type Reply, type Skill, type Split, type WorldItem } from "../world/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { shareOf, type Share } from "./statistics.ts";

/** All that scoring needs of a model; weights by the names of `parameterSpecs`. */
export interface EvaluatedModel {
  readonly config: DecoderConfig;
  /** Float32 weights by name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly tokenizer: Tokenizer;
}

/** A set of items that is scored as one. */
export interface ScoredSet {
  readonly name: string;
  readonly draw: (split: Split, random: ReturnType<typeof createRandom>) => WorldItem;
}

/** What to ask and how much of it. Items depend on split, seed, set and number only: all models are asked the same. */
export interface EvaluateOptions {
  readonly split: Split;
  readonly sets: readonly ScoredSet[];
  /** Items of each set, default 1,000. */
  readonly items?: number;
  readonly seed?: number;
  /** Longest reply, tokens; default 160. */
  readonly maxTokens?: number;
  readonly threads?: number;
}

/** How one set went, over all and by kind. */
export interface SetScore extends Share {
  readonly name: string;
  /** By the item's kind, hardest first. */
  readonly kinds: Readonly<Record<string, Share>>;
  /** A few replies that were wrong, for people. */
  readonly mistakes: readonly Mistake[];
}

/**
 * One wrong reply: the conversation before it on one line, the reply as text without its marks, the grader's
 * reason.
 */
export interface Mistake {
  readonly skill: Skill;
  readonly asked: string;
  readonly reply: string;
  readonly reason: string;
}

const MISTAKES = 12;

/**
 * Scores the sets in order, replies greedy and from BatchDecoder, not from the serving engine. Blocks the calling thread
 * during each of its steps.
 */
export async function evaluateModel(model: EvaluatedModel, options: EvaluateOptions): Promise<SetScore[]> {
  const { config, weights, tokenizer } = model;
  const { split, seed = 1, maxTokens = 160, threads = 2 } = options;
  const end = tokenizer.specialId("<|end|>");
  await using decoder = await BatchDecoder.create({ config, weights, threads });
  const scores: SetScore[] = [];
  for (const set of options.sets) {
    const items = Array.from({ length: options.items ?? 1000 }, (_, i) =>
      set.draw(split, createRandom(seed, `evaluate/${split}/${set.name}/${i}`)),
    );
    const prompts = items.map((item) => chatPrompt(tokenizer, item.turns.slice(0, -1)));
    const replies = await decoder.decode(
      prompts.map((prompt) => ({ prompt, maxTokens })),
      end,
    );
    scores.push(scoreSet(set.name, items, replies, tokenizer));
  }
  return scores;
}

function scoreSet(
  name: string,
  items: readonly WorldItem[],
  replies: readonly (readonly number[])[],
  tokenizer: Tokenizer,
): SetScore {
  const byKind = new Map<string, { correct: number; items: number }>();
  const mistakes: Mistake[] = [];
  let correct = 0;
  items.forEach((item, i) => {
    const verdict = grade(item, parseReply(tokenizer, replies[i]!) as Reply);
    const kind = byKind.get(item.kind) ?? { correct: 0, items: 0 };
    kind.items += 1;
    byKind.set(item.kind, kind);
    if (verdict.correct) {
      correct += 1;
      kind.correct += 1;
    } else if (mistakes.length < MISTAKES) {
      const asked = item.turns.slice(0, -1).map(({ text, context }) => [context, text].filter(Boolean).join(" | "));
      const reply = tokenizer.decode(replies[i]!);
      mistakes.push({ skill: item.skill, asked: asked.join(" / "), reply, reason: verdict.reason ?? "" });
    }
  });
  const kinds = [...byKind]
    .map(([kind, counts]) => [kind, shareOf(counts.correct, counts.items)] as const)
    .toSorted(([, a], [, b]) => a.share - b.share);
  return { name, ...shareOf(correct, items.length), kinds: Object.fromEntries(kinds), mistakes };
}
