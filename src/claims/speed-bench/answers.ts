/** Answers one at a time, arm by arm on the same prompts in turn: acceptance by category, times next to each other, texts compared. */
import { acceptanceReport, type AcceptanceReport, type AnswerSteps } from "../../bench/index.ts";
import { collect, type Engine } from "../../runtime/index.ts";
import type { SpeedArm, SpeedEngines } from "./arms.ts";
import type { AskedIds } from "./questions.ts";

/** One answer. */
export interface Answered {
  readonly arm: string;
  readonly question: AskedIds;
  readonly tokens: readonly number[];
  readonly steps: AnswerSteps;
  /** From its first token's step to its last one's. */
  readonly decodeMs: number;
}

/** Asks every arm every question, another arm first each time. */
export async function answerAll(
  engines: SpeedEngines,
  arms: readonly SpeedArm[],
  questions: readonly AskedIds[],
  maxTokens: number,
): Promise<readonly Answered[]> {
  const answers: Answered[] = [];
  for (const [i, question] of questions.entries()) {
    for (let turn = 0; turn < arms.length; turn++) {
      const arm = arms[(i + turn) % arms.length]!;
      answers.push(await answerOne(await engines.of(arm), arm, question, maxTokens));
    }
  }
  return answers;
}

async function answerOne(engine: Engine, arm: SpeedArm, question: AskedIds, maxTokens: number): Promise<Answered> {
  const times: number[] = [];
  const stream = engine.submit(
    { promptTokens: question.promptIds, maxTokens, sampling: { temperature: 0 } },
    { observer: { ...SILENT, token: (atMs) => times.push(atMs) } },
  );
  const { tokens, finish } = await collect(stream);
  const { acceptedTokens = 0, rejectedTokens = 0, draftsByAccepted = [] } = finish.usage.drafts ?? {};
  return {
    arm: arm.name,
    question,
    tokens,
    decodeMs: times.length < 2 ? 0 : times.at(-1)! - times[0]!,
    steps: {
      source: "usage",
      tokens: tokens.length,
      accepted: Math.min(acceptedTokens, tokens.length - 1),
      drafted: acceptedTokens + rejectedTokens,
      lengths: null,
      histogram: draftsByAccepted,
      isCut: finish.reason === "length",
    },
  };
}

const SILENT = {
  admitted: () => undefined,
  chunk: () => undefined,
  token: () => undefined,
  interrupted: () => undefined,
  resumed: () => undefined,
};

/** AL and AR of an arm by category, and the mean over categories. */
export function acceptanceBy(
  answers: readonly Answered[],
  arm: SpeedArm,
  draftLength: number,
): { readonly categories: ReadonlyMap<string, AcceptanceReport>; readonly length: number } {
  const own = answers.filter((answer) => answer.arm === arm.name);
  const categories = new Map<string, AcceptanceReport>();
  for (const category of new Set(own.map(({ question }) => question.category))) {
    const steps = own.filter(({ question }) => question.category === category).map((answer) => answer.steps);
    categories.set(category, acceptanceReport(steps, "usage", draftLength));
  }
  const lengths = Array.from(categories.values(), ({ length }) => length?.mean ?? 1);
  return { categories, length: lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length) };
}

/** Tokens a second of an arm and of another on the same prompts, in their order; too short answers left out. */
export function pairedSpeeds(
  answers: readonly Answered[],
  arm: SpeedArm,
  other: SpeedArm,
): { readonly ours: number[]; readonly others: number[] } {
  const result = { ours: [] as number[], others: [] as number[] };
  const speeds = (name: string): Map<string, number> =>
    new Map(
      answers
        .filter((answer) => answer.arm === name && answer.tokens.length > SHORTEST && answer.decodeMs > 0)
        .map(({ question, tokens, decodeMs }) => [question.id, ((tokens.length - 1) / decodeMs) * 1000]),
    );
  const [ours, others] = [speeds(arm.name), speeds(other.name)];
  for (const [id, speed] of ours) {
    const beside = others.get(id);
    if (beside === undefined) continue;
    result.ours.push(speed);
    result.others.push(beside);
  }
  return result;
}

/** Answers of fewer tokens say little about speed. */
const SHORTEST = 6;

/** Answers compared with those of the plain arm, token by token. */
export function identical(
  answers: readonly Answered[],
  plain: SpeedArm,
): { readonly compared: number; readonly same: number } {
  const expected = new Map(
    answers.filter(({ arm }) => arm === plain.name).map(({ question, tokens }) => [question.id, tokens.join()]),
  );
  const others = answers.filter(({ arm, question }) => arm !== plain.name && expected.has(question.id));
  return {
    compared: others.length,
    same: others.filter(({ question, tokens }) => tokens.join() === expected.get(question.id)).length,
  };
}
