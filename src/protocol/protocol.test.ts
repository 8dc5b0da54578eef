import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_CODES, PunctualError, type ErrorCode } from "../core/index.ts";
import {
  chatRequestSchema,
  decodeJson,
  errorBodySchema,
  jsonDepth,
  LIMITS,
  outputConstraint,
  parseChatRequest,
  parseCompletionRequest,
  readSlo,
  toWireError,
} from "./index.ts";
import { FLEET_VIEW_LIMITS, fleetInstanceViewSchema } from "./fleet-view.ts";
import { formatPath } from "./parse.ts";

function failure(action: () => unknown): PunctualError {
  try {
    action();
  } catch (error) {
    if (error instanceof PunctualError) return error;
    throw error;
  }
  throw new Error("expected a PunctualError");
}

const chat = (extra: Record<string, unknown> = {}): Record<string, unknown> => ({
  model: "m",
  messages: [{ role: "user", content: "hi" }],
  ...extra,
});
const text = (extra: Record<string, unknown> = {}): Record<string, unknown> => ({ model: "m", prompt: "hi", ...extra });
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

const FUNCTION = { type: "function", function: { name: "f" } };
const call = (given: string) => ({ id: "call_1", type: "function", function: { name: "f", arguments: given } });
const calling = (calls: readonly unknown[]) => ({ role: "assistant", content: null, tool_calls: calls });

describe("chat requests", () => {
  test("keeps what it knows and drops what nobody knows", () => {
    const request = parseChatRequest(chat({ temperature: 0.5, stop: "x", flavour: "mint", top_k: -1, user: null }));
    expect(request).toMatchObject({ model: "m", temperature: 0.5, stop: "x", top_k: -1, user: null });
    expect(request).not.toHaveProperty("flavour");
  });

  test("joins text parts and reads an absent assistant content as empty", () => {
    const messages = [
      {
        role: "developer",
        content: [
          { type: "text", text: "be " },
          { type: "text", text: "brief" },
        ],
      },
      { role: "assistant", content: null },
      { role: "user", content: "hi", name: "ann" },
    ];
    const request = parseChatRequest(chat({ messages }));
    expect(request.messages.map((message) => message.content)).toEqual(["be brief", "", "hi"]);
  });

  test.each([
    ["tools", [{ type: "custom", function: { name: "f" } }], "tools[0].type"],
    ["functions", [{ name: "f" }], "functions"],
    ["function_call", "auto", "function_call"],
    ["guided_grammar", "root ::= x", "guided_grammar"],
    ["guided_whitespace_pattern", " ", "guided_whitespace_pattern"],
    ["structured_outputs", { grammar: "root ::= x" }, "structured_outputs.grammar"],
    ["structured_outputs", { structural_tag: "{}" }, "structured_outputs.structural_tag"],
    ["prompt_logprobs", 1, "prompt_logprobs"],
    ["use_beam_search", true, "use_beam_search"],
    ["stop_token_ids", [1], "stop_token_ids"],
    ["kv_transfer_params", {}, "kv_transfer_params"],
    ["web_search_options", {}, "web_search_options"],
    ["echo", true, "echo"],
    ["audio", { voice: "x" }, "audio"],
    ["modalities", ["text", "audio"], "modalities"],
    ["logits_processors", [], "logits_processors"],
    ["messages", [{ role: "user", content: [{ type: "image_url" }] }], "messages[0].content[0].type"],
    ["messages", [{ role: "function", name: "f", content: "a" }], "messages[0].role"],
    ["messages", [{ role: "assistant", content: "a", function_call: { name: "f" } }], "messages[0].function_call"],
  ])("refuses %s = %j as unsupported, naming it", (field, value, param) => {
    const error = failure(() => parseChatRequest(chat({ [field]: value })));
    expect([error.code, error.param, error.status]).toEqual(["unsupported_parameter", param, 400]);
  });

  test.each([
    ["tools", []],
    ["tools", null],
    ["tool_choice", "none"],
    ["response_format", { type: "text" }],
    ["modalities", ["text"]],
    ["parallel_tool_calls", true],
    ["tool_choice", "auto"],
    ["structured_outputs", { disable_any_whitespace: false }],
    ["functions", []],
    ["echo", false],
  ])("accepts %s = %j, which asks for nothing", (field, value) => {
    expect(parseChatRequest(chat({ [field]: value })).model).toBe("m");
  });

  test.each([
    ["model", 7, "model"],
    ["messages", [], "messages"],
    ["messages", "hi", "messages"],
    ["messages", [{ role: "king", content: "hi" }], "messages[0].role"],
    ["messages", [{ role: "user" }], "messages[0].content"],
    ["messages", [{ role: "user", content: [] }], "messages[0].content"],
    ["messages", [{ role: "user", content: [{ type: "text", text: 3 }] }], "messages[0].content"],
    ["temperature", 2.5, "temperature"],
    ["temperature", "hot", "temperature"],
    ["top_p", 0, "top_p"],
    ["n", 9, "n"],
    ["n", 0, "n"],
    ["max_tokens", 0, "max_tokens"],
    ["max_completion_tokens", 1.5, "max_completion_tokens"],
    ["stop", ["a", "b", "c", "d", "e"], "stop"],
    ["stop", "", "stop"],
    ["logit_bias", { cat: 1 }, "logit_bias.cat"],
    ["logit_bias", { 5: 101 }, "logit_bias.5"],
    ["top_logprobs", 3, "top_logprobs"],
    ["seed", 0.5, "seed"],
    ["stream", "yes", "stream"],
    ["service_tier", "gold", "service_tier"],
    ["slo", { ttft_ms: -1 }, "slo.ttft_ms"],
    ["slo", { class: "soon" }, "slo.class"],
    ["min_p", 2, "min_p"],
    ["thinking_budget", -1, "thinking_budget"],
    ["metadata", { a: 1 }, "metadata.a"],
    ["tools", [{ type: "function" }], "tools[0].function"],
    ["tools", [{ type: "function", function: { name: "no spaces" } }], "tools[0].function.name"],
    ["tools", [FUNCTION, FUNCTION], "tools[1].function.name"],
    ["tools", [{ type: "function", function: { name: "f", parameters: [] } }], "tools[0].function.parameters"],
    ["tools", Array.from({ length: 129 }, () => FUNCTION), "tools"],
    ["tool_choice", "required", "tool_choice"],
    ["tool_choice", "sometimes", "tool_choice"],
    ["tool_choice", { type: "function", function: { name: "f" } }, "tool_choice"],
    ["response_format", { type: "xml" }, "response_format.type"],
    ["response_format", { type: "json_schema" }, "response_format.json_schema"],
    ["response_format", { type: "json_schema", json_schema: { name: "a b" } }, "response_format.json_schema.name"],
    ["guided_json", "{", "guided_json"],
    ["guided_json", 7, "guided_json"],
    ["guided_regex", "", "guided_regex"],
    ["guided_choice", [], "guided_choice"],
    ["structured_outputs", { choice: "yes" }, "structured_outputs.choice"],
    ["reasoning_effort", "heroic", "reasoning_effort"],
    ["verbosity", "loud", "verbosity"],
    ["prediction", { type: "content" }, "prediction.content"],
    ["chat_template_kwargs", { tone: "warm" }, "chat_template_kwargs"],
    ["stream_options", { include_obfuscation: 1 }, "stream_options.include_obfuscation"],
    ["messages", [{ role: "tool", content: "a" }], "messages[0].tool_call_id"],
    ["messages", [calling([{}])], "messages[0].tool_calls[0].id"],
    ["messages", [calling([call("{")])], "messages[0].tool_calls[0].function.arguments"],
    ["messages", [calling([call("[1]")])], "messages[0].tool_calls[0].function.arguments"],
  ])("refuses %s = %j and says where", (field, value, param) => {
    const error = failure(() => parseChatRequest(chat({ [field]: value })));
    expect([error.code, error.param]).toEqual(["invalid_request", param]);
    expect(error.message.length).toBeLessThan(400);
  });

  test("bounds sizes", () => {
    const bias = Object.fromEntries(Array.from({ length: LIMITS.logitBiasEntries + 1 }, (_, i) => [String(i), 1]));
    expect(failure(() => parseChatRequest(chat({ logit_bias: bias }))).param).toBe("logit_bias");
    const messages = Array.from({ length: LIMITS.messages + 1 }, () => ({ role: "user", content: "a" }));
    expect(failure(() => parseChatRequest(chat({ messages }))).param).toBe("messages");
    const long = "a".repeat(LIMITS.textCharacters + 1);
    expect(failure(() => parseChatRequest(chat({ messages: [{ role: "user", content: long }] }))).param).toBe(
      "messages[0].content",
    );
  });

  test("any JSON is either a request or a typed error", () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record({ model: fc.string(), messages: fc.jsonValue(), stop: fc.jsonValue(), slo: fc.jsonValue() }),
    );
    fc.assert(
      fc.property(value, (body) => {
        try {
          chatRequestSchema.parse(parseChatRequest(body));
        } catch (error) {
          expect(error).toBeInstanceOf(PunctualError);
        }
      }),
      { seed: 11, numRuns: 400 },
    );
  });
});

describe("tools", () => {
  const tools = [FUNCTION, { type: "function", function: { name: "g", parameters: { type: "object" }, strict: true } }];

  test.each([
    ["none", { mode: "none", names: null }],
    ["auto", { mode: "auto", names: null }],
    ["required", { mode: "required", names: null }],
    [
      { type: "function", function: { name: "g" } },
      { mode: "required", names: ["g"] },
    ],
    [
      { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [FUNCTION] } },
      { mode: "auto", names: ["f"] },
    ],
  ])("reads tool_choice %j", (choice, expected) => {
    expect(parseChatRequest(chat({ tools, tool_choice: choice })).tool_choice).toEqual(expected);
  });

  test("a choice names declared tools only", () => {
    const other = { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [call("")] } };
    expect(parseChatRequest(chat({ tools, tool_choice: other })).tool_choice!.names).toEqual(["f"]);
    const unknown = { type: "function", function: { name: "h" } };
    expect(failure(() => parseChatRequest(chat({ tools, tool_choice: unknown }))).message).toMatch(/'h'/);
  });

  test("a conversation holds calls and their results", () => {
    const messages = [calling([call('{"a":1}'), call("")]), { role: "tool", tool_call_id: "call_1", content: "ok" }];
    const [assistant, tool] = parseChatRequest(chat({ messages })).messages;
    expect(assistant).toMatchObject({ role: "assistant", content: "", tool_calls: [call('{"a":1}'), call("")] });
    expect(tool).toMatchObject({ role: "tool", tool_call_id: "call_1", content: "ok" });
  });
});

describe("constraints", () => {
  const constraint = (extra: Record<string, unknown>) => outputConstraint(parseChatRequest(chat(extra)));
  const schema = { type: "object", properties: { a: { type: "integer" } } };

  test.each([
    [{}, null],
    [{ response_format: { type: "text" } }, null],
    [{ response_format: { type: "json_object" } }, { kind: "json_object" }],
    [
      { response_format: { type: "json_schema", json_schema: { name: "s", schema, strict: true } } },
      { kind: "json_schema", schema, strict: true },
    ],
    [{ response_format: { type: "json_schema", json_schema: { name: "s" } } }, { kind: "json_object" }],
    [{ guided_json: schema }, { kind: "json_schema", schema }],
    [{ guided_json: JSON.stringify(schema) }, { kind: "json_schema", schema }],
    [{ guided_regex: "a+" }, { kind: "regex", pattern: "a+" }],
    [{ guided_choice: ["yes", "no"] }, { kind: "choice", choices: ["yes", "no"] }],
    [{ structured_outputs: { json: schema } }, { kind: "json_schema", schema }],
    [{ structured_outputs: { regex: "b" } }, { kind: "regex", pattern: "b" }],
    [{ structured_outputs: { choice: ["x"] } }, { kind: "choice", choices: ["x"] }],
    [{ structured_outputs: { json_object: true } }, { kind: "json_object" }],
    [{ structured_outputs: { json_object: false } }, null],
  ])("%j comes to %j", (extra, expected) => {
    expect(constraint(extra)?.constraint ?? null).toEqual(expected);
  });

  test("two at once are refused by the name of the second", () => {
    const both = { response_format: { type: "json_object" }, guided_regex: "a" };
    expect(failure(() => constraint(both)).param).toBe("guided_regex");
    const inOne = { structured_outputs: { json: {}, choice: ["a"] } };
    expect(failure(() => constraint(inOne)).param).toBe("structured_outputs.choice");
  });

  test("the text endpoint takes them too", () => {
    expect(outputConstraint(parseCompletionRequest(text({ guided_choice: ["a"] })))!.param).toBe("guided_choice");
  });
});

describe("completion requests", () => {
  test.each([
    ["hi", ["hi"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])("reads prompt %j as a list of prompts", (prompt, expected) => {
    expect(parseCompletionRequest(text({ prompt })).prompt).toEqual(expected);
  });

  test.each([
    ["suffix", "end", "unsupported_parameter"],
    ["echo", true, "unsupported_parameter"],
    ["best_of", 2, "unsupported_parameter"],
    ["prompt", [], "invalid_request"],
    ["prompt", [1, "a"], "invalid_request"],
    ["prompt", {}, "invalid_request"],
    ["logprobs", 21, "invalid_request"],
    ["n", 9, "invalid_request"],
  ])("refuses %s = %j with %s", (field, value, code) => {
    const error = failure(() => parseCompletionRequest(text({ [field]: value })));
    expect([error.code, error.param]).toEqual([code, field]);
  });

  test("bounds prompts times n", () => {
    const prompt = Array.from({ length: 5 }, () => "a");
    expect(failure(() => parseCompletionRequest(text({ prompt, n: 8 }))).param).toBe("n");
  });
});

describe("deadlines", () => {
  const headers = (values: Record<string, string>) => (name: string) => values[name];

  test("reads headers, and lets the body win field by field", () => {
    const asked = readSlo(headers({ "x-slo-ttft-ms": "200", "x-slo-class": "latency" }), { ttft_ms: 50 });
    expect(asked.objective).toMatchObject({ class: "latency", ttft_ms: 50 });
    expect(new Map(asked.names).get("slo.ttft_ms")).toBe("slo.ttft_ms");
    expect(new Map(asked.names).get("slo.class")).toBe("x-slo-class");
  });

  test("a deadline has two headers; a task has an id and a stage, and is no objective", () => {
    expect(readSlo(headers({ "x-deadline-ms": "200" }), null).objective).toMatchObject({ deadline_ms: 200 });
    const both = { "x-deadline-ms": "200", "x-slo-deadline-ms": "200.0" };
    expect(readSlo(headers(both), null).objective).toMatchObject({ deadline_ms: 200 });
    const inTask = readSlo(headers({ "x-task-id": "a-1", "x-task-stage": "2" }), null);
    expect(inTask).toMatchObject({ objective: null, task: { id: "a-1", stage: 2 } });
    expect(readSlo(headers({ "x-task-id": "a-1" }), { task_id: "b", deadline_ms: 5 })).toMatchObject({
      objective: { deadline_ms: 5 },
      task: { id: "b", stage: 0 },
    });
    expect(readSlo(headers({}), null)).toMatchObject({ objective: null, task: null });
  });

  test.each([
    [{ "x-slo-deadline-ms": "soon" }, "x-slo-deadline-ms"],
    [{ "x-slo-deadline-ms": "0" }, "x-slo-deadline-ms"],
    [{ "x-deadline-ms": "1e9" }, "x-deadline-ms"],
    [{ "x-deadline-ms": "100", "x-slo-deadline-ms": "200" }, "x-deadline-ms"],
    [{ "x-slo-ttft-ms": "100, 200" }, "x-slo-ttft-ms"],
    [{ "x-slo-tpot-ms": "" }, "x-slo-tpot-ms"],
    [{ "x-slo-class": "fast" }, "x-slo-class"],
    [{ "x-slo-on-miss": "cry" }, "x-slo-on-miss"],
    [{ "x-task-id": "a b" }, "x-task-id"],
    [{ "x-task-id": "a".repeat(129) }, "x-task-id"],
    [{ "x-task-id": "a", "x-task-stage": "-1" }, "x-task-stage"],
    [{ "x-task-id": "a", "x-task-stage": "99999" }, "x-task-stage"],
    [{ "x-task-stage": "1" }, "x-task-stage"],
  ])("refuses %j, naming %s", (values, name) => {
    const error = failure(() => readSlo(headers(values as Record<string, string>), null));
    expect([error.code, error.param]).toEqual(["invalid_request", name]);
  });

  test("any headers are read or refused by name", () => {
    const names = ["x-slo-class", "x-slo-ttft-ms", "x-deadline-ms", "x-slo-deadline-ms", "x-task-id", "x-task-stage"];
    const value = fc.oneof(fc.string(), fc.constantFrom("latency", "1", "100", "2.5"));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (given) => {
        try {
          const { objective, task } = readSlo(headers(given), null);
          expect(task === null).toBe(given["x-task-id"] === undefined);
          expect(objective === null || Object.values(objective).some((field) => field !== undefined)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_request", param: expect.stringMatching(/^x-/) as string });
        }
      }),
    );
  });
});

describe("JSON bodies", () => {
  test.each([
    ["", /empty/],
    ["{", /JSON/],
    [`${"[".repeat(40)}${"]".repeat(40)}`, /nest/],
  ])("types the failure of %j", (body, pattern) => {
    const error = failure(() => decodeJson(bytes(body)));
    expect(error.code).toBe("invalid_request");
    expect(error.message).toMatch(pattern);
  });

  test("refuses what is not UTF-8", () => {
    expect(failure(() => decodeJson(Uint8Array.of(0x22, 0xff, 0x22))).message).toMatch(/UTF-8/);
  });

  test("depth counts brackets outside strings only", () => {
    expect(jsonDepth(bytes('{"a[[[": "\\"[[", "b": [[1]]}'))).toBe(3);
  });

  test("depth is that of the value, for any value", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        expect(jsonDepth(bytes(JSON.stringify(value)))).toBe(depthOf(value));
      }),
      { seed: 12, numRuns: 300 },
    );
  });
});

describe("errors on the wire", () => {
  test.each(Object.keys(ERROR_CODES) as ErrorCode[])("%s has OpenAI's form and its own status", (code) => {
    const wire = toWireError(new PunctualError(code, "Expected x.", { param: "p" }));
    expect(errorBodySchema.parse(wire.body).error).toMatchObject({ message: "Expected x.", code, param: "p" });
    expect(wire.status).toBe(ERROR_CODES[code].status);
    expect("retry-after" in wire.headers).toBe(
      (wire.status === 429 || wire.status === 503) && ERROR_CODES[code].retryable,
    );
  });

  test("rounds Retry-After up and keeps the milliseconds", () => {
    const wire = toWireError(new PunctualError("queue_full", "Full.", { retryAfterMs: 1200.4 }));
    expect(wire.headers).toEqual({ "retry-after": "2", "retry-after-ms": "1201" });
  });

  test("does not tell a bug's text", () => {
    const wire = toWireError(new Error("secret path /home"));
    expect(wire.status).toBe(500);
    expect(wire.body.error.message).not.toContain("secret");
  });

  test("writes paths as people do", () => {
    expect(formatPath(["messages", 0, "content", 2, "type"])).toBe("messages[0].content[2].type");
  });
});

test("an instance's view is read with and without what it did for contexts, which is bounded", () => {
  const plain = { id: "a", model: "m", host: "punctual", role: "any", state: "serving", address: null };
  const counts = { usedPages: 1, totalPages: 2, pageTokens: 16, running: 0, waiting: 0, batch: 0, tokensPerSecond: 0 };
  const old = { ...plain, ...counts, heartbeatAgeMs: 1 };
  expect(fleetInstanceViewSchema.parse(old)).toEqual(old);
  const choices = (count: number): object => ({
    ...old,
    contexts: Array.from({ length: count }, (_, i) => ({ choice: `anchored-${i}`, chunks: i, bytes: 0 })),
  });
  const most = choices(FLEET_VIEW_LIMITS.choices);
  expect(fleetInstanceViewSchema.parse(most)).toEqual(most);
  expect(fleetInstanceViewSchema.safeParse(choices(FLEET_VIEW_LIMITS.choices + 1)).success).toBe(false);
});
