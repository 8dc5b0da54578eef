/**
 * The pruned-vocabulary ablation: what a drafter loses that may only propose the N most frequent tokens. It looks free
 * on averages and is not on rare text, so it is shown by category, beside the share of the target's own tokens that the
 * pruned vocabulary lacks.
 *
 * Two ways to measure it. Where a server takes the drafter's vocabulary with a request, it is really pruned there. Where
 * token ids are at hand, drafting is replayed over finished greedy answers: the target's choice at every position is
 * known, so the steps that a drafter of ours would have led to follow exactly, without running the target again. The
 * drafter inside a foreign server can be measured in neither way, and reports say so.
 */
import { assert } from "../../core/index.ts";
import { acceptanceReport, type AnswerSteps } from "./acceptance.ts";
import { meanOf } from "./estimate.ts";

/** Proposes what comes next; never more than `count` ids, none outside `allowed` unless that is null. */
export interface Proposer {
  /** What it is, for reports. */
  readonly name: string;
  propose(
    context: readonly number[],
    count: number,
    allowed: ReadonlySet<number> | null,
  ): readonly number[] | Promise<readonly number[]>;
}

/** A finished greedy answer as token ids. */
export interface TokenAnswer {
  readonly category: string;
  readonly prompt: readonly number[];
  /** At least one. */
  readonly answer: readonly number[];
}

/** One category at one size of the vocabulary. */
export interface VocabularyRow {
  readonly category: string;
  /** Tokens that the drafter may propose; null for all. */
  readonly vocabularyTokens: number | null;
  readonly answers: number;
  readonly acceptanceLength: number;
  /** By that of the whole vocabulary, minus 1: at most 0 but for chance. */
  readonly change: number;
  /** Share of the answers' tokens outside the vocabulary. */
  readonly missing: number;
}

/** The ablation, or why there is none. */
export type VocabularyReport =
  | {
      readonly kind: "server" | "replay";
      readonly drafter: string;
      readonly draftLength: number;
      readonly rows: readonly VocabularyRow[];
      /** Mean over categories per size. */
      readonly overall: readonly {
        readonly vocabularyTokens: number;
        readonly change: number;
        readonly missing: number;
      }[];
      readonly note: string;
    }
  | { readonly kind: "not measurable"; readonly reason: string };

/** The most frequent ids, the first in the list first; ties in order of id. */
export function frequentTokens(sequences: Iterable<readonly number[]>, count: number): readonly number[] {
  const counts = new Map<number, number>();
  for (const sequence of sequences) for (const id of sequence) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts]
    .toSorted(([a, many], [b, few]) => few - many || a - b)
    .slice(0, count)
    .map(([id]) => id);
}

/**
 * Looks the context's last tokens up earlier in the context and proposes what followed: the longest match of
 * `maxNgram` … `minNgram` tokens, the latest of equals (prompt lookup). A pruned drafter stops before the first token
 * that it has not.
 */
export function ngramProposer(minNgram = 1, maxNgram = 3): Proposer {
  assert(minNgram >= 1 && maxNgram >= minNgram, "an n-gram has a length");
  return {
    name: `n-gram lookup ${minNgram}..${maxNgram}`,
    propose(context, count, allowed) {
      for (let n = Math.min(maxNgram, context.length - 1); n >= minNgram; n--) {
        const at = lastMatch(context, n);
        if (at < 0) continue;
        const following = context.slice(at + n, at + n + count);
        const end = allowed === null ? -1 : following.findIndex((id) => !allowed.has(id));
        return end < 0 ? following : following.slice(0, end);
      }
      return [];
    },
  };
}

/** Where the last n tokens stood before, latest first; −1 if nowhere. */
function lastMatch(context: readonly number[], n: number): number {
  const tail = context.length - n;
  for (let at = tail - 1; at >= 0; at--) {
    let same = 0;
    while (same < n && context[at + same] === context[tail + same]) same += 1;
    if (same === n) return at;
  }
  return -1;
}

/** The steps that a drafter leads to over an answer that greedy verification reproduces token by token. */
export async function replaySteps(
  { prompt, answer }: Pick<TokenAnswer, "prompt" | "answer">,
  proposer: Proposer,
  draftLength: number,
  allowed: ReadonlySet<number> | null,
): Promise<AnswerSteps> {
  assert(answer.length > 0, "an answer has tokens");
  const lengths = [1]; // the step that reads the prompt
  const context = [...prompt, answer[0]!];
  let [done, accepted, drafted, isCut] = [1, 0, 0, false];
  while (done < answer.length) {
    const draft = await proposer.propose(context, draftLength, allowed);
    assert(draft.length <= draftLength, "a drafter proposes no more than it is asked for");
    let matched = 0;
    while (matched < draft.length && done + matched < answer.length && draft[matched] === answer[done + matched])
      matched += 1;
    const length = Math.min(matched + 1, answer.length - done);
    isCut = matched + 1 > length;
    lengths.push(length);
    context.push(...answer.slice(done, done + length));
    done += length;
    accepted += Math.min(matched, length);
    drafted += draft.length;
  }
  return { source: "response metrics", tokens: answer.length, accepted, drafted, lengths, histogram: null, isCut };
}

/** Replays a drafter with vocabularies of those sizes; frequencies are counted on `reference`, never on `answers`. */
export async function replayAblation(
  answers: readonly TokenAnswer[],
  reference: readonly (readonly number[])[],
  sizes: readonly number[],
  draftLength: number,
  proposer: Proposer,
): Promise<VocabularyReport> {
  const ranked = frequentTokens(reference, Math.max(...sizes));
  const rows: VocabularyRow[] = [];
  for (const category of new Set(answers.map((one) => one.category))) {
    const own = answers.filter((one) => one.category === category);
    const whole = await replayedLength(own, proposer, draftLength, null);
    rows.push({
      category,
      vocabularyTokens: null,
      answers: own.length,
      acceptanceLength: whole,
      change: 0,
      missing: 0,
    });
    for (const size of sizes) {
      const allowed = new Set(ranked.slice(0, size));
      const length = await replayedLength(own, proposer, draftLength, allowed);
      rows.push({
        category,
        vocabularyTokens: size,
        answers: own.length,
        acceptanceLength: length,
        change: length / whole - 1,
        missing: missingShare(own, allowed),
      });
    }
  }
  return {
    kind: "replay",
    drafter: proposer.name,
    draftLength,
    rows,
    overall: overallRows(rows, sizes),
    note: "replayed over finished answers; this drafter, whatever the server itself drafts with",
  };
}

async function replayedLength(
  answers: readonly TokenAnswer[],
  proposer: Proposer,
  draftLength: number,
  allowed: ReadonlySet<number> | null,
): Promise<number> {
  const steps: AnswerSteps[] = [];
  for (const answer of answers) steps.push(await replaySteps(answer, proposer, draftLength, allowed));
  return acceptanceReport(steps, "response metrics", draftLength).length?.mean ?? 1;
}

/** Share of the answers' tokens that are not in a vocabulary. */
export function missingShare(answers: readonly Pick<TokenAnswer, "answer">[], allowed: ReadonlySet<number>): number {
  let [missing, all] = [0, 0];
  for (const { answer } of answers) {
    all += answer.length;
    for (const id of answer) if (!allowed.has(id)) missing += 1;
  }
  return all === 0 ? 0 : missing / all;
}

/** Means over categories, each weighing the same. */
export function overallRows(
  rows: readonly VocabularyRow[],
  sizes: readonly number[],
): readonly { readonly vocabularyTokens: number; readonly change: number; readonly missing: number }[] {
  return sizes.map((vocabularyTokens) => {
    const own = rows.filter((row) => row.vocabularyTokens === vocabularyTokens);
    return {
      vocabularyTokens,
      change: meanOf(own.map(({ change }) => change)),
      missing: meanOf(own.map(({ missing }) => missing)),
    };
  });
}
