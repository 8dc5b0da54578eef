/**
 * The experiments of `bench specdec`, each a matrix of cells and what is concluded from it. They share arms, session and
 * questions; every one says what it could not measure instead of leaving it out.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import type { Cell, Session } from "./cell.ts";
import { baselineOf, summariseArms, summariseOverall, type MatrixReport } from "./compare.ts";
import type { Asked } from "./conversations.ts";
import {
  biasGroups,
  categoryGroups,
  selectQuestions,
  throughputGroups,
  trapGroups,
  type SelectionReport,
} from "./groups.ts";
import { matrixTurns, measureMatrix, type ArmHost, type MatrixOptions } from "./matrix.ts";
import { paretoReport, type ParetoReport } from "./pareto.ts";
import { byCategory } from "./questions.ts";
import type { TokenSource } from "./token-source.ts";
import { biasReport, meanInflation, trapRows, type BiasReport, type TrapRow } from "./traps.ts";
import type { Arm, Question } from "./types.ts";
import { replayAblation, type Proposer, type TokenAnswer, type VocabularyReport } from "./vocabulary.ts";
import { serverAblation, type VocabularyHook } from "./vocabulary-server.ts";

/** The names of the experiments. */
export const EXPERIMENTS = ["qualitative", "throughput", "pareto", "random-tokens", "diversity", "vocabulary"] as const;
/** One of them. */
export type ExperimentName = (typeof EXPERIMENTS)[number];

/** What every experiment works with. */
export interface ExperimentOptions {
  readonly questions: readonly Question[];
  readonly perCategory: number;
  readonly arms: readonly Arm[];
  readonly concurrencies: readonly number[];
  readonly rounds: number;
  readonly order: MatrixOptions["order"];
  readonly host: ArmHost;
  readonly session: Session;
  readonly tokens: TokenSource;
  readonly random: RandomStream;
  /** Tokens of the prompts of the throughput split. */
  readonly inputLengths: readonly number[];
  /** Prompts per length and level of entropy. */
  readonly perBucket: number;
  /** Send single-turn questions as token ids, so that every server sees the same sequence. */
  readonly asTokenIds: boolean;
  /** A published throughput split, whose categories are its groups; null to make prompts of `inputLengths`. */
  readonly throughputQuestions: readonly Question[] | null;
  readonly vocabulary: VocabularyOptions;
  readonly onPlan?: (
    experiment: ExperimentName,
    plan: { readonly turns: number; readonly arms: readonly Arm[] },
  ) => void;
  readonly onCell?: (cell: Cell) => void;
}

/** How the vocabulary is pruned. */
export interface VocabularyOptions {
  /** Tokens that the drafter keeps. */
  readonly sizes: readonly number[];
  readonly draftLength: number;
  /** Where the server prunes its drafter by request; null where it cannot. */
  readonly hook: VocabularyHook | null;
  /** Replayed over answers where the server cannot prune; null to say that it cannot be measured. */
  readonly proposer: Proposer | null;
}

/** What an experiment found. */
export type ExperimentReport =
  | (MatrixReport & { readonly kind: "qualitative"; readonly selection: readonly SelectionReport[] })
  | (MatrixReport & { readonly kind: "throughput"; readonly lengthsBy: TokenSource["kind"] })
  | (MatrixReport & { readonly kind: "pareto"; readonly pareto: ParetoReport })
  | (MatrixReport & {
      readonly kind: "random-tokens";
      readonly rows: readonly TrapRow[];
      readonly meanInflation: number | null;
      readonly promptsAs: "token ids" | "words";
    })
  | (MatrixReport & {
      readonly kind: "diversity";
      readonly bias: BiasReport | null;
      readonly similarity: Readonly<Record<string, number>>;
      readonly note: string | null;
    })
  | (MatrixReport & { readonly kind: "vocabulary"; readonly vocabulary: VocabularyReport });

/** Runs one experiment. */
export async function runExperiment(name: ExperimentName, options: ExperimentOptions): Promise<ExperimentReport> {
  switch (name) {
    case "qualitative":
      return await qualitative(options);
    case "throughput":
      return await throughput(options);
    case "pareto":
      return await pareto(options);
    case "random-tokens":
      return await randomTokens(options);
    case "diversity":
      return await diversity(options);
    case "vocabulary":
      return await vocabulary(options);
    default:
      return name satisfies never;
  }
}

type Groups = ReadonlyMap<string, readonly Asked[]>;

async function matrix(
  name: ExperimentName,
  options: ExperimentOptions,
  groups: Groups,
  more: Partial<MatrixOptions> = {},
): Promise<MatrixReport> {
  const { arms, rounds, order, host, session, onCell } = options;
  const plan: MatrixOptions = {
    arms,
    groups: options.asTokenIds ? await withIds(groups, options.tokens) : groups,
    concurrencies: options.concurrencies.slice(0, 1),
    rounds,
    order,
    host,
    session,
    ...(onCell === undefined ? {} : { onCell }),
    ...more,
  };
  options.onPlan?.(name, { turns: matrixTurns(plan), arms: plan.arms });
  const cells = await measureMatrix(plan);
  const summaries = summariseArms(cells, plan.session.request.temperature === 0);
  return { summaries, overall: summariseOverall(summaries), cells };
}

/** Questions of one turn as token ids; conversations stay text, their later turns depend on answers. */
async function withIds(groups: Groups, tokens: TokenSource): Promise<Groups> {
  const result = new Map<string, readonly Asked[]>();
  for (const [name, asked] of groups) {
    const own: Asked[] = [];
    for (const one of asked) {
      const isSingle = one.promptIds === undefined && one.question.turns.length === 1;
      const promptIds = isSingle ? await tokens.promptIds(one.question) : null;
      own.push(promptIds === null ? one : { ...one, promptIds });
    }
    result.set(name, own);
  }
  return result;
}

/** With answers of exactly the asked length: only for throughput, a model's own end belongs to acceptance. */
function fixedLength(session: Session): Session {
  return { ...session, request: { ...session.request, ignoreEos: true } };
}

async function qualitative(options: ExperimentOptions): Promise<ExperimentReport> {
  const { questions, reports } = selectQuestions(options.questions, options.perCategory, options.random.fork("select"));
  const report = await matrix("qualitative", options, categoryGroups(questions));
  return { kind: "qualitative", selection: reports, ...report };
}

async function throughput(options: ExperimentOptions): Promise<ExperimentReport> {
  const { inputLengths, perBucket, tokens, random } = options;
  const published = options.throughputQuestions;
  const groups =
    published === null
      ? await throughputGroups(inputLengths, perBucket, tokens, random.fork("throughput"))
      : categoryGroups(firstOfEach(published, perBucket));
  const report = await matrix("throughput", options, groups, { session: fixedLength(options.session) });
  return { kind: "throughput", lengthsBy: tokens.kind, ...report };
}

/** The first questions of every category, in the order of the file. */
function firstOfEach(questions: readonly Question[], count: number): readonly Question[] {
  return [...byCategory(questions).values()].flatMap((own) => own.slice(0, count));
}

async function pareto(options: ExperimentOptions): Promise<ExperimentReport> {
  const { questions } = selectQuestions(options.questions, options.perCategory, options.random.fork("select"));
  const all: Groups = new Map([["all", singleTurns(questions)]]);
  const session = fixedLength(options.session);
  const report = await matrix("pareto", options, all, { session, concurrencies: options.concurrencies });
  return { kind: "pareto", pareto: paretoReport(report.summaries), ...report };
}

/** First turns only: a conversation in the middle of its turns leaves its place under way half empty. */
function singleTurns(questions: readonly Question[]): readonly Asked[] {
  return questions.map((question) => ({ question: { ...question, turns: [question.turns[0]!] } }));
}

async function randomTokens(options: ExperimentOptions): Promise<ExperimentReport> {
  const { questions } = selectQuestions(options.questions, options.perCategory, options.random.fork("select"));
  const groups = await trapGroups(questions, options.tokens, options.random.fork("noise"));
  const promptsAs = [...groups.values()][0]?.[0]?.promptIds === undefined ? "words" : "token ids";
  const session = fixedLength(options.session);
  const report = await matrix("random-tokens", options, groups, { session });
  const rows = trapRows(report.cells, report.summaries);
  const inflation = meanInflation(rows, baselineOf(report.cells));
  return { kind: "random-tokens", rows, meanInflation: inflation, promptsAs, ...report };
}

async function diversity(options: ExperimentOptions): Promise<ExperimentReport> {
  const { groups, similarity } = biasGroups(options.questions, options.perCategory, options.random.fork("bias"));
  const drafting = options.arms.filter(({ draftLength }) => draftLength !== 0);
  const isPossible = [...groups.values()].every((asked) => asked.length > 0);
  const report = isPossible ? await matrix("diversity", options, groups) : { summaries: [], overall: [], cells: [] };
  const [first, second] = drafting;
  const note = !isPossible
    ? "no category has four questions to choose from"
    : second === undefined
      ? "two drafting arms are needed to see whether their order depends on the prompts"
      : null;
  const bias = note === null ? biasReport(report.cells, report.summaries, first!.name, second!.name) : null;
  return { kind: "diversity", bias, similarity, note, ...report };
}

async function vocabulary(options: ExperimentOptions): Promise<ExperimentReport> {
  const { questions } = selectQuestions(options.questions, options.perCategory, options.random.fork("select"));
  const single = categoryGroups(questions.map((question) => ({ ...question, turns: [question.turns[0]!] })));
  const { hook, proposer, sizes, draftLength } = options.vocabulary;
  assert(sizes.length > 0, "an ablation has sizes");
  const plain = options.arms.find((arm) => arm.draftLength === 0) ?? options.arms[0]!;
  const full = hook === null ? plain : (options.arms.find((arm) => arm.draftLength !== 0) ?? plain);
  const report = await matrix("vocabulary", options, single, { arms: [full], rounds: 1 });
  const answers = await tokenAnswers(report.cells, options.tokens);
  if (answers === null) {
    const reason = "the server does not say which tokens an answer consists of (no /tokenize)";
    return { kind: "vocabulary", vocabulary: { kind: "not measurable", reason }, ...report };
  }
  const { reference, measured } = halves(answers);
  if (measured.length === 0) {
    const reason = "no category has two answers: one to count tokens on, one to measure";
    return { kind: "vocabulary", vocabulary: { kind: "not measurable", reason }, ...report };
  }
  if (hook !== null) {
    const run = (arms: readonly Arm[]): Promise<MatrixReport> =>
      matrix("vocabulary", options, single, { arms, rounds: 1 });
    const result = await serverAblation({ hook, full, report, reference, measured, sizes, run });
    return { kind: "vocabulary", ...result };
  }
  const result: VocabularyReport =
    proposer === null
      ? { kind: "not measurable", reason: "the drafter is inside the server, which takes no vocabulary for it" }
      : await replayAblation(measured, reference, sizes, draftLength, proposer);
  return { kind: "vocabulary", vocabulary: result, ...report };
}

async function tokenAnswers(cells: readonly Cell[], tokens: TokenSource): Promise<readonly TokenAnswer[] | null> {
  const answers: TokenAnswer[] = [];
  for (const { group: category, turns } of cells) {
    for (const { question, outcome } of turns) {
      if (outcome.failure !== null || (outcome.text ?? "") === "") continue;
      const [prompt, answer] = [await tokens.promptIds(question), await tokens.textIds(outcome.text!)];
      if (prompt === null || answer === null) return null;
      if (answer.length > 0) answers.push({ category, prompt, answer });
    }
  }
  return answers;
}

/** Every other answer of a category to count tokens on, the rest to measure: no vocabulary knows what it is tested on. */
function halves(answers: readonly TokenAnswer[]): {
  readonly reference: readonly (readonly number[])[];
  readonly measured: readonly TokenAnswer[];
} {
  const seen = new Map<string, number>();
  const reference: (readonly number[])[] = [];
  const measured: TokenAnswer[] = [];
  for (const one of answers) {
    const place = seen.get(one.category) ?? 0;
    seen.set(one.category, place + 1);
    if (place % 2 === 0) reference.push(one.answer);
    else measured.push(one);
  }
  return { reference, measured };
}
