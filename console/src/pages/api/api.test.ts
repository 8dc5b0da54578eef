import fc from "fast-check";
import { describe as suite, expect, test } from "vitest";
import { append, laidOut, textOfEvent } from "./answer.ts";
import { canStream, readApi, resolve, searchApi, type Operation } from "./openapi.ts";
import { asksForStream, curlCommand, problemsOf, readyRequest, withModel, withStream } from "./request.ts";
import { describe, exampleOf, partsOf } from "./schema.ts";

const DOCUMENT = {
  openapi: "3.1.0",
  info: { title: "Punctual", version: "0.1.0" },
  tags: [{ name: "chat", description: "Answers." }],
  security: [{ bearer: [] }],
  paths: {
    "/health": { get: { summary: "Is it up", security: [], responses: { 200: { description: "yes" } } } },
    "/v1/chat/completions": {
      post: {
        tags: ["chat"],
        summary: "A chat",
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Chat" } } },
        },
        responses: {
          200: {
            description: "ok",
            content: {
              "application/json": { schema: { type: "object" } },
              "text/event-stream": { schema: { type: "string", contentSchema: { type: "integer" } } },
            },
          },
        },
      },
    },
    "/admin/models/{id}/policy": {
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      post: {
        parameters: [{ name: "dry run", in: "query", schema: { type: "boolean" } }],
        requestBody: { content: { "application/json": { schema: { type: "object" }, example: { policy: "fcfs" } } } },
      },
    },
  },
  components: {
    schemas: {
      Chat: {
        type: "object",
        required: ["model", "messages"],
        properties: {
          model: { type: "string", description: "Its name.", maxLength: 64 },
          messages: { type: "array", minItems: 1, items: { $ref: "#/components/schemas/Message" } },
          temperature: { anyOf: [{ type: "number", minimum: 0, maximum: 2 }, { type: "null" }], description: "Heat." },
          stop: { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] },
          seed: { type: "integer", minimum: -9007199254740991, maximum: 9007199254740991 },
        },
      },
      Message: {
        oneOf: [
          {
            type: "object",
            required: ["role", "content"],
            properties: { role: { enum: ["system", "user"] }, content: { type: "string" } },
          },
          {
            type: "object",
            required: ["role"],
            properties: { role: { const: "tool" }, parent: { $ref: "#/components/schemas/Message" } },
          },
        ],
      },
      Loop: { $ref: "#/components/schemas/Loop" },
    },
  },
};

const api = readApi(DOCUMENT);
const operation = (id: string): Operation =>
  api.groups.flatMap(({ operations }) => operations).find((one) => one.id === id)!;

suite("an OpenAPI document", () => {
  test("becomes groups of operations", () => {
    expect(api.asksForKeys).toBe(true);
    expect(api.groups.map(({ name, description }) => [name, description])).toEqual([
      ["chat", "Answers."],
      ["health", ""],
      ["admin", ""],
    ]);
    expect(operation("GET /health").needsKey).toBe(false);
    expect(operation("POST /v1/chat/completions").needsKey).toBe(true);
    expect(operation("POST /admin/models/{id}/policy").parameters.map(({ name }) => name)).toEqual(["id", "dry run"]);
    expect(operation("POST /admin/models/{id}/policy").body!.example).toEqual({ policy: "fcfs" });
    expect(searchApi(api.groups, "post CHAT").map(({ operations }) => operations.length)).toEqual([1]);
    expect(searchApi(api.groups, "nothing like it")).toEqual([]);
  });

  test("says which answers come in pieces, and of what", () => {
    const chat = operation("POST /v1/chat/completions");
    expect(canStream(chat)).toBe(true);
    expect(canStream(operation("GET /health"))).toBe(false);
    expect(chat.answers[0]!.media[1]).toEqual({ type: "text/event-stream", schema: { type: "integer" } });
    const bytes = { paths: { "/up": { post: { requestBody: { content: { "text/csv": { example: "a,b" } } } } } } };
    const [upload] = readApi(bytes).groups[0]!.operations;
    expect(upload!.body).toMatchObject({ mediaType: "text/csv", example: "a,b" });
    expect(readyRequest(upload!, { parameters: {}, body: "not { json" }).headers).toEqual({
      "content-type": "text/csv",
    });
    expect(problemsOf(upload!, { parameters: {}, body: "not { json" })).toEqual([]);
  });

  test("references that lead nowhere or in circles end", () => {
    expect(resolve(DOCUMENT, { $ref: "#/components/schemas/Loop" })).toBeNull();
    expect(resolve(DOCUMENT, { $ref: "#/components/none" })).toBeNull();
    expect(resolve(DOCUMENT, { $ref: "elsewhere.json" })).toBeNull();
    expect(partsOf(DOCUMENT, { $ref: "#/components/schemas/Loop" })).toEqual([]);
  });

  test("is read whatever it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (document, schema) => {
        for (const one of [document, { paths: document }, { paths: { "/a": { post: document } } }]) {
          for (const { operations } of readApi(one).groups) expect(operations.length).toBeGreaterThan(0);
        }
        expect(typeof describe(document, schema).type).toBe("string");
        expect(Array.isArray(partsOf(document, schema))).toBe(true);
        JSON.stringify(exampleOf(document, schema));
      }),
      { seed: 5 },
    );
  });
});

suite("a schema", () => {
  const chat = { $ref: "#/components/schemas/Chat" };

  test("opens level by level, through unions and lists", () => {
    expect(partsOf(DOCUMENT, chat).map(({ name, isRequired }) => `${name}${isRequired ? "!" : ""}`)).toEqual([
      "model!",
      "messages!",
      "temperature",
      "stop",
      "seed",
    ]);
    const messages = partsOf(DOCUMENT, chat)[1]!.schema;
    expect(partsOf(DOCUMENT, messages).map(({ name }) => name)).toEqual(['role: "system" or "user"', 'role: "tool"']);
    expect(partsOf(DOCUMENT, partsOf(DOCUMENT, messages)[0]!.schema).map(({ name }) => name)).toEqual([
      "role",
      "content",
    ]);
  });

  test("is described in words", () => {
    const words = partsOf(DOCUMENT, chat).map(({ schema }) => describe(DOCUMENT, schema));
    expect(words.map(({ type }) => type)).toEqual([
      "string",
      "array of object",
      "number or null",
      "string or array of string",
      "integer",
    ]);
    expect(words[0]).toMatchObject({ description: "Its name.", bounds: ["at most 64 characters"] });
    expect(words[2]).toMatchObject({ description: "Heat.", bounds: ["at least 0", "at most 2"] });
    expect(words[4]!.bounds).toEqual([]);
  });

  test("has an example with what is required", () => {
    expect(exampleOf(DOCUMENT, chat)).toEqual({ model: "text", messages: [{ role: "system", content: "text" }] });
    expect(withModel(exampleOf(DOCUMENT, chat), ["punctual-small"])).toMatchObject({ model: "punctual-small" });
    expect(withModel({ model: "b" }, ["a", "b"])).toEqual({ model: "b" });
    expect(withModel({ model: "b" }, [])).toEqual({ model: "b" });
    expect(withModel({ policy: "x" }, ["m"])).toEqual({ policy: "x" });
  });
});

suite("a request", () => {
  const policy = operation("POST /admin/models/{id}/policy");

  test("says what is missing before it is sent", () => {
    expect(problemsOf(policy, { parameters: {}, body: "{" })).toHaveLength(2);
    expect(problemsOf(policy, { parameters: { "path:id": "m" }, body: "" })).toEqual([]);
    expect(problemsOf(operation("POST /v1/chat/completions"), { parameters: {}, body: " " })).toEqual([
      "The body is missing.",
    ]);
  });

  test("encodes what was filled in", () => {
    const filled = { parameters: { "path:id": "org/a b", "query:dry run": "true" }, body: '{"policy":"it\'s"}' };
    const ready = readyRequest(policy, filled);
    expect(ready.path).toBe("/admin/models/org%2Fa%20b/policy?dry+run=true");
    const curl = curlCommand(ready, "http://localhost:8080/", true);
    expect(curl).toBe(
      [
        "curl -N 'http://localhost:8080/admin/models/org%2Fa%20b/policy?dry+run=true' \\",
        '  -H "authorization: Bearer $PUNCTUAL_API_KEY" \\',
        "  -H 'content-type: application/json' \\",
        String.raw`  --data-binary '{"policy":"it'\''s"}'`,
      ].join("\n"),
    );
    const health = readyRequest(operation("GET /health"), { parameters: {}, body: "" });
    expect(curlCommand(health, "http://h", false)).toBe("curl -N 'http://h/health'");
  });
});

test("a body is streamed or not, whatever else it says", () => {
  expect(asksForStream('{"stream":true}')).toBe(true);
  expect(asksForStream("{")).toBeNull();
  expect(JSON.parse(withStream('{"a":1}', true))).toEqual({ a: 1, stream: true });
  expect(JSON.parse(withStream('{"stream":true,"a":1}', false))).toEqual({ a: 1 });
  expect(withStream("[1", true)).toBe("[1");
});

suite("an answer", () => {
  test("stops growing and counts the rest", () => {
    const shown = append(append({ text: "", omitted: 0 }, "abcdef", 8), "ghijkl", 8);
    expect(shown).toEqual({ text: "abcdefgh", omitted: 4 });
  });

  test("is laid out when it is JSON", () => {
    expect(laidOut('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(laidOut("# HELP x")).toBe("# HELP x");
  });

  test("of any interface is put together from its events", () => {
    expect(textOfEvent('{"choices":[{"delta":{"content":"a"}}]}')).toBe("a");
    expect(textOfEvent('{"choices":[{"text":"b"}]}')).toBe("b");
    expect(textOfEvent('{"type":"response.output_text.delta","delta":"c"}')).toBe("c");
    expect(textOfEvent('{"type":"content_block_delta","delta":{"type":"text_delta","text":"d"}}')).toBe("d");
    expect(textOfEvent("[DONE]")).toBe("");
    expect(textOfEvent('{"choices":[]}')).toBe("");
  });
});
