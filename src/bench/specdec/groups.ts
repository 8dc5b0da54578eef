/**
 * What the experiments ask: questions grouped by category, selected for diversity, made to lengths, turned into noise.
 * All of it happens before anything is timed.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { sampleText } from "../prompts.ts";
import type { Asked } from "./conversations.ts";
import { embedTexts } from "./embed.ts";
import { composeLong } from "./fit-length.ts";
import { ENTROPY_TIERS, longPrompt, type EntropyTier } from "./generate.ts";
import { byCategory } from "./questions.ts";
import { averageSimilarity, randomSimilarity, selectDiverse } from "./select.ts";
import type { TokenSource } from "./token-source.ts";
import { BIAS_GROUPS, TRAP_GROUPS } from "./traps.ts";
import type { Question } from "./types.ts";

/** What the selection came to in a category. */
export interface SelectionReport {
  readonly category: string;
  readonly candidates: number;
  readonly selected: number;
  /** Average pairwise similarity of the selection, of random choices of that size, and the first by the second. */
  readonly similarity: number;
  readonly randomSimilarity: number;
  readonly ratio: number | null;
}

const RANDOM_DRAWS = 32;

/** The least alike questions of every category, at most so many of each; reports where there was a choice. */
export function selectQuestions(
  questions: readonly Question[],
  perCategory: number,
  random: RandomStream,
): { readonly questions: readonly Question[]; readonly reports: readonly SelectionReport[] } {
  const chosen: Question[] = [];
  const reports: SelectionReport[] = [];
  for (const [category, candidates] of byCategory(questions)) {
    if (candidates.length <= perCategory) {
      chosen.push(...candidates);
      continue;
    }
    const stream = random.fork(category);
    const embeddings = embedTexts(candidates.map(textOf));
    const members = selectDiverse(embeddings, { count: perCategory, sense: "diverse" }, stream);
    chosen.push(...members.map((member) => candidates[member]!));
    const similarity = averageSimilarity(embeddings, members);
    const byChance = randomSimilarity(embeddings, perCategory, RANDOM_DRAWS, stream.fork("chance"));
    reports.push({
      category,
      candidates: candidates.length,
      selected: members.length,
      similarity,
      randomSimilarity: byChance,
      ratio: byChance > 0 ? similarity / byChance : null,
    });
  }
  return { questions: chosen, reports };
}

function textOf({ turns }: Question): string {
  return turns.join("\n");
}

/** Questions by category, as they are asked. */
export function categoryGroups(questions: readonly Question[]): ReadonlyMap<string, readonly Asked[]> {
  return new Map(
    [...byCategory(questions)].map(([category, own]) => [category, own.map((question) => ({ question }))]),
  );
}

/** Classes of length that both sets of the bias experiment fill alike. */
const LENGTH_CLASSES = 3;

/**
 * The most diverse and the most alike questions: equally many of every category and, within it, of every class of
 * length, so that nothing but their likeness differs.
 */
export function biasGroups(
  questions: readonly Question[],
  perCategory: number,
  random: RandomStream,
): { readonly groups: ReadonlyMap<string, readonly Asked[]>; readonly similarity: Readonly<Record<string, number>> } {
  const picked = { diverse: [] as Question[], alike: [] as Question[] };
  for (const [category, candidates] of byCategory(questions)) {
    const count = Math.min(perCategory, Math.floor(candidates.length / 2));
    if (count < 2) continue;
    const embeddings = embedTexts(candidates.map(textOf));
    const classes = lengthClasses(candidates);
    const diverse = selectDiverse(embeddings, { count, sense: "diverse" }, random.fork(`diverse ${category}`));
    const quotas = new Map<number, number>();
    for (const member of diverse) quotas.set(classes[member]!, (quotas.get(classes[member]!) ?? 0) + 1);
    const options = { count, sense: "alike", groups: classes, quotas } as const;
    const alike = selectDiverse(embeddings, options, random.fork(`alike ${category}`));
    picked.diverse.push(...diverse.map((member) => candidates[member]!));
    picked.alike.push(...alike.map((member) => candidates[member]!));
  }
  const asked = (list: readonly Question[]): readonly Asked[] => list.map((question) => ({ question }));
  const all = embedTexts([...picked.diverse, ...picked.alike].map(textOf));
  const half = picked.diverse.length;
  const indices = Array.from({ length: half }, (_, i) => i);
  return {
    groups: new Map([
      [BIAS_GROUPS.diverse, asked(picked.diverse)],
      [BIAS_GROUPS.alike, asked(picked.alike)],
    ]),
    similarity: {
      [BIAS_GROUPS.diverse]: averageSimilarity(all, indices),
      [BIAS_GROUPS.alike]: averageSimilarity(
        all,
        indices.map((i) => half + i),
      ),
    },
  };
}

/** The tercile of every question's length. */
function lengthClasses(questions: readonly Question[]): readonly number[] {
  const lengths = questions.map((question) => textOf(question).length);
  const order = lengths.map((_, i) => i).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b);
  const classes = Array.from({ length: questions.length }, () => 0);
  for (const [rank, i] of order.entries()) classes[i] = Math.floor((rank * LENGTH_CLASSES) / questions.length);
  return classes;
}

/**
 * Real prompts and noise of the same lengths, token by token where the server tokenises. Noise is drawn evenly from all
 * tokens that real prompts are made of, so that it never holds a mark of the chat template.
 */
export async function trapGroups(
  questions: readonly Question[],
  tokens: TokenSource,
  random: RandomStream,
): Promise<ReadonlyMap<string, readonly Asked[]>> {
  const real: Asked[] = [];
  const noise: Asked[] = [];
  const known = new Set<number>();
  for (const question of questions) for (const id of (await tokens.textIds(question.turns[0]!)) ?? []) known.add(id);
  const vocabulary = [...known].toSorted((a, b) => a - b);
  for (const question of questions) {
    const twin: Question = { ...question, id: `random-${question.id}`, source: "random tokens" };
    const single: Question = { ...question, turns: [question.turns[0]!] };
    const promptIds = vocabulary.length === 0 ? null : await tokens.promptIds(question);
    if (promptIds === null) {
      const words = question.turns[0]!.match(/\S+/g)?.length ?? 1;
      real.push({ question: single });
      noise.push({ question: { ...twin, turns: [sampleText(words, random)] } });
    } else {
      real.push({ question: single, promptIds });
      noise.push({ question: twin, promptIds: promptIds.map(() => random.pick(vocabulary)) });
    }
  }
  return new Map([
    [TRAP_GROUPS.real, real],
    [TRAP_GROUPS.random, noise],
  ]);
}

/** The name of a group of the throughput split. */
export function bucketName(inputTokens: number, tier: EntropyTier): string {
  return `${inputTokens >= 1000 && inputTokens % 1000 === 0 ? `${inputTokens / 1000}k` : inputTokens} ${tier}`;
}

/** Prompts of every length at every level of entropy, `perGroup` each. */
export async function throughputGroups(
  inputLengths: readonly number[],
  perGroup: number,
  tokens: TokenSource,
  random: RandomStream,
): Promise<ReadonlyMap<string, readonly Asked[]>> {
  assert(perGroup >= 1, "a group has prompts");
  const groups = new Map<string, readonly Asked[]>();
  for (const inputTokens of inputLengths) {
    for (const tier of ENTROPY_TIERS) {
      const name = bucketName(inputTokens, tier);
      const asked: Asked[] = [];
      for (let i = 0; i < perGroup; i++) {
        const prompt = longPrompt(tier, random.fork(`${name} ${i}`));
        const { text } = await composeLong(prompt, inputTokens, (one) => tokens.count(one));
        const id = `${name.replaceAll(" ", "-")}-${i}`;
        asked.push({
          question: { id, category: name, subCategory: tier, turns: [text], source: "generated", difficulty: null },
        });
      }
      groups.set(name, asked);
    }
  }
  return groups;
}
