/**
 * The load of a speculative-decoding benchmark: a closed loop of so many conversations, each asked turn by turn. Every
 * arm gets the same conversation: answers that later turns refer to are those of the arm that ran first, so that a
 * drafter is never measured on another prompt than its rival.
 */
import { setMaxListeners } from "node:events";
import { LoadClient } from "../http-client.ts";
import type { Outcome, Target, Timing } from "../types.ts";
import type { Arm, Question } from "./types.ts";

/** What every request has in common, whichever arm. */
export interface RequestOptions {
  /** Most tokens of an answer. */
  readonly outputTokens: number;
  /** Answers of exactly that length: for throughput, not for acceptance. */
  readonly ignoreEos: boolean;
  readonly temperature: number;
  readonly seed: number;
  /** Ask for a running count in every chunk, without which a chunk's tokens cannot be told. */
  readonly runningUsage: boolean;
  /** Sampling fields and whatever else. */
  readonly extraBody: Readonly<Record<string, unknown>>;
  readonly idPrefix: string;
}

/** One conversation as it is asked. */
export interface Asked {
  readonly question: Question;
  /** Token ids instead of text, for single turns on /v1/completions: every server sees the same sequence. */
  readonly promptIds?: readonly number[];
}

/** The outcome of one turn. */
export interface TurnOutcome {
  readonly question: Question;
  readonly turn: number;
  readonly outcome: Outcome;
}

/** Answers that later turns refer to, by question and turn: those of the arm that ran first. */
export type AnswerMemory = Map<string, string>;

/** The key of an answer. */
export function answerKey(question: Question, turn: number): string {
  return `${question.id}\n${turn}`;
}

/** A run of conversations. */
export interface ConversationRun {
  readonly arm: Arm;
  readonly asked: readonly Asked[];
  readonly concurrency: number;
  readonly request: RequestOptions;
  readonly memory: AnswerMemory;
  readonly timeoutMs: number;
  readonly timing: Timing;
  readonly onTurn?: (turn: TurnOutcome) => void;
  readonly signal?: AbortSignal;
}

/** Asks all, `concurrency` at a time; outcomes in the order in which they came. A failed turn ends its conversation. */
export async function runConversations(run: ConversationRun): Promise<readonly TurnOutcome[]> {
  using texts = new LoadClient(run.arm.target, run.timing);
  using ids = new LoadClient(completionsOf(run.arm.target), run.timing);
  const originMs = run.timing.clock.nowMs();
  if (run.signal !== undefined) setMaxListeners(0, run.signal); // one listener per request under way is no leak
  const outcomes: TurnOutcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < run.asked.length && run.signal?.aborted !== true) {
      const asked = run.asked[next++]!;
      for (let turn = 0; turn < turnsOf(asked); turn++) {
        const outcome = await askTurn(run, asked.promptIds === undefined ? texts : ids, originMs, asked, turn);
        const result = { question: asked.question, turn, outcome };
        outcomes.push(result);
        run.onTurn?.(result);
        if (outcome.failure !== null) break;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(run.concurrency, run.asked.length) }, work));
  return outcomes;
}

/** Chat takes no token ids. */
function completionsOf(target: Target): Target {
  if (target.endpoint === "completions") return target;
  const { path: _, ...rest } = target;
  return { ...rest, endpoint: "completions" };
}

function turnsOf({ question, promptIds }: Asked): number {
  return promptIds === undefined ? question.turns.length : 1;
}

async function askTurn(
  run: ConversationRun,
  client: LoadClient,
  originMs: number,
  asked: Asked,
  turn: number,
): Promise<Outcome> {
  const { question } = asked;
  const nowMs = run.timing.clock.nowMs() - originMs;
  const id = turn; // outcomes are told apart by question and turn
  const request = { id, arrivalMs: nowMs, promptTokens: 1, outputTokens: run.request.outputTokens };
  const outcome = await client.send(
    { request, dueMs: nowMs },
    {
      body: JSON.stringify(bodyOf(run, asked, turn)),
      headers: { "x-request-id": `${run.request.idPrefix}${question.id}-${turn}`.replace(/[^\x21-\x7e]/g, "_") },
    },
    {
      originMs,
      timeoutMs: run.timeoutMs,
      keepText: true,
      ...(run.signal === undefined ? {} : { signal: run.signal }),
    },
  );
  const key = answerKey(question, turn);
  if (outcome.failure === null && !run.memory.has(key)) run.memory.set(key, outcome.text ?? "");
  return outcome;
}

function bodyOf({ arm, request, memory }: ConversationRun, asked: Asked, turn: number): object {
  const { outputTokens, ignoreEos, temperature, seed, runningUsage, extraBody } = request;
  const asks =
    asked.promptIds !== undefined
      ? { prompt: asked.promptIds, max_tokens: outputTokens }
      : arm.target.endpoint === "chat"
        ? { messages: messagesOf(asked.question, turn, memory), max_completion_tokens: outputTokens }
        : { prompt: plainPrompt(asked.question, turn, memory), max_tokens: outputTokens };
  return {
    model: arm.model,
    ...asks,
    stream: true,
    stream_options: { include_usage: true, ...(runningUsage ? { continuous_usage_stats: true } : {}) },
    temperature,
    ...(temperature > 0 ? { seed } : {}),
    ...(ignoreEos ? { ignore_eos: true, min_tokens: outputTokens } : {}),
    ...extraBody,
    ...arm.body,
  };
}

/** The conversation up to a turn. */
export function messagesOf(
  question: Question,
  turn: number,
  memory: AnswerMemory,
): readonly { readonly role: "user" | "assistant"; readonly content: string }[] {
  return question.turns.slice(0, turn + 1).flatMap((content, i) => {
    const answer = memory.get(answerKey(question, i)) ?? "";
    const user = { role: "user" as const, content };
    return i === turn ? [user] : [user, { role: "assistant" as const, content: answer }];
  });
}

function plainPrompt(question: Question, turn: number, memory: AnswerMemory): string {
  return messagesOf(question, turn, memory)
    .map(({ content }) => content)
    .join("\n\n");
}
