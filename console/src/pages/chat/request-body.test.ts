import { chatRequestSchema } from "@protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withChunk, isVisible } from "./answer.ts";
import { adviceOn } from "./advice.ts";
import { chipsFor, describeModel } from "./chips.ts";
import { exportCurl, exportTypeScript } from "./export-code.ts";
import { jsonErrorOffset } from "./json-place.ts";
import { chatBody, objectiveProblem, readJson, readTools, settingsProblems, wireMessages } from "./request-body.ts";
import {
  DEFAULT_SETTINGS,
  emptyAnswer,
  type Answer,
  type ChatSettings,
  type ObjectiveSetting,
  type Turn,
} from "./types.ts";

const settings = (changed: Partial<ChatSettings> = {}): ChatSettings => ({ ...DEFAULT_SETTINGS, ...changed });
const asked = (text: string): Turn => ({ kind: "user", id: text, text });
const answered = (...answers: Partial<Answer>[]): Turn => ({
  kind: "answer",
  id: "a",
  columns: answers.map((answer) => ({ versions: [{ ...emptyAnswer("m", null), ...answer }], shown: 0 })),
});
const own = (changed: Partial<Extract<ObjectiveSetting, { kind: "own" }>> = {}): ObjectiveSetting => ({
  kind: "own",
  class: "deadline",
  ttftMs: 100,
  tpotMs: null,
  deadlineMs: 900,
  onMiss: "cut",
  ...changed,
});
const TOOLS = '[{"name":"set_timer","parameters":{"type":"object"}}]';

describe("bodies", () => {
  test("the server's own schema takes whatever the settings make", () => {
    const choice = fc.record({
      temperature: fc.constantFrom(null, 0, 1.5),
      topP: fc.constantFrom(null, 0.5),
      maxTokens: fc.constantFrom(null, 1, 512),
      seed: fc.constantFrom(null, 7),
      system: fc.constantFrom("", "Be brief."),
      objective: fc.constantFrom<ObjectiveSetting>(
        { kind: "default" },
        { kind: "tier", tier: "flex" },
        own(),
        own({ class: "best-effort", onMiss: "finish" }),
      ),
      thinking: fc.constantFrom<ChatSettings["thinking"]>(
        { kind: "default" },
        { kind: "budget", tokens: 0 },
        { kind: "effort", effort: "minimal" },
      ),
      tools: fc.constantFrom("", TOOLS),
      toolChoice: fc.constantFrom<ChatSettings["toolChoice"]>("auto", "none", "required"),
      format: fc.constantFrom<ChatSettings["format"]>("text", "json_object", "json_schema"),
      schema: fc.constantFrom("", '{"type":"object"}'),
    });
    const call = { id: "c", type: "function" as const, function: { name: "set_timer", arguments: "{}" } };
    const turns: Turn[] = [
      asked("one"),
      answered({ content: "1", reasoning: "0+1" }),
      asked("two"),
      answered({ calls: [call] }),
      { kind: "tool", id: "t", column: 0, callId: "c", name: "set_timer", text: "ok" },
    ];
    let sent = 0;
    fc.assert(
      fc.property(choice, (given) => {
        if (settingsProblems(given).length > 0) return;
        sent += 1;
        expect(chatRequestSchema.safeParse(chatBody("m", given, turns, 0)).error).toBeUndefined();
      }),
      { seed: 9, numRuns: 300 },
    );
    expect(sent).toBeGreaterThan(100);
  });

  test("each column goes on with its own answers and results; failed answers are left out", () => {
    const turns: Turn[] = [
      asked("q"),
      answered({ content: "left" }, { content: "right" }),
      { kind: "tool", id: "t", column: 1, callId: "c", name: "f", text: "only right" },
      asked("r"),
      answered({ state: "failed" }),
    ];
    expect(wireMessages("sys", turns, 0).map(({ content }) => content)).toEqual(["sys", "q", "left", "r"]);
    expect(wireMessages("", turns, 1).map(({ content }) => content)).toEqual(["q", "right", "only right", "r"]);
  });
});

describe("what is filled in", () => {
  test("JSON says where it is wrong", () => {
    expect(readJson("  ")).toBeNull();
    expect(readJson('{"a": 1}')).toEqual({ value: { a: 1 } });
    expect(readJson('{\n  "a": x\n}')).toEqual({ problem: expect.stringMatching(/line 2, column 8/) });
    expect(readJson("[1, 2")).toEqual({ problem: expect.stringMatching(/line 1, column 6/) });
  });

  test("a place is found exactly where text is no JSON", () => {
    const parses = (text: string): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const scraps = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "1",
      "-",
      "0.5",
      "01",
      "1e5",
      "true",
      "nul",
      " ",
      "\n",
      "\\",
      "x",
    );
    const broken = fc.array(scraps, { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(fc.json({ maxDepth: 3 }), broken), (text) => {
        expect(jsonErrorOffset(text) === null).toBe(parses(text));
      }),
      { seed: 11, numRuns: 1500 },
    );
  });

  test("tools are tools, also written as bare functions", () => {
    expect(readTools("")).toBeNull();
    expect(readTools("[]")).toBeNull();
    expect(readTools(TOOLS)).toEqual({
      tools: [{ type: "function", function: { name: "set_timer", parameters: { type: "object" } } }],
    });
    for (const text of [
      "3",
      "[3]",
      '[{"name":"with space"}]',
      "[{}]",
      '[{"name":"a"},{"name":"a"}]',
      '[{"name":"a","parameters":[]}]',
    ]) {
      expect(readTools(text), text).toHaveProperty("problem");
    }
  });

  test("objectives are held to the server's rules", () => {
    expect(objectiveProblem(own())).toBeNull();
    expect(objectiveProblem(own({ deadlineMs: null }))).toMatch(/needs a deadline/);
    expect(objectiveProblem(own({ class: "latency", ttftMs: null, onMiss: "finish" }))).toMatch(/first token/);
    expect(objectiveProblem(own({ class: "best-effort", deadlineMs: null }))).toMatch(/cut/i);
    expect(objectiveProblem(own({ ttftMs: 1000 }))).toMatch(/after the deadline/);
    expect(
      settingsProblems(
        settings({ format: "json_schema", toolChoice: "required", tools: "{", objective: own({ ttftMs: 1000 }) }),
      ).length,
    ).toBe(3);
  });
});

describe("answers", () => {
  const chunk = (delta: object, rest: object = {}): Parameters<typeof withChunk>[1] => ({
    id: "x",
    object: "chat.completion.chunk",
    created: 0,
    model: "m",
    system_fingerprint: "",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...rest }],
  });

  test("grow by their chunks", () => {
    const chunks = [
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning_content: "1+1" }),
      chunk({ content: "Tw" }),
      chunk({ content: "o" }),
      chunk({ tool_calls: [{ index: 0, id: "c", type: "function", function: { name: "f", arguments: '{"a"' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }),
      chunk({}, { finish_reason: "tool_calls" }),
    ];
    expect(chunks.map(isVisible)).toEqual([false, true, true, true, true, true, false]);
    const answer = chunks.reduce(withChunk, emptyAnswer("m", null));
    expect(answer).toMatchObject({ content: "Two", reasoning: "1+1", finishReason: "tool_calls", state: "streaming" });
    expect(answer.calls).toEqual([{ id: "c", type: "function", function: { name: "f", arguments: '{"a":1}' } }]);
  });

  test("errors come with what helps", () => {
    const error = { message: "m", param: null, status: 503, retryAfterMs: null };
    expect(adviceOn({ ...error, code: "context_length_exceeded", status: 400 })).toMatchObject({
      retryInMs: null,
      title: expect.stringMatching(/too long/),
    });
    expect(adviceOn({ ...error, code: "queue_full", status: 429, retryAfterMs: 1500 })).toMatchObject({
      retryInMs: 1500,
      advice: expect.stringMatching(/1.5 s/),
    });
    expect(adviceOn({ ...error, code: "deadline_unattainable", retryAfterMs: 200 }).retryInMs).toBe(200);
    expect(adviceOn({ ...error, code: "unknown to this page" }).retryInMs).toBe(0);
    expect(adviceOn({ ...error, code: "unknown to this page", status: 418 }).retryInMs).toBeNull();
  });
});

describe("exports", () => {
  const body = chatBody("m", settings({ objective: own() }), [asked('it\'s $HOME `x` \\ "q"')], 0);
  const target = { origin: "http://localhost:8080", asksForKey: true };

  test("curl carries the body through a shell unharmed", () => {
    const text = exportCurl(body, target);
    const quoted = /-d '([\s\S]*)'\n$/.exec(text)![1]!.replaceAll(String.raw`'\''`, "'");
    expect(JSON.parse(quoted)).toEqual(body);
    expect(text).toContain("$PUNCTUAL_API_KEY");
    expect(exportCurl(body, { ...target, asksForKey: false })).not.toContain("authorization");
  });

  test("TypeScript holds the body as it is", () => {
    const text = exportTypeScript(body, target);
    const literal = /const body = ([\s\S]*?) as unknown as/.exec(text)![1]!;
    expect(JSON.parse(literal)).toEqual(body);
    expect(text).toContain('baseURL: "http://localhost:8080/v1"');
  });
});

describe("chips", () => {
  const model = {
    id: "punctual-base",
    parameters: 3_400_000,
    contextTokens: 512,
    about: null,
    capabilities: { chat: true, completions: true, tools: true, schema: true, thinking: true, embeddings: false },
  };

  test("fit what the model can do, and their settings can be sent", () => {
    for (const id of ["punctual-base", "org/other"]) {
      const all = chipsFor({ ...model, id });
      const fewer = chipsFor({ ...model, id, capabilities: { ...model.capabilities, tools: false, schema: false } });
      expect(fewer.length).toBe(all.length - 2);
      for (const chip of all) expect(settingsProblems(settings(chip.settings))).toEqual([]);
    }
    expect(chipsFor({ ...model, capabilities: { ...model.capabilities, chat: false } })).toEqual([]);
  });

  test("the sentence says what it is and is not", () => {
    expect(describeModel(model)).toMatch(/3.4 million parameters.*512 tokens.*not a general assistant/);
    expect(describeModel({ ...model, id: "org/other", parameters: 1.2e9, about: "A model." })).toMatch(
      /1.2 billion.*A model\. It writes what is likely/,
    );
  });
});
