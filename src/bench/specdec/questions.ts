/**
 * Files of questions, one JSON object a line: Spec-Bench's question.jsonl, and SPEED-Bench's splits as its own and
 * NeMo's scripts prepare them. The text of SPEED-Bench must not be passed on, so users bring the file themselves.
 *
 *   { question_id, category, turns: [text, …] }            Spec-Bench; SPEED-Bench adds sub_category, source, difficulty
 *   { question_id, category, messages: [{ role: "user", content }, …] }
 */
import { fail } from "../../core/index.ts";
import type { Question } from "./types.ts";

/** Bounds of a file of questions. */
export interface QuestionLimits {
  readonly questions: number;
  readonly lineCharacters: number;
  readonly turns: number;
  readonly nameCharacters: number;
}

/** What any real file stays far below. */
export const QUESTION_LIMITS: QuestionLimits = {
  questions: 100_000,
  lineCharacters: 4 * 1024 * 1024,
  turns: 64,
  nameCharacters: 200,
};

/** What stands in place of a prompt in the published files, whose sources have to be fetched by the user. */
const PLACEHOLDER = "FULL BENCHMARK DATA SHOULD BE FETCHED FROM THE SOURCE USING SPECDEC_BENCH";

/**
 * Reads questions from pieces of a file; `name` is for messages.
 * @throws PunctualError invalid_file with the line, for what is no question, is too large, or is a placeholder.
 */
export function readQuestions(
  chunks: Iterable<string>,
  name: string,
  limits: QuestionLimits = QUESTION_LIMITS,
): readonly Question[] {
  const questions: Question[] = [];
  const seen = new Set<string>();
  let number = 0;
  for (const line of linesOf(chunks, name, limits)) {
    number += 1;
    if (line.trim() === "") continue;
    if (number === 1 && line.startsWith("PAR1")) {
      fail("invalid_file", `${name}: expected JSON lines, got Parquet; write it out as JSON lines first`);
    }
    if (questions.length === limits.questions) {
      fail("invalid_file", `${name}: expected at most ${limits.questions} questions, got more`);
    }
    const question = readQuestion(line, `${name} line ${number}`, number, limits);
    // Ids are only for reports, and some files count from 1 in every category.
    const id = seen.has(question.id) ? `${question.id}#${number}` : question.id;
    seen.add(id);
    questions.push({ ...question, id });
  }
  if (questions.length === 0) fail("invalid_file", `${name}: expected questions, got none`);
  return questions;
}

function* linesOf(chunks: Iterable<string>, name: string, { lineCharacters }: QuestionLimits): Generator<string> {
  let rest = "";
  for (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf("\n"); at >= 0; at = chunk.indexOf("\n", from)) {
      yield bounded(rest + chunk.slice(from, at), name, lineCharacters);
      rest = "";
      from = at + 1;
    }
    rest = bounded(rest + chunk.slice(from), name, lineCharacters);
  }
  if (rest !== "") yield rest;
}

function bounded(line: string, name: string, limit: number): string {
  if (line.length <= limit) return line;
  return fail("invalid_file", `${name}: expected lines of at most ${limit} characters, got more`);
}

function readQuestion(line: string, where: string, number: number, limits: QuestionLimits): Question {
  const row = readObject(line, where);
  const turns = readTurns(row, where, limits);
  if (turns.some((turn) => turn.includes(PLACEHOLDER))) {
    fail(
      "invalid_file",
      `${where}: expected a prompt, got SPEED-Bench's placeholder; prepare the data with the benchmark's own script first`,
    );
  }
  const { question_id: id, category } = row;
  return {
    id: typeof id === "number" || typeof id === "string" ? String(id).slice(0, limits.nameCharacters) : String(number),
    category: nameOf(category, limits) ?? "all",
    subCategory: nameOf(row["sub_category"], limits),
    turns,
    source: nameOf(row["source"], limits),
    difficulty: nameOf(row["difficulty"], limits),
  };
}

function readObject(line: string, where: string): Readonly<Record<string, unknown>> {
  try {
    const row: unknown = JSON.parse(line);
    if (row !== null && typeof row === "object" && !Array.isArray(row)) return row as Record<string, unknown>;
  } catch {
    // said below: both ways of being no object are the same mistake
  }
  return fail("invalid_file", `${where}: expected a JSON object, got "${line.slice(0, 60)}"`);
}

function nameOf(value: unknown, { nameCharacters }: QuestionLimits): string | null {
  return typeof value === "string" && value.trim() !== "" ? value.trim().slice(0, nameCharacters) : null;
}

function readTurns(row: Readonly<Record<string, unknown>>, where: string, limits: QuestionLimits): readonly string[] {
  const { turns, messages } = row;
  const given = Array.isArray(turns)
    ? turns
    : Array.isArray(messages)
      ? messages.map((one) => userText(one, where))
      : null;
  if (given === null) fail("invalid_file", `${where}: expected "turns" or "messages", got neither`);
  if (given.length === 0 || given.length > limits.turns) {
    fail("invalid_file", `${where}: expected from 1 to ${limits.turns} turns, got ${given.length}`);
  }
  return given.map((turn: unknown, i) =>
    typeof turn === "string" && turn !== ""
      ? turn
      : fail("invalid_file", `${where}: turn ${i + 1}: expected text, got ${turn === "" ? "none" : typeof turn}`),
  );
}

/** Messages of a benchmark are a user's; answers in between are the model's own to give. */
function userText(message: unknown, where: string): unknown {
  const { role, content } = (message ?? {}) as { readonly role?: unknown; readonly content?: unknown };
  if (role !== "user")
    fail("invalid_file", `${where}: expected messages of the role "user", got ${JSON.stringify(role)}`);
  return content;
}

/** Questions by category, in order of first appearance. */
export function byCategory(questions: readonly Question[]): ReadonlyMap<string, readonly Question[]> {
  const groups = new Map<string, Question[]>();
  for (const question of questions) {
    const group = groups.get(question.category);
    if (group === undefined) groups.set(question.category, [question]);
    else group.push(question);
  }
  return groups;
}
