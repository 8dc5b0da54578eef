/** Changes to a conversation, each giving a new one. Pure; session.ts carries them out. */
import type { Answer, AnswerError, Column, Conversation, Turn } from "./types.ts";
import { emptyAnswer, shownAnswer } from "./types.ts";

/** Tries of one answer that are kept; the oldest goes first. */
const MAX_VERSIONS = 8;
const MAX_TITLE = 60;

/** Who answers in each column. */
export interface Asked {
  readonly model: string;
  readonly policy: string | null;
}

/** The conversation with a message at its end; the first message gives it its title. */
export function withMessage(conversation: Conversation, id: string, text: string): Conversation {
  const isFirst = !conversation.turns.some((turn) => turn.kind === "user");
  const turn: Turn = { kind: "user", id, text };
  return { ...conversation, title: isFirst ? titleOf(text) : conversation.title, turns: [...conversation.turns, turn] };
}

/** The first line of a message, cut to a title. */
export function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0]!.replace(/\s+/g, " ");
  if (line === "") return "Conversation";
  return line.length <= MAX_TITLE ? line : `${line.slice(0, MAX_TITLE - 1).trimEnd()}…`;
}

/** The conversation up to a message, with another text for it: what came after it is gone. */
export function withEdit(conversation: Conversation, id: string, text: string): Conversation {
  const at = conversation.turns.findIndex((turn) => turn.id === id && turn.kind === "user");
  if (at < 0) return conversation;
  const turns = [...conversation.turns.slice(0, at), { kind: "user", id, text } as const];
  const isFirst = !conversation.turns.slice(0, at).some((turn) => turn.kind === "user");
  return { ...conversation, title: isFirst ? titleOf(text) : conversation.title, turns };
}

/** The conversation with an empty answer of each who is asked at its end. */
export function withAnswerTurn(conversation: Conversation, id: string, asked: readonly Asked[]): Conversation {
  const columns = asked.map(({ model, policy }): Column => ({ versions: [emptyAnswer(model, policy)], shown: 0 }));
  return { ...conversation, turns: [...conversation.turns, { kind: "answer", id, columns }] };
}

/** The conversation with one more try of an answer, in every column; what came after it is gone. */
export function withRetry(conversation: Conversation, id: string, asked: readonly Asked[]): Conversation {
  const at = conversation.turns.findIndex((turn) => turn.id === id);
  const turn = conversation.turns[at];
  if (turn?.kind !== "answer") return conversation;
  const columns = asked.map(({ model, policy }, i): Column => {
    const before = turn.columns[i]?.versions ?? [];
    const versions = [...before, emptyAnswer(model, policy)].slice(-MAX_VERSIONS);
    return { versions, shown: versions.length - 1 };
  });
  return { ...conversation, turns: [...conversation.turns.slice(0, at), { ...turn, columns }] };
}

/** The conversation with the shown try of one column replaced. */
export function withAnswer(conversation: Conversation, id: string, column: number, answer: Answer): Conversation {
  return changeColumn(conversation, id, column, (before) => ({
    ...before,
    versions: before.versions.with(before.shown, answer),
  }));
}

/** The conversation with another try of one column shown; later turns stay. */
export function withShown(conversation: Conversation, id: string, column: number, shown: number): Conversation {
  return changeColumn(conversation, id, column, (before) => {
    return shown >= 0 && shown < before.versions.length ? { ...before, shown } : before;
  });
}

/** The conversation with what is still to come of an answer failed. */
export function withFailure(conversation: Conversation, id: string, error: AnswerError): Conversation {
  const isComing = ({ state }: Answer): boolean => state === "waiting" || state === "streaming";
  return [0, 1].reduce((before, column) => {
    return changeColumn(before, id, column, (given) => {
      const answer = given.versions[given.shown]!;
      if (!isComing(answer)) return given;
      return { ...given, versions: given.versions.with(given.shown, { ...answer, state: "failed", error }) };
    });
  }, conversation);
}

function changeColumn(
  conversation: Conversation,
  id: string,
  column: number,
  change: (before: Column) => Column,
): Conversation {
  const turns = conversation.turns.map((turn): Turn => {
    if (turn.id !== id || turn.kind !== "answer" || turn.columns[column] === undefined) return turn;
    return { ...turn, columns: turn.columns.with(column, change(turn.columns[column])) };
  });
  return { ...conversation, turns };
}

/** Calls of the last answer that nobody has given a result for, with their column. */
export function openCalls(
  turns: readonly Turn[],
): readonly { readonly column: number; readonly callId: string; readonly name: string }[] {
  const at = turns.findLastIndex((turn) => turn.kind === "answer");
  const turn = turns[at];
  if (turn?.kind !== "answer" || turns.slice(at + 1).some((later) => later.kind === "user")) return [];
  const given = new Set(
    turns.slice(at + 1).map((later) => (later.kind === "tool" ? `${later.column} ${later.callId}` : "")),
  );
  return turn.columns.flatMap((column, i) =>
    shownAnswer(column)
      .calls.filter(({ id }) => !given.has(`${i} ${id}`))
      .map(({ id, function: { name } }) => ({ column: i, callId: id, name })),
  );
}

/** The conversation with the result of a call. */
export function withToolResult(
  conversation: Conversation,
  id: string,
  result: { readonly column: number; readonly callId: string; readonly name: string; readonly text: string },
): Conversation {
  return { ...conversation, turns: [...conversation.turns, { kind: "tool", id, ...result }] };
}

/** The last message of the user, or null. */
export function lastMessage(turns: readonly Turn[]): Extract<Turn, { kind: "user" }> | null {
  const turn = turns.findLast(({ kind }) => kind === "user");
  return turn?.kind === "user" ? turn : null;
}
