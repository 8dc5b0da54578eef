import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readConversation, readConversationFile, readSettings, writeConversationFile } from "./conversation-file.ts";
import {
  lastMessage,
  openCalls,
  titleOf,
  withAnswer,
  withAnswerTurn,
  withEdit,
  withFailure,
  withMessage,
  withRetry,
  withShown,
  withToolResult,
} from "./edits.ts";
import { timelineOfPage } from "../../timeline/timeline.ts";
import { DEFAULT_SETTINGS, emptyAnswer, shownAnswer, type Conversation } from "./types.ts";

const EMPTY: Conversation = {
  version: 1,
  id: "c-1",
  title: "New conversation",
  createdUnixMs: 1,
  updatedUnixMs: 2,
  model: null,
  settings: DEFAULT_SETTINGS,
  side: { kind: "off" },
  turns: [],
};
const ONE = [{ model: "m", policy: null }];
const call = { id: "call", type: "function" as const, function: { name: "f", arguments: "{}" } };

const full: Conversation = (() => {
  const asked = withAnswerTurn(
    withMessage(
      { ...EMPTY, model: "m", side: { kind: "policies", first: "fifo", second: "edf", company: 8 } },
      "u1",
      "Hello\nthere",
    ),
    "a1",
    [
      { model: "m", policy: "fifo" },
      { model: "m", policy: "edf" },
    ],
  );
  const usage = {
    prompt_tokens: 3,
    completion_tokens: 2,
    total_tokens: 5,
    prompt_tokens_details: { cached_tokens: 1, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
    slo: { attained: true, ttft_ms: 1, tpot_ms: null, e2e_ms: 2, slack_ms: null },
  };
  const answer = {
    ...emptyAnswer("m", "fifo"),
    state: "done" as const,
    content: "Hi",
    calls: [call],
    finishReason: "tool_calls" as const,
    usage,
    requestId: "r",
  };
  const timeline = { ...timelineOfPage([1, 2, 3], 4, usage), targets: { deadlineMs: 9, onMiss: "cut" as const } };
  const error = { message: "full", code: "queue_full", status: 429, param: null, retryAfterMs: 100 };
  const left = withAnswer(asked, "a1", 0, { ...answer, timeline });
  const right = withAnswer(left, "a1", 1, { ...emptyAnswer("m", "edf"), state: "failed", error });
  return withToolResult(right, "t1", { column: 0, callId: "call", name: "f", text: "ok" });
})();

describe("files of conversations", () => {
  test("come back as they were", () => {
    expect(readConversationFile(writeConversationFile([full, EMPTY]))).toEqual([full, EMPTY]);
  });

  test("that are none are refused in words", () => {
    for (const text of ["", "[]", "null", '{"kind":"other"}', '{"kind":"punctual-conversations"}']) {
      expect(() => readConversationFile(text), text).toThrow(/Expected a file of conversations/);
    }
  });

  test("with anything in them give conversations that can be shown, or none", () => {
    const scrap = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(scrap, (value) => {
        expect(() => readConversation(value)).not.toThrow();
        expect(readSettings(value)).toMatchObject({ format: expect.any(String) });
        const patched = {
          ...full,
          settings: value,
          side: value,
          turns: [value, { kind: "answer", id: "x", columns: [{ versions: [value], shown: value }] }],
        };
        const read = readConversation(patched)!;
        for (const turn of read.turns) {
          if (turn.kind === "answer")
            for (const column of turn.columns) expect(shownAnswer(column).state).toMatch(/done|stopped|failed/);
        }
        expect(readConversation(JSON.parse(JSON.stringify(read)))).toEqual(read);
      }),
      { seed: 10, numRuns: 500 },
    );
  });

  test("an answer that was still coming is a stopped one", () => {
    const coming = withAnswerTurn(withMessage(EMPTY, "u", "q"), "a", ONE);
    const [, turn] = readConversation(coming)!.turns;
    expect(turn).toMatchObject({ columns: [{ versions: [{ state: "stopped" }] }] });
  });
});

describe("edits", () => {
  test("the first message is the title, cut to its length", () => {
    expect(withMessage(EMPTY, "u", "  Hello\nthere").title).toBe("Hello");
    expect(titleOf("x".repeat(100)).length).toBe(60);
    expect(titleOf(" \n")).toBe("Conversation");
    expect(withMessage(withMessage(EMPTY, "u", "One"), "v", "Two").title).toBe("One");
  });

  test("an edited message takes what came after it away, and keeps its id", () => {
    const two = withMessage(withAnswerTurn(withMessage(EMPTY, "u", "One"), "a", ONE), "v", "Two");
    const edited = withEdit(two, "u", "Other");
    expect(edited.turns).toEqual([{ kind: "user", id: "u", text: "Other" }]);
    expect(edited.title).toBe("Other");
    expect(withEdit(two, "nobody", "x")).toBe(two);
    expect(lastMessage(two.turns)?.id).toBe("v");
    expect(lastMessage([])).toBeNull();
  });

  test("retries are kept as tries, up to a bound, and can be shown again", () => {
    let conversation = withAnswerTurn(withMessage(EMPTY, "u", "q"), "a", ONE);
    for (let i = 0; i < 20; i++) conversation = withRetry(conversation, "a", ONE);
    const turn = conversation.turns[1]!;
    expect(turn.kind === "answer" && [turn.columns[0]!.versions.length, turn.columns[0]!.shown]).toEqual([8, 7]);
    const shown = withShown(conversation, "a", 0, 3).turns[1]!;
    expect(shown.kind === "answer" && shown.columns[0]!.shown).toBe(3);
    expect(withShown(conversation, "a", 0, 99)).toEqual(conversation);
    expect(withRetry(conversation, "u", ONE)).toBe(conversation);
  });

  test("what is still to come fails, what has come stays", () => {
    const asked = withAnswerTurn(withMessage(EMPTY, "u", "q"), "a", [...ONE, ...ONE]);
    const half = withAnswer(asked, "a", 0, { ...emptyAnswer("m", null), state: "done", content: "yes" });
    const error = { message: "no", code: "unexpected", status: 0, param: null, retryAfterMs: null };
    const turn = withFailure(half, "a", error).turns[1]!;
    expect(turn.kind === "answer" && turn.columns.map((column) => shownAnswer(column).state)).toEqual([
      "done",
      "failed",
    ]);
    expect(withFailure(EMPTY, "a", error)).toEqual(EMPTY);
  });

  test("calls are open until they have a result, or the talk goes on", () => {
    const asked = withAnswerTurn(withMessage(EMPTY, "u", "q"), "a", [...ONE, ...ONE]);
    const called = withAnswer(withAnswer(asked, "a", 0, { ...emptyAnswer("m", null), calls: [call] }), "a", 1, {
      ...emptyAnswer("m", null),
      calls: [call],
    });
    expect(openCalls(called.turns).map(({ column }) => column)).toEqual([0, 1]);
    const given = withToolResult(called, "t", { column: 0, callId: "call", name: "f", text: "ok" });
    expect(openCalls(given.turns).map(({ column }) => column)).toEqual([1]);
    expect(openCalls(withMessage(called, "v", "never mind").turns)).toEqual([]);
    expect(openCalls([])).toEqual([]);
  });
});
